"""Runs and their reports in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from contactsync.adapters.sql.approvals import settle_questions
from contactsync.adapters.sql.codec import (
    columns,
    dump,
    listings_from,
    settings_from_json,
    sync_from,
    wishes_from,
)
from contactsync.adapters.sql.database import Connection
from contactsync.adapters.sql.links import SqlLinks
from contactsync.adapters.sql.progress import percent_of
from contactsync.adapters.sql.run_factory import RunFactory
from contactsync.domain.frequency import INTERVALS, Frequency, next_tick
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId, RecordId, RunId
from contactsync.domain.outcome import Outcome
from contactsync.errors import StateInvariantError
from contactsync.ports.clock import Clock
from contactsync.ports.requests import BY_CLOCK
from contactsync.ports.state import Phase, Run, RunContact, RunMode, RunSettings, RunState, ToldRecord, Watch
from contactsync.ports.vault import SealContext, Sealer

COUNTED: Final = frozenset({RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL})
"""Ends that move `last_sync_at` and after which a configuration's runs are not first any more."""

RUN_COLUMNS: Final = (
    "run_id, config_id, mode, trigger, state, first, contact_limit, settings, phase, slice, attempt, taken, pairs, "
    "counts, listings, sync, wait_until, reason, retries, cancel_requested, created_at, started_at, credits_reserved"
)
# A later slice has not begun yet: its attempts count from zero.
_SAVE: Final = """
UPDATE runs SET state = $3, phase = $4, attempt = CASE WHEN slice = $5 THEN attempt ELSE 0 END, slice = $5,
    started_at = $6, taken = $7, counts = $8::jsonb, listings = $9::jsonb, sync = $10::jsonb, wait_until = $11,
    reason = $12, retries = $13, updated_at = $14, finished_at = $15, to_write = $16, percent = greatest(percent, $17),
    credits_reserved = $18, pairs = $19
WHERE organisation_id = $1 AND run_id = $2 AND state IN ('queued', 'running', 'waiting')
RETURNING config_id, first, wishes
"""
_TO_WRITE: Final = """
SELECT count(*) FROM (
    SELECT FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND pending_since IS NOT NULL
    AND taken_by IS DISTINCT FROM $3 LIMIT $4
) AS pending
"""
_RECORD: Final = """
INSERT INTO run_contacts (organisation_id, run_id, recorded_at, link_id, outcome, reason, crm_id, google_id, sealed,
                          fields, sides, left_out)
SELECT $1, $2::uuid, $3::timestamptz, t.link_id, t.outcome, t.reason, t.crm_id, t.google_id, t.sealed,
       t.fields::text[], t.sides::text[], t.left_out
FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[], $11::text[],
            $12::jsonb[])
    AS t(link_id, outcome, reason, crm_id, google_id, sealed, fields, sides, left_out)
ON CONFLICT (organisation_id, run_id, link_id) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason,
    crm_id = excluded.crm_id, google_id = excluded.google_id, sealed = excluded.sealed, fields = excluded.fields,
    sides = excluded.sides, left_out = excluded.left_out, recorded_at = excluded.recorded_at
"""
_TALLY: Final = """
SELECT outcome, count(*) AS contacts FROM run_contacts WHERE organisation_id = $1 AND run_id = $2 GROUP BY outcome
"""
_CANCELLED: Final = """
SELECT r.cancel_requested OR c.status <> 'active'
FROM runs r JOIN sync_configs c ON c.organisation_id = r.organisation_id AND c.config_id = r.config_id
WHERE r.organisation_id = $1 AND r.run_id = $2
"""
# A channel of which the last opening or renewal is not known to have succeeded may be gone at the CRM.
_WATCH: Final = """
SELECT c.frequency, w.expires_at, EXISTS (
    SELECT FROM runs r WHERE r.organisation_id = $1 AND r.config_id = $2 AND r.created_at > $3 AND r.trigger <> $4
) AS asked
FROM sync_configs c LEFT JOIN webhook_channels w ON w.organisation_id = c.organisation_id
    AND w.connection_id = c.crm_connection_id AND w.opened_at >= w.tried_at
WHERE c.organisation_id = $1 AND c.config_id = $2
"""
_TOLD: Final = "SELECT crm_id, second, told_at FROM crm_told WHERE organisation_id = $1 AND config_id = $2"
_HEARD: Final = """
DELETE FROM crm_told t USING unnest($3::text[], $4::timestamptz[]) AS heard (crm_id, told_at)
WHERE t.organisation_id = $1 AND t.config_id = $2 AND t.crm_id = heard.crm_id AND t.told_at = heard.told_at
"""
_MADE: Final = "SELECT made FROM google_accounts WHERE account_key = $1"
_COUNT_MADE: Final = "UPDATE google_accounts SET made = made + $2 WHERE account_key = $1 RETURNING made"
_FAILED_ALIKE: Final = """
SELECT count(*) FROM runs r WHERE organisation_id = $1 AND config_id = $2 AND state = 'failed' AND reason = $3
AND NOT EXISTS (
    SELECT FROM runs o WHERE o.organisation_id = $1 AND o.config_id = $2 AND o.finished_at > r.finished_at
    AND NOT (o.state = 'failed' AND o.reason = $3)
)
"""
_PROVIDER_MESSAGE: Final = "UPDATE runs SET sealed = $3 WHERE organisation_id = $1 AND run_id = $2"
_PAUSED: Final = """
SELECT paused_reason FROM sync_configs WHERE organisation_id = $1 AND config_id = $2 AND status = 'paused'
"""
_PAUSE: Final = """
UPDATE sync_configs SET status = 'paused', paused_reason = $3, updated_at = $4
WHERE organisation_id = $1 AND config_id = $2 AND status = 'active'
"""
_DROP_WISHES: Final = """
UPDATE runs SET wishes = '[]' WHERE organisation_id = $1 AND config_id = $2 AND wishes <> '[]'
"""
_OF_CONFIG: Final = """
SELECT view_id, group_id, account_key, frequency, activated_at, created_at, status FROM sync_configs
WHERE organisation_id = $1 AND config_id = $2 FOR NO KEY UPDATE
"""
_END_CONFIG: Final = """
UPDATE sync_configs SET sync = $3::jsonb, first_done = first_done OR $4,
    first_taken = first_taken + CASE WHEN $5 AND NOT $4 THEN $6::integer ELSE 0 END, backlog = $10,
    last_sync_at = CASE WHEN $4 THEN $7 ELSE last_sync_at END, last_attempt_at = $7, last_reason = $8, next_due = $9
WHERE organisation_id = $1 AND config_id = $2
"""


class SqlRuns:
    """`RunStore` in one transaction of one run."""

    def __init__(  # the end of a run touches links and makes the next run
        self,
        connection: Connection,
        settings: RunSettings,
        sealer: Sealer,
        links: SqlLinks,
        factory: RunFactory,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._organisation = settings.organisation_id
        self._config = settings.config_id
        self._account = settings.account
        self._sealer = sealer
        self._links = links
        self._factory = factory
        self._clock = clock

    async def save(self, run: Run) -> None:
        """Store the run's progress (all but identity, settings and cancel mark)."""
        await self._store(run, self._clock.now(), None)

    async def _store(self, run: Run, now: datetime, finished_at: datetime | None) -> asyncpg.Record:
        to_write = await self._to_write(run)
        row = await self._connection.fetchrow(
            _SAVE,
            self._organisation,
            run.run_id,
            run.state.value,
            run.phase.value,
            run.slice,
            run.started_at,
            run.taken,
            dump(dict(run.counts)),
            dump({side.value: listing for side, listing in run.listings.items()}),
            dump(run.sync),
            run.wait_until,
            run.reason,
            run.retries,
            now,
            finished_at,
            to_write,
            percent_of(run, to_write),
            run.credits_reserved,
            run.pairs,
        )
        if row is None:
            raise StateInvariantError("the run has ended", details={"run": str(run.run_id)})
        return row

    async def _to_write(self, run: Run) -> int:
        """Pairs that the run has still to take; before it writes, nobody knows."""
        if run.phase is not Phase.APPLY or not run.state.open:
            return 0
        left = max(0, run.limit - run.taken)
        count: int = await self._connection.fetchval(_TO_WRITE, self._organisation, self._config, run.run_id, left)
        return count

    async def record(self, run_id: RunId, contacts: Sequence[RunContact]) -> None:
        """Add or replace rows of the report, one for a pair."""
        latest = {contact.link_id: contact for contact in contacts}
        if latest:
            arrays = columns(self._row(run_id, contact) for contact in latest.values())
            await self._connection.execute(_RECORD, self._organisation, run_id, self._clock.now(), *arrays)

    def _row(self, run_id: RunId, contact: RunContact) -> tuple[object, ...]:
        sealed = None
        if contact.name or contact.provider_message:
            plain = orjson.dumps([contact.name, contact.provider_message])
            sealed = self._sealer.seal(plain, report_context(self._organisation, run_id, contact.link_id))
        return (
            contact.link_id,
            contact.outcome.value,
            contact.reason,
            contact.crm_id,
            contact.google_id,
            sealed,
            _array(contact.fields),
            _array([side.value for side in contact.sides]),
            dump(dict(contact.left_out)),
        )

    async def tally(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Contacts in the report so far, by outcome."""
        rows = await self._connection.fetch(_TALLY, self._organisation, run_id)
        return {Outcome(row["outcome"]): row["contacts"] for row in rows}

    async def cancelled(self, run_id: RunId) -> bool:
        """Whether somebody asked the run to stop, or its configuration is no longer active."""
        cancelled: bool = await self._connection.fetchval(_CANCELLED, self._organisation, run_id)
        return cancelled

    async def watch(self, since: datetime) -> Watch:
        """The ticks and the channel of the run's configuration, and whether it was asked for after that instant."""
        row = await self._connection.fetchrow(_WATCH, self._organisation, self._config, since, BY_CLOCK)
        if row is None:
            raise StateInvariantError("a run without a configuration", details={"configuration": str(self._config)})
        return Watch(
            interval=INTERVALS.get(Frequency(row["frequency"])), told_until=row["expires_at"], asked=row["asked"]
        )

    async def told(self) -> Sequence[ToldRecord]:
        """Records that the CRM said had changed, and that no reading of the configuration has shown since."""
        rows = await self._connection.fetch(_TOLD, self._organisation, self._config)
        return [ToldRecord(RecordId(row["crm_id"]), row["second"], row["told_at"]) for row in rows]

    async def heard(self, told: Sequence[ToldRecord]) -> None:
        """Nothing more is to be learnt from these; what was told of the same records since stays."""
        ids, times = [one.record_id for one in told], [one.told_at for one in told]
        await self._connection.execute(_HEARD, self._organisation, self._config, ids, times)

    async def people_made(self, amount: int) -> int:
        """Count so many people more that were made in the Google account; how many all syncs ever made in it."""
        made: int
        if amount:
            made = await self._connection.fetchval(_COUNT_MADE, self._account, amount)
        else:
            made = await self._connection.fetchval(_MADE, self._account)
        return made

    async def paused(self) -> str:
        """Why the run's configuration is paused; empty while it is not."""
        reason: str | None = await self._connection.fetchval(_PAUSED, self._organisation, self._config)
        return reason or ""

    async def pause(self, reason: str) -> None:
        """Pause the run's configuration with this reason; its open request mark is dropped."""
        await self._connection.execute(_DROP_WISHES, self._organisation, self._config)
        await self._connection.execute(_PAUSE, self._organisation, self._config, reason, self._clock.now())

    async def failed_alike(self, run: Run, reason: str) -> int:
        """How many runs of the configuration failed for this reason since the last one that ended otherwise."""
        count: int = await self._connection.fetchval(_FAILED_ALIKE, self._organisation, run.settings.config_id, reason)
        return count

    async def finish(self, run: Run, *, next_due: datetime | None) -> None:
        """Store the end of the run and the configuration's state; queue one further run when it was asked for."""
        if run.state.open:
            raise StateInvariantError("the run has not ended", details={"run": str(run.run_id)})
        now = self._clock.now()
        row = await self._store(run, now, now)
        if run.provider_message:
            context = message_context(self._organisation, run.run_id)
            sealed = self._sealer.seal(run.provider_message.encode(), context)
            await self._connection.execute(_PROVIDER_MESSAGE, self._organisation, run.run_id, sealed)
        config = await self._connection.fetchrow(_OF_CONFIG, self._organisation, row["config_id"])
        if config is not None and _same_scope(config, run.settings):
            await self._connection.execute(
                _END_CONFIG,
                self._organisation,
                row["config_id"],
                dump(run.sync),
                run.state in COUNTED,
                row["first"],
                run.taken,
                now,
                run.reason,
                _next_due(config, row["config_id"], now, next_due),
                run.counts.get(Outcome.WAITING, 0),
            )
        else:
            # The configuration was given another view, group or account meanwhile: what this run learnt is not its.
            await start_anew(self._connection, self._organisation, row["config_id"])
        await self._links.drop_values(run.run_id)
        await self._factory.follow(row["config_id"], wishes_from(row["wishes"]), now)
        await settle_questions(self._connection, self._organisation, row["config_id"], run.run_id)


def _same_scope(config: asyncpg.Record, settings: RunSettings) -> bool:
    """Whether the configuration still is about what the run was about."""
    named = (config["view_id"], config["group_id"], config["account_key"])
    return named == (settings.view_id, settings.group_id, settings.account)


def _next_due(config: asyncpg.Record, config_id: ConfigId, now: datetime, sooner: datetime | None) -> datetime | None:
    """The next tick, or the sooner date for which a backlog asks; none while the configuration does not run."""
    if config["status"] != "active":
        return None
    since = config["activated_at"] or config["created_at"]
    tick = next_tick(Frequency(config["frequency"]), config_id, since, now)
    return min((date for date in (tick, sooner) if date is not None), default=None)


_ANEW: Final = (
    """
UPDATE sync_configs SET sync = '{}', first_done = false, first_taken = 0, backlog = 0
WHERE organisation_id = $1 AND config_id = $2
""",
    "DELETE FROM link_scopes WHERE organisation_id = $1 AND config_id = $2",
    "DELETE FROM people WHERE organisation_id = $1 AND config_id = $2",
)


async def start_anew(connection: Connection, organisation_id: OrganisationId, config_id: ConfigId) -> None:
    """Forget what is known of a configuration's view and group; its pairs belong to the account and stay."""
    for statement in _ANEW:
        await connection.execute(statement, organisation_id, config_id)


def report_context(organisation_id: OrganisationId, run_id: RunId, link_id: LinkId) -> SealContext:
    """What the sealed part of a report's row is bound to."""
    return SealContext(organisation_id, f"{run_id}/{link_id}", "run_contacts.sealed")


def message_context(organisation_id: OrganisationId, run_id: RunId) -> SealContext:
    """What the provider's message of a run is bound to."""
    return SealContext(organisation_id, str(run_id), "runs.sealed")


def _array(items: Sequence[str]) -> str:
    """A text array in PostgreSQL's own notation: arrays of arrays do not unnest (PostgreSQL, 8.15.2)."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def run_from(row: asyncpg.Record) -> Run:
    """The run in a row of RUN_COLUMNS; it must have begun, since its settings are fixed then."""
    return Run(
        run_id=row["run_id"],
        settings=settings_from_json(row["settings"]),
        mode=RunMode(row["mode"]),
        trigger=row["trigger"],
        state=RunState(row["state"]),
        created_at=row["created_at"],
        first=row["first"],
        limit=row["contact_limit"],
        phase=Phase(row["phase"]),
        slice=row["slice"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        taken=row["taken"],
        pairs=row["pairs"],
        counts=orjson.loads(row["counts"]),
        listings=listings_from(row["listings"]),
        sync=sync_from(row["sync"]),
        wait_until=row["wait_until"],
        reason=row["reason"],
        retries=row["retries"],
        cancel_requested=row["cancel_requested"],
        credits_reserved=row["credits_reserved"],
    )
