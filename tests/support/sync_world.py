"""The real engine through the real connectors against both vendors, with the state in memory and a clock of ours.

Hints are taken from the outbox and worked in this process, one after another, as a worker would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from uuid import uuid4

from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import HttpEdge, HttpSettings, HostGuard, build_client
from contactsync.adapters.memory.state import MemoryState
from contactsync.assembly.providers import Providers
from contactsync.domain.digests import Digester
from contactsync.domain.ids import AccountKey, ConfigId, ConnectionId, GroupId, OrganisationId, UserId, ViewId
from contactsync.domain.mapping import default_mapping
from contactsync.domain.policy import Direction, Policy
from contactsync.ports.directory import CallGate
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Run, RunContact, RunMode, RunSettings
from contactsync.ports.vault import AccessToken
from sync_worker.engine.session import Ports
from sync_worker.engine.settings import EngineSettings
from sync_worker.runner import SliceRunner, WorkerSettings, new_link_id
from tests.support.clock import ManualClock
from tests.support.vendors import Vendors, vendors


class FixedTokens:
    """Tokens that were issued beforehand, by connection."""

    def __init__(self, clock: ManualClock, tokens: dict[ConnectionId, tuple[str, str]]):
        self._clock = clock
        self._tokens = tokens

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """The token and the address to use it at."""
        del stale
        value, base_url = self._tokens[connection_id]
        return AccessToken(value, self._clock.now() + timedelta(hours=1), base_url)


@dataclass(slots=True)
class SyncWorld:
    """Everything that a story needs."""

    vendors: Vendors
    state: MemoryState
    clock: ManualClock
    config: ConfigId
    settings: RunSettings
    runner: SliceRunner
    providers: Providers

    async def sync(self, *, mode: RunMode = RunMode.SYNC) -> Run:
        """Ask for a run and work its slices until it ends; waits move our clock."""
        asked = await self.state.requests.request(
            self.settings.organisation_id, self.config, mode, "user", self.clock.now()
        )
        await self.work_until_done(asked.run_id)
        return self.state.run(asked.run_id)

    async def work_until_done(self, run_id: object, *, slices: int = 50) -> None:
        """Work hints as they fall due."""
        for _ in range(slices):
            if not any(run.run_id == run_id and run.state.open for run in self.state.runs_of(self.config)):
                return
            due = await self.state.relay.next_due()
            assert due is not None, "an open run has a hint"
            self.clock.advance_to(due)
            for hint in await self.state.relay.take(10):
                await self.runner(hint.hint, hint.lane)
                await self.state.relay.mark_published([hint.message_id])
        raise AssertionError("the run does not end")

    def report(self, run: Run) -> list[RunContact]:
        """The run's report."""
        return self.state.report(run.run_id)

    def configure(self, **policy: object) -> None:
        """Change settings of the configuration, as saving it does."""
        changed = replace(self.settings.policy, **policy, version=self.settings.policy.version + 1)  # type: ignore[arg-type]  # by name
        self.settings = replace(self.settings, policy=changed)
        self.state.put_configuration(self.settings)


@asynccontextmanager
async def sync_world(
    *,
    direction: Direction = Direction.TWO_WAY,
    limits: RunLimits | None = None,
    engine: EngineSettings | None = None,
    **policy: object,
) -> AsyncIterator[SyncWorld]:
    """Both vendors with empty books, and a configuration that joins the view with the group."""
    async with vendors() as both, build_client(HttpSettings()) as client:
        clock = ManualClock()
        settings = _settings(both, Policy(direction=direction, mapping=default_mapping(), **policy))  # type: ignore[arg-type]  # by name
        state = MemoryState(clock, limits=limits)
        state.put_configuration(settings)
        providers = _providers(both, client, clock, settings)
        yield SyncWorld(
            both, state, clock, settings.config_id, settings, _runner(state, providers, clock, engine), providers
        )


def _settings(both: Vendors, policy: Policy) -> RunSettings:
    return RunSettings(
        organisation_id=OrganisationId(uuid4()),
        config_id=ConfigId(uuid4()),
        owner_id=UserId(uuid4()),
        crm_connection_id=ConnectionId(uuid4()),
        google_connection_id=ConnectionId(uuid4()),
        account=AccountKey(b"account-of-a-test"),
        view_id=ViewId(both.crm.view),
        group_id=GroupId(both.google.group),
        policy=policy,
        region="GB",
    )


def _providers(both: Vendors, client: object, clock: ManualClock, settings: RunSettings) -> Providers:
    google, crm = both.google.control.base_url, both.crm.control.base_url
    guard = HostGuard((), (google, crm))
    edge = HttpEdge(client, guard, clock)  # type: ignore[arg-type]  # the client of `build_client`
    tokens = FixedTokens(
        clock,
        {settings.crm_connection_id: (both.crm.token, crm), settings.google_connection_id: (both.google.token, google)},
    )
    return Providers(edge, edge, GoogleEndpoints(people_url=google), tokens)


def _runner(state: MemoryState, providers: Providers, clock: ManualClock, engine: EngineSettings | None) -> SliceRunner:
    digester = Digester(b"k" * 32, region="GB")

    @asynccontextmanager
    async def ports_of(run: Run, gate: CallGate) -> AsyncIterator[Ports]:
        yield Ports(
            state=state,
            crm=providers.crm(run.settings, gate, automation=False),
            google=providers.people(run.settings, gate),
            clock=clock,
            digester=digester,
            new_id=new_link_id,
        )

    settings = WorkerSettings(engine=engine or EngineSettings())
    return SliceRunner(state, ports_of, clock, settings, holder=uuid4(), rng=Random(7), stop_event=asyncio.Event())
