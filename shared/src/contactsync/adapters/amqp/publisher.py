"""Publishing with confirms. What is not confirmed may have been taken all the same: the caller's row decides."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import aiormq
import structlog
from aio_pika import Connection
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError

from contactsync.adapters.amqp.calls import broker_call
from contactsync.adapters.amqp.connections import close_connection, open_channel, open_connection, plain_channel
from contactsync.adapters.amqp.message import to_message
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.amqp.topology import EXCHANGE, declare_topology
from contactsync.errors import BrokerUnavailableError, ConfigurationError
from contactsync.ports.clock import Clock
from contactsync.ports.queue import OutboundHint
from contactsync.telemetry import metrics

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Verdict(StrEnum):
    """What became of one publish."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    """The broker answered no: the queue is full or without leader."""
    RETURNED = "returned"
    """No queue is bound for it."""
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _Link:
    """The open connection and what is known about it."""

    connection: Connection
    channel: AbstractChannel
    exchange: AbstractExchange
    declared_at: float
    refusals: int = 0


@dataclass(slots=True)
class _Batch:
    """Verdicts so far; those missing at the deadline are unknown."""

    verdicts: dict[UUID, Verdict] = field(default_factory=dict)

    def of(self, verdict: Verdict) -> frozenset[UUID]:
        return frozenset(message_id for message_id, given in self.verdicts.items() if given is verdict)


class AmqpPublisher:
    """A publisher on a connection of its own, opened when there is something to publish.

    It is used by one task at a time.
    """

    def __init__(self, settings: AmqpSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._link: _Link | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def publish(self, hints: Sequence[OutboundHint]) -> frozenset[UUID]:
        """The ids that the broker confirmed within the publish deadline; never raises for an absent broker."""
        if not hints:
            return frozenset()
        batch = _Batch()
        try:
            async with asyncio.timeout(self._settings.publish_deadline_s):
                await self._publish(hints, batch)
        except TimeoutError:
            # Blocked or dead, we cannot tell: the next batch tries a new connection.
            self._give_up("deadline")
        except BrokerUnavailableError as error:
            self._give_up(str(error))
        except ConfigurationError as error:
            log.error("queue.topology.refused", reason=error.reason)  # noqa: TRY400 -- the reason says it all
            self._give_up(error.reason)
        self._report(hints, batch)
        return batch.of(Verdict.CONFIRMED)

    async def close(self) -> None:
        """Close the connection; nothing is under way any more."""
        self._give_up("closed")
        if self._closing:
            await asyncio.wait(self._closing)

    async def _publish(self, hints: Sequence[OutboundHint], batch: _Batch) -> None:
        link = await self._opened()
        window = asyncio.Semaphore(self._settings.publish_window)
        async with asyncio.TaskGroup() as tasks:
            for hint in hints:
                tasks.create_task(self._publish_one(link, hint, window, batch), name=f"publish {hint.message_id}")
        await self._learn_from(link, batch)

    async def _publish_one(self, link: _Link, hint: OutboundHint, window: asyncio.Semaphore, batch: _Batch) -> None:
        message = to_message(hint, self._clock.now())
        async with window:
            sending = link.exchange.publish(message, routing_key=hint.lane.value, mandatory=True)
            batch.verdicts[hint.message_id] = await self._verdict(sending)

    async def _verdict(self, sending: Coroutine[object, object, object]) -> Verdict:
        try:
            answer = await broker_call(sending, self._settings.publish_deadline_s)
        except BrokerUnavailableError as error:
            match error.__cause__:
                case PublishError():
                    return Verdict.RETURNED
                case DeliveryError():
                    return Verdict.REFUSED
                case _:
                    return Verdict.UNKNOWN
        # A channel that does not raise hands a returned message back as if it were an answer.
        return Verdict.CONFIRMED if isinstance(answer, aiormq.spec.Basic.Ack) else Verdict.RETURNED

    async def _learn_from(self, link: _Link, batch: _Batch) -> None:
        """Prepare the link for the next batch by what happened to this one."""
        if batch.of(Verdict.UNKNOWN):
            self._give_up("unknown")
            return
        if batch.of(Verdict.RETURNED):
            link.declared_at = float("-inf")
        link.refusals += len(batch.of(Verdict.REFUSED))
        if link.refusals >= self._settings.nacks_before_reopening:
            old = link.channel
            link.channel, link.exchange = await self._open_channel(link.connection)
            link.refusals = 0
            log.info("queue.publisher.channel_reopened")
            await broker_call(old.close(), self._settings.call_deadline_s)

    async def _opened(self) -> _Link:
        """The link with its topology checked not long ago. Raises BrokerUnavailableError, ConfigurationError."""
        if self._link is None or self._link.channel.is_closed:
            self._give_up("channel_closed")
            connection = await open_connection(self._settings, "publish")
            try:
                await self._declare(connection)
                channel, exchange = await self._open_channel(connection)
            except BaseException:
                self._close_later(connection)
                raise
            self._link = _Link(connection, channel, exchange, self._clock.monotonic())
        elif self._clock.monotonic() - self._link.declared_at >= self._settings.topology_check_s:
            await self._declare(self._link.connection)
            self._link.declared_at = self._clock.monotonic()
        return self._link

    async def _declare(self, connection: Connection) -> None:
        """Declare the topology on a channel for that alone: a refusal closes the channel."""
        async with plain_channel(connection, self._settings) as channel:
            await declare_topology(channel, self._settings)

    async def _open_channel(self, connection: Connection) -> tuple[AbstractChannel, AbstractExchange]:
        """A channel that raises for messages which come back; by default they count as sent."""
        channel = await open_channel(connection, self._settings, raise_returned=True)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        return channel, exchange

    def _give_up(self, reason: str) -> None:
        if self._link is not None:
            log.info("queue.publisher.disconnected", reason=reason)
            self._close_later(self._link.connection)
            self._link = None

    def _close_later(self, connection: Connection) -> None:
        """Close beside the next batch: a peer that does not answer must not hold it up."""
        task = asyncio.create_task(close_connection(connection, self._settings), name="close publisher")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _report(self, hints: Sequence[OutboundHint], batch: _Batch) -> None:
        for hint in hints:
            verdict = batch.verdicts.get(hint.message_id, Verdict.UNKNOWN)
            metrics.QUEUE_PUBLISHED.labels(lane=hint.lane.value, outcome=verdict.value).inc()
        missing = len(hints) - len(batch.of(Verdict.CONFIRMED))
        if missing:
            log.warning(
                "queue.publish.not_confirmed",
                hints=len(hints),
                refused=len(batch.of(Verdict.REFUSED)),
                returned=len(batch.of(Verdict.RETURNED)),
                missing=missing,
            )
