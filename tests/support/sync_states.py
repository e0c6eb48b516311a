"""The states that a story can run over, in memory and in PostgreSQL, and the worker's death on its way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import orjson

from contactsync.adapters.sql.database import open_database
from contactsync.adapters.sql.link_rows import SELECTED, LinkCodec
from contactsync.adapters.sql.runs import RUN_COLUMNS, report_context, run_from
from contactsync.domain.contact import Side
from contactsync.domain.ids import AccountKey, LinkId, RunId
from contactsync.domain.link import Link
from contactsync.domain.outcome import Outcome
from contactsync.messages.hint import RunHint
from contactsync.ports.directory import Call, CallGate
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import (
    Busy,
    Claimed,
    CreditStore,
    Lease,
    LeaseStore,
    Run,
    RunContact,
    RunSettings,
    State,
    Transaction,
)
from tests.contract.state.worlds import MemoryWorld, SqlWorld, World
from tests.support.postgres import Database as TestDatabase


class Books(World, Protocol):
    """A state with its surroundings, and what stands in it."""

    async def run(self, settings: RunSettings, run_id: RunId) -> Run:
        """A run that has begun, as it stands."""
        ...

    async def runs(self, settings: RunSettings) -> list[Run]:
        """All runs of the configuration that have begun, oldest first."""
        ...

    async def report(self, settings: RunSettings, run_id: RunId) -> list[RunContact]:
        """The rows of a run's report."""
        ...

    async def links(self, settings: RunSettings) -> list[Link]:
        """All pairs of the configuration."""
        ...


class MemoryBooks(MemoryWorld):
    """Dictionaries."""

    async def run(self, settings: RunSettings, run_id: RunId) -> Run:
        del settings
        return self.state.run(run_id)

    async def runs(self, settings: RunSettings) -> list[Run]:
        return [run for run in self.state.runs_of(settings.config_id) if run.started_at is not None]

    async def report(self, settings: RunSettings, run_id: RunId) -> list[RunContact]:
        del settings
        return self.state.report(run_id)

    async def links(self, settings: RunSettings) -> list[Link]:
        return self.state.pairs(settings.config_id)


class SqlBooks(SqlWorld):
    """A fresh database, reached as the application's role."""

    async def run(self, settings: RunSettings, run_id: RunId) -> Run:
        return next(run for run in await self.runs(settings) if run.run_id == run_id)

    async def runs(self, settings: RunSettings) -> list[Run]:
        async with self.database.tenant(settings.organisation_id) as connection:
            rows = await connection.fetch(
                f"SELECT {RUN_COLUMNS} FROM runs WHERE config_id = $1 AND settings IS NOT NULL ORDER BY created_at",  # noqa: S608  our own columns
                settings.config_id,
            )
        return [run_from(row) for row in rows]

    async def report(self, settings: RunSettings, run_id: RunId) -> list[RunContact]:
        organisation = settings.organisation_id
        sealer = (await self.vault.organisation(organisation)).sealer
        async with self.database.tenant(organisation) as connection:
            rows = await connection.fetch("SELECT * FROM run_contacts WHERE run_id = $1", run_id)
        contacts = []
        for row in rows:
            context = report_context(organisation, run_id, row["link_id"])
            name, message = ("", "") if row["sealed"] is None else orjson.loads(sealer.open(row["sealed"], context))
            contacts.append(
                RunContact(
                    link_id=LinkId(row["link_id"]),
                    outcome=Outcome(row["outcome"]),
                    reason=row["reason"],
                    crm_id=row["crm_id"],
                    google_id=row["google_id"],
                    name=name,
                    fields=tuple(row["fields"]),
                    sides=tuple(Side(side) for side in row["sides"]),
                    left_out=orjson.loads(row["left_out"]),
                    provider_message=message,
                )
            )
        return contacts

    async def links(self, settings: RunSettings) -> list[Link]:
        organisation = settings.organisation_id
        codec = LinkCodec(organisation, (await self.vault.organisation(organisation)).sealer)
        async with self.database.tenant(organisation) as connection:
            rows = await connection.fetch(
                f"SELECT {SELECTED} FROM links l JOIN link_scopes s ON s.link_id = l.link_id AND s.config_id = $1",  # noqa: S608  our own columns
                settings.config_id,
            )
        return [codec.link(tuple(row)) for row in rows]


@asynccontextmanager
async def books(database: TestDatabase | None, limits: RunLimits) -> AsyncIterator[Books]:
    """A state without any row: in this database, or in memory."""
    if database is None:
        yield MemoryBooks(limits)
        return
    async with open_database(database.url) as opened:
        yield SqlBooks(database, opened, limits)


# --- death ------------------------------------------------------------------------------------------------------------


class WorkerDiedError(BaseException):
    """Stands for the end of a process: nothing of it runs any more."""


class Crash:
    """Ends the worker the k-th time it is about to ask a provider or the database; 0: never."""

    def __init__(self, step: int = 0) -> None:
        self._step = step
        self.steps = 0
        """Steps taken so far."""

    def tick(self) -> None:
        """Count one step. Raises WorkerDiedError at the chosen one and at every later one."""
        self.steps += 1
        if 0 < self._step <= self.steps:
            raise WorkerDiedError


class Mortal(Protocol):
    """Whoever knows when the worker dies."""

    crash: Crash


class MortalGate:
    """A gate that may be the last thing a worker does."""

    def __init__(self, gate: CallGate, mortal: Mortal) -> None:
        self._gate = gate
        self._mortal = mortal

    async def admit(self, call: Call) -> None:
        """Let the call through, or die."""
        self._mortal.crash.tick()
        await self._gate.admit(call)


class MortalLeases:
    """Leases that a dead worker neither renews nor gives back."""

    def __init__(self, leases: LeaseStore, mortal: Mortal) -> None:
        self._leases = leases
        self._mortal = mortal

    async def acquire(self, account: AccountKey, holder: UUID, ttl: timedelta) -> Lease | Busy:
        self._mortal.crash.tick()
        return await self._leases.acquire(account, holder, ttl)

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        self._mortal.crash.tick()
        return await self._leases.renew(lease, ttl)

    async def release(self, lease: Lease, bucket: Mapping[str, float]) -> None:
        self._mortal.crash.tick()
        await self._leases.release(lease, bucket)


class MortalState:
    """A state of which every use may be the last thing a worker does."""

    def __init__(self, state: State, mortal: Mortal) -> None:
        self._state = state
        self._mortal = mortal

    @property
    def leases(self) -> MortalLeases:
        return MortalLeases(self._state.leases, self._mortal)

    @property
    def credits(self) -> CreditStore:
        return self._state.credits

    async def slices_before(self, hint: RunHint, account: AccountKey) -> int:
        return await self._state.slices_before(hint, account)

    async def call_next(self, hint: RunHint) -> None:
        self._mortal.crash.tick()
        await self._state.call_next(hint)

    async def account_of(self, hint: RunHint) -> AccountKey | None:
        self._mortal.crash.tick()
        return await self._state.account_of(hint)

    async def claim(self, hint: RunHint, lease: Lease, now: datetime) -> Claimed | None:
        self._mortal.crash.tick()
        return await self._state.claim(hint, lease, now)

    async def postpone(self, hint: RunHint, until: datetime, reason: str) -> None:
        self._mortal.crash.tick()
        await self._state.postpone(hint, until, reason)

    @asynccontextmanager
    async def begin(self, lease: Lease, run: Run) -> AsyncIterator[Transaction]:
        self._mortal.crash.tick()
        async with self._state.begin(lease, run) as transaction:
            yield transaction
