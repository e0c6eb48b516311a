"""The CRM credits that an organisation's syncs have reserved, one row for each organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import orjson

from contactsync.adapters.sql.codec import dump
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.outbox import NewId, SqlOutbox
from contactsync.adapters.sql.run_factory import lane_of
from contactsync.domain.credits import OVERDUE_AFTER, Credits, Queue, Shares, Usage, daily_credits
from contactsync.domain.ids import OrganisationId
from contactsync.domain.reasons import Reason
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.requests import APPROVAL, BY_HAND, is_by_hand
from contactsync.ports.state import Run, RunSettings
from contactsync.telemetry import metrics

_ENSURE: Final = "INSERT INTO crm_credits (organisation_id) VALUES ($1) ON CONFLICT DO NOTHING"
_LOCK: Final = """
SELECT c.used, c.by_hand, (SELECT facts ->> 'edition' FROM connections
                WHERE organisation_id = $1 AND connection_id = $2) AS edition
FROM crm_credits c WHERE c.organisation_id = $1 FOR UPDATE
"""
_QUEUE: Final = """
SELECT count(*) FILTER (WHERE earlier AND NOT by_hand) AS usual, count(*) FILTER (WHERE earlier AND by_hand) AS by_hand,
       coalesce(bool_or(created_at < $4 AND NOT by_hand), false) AS overdue
FROM (
    SELECT created_at, (created_at, run_id) < ($2, $3) AS earlier,
           trigger = $6 OR starts_with(trigger, $7) AS by_hand
    FROM runs WHERE organisation_id = $1 AND state IN ('queued', 'running', 'waiting') AND state = 'waiting'
    AND reason = $5
) AS waiting
"""
_FIRST: Final = """
SELECT run_id, config_id, slice, attempt, first, trigger, wait_until FROM runs
WHERE organisation_id = $1 AND state IN ('queued', 'running', 'waiting') AND state = 'waiting' AND reason = $2
AND wait_until IS NOT NULL
ORDER BY created_at, run_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
"""
_WAKE: Final = "UPDATE runs SET wait_until = $3 WHERE organisation_id = $1 AND run_id = $2"
_WOKEN_AT_ONCE: Final = 20
_HOLDS: Final = "UPDATE runs SET credits_reserved = $3 WHERE organisation_id = $1 AND run_id = $2"
_HOLDS_NONE: Final = """
UPDATE runs SET credits_reserved = 0 WHERE organisation_id = $1 AND run_id = $2 AND credits_reserved = $3
"""
_STORE: Final = "UPDATE crm_credits SET used = $2::jsonb, by_hand = $3::jsonb WHERE organisation_id = $1"


class SqlCredits:
    """`CreditStore` over `crm_credits`; the row's lock makes reservations of several workers follow one another."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def reserve(self, run: Run, amount: int, shares: Shares, now: datetime) -> datetime | None:
        """None when so many credits are reserved now; else the date to ask again."""
        settings = run.settings
        async with self._database.tenant(settings.organisation_id) as connection:
            used, edition = await _locked(connection, settings)
            queue, by_hand = await _queue(connection, run, now), is_by_hand(run.trigger)
            level = used.level(daily_credits(edition), shares, now, by_hand=by_hand)
            metrics.CREDIT_SHARE_USED.observe(level)
            until = used.turn(amount, daily_credits(edition), shares, queue, now, by_hand=by_hand)
            if until is None:
                await _store(connection, settings, used.with_amount(amount, now, by_hand=by_hand))
                await connection.execute(_HOLDS, settings.organisation_id, run.run_id, run.credits_reserved)
            return until

    async def give_back(self, run: Run, amount: int, shares: Shares, now: datetime) -> None:
        """What was reserved and not used."""
        settings = run.settings
        async with self._database.tenant(settings.organisation_id) as connection:
            used, edition = await _locked(connection, settings)
            used = used.with_amount(-amount, now, by_hand=is_by_hand(run.trigger))
            await _store(connection, settings, used)
            await connection.execute(_HOLDS_NONE, settings.organisation_id, run.run_id, run.credits_reserved)
            waiting = await connection.fetch(_FIRST, settings.organisation_id, Reason.CRM_CREDITS.value, _WOKEN_AT_ONCE)
            asked = [is_by_hand(row["trigger"]) for row in waiting]
            for row in waiting[: used.turns_now(daily_credits(edition), shares, asked, now)]:
                if row["wait_until"] > now:
                    await self._wake(connection, settings.organisation_id, row, now)

    async def _wake(
        self, connection: Connection, organisation_id: OrganisationId, row: asyncpg.Record, now: datetime
    ) -> None:
        await connection.execute(_WAKE, organisation_id, row["run_id"], now)
        hint = RunHint(
            run=row["run_id"], slice=row["slice"], organisation=organisation_id, configuration=row["config_id"]
        )
        lane = lane_of(first=row["first"], attempt=row["attempt"])
        await SqlOutbox(connection, self._clock, self._new_id).add(lane, hint)


async def _locked(connection: Connection, settings: RunSettings) -> tuple[Credits, str]:
    place = (settings.organisation_id, settings.crm_connection_id)
    row = await connection.fetchrow(_LOCK, *place)
    if row is None:
        await connection.execute(_ENSURE, settings.organisation_id)
        row = await connection.fetchrow(_LOCK, *place)
    if row is None:
        return Credits(Usage({}), Usage({})), ""
    return Credits(_usage(row["used"]), _usage(row["by_hand"])), row["edition"] or ""


def _usage(text: str) -> Usage:
    return Usage({int(hour): amount for hour, amount in orjson.loads(text).items()})


async def _queue(connection: Connection, run: Run, now: datetime) -> Queue:
    """Who waits for credits of the run's organisation."""
    since = now - OVERDUE_AFTER
    place = (run.settings.organisation_id, run.created_at, run.run_id)
    row = await connection.fetchrow(_QUEUE, *place, since, Reason.CRM_CREDITS.value, BY_HAND, APPROVAL)
    return Queue() if row is None else Queue(row["usual"], row["by_hand"], row["overdue"])


async def _store(connection: Connection, settings: RunSettings, used: Credits) -> None:
    columns = (
        dump({str(hour): amount for hour, amount in usage.by_hour.items()}) for usage in (used.total, used.by_hand)
    )
    await connection.execute(_STORE, settings.organisation_id, *columns)
