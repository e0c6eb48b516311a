"""Asks for the runs whose time has come, and takes up again what nobody works on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from config_api.periodic import at_intervals
from contactsync.ports.clock import Clock
from contactsync.ports.requests import RunSweeper
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """When to look, and how much is done at a look."""

    every: timedelta = timedelta(seconds=15)
    stuck_after: timedelta = timedelta(minutes=2)
    """An open run without progress for this long, and without a living lease, is hinted again."""
    batch: int = 200


class Scheduler:
    """A periodic task. Any number may run: a due date is taken away in the transaction that makes the run."""

    def __init__(self, sweeper: RunSweeper, clock: Clock, settings: SchedulerSettings | None = None) -> None:
        self._sweeper = sweeper
        self._clock = clock
        self._settings = settings or SchedulerSettings()

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(self.look, self._settings.every, self._clock, stop, failed="scheduler.look.failed")

    async def look(self) -> None:
        """Start everything that is due, then revive what is stuck."""
        settings = self._settings
        now = self._clock.now()
        due = await self._sweeper.oldest_due(now)
        metrics.OLDEST_DUE.set(0 if due is None else (now - due).total_seconds())
        while await self._sweeper.start_due(self._clock.now(), settings.batch) >= settings.batch:
            pass
        revived = await self._sweeper.revive(self._clock.now(), settings.stuck_after, settings.batch)
        if revived:
            log.warning("scheduler.runs.revived", runs=revived)
