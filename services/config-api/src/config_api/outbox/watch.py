"""Looks after the outbox and the parked messages: age, depth, old rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from config_api.periodic import at_intervals
from contactsync.errors import BrokerUnavailableError
from contactsync.ports.clock import Clock
from contactsync.ports.queue import JobQueue, Lane
from contactsync.ports.requests import OutboxRelayStore
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """When to look, when to raise an alarm, how long to keep."""

    interval: timedelta = timedelta(seconds=15)
    alarm_after: timedelta = timedelta(seconds=60)
    keep_published: timedelta = timedelta(hours=24)


class OutboxWatch:
    """A periodic task; its lines at level error are the alarms, its gauges say the same to Prometheus."""

    def __init__(
        self, store: OutboxRelayStore, queue: JobQueue, clock: Clock, settings: WatchSettings | None = None
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._settings = settings or WatchSettings()

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(self.look, self._settings.interval, self._clock, stop, failed="outbox.watch.failed")

    async def look(self) -> None:
        """Measure the outbox and the queues once, and delete what was published long ago."""
        await self._measure_age()
        await self._measure_depths()
        await self._store.purge(self._settings.keep_published)

    async def _measure_age(self) -> None:
        since = await self._store.oldest_due()
        age = self._clock.now() - since if since is not None else timedelta()
        metrics.OUTBOX_OLDEST.set(age.total_seconds())
        if age > self._settings.alarm_after:
            log.error("outbox.rows.stuck", age_s=round(age.total_seconds(), 1))

    async def _measure_depths(self) -> None:
        try:
            depths = {lane: await self._queue.depth(lane) for lane in Lane}
        except BrokerUnavailableError:
            log.warning("queue.broker.unavailable")
            return
        for lane, depth in depths.items():
            metrics.QUEUE_DEPTH.labels(lane=lane.value).set(depth)
        for lane in (Lane.DEAD, Lane.UNROUTED):
            if depths[lane]:
                log.error("queue.parked.messages", lane=lane, depth=depths[lane])
