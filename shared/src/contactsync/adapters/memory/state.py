"""The whole state in memory, for the simulation and the fast tests alone. It passes the contract of the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from contactsync.adapters.memory.answers import MemoryAnswerStore
from contactsync.adapters.memory.credits import MemoryCredits
from contactsync.adapters.memory.leases import MemoryLeases
from contactsync.adapters.memory.links import MemoryLinks, pairs_of
from contactsync.adapters.memory.outsiders import MemoryOutsiders
from contactsync.adapters.memory.requests import MemoryAnswers, MemoryRelayStore, MemoryRequests, MemorySweeper
from contactsync.adapters.memory.runs import (
    MemoryEffects,
    MemoryOutbox,
    MemoryRuns,
    NewId,
    RunFactory,
    hint_of,
    lane_of,
)
from contactsync.adapters.memory.tables import ConfigRow, Journal, RunRow, Tables
from contactsync.domain.ids import AccountKey, ConfigId, RecordId, RunId
from contactsync.domain.link import Link
from contactsync.domain.reasons import Reason
from contactsync.errors import StateInvariantError
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.requests import LOST_AFTER, SUSPECT_AFTER, RunLimits
from contactsync.ports.state import Claimed, Lease, Run, RunContact, RunSettings, RunState, ToldRecord


@dataclass(slots=True)
class MemoryTransaction:
    """The ports inside one transaction."""

    runs: MemoryRuns
    links: MemoryLinks
    outsiders: MemoryOutsiders
    answers: MemoryAnswerStore
    effects: MemoryEffects
    outbox: MemoryOutbox
    bucket: Mapping[str, float] | None = None
    """The quota bucket with which the lease is given back at the end; None: it is kept."""

    async def give_back(self, bucket: Mapping[str, float]) -> None:
        """Give the lease back, with the quota bucket, by this commit."""
        self.bucket = bucket


class MemoryState:
    """`State` over dictionaries; `requests`, `answers`, `relay` and `sweeper` are what config-api uses.

    Transactions are carried out one after another; one that fails, or whose lease has gone when it ends, leaves
    no trace. They do not nest.
    """

    def __init__(self, clock: Clock, *, limits: RunLimits | None = None, new_id: NewId = uuid4) -> None:
        self._clock = clock
        self._limits = limits or RunLimits()
        self._new_id = new_id
        self._tables = Tables()
        self._lock = asyncio.Lock()
        self._owner: asyncio.Task[object] | None = None
        self._leases = MemoryLeases(self._tables, clock)
        self._credits = MemoryCredits(self._tables, self._alone, self._outbox)
        self.requests = MemoryRequests(self._tables, self._alone, self._factory, self._outbox)
        self.answers = MemoryAnswers(self._tables, self._alone)
        self.relay = MemoryRelayStore(self._tables, clock, self._alone)
        self.sweeper = MemorySweeper(self._tables, self.requests, self._alone, self._outbox)

    @property
    def leases(self) -> MemoryLeases:
        """The leases of Google accounts."""
        return self._leases

    @property
    def credits(self) -> MemoryCredits:
        """The organisation's CRM credits."""
        return self._credits

    # --- configurations, which config-api keeps in PostgreSQL ---

    def put_configuration(
        self, settings: RunSettings, *, active: bool = True, next_due: datetime | None = None
    ) -> None:
        """Insert a configuration or replace its settings, status and due time."""
        known = self._tables.configs.get(settings.config_id, ConfigRow(settings, self._clock.now()))
        self._tables.configs[settings.config_id] = replace(known, settings=settings, active=active, next_due=next_due)

    def put_watch(self, config_id: ConfigId, *, interval: timedelta | None, told_until: datetime | None) -> None:
        """Set how often the configuration runs by itself, and until when the CRM's channel lives."""
        known = self._tables.configs[config_id]
        self._tables.configs[config_id] = replace(known, interval=interval, told_until=told_until)

    def tell(self, config_id: ConfigId, record_id: RecordId, second: datetime) -> None:
        """Note that the CRM said that a record had changed."""
        self._tables.told[config_id, record_id] = ToldRecord(record_id, second, self._clock.now())

    def configuration(self, config_id: ConfigId) -> ConfigRow:
        """A configuration with its times and sync state."""
        return self._tables.configs[config_id]

    def run(self, run_id: RunId) -> Run:
        """A run as it stands."""
        return self._tables.runs[run_id].run

    def runs_of(self, config_id: ConfigId) -> list[Run]:
        """Runs of a configuration, oldest first."""
        return [row.run for row in self._tables.runs.values() if row.run.settings.config_id == config_id]

    def report(self, run_id: RunId) -> list[RunContact]:
        """The report of a run."""
        return list(self._tables.run_contacts.get(run_id, {}).values())

    def pairs(self, config_id: ConfigId) -> list[Link]:
        """The pairs of a configuration as they stand."""
        return pairs_of(self._tables, config_id)

    @property
    def tables(self) -> Tables:
        """All rows, for invariant checks of a simulation; to be read alone."""
        return self._tables

    # --- the port ---

    async def account_of(self, hint: RunHint) -> AccountKey | None:
        """The Google account that the hinted run works on; None when the slice is not due any more."""
        async with self._alone():
            row = self._due(hint, self._clock.now())
            return None if row is None else self._settings(row.run).account

    async def claim(self, hint: RunHint, lease: Lease, now: datetime) -> Claimed | None:
        """Count the attempt of the slice and return the run, in one commit, before its work begins."""
        async with self._alone():
            self._leases.check(lease)
            row = self._due(hint, now)
            if row is None or self._settings(row.run).account != lease.account:
                return None
            suspect = row.run.attempt >= SUSPECT_AFTER
            run = self._begun(row.run, now)
            self._tables.runs[run.run_id] = replace(row, run=run, updated_at=now)
            return Claimed(run, suspect)

    def _begun(self, run: Run, now: datetime) -> Run:
        """The run with its attempt counted; its settings are fixed when it begins."""
        run = replace(run, state=RunState.RUNNING, attempt=run.attempt + 1, wait_until=None)
        if run.started_at is not None:
            return run
        config = self._tables.configs[run.settings.config_id]
        return replace(
            run,
            started_at=now,
            settings=config.settings,
            sync=config.sync,
            first=not config.first_done,
            limit=self._factory(Journal()).limit(config),
        )

    def _settings(self, run: Run) -> RunSettings:
        if run.started_at is not None:
            return run.settings
        return self._tables.configs[run.settings.config_id].settings

    def _due(self, hint: RunHint, now: datetime) -> RunRow | None:
        row = self._tables.runs.get(RunId(hint.run))
        if row is None:
            return None
        run = row.run
        if (run.settings.organisation_id, run.settings.config_id) != (hint.organisation, hint.configuration):
            return None
        early = run.wait_until is not None and run.wait_until > now
        return row if run.state.open and run.slice == hint.slice and not early else None

    async def slices_before(self, hint: RunHint, account: AccountKey) -> int:
        """Google accounts but this one whose slices go before the hinted one, of the same organisation."""
        async with self._alone():
            now = self._clock.now()
            mine = _waits_since(self._tables.runs[RunId(hint.run)])
            line = [row for row in self._in_line(hint, since=now - LOST_AFTER) if _waits_since(row) < mine]
            open_runs = (row.run for row in self._tables.runs.values() if row.run.state.open)
            accounts = {run.settings.account for run in open_runs if run.settings.organisation_id == hint.organisation}
            rows = {one: self._tables.accounts.get(one) for one in accounts}
            worked = {one for one, row in rows.items() if row is not None and (row.until or now) > now}
            return len(({row.run.settings.account for row in line} | worked) - {account})

    async def call_next(self, hint: RunHint) -> None:
        """Let come at once the slice of the hint's organisation that has waited longest for its fair share."""
        async with self._alone() as journal:
            now = self._clock.now()
            row = min(self._in_line(hint, since=now), key=_waits_since, default=None)
            if row is None:
                return
            journal.put(self._tables.runs, row.run.run_id, replace(row, run=replace(row.run, wait_until=now)))
            for dated in list(self._tables.outbox.values()):
                if dated.hint.hint.run == row.run.run_id and dated.published_at is None and dated.not_before > now:
                    journal.put(self._tables.outbox, dated.hint.message_id, replace(dated, not_before=now))

    def _in_line(self, hint: RunHint, *, since: datetime) -> list[RunRow]:
        """Runs of the hint's organisation that wait for their fair share until later than that."""
        return [
            row
            for row in self._tables.runs.values()
            if row.run.settings.organisation_id == hint.organisation
            and row.run.state is RunState.WAITING
            and row.run.reason == Reason.FAIR_SHARE
            and row.run.wait_until is not None
            and row.run.wait_until > since
        ]

    async def postpone(self, hint: RunHint, until: datetime, reason: str) -> None:
        """Store a date to try the slice again (busy account, fair share), with its hint in the outbox."""
        async with self._alone() as journal:
            row = self._due(hint, self._clock.now())
            if row is None:
                return
            if row.run.state is not RunState.RUNNING:  # a slice under way is not put off by a second hint of it
                run = replace(row.run, state=RunState.WAITING, wait_until=until, reason=reason)
                journal.put(self._tables.runs, run.run_id, replace(row, run=run))
            self._outbox(journal).put(lane_of(row.run), hint_of(row.run), until)

    @asynccontextmanager
    async def begin(self, lease: Lease, run: Run) -> AsyncIterator[MemoryTransaction]:
        """A fenced transaction; raises LeaseLostError when the fence has moved on, at its start or at its end."""
        async with self._alone() as journal:
            self._leases.check(lease)
            links = MemoryLinks(self._tables, journal, run, self._clock)
            runs = MemoryRuns(self._tables, journal, run.settings.config_id, links, self._factory(journal), self._clock)
            effects = MemoryEffects(self._tables, journal, run.settings.config_id)
            transaction = MemoryTransaction(
                runs,
                links,
                MemoryOutsiders(self._tables, journal, run.settings),
                MemoryAnswerStore(self._tables, journal, run.settings),
                effects,
                self._outbox(journal),
            )
            yield transaction
            self._leases.check(lease)
            if transaction.bucket is not None:
                await self._leases.release(lease, transaction.bucket)

    # --- together ---

    def _outbox(self, journal: Journal) -> MemoryOutbox:
        return MemoryOutbox(self._tables, journal, self._clock, self._new_id)

    def _factory(self, journal: Journal) -> RunFactory:
        return RunFactory(self._tables, journal, self._outbox(journal), self._limits, self._new_id)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Journal]:
        task = asyncio.current_task()
        if task is not None and task is self._owner:
            raise StateInvariantError("transactions do not nest")
        journal = Journal()
        async with self._lock:
            self._owner = task
            committed = False
            try:
                yield journal
                committed = True
            finally:
                self._owner = None
                if not committed:
                    journal.rollback()


def _waits_since(row: RunRow) -> tuple[datetime, RunId]:
    """Progress, and nothing that puts a run off, sets `updated_at`."""
    return row.updated_at or row.run.created_at, row.run.run_id
