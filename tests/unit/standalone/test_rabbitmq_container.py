"""RabbitMQ in a container: what the engine is asked to do. The engine is a script that answers as one would."""

from pathlib import Path

import pytest

from standalone.rabbitmq_container import ContainerEngine, container_command, find_engine
from standalone.rabbitmq_node import Node

NODE = Node(Path("folder"), "a-secret", 15001, 15002, 15003, 15004, 15005)


def _engine(folder: Path, name: str, exit_code: int) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\n[ "$1" = info ] && exit {exit_code}\n')
    program.chmod(0o755)


async def test_an_engine_whose_server_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    _engine(tmp_path, "docker", exit_code=1)
    _engine(tmp_path, "podman", exit_code=0)
    assert await find_engine({"PATH": str(tmp_path)}) == ContainerEngine(str(tmp_path / "podman"))


async def test_without_any_engine_there_is_none(tmp_path: Path) -> None:
    assert await find_engine({"PATH": str(tmp_path)}) is None


@pytest.mark.parametrize("port", [NODE.amqp_port, NODE.management_port])
def test_ports_are_published_on_the_loopback_interface_alone(port: int) -> None:
    arguments = container_command(NODE, ContainerEngine("docker")).arguments
    (published,) = [argument for argument in arguments if f":{port}:" in argument]
    assert published.startswith("127.0.0.1:")


def test_the_password_is_in_the_environment_and_not_in_the_process_list() -> None:
    command = container_command(NODE, ContainerEngine("docker"))
    assert command.environment["RABBITMQ_DEFAULT_PASS"] == NODE.password
    assert not any(NODE.password in argument for argument in command.arguments)
