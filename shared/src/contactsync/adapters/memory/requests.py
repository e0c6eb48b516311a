"""Asking for runs, relaying and sweeping in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from contactsync.adapters.memory.runs import MemoryOutbox, RunFactory, hint_of, lane_of, last_restorable
from contactsync.adapters.memory.tables import ConfigRow, Journal, OutboxRow, RunRow, Tables
from contactsync.domain.actions import Answer, Overwritten
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId, RunId
from contactsync.domain.reasons import Reason
from contactsync.errors import NotActiveError, UnknownRowError
from contactsync.ports.clock import Clock
from contactsync.ports.queue import OutboundHint
from contactsync.ports.requests import (
    BY_CLOCK,
    BY_HAND,
    TAKEN_FOR,
    Coalesced,
    Requested,
    Wish,
    is_by_hand,
    joined,
    joins,
    with_wish,
)
from contactsync.ports.state import RunMode, RunState

Alone = Callable[[], AbstractAsyncContextManager[Journal]]
Workshop = Callable[[Journal], RunFactory]
Sender = Callable[[Journal], MemoryOutbox]


class MemoryRequests:
    """`RunRequests` over dictionaries."""

    def __init__(self, tables: Tables, alone: Alone, factory: Workshop, outbox: Sender) -> None:
        self._tables = tables
        self._alone = alone
        self._factory = factory
        self._outbox = outbox

    async def request(
        self, organisation_id: OrganisationId, config_id: ConfigId, mode: RunMode, trigger: str, now: datetime
    ) -> Requested:
        """A run of this configuration, or the open one that stands for it."""
        async with self._alone() as journal:
            config = self._config(organisation_id, config_id)
            wish = Wish(mode, trigger)
            row = self._open_run(config_id)
            if row is None:
                run_id = self._factory(journal).create(config, [wish], now)
                return Requested(run_id, created=True)
            waits = (row.run.state, row.run.reason) == (RunState.WAITING, Reason.CRM_CREDITS)
            if waits and is_by_hand(trigger) and not is_by_hand(row.run.trigger):
                row = self._hasten(journal, row)
            return self._coalesce(journal, row, wish)

    def _config(self, organisation_id: OrganisationId, config_id: ConfigId) -> ConfigRow:
        config = self._tables.configs.get(config_id)
        if config is None or config.settings.organisation_id != organisation_id:
            raise UnknownRowError(details={"configuration": str(config_id)})
        if not config.active:
            raise NotActiveError(details={"configuration": str(config_id)})
        return config

    def _open_run(self, config_id: ConfigId) -> RunRow | None:
        rows = (row for row in self._tables.runs.values() if row.run.settings.config_id == config_id)
        return next((row for row in rows if row.run.state.open), None)

    def _hasten(self, journal: Journal, row: RunRow) -> RunRow:
        run = replace(row.run, trigger=BY_HAND, wait_until=None)
        journal.put(self._tables.runs, run.run_id, hastened := replace(row, run=run))
        self._outbox(journal).put(lane_of(run), hint_of(run), None)
        return hastened

    def _coalesce(self, journal: Journal, row: RunRow, wish: Wish) -> Requested:
        run = row.run
        if run.started_at is None and joins(Wish(run.mode, run.trigger), wish):
            both = joined(Wish(run.mode, run.trigger), wish)
            run = replace(run, mode=both.mode, trigger=both.trigger)
            journal.put(self._tables.runs, run.run_id, replace(row, run=run))
            return Requested(run.run_id, created=False, coalesced=Coalesced.JOINED)
        journal.put(self._tables.runs, run.run_id, replace(row, waiting=with_wish(row.waiting, wish)))
        return Requested(run.run_id, created=False, coalesced=Coalesced.QUEUED_NEXT)

    async def cancel(self, organisation_id: OrganisationId, run_id: RunId, now: datetime) -> bool:
        """Ask an open run to stop; False when it had ended."""
        async with self._alone() as journal:
            row = self._tables.runs.get(run_id)
            if row is None or row.run.settings.organisation_id != organisation_id:
                raise UnknownRowError(details={"run": str(run_id)})
            if not row.run.state.open:
                return False
            if row.run.started_at is None:
                self._end(journal, row, now)
            else:
                run = replace(row.run, cancel_requested=True, wait_until=None)
                journal.put(self._tables.runs, run_id, replace(row, run=run))
                self._outbox(journal).put(lane_of(run), hint_of(run), None)
            return True

    def _end(self, journal: Journal, row: RunRow, now: datetime) -> None:
        run = replace(row.run, state=RunState.CANCELLED, reason="cancelled", cancel_requested=True)
        journal.put(self._tables.runs, run.run_id, replace(row, run=run, finished_at=now))
        config = self._tables.configs[run.settings.config_id]
        if row.waiting and config.active:
            self._factory(journal).create(config, row.waiting, now)


class MemoryAnswers:
    """`PairAnswers` over dictionaries."""

    def __init__(self, tables: Tables, alone: Alone) -> None:
        self._tables = tables
        self._alone = alone

    async def ask(
        self, organisation_id: OrganisationId, config_id: ConfigId, answers: Sequence[Answer], now: datetime
    ) -> None:
        """Store answers for the next run of whoever keeps the pairs."""
        del now
        async with self._alone() as journal:
            config = self._tables.configs.get(config_id)
            pairs = self._tables.scopes.get(config_id, {})
            foreign = config is None or config.settings.organisation_id != organisation_id
            if foreign or any(answer.link_id not in pairs for answer in answers):
                raise UnknownRowError(details={"configuration": str(config_id)})
            for answer in answers:
                journal.put(self._tables.answers, answer.link_id, answer)

    async def last_overwritten(self, organisation_id: OrganisationId, link_id: LinkId) -> Overwritten | None:
        """The newest write of the pair that can be restored."""
        row = self._tables.links.get(link_id)
        effect = last_restorable(self._tables, link_id)
        foreign = row is None or row.realm[0] != organisation_id
        return None if foreign or effect is None else effect.overwritten()


class MemoryRelayStore:
    """`OutboxRelayStore` over a dictionary."""

    def __init__(self, tables: Tables, clock: Clock, alone: Alone) -> None:
        self._tables = tables
        self._clock = clock
        self._alone = alone

    async def take(self, limit: int) -> Sequence[OutboundHint]:
        """Hints that are due and that no other relay has taken in the last half minute, oldest first."""
        async with self._alone():
            now = self._clock.now()
            due = sorted((row for row in self._open() if _ready(row) <= now), key=lambda row: row.not_before)
            for row in due[:limit]:
                self._tables.outbox[row.hint.message_id] = replace(row, taken_until=now + TAKEN_FOR)
            return [row.hint for row in due[:limit]]

    async def mark_published(self, message_ids: Sequence[UUID]) -> None:
        """These were confirmed by the broker."""
        async with self._alone():
            for message_id in message_ids:
                row = self._tables.outbox.get(message_id)
                if row is not None:
                    self._tables.outbox[message_id] = replace(row, published_at=self._clock.now())

    async def next_due(self) -> datetime | None:
        """When the next unpublished hint may be taken; None when there is none."""
        async with self._alone():
            return min((_ready(row) for row in self._open()), default=None)

    async def oldest_due(self) -> datetime | None:
        """Since when the oldest unpublished hint is due, taken or not; None when none is."""
        async with self._alone():
            now = self._clock.now()
            return min((row.not_before for row in self._open() if row.not_before <= now), default=None)

    async def purge(self, older_than: timedelta) -> int:
        """Delete hints that were published longer ago than that; how many."""
        async with self._alone():
            limit = self._clock.now() - older_than
            old = [i for i, row in self._tables.outbox.items() if row.published_at and row.published_at < limit]
            for message_id in old:
                del self._tables.outbox[message_id]
            return len(old)

    def _open(self) -> list[OutboxRow]:
        return [row for row in self._tables.outbox.values() if row.published_at is None]


def _ready(row: OutboxRow) -> datetime:
    return max(row.not_before, row.taken_until or row.not_before)


class MemorySweeper:
    """`RunSweeper` over dictionaries."""

    def __init__(self, tables: Tables, requests: MemoryRequests, alone: Alone, outbox: Sender) -> None:
        self._tables = tables
        self._requests = requests
        self._alone = alone
        self._outbox = outbox

    async def start_due(self, now: datetime, limit: int) -> int:
        """Ask for a run of each active configuration whose time has come; how many were due."""
        due = [c for c in self._tables.configs.values() if c.active and c.next_due is not None and c.next_due <= now]
        due.sort(key=lambda config: config.next_due or now)
        for config in due[:limit]:
            settings = config.settings
            self._tables.configs[settings.config_id] = replace(config, next_due=None)
            runs = (row.run for row in self._tables.runs.values())
            if not any(run.state.open and run.settings.config_id == settings.config_id for run in runs):
                await self._requests.request(settings.organisation_id, settings.config_id, RunMode.SYNC, BY_CLOCK, now)
        return len(due[:limit])

    async def oldest_due(self, now: datetime) -> datetime | None:
        """When the active configuration was due that has waited longest; None when none is due."""
        due = (config.next_due for config in self._tables.configs.values() if config.active)
        return min((date for date in due if date is not None and date <= now), default=None)

    async def revive(self, now: datetime, idle: timedelta, limit: int) -> int:
        """New hints for open runs that nobody works on; how many."""
        async with self._alone() as journal:
            stuck = [row for row in self._tables.runs.values() if self._is_stuck(row, now, idle)][:limit]
            for row in stuck:
                journal.put(self._tables.runs, row.run.run_id, replace(row, updated_at=now))
                self._outbox(journal).put(lane_of(row.run), hint_of(row.run), None)
            return len(stuck)

    def _is_stuck(self, row: RunRow, now: datetime, idle: timedelta) -> bool:
        run = row.run
        if not run.state.open:
            return False
        if run.wait_until is not None and run.wait_until > now:
            return False
        since = max(run.wait_until or run.created_at, row.updated_at or run.created_at)
        account = self._tables.accounts.get(run.settings.account)
        leased = account is not None and account.until is not None and account.until > now
        return since + idle <= now and not (run.state is RunState.RUNNING and leased)
