"""Runs and their reports in PostgreSQL, as their owners see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from contactsync.adapters.sql.answers import ask_in
from contactsync.adapters.sql.audit import record_act_in
from contactsync.adapters.sql.codec import listings_from
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.link_rows import STANDS_AS
from contactsync.adapters.sql.requests import SqlRunRequests
from contactsync.adapters.sql.runs import message_context, report_context
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.actions import Action, Answer
from contactsync.domain.contact import Side
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId, RunId, UserId
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.errors import UnknownRowError
from contactsync.ports import audit
from contactsync.ports.reports import RunPlace, RunReport
from contactsync.ports.requests import Wish
from contactsync.ports.state import Phase, RunContact, RunMode, RunState
from contactsync.ports.vault import Sealer

_PAGE_SIZE: Final = 1000

_SELECT: Final = """
SELECT r.run_id, r.config_id, r.mode, r.trigger, r.state, r.first, r.phase, r.percent, r.to_write, r.listings,
    r.counts, r.reason, r.sealed, r.wait_until, r.created_at, r.started_at, r.finished_at, r.updated_at,
    CASE WHEN r.state = 'needs_approval' OR r.mode = 'approved_deletes' THEN (
        SELECT count(*) FROM effects e
        WHERE e.organisation_id = $1 AND e.run_id = r.run_id AND e.state = 'planned'
    ) ELSE 0 END AS awaiting,
    CASE WHEN r.finished_at IS NULL AND r.started_at IS NOT NULL THEN (
        SELECT jsonb_object_agg(outcome, contacts) FROM (
            SELECT outcome, count(*) AS contacts FROM run_contacts c
            WHERE c.organisation_id = $1 AND c.run_id = r.run_id GROUP BY outcome
        ) AS tally
    ) END AS tally
FROM runs r JOIN sync_configs s ON s.organisation_id = r.organisation_id AND s.config_id = r.config_id
WHERE r.organisation_id = $1 AND s.status <> 'deleted'
"""
_ONE: Final = f"{_SELECT} AND r.run_id = $2 AND ($3::uuid IS NULL OR s.owner_id = $3)"
_PAGE: Final = f"""{_SELECT} AND r.config_id = $2
AND ($3::timestamptz IS NULL OR (r.created_at, r.run_id) < ($3, $4::uuid))
ORDER BY r.created_at DESC, r.run_id DESC LIMIT $5
"""
_REASON: Final = f"""
CASE WHEN l.excluded THEN '{Reason.EXCLUDED}'
     WHEN s.hold ->> 'reason' = '{Reason.AWAITING_APPROVAL}' THEN '{Reason.ASKED_BY_ANOTHER_RUN}'
     WHEN s.hold IS NOT NULL THEN s.hold ->> 'reason'
     WHEN l.kept_by <> $6 AND l.state IN ('linked', 'dormant', 'released') THEN '{Reason.OWNED_BY_ANOTHER}'
     WHEN s.pending_since IS NULL OR (s.dormant AND l.state = 'linked') THEN l.reason
     WHEN l.crm_presence IN ('deleted', 'absent') OR l.google_presence IN ('deleted', 'absent')
         THEN '{Reason.DELETES_DEFERRED}'
     ELSE '{Reason.OVER_LIMIT}' END
"""
_COLUMNS: Final = "link_id, outcome, reason, crm_id, google_id, named_by, sealed, fields, sides, left_out"
_STORED: Final = f"""
SELECT {_COLUMNS.replace("named_by", "run_id AS named_by")} FROM run_contacts
WHERE organisation_id = $1 AND run_id = $2 AND ($3::text IS NULL OR outcome = $3) AND link_id > $4
ORDER BY link_id LIMIT $5
"""  # noqa: S608  our own columns
# Pairs that stay as a run before left them have no row of their own: they take the name from their last one.
_STANDING: Final = f"""
SELECT o.link_id, o.outcome, o.reason, o.crm_id, o.google_id, r.run_id AS named_by, r.sealed,
    '{{}}'::text[] AS fields, '{{}}'::text[] AS sides, '{{}}'::jsonb AS left_out
FROM (
    SELECT l.link_id, {STANDS_AS} AS outcome, {_REASON} AS reason, l.crm_id, l.google_id
    FROM link_scopes s CROSS JOIN LATERAL (
        SELECT link_id, state, reason, crm_id, google_id, excluded, kept_by, crm_presence, google_presence FROM links
        WHERE organisation_id = $1 AND link_id = s.link_id AND state <> 'gone' OFFSET 0
    ) l
    WHERE s.organisation_id = $1 AND s.config_id = $6 AND s.link_id > $4
      AND {STANDS_AS} = ANY(CASE WHEN $3::text IS NULL THEN ARRAY['failed', 'held', 'skipped'] ELSE ARRAY[$3] END)
      AND NOT EXISTS (SELECT FROM run_contacts c
                      WHERE c.organisation_id = $1 AND c.run_id = $2 AND c.link_id = s.link_id)
    ORDER BY s.link_id LIMIT $5
) o LEFT JOIN LATERAL (
    SELECT c.run_id, c.sealed
    FROM (SELECT run_id, created_at FROM runs WHERE organisation_id = $1 AND config_id = $6
          ORDER BY created_at DESC LIMIT 200) recent
    JOIN run_contacts c ON c.organisation_id = $1 AND c.run_id = recent.run_id AND c.link_id = o.link_id
    WHERE c.sealed IS NOT NULL AND o.outcome <> 'unchanged'
    ORDER BY recent.created_at DESC LIMIT 1
) r ON true
"""  # noqa: S608  our own columns
_ROWS: Final = f"""
SELECT {_COLUMNS} FROM (({_STORED}) UNION ALL ({_STANDING})) AS told ORDER BY link_id LIMIT $5
"""  # noqa: S608  our own columns
_AWAITING: Final = """
SELECT DISTINCT e.link_id FROM effects e JOIN link_scopes s
    ON s.organisation_id = e.organisation_id AND s.config_id = e.config_id AND s.link_id = e.link_id
WHERE e.organisation_id = $1 AND e.run_id = $2 AND e.state = 'planned'
"""
_ANSWERED: Final = """
UPDATE runs SET state = 'partial', reason = $3, updated_at = $4
WHERE organisation_id = $1 AND run_id = $2 AND state = 'needs_approval'
RETURNING true
"""
_REJECT: Final = """
UPDATE effects SET state = 'rejected', reason = $3 WHERE organisation_id = $1 AND run_id = $2 AND state = 'planned'
"""
_START: Final = LinkId(UUID(int=0))


class SqlRunReports:
    """`RunReports`."""

    def __init__(self, database: Database, vault: SqlVault, requests: SqlRunRequests) -> None:
        self._database = database
        self._vault = vault
        self._requests = requests

    async def one(self, organisation_id: OrganisationId, owner: UserId | None, run_id: RunId) -> RunReport:
        """The run. Raises UnknownRowError when it is not there for this owner."""
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_ONE, organisation_id, run_id, owner)
            if row is None:
                raise UnknownRowError(details={"run": str(run_id)})
            return await self._report(connection, organisation_id, row)

    async def page(
        self, organisation_id: OrganisationId, config_id: ConfigId, after: RunPlace | None, limit: int
    ) -> Sequence[RunReport]:
        """At most `limit` runs of a configuration after that place, newest first."""
        place = (after.created_at, after.run_id) if after else (None, None)
        async with self._database.tenant(organisation_id) as connection:
            rows = await connection.fetch(_PAGE, organisation_id, config_id, *place, limit)
            return [await self._report(connection, organisation_id, row) for row in rows]

    async def _report(self, connection: Connection, organisation_id: OrganisationId, row: asyncpg.Record) -> RunReport:
        message = ""
        if row["sealed"] is not None:
            sealer = (await self._vault.organisation_in(connection, organisation_id)).sealer
            message = sealer.open(row["sealed"], message_context(organisation_id, row["run_id"])).decode()
        return _report(row, message)

    async def contacts(
        self, organisation_id: OrganisationId, run: RunReport, outcome: Outcome | None, after: LinkId | None, limit: int
    ) -> Sequence[RunContact]:
        """At most `limit` rows of the run's report, by pair; without an outcome all but unchanged and waiting ones."""
        async with self._database.tenant(organisation_id) as connection:
            sealer = (await self._vault.organisation_in(connection, organisation_id)).sealer
            place = after or _START
            rows = await connection.fetch(_ROWS, organisation_id, run.run_id, outcome, place, limit, run.config_id)
        return [contact_from(row, sealer, organisation_id, row["named_by"]) for row in rows]

    async def all_contacts(
        self, organisation_id: OrganisationId, run: RunReport, outcome: Outcome | None
    ) -> AsyncIterator[Sequence[RunContact]]:
        """The same rows in pages, to the last; no transaction stays open between two pages."""
        after: LinkId | None = None
        while rows := await self.contacts(organisation_id, run, outcome, after, _PAGE_SIZE):
            yield rows
            after = rows[-1].link_id

    async def answer_deletes(
        self, organisation_id: OrganisationId, run: RunReport, *, approved: bool, now: datetime
    ) -> RunId | None:
        """Answer for the deletes that the run asked about: the run that carries the answer out."""
        async with self._database.tenant(organisation_id) as connection:
            reason = Reason.DELETES_APPROVED if approved else Reason.DELETES_REFUSED
            if not await connection.fetchval(_ANSWERED, organisation_id, run.run_id, reason.value, now):
                return None
            act = audit.Action.DELETES_APPROVED if approved else audit.Action.DELETES_REFUSED
            await record_act_in(connection, organisation_id, now, act, "run", run.run_id)
            if approved:
                wish = Wish(RunMode.APPROVED_DELETES, f"approval:{run.run_id}")
            else:
                await self._release(connection, organisation_id, run, now)
                wish = Wish(RunMode.SYNC, "user")
            asked = await self._requests.request_in(connection, organisation_id, run.config_id, wish, now)
            return asked.run_id

    async def _release(
        self, connection: Connection, organisation_id: OrganisationId, run: RunReport, now: datetime
    ) -> None:
        rows = await connection.fetch(_AWAITING, organisation_id, run.run_id)
        answers = [Answer(row["link_id"], Action.RELEASE) for row in rows]
        await ask_in(connection, organisation_id, run.config_id, answers, now)
        await connection.execute(_REJECT, organisation_id, run.run_id, Reason.DELETES_REFUSED.value)


def _report(row: asyncpg.Record, provider_message: str) -> RunReport:
    counts: dict[str, int] = orjson.loads(row["counts"])
    tally: dict[str, int] = counts if row["tally"] is None else orjson.loads(row["tally"])
    return RunReport(
        run_id=row["run_id"],
        config_id=row["config_id"],
        mode=RunMode(row["mode"]),
        trigger=row["trigger"],
        state=RunState(row["state"]),
        first=row["first"],
        phase=Phase(row["phase"]),
        percent=row["percent"],
        to_write=row["to_write"],
        listings=listings_from(row["listings"]),
        counts=counts,
        outcomes={outcome: tally.get(outcome, 0) for outcome in Outcome},
        awaiting=row["awaiting"],
        reason=row["reason"],
        provider_message=provider_message,
        wait_until=row["wait_until"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        updated_at=row["updated_at"],
    )


def contact_from(
    row: asyncpg.Record, sealer: Sealer, organisation_id: OrganisationId, run_id: RunId, prefix: str = ""
) -> RunContact:
    """The report's row in a record whose columns have this prefix, all but `link_id`."""
    name, message = "", ""
    if row[f"{prefix}sealed"] is not None:
        context = report_context(organisation_id, run_id, row["link_id"])
        name, message = orjson.loads(sealer.open(row[f"{prefix}sealed"], context))
    return RunContact(
        link_id=row["link_id"],
        outcome=Outcome(row[f"{prefix}outcome"]),
        reason=row[f"{prefix}reason"],
        crm_id=row[f"{prefix}crm_id"],
        google_id=row[f"{prefix}google_id"],
        name=name,
        fields=row[f"{prefix}fields"],
        sides=[Side(side) for side in row[f"{prefix}sides"]],
        left_out=orjson.loads(row[f"{prefix}left_out"]),
        provider_message=message,
    )
