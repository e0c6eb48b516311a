"""Runs, the ledger and the outbox in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from uuid import UUID

from contactsync.adapters.memory.links import MemoryLinks
from contactsync.adapters.memory.tables import ConfigRow, Journal, OutboxRow, RunRow, Tables
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import ConfigId, EffectId, LinkId, RunId
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.errors import StateInvariantError
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Lane, OutboundHint
from contactsync.ports.requests import BY_CLOCK, SUSPECT_AFTER, RunLimits, Wish
from contactsync.ports.state import Effect, EffectState, Run, RunContact, RunState, ToldRecord, Watch

NewId = Callable[[], UUID]

COUNTED = frozenset({RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL})
"""Ends that move `last_sync_at` and after which a configuration's runs are not first any more."""


class MemoryOutbox:
    """`Outbox` over a dictionary."""

    def __init__(self, tables: Tables, journal: Journal, clock: Clock, new_id: NewId) -> None:
        self._tables = tables
        self._journal = journal
        self._clock = clock
        self._new_id = new_id

    async def add(self, lane: Lane, hint: RunHint, *, not_before: datetime | None = None) -> None:
        """Add a row; the relay publishes it after the commit and not before the given instant."""
        self.put(lane, hint, not_before)

    def put(self, lane: Lane, hint: RunHint, not_before: datetime | None) -> None:
        """The same, for callers that are not coroutines."""
        now = self._clock.now()
        row = OutboxRow(OutboundHint(self._new_id(), lane, hint), created_at=now, not_before=not_before or now)
        self._journal.put(self._tables.outbox, row.hint.message_id, row)


class RunFactory:
    """Makes runs with their first hint; shared by requests and by the end of a run."""

    def __init__(
        self, tables: Tables, journal: Journal, outbox: MemoryOutbox, limits: RunLimits, new_id: NewId
    ) -> None:
        self._tables = tables
        self._journal = journal
        self._outbox = outbox
        self._limits = limits
        self._new_id = new_id

    def limit(self, config: ConfigRow) -> int:
        """Contacts that the configuration's next run may take."""
        if config.first_done:
            return self._limits.incremental
        return max(0, self._limits.initial - config.first_taken)

    def create(self, config: ConfigRow, wishes: Sequence[Wish], now: datetime) -> RunId:
        """A queued run for the first wish, with its hint; the other wishes wait for its end."""
        wish, *waiting = wishes
        run = Run(
            run_id=RunId(self._new_id()),
            settings=config.settings,
            mode=wish.mode,
            trigger=wish.trigger,
            state=RunState.QUEUED,
            created_at=now,
            first=not config.first_done,
            limit=self.limit(config),
            sync=config.sync,
        )
        self._journal.put(self._tables.runs, run.run_id, RunRow(run, waiting=tuple(waiting), updated_at=now))
        self._outbox.put(lane_of(run), hint_of(run), None)
        return run.run_id


def lane_of(run: Run) -> Lane:
    """The lane of a run's next hint."""
    if run.attempt >= SUSPECT_AFTER:
        return Lane.SUSPECT
    return Lane.INITIAL if run.first else Lane.INCREMENTAL


def hint_of(run: Run) -> RunHint:
    """The hint of a run's present slice."""
    settings = run.settings
    return RunHint(
        run=run.run_id, slice=run.slice, organisation=settings.organisation_id, configuration=settings.config_id
    )


class MemoryRuns:
    """`RunStore` over dictionaries."""

    def __init__(
        self,
        tables: Tables,
        journal: Journal,
        config_id: ConfigId,
        links: MemoryLinks,
        factory: RunFactory,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._journal = journal
        self._config_id = config_id
        self._links = links
        self._factory = factory
        self._clock = clock

    async def save(self, run: Run) -> None:
        """Store the run's progress (all but identity, settings and cancel mark)."""
        self._store(run)

    def _store(self, run: Run) -> RunRow:
        row = self._tables.runs.get(run.run_id)
        if row is None or not row.run.state.open:
            raise StateInvariantError("the run has ended", details={"run": str(run.run_id)})
        old = row.run
        kept = replace(
            run,
            settings=old.settings,
            mode=old.mode,
            trigger=old.trigger,
            created_at=old.created_at,
            first=old.first,
            limit=old.limit,
            attempt=old.attempt if run.slice == old.slice else 0,
            cancel_requested=old.cancel_requested,
        )
        row = replace(row, run=kept, updated_at=self._clock.now())
        self._journal.put(self._tables.runs, run.run_id, row)
        return row

    async def record(self, run_id: RunId, contacts: Sequence[RunContact]) -> None:
        """Add or replace rows of the report, one for a pair."""
        report = self._tables.run_contacts.setdefault(run_id, {})
        for contact in contacts:
            self._journal.put(report, contact.link_id, contact)

    async def tally(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Contacts in the report so far, by outcome."""
        report: Mapping[LinkId, RunContact] = self._tables.run_contacts.get(run_id, {})
        return dict(Counter(contact.outcome for contact in report.values()))

    async def cancelled(self, run_id: RunId) -> bool:
        """Whether somebody asked the run to stop, or its configuration is no longer active."""
        run = self._tables.runs[run_id].run
        return run.cancel_requested or not self._tables.configs[run.settings.config_id].active

    async def watch(self, since: datetime) -> Watch:
        """The ticks and the channel of the run's configuration, and whether it was asked for after that instant."""
        config = self._tables.configs[self._config_id]
        runs = (row.run for row in self._tables.runs.values() if row.run.settings.config_id == self._config_id)
        asked = any(run.created_at > since and run.trigger != BY_CLOCK for run in runs)
        return Watch(interval=config.interval, told_until=config.told_until, asked=asked)

    async def told(self) -> Sequence[ToldRecord]:
        """Records that the CRM said had changed, and that no reading of the configuration has shown since."""
        return [told for (config_id, _), told in self._tables.told.items() if config_id == self._config_id]

    async def heard(self, told: Sequence[ToldRecord]) -> None:
        """Nothing more is to be learnt from these; what was told of the same records since stays."""
        for one in told:
            key = (self._config_id, one.record_id)
            if self._tables.told.get(key) == one:
                self._journal.drop(self._tables.told, key)

    async def people_made(self, amount: int) -> int:
        """Count so many people more that were made in the Google account; how many all syncs ever made in it."""
        account = self._tables.configs[self._config_id].settings.account
        row = self._tables.accounts[account]
        row = replace(row, made=row.made + amount)
        self._journal.put(self._tables.accounts, account, row)
        return row.made

    async def paused(self) -> str:
        """Why the run's configuration is paused; empty while it is not."""
        config = self._tables.configs[self._config_id]
        return "" if config.active else config.paused_reason

    async def pause(self, reason: str) -> None:
        """Pause the run's configuration with this reason; its open request mark is dropped."""
        config = self._tables.configs[self._config_id]
        self._journal.put(self._tables.configs, self._config_id, replace(config, active=False, paused_reason=reason))
        for run_id, row in list(self._tables.runs.items()):
            if row.run.settings.config_id == self._config_id and row.waiting:
                self._journal.put(self._tables.runs, run_id, replace(row, waiting=()))

    async def failed_alike(self, run: Run, reason: str) -> int:
        """How many runs of the configuration failed for this reason since the last one that ended otherwise."""
        mine = (row for row in self._tables.runs.values() if row.run.settings.config_id == run.settings.config_id)
        ended = [(row.finished_at, row.run) for row in mine if row.finished_at is not None]
        latest = sorted(ended, key=itemgetter(0), reverse=True)
        alike = takewhile(lambda one: one[1].state is RunState.FAILED and one[1].reason == reason, latest)
        return len(list(alike))

    async def finish(self, run: Run, *, next_due: datetime | None) -> None:
        """Store the end of the run and the configuration's state; queue one further run when it was asked for."""
        if run.state.open:
            raise StateInvariantError("the run has not ended", details={"run": str(run.run_id)})
        now = self._clock.now()
        row = self._store(run)
        self._journal.put(self._tables.runs, run.run_id, replace(row, finished_at=now))
        config_id = run.settings.config_id
        config = self._ended(self._tables.configs[config_id], row.run, now, next_due)
        self._journal.put(self._tables.configs, config_id, config)
        await self._links.drop_values(run.run_id)
        if row.waiting and config.active:
            self._factory.create(config, row.waiting, now)
        self._settle_questions(run.run_id)

    def _settle_questions(self, ended: RunId) -> None:
        planned = {e.run_id for e in self._tables.effects.values() if e.state is EffectState.PLANNED}
        for run_id, row in list(self._tables.runs.items()):
            asks = row.run.settings.config_id == self._config_id and row.run.state is RunState.NEEDS_APPROVAL
            if asks and run_id not in planned and run_id != ended:
                answered = replace(row.run, state=RunState.PARTIAL)
                self._journal.put(self._tables.runs, run_id, replace(row, run=answered))

    def _ended(self, config: ConfigRow, run: Run, now: datetime, next_due: datetime | None) -> ConfigRow:
        counted = run.state in COUNTED
        failed_first = run.first and not counted
        return replace(
            config,
            sync=run.sync,
            first_done=config.first_done or counted,
            first_taken=config.first_taken + (run.taken if failed_first else 0),
            last_sync_at=now if counted else config.last_sync_at,
            last_attempt_at=now,
            last_reason=run.reason,
            next_due=next_due,
        )


def last_restorable(tables: Tables, link_id: LinkId) -> Effect | None:
    """The newest update or delete of a pair that may have replaced something; dictionaries keep their order."""
    mine = (effect for effect in reversed(tables.effects.values()) if effect.link_id == link_id)
    return next((effect for effect in mine if _replaced(effect)), None)


def _replaced(effect: Effect) -> bool:
    unanswered = effect.state is EffectState.REJECTED and effect.reason == Reason.OUTCOME_UNKNOWN
    sent = unanswered or effect.state is EffectState.CONFIRMED
    return sent and effect.kind in {EffectKind.UPDATE, EffectKind.DELETE}


class MemoryEffects:
    """`EffectStore` over a dictionary."""

    def __init__(self, tables: Tables, journal: Journal, config_id: ConfigId) -> None:
        self._tables = tables
        self._journal = journal
        self._config_id = config_id

    async def add(self, effects: Sequence[Effect]) -> None:
        """Insert effects (a batch is one transition with one batch id)."""
        for effect in effects:
            if effect.effect_id in self._tables.effects:
                raise StateInvariantError("the effect exists", details={"effect": str(effect.effect_id)})
            self._journal.put(self._tables.effects, effect.effect_id, effect)

    async def settle(self, effects: Sequence[Effect]) -> None:
        """Store the state, remote id, revision, attempt and reason of effects that were added before."""
        for effect in effects:
            old = self._tables.effects.get(effect.effect_id)
            if old is None:
                raise StateInvariantError("no such effect", details={"effect": str(effect.effect_id)})
            settled = replace(
                old,
                state=effect.state,
                remote_id=effect.remote_id,
                revision=effect.revision,
                attempt=effect.attempt,
                reason=effect.reason,
                sent_at=effect.sent_at,
            )
            self._journal.put(self._tables.effects, effect.effect_id, settled)

    async def unsettled(self) -> Sequence[Effect]:
        """Effects of this configuration that are `sending` or `unknown`, oldest first, with their values."""
        open_states = {EffectState.SENDING, EffectState.UNKNOWN}
        return [effect for effect in self._own() if effect.state in open_states]

    async def under_way(self, since: datetime) -> frozenset[LinkId]:
        """Links of which other configurations sent creates since then that have no answer."""
        own = {effect.effect_id for effect in self._own()}
        return frozenset(
            effect.link_id
            for effect in self._tables.effects.values()
            if effect.effect_id not in own
            and effect.kind is EffectKind.CREATE
            and effect.state in {EffectState.SENDING, EffectState.UNKNOWN}
            and effect.sent_at is not None
            and effect.sent_at >= since
        )

    async def begun(self, run_id: RunId) -> frozenset[LinkId]:
        """Links with effects of this run that the run has not settled: already counted."""
        scopes = self._tables.scopes.get(self._config_id, {})
        links = {effect.link_id for effect in self._own() if effect.run_id == run_id}
        return frozenset(link for link in links if link in scopes and scopes[link].taken_by != run_id)

    async def planned(self, run_id: RunId) -> Sequence[Effect]:
        """The deletes of a run that await approval."""
        return [e for e in self._own() if e.run_id == run_id and e.state is EffectState.PLANNED]

    async def awaiting(self) -> Sequence[Effect]:
        """The deletes of this configuration that await approval, oldest first."""
        return [effect for effect in self._own() if effect.state is EffectState.PLANNED]

    async def by_ids(self, effect_ids: Sequence[EffectId]) -> Mapping[EffectId, Effect]:
        """Effects by id, with the values that are still kept."""
        return {i: self._tables.effects[i] for i in effect_ids if i in self._tables.effects}

    async def last_of(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Effect]:
        """The newest confirmed update or delete of each pair."""
        return {i: effect for i in link_ids if (effect := last_restorable(self._tables, i)) is not None}

    async def updates_since(self, link_ids: Sequence[LinkId], since: datetime) -> Mapping[LinkId, Sequence[Effect]]:
        """Confirmed updates of these pairs that were sent since then, oldest first."""
        wanted, found = set(link_ids), defaultdict[LinkId, list[Effect]](list)
        for effect in self._tables.effects.values():
            is_update = effect.kind is EffectKind.UPDATE and effect.state is EffectState.CONFIRMED
            if is_update and effect.link_id in wanted and effect.sent_at is not None and effect.sent_at >= since:
                found[effect.link_id].append(effect)
        return dict(found)

    def _own(self) -> Sequence[Effect]:
        """This configuration's effects; dictionaries keep the order of insertion."""
        runs = self._tables.runs
        return [
            effect
            for effect in self._tables.effects.values()
            if runs[effect.run_id].run.settings.config_id == self._config_id
        ]
