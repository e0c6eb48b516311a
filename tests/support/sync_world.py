"""The real engine through the real connectors against both vendors, with the state in memory and a clock of ours.

Hints are taken from the outbox and worked in this process, one after another, as a worker would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx2

from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import HostGuard, HttpEdge, HttpSettings, build_client
from contactsync.adapters.memory.state import MemoryState, MemoryTransaction
from contactsync.assembly.providers import Providers
from contactsync.domain.digests import Digester
from contactsync.domain.ids import AccountKey, ConfigId, ConnectionId, GroupId, OrganisationId, UserId, ViewId
from contactsync.domain.mapping import default_mapping
from contactsync.domain.policy import Direction, Policy
from contactsync.ports.directory import Call, CallGate
from contactsync.ports.queue import OutboundHint
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Lease, Run, RunContact, RunMode, RunSettings
from contactsync.ports.vault import AccessToken
from sync_worker.engine.session import Ports
from sync_worker.engine.settings import EngineSettings
from sync_worker.runner import SliceRunner, WorkerSettings, new_link_id
from tests.support.clock import ManualClock
from tests.support.vendors import Json, Vendors, vendors

ACCOUNT = AccountKey(b"account-of-a-test")


class FixedTokens:
    """Tokens that were issued beforehand, by connection."""

    def __init__(self, clock: ManualClock, tokens: dict[ConnectionId, tuple[str, str]]) -> None:
        self._clock = clock
        self._tokens = tokens

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """The token and the address to use it at."""
        del stale
        value, base_url = self._tokens[connection_id]
        return AccessToken(value, self._clock.now() + timedelta(hours=1), base_url)


class WorkerDiedError(BaseException):
    """Stands for the end of a process: nothing of it runs any more."""


class Crash:
    """Ends the worker the k-th time it is about to ask a provider or to open a transaction; 0: never."""

    def __init__(self, step: int = 0) -> None:
        self._left = step

    def tick(self) -> None:
        """Count one step. Raises WorkerDiedError at the chosen one, and at every later one until it is replaced."""
        self._left -= 1
        if self._left == 0:
            raise WorkerDiedError


class MortalGate:
    """A gate that may be the last thing a worker does."""

    def __init__(self, gate: CallGate, world: SyncWorld) -> None:
        self._gate = gate
        self._world = world

    async def admit(self, call: Call) -> None:
        """Let the call through, or die."""
        self._world.crash.tick()
        await self._gate.admit(call)


class MortalState(MemoryState):
    """A state whose every transaction may be the last thing a worker does."""

    world: SyncWorld

    @asynccontextmanager
    async def begin(self, lease: Lease, run: Run) -> AsyncIterator[MemoryTransaction]:
        """A transaction, or the end."""
        self.world.crash.tick()
        async with super().begin(lease, run) as transaction:
            yield transaction


class SyncWorld:
    """Everything that a story needs."""

    def __init__(
        self,
        both: Vendors,
        client: httpx2.AsyncClient,
        policy: Policy,
        limits: RunLimits | None,
        engine: EngineSettings | None,
    ) -> None:
        self.vendors = both
        self.clock = ManualClock()
        self.crash = Crash()
        self.settings = _settings(both, policy)
        self._limits = limits
        self._engine = engine or EngineSettings()
        self._providers = _providers(both, client, self.clock, self.settings)
        self.forget_everything()

    def forget_everything(self) -> None:
        """Begin with an empty database; the configuration is as it was."""
        self.state = MortalState(self.clock, limits=self._limits)
        self.state.world = self
        self.state.put_configuration(self.settings)
        self._runner = SliceRunner(
            self.state,
            self._ports_of,
            self.clock,
            WorkerSettings(engine=self._engine),
            holder=uuid4(),
            rng=Random(7),
            stop_event=asyncio.Event(),
        )

    @property
    def config(self) -> ConfigId:
        """The configuration."""
        return self.settings.config_id

    @asynccontextmanager
    async def _ports_of(self, run: Run, gate: CallGate) -> AsyncIterator[Ports]:
        mortal = MortalGate(gate, self)
        yield Ports(
            state=self.state,
            crm=self._providers.crm(run.settings, mortal, automation=False),
            google=self._providers.people(run.settings, mortal),
            clock=self.clock,
            digester=Digester(b"k" * 32, region="GB"),
            new_id=new_link_id,
        )

    async def sync(self, *, mode: RunMode = RunMode.SYNC) -> Run:
        """Ask for a run and work its slices until it ends; waits move our clock and the vendors'."""
        now = self.clock.now()
        asked = await self.state.requests.request(self.settings.organisation_id, self.config, mode, "user", now)
        for _ in range(50):
            if not self.state.run(asked.run_id).state.open:
                return self.state.run(asked.run_id)
            await self._work_due()
        raise AssertionError("the run does not end")

    async def _work_due(self) -> None:
        due = await self.state.relay.next_due()
        assert due is not None, "an open run has a hint"
        wait = (due - self.clock.now()).total_seconds()
        if wait > 0:
            await self.vendors.advance(wait)
            self.clock.advance_to(due)
        for hint in await self.state.relay.take(10):
            await self._work(hint)
            await self.state.relay.mark_published([hint.message_id])

    async def _work(self, hint: OutboundHint) -> None:
        """Work a hint; a worker that dies is followed by another, to which the broker delivers the hint again."""
        try:
            await self._runner(hint.hint, hint.lane)
        except WorkerDiedError:
            self.clock.advance(timedelta(seconds=61))
            await self._runner(hint.hint, hint.lane)

    def report(self, run: Run) -> list[RunContact]:
        """The run's report."""
        return self.state.report(run.run_id)

    def configure(self, **policy: Any) -> None:  # noqa: ANN401  fields of Policy
        """Change settings of the configuration, as saving it does."""
        changed = replace(self.settings.policy, **policy, version=self.settings.policy.version + 1)
        self.settings = replace(self.settings, policy=changed)
        self.state.put_configuration(self.settings)


@asynccontextmanager
async def sync_world(
    *,
    direction: Direction = Direction.TWO_WAY,
    limits: RunLimits | None = None,
    engine: EngineSettings | None = None,
    view_criteria: Json | None = None,
    **policy: Any,  # noqa: ANN401  fields of Policy
) -> AsyncIterator[SyncWorld]:
    """Both vendors with empty books, and a configuration that joins the view with the group."""
    async with vendors(view_criteria=view_criteria) as both, build_client(HttpSettings()) as client:
        rules = Policy(direction=direction, mapping=default_mapping(), **policy)
        yield SyncWorld(both, client, rules, limits, engine)


def _settings(both: Vendors, policy: Policy) -> RunSettings:
    return RunSettings(
        organisation_id=OrganisationId(uuid4()),
        config_id=ConfigId(uuid4()),
        owner_id=UserId(uuid4()),
        crm_connection_id=ConnectionId(uuid4()),
        google_connection_id=ConnectionId(uuid4()),
        account=ACCOUNT,
        view_id=ViewId(both.crm.view),
        group_id=GroupId(both.google.group),
        policy=policy,
        region="GB",
    )


def _providers(both: Vendors, client: httpx2.AsyncClient, clock: ManualClock, settings: RunSettings) -> Providers:
    google, crm = both.google.control.base_url, both.crm.control.base_url
    edge = HttpEdge(client, HostGuard((), (google, crm)), clock)
    tokens = FixedTokens(
        clock,
        {settings.crm_connection_id: (both.crm.token, crm), settings.google_connection_id: (both.google.token, google)},
    )
    return Providers(edge, edge, GoogleEndpoints(people_url=google), tokens)
