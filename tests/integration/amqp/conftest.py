"""A broker behind a proxy, and settings that fail fast."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx2
import pytest

from contactsync.adapters.amqp.queue import AmqpQueue
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.clock import SystemClock
from tests.support.rabbitmq import VirtualHost
from tests.support.tcp_proxy import TcpProxy, tcp_proxy


def quick(url: str, **changes: object) -> AmqpSettings:
    """Settings with pauses and deadlines of a test."""
    defaults: dict[str, object] = {
        "connect_deadline_s": 1.0,
        "call_deadline_s": 2.0,
        "publish_deadline_s": 1.0,
        "reconnect_s": (0.05, 0.2),
        "start_up_pause_s": 0.05,
        "replicas": 1,
    }
    return AmqpSettings(url=url, **{**defaults, **changes})  # type: ignore[arg-type]  # names are checked at run time


def queue_on(settings: AmqpSettings) -> AmqpQueue:
    """A queue with the real clock."""
    return AmqpQueue(settings, SystemClock(), Random(11))


@dataclass(frozen=True, slots=True)
class Broker:
    """The test's virtual host, reached through a proxy that can be told to fail."""

    proxy: TcpProxy
    url: str
    direct_url: str


@pytest.fixture
async def broker(amqp_url: str) -> AsyncIterator[Broker]:
    async with tcp_proxy(amqp_url) as (proxy, url):
        yield Broker(proxy, url, amqp_url)


class Management:
    """The broker's HTTP interface, for this test's virtual host."""

    def __init__(self, client: httpx2.AsyncClient, vhost: str) -> None:
        self._client = client
        self._vhost = vhost

    async def queue(self, name: str) -> dict[str, object]:
        """What the broker says of a queue."""
        answer = await self._client.get(f"queues/{self._vhost}/{name}")
        answer.raise_for_status()
        described: dict[str, object] = answer.json()
        return described

    async def exchange(self, name: str) -> dict[str, object]:
        """What the broker says of an exchange."""
        answer = await self._client.get(f"exchanges/{self._vhost}/{name}")
        answer.raise_for_status()
        described: dict[str, object] = answer.json()
        return described

    async def connections(self) -> list[tuple[str, int]]:
        """Name and heartbeat of each connection to the virtual host."""
        found = await self._listed(f"vhosts/{self._vhost}/connections")
        return [(one["client_properties"]["connection_name"], one["timeout"]) for one in found if "timeout" in one]

    async def prefetches(self) -> dict[str, int]:
        """Prefetch of the consumers by queue, where each queue has one."""
        found = await self._listed(f"consumers/{self._vhost}")
        return {one["queue"]["name"]: one["prefetch_count"] for one in found}

    async def _listed(self, path: str) -> list[dict[str, Any]]:
        answer = await self._client.get(path)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    async def delete_queue(self, name: str) -> None:
        """Delete a queue with all that is in it."""
        (await self._client.delete(f"queues/{self._vhost}/{name}")).raise_for_status()

    async def delete_exchange(self, name: str) -> None:
        """Delete an exchange and its bindings."""
        (await self._client.delete(f"exchanges/{self._vhost}/{name}")).raise_for_status()

    async def unbind(self, name: str, exchange: str = "sync", *, key: str | None = None) -> None:
        """Take away a queue's binding."""
        address = f"bindings/{self._vhost}/e/{exchange}/q/{name}/{key or name}"
        (await self._client.delete(address)).raise_for_status()


@pytest.fixture
async def management(virtual_host: VirtualHost) -> AsyncIterator[Management]:
    async with httpx2.AsyncClient(base_url=f"{virtual_host.management_url}/api", timeout=10) as client:
        yield Management(client, virtual_host.name)
