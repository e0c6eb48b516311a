"""Tasks that look after something at intervals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from contactsync.ports.clock import Clock
from contactsync.telemetry.logs import get_logger
from contactsync.waiting import first_of

log = get_logger(__name__)


async def at_intervals(
    look: Callable[[], Awaitable[object]], every: timedelta, clock: Clock, stop: asyncio.Event, *, failed: str
) -> None:
    """Look now and then at intervals, until `stop`. A look that raises is logged as `failed`."""
    while not stop.is_set():
        try:
            await look()
        except Exception:
            # The edge of a task: a database that is away is told once by each look, and outlived.
            log.exception(failed)
        await first_of(stop.wait(), clock.sleep(every.total_seconds()))
