"""Handlers in tasks of our own: a connection that is lost does not cancel what somebody is in the middle of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol, assert_never

import structlog
from aio_pika.abc import AbstractIncomingMessage

from contactsync.adapters.amqp.calls import broker_call
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.errors import BrokerUnavailableError
from contactsync.ports.queue import Delivery, Handler, Lane, Settlement
from contactsync.telemetry import metrics

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Source(Protocol):
    """Where a message came from; once it is not live, its messages are somebody else's."""

    @property
    def live(self) -> bool:
        """Whether it still speaks for its messages."""
        ...


class Handlers:
    """The handlers under way, at most so many for each lane, whichever connection their messages came by."""

    def __init__(self, lanes: Mapping[Lane, int], handler: Handler, settings: AmqpSettings) -> None:
        self._handler = handler
        self._settings = settings
        self._room = {lane: asyncio.Semaphore(prefetch) for lane, prefetch in lanes.items()}
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, lane: Lane, message: AbstractIncomingMessage, source: Source) -> None:
        """Start to handle a message as soon as the lane has room."""
        task = asyncio.create_task(self._handle(lane, message, source), name=f"hint {message.message_id}")
        self._tasks.add(task)  # the loop alone would hold it weakly
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Return when nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self, reason: str) -> None:
        """Cancel what is under way and return when it has ended; its messages stay unacknowledged."""
        for task in self._tasks:
            task.cancel(reason)
        await self.drain()

    async def _handle(self, lane: Lane, message: AbstractIncomingMessage, source: Source) -> None:
        async with self._room[lane]:
            if not source.live:
                return  # delivered before the connection was lost: it comes again
            try:
                settlement = await self._handler(_delivery(lane, message))
            except Exception:
                # Nobody may know what happened to its work: it stays unacknowledged until this connection ends.
                log.exception("queue.handler.failed", message_id=message.message_id, lane=lane.value)
                return
        await self._settle(lane, message, settlement)

    async def _settle(self, lane: Lane, message: AbstractIncomingMessage, settlement: Settlement) -> None:
        """Answer on the channel that brought the message; on a lost one the answer is late, and that is no failure."""
        try:
            await broker_call(_answer(message, settlement), self._settings.call_deadline_s)
        except BrokerUnavailableError as error:
            metrics.QUEUE_SETTLED.labels(lane=lane.value, outcome="late").inc()
            log.info("queue.ack.late", message_id=message.message_id, lane=lane.value, error=str(error))
            return
        metrics.QUEUE_SETTLED.labels(lane=lane.value, outcome=settlement.value).inc()


async def _answer(message: AbstractIncomingMessage, settlement: Settlement) -> None:
    match settlement:
        case Settlement.ACK:
            await message.ack()
        case Settlement.DEAD_LETTER:
            await message.reject(requeue=False)
        case Settlement.RELEASE:
            await message.nack(requeue=True)
        case _:
            assert_never(settlement)


def _delivery(lane: Lane, message: AbstractIncomingMessage) -> Delivery:
    return Delivery(
        message_id=message.message_id or "",
        lane=lane,
        body=message.body,
        headers=dict(message.headers),
        redelivered=bool(message.redelivered),
    )
