"""Watches which key-encryption keys are in use, so that an operator knows when an old one may go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from config_api.periodic import at_intervals
from contactsync.adapters.sql.key_versions import SqlKeyRotation
from contactsync.ports.clock import Clock
from contactsync.telemetry import metrics


@dataclass(frozen=True, slots=True)
class KeyWatch:
    """A periodic task that sets one metric."""

    rotation: SqlKeyRotation
    clock: Clock
    every: timedelta = timedelta(minutes=5)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(self.look, self.every, self.clock, stop, failed="keys.look.failed")

    async def look(self) -> None:
        """Measure once."""
        metrics.KEYS_BEHIND.set(await self.rotation.versions_behind())
