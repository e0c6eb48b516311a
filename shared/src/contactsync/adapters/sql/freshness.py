"""Freshness of configurations in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contactsync.adapters.sql.database import Database
from contactsync.domain.frequency import INTERVALS
from contactsync.ports.freshness import Freshness

_MISSED: Final = 2
"""So many intervals without a successful run make a configuration overdue."""
_OVERDUE: Final = """
SELECT c.config_id FROM sync_configs c JOIN unnest($2::text[], $3::interval[]) AS f(frequency, every) USING (frequency)
WHERE c.status = 'active' AND greatest(c.last_sync_at, c.activated_at) < $1::timestamptz - $4 * f.every
ORDER BY greatest(c.last_sync_at, c.activated_at)
"""
_PAUSED: Final = """
SELECT paused_reason, count(*) AS configurations FROM sync_configs WHERE status = 'paused' GROUP BY paused_reason
"""
_WAITING: Final = """
SELECT reason, count(*) AS runs FROM runs
WHERE state IN ('queued', 'running', 'waiting') AND state = 'waiting' AND wait_until > $1 GROUP BY reason
"""


class SqlFreshness:
    """`FreshnessStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def freshness(self, now: datetime) -> Freshness:
        """How the configurations stand."""
        async with self._database.scheduler() as connection:
            overdue = await connection.fetch(_OVERDUE, now, list(INTERVALS), list(INTERVALS.values()), _MISSED)
            paused = await connection.fetch(_PAUSED)
            waiting = await connection.fetch(_WAITING, now)
        return Freshness(
            [row["config_id"] for row in overdue],
            {row["paused_reason"]: row["configurations"] for row in paused},
            {row["reason"]: row["runs"] for row in waiting},
        )
