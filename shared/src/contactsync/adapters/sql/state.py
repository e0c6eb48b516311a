"""The whole state in PostgreSQL: `State` for the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from contactsync.adapters.sql.answers import SqlAnswerStore
from contactsync.adapters.sql.codec import settings_to_json
from contactsync.adapters.sql.config_rows import RUN_SETTINGS, run_settings_from
from contactsync.adapters.sql.credits import SqlCredits
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.effects import SqlEffects
from contactsync.adapters.sql.leases import SqlLeases, enter_fenced, release_in
from contactsync.adapters.sql.link_rows import LinkCodec
from contactsync.adapters.sql.links import SqlLinks
from contactsync.adapters.sql.outbox import NewId, SqlOutbox, hasten
from contactsync.adapters.sql.outsiders import SqlOutsiders
from contactsync.adapters.sql.run_factory import RunFactory, contact_limit, lane_of
from contactsync.adapters.sql.runs import RUN_COLUMNS, SqlRuns, run_from
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.contact import Side
from contactsync.domain.ids import AccountKey, ConfigId, OrganisationId, RunId
from contactsync.domain.link import Link
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.requests import LOST_AFTER, SUSPECT_AFTER, RunLimits
from contactsync.ports.state import Claimed, Lease, Run

_DUE: Final = """
runs.organisation_id = $1 AND runs.run_id = $2 AND runs.config_id = $3 AND runs.slice = $4
AND runs.state IN ('queued', 'running', 'waiting') AND (runs.wait_until IS NULL OR runs.wait_until <= $5)
"""
# Until it begins, a run works on the account that its configuration names now.
_ACCOUNT: Final = f"""
SELECT CASE WHEN runs.started_at IS NULL THEN c.account_key ELSE runs.account_key END
FROM runs JOIN sync_configs c ON c.organisation_id = runs.organisation_id AND c.config_id = runs.config_id
WHERE {_DUE}
"""  # noqa: S608 # our own condition
_LOCK: Final = f"SELECT state, attempt, first, started_at, account_key FROM runs WHERE {_DUE} FOR UPDATE"  # noqa: S608
_COUNT_ATTEMPT: Final = f"""
UPDATE runs SET state = 'running', attempt = attempt + 1, wait_until = NULL, updated_at = $3
WHERE organisation_id = $1 AND run_id = $2 RETURNING {RUN_COLUMNS}
"""  # noqa: S608 # names of our own columns
_BEGIN_RUN: Final = """
UPDATE runs SET started_at = $3, settings = $4::jsonb, account_key = $5, first = $6, contact_limit = $7,
    sync = $8::jsonb
WHERE organisation_id = $1 AND run_id = $2
"""
# The first condition is that of an index, which the second alone would not be found to imply.
_IN_LINE: Final = "state IN ('queued', 'running', 'waiting') AND state = 'waiting' AND reason = 'fair_share'"
# Progress, and nothing that puts a run off, sets updated_at: since then its slice has waited.
_BEFORE: Final = f"""
SELECT count(DISTINCT account_key) FROM (
    SELECT r.account_key FROM runs r JOIN google_accounts a ON a.account_key = r.account_key
    WHERE r.organisation_id = $1 AND r.state IN ('queued', 'running', 'waiting')
    AND a.holder IS NOT NULL AND a.until > clock_timestamp()
    UNION ALL
    SELECT account_key FROM runs
    WHERE organisation_id = $1 AND {_IN_LINE} AND wait_until > $4
    AND (updated_at, run_id) < (SELECT updated_at, run_id FROM runs WHERE organisation_id = $1 AND run_id = $3)
) AS before WHERE account_key <> $2
"""  # noqa: S608 # our own condition
_CALL: Final = f"""
UPDATE runs SET wait_until = $2 WHERE organisation_id = $1 AND run_id = (
    SELECT run_id FROM runs WHERE organisation_id = $1 AND {_IN_LINE} AND wait_until > $2
    ORDER BY updated_at, run_id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING run_id
"""  # noqa: S608 # our own condition
_POSTPONE: Final = """
UPDATE runs SET state = 'waiting', wait_until = $3, reason = $4 WHERE organisation_id = $1 AND run_id = $2
"""


@dataclass(frozen=True, slots=True)
class SqlTransaction:
    """The ports inside one fenced transaction."""

    connection: Connection
    lease: Lease
    runs: SqlRuns
    links: SqlLinks
    outsiders: SqlOutsiders
    answers: SqlAnswerStore
    effects: SqlEffects
    outbox: SqlOutbox

    async def give_back(self, bucket: Mapping[str, float]) -> None:
        """Give the lease back, with the quota bucket, by this commit."""
        await release_in(self.connection, self.lease, bucket)


class SqlState:
    """`State` over PostgreSQL."""

    def __init__(
        self,
        database: Database,
        vault: SqlVault,
        clock: Clock,
        *,
        limits: RunLimits | None = None,
        new_id: NewId = uuid4,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._limits = limits or RunLimits()
        self._new_id = new_id
        self._leases = SqlLeases(database)
        self._credits = SqlCredits(database, clock, new_id)

    @property
    def leases(self) -> SqlLeases:
        """The leases of Google accounts."""
        return self._leases

    @property
    def credits(self) -> SqlCredits:
        """The organisation's CRM credits."""
        return self._credits

    async def account_of(self, hint: RunHint) -> AccountKey | None:
        """The Google account that the hinted run works on; None when the slice is not due any more."""
        async with self._database.tenant(OrganisationId(hint.organisation)) as connection:
            account: AccountKey | None = await connection.fetchval(_ACCOUNT, *_place(hint), self._clock.now())
        return account

    async def claim(self, hint: RunHint, lease: Lease, now: datetime) -> Claimed | None:
        """Count the attempt of the slice and return the run, in one commit, before its work begins."""
        organisation_id = OrganisationId(hint.organisation)
        async with self._database.untenanted() as connection:
            await enter_fenced(connection, lease, organisation_id)
            row = await connection.fetchrow(_LOCK, *_place(hint), now)
            if row is None:
                return None
            begun = row["started_at"] is not None
            if begun and row["account_key"] != lease.account:
                return None
            if not begun and not await self._begin_run(connection, hint, lease, now):
                return None
            counted = await connection.fetchrow(_COUNT_ATTEMPT, organisation_id, hint.run, now)
        return None if counted is None else Claimed(run_from(counted), row["attempt"] >= SUSPECT_AFTER)

    async def _begin_run(self, connection: Connection, hint: RunHint, lease: Lease, now: datetime) -> bool:
        """Fix what the run works with; False when its configuration has moved to another account meanwhile."""
        config = await connection.fetchrow(RUN_SETTINGS, hint.organisation, hint.configuration)
        if config is None or config["account_key"] != lease.account:
            return False
        await connection.execute(
            _BEGIN_RUN,
            hint.organisation,
            hint.run,
            now,
            settings_to_json(run_settings_from(config)),
            config["account_key"],
            not config["first_done"],
            contact_limit(config, self._limits),
            config["sync"],
        )
        return True

    async def slices_before(self, hint: RunHint, account: AccountKey) -> int:
        """Google accounts but this one whose slices go before the hinted one, of the same organisation."""
        lost = self._clock.now() - LOST_AFTER
        async with self._database.tenant(OrganisationId(hint.organisation)) as connection:
            before: int = await connection.fetchval(_BEFORE, hint.organisation, account, hint.run, lost)
        return before

    async def call_next(self, hint: RunHint) -> None:
        """Let come at once the slice of the hint's organisation that has waited longest for its fair share."""
        async with self._database.tenant(OrganisationId(hint.organisation)) as connection:
            run_id = await connection.fetchval(_CALL, hint.organisation, self._clock.now())
            if run_id is not None:
                await hasten(connection, hint.organisation, run_id, self._clock.now())

    async def postpone(self, hint: RunHint, until: datetime, reason: str) -> None:
        """Store a date to try the slice again (busy account, fair share), with its hint in the outbox."""
        organisation_id = OrganisationId(hint.organisation)
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_LOCK, *_place(hint), self._clock.now())
            if row is None:
                return
            if row["state"] != "running":  # a slice under way is not put off by a second hint of it
                await connection.execute(_POSTPONE, organisation_id, hint.run, until, reason)
            await self._factory(connection, organisation_id).hint(
                ConfigId(hint.configuration),
                RunId(hint.run),
                slice_number=hint.slice,
                lane=lane_of(first=row["first"], attempt=row["attempt"]),
                not_before=until,
            )

    async def links_by_name(self, run: Run, names: Sequence[str]) -> Mapping[str, Link]:
        """Links of these people as they stand, outside any fenced transaction: for reading alone."""
        organisation_id = run.settings.organisation_id
        sealer = (await self._vault.organisation(organisation_id)).sealer
        async with self._database.tenant(organisation_id) as connection:
            links = SqlLinks(connection, run, LinkCodec(organisation_id, sealer), self._clock)
            return await links.by_remote(Side.GOOGLE, names)

    @asynccontextmanager
    async def begin(self, lease: Lease, run: Run) -> AsyncIterator[SqlTransaction]:
        """A fenced transaction for the run's organisation; raises LeaseLostError when the fence has moved on."""
        organisation_id = run.settings.organisation_id
        sealer = (await self._vault.organisation(organisation_id)).sealer
        async with self._database.untenanted() as connection:
            await enter_fenced(connection, lease, organisation_id)
            links = SqlLinks(connection, run, LinkCodec(organisation_id, sealer), self._clock)
            factory = self._factory(connection, organisation_id)
            yield SqlTransaction(
                connection=connection,
                lease=lease,
                runs=SqlRuns(connection, run.settings, sealer, links, factory, self._clock),
                links=links,
                outsiders=SqlOutsiders(connection, run.settings),
                answers=SqlAnswerStore(connection, run.settings),
                effects=SqlEffects(connection, run, lease.fence, sealer, self._clock),
                outbox=SqlOutbox(connection, self._clock, self._new_id),
            )

    def _factory(self, connection: Connection, organisation_id: OrganisationId) -> RunFactory:
        return RunFactory(connection, organisation_id, self._limits, self._clock, self._new_id)


def _place(hint: RunHint) -> tuple[object, ...]:
    return (hint.organisation, hint.run, hint.configuration, hint.slice)
