"""Erases what has been kept long enough, once an hour. Any number of processes may do it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from config_api.periodic import at_intervals
from contactsync.adapters.sql.retention import SqlRetention
from contactsync.domain.ids import OrganisationId
from contactsync.ports.clock import Clock
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_EVERY: Final = timedelta(hours=1)


class Retention:
    """A periodic task."""

    def __init__(self, store: SqlRetention, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(lambda: self.look(stop), _EVERY, self._clock, stop, failed="retention.look.failed")

    async def look(self, stop: asyncio.Event | None = None) -> None:
        """Erase in every organisation."""
        now = self._clock.now()
        await self._store.erase_outside(now)
        last: OrganisationId | None = None
        while organisations := await self._store.organisations(last):
            for organisation_id in organisations:
                if stop is not None and stop.is_set():
                    return
                erased = await self._store.erase(organisation_id, now)
                if any(erased.values()):
                    log.info("retention.erased", organisation_id=organisation_id, counts=erased)
            last = organisations[-1]
