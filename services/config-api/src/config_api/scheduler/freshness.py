"""Raises an alarm for configurations that missed two intervals."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from config_api.periodic import at_intervals
from contactsync.domain.ids import ConfigId
from contactsync.ports.clock import Clock
from contactsync.ports.freshness import FreshnessStore
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_EVERY: Final = timedelta(minutes=1)
_NAMED: Final = 20
"""So many newly overdue configurations are named in the log at a look; the gauge counts all."""


class FreshnessWatch:
    """A periodic task; its lines at level error are the alarms, its gauges say the same to Prometheus."""

    def __init__(self, store: FreshnessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._alarmed: frozenset[ConfigId] = frozenset()

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(self.look, _EVERY, self._clock, stop, failed="freshness.look.failed")

    async def look(self) -> None:
        """Measure once, and tell what is newly overdue."""
        found = await self._store.freshness(self._clock.now())
        metrics.OVERDUE_CONFIGURATIONS.set(len(found.overdue))
        metrics.PAUSED_CONFIGURATIONS.clear()
        for reason, configurations in found.paused.items():
            metrics.PAUSED_CONFIGURATIONS.labels(reason=reason).set(configurations)
        metrics.WAITING_RUNS.clear()
        for reason, runs in found.waiting.items():
            metrics.WAITING_RUNS.labels(reason=reason).set(runs)
        last_success = found.last_success
        metrics.LAST_SUCCESS.set(0 if last_success is None else last_success.timestamp())
        for until, pairs in found.held.items():
            metrics.HELD_RECORDS.labels(until=until).set(pairs)
        metrics.UNKNOWN_EFFECTS.set(found.unknown_effects)
        news = [config_id for config_id in found.overdue if config_id not in self._alarmed]
        for config_id in news[:_NAMED]:
            log.error("sync.configuration.overdue", config_id=str(config_id))
        self._alarmed = frozenset(found.overdue)
