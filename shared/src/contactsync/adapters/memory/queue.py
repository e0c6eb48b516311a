"""The job queue inside one process. It behaves like the broker, so that a trial needs none.

What is not acknowledged comes again; each return counts and beyond the delivery limit a message is dead-lettered;
a prefetch bounds what a consumer holds; a full lane refuses. Unlike the broker's, its messages end with the process:
the sweeper makes lost hints again from the rows.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import assert_never
from uuid import UUID

import structlog

from contactsync.ports.queue import Consumer, Delivery, Handler, Lane, OutboundHint, Publisher, Settlement

DELIVERY_LIMIT = 5
LENGTH_LIMIT = 100_000

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class MemoryQueueWarning(UserWarning):
    """The queue in use forgets its messages when the process ends."""


class MemoryQueue:
    """A broker for the publishers and consumers of one event loop.

    `delivery_limit`: returns that a message survives, so it is delivered once more than that.
    `length_limit`: messages a lane takes before it refuses to confirm more.
    """

    def __init__(self, *, delivery_limit: int = DELIVERY_LIMIT, length_limit: int = LENGTH_LIMIT) -> None:
        warnings.warn(
            "the in-memory queue is for trying out: it serves one process and its messages end with it",
            MemoryQueueWarning,
            stacklevel=2,
        )
        self._broker = _Broker(delivery_limit, length_limit)

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[Publisher]:
        """A publisher; it holds nothing."""
        yield _MemoryPublisher(self._broker)

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[Consumer]:
        """A consumer; what it holds unacknowledged at its end comes again."""
        consumer = _MemoryConsumer(self._broker)
        try:
            yield consumer
        finally:
            await consumer.close()

    async def depth(self, lane: Lane) -> int:
        """Messages that wait in a lane."""
        return len(self._broker.lanes[lane])


@dataclass(slots=True, eq=False)
class _Message:
    message_id: str
    body: bytes
    returns: int = 0
    headers: dict[str, object] = field(default_factory=dict)


class _Broker:
    """The lanes, and whoever waits for messages in them."""

    def __init__(self, delivery_limit: int, length_limit: int) -> None:
        self.lanes = {lane: _MemoryLane(lane, delivery_limit, length_limit, self) for lane in Lane}
        self.listeners: set[asyncio.Event] = set()

    def notify(self) -> None:
        """Wake every consumer; each looks for itself."""
        for wake in self.listeners:
            wake.set()


class _MemoryLane:
    """Messages of one lane that wait, oldest first."""

    def __init__(self, lane: Lane, delivery_limit: int, length_limit: int, broker: _Broker) -> None:
        self._lane = lane
        self._delivery_limit = delivery_limit
        self._length_limit = length_limit
        self._broker = broker
        self._ready: deque[_Message] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    def offer(self, message: _Message) -> bool:
        """Whether the lane took the message."""
        if len(self._ready) >= self._length_limit:
            return False
        self._ready.append(message)
        self._broker.notify()
        return True

    def take(self) -> _Message | None:
        """The oldest message, out of the lane until it is given back."""
        return self._ready.popleft() if self._ready else None

    def give_back(self, message: _Message) -> None:
        """Put a message that was not handled where it came from, unless that happened too often."""
        message.returns += 1
        if message.returns > self._delivery_limit:
            self.dead_letter(message, "delivery_limit")
            return
        message.headers["x-delivery-count"] = message.returns
        self._ready.appendleft(message)
        self._broker.notify()

    def dead_letter(self, message: _Message, reason: str) -> None:
        """Park a message, with the headers by which RabbitMQ tells where it came from and why."""
        headers: dict[str, object] = {"x-first-death-queue": self._lane.value, "x-first-death-reason": reason}
        parked = _Message(message.message_id, message.body, headers=headers)
        if not self._broker.lanes[Lane.DEAD].offer(parked):
            log.error("queue.dead_letter.lost", message_id=message.message_id, lane=self._lane.value, reason=reason)


class _MemoryPublisher:
    """Confirms what a lane took."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker

    async def publish(self, hints: Sequence[OutboundHint]) -> frozenset[UUID]:
        return frozenset(hint.message_id for hint in hints if self._offer(hint))

    def _offer(self, hint: OutboundHint) -> bool:
        message = _Message(str(hint.message_id), hint.hint.to_bytes())
        return self._broker.lanes[hint.lane].offer(message)


class _MemoryConsumer:
    """Takes messages while it has room, and settles each when its handler has returned."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker
        self._wake = asyncio.Event()
        self._stopping = False
        self._running = False
        self._held: dict[Lane, set[_Message]] = {lane: set() for lane in Lane}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether it takes messages."""
        return self._running and not self._stopping

    async def run(self, lanes: Mapping[Lane, int], handler: Handler) -> None:
        """Consume until `stop`, or until cancelled, which cancels the handlers as well."""
        self._running = True
        self._broker.listeners.add(self._wake)
        try:
            while not self._stopping:
                self._wake.clear()
                for lane, prefetch in lanes.items():
                    self._fill(lane, prefetch, handler)
                await self._wake.wait()
            await self._drain()
        finally:
            await self.close()

    async def stop(self) -> None:
        """Take nothing new and return when the handlers under way have ended and were settled."""
        self._stopping = True
        self._wake.set()
        await self._drain()

    async def close(self) -> None:
        """Cancel the handlers that are left and give back what is unacknowledged."""
        self._stopping = True
        self._broker.listeners.discard(self._wake)
        for task in self._tasks:
            task.cancel("consumer closed")
        await self._drain()
        for lane, held in self._held.items():
            while held:
                self._broker.lanes[lane].give_back(held.pop())

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _fill(self, lane: Lane, prefetch: int, handler: Handler) -> None:
        held = self._held[lane]
        while len(held) < prefetch and (message := self._broker.lanes[lane].take()) is not None:
            held.add(message)
            self._supervise(self._handle(lane, message, handler), name=f"hint {message.message_id}")

    def _supervise(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)  # the loop alone would hold it weakly
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, lane: Lane, message: _Message, handler: Handler) -> None:
        delivery = Delivery(
            message_id=message.message_id,
            lane=lane,
            body=message.body,
            headers=dict(message.headers),
            redelivered=message.returns > 0,
        )
        try:
            settlement = await handler(delivery)
        except Exception:
            # The message stays unacknowledged, and keeps its room, until this consumer ends.
            log.exception("queue.handler.failed", message_id=message.message_id, lane=lane.value)
            return
        self._held[lane].discard(message)
        self._settle(self._broker.lanes[lane], message, settlement)
        self._wake.set()

    @staticmethod
    def _settle(lane: _MemoryLane, message: _Message, settlement: Settlement) -> None:
        match settlement:
            case Settlement.ACK:
                pass
            case Settlement.DEAD_LETTER:
                lane.dead_letter(message, "rejected")
            case Settlement.RELEASE:
                lane.give_back(message)
            case _:
                assert_never(settlement)
