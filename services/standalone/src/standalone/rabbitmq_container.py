"""RabbitMQ in a container, for machines that have docker or podman and no packages to take it from."""

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from standalone.ports import LOOPBACK
from standalone.rabbitmq_node import USER, Node
from standalone.servers import ServerCommand, output_of

IMAGE = "rabbitmq:4.1-management"
_ENGINES = ("docker", "podman")
_GRACE_S = 30.0  # the engine stops the container and removes it
_AMQP_PORT, _MANAGEMENT_PORT = 5672, 15672  # inside


@dataclass(frozen=True, slots=True)
class ContainerEngine:
    """The client of a container engine that answers."""

    program: str


async def find_engine(environ: Mapping[str, str]) -> ContainerEngine | None:
    """The first engine whose client and server both answer, or None."""
    for name in _ENGINES:
        program = shutil.which(name, path=environ.get("PATH", os.defpath))
        # `version` needs only the client; `info` asks the server.
        if program is not None and (await output_of([program, "info"], environ))[0] == 0:
            return ContainerEngine(program)
    return None


def container_command(node: Node, engine: ContainerEngine) -> ServerCommand:
    """How to run the node in a container that is removed when it stops; downloads the image at the first call."""
    account = {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": node.password}
    return ServerCommand(
        arguments=[
            *(engine.program, "run", "--rm", "--name", f"contactsync-rabbitmq-{secrets.token_hex(4)}"),
            *("--publish", f"{LOOPBACK}:{node.amqp_port}:{_AMQP_PORT}"),
            *("--publish", f"{LOOPBACK}:{node.management_port}:{_MANAGEMENT_PORT}"),
            # Names alone: the client takes the values from its environment, and nobody reads them in the process list.
            *(part for name in account for part in ("--env", name)),
            IMAGE,
        ],
        environment={**os.environ, **account},
        folder=node.folder,
        log=node.folder / "server.log",
        stop_signal="SIGTERM",  # which the client hands on to the container
        grace_s=_GRACE_S,
    )
