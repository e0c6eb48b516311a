"""The outbox of news in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson

from contactsync.adapters.sql.callers import profile_of
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.vault import SqlVault
from contactsync.adapters.sql.webhooks import opened_secrets
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.errors import UnknownRowError
from contactsync.ports.notices import MAILED, Call, Delivery, Event, Letter, Sent, State

_TAKEN_FOR: Final = timedelta(minutes=1)
_ENDED_RUNS: Final = """
SELECT organisation_id, run_id FROM runs WHERE finished_at IS NOT NULL AND NOT told ORDER BY finished_at LIMIT $1
"""
_TELL_RUN: Final = """
UPDATE runs SET told = true WHERE organisation_id = $1 AND run_id = $2 AND finished_at IS NOT NULL AND NOT told
RETURNING run_id, config_id, state, reason, trigger, first, taken, finished_at AS at
"""
_PAUSES: Final = """
SELECT organisation_id, config_id FROM sync_configs
WHERE (CASE WHEN status = 'paused' THEN paused_reason ELSE '' END) <> pause_told LIMIT $1
"""
_TELL_PAUSE: Final = """
UPDATE sync_configs SET pause_told = CASE WHEN status = 'paused' THEN paused_reason ELSE '' END
WHERE organisation_id = $1 AND config_id = $2
  AND (CASE WHEN status = 'paused' THEN paused_reason ELSE '' END) <> pause_told
RETURNING config_id, paused_reason AS reason, updated_at AS at, status = 'paused' AS paused
"""
_TO_ENDPOINTS: Final = """
INSERT INTO deliveries (organisation_id, delivery_id, endpoint_id, event, facts, occurred_at, created_at, not_before)
SELECT e.organisation_id, gen_random_uuid(), e.endpoint_id, $2::text, $3::jsonb, $4, $5::timestamptz, $5
FROM webhook_endpoints e WHERE e.organisation_id = $1 AND e.direction = 'outgoing' AND e.disabled_at IS NULL
  AND (e.events = '{}' OR $2 = ANY(e.events))
"""
_TO_OWNER: Final = """
INSERT INTO deliveries (organisation_id, delivery_id, user_id, event, facts, occurred_at, created_at, not_before)
SELECT c.organisation_id, $6, c.owner_id, $3, $4::jsonb, $5, $7::timestamptz, $7
FROM sync_configs c WHERE c.organisation_id = $1 AND c.config_id = $2
"""
_DUE: Final = """
UPDATE deliveries SET taken_until = $2 WHERE (organisation_id, delivery_id) IN (
    SELECT organisation_id, delivery_id FROM deliveries
    WHERE state = 'waiting' AND not_before <= $1 AND taken_until <= $1
    ORDER BY not_before LIMIT $3 FOR UPDATE SKIP LOCKED
) RETURNING organisation_id, delivery_id
"""
_CONTENT: Final = """
SELECT d.*, e.url, e.secrets FROM deliveries d LEFT JOIN webhook_endpoints e
  ON e.organisation_id = d.organisation_id AND e.endpoint_id = d.endpoint_id
WHERE d.organisation_id = $1 AND d.delivery_id = $2 AND d.state = 'waiting'
"""
_SETTLE: Final = """
UPDATE deliveries SET state = $3, status = $4, not_before = coalesce($5, not_before), attempt = attempt + 1,
    taken_until = '-infinity'
WHERE organisation_id = $1 AND delivery_id = $2 AND state = 'waiting'
"""
_DISABLE: Final = """
UPDATE webhook_endpoints SET disabled_at = $3 WHERE organisation_id = $1 AND endpoint_id = $2 AND disabled_at IS NULL
"""
_GIVE_UP: Final = """
UPDATE deliveries SET state = 'dead' WHERE organisation_id = $1 AND endpoint_id = $2 AND state = 'waiting'
"""


class SqlNotices:
    """`Notices`. `mails` says whether letters are written at all."""

    def __init__(self, database: Database, vault: SqlVault, *, mails: bool) -> None:
        self._database = database
        self._vault = vault
        self._mails = mails

    async def gather(self, now: datetime, limit: int) -> int:
        """Turn what has happened and was not told into deliveries; how many happenings there were."""
        async with self._database.scheduler() as connection:
            runs = await connection.fetch(_ENDED_RUNS, limit)
            pauses = await connection.fetch(_PAUSES, limit)
        for row in runs:
            await self._tell_run(row["organisation_id"], row["run_id"], now)
        for row in pauses:
            await self._tell_pause(row["organisation_id"], row["config_id"], now)
        return len(runs) + len(pauses)

    async def _tell_run(self, organisation_id: OrganisationId, run_id: UUID, now: datetime) -> None:
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_TELL_RUN, organisation_id, run_id)
            if row is not None:  # else another process was quicker
                event = Event.APPROVAL_NEEDED if row["state"] == "needs_approval" else Event.RUN_FINISHED
                names = ("run_id", "state", "reason", "trigger", "first", "taken")
                facts = {"configuration_id": row["config_id"], **{name: row[name] for name in names}}
                await self._add(connection, organisation_id, event, facts, row["at"], now)

    async def _tell_pause(self, organisation_id: OrganisationId, config_id: UUID, now: datetime) -> None:
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_TELL_PAUSE, organisation_id, config_id)
            if row is not None and row["paused"]:
                facts = {"configuration_id": row["config_id"], "reason": row["reason"]}
                await self._add(connection, organisation_id, Event.CONFIGURATION_PAUSED, facts, row["at"], now)

    async def _add(
        self,
        connection: Connection,
        organisation_id: OrganisationId,
        event: Event,
        facts: Mapping[str, object],
        at: datetime,
        now: datetime,
    ) -> None:
        stored = orjson.dumps(dict(facts), default=str).decode()
        await connection.execute(_TO_ENDPOINTS, organisation_id, event.value, stored, at, now)
        if self._mails and event in MAILED:
            config_id = facts["configuration_id"]
            await connection.execute(_TO_OWNER, organisation_id, config_id, event.value, stored, at, uuid4(), now)

    async def take(self, now: datetime, limit: int) -> Sequence[Call | Letter]:
        """Deliveries that are due, to oneself for a minute."""
        async with self._database.scheduler() as connection:
            rows = await connection.fetch(_DUE, now, now + _TAKEN_FOR, limit)
        taken = [await self._content(row["organisation_id"], row["delivery_id"], now) for row in rows]
        return [delivery for delivery in taken if delivery is not None]

    async def _content(self, organisation_id: OrganisationId, delivery_id: UUID, now: datetime) -> Call | Letter | None:
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_CONTENT, organisation_id, delivery_id)
            if row is None:
                return None
            common = _common(row)
            if row["endpoint_id"] is None:
                recipient = await profile_of(connection, self._vault, organisation_id, UserId(row["user_id"]))
                return Letter(*common, recipient)
            place = (organisation_id, row["endpoint_id"])
            secrets = await opened_secrets(connection, self._vault, *place, row["secrets"])
            return Call(*common, row["endpoint_id"], row["url"], secrets.valid(now))

    async def done(self, delivery: Delivery, status: int) -> None:
        """It arrived."""
        await self._settle(delivery, "done", status)

    async def again(self, delivery: Delivery, not_before: datetime, status: int) -> None:
        """It did not arrive and is sent again later."""
        await self._settle(delivery, "waiting", status, not_before)

    async def dead(self, delivery: Delivery, status: int) -> None:
        """It is given up; it stays in the list of the dead."""
        await self._settle(delivery, "dead", status)

    async def gone(self, call: Call, now: datetime) -> None:
        """The address wants nothing any more: it is disabled, and what waits for it is dead."""
        async with self._database.tenant(call.organisation_id) as connection:
            await connection.execute(_DISABLE, call.organisation_id, call.endpoint_id, now)
            await connection.execute(_GIVE_UP, call.organisation_id, call.endpoint_id)

    async def _settle(self, delivery: Delivery, state: str, status: int, not_before: datetime | None = None) -> None:
        async with self._database.tenant(delivery.organisation_id) as connection:
            await connection.execute(_SETTLE, delivery.organisation_id, delivery.delivery_id, state, status, not_before)


_KNOWN: Final = "SELECT true FROM webhook_endpoints WHERE organisation_id = $1 AND endpoint_id = $2"
_PAGE: Final = """
SELECT delivery_id, event, occurred_at, created_at, state, attempt, status FROM deliveries
WHERE organisation_id = $1 AND endpoint_id = $2 AND ($3::text IS NULL OR state = $3)
  AND ($4::timestamptz IS NULL OR (created_at, delivery_id) < ($4, $5::uuid))
ORDER BY created_at DESC, delivery_id DESC LIMIT $6
"""
_REVIVE: Final = """
UPDATE deliveries SET state = 'waiting', attempt = 1, not_before = $4
WHERE organisation_id = $1 AND endpoint_id = $2 AND delivery_id = $3 AND state = 'dead'
"""


class SqlDeliveries:
    """`Deliveries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        organisation_id: OrganisationId,
        endpoint_id: UUID,
        *,
        state: State | None,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> Sequence[Sent]:
        """Newest first."""
        place = after or (None, None)
        wanted = None if state is None else state.value
        async with self._database.tenant(organisation_id) as connection:
            if not await connection.fetchval(_KNOWN, organisation_id, endpoint_id):
                raise UnknownRowError(details={"endpoint": str(endpoint_id)})
            rows = await connection.fetch(_PAGE, organisation_id, endpoint_id, wanted, *place, limit)
        return [_sent(row) for row in rows]

    async def revive(
        self, organisation_id: OrganisationId, endpoint_id: UUID, delivery_id: UUID, now: datetime
    ) -> None:
        """Send a dead delivery again, from its first attempt on."""
        async with self._database.tenant(organisation_id) as connection:
            if await connection.execute(_REVIVE, organisation_id, endpoint_id, delivery_id, now) == "UPDATE 0":
                raise UnknownRowError(details={"delivery": str(delivery_id)})


def _sent(row: asyncpg.Record) -> Sent:
    state = State(row["state"])
    # `attempt` is the next one while it waits, and one beyond the last when it is settled.
    return Sent(
        row["delivery_id"],
        Event(row["event"]),
        row["occurred_at"],
        row["created_at"],
        state,
        row["attempt"] - 1,
        row["status"],
    )


def _common(row: asyncpg.Record) -> tuple[OrganisationId, UUID, Event, Mapping[str, object], datetime, int]:
    return (
        OrganisationId(row["organisation_id"]),
        row["delivery_id"],
        Event(row["event"]),
        orjson.loads(row["facts"]),
        row["occurred_at"],
        row["attempt"],
    )
