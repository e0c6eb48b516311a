"""Asks the broker, over a connection of its own, whether it still knows our consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog
from aio_pika import Connection

from contactsync.adapters.amqp.connections import close_connection, open_connection, plain_channel
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.amqp.topology import inspect
from contactsync.errors import BrokerUnavailableError
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Lane
from contactsync.waiting import first_of

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Watchdog:
    """Counts checks in a row that found a lane without consumers, or no answer, while we believed to be consuming.

    A lost consumer of ours hides behind those of other workers; for that case there are the broker's cancel notice and
    the heartbeat. This one is the second line: it sees what the client library does not.
    """

    def __init__(
        self, lanes: Iterable[Lane], settings: AmqpSettings, clock: Clock, *, is_consuming: Callable[[], bool]
    ) -> None:
        self._lanes = tuple(lanes)
        self._settings = settings
        self._clock = clock
        self._is_consuming = is_consuming
        self._connection: Connection | None = None

    async def until_forgotten(self, stop: asyncio.Event) -> bool:
        """Check at intervals; True once the broker has forgotten us, False once `stop` is set.

        The event is looked at on every turn: a cancellation alone may be lost inside the client's calls.
        """
        misses = 0
        try:
            while misses < self._settings.watchdog_misses and not stop.is_set():
                await first_of(stop.wait(), self._clock.sleep(self._settings.watchdog_interval_s))
                misses = misses + 1 if not stop.is_set() and await self._is_miss() else 0
        finally:
            await self._disconnect()
        return not stop.is_set()

    async def _is_miss(self) -> bool:
        if not self._is_consuming():
            return False  # it is known, and being mended
        try:
            missing = [lane for lane in self._lanes if await self._consumers(lane) == 0]
        except BrokerUnavailableError as error:
            await self._disconnect()
            log.warning("queue.watchdog.no_answer", error=str(error))
            return self._is_consuming()
        if missing:
            log.warning("queue.watchdog.consumer_missing", lanes=[lane.value for lane in missing])
        return bool(missing) and self._is_consuming()

    async def _consumers(self, lane: Lane) -> int:
        """Consumers of a lane, by a channel that has cached nothing."""
        if self._connection is None:
            self._connection = await open_connection(self._settings, "inspect")
        async with plain_channel(self._connection, self._settings) as channel:
            _, consumers = await inspect(channel, lane, self._settings.call_deadline_s)
        return consumers

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await close_connection(connection, self._settings)
