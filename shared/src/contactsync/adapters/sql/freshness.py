"""Freshness of configurations in PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from contactsync.adapters.sql.database import Database
from contactsync.adapters.sql.link_rows import NEVER
from contactsync.domain.frequency import INTERVALS
from contactsync.ports.freshness import Freshness

_MISSED: Final = 2
"""So many intervals without a successful run make a configuration overdue."""
_OVERDUE: Final = """
SELECT c.config_id, greatest(c.last_sync_at, c.activated_at) AS succeeded_at
FROM sync_configs c JOIN unnest($2::text[], $3::interval[]) AS f(frequency, every) USING (frequency)
WHERE c.status = 'active' AND greatest(c.last_sync_at, c.activated_at) < $1::timestamptz - $4 * f.every
ORDER BY succeeded_at
"""
_PAUSED: Final = """
SELECT paused_reason, count(*) AS configurations FROM sync_configs WHERE status = 'paused' GROUP BY paused_reason
"""
_WAITING: Final = """
SELECT reason, count(*) AS runs FROM runs
WHERE state IN ('queued', 'running', 'waiting') AND state = 'waiting' AND wait_until > $1 GROUP BY reason
"""
_COUNTED: Final = 100_000
"""Counting ends here: beyond it the exact number tells an operator nothing more."""
_HELD: Final = """
SELECT count(*) FILTER (WHERE held_until >= $3) AS answer, count(*) FILTER (WHERE held_until < $3) AS date
FROM (SELECT held_until FROM link_scopes WHERE held_until > $1 LIMIT $2) AS held
"""
_UNANSWERED: Final = timedelta(minutes=5)
"""Longer than any call and the lease of whoever sent it."""
_UNKNOWN: Final = """
SELECT count(*) FROM (
    SELECT FROM effects WHERE state IN ('sending', 'unknown') AND (state = 'unknown' OR sent_at < $1) LIMIT $2
) AS unknown
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
            held = await connection.fetchrow(_HELD, now, _COUNTED, NEVER)
            unknown = await connection.fetchval(_UNKNOWN, now - _UNANSWERED, _COUNTED)
        return Freshness(
            [row["config_id"] for row in overdue],
            {row["paused_reason"]: row["configurations"] for row in paused},
            {row["reason"]: row["runs"] for row in waiting},
            overdue[0]["succeeded_at"] if overdue else None,
            {} if held is None else dict(held),
            unknown,
        )
