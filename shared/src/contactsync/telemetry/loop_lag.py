"""How late the event loop is: what blocks it starves heartbeats and leases."""

from __future__ import annotations

from typing import Never, Protocol

from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

INTERVAL_S = 1.0
LATE_S = 0.1


class Beat(Protocol):
    """The part of a clock that this needs."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after at least so many seconds."""
        ...


async def watch_loop(clock: Beat, *, interval_s: float = INTERVAL_S) -> Never:
    """Measure for ever by how much a sleep is overslept; more than 100 ms is worth a line."""
    while True:
        began = clock.monotonic()
        await clock.sleep(interval_s)
        lag_s = max(0.0, clock.monotonic() - began - interval_s)
        metrics.LOOP_LAG.set(lag_s)
        if lag_s > LATE_S:
            log.warning("process.loop.late", lag_s=round(lag_s, 3))
