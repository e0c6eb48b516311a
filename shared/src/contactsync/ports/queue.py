"""The job queue. It carries hints; losing, doubling or reordering them changes nothing but time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.messages.hint import RunHint


class Lane(StrEnum):
    """Queues by purpose; the value is queue name and routing key."""

    INITIAL = "sync.initial"
    INCREMENTAL = "sync.incremental"
    SUSPECT = "sync.suspect"
    DEAD = "sync.dead"
    UNROUTED = "sync.unrouted"


@dataclass(frozen=True, slots=True)
class OutboundHint:
    """A hint to publish. `message_id` is the outbox row's id and is kept when it is published again."""

    message_id: UUID
    lane: Lane
    hint: RunHint


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message. `body` is raw: reading it is the consumer's business (it may be poison)."""

    message_id: str
    lane: Lane
    body: bytes
    headers: Mapping[str, object]
    redelivered: bool


class Settlement(StrEnum):
    """What happens to a delivery when its handling ends."""

    ACK = "ack"
    DEAD_LETTER = "dead_letter"
    RELEASE = "release"
    """Give it back unhandled (drain); never used to retry."""


Handler = Callable[[Delivery], Awaitable[Settlement]]
"""Called in a task of our own; an exception, or a process that dies, leaves the message unacknowledged."""


class Publisher(Protocol):
    """Publishes with confirms, mandatory, persistent."""

    async def publish(self, hints: Sequence[OutboundHint]) -> frozenset[UUID]:
        """The message ids that the broker confirmed; the others are not sent or unknown, their rows must stay.

        Never blocks longer than the publish deadline; never raises for an absent broker.
        """
        ...


class Consumer(Protocol):
    """Takes deliveries of some lanes."""

    @property
    def ready(self) -> bool:
        """Whether it is registered with the broker, as far as it knows: part of a worker's readiness."""
        ...

    async def run(self, lanes: Mapping[Lane, int], handler: Handler) -> None:
        """Consume until `stop`; the mapping gives each lane's prefetch, which bounds handlers under way.

        Must hand over to tasks of its own (a lost connection must not cancel a handler), acknowledge after the
        handler returned, survive an acknowledgement that comes too late, and raise BrokerUnavailableError when its
        watchdog finds that the broker has forgotten it.
        """
        ...

    async def stop(self) -> None:
        """Take nothing new and return when the handlers under way have ended and were acknowledged."""
        ...


class JobQueue(Protocol):
    """A broker: topology, publishing, consuming, inspection."""

    def publisher(self) -> AbstractAsyncContextManager[Publisher]:
        """A publisher on a connection of its own."""
        ...

    def consumer(self) -> AbstractAsyncContextManager[Consumer]:
        """A consumer on a connection of its own."""
        ...

    async def depth(self, lane: Lane) -> int:
        """Messages waiting in a lane; those handed to a consumer are not among them. Raises BrokerUnavailableError."""
        ...
