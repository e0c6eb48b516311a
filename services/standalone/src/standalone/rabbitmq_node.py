"""What a private RabbitMQ node is told: ports, accounts and folders that are its own."""

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from standalone.ports import LOOPBACK
from standalone.rabbitmq_programs import RabbitPrograms
from standalone.servers import ServerCommand

USER = "contactsync"

_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_consistent_hash_exchange]."


@dataclass(frozen=True, slots=True)
class RabbitServer:
    """Addresses of a broker: for AMQP (default virtual host), and for its management over HTTP."""

    url: str
    management_url: str


@dataclass(frozen=True, slots=True)
class Node:
    """What distinguishes one node from every other on this machine; `folder` holds all that it writes."""

    folder: Path
    password: str
    amqp_port: int
    management_port: int
    prometheus_port: int
    distribution_port: int
    epmd_port: int

    @property
    def server(self) -> RabbitServer:
        """Its addresses, with the account in them."""
        account = f"{USER}:{self.password}@{LOOPBACK}"
        return RabbitServer(
            url=f"amqp://{account}:{self.amqp_port}/%2F", management_url=f"http://{account}:{self.management_port}"
        )


def node_command(node: Node, programs: RabbitPrograms) -> ServerCommand:
    """How to start the node with programs of this machine; its configuration is written."""
    _write_configuration(node)
    return ServerCommand(
        arguments=[str(programs.script)],
        environment=_environment(node, programs),
        folder=programs.folder,
        log=node.folder / "server.log",
        stop_signal="SIGKILL",  # an orderly stop takes six seconds and keeps nothing that we need
        grace_s=0,
    )


def _write_configuration(node: Node) -> None:
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


def _environment(node: Node, programs: RabbitPrograms) -> Mapping[str, str]:
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
