"""One connection that consumes, from its opening to its loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aio_pika import Connection
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from contactsync.adapters.amqp.calls import broker_call
from contactsync.adapters.amqp.connections import connected, open_channel, plain_channel
from contactsync.adapters.amqp.handlers import Handlers
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.amqp.topology import declare_topology
from contactsync.errors import BrokerUnavailableError
from contactsync.ports.queue import Lane

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class ConsumeSession:
    """Consumers of some lanes on one channel.

    Keeps connection, channel, queues and tags, which the client library holds weakly. Once it has started, nothing is
    called on the channel that waits for an answer: such a call, cancelled or late, would close the channel and with it
    take the right to acknowledge from every handler under way.
    """

    def __init__(self, connection: Connection, channel: AbstractChannel, settings: AmqpSettings) -> None:
        self.lost = asyncio.Event()
        self._connection = connection
        self._channel = channel
        self._settings = settings
        self._consumers: list[tuple[AbstractQueue, str]] = []
        self._stopping = False

    @property
    def live(self) -> bool:
        """Whether messages that it delivered are still ours to handle."""
        return not (self._stopping or self.lost.is_set())

    async def start(self, lanes: Mapping[Lane, int], handlers: Handlers) -> None:
        """Consume; the prefetch is that of each consumer ("Consumer Prefetch", RabbitMQ: global is false)."""
        self._connection.close_callbacks.add(self._on_loss)
        self._channel.close_callbacks.add(self._on_loss)
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._on_loss)
        for lane, prefetch in lanes.items():
            await self._channel.set_qos(prefetch_count=prefetch)
            queue = await self._channel.get_queue(lane.value, ensure=False)
            tag = await queue.consume(self._hand_over(lane, handlers))
            self._consumers.append((queue, tag))

    async def stop_taking(self) -> None:
        """Tell the broker to send no more, without waiting for its answer; what still comes goes back at the end."""
        self._stopping = True
        for queue, tag in self._consumers:
            try:
                await broker_call(queue.cancel(tag, nowait=True), self._settings.call_deadline_s)
            except BrokerUnavailableError:
                return  # with the connection the consumers are gone

    def _hand_over(self, lane: Lane, handlers: Handlers) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
        async def on_message(message: AbstractIncomingMessage) -> None:
            if self.live:
                handlers.accept(lane, message, self)

        return on_message

    def _on_loss(self, *_: object) -> None:
        """The connection or channel closed, or the broker cancelled a consumer (its queue was deleted or moved)."""
        self.lost.set()


@asynccontextmanager
async def consume_session(
    lanes: Mapping[Lane, int], handlers: Handlers, settings: AmqpSettings
) -> AsyncIterator[ConsumeSession]:
    """A session at work on a connection of its own. Raises BrokerUnavailableError, ConfigurationError."""
    async with connected(settings, "consume") as connection:
        async with plain_channel(connection, settings) as declaring:
            await declare_topology(declaring, settings)
        channel = await open_channel(connection, settings, raise_returned=False)
        session = ConsumeSession(connection, channel, settings)
        await broker_call(session.start(lanes, handlers), settings.call_deadline_s)
        log.info("queue.consumer.connected")
        try:
            yield session
        finally:
            session.lost.set()
