"""Free TCP ports on the loopback interface for private servers."""

import socket
from contextlib import ExitStack
from random import Random

LOOPBACK = "127.0.0.1"
FIRST_PORT = 15_000
LAST_PORT = 32_000  # the kernel hands out 32768 and above to outgoing connections
_TRIES_PER_PORT = 200


class NoFreePortError(RuntimeError):
    """Too many of the ports that were tried are taken."""


def free_ports(count: int, rng: Random) -> list[int]:
    """`count` different ports between 15000 and 32000 that nobody listens on.

    All are bound for a moment to be sure. Another process may take one before it is used, so whoever starts a
    server on it is ready to try again with others.

    Raises NoFreePortError after 200 tries for each port.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(count * _TRIES_PER_PORT):
            if len(ports) == count:
                return ports
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            port = rng.randint(FIRST_PORT, LAST_PORT)
            if _bind(probe, port):
                ports.append(port)
    if len(ports) < count:
        raise NoFreePortError(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT} on {LOOPBACK}")
    return ports


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bind(probe, port)


def _bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        probe.close()
        return False
    return True
