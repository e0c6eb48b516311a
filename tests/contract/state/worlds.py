"""The same little world on both adapters: a clock, configurations, and what is asked of the state."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import asyncpg
import pytest

from contactsync.adapters.memory.state import MemoryState
from contactsync.adapters.sql.answers import SqlPairAnswers
from contactsync.adapters.sql.codec import dump, policy_to_json, sync_from
from contactsync.adapters.sql.database import Connection, Database, open_database
from contactsync.adapters.sql.leases import worker_presence
from contactsync.adapters.sql.outbox import SqlOutboxRelayStore
from contactsync.adapters.sql.requests import SqlRunRequests, SqlRunSweeper
from contactsync.adapters.sql.sealing import KeyRing
from contactsync.adapters.sql.state import SqlState
from contactsync.adapters.sql.vault import SqlVault
from contactsync.adapters.sql.webhooks import SqlChannels
from contactsync.domain.frequency import INTERVALS, Frequency
from contactsync.domain.ids import (
    AccountKey,
    ConfigId,
    ConnectionId,
    GroupId,
    OrganisationId,
    RecordId,
    RunId,
    UserId,
    ViewId,
)
from contactsync.domain.mapping import default_mapping
from contactsync.domain.policy import Direction, Policy
from contactsync.messages.hint import RunHint
from contactsync.ports.requests import OutboxRelayStore, PairAnswers, RunLimits, RunRequests, RunSweeper
from contactsync.ports.state import Claimed, Lease, Run, RunMode, RunSettings, State, SyncState, Transaction
from contactsync.ports.webhooks import Place, Told
from tests.support.clock import ManualClock
from tests.support.postgres import Database as TestDatabase

TTL = timedelta(seconds=60)
LIMITS = RunLimits(initial=100, incremental=10)
KEYS = "v1:" + base64.b64encode(b"k" * 32).decode()


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What a run left in its configuration."""

    first_done: bool
    first_taken: int
    sync: SyncState
    last_sync_at: datetime | None
    last_attempt_at: datetime | None
    last_reason: str
    next_due: datetime | None


class World(Protocol):
    """A state with its surroundings."""

    clock: ManualClock

    @property
    def state(self) -> State: ...
    @property
    def requests(self) -> RunRequests: ...
    @property
    def answers(self) -> PairAnswers: ...
    @property
    def relay(self) -> OutboxRelayStore: ...
    @property
    def sweeper(self) -> RunSweeper: ...

    def presence(self, holder: UUID) -> AbstractAsyncContextManager[object]:
        """While open, this holder counts as alive."""
        ...

    async def put(self, settings: RunSettings, *, active: bool = True, next_due: datetime | None = None) -> None:
        """Insert a configuration or replace its settings, status and due time."""
        ...

    async def watch(self, settings: RunSettings, frequency: Frequency, told_until: datetime | None) -> None:
        """Let the configuration run by itself, and the CRM tell of its changes until then."""
        ...

    async def tell(self, settings: RunSettings, record_id: str, second: datetime) -> None:
        """The CRM says that a record changed at that second; the configuration's channel lives."""
        ...

    async def config(self, settings: RunSettings) -> ConfigFacts: ...

    async def run_row(self, settings: RunSettings, run_id: RunId) -> RunFacts: ...

    async def pass_time(self, by: timedelta) -> None:
        """Move every clock that the state looks at."""
        ...


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as it stands."""

    state: str
    attempt: int
    slice: int
    mode: str
    trigger: str
    first: bool
    limit: int
    reason: str
    cancel_requested: bool
    wait_until: datetime | None
    credits_reserved: int


def some_settings(
    *,
    organisation: UUID | None = None,
    account: bytes | None = None,
    direction: Direction = Direction.TWO_WAY,
) -> RunSettings:
    """Settings of a configuration of its own; another organisation and account unless named."""
    return RunSettings(
        organisation_id=OrganisationId(organisation or uuid4()),
        config_id=ConfigId(uuid4()),
        owner_id=UserId(uuid4()),
        crm_connection_id=ConnectionId(uuid4()),
        google_connection_id=ConnectionId(uuid4()),
        account=AccountKey(account or uuid4().bytes),
        view_id=ViewId(f"view-{uuid4()}"),
        group_id=GroupId("contactGroups/1"),
        policy=Policy(direction=direction, mapping=default_mapping()),
        region="FR",
    )


@dataclass
class Worker:
    """A worker with a configuration, a lease and a run that has begun."""

    world: World
    settings: RunSettings
    holder: UUID = field(default_factory=uuid4)
    lease: Lease = field(init=False)
    run: Run = field(init=False)

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A fenced transaction of the run."""
        return self.world.state.begin(self.lease, self.run)

    async def start(self, mode: RunMode = RunMode.SYNC, trigger: str = "user") -> Claimed:
        """Ask for a run, take the lease, claim the first slice."""
        asked = await self.world.requests.request(
            self.settings.organisation_id, self.settings.config_id, mode, trigger, self.world.clock.now()
        )
        self.lease = await lease_of(self.world, self.settings.account, self.holder)
        claimed = await self.world.state.claim(hint_of(self.settings, asked.run_id), self.lease, self.world.clock.now())
        assert claimed is not None
        self.run = claimed.run
        return claimed


async def lease_of(world: World, account: AccountKey, holder: UUID) -> Lease:
    """The lease, which must be free."""
    lease = await world.state.leases.acquire(account, holder, TTL)
    assert isinstance(lease, Lease)
    return lease


def hint_of(settings: RunSettings, run_id: UUID, slice_number: int = 0) -> RunHint:
    """A hint of that slice."""
    return RunHint(
        run=run_id, slice=slice_number, organisation=settings.organisation_id, configuration=settings.config_id
    )


@asynccontextmanager
async def working(world: World, settings: RunSettings | None = None) -> AsyncIterator[Worker]:
    """A living worker whose run has begun."""
    if settings is None:
        settings = some_settings()
        await world.put(settings)
    worker = Worker(world, settings)
    async with world.presence(worker.holder):
        await worker.start()
        yield worker


# --- memory -----------------------------------------------------------------------------------------------------------


class MemoryWorld:
    """Dictionaries."""

    def __init__(self, limits: RunLimits = LIMITS) -> None:
        self.clock = ManualClock()
        self.state = MemoryState(self.clock, limits=limits)
        self.requests = self.state.requests
        self.answers = self.state.answers
        self.relay = self.state.relay
        self.sweeper = self.state.sweeper

    def presence(self, holder: UUID) -> AbstractAsyncContextManager[object]:
        return self.state.leases.presence(holder)

    async def put(self, settings: RunSettings, *, active: bool = True, next_due: datetime | None = None) -> None:
        self.state.put_configuration(settings, active=active, next_due=next_due)

    async def watch(self, settings: RunSettings, frequency: Frequency, told_until: datetime | None) -> None:
        self.state.put_watch(settings.config_id, interval=INTERVALS.get(frequency), told_until=told_until)

    async def tell(self, settings: RunSettings, record_id: str, second: datetime) -> None:
        self.state.tell(settings.config_id, RecordId(record_id), second)

    async def config(self, settings: RunSettings) -> ConfigFacts:
        row = self.state.configuration(settings.config_id)
        return ConfigFacts(
            row.first_done,
            row.first_taken,
            row.sync,
            row.last_sync_at,
            row.last_attempt_at,
            row.last_reason,
            row.next_due,
        )

    async def run_row(self, settings: RunSettings, run_id: RunId) -> RunFacts:
        run = self.state.run(run_id)
        return RunFacts(
            run.state.value,
            run.attempt,
            run.slice,
            run.mode.value,
            run.trigger,
            run.first,
            run.limit,
            run.reason,
            run.cancel_requested,
            run.wait_until,
            run.credits_reserved,
        )

    async def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)


class InMemory:
    """Runs a contract on the memory adapter."""

    @pytest.fixture
    async def world(self) -> World:
        return MemoryWorld()


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class SqlWorld:
    """A fresh database, reached as the application's role."""

    def __init__(self, address: TestDatabase, database: Database, limits: RunLimits = LIMITS) -> None:
        self.clock = ManualClock()
        self.address = address
        self.database = database
        self.vault = SqlVault(database, KeyRing.parse(KEYS), self.clock)
        self.state = SqlState(database, self.vault, self.clock, limits=limits)
        self.requests = SqlRunRequests(database, self.clock, limits=limits)
        self.answers = SqlPairAnswers(database, self.vault)
        self.relay = SqlOutboxRelayStore(database, self.clock)
        self.sweeper = SqlRunSweeper(database, self.requests)

    def presence(self, holder: UUID) -> AbstractAsyncContextManager[object]:
        return worker_presence(self.address.url, holder)

    async def put(self, settings: RunSettings, *, active: bool = True, next_due: datetime | None = None) -> None:
        now = self.clock.now()
        organisation = settings.organisation_id
        async with self.database.tenant(organisation) as connection:
            await connection.execute(
                "INSERT INTO organisations (organisation_id, crm_key, region, wrapped_key, created_at) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                organisation,
                organisation.bytes,
                settings.region,
                self.vault.new_organisation_key(organisation),
                now,
            )
            await connection.execute(
                "INSERT INTO users (organisation_id, user_id, subject_key, role, created_at) "
                "VALUES ($1, $2, $3, 'user', $4) ON CONFLICT DO NOTHING",
                organisation,
                settings.owner_id,
                settings.owner_id.bytes,
                now,
            )
            for provider, connection_id in (
                ("zoho", settings.crm_connection_id),
                ("google", settings.google_connection_id),
            ):
                await connection.execute(
                    "INSERT INTO connections (organisation_id, connection_id, user_id, provider, account_key, state, "
                    "api_base_url, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'active', '', $6, $6) "
                    "ON CONFLICT DO NOTHING",
                    organisation,
                    connection_id,
                    settings.owner_id,
                    provider,
                    settings.account,
                    now,
                )
            await self._put_config(connection, settings, active=active, next_due=next_due)

    async def hourly(self, settings: RunSettings) -> None:
        """Let the configuration run by itself, and not by hand alone."""
        await self._run_by_itself(settings, Frequency.HOURLY)

    async def _run_by_itself(self, settings: RunSettings, frequency: Frequency) -> None:
        async with self.database.tenant(settings.organisation_id) as connection:
            await connection.execute(
                "UPDATE sync_configs SET frequency = $2 WHERE config_id = $1", settings.config_id, frequency.value
            )

    async def watch(self, settings: RunSettings, frequency: Frequency, told_until: datetime | None) -> None:
        """As config-api does: the channel is opened, or one that was is not renewed."""
        await self._run_by_itself(settings, frequency)
        channels = SqlChannels(self.database, self.clock)
        place = Place(settings.organisation_id, settings.crm_connection_id)
        channel = await channels.begin(place, b"", self.clock.now())
        if channel is not None and told_until is not None:
            await channels.opened(channel, told_until)

    async def tell(self, settings: RunSettings, record_id: str, second: datetime) -> None:
        """As the CRM's call is taken."""
        async with self.database.tenant(settings.organisation_id) as connection:
            found = await connection.fetchval(
                "SELECT channel_id FROM webhook_channels WHERE connection_id = $1", settings.crm_connection_id
            )
        channels = SqlChannels(self.database, self.clock)
        channel = await channels.find(found)
        assert channel is not None
        await channels.concerned({channel: [Told((record_id,), second)]})

    async def _put_config(
        self,
        connection: Connection,
        settings: RunSettings,
        *,
        active: bool,
        next_due: datetime | None,
    ) -> None:
        stored = dump({"policy": policy_to_json(settings.policy), "catch_up": settings.catch_up})
        await connection.execute(
            "INSERT INTO sync_configs (organisation_id, config_id, owner_id, crm_connection_id, google_connection_id, "
            "account_key, name, view_id, group_id, settings, version, status, next_due, created_at, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $9, $10, $11, $12, $13, $13) "
            "ON CONFLICT (organisation_id, config_id) DO UPDATE SET settings = excluded.settings, "
            "version = excluded.version, status = excluded.status, next_due = excluded.next_due, "
            "account_key = excluded.account_key",
            settings.organisation_id,
            settings.config_id,
            settings.owner_id,
            settings.crm_connection_id,
            settings.google_connection_id,
            settings.account,
            settings.view_id,
            settings.group_id,
            stored,
            settings.policy.version,
            "active" if active else "deactivated",
            next_due,
            self.clock.now(),
        )

    async def config(self, settings: RunSettings) -> ConfigFacts:
        async with self.database.tenant(settings.organisation_id) as connection:
            row = await connection.fetchrow("SELECT * FROM sync_configs WHERE config_id = $1", settings.config_id)
        assert row is not None
        return ConfigFacts(
            row["first_done"],
            row["first_taken"],
            sync_from(row["sync"]),
            row["last_sync_at"],
            row["last_attempt_at"],
            row["last_reason"],
            row["next_due"],
        )

    async def run_row(self, settings: RunSettings, run_id: RunId) -> RunFacts:
        async with self.database.tenant(settings.organisation_id) as connection:
            row = await connection.fetchrow("SELECT * FROM runs WHERE run_id = $1", run_id)
        assert row is not None
        return RunFacts(
            row["state"],
            row["attempt"],
            row["slice"],
            row["mode"],
            row["trigger"],
            row["first"],
            row["contact_limit"],
            row["reason"],
            row["cancel_requested"],
            row["wait_until"],
            row["credits_reserved"],
        )

    async def pass_time(self, by: timedelta) -> None:
        """The lease's own clock is the server's: instead of moving it, leases are dated back."""
        self.clock.advance(by)
        connection = await asyncpg.connect(self.address.admin_url)
        try:
            await connection.execute("UPDATE google_accounts SET until = until - $1::interval", by)
        finally:
            await connection.close()


class OnPostgres:
    """Runs a contract on PostgreSQL."""

    @pytest.fixture
    async def world(self, database: TestDatabase) -> AsyncIterator[World]:
        async with open_database(database.url) as opened:
            yield SqlWorld(database, opened)
