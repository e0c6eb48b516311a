"""Watches which key-encryption keys are in use, so that an operator knows when an old one may go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from contactsync.adapters.sql.key_versions import SqlKeyRotation
from contactsync.ports.clock import Clock
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger
from contactsync.waiting import first_of

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeyWatch:
    """A periodic task that sets one metric."""

    rotation: SqlKeyRotation
    clock: Clock
    every: timedelta = timedelta(minutes=5)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        while not stop.is_set():
            try:
                metrics.KEYS_BEHIND.set(await self.rotation.versions_behind())
            except Exception:
                # A database that is away is told once by each look, and outlived.
                log.exception("keys.look.failed")
            await first_of(stop.wait(), self.clock.sleep(self.every.total_seconds()))
