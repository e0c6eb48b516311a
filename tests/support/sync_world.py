"""The real engine through the real connectors against both vendors, with a clock of ours, over either state.

Hints are taken from the outbox and worked in this process, one after another, as a worker would.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx2

from contactsync.adapters.google.bases import LinkBindings
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import HostGuard, HttpEdge, HttpSettings, build_client
from contactsync.assembly.providers import Providers
from contactsync.domain.actions import Action, Answer
from contactsync.domain.contact import Side
from contactsync.domain.digests import Digester
from contactsync.domain.ids import (
    AccountKey,
    ConfigId,
    ConnectionId,
    GroupId,
    LinkId,
    OrganisationId,
    RunId,
    UserId,
    ViewId,
)
from contactsync.domain.link import Link, PairState
from contactsync.domain.mapping import default_mapping
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction, Policy
from contactsync.ports.directory import CallGate
from contactsync.ports.queue import OutboundHint
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Run, RunContact, RunMode, RunSettings, RunState
from contactsync.ports.vault import AccessToken
from sync_worker.engine.session import Ports
from sync_worker.engine.settings import EngineSettings
from sync_worker.runner import SliceRunner, WorkerSettings
from tests.support.clock import ManualClock
from tests.support.postgres import Database as TestDatabase
from tests.support.story import NEEDS_A_REASON, check_rows
from tests.support.sync_states import Books, Crash, MortalGate, MortalState, WorkerDiedError, books
from tests.support.vendors import CrmBook, GoogleBook, Json, Vendors, vendors

ACCOUNT = AccountKey(b"account-of-test!")
_COMPLETE = {RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL}


class FixedTokens:
    """Tokens that the simulators issued, by connection; a stale one is replaced as a refresh would."""

    def __init__(self, clock: ManualClock, tokens: dict[ConnectionId, GoogleBook | CrmBook]) -> None:
        self._clock = clock
        self._tokens = tokens

    def hand_on(self, old: ConnectionId, new: ConnectionId) -> None:
        """The same grant under another connection."""
        self._tokens[new] = self._tokens[old]

    def issue(self, connection_id: ConnectionId, book: GoogleBook | CrmBook) -> None:
        """A grant for another account."""
        self._tokens[connection_id] = book

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """The token and the address to use it at."""
        book = self._tokens[connection_id]
        if stale == book.token:
            await book.renew_token()
        return AccessToken(book.token, self._clock.now() + timedelta(hours=1), book.control.base_url)


class SyncWorld:
    """Everything that a story needs."""

    def __init__(
        self,
        both: Vendors,
        books: Books,
        client: httpx2.AsyncClient,
        policy: Policy,
        worker: WorkerSettings,
    ) -> None:
        self.vendors = both
        self.books = books
        self.clock = books.clock
        self.crash = Crash()
        self.settings = _settings(both, policy)
        self._tokens = _tokens(both, self.clock, self.settings)
        self._providers = _providers(both, client, self.clock, self._tokens)
        self._state = MortalState(books.state, self)
        self._checked = dict.fromkeys(Side, 0)
        self._ids = Random(11)
        self._worker = worker
        self._runner = self._runner_of(uuid4())

    def _runner_of(self, holder: UUID) -> SliceRunner:
        return SliceRunner(
            self._state,
            self._ports_of,
            self.clock,
            self._worker,
            holder=holder,
            rng=Random(7),
            stop_event=asyncio.Event(),
        )

    async def forget_everything(self) -> None:
        """The same configuration made again under new ids: nothing of the old one's pairs is known to it."""
        old = self.settings
        self.settings = replace(
            old,
            organisation_id=OrganisationId(uuid4()),
            config_id=ConfigId(uuid4()),
            owner_id=UserId(uuid4()),
            crm_connection_id=ConnectionId(uuid4()),
            google_connection_id=ConnectionId(uuid4()),
            account=AccountKey(uuid4().bytes),
        )
        self._tokens.hand_on(old.crm_connection_id, self.settings.crm_connection_id)
        self._tokens.hand_on(old.google_connection_id, self.settings.google_connection_id)
        await self.books.put(self.settings)

    async def add_configuration(self, name: str, **policy: Any) -> str:  # noqa: ANN401  fields of Policy
        """Go on as another configuration of the account: the same view, another group, whose id is returned."""
        path = f"/accounts/{self.vendors.google.sub}/groups"
        group = str((await self.vendors.google.control.call("POST", path, {"name": name}))["resourceName"])
        await self.pass_time(seconds=2)
        rules = replace(self.settings.policy, **policy, version=1)
        config = ConfigId(uuid4())
        self.settings = replace(self.settings, config_id=config, group_id=GroupId(group), policy=rules)
        await self.books.put(self.settings)
        return group

    async def add_colleague(self, book: GoogleBook, group: str | None = None) -> RunSettings:
        """The configuration of another user of the organisation, who keeps this Google account."""
        shares = book.sub == self.vendors.google.sub
        settings = replace(
            self.settings,
            config_id=ConfigId(uuid4()),
            owner_id=UserId(uuid4()),
            google_connection_id=ConnectionId(uuid4()),
            account=self.settings.account if shares else AccountKey(uuid4().bytes),
            group_id=GroupId(group or book.group),
        )
        self._tokens.issue(settings.google_connection_id, book)
        await self.books.put(settings)
        return settings

    @property
    def config(self) -> ConfigId:
        """The configuration."""
        return self.settings.config_id

    @asynccontextmanager
    async def _ports_of(self, run: Run, gate: CallGate) -> AsyncIterator[Ports]:
        mortal = MortalGate(gate, self)
        digester = Digester(b"k" * 32, region="GB")
        bindings = LinkBindings(digester, run.settings.policy.mapping, partial(self._links_by_name, run.settings))
        yield Ports(
            state=self._state,
            crm=self._providers.crm(
                run.settings, mortal, automation=run.settings.policy.crm_automation and not run.first
            ),
            google=self._providers.people(run.settings, mortal, bindings),
            clock=self.clock,
            digester=digester,
            new_id=self._new_link_id,
        )

    def _new_link_id(self) -> LinkId:
        """Ids of pairs decide between equals: the same story has the same ones each time."""
        return LinkId(UUID(int=self._ids.getrandbits(128), version=4))

    async def _links_by_name(self, settings: RunSettings, names: Sequence[str]) -> Mapping[str, Link]:
        links = {str(link.google.remote_id): link for link in await self.books.links(settings)}
        return {name: links[name] for name in names if name in links}

    async def sync(self, *, mode: RunMode = RunMode.SYNC, trigger: str = "user") -> Run:
        """Ask for a run and work its slices until it ends; waits move our clock and the vendors'.

        Each run's totals must add up, and none may write to the source of a one-way configuration.
        """
        now = self.clock.now()
        asked = await self.books.requests.request(self.settings.organisation_id, self.config, mode, trigger, now)
        return await self.until_ended(asked.run_id)

    async def until_ended(self, run_id: RunId) -> Run:
        """Work what is due until this run has ended."""
        for _ in range(50):
            facts = await self.books.run_row(self.settings, run_id)
            if not RunState(facts.state).open:
                run = await self.books.run(self.settings, run_id)
                await self._check(run)
                return run
            await self.work_due()
        raise AssertionError("the run does not end")

    async def _check(self, run: Run) -> None:
        assert run.reason not in {"state_invariant", "internal_error"}, run
        if run.state in _COMPLETE:
            assert run.counts["selected"] == sum(run.counts[outcome.value] for outcome in Outcome), run.counts
            stored = [(str(row.link_id), row.outcome, row.reason) for row in await self.report(run)]
            # Whoever is left out as before has no row of his own.
            told = Counter(outcome for _, outcome, _ in stored)
            check_rows({**run.counts, **{one.value: told[one] for one in NEEDS_A_REASON}}, stored)
            assert all(told[one] <= run.counts[one.value] for one in NEEDS_A_REASON), run.counts
        for side, book in ((Side.CRM, self.vendors.crm), (Side.GOOGLE, self.vendors.google)):
            entries = await book.control.log(self._checked[side])
            self._checked[side] = max((entry["number"] for entry in entries), default=self._checked[side])
            if not run.settings.policy.direction.writes(side):
                assert [entry for entry in entries if entry["mutation"]] == [], f"the source ({side}) was written"

    async def pair(self, remote_id: str) -> Link:
        """The pair, as it stands, that has this record or person."""
        found = [link for link in await self.links() if remote_id in {link.crm.remote_id, link.google.remote_id}]
        living = [link for link in found if link.state is not PairState.GONE] or found
        assert len(living) == 1, f"{len(living)} pairs with {remote_id}"
        return living[0]

    async def answer(self, remote_id: str, action: Action) -> None:
        """Ask for something to be done with the pair of this record or person; the next run does it."""
        pair = await self.pair(remote_id)
        answer = Answer(pair.link_id, action, pair.hold.rivals if pair.hold else ())
        now = self.clock.now()
        await self.books.answers.ask(self.settings.organisation_id, self.config, [answer], now)

    async def pass_time(self, **by: float) -> None:
        """Move every clock: ours and the vendors'."""
        await self.pass_until(self.clock.now() + timedelta(**by))

    async def pass_until(self, instant: datetime) -> None:
        """Let time go by on our clock and the vendors'."""
        wait = (instant - self.clock.now()).total_seconds()
        if wait > 0:
            await self.vendors.advance(wait)
            self.clock.advance_to(instant)

    async def work_due(self) -> None:
        """Let time go by until something is due, and work it."""
        due = await self.books.relay.next_due()
        assert due is not None, "an open run has a hint"
        await self.pass_until(due)
        for hint in await self.books.relay.take(10):
            await self._work(hint)
            await self.books.relay.mark_published([hint.message_id])

    async def work_due_at_once(self) -> None:
        """Work everything that is due at once, each hint by a worker of its own."""
        async with AsyncExitStack() as alive, asyncio.TaskGroup() as tasks:
            for hint in await self.books.relay.take(10):
                holder = uuid4()
                await alive.enter_async_context(self.books.presence(holder))
                tasks.create_task(self._runner_of(holder)(hint.hint, hint.lane))
                await self.books.relay.mark_published([hint.message_id])

    async def carry_on_together(self, *, until: datetime, step: timedelta, at_once: int) -> None:
        """What runs by itself in all configurations until then; several workers work side by side."""
        while self.clock.now() < until:
            await self.pass_until(self.clock.now() + step)
            await self.books.sweeper.start_due(self.clock.now(), 1_000)
            while hints := await self.books.relay.take(at_once):
                await asyncio.gather(*(self._work(hint) for hint in hints))
                await self.books.relay.mark_published([hint.message_id for hint in hints])

    async def carry_on(self, *, until: datetime) -> list[Run]:
        """What runs by itself until then: the runs that the schedule started, in order."""
        before = {run.run_id for run in await self.books.runs(self.settings)}
        while (due := (await self.books.config(self.settings)).next_due) is not None and due <= until:
            await self.pass_until(due)
            await self.books.sweeper.start_due(self.clock.now(), 10)
            while await self.books.relay.next_due() is not None:
                await self.work_due()
        await self.pass_until(until)
        return [run for run in await self.books.runs(self.settings) if run.run_id not in before]

    async def _work(self, hint: OutboundHint) -> None:
        """Work a hint; a worker that dies is followed by another, to which the broker delivers the hint again."""
        try:
            await self._runner(hint.hint, hint.lane)
        except WorkerDiedError:
            self.crash = Crash()
            await self.books.pass_time(timedelta(seconds=61))
            await self._runner(hint.hint, hint.lane)

    async def report(self, run: Run) -> list[RunContact]:
        """The run's report."""
        return await self.books.report(self.settings, run.run_id)

    async def links(self) -> list[Link]:
        """All pairs of the account."""
        return await self.books.links(self.settings)

    async def configure(self, **policy: Any) -> None:  # noqa: ANN401  fields of Policy
        """Change settings of the configuration, as saving it does."""
        changed = replace(self.settings.policy, **policy, version=self.settings.policy.version + 1)
        self.settings = replace(self.settings, policy=changed)
        await self.books.put(self.settings)


@asynccontextmanager
async def sync_world(
    *,
    direction: Direction = Direction.TWO_WAY,
    limits: RunLimits | None = None,
    engine: EngineSettings | None = None,
    worker: WorkerSettings | None = None,
    catch_up: bool = True,
    view_criteria: Json | None = None,
    database: TestDatabase | None = None,
    **policy: Any,  # noqa: ANN401  fields of Policy
) -> AsyncIterator[SyncWorld]:
    """Both vendors with empty books, and a configuration that joins the view with the group.

    The state is in this database, or in memory where none is given.
    """
    async with (
        vendors(view_criteria=view_criteria) as both,
        books(database, limits or RunLimits()) as state,
        build_client(HttpSettings()) as client,
    ):
        rules = Policy(direction=direction, mapping=default_mapping(), **policy)
        how = replace(worker or WorkerSettings(), engine=engine or EngineSettings())
        world = SyncWorld(both, state, client, rules, how)
        world.settings = replace(world.settings, catch_up=catch_up)
        await state.put(world.settings)
        yield world


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


def _tokens(both: Vendors, clock: ManualClock, settings: RunSettings) -> FixedTokens:
    crm, google = both.crm, both.google
    return FixedTokens(clock, {settings.crm_connection_id: crm, settings.google_connection_id: google})


def _providers(both: Vendors, client: httpx2.AsyncClient, clock: ManualClock, tokens: FixedTokens) -> Providers:
    google, crm = both.google.control.base_url, both.crm.control.base_url
    edge = HttpEdge(client, HostGuard((), (google, crm)), clock)
    return Providers(edge, edge, GoogleEndpoints(people_url=google), tokens)
