"""Asking for runs, stopping them, and sweeping up what got stuck."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import asyncpg

from contactsync.adapters.sql.approvals import settle_questions
from contactsync.adapters.sql.audit import record_act_in
from contactsync.adapters.sql.codec import dump, wishes_from
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.outbox import NewId
from contactsync.adapters.sql.run_factory import RunFactory, lane_of
from contactsync.domain.frequency import Frequency, next_tick
from contactsync.domain.ids import ConfigId, OrganisationId, RunId
from contactsync.errors import NotActiveError, UnknownRowError
from contactsync.ports.audit import Action, acting_user
from contactsync.ports.clock import Clock
from contactsync.ports.requests import (
    BY_CLOCK,
    BY_HAND,
    Coalesced,
    Requested,
    RunLimits,
    Wish,
    is_by_hand,
    joined,
    joins,
    with_wish,
)
from contactsync.ports.state import RunMode

_OPEN_RUN: Final = """
SELECT run_id, mode, trigger, started_at, wishes, first, slice, attempt,
    state = 'waiting' AND reason = 'crm_credits' AS for_credits FROM runs
WHERE organisation_id = $1 AND config_id = $2 AND state IN ('queued', 'running', 'waiting') FOR UPDATE
"""
_JOIN: Final = "UPDATE runs SET mode = $3, trigger = $4 WHERE organisation_id = $1 AND run_id = $2"
_HASTEN: Final = """
UPDATE runs SET trigger = $3, wait_until = NULL WHERE organisation_id = $1 AND run_id = $2
"""
_QUEUE_NEXT: Final = "UPDATE runs SET wishes = $3::jsonb WHERE organisation_id = $1 AND run_id = $2"
_LOCK_RUN: Final = """
SELECT run_id, config_id, state IN ('queued', 'running', 'waiting') AS open, started_at, slice, attempt, first, wishes
FROM runs WHERE organisation_id = $1 AND run_id = $2 FOR UPDATE
"""
_CANCEL_NOW: Final = """
UPDATE runs SET state = 'cancelled', reason = 'cancelled', cancel_requested = true, percent = 100,
    finished_at = $3, updated_at = $3
WHERE organisation_id = $1 AND run_id = $2
"""
_ASK_TO_STOP: Final = """
UPDATE runs SET cancel_requested = true, wait_until = NULL WHERE organisation_id = $1 AND run_id = $2
"""
_DUE: Final = """
SELECT organisation_id, config_id FROM sync_configs WHERE status = 'active' AND next_due <= $1
ORDER BY next_due LIMIT $2
"""
_OLDEST_DUE: Final = "SELECT min(next_due) FROM sync_configs WHERE status = 'active' AND next_due <= $1"
_LOCK_DUE: Final = """
SELECT frequency, activated_at, created_at FROM sync_configs
WHERE organisation_id = $1 AND config_id = $2 AND status = 'active' AND next_due <= $3 FOR NO KEY UPDATE SKIP LOCKED
"""
_STARTED: Final = "UPDATE sync_configs SET next_due = $3 WHERE organisation_id = $1 AND config_id = $2"
_HAS_OPEN_RUN: Final = """
SELECT EXISTS (SELECT FROM runs WHERE organisation_id = $1 AND config_id = $2
               AND state IN ('queued', 'running', 'waiting'))
"""
# A run that waits has its hint in the outbox, dated; one that is worked has a living lease.
_STUCK: Final = """
SELECT r.organisation_id, r.run_id, r.config_id, r.slice, r.attempt, r.first, r.updated_at
FROM runs r LEFT JOIN google_accounts a ON a.account_key = r.account_key
WHERE r.state IN ('queued', 'running', 'waiting') AND r.updated_at <= $1
  AND (r.wait_until IS NULL OR r.wait_until <= $1)
  AND NOT (r.state = 'running' AND coalesce(a.until > clock_timestamp(), false))
ORDER BY r.created_at LIMIT $2
"""
_TOUCH: Final = """
UPDATE runs SET updated_at = $4 WHERE organisation_id = $1 AND run_id = $2 AND updated_at = $3
AND state IN ('queued', 'running', 'waiting')
"""


class SqlRunRequests:
    """`RunRequests`: run and hint are written in one transaction.

    Rows are locked in the order run, configuration, here and at the end of a run, so that the two never wait for one
    another in a circle.
    """

    def __init__(
        self, database: Database, clock: Clock, *, limits: RunLimits | None = None, new_id: NewId = uuid4
    ) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits or RunLimits()
        self._new_id = new_id

    async def request(
        self, organisation_id: OrganisationId, config_id: ConfigId, mode: RunMode, trigger: str, now: datetime
    ) -> Requested:
        """A run of this configuration, or the open one that stands for it."""
        async with self._database.tenant(organisation_id) as connection:
            asked = await self.request_in(connection, organisation_id, config_id, Wish(mode, trigger), now)
            if acting_user.get() is not None:  # ticks and notifications have no place in the trail
                act, details = Action.RUN_REQUESTED, {"mode": mode.value, "configuration": config_id}
                await record_act_in(connection, organisation_id, now, act, "run", asked.run_id, **details)
            return asked

    async def request_in(
        self, connection: Connection, organisation_id: OrganisationId, config_id: ConfigId, wish: Wish, now: datetime
    ) -> Requested:
        """The same within an open transaction of that organisation."""
        factory = self.factory(connection, organisation_id)
        config = await factory.configuration(config_id)
        if config is None:
            raise UnknownRowError(details={"configuration": str(config_id)})
        if config["status"] != "active":
            raise NotActiveError(details={"configuration": str(config_id)})
        while True:
            row = await connection.fetchrow(_OPEN_RUN, organisation_id, config_id)
            if row is not None:
                if row["for_credits"] and is_by_hand(wish.trigger) and not is_by_hand(row["trigger"]):
                    await self._hasten(connection, organisation_id, config_id, row)
                return await self._coalesce(connection, organisation_id, row, wish)
            run_id = await factory.create(config_id, config, [wish], now)
            if run_id is not None:
                return Requested(run_id, created=True)

    async def _hasten(
        self, connection: Connection, organisation_id: OrganisationId, config_id: ConfigId, row: asyncpg.Record
    ) -> None:
        """A run that waits for credits becomes one that a person asked for, whose share is larger, and tries again."""
        await connection.execute(_HASTEN, organisation_id, row["run_id"], BY_HAND)
        lane = lane_of(first=row["first"], attempt=row["attempt"])
        factory = self.factory(connection, organisation_id)
        await factory.hint(config_id, row["run_id"], slice_number=row["slice"], lane=lane)

    async def _coalesce(
        self, connection: Connection, organisation_id: OrganisationId, row: asyncpg.Record, wish: Wish
    ) -> Requested:
        open_run = Wish(RunMode(row["mode"]), row["trigger"])
        if row["started_at"] is None and joins(open_run, wish):
            both = joined(open_run, wish)
            await connection.execute(_JOIN, organisation_id, row["run_id"], both.mode.value, both.trigger)
            return Requested(row["run_id"], created=False, coalesced=Coalesced.JOINED)
        wishes = with_wish(wishes_from(row["wishes"]), wish)
        await connection.execute(_QUEUE_NEXT, organisation_id, row["run_id"], dump(wishes))
        return Requested(row["run_id"], created=False, coalesced=Coalesced.QUEUED_NEXT)

    async def cancel(self, organisation_id: OrganisationId, run_id: RunId, now: datetime) -> bool:
        """Ask an open run to stop; False when it had ended."""
        async with self._database.tenant(organisation_id) as connection:
            stopped = await self.cancel_in(connection, organisation_id, run_id, now)
            if stopped:
                await record_act_in(connection, organisation_id, now, Action.RUN_CANCELLED, "run", run_id)
            return stopped

    async def cancel_in(
        self, connection: Connection, organisation_id: OrganisationId, run_id: RunId, now: datetime
    ) -> bool:
        """The same within an open transaction of that organisation."""
        row = await connection.fetchrow(_LOCK_RUN, organisation_id, run_id)
        if row is None:
            raise UnknownRowError(details={"run": str(run_id)})
        if not row["open"]:
            return False
        factory = self.factory(connection, organisation_id)
        if row["started_at"] is None:
            await connection.execute(_CANCEL_NOW, organisation_id, run_id, now)
            await factory.follow(row["config_id"], wishes_from(row["wishes"]), now)
            await settle_questions(connection, organisation_id, row["config_id"], run_id)
        else:
            await connection.execute(_ASK_TO_STOP, organisation_id, run_id)
            lane = lane_of(first=row["first"], attempt=row["attempt"])
            await factory.hint(row["config_id"], run_id, slice_number=row["slice"], lane=lane)
        return True

    def factory(self, connection: Connection, organisation_id: OrganisationId) -> RunFactory:
        """What makes runs in this transaction."""
        return RunFactory(connection, organisation_id, self._limits, self._clock, self._new_id)


class SqlRunSweeper:
    """`RunSweeper`: finds ids across organisations, then acts in one organisation at a time."""

    def __init__(self, database: Database, requests: SqlRunRequests) -> None:
        self._database = database
        self._requests = requests

    async def start_due(self, now: datetime, limit: int) -> int:
        """Ask for a run of each active configuration whose time has come; how many were due."""
        async with self._database.scheduler() as connection:
            due = await connection.fetch(_DUE, now, limit)
        started = 0
        for row in due:
            started += await self._start(row["organisation_id"], row["config_id"], now)
        return started

    async def oldest_due(self, now: datetime) -> datetime | None:
        """When the active configuration was due that has waited longest; None when none is due."""
        async with self._database.scheduler() as connection:
            due: datetime | None = await connection.fetchval(_OLDEST_DUE, now)
        return due

    async def _start(self, organisation_id: OrganisationId, config_id: ConfigId, now: datetime) -> bool:
        """The due date moves on in the transaction that makes the run: another sweeper finds it moved, or locked.

        A tick that meets an open run is left out, since that run's end looks at the clock again.
        """
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_LOCK_DUE, organisation_id, config_id, now)
            if row is None:
                return False
            tick = next_tick(Frequency(row["frequency"]), config_id, row["activated_at"] or row["created_at"], now)
            await connection.execute(_STARTED, organisation_id, config_id, tick)
            if not await connection.fetchval(_HAS_OPEN_RUN, organisation_id, config_id):
                wish = Wish(RunMode.SYNC, BY_CLOCK)
                await self._requests.request_in(connection, organisation_id, config_id, wish, now)
            return True

    async def revive(self, now: datetime, idle: timedelta, limit: int) -> int:
        """New hints for open runs that nobody works on; how many."""
        async with self._database.scheduler() as connection:
            stuck = await connection.fetch(_STUCK, now - idle, limit)
        revived = 0
        for row in stuck:
            revived += await self._revive(row, now)
        return revived

    async def _revive(self, row: asyncpg.Record, now: datetime) -> bool:
        organisation_id: OrganisationId = row["organisation_id"]
        async with self._database.tenant(organisation_id) as connection:
            status = await connection.execute(_TOUCH, organisation_id, row["run_id"], row["updated_at"], now)
            if status == "UPDATE 0":
                return False
            lane = lane_of(first=row["first"], attempt=row["attempt"])
            factory = self._requests.factory(connection, organisation_id)
            await factory.hint(row["config_id"], row["run_id"], slice_number=row["slice"], lane=lane)
            return True
