"""A private RabbitMQ node: its own folder, ports, cookie and epmd, on the loopback interface alone."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from standalone.ports import LOOPBACK, free_ports
from standalone.rabbitmq_programs import RabbitPrograms, installed_programs, unpacked_programs
from standalone.servers import RunningServer, ServerCommand, ServerStartError, supervised

USER = "contactsync"

_START_ATTEMPTS = 2
_START_WITHIN_S = 120
_POLL_S = 0.1
_PROBE_WITHIN_S = 2
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1, 4.2.2
_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_consistent_hash_exchange]."


@dataclass(frozen=True, slots=True)
class RabbitServer:
    """Addresses of a broker: for AMQP (default virtual host), and for its management over HTTP."""

    url: str
    management_url: str


@dataclass(frozen=True, slots=True)
class _Node:
    """What distinguishes one node from every other on this machine."""

    folder: Path
    password: str
    amqp_port: int
    management_port: int
    prometheus_port: int
    distribution_port: int
    epmd_port: int

    @property
    def server(self) -> RabbitServer:
        account = f"{USER}:{self.password}@{LOOPBACK}"
        return RabbitServer(
            url=f"amqp://{account}:{self.amqp_port}/%2F", management_url=f"http://{account}:{self.management_port}"
        )


async def find_rabbitmq(cache: Path, environ: Mapping[str, str] = os.environ) -> RabbitPrograms:
    """RabbitMQ's programs: the installed ones, else Debian's packages unpacked under `cache`.

    Raises ServerUnavailableError where neither can be had.
    """
    return installed_programs(environ) or await unpacked_programs(cache, environ)


@asynccontextmanager
async def private_rabbitmq(data_dir: Path, programs: RabbitPrograms) -> AsyncIterator[RabbitServer]:
    """A broker on the data in `data_dir`, which is made when there is none.

    It is killed at the end, which keeps what it had confirmed a second before.

    Raises ServerStartError when the node ends while it starts.
    """
    rng = random.SystemRandom()
    for attempt in range(1, _START_ATTEMPTS + 1):
        node = _Node(data_dir, _password(data_dir), *free_ports(5, rng))
        _write_configuration(node)
        command = ServerCommand(
            arguments=[str(programs.script)],
            environment=_environment(node, programs),
            folder=programs.folder,
            log=data_dir / "server.log",
            stop_signal="SIGKILL",  # an orderly stop takes six seconds and keeps nothing that we need
            grace_s=0,
        )
        async with supervised(command) as server:
            try:
                await _until_ready(server, node)
            except ServerStartError:
                if attempt == _START_ATTEMPTS:
                    raise
                continue
            yield node.server
            return


def _password(data_dir: Path) -> str:
    """The password that the node was first started with; it keeps accounts in its data."""
    file = data_dir / "password"
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()


def _write_configuration(node: _Node) -> None:
    etc = node.folder / "etc"
    for folder in (etc, node.folder / "home", node.folder / "mnesia", node.folder / "log"):
        folder.mkdir(parents=True, exist_ok=True)
    cookie = node.folder / "home" / ".erlang.cookie"
    if not cookie.exists():
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
    settings = {
        "listeners.tcp.1": f"{LOOPBACK}:{node.amqp_port}",
        "management.tcp.ip": LOOPBACK,
        "management.tcp.port": node.management_port,
        "prometheus.tcp.ip": LOOPBACK,
        "prometheus.tcp.port": node.prometheus_port,
        "default_user": USER,
        "default_pass": node.password,
        "default_vhost": "/",
        "disk_free_limit.absolute": "200MB",
        "vm_memory_high_watermark.absolute": "1GB",
        "log.console": "false",
    }
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (etc / "rabbitmq.conf").write_text(lines)
    (etc / "rabbitmq.conf").chmod(0o600)
    (etc / "advanced.config").write_text("[].\n")
    (etc / "enabled_plugins").write_text(_PLUGINS + "\n")
    (etc / "rabbitmq-env.conf").write_text("")  # stands before the machine's own in /etc/rabbitmq
    # Without the resolver a dead DNS server costs every start five seconds.
    (etc / "inetrc").write_text(f'{{lookup,[file]}}.\n{{host,{{127,0,0,1}},["localhost","{socket.gethostname()}"]}}.\n')


def _environment(node: _Node, programs: RabbitPrograms) -> Mapping[str, str]:
    etc = node.folder / "etc"
    return {
        **programs.environment,
        "LC_ALL": "C.UTF-8",
        "HOME": str(node.folder / "home"),
        "RABBITMQ_NODENAME": "contactsync@localhost",  # alone in its epmd
        "RABBITMQ_CONF_ENV_FILE": str(etc / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(etc / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(etc / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(node.folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(node.folder / "log"),
        "RABBITMQ_PID_FILE": str(node.folder / "rabbit.pid"),
        "RABBITMQ_DIST_PORT": str(node.distribution_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(node.epmd_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_INETRC": str(etc / "inetrc"),
    }


async def _until_ready(server: RunningServer, node: _Node) -> None:
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


async def _is_managed(client: httpx2.AsyncClient, node: _Node) -> bool:
    try:
        answer = await client.get(f"{node.server.management_url}/api/overview")
    except httpx2.TransportError:
        return False
    return answer.is_success
