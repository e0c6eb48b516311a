"""The job queue on RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from contactsync.adapters.amqp.connections import connected, plain_channel
from contactsync.adapters.amqp.consumer import AmqpConsumer
from contactsync.adapters.amqp.publisher import AmqpPublisher
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.amqp.topology import inspect
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Lane


class AmqpQueue:
    """Makes publishers and consumers, each on connections of its own. It holds nothing itself."""

    def __init__(self, settings: AmqpSettings, clock: Clock, rng: Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[AmqpPublisher]:
        """A publisher. It connects when it publishes, so an absent broker does not keep a process from starting."""
        publisher = AmqpPublisher(self._settings, self._clock)
        try:
            yield publisher
        finally:
            await publisher.close()

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[AmqpConsumer]:
        """A consumer; it connects when it runs and disconnects when its run ends."""
        yield AmqpConsumer(self._settings, self._clock, self._rng)

    async def depth(self, lane: Lane) -> int:
        """Messages that wait in a lane, over a connection for this question. Raises BrokerUnavailableError."""
        settings = self._settings
        async with connected(settings, "inspect") as connection, plain_channel(connection, settings) as channel:
            ready, _ = await inspect(channel, lane, settings.call_deadline_s)
        return ready
