"""Consuming: sessions one after another, handlers that outlive them, and an end that loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

import structlog

from contactsync.adapters.amqp.connections import reconnect_pause, start_up_pause
from contactsync.adapters.amqp.handlers import Handlers
from contactsync.adapters.amqp.session import ConsumeSession, consume_session
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.amqp.watchdog import Watchdog
from contactsync.errors import BrokerUnavailableError, ConfigurationError, ContactSyncError
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Handler, Lane
from contactsync.waiting import first_of

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class AmqpConsumer:
    """Takes deliveries until it is stopped, is cancelled, or the broker is given up. It runs once."""

    def __init__(self, settings: AmqpSettings, clock: Clock, rng: Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._started = False
        self._session: ConsumeSession | None = None
        self._failure: ContactSyncError | None = None

    @property
    def ready(self) -> bool:
        """Whether consumers are registered with the broker, as far as we know."""
        return self._session is not None and self._session.live

    async def run(self, lanes: Mapping[Lane, int], handler: Handler) -> None:
        """Consume until `stop`. On cancellation the handlers are cancelled too.

        Raises BrokerUnavailableError when the broker stayed away too long or has forgotten us, after the handlers under
        way have ended; ConfigurationError when it refuses our topology.
        """
        self._started = True
        handlers = Handlers(lanes, handler, self._settings)
        try:
            async with asyncio.TaskGroup() as side:
                watchdog = side.create_task(self._watch(lanes), name="broker watchdog")
                try:
                    await self._consume(lanes, handlers)
                    await handlers.drain()
                finally:
                    self._stop.set()
                    watchdog.cancel("consumer ended")
                    await handlers.cancel("consumer ended")
        finally:
            self._ended.set()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Take nothing new; return when the handlers under way have ended and were acknowledged."""
        self._stop.set()
        if self._started:
            await self._ended.wait()

    async def _consume(self, lanes: Mapping[Lane, int], handlers: Handlers) -> None:
        """Keep a session open, with pauses between them, until `stop`."""
        failures = 0
        up_at = self._clock.monotonic()
        while not self._stop.is_set():
            try:
                await self._one_session(lanes, handlers)
                failures, up_at = 0, self._clock.monotonic()
                pause_s = reconnect_pause(self._settings, self._rng)
            except ConfigurationError as error:
                self._fail(error)
                return
            except BrokerUnavailableError as error:
                failures += 1
                pause_s = start_up_pause(failures, self._settings, self._rng)
                log.warning("queue.broker.unavailable", failures=failures, error=str(error))
            if self._stop.is_set():
                return
            if self._clock.monotonic() - up_at > self._settings.give_up_after_s:
                self._fail(BrokerUnavailableError("no broker for too long"))
                return
            await first_of(self._stop.wait(), self._clock.sleep(pause_s))

    async def _one_session(self, lanes: Mapping[Lane, int], handlers: Handlers) -> None:
        """Consume until `stop` or the loss of the connection. Raises BrokerUnavailableError when none can be had."""
        async with consume_session(lanes, handlers, self._settings) as session:
            self._session = session
            await first_of(self._stop.wait(), session.lost.wait())
            if session.lost.is_set():
                log.warning("queue.consumer.disconnected")
                return
            await session.stop_taking()
            await handlers.drain()

    async def _watch(self, lanes: Mapping[Lane, int]) -> None:
        watchdog = Watchdog(lanes, self._settings, self._clock, is_consuming=lambda: self.ready)
        if await watchdog.until_forgotten(self._stop):
            self._fail(BrokerUnavailableError("the broker has forgotten our consumers"))

    def _fail(self, error: ContactSyncError) -> None:
        """End the run with an error, once the handlers under way have ended: their work is worth having."""
        log.error("queue.consumer.failed", reason=error.reason)
        self._failure = error
        self._stop.set()
