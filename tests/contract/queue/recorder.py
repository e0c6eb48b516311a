"""A handler that remembers what it was given, and a consumer that runs beside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Consumer, Delivery, Handler, JobQueue, Lane, OutboundHint, Settlement
from tests.support.waiting import wait_until

ALL_WORK: Mapping[Lane, int] = {Lane.INITIAL: 4, Lane.INCREMENTAL: 4, Lane.SUSPECT: 1}


def a_hint(lane: Lane = Lane.INCREMENTAL, *, number: int = 0) -> OutboundHint:
    """A hint for a run of its own; `number` is its slice."""
    hint = RunHint(run=uuid4(), slice=number, organisation=uuid4(), configuration=uuid4(), trace="trace-1")
    return OutboundHint(message_id=uuid4(), lane=lane, hint=hint)


async def publish(queue: JobQueue, *hints: OutboundHint) -> None:
    """Publish through a publisher of its own; fails unless all are confirmed."""
    async with queue.publisher() as publisher:
        confirmed = await publisher.publish(hints)
    assert confirmed == {hint.message_id for hint in hints}


@dataclass
class Recorder:
    """Records deliveries and answers each with `settlement`, once `gate` is open."""

    settlement: Settlement = Settlement.ACK
    deliveries: list[Delivery] = field(default_factory=list)
    finished: list[UUID] = field(default_factory=list)
    cancelled: list[UUID] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most_under_way: int = 0

    @classmethod
    def open(cls, settlement: Settlement = Settlement.ACK) -> Recorder:
        """A recorder whose gate does not hold anything up."""
        recorder = cls(settlement)
        recorder.gate.set()
        return recorder

    async def __call__(self, delivery: Delivery) -> Settlement:
        self.deliveries.append(delivery)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(UUID(delivery.message_id))
            raise
        finally:
            self.under_way -= 1
        self.finished.append(UUID(delivery.message_id))
        return self.settlement

    @property
    def ids(self) -> list[UUID]:
        """Message ids in order of delivery."""
        return [UUID(delivery.message_id) for delivery in self.deliveries]

    async def seen(self, count: int, *, within_s: float = 10.0) -> None:
        """Return when `count` deliveries have come."""
        await wait_until(lambda: len(self.deliveries) >= count, within_s=within_s)


@asynccontextmanager
async def consuming(
    queue: JobQueue, handler: Handler, lanes: Mapping[Lane, int] = ALL_WORK, *, stop: bool = True
) -> AsyncIterator[Consumer]:
    """A consumer at work; at the end it is stopped, or with `stop=False` cut off in the middle of its handlers."""
    async with queue.consumer() as consumer:
        running = asyncio.create_task(consumer.run(lanes, handler))
        try:
            yield consumer
            if stop:
                await consumer.stop()
                await running
        finally:
            running.cancel()
            await asyncio.wait([running])
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error
