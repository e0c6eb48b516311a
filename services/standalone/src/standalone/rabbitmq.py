"""A private RabbitMQ node: its own folder, ports, cookie and epmd, on the loopback interface alone."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import assert_never

import httpx2

from standalone.ports import LOOPBACK, free_ports
from standalone.rabbitmq_container import ContainerEngine, container_command, find_engine
from standalone.rabbitmq_node import Node, RabbitServer, node_command
from standalone.rabbitmq_programs import RabbitPrograms, installed_programs, unpacked_programs
from standalone.servers import RunningServer, ServerCommand, ServerStartError, ServerUnavailableError, supervised

__all__ = ["RabbitServer", "find_rabbitmq", "installed_programs", "private_rabbitmq"]

_START_ATTEMPTS = 2
_START_WITHIN_S = 120
_POLL_S = 0.1
_PROBE_WITHIN_S = 2
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1, 4.2.2


async def find_rabbitmq(cache: Path, environ: Mapping[str, str] = os.environ) -> RabbitPrograms | ContainerEngine:
    """A way to run RabbitMQ: the installed one, else Debian's packages unpacked under `cache`, else a container.

    Raises ServerUnavailableError where there is none.
    """
    installed = installed_programs(environ)
    if installed is not None:
        return installed
    try:
        return await unpacked_programs(cache, environ)
    except ServerUnavailableError as error:
        engine = await find_engine(environ)
        if engine is not None:
            return engine
        raise ServerUnavailableError(
            f"{error}, and no docker or podman runs here: install rabbitmq-server, "
            "or give a broker in CONTACTSYNC_AMQP_URL"
        ) from error


@asynccontextmanager
async def private_rabbitmq(data_dir: Path, programs: RabbitPrograms | ContainerEngine) -> AsyncIterator[RabbitServer]:
    """A broker on the data in `data_dir`, which is made when there is none.

    It is killed at the end, which keeps what it had confirmed a second before. A container keeps nothing.

    Raises ServerStartError when the node ends while it starts.
    """
    rng = random.SystemRandom()
    for attempt in range(1, _START_ATTEMPTS + 1):
        node = Node(data_dir, _password(data_dir), *free_ports(5, rng))
        async with supervised(_command(node, programs)) as server:
            try:
                await _until_ready(server, node)
            except ServerStartError:
                if attempt == _START_ATTEMPTS:
                    raise
                continue
            yield node.server
            return


def _command(node: Node, programs: RabbitPrograms | ContainerEngine) -> ServerCommand:
    match programs:
        case RabbitPrograms():
            return node_command(node, programs)
        case ContainerEngine():
            return container_command(node, programs)
        case _:
            assert_never(programs)


def _password(data_dir: Path) -> str:
    """The password that the node was first started with; it keeps accounts in its data."""
    file = data_dir / "password"
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


async def _until_ready(server: RunningServer, node: Node) -> None:
    async with asyncio.timeout(_START_WITHIN_S), httpx2.AsyncClient(timeout=_PROBE_WITHIN_S) as client:
        while not (await _speaks_amqp(node.amqp_port) and await _is_managed(client, node)):
            server.check_alive()
            await asyncio.sleep(_POLL_S)


async def _speaks_amqp(port: int) -> bool:
    """Whether the broker answers a greeting; its port is open a while before it does."""
    try:
        async with asyncio.timeout(_PROBE_WITHIN_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(_AMQP_GREETING)
                return await reader.read(1) == b"\x01"
            finally:
                writer.close()
    except OSError:  # TimeoutError is one
        return False


async def _is_managed(client: httpx2.AsyncClient, node: Node) -> bool:
    try:
        answer = await client.get(f"{node.server.management_url}/api/overview")
    except httpx2.TransportError:
        return False
    return answer.is_success
