"""Notification channels and their callbacks (Zoho CRM API v8, "Notifications").

Callbacks go to loopback addresses alone, unsigned, best effort, after the answer to the write. They can be told
to get lost, come twice or in the wrong order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from simulators.zoho.organisation import Organisation
from simulators.zoho.records import Record

MAX_CHANNELS: Final = 50
DEFAULT_LIFE_S: Final = 3600
MAX_LIFE_S: Final = 7 * 86_400
MAX_TOKEN: Final = 50
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT_S: Final = 5
_KEPT: Final = 1000
_KINDS: Final = {"insert": "create", "update": "edit", "delete": "delete"}


@dataclass(slots=True)
class Channel:
    """One subscription of a user."""

    id: str
    zgid: str
    user_id: str
    events: tuple[str, ...]
    notify_url: str
    expires: int
    token: str | None = None
    with_values: bool = False

    def wants(self, module: str, operation: str, now: int) -> bool:
        """Whether a change of that kind is to be told, at that moment."""
        if now >= self.expires:
            return False
        return f"{module}.all" in self.events or f"{module}.{_KINDS[operation]}" in self.events


@dataclass(frozen=True, slots=True)
class Delivery:
    """A callback on its way."""

    url: str
    body: dict[str, Any]


@dataclass(slots=True)
class Channels:
    """All channels, what waits to be delivered, and what became of the last deliveries."""

    by_key: dict[tuple[str, str], Channel] = field(default_factory=dict)
    waiting: list[Delivery] = field(default_factory=list)
    outcomes: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def of_user(self, user_id: str) -> list[Channel]:
        """The user's channels, expired ones included, by id."""
        return sorted((one for one in self.by_key.values() if one.user_id == user_id), key=lambda one: one.id)

    def put(self, channel: Channel) -> None:
        """Add a channel or replace the one of its user and id."""
        self.by_key[channel.user_id, channel.id] = channel

    def notify(
        self, org: Organisation, module: str, operation: str, record: Record, names: list[str], base_url: str
    ) -> None:
        """Note for every channel that wants it that a record was written; at the second of its last change."""
        now = record.modified
        for channel in self.by_key.values():
            if channel.zgid == org.zgid and channel.wants(module, operation, now):
                body = _callback(channel, module, operation, record, base_url)
                if operation == "update" and channel.with_values:
                    body["affected_fields"] = [{record.id: names}]
                    values = {name: record.values.get(name) for name in names}
                    body["affected_values"] = [{"record_id": record.id, "values": values}]
                self.waiting.append(Delivery(channel.notify_url, body))

    def post(self, url: str, body: dict[str, Any]) -> None:
        """Note a call to a webhook that no channel stands behind."""
        self.waiting.append(Delivery(url, body))

    def send(self, *, drop: bool, duplicate: bool, reorder: bool) -> None:
        """Start delivering what waits; returns at once."""
        batch, self.waiting = self.waiting, []
        if drop or not batch:
            self.outcomes.extend({"url": one.url, "body": one.body, "outcome": "dropped"} for one in batch)
            return
        if duplicate:
            batch = [one for one in batch for _ in range(2)]
        if reorder:
            batch.reverse()
        task = asyncio.get_running_loop().create_task(self._deliver(batch), name="zoho callbacks")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __getstate__(self) -> dict[str, Any]:
        """All but the deliveries under way, which end with the process."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return kept | {"_tasks": set()}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        for name, value in kept.items():
            setattr(self, name, value)

    async def idle(self) -> None:
        """Return once nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _deliver(self, batch: list[Delivery]) -> None:
        for one in batch:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    outcome = str(await _post(one))
            except (OSError, ValueError, TimeoutError) as error:
                outcome = type(error).__name__
            self.outcomes.append({"url": one.url, "body": one.body, "outcome": outcome})


def _callback(channel: Channel, module: str, operation: str, record: Record, base_url: str) -> dict[str, Any]:
    return {
        "server_time": record.modified * 1000,
        "query_params": dict(parse_qsl(urlsplit(channel.notify_url).query)),
        "module": module,
        "resource_uri": f"{base_url}/crm/v2/{module}",
        "ids": [record.id],
        "operation": operation,
        "channel_id": channel.id,
        "token": channel.token,
        "affected_fields": [],
    }


def is_loopback(url: str) -> bool:
    """Whether the address is one that the simulator calls."""
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK


async def _post(one: Delivery) -> int:
    """The status of the answer to one POST, over a connection of its own."""
    parts = urlsplit(one.url)
    if not is_loopback(one.url):
        raise ValueError(one.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        body = orjson.dumps(one.body)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        status = (await reader.readline()).split()
        return int(status[1])
    finally:
        writer.close()
        await writer.wait_closed()
