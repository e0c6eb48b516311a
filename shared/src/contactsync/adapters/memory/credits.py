"""The CRM credits that an organisation's syncs have reserved, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contactsync.adapters.memory.requests import Alone, Sender
from contactsync.adapters.memory.runs import hint_of, lane_of
from contactsync.adapters.memory.tables import Tables
from contactsync.domain.credits import OVERDUE_AFTER, Credits, Queue, Shares, Usage, daily_credits
from contactsync.domain.ids import OrganisationId
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import is_by_hand
from contactsync.ports.state import Run, RunState


class MemoryCredits:
    """`CreditStore` over dictionaries; every organisation has a paid edition."""

    def __init__(self, tables: Tables, alone: Alone, outbox: Sender) -> None:
        self._tables = tables
        self._alone = alone
        self._outbox = outbox
        self._credits: dict[OrganisationId, Credits] = {}

    async def reserve(self, run: Run, amount: int, shares: Shares, now: datetime) -> datetime | None:
        """None when so many credits are reserved now; else the date to ask again."""
        organisation_id, by_hand = run.settings.organisation_id, is_by_hand(run.trigger)
        credits_ = self._used(run)
        until = credits_.turn(amount, daily_credits(""), shares, self._queue(run, now), now, by_hand=by_hand)
        if until is None:
            self._credits[organisation_id] = credits_.with_amount(amount, now, by_hand=by_hand)
            self._hold(run, run.credits_reserved)
        return until

    def _used(self, run: Run) -> Credits:
        return self._credits.get(run.settings.organisation_id, Credits(Usage({}), Usage({})))

    def _queue(self, run: Run, now: datetime) -> Queue:
        waiting, place = self._waiting(run), (run.created_at, run.run_id)
        earlier = [is_by_hand(one.trigger) for one in waiting if (one.created_at, one.run_id) < place]
        overdue = any(one.created_at < now - OVERDUE_AFTER for one in waiting if not is_by_hand(one.trigger))
        return Queue(earlier.count(False), earlier.count(True), overdue)

    def _waiting(self, run: Run) -> list[Run]:
        """Runs of the organisation that wait for credits, the earliest first."""
        organisation_id = run.settings.organisation_id
        runs = (row.run for row in self._tables.runs.values() if row.run.settings.organisation_id == organisation_id)
        waiting = [one for one in runs if (one.state, one.reason) == (RunState.WAITING, Reason.CRM_CREDITS)]
        return sorted(waiting, key=lambda one: (one.created_at, one.run_id))

    async def give_back(self, run: Run, amount: int, shares: Shares, now: datetime) -> None:
        """What was reserved and not used."""
        less = self._used(run).with_amount(-amount, now, by_hand=is_by_hand(run.trigger))
        self._credits[run.settings.organisation_id] = less
        if self._tables.runs[run.run_id].run.credits_reserved == run.credits_reserved:
            self._hold(run, 0)
        waiting = self._waiting(run)
        asked = [is_by_hand(one.trigger) for one in waiting]
        async with self._alone() as journal:
            for one in waiting[: less.turns_now(daily_credits(""), shares, asked, now)]:
                if one.wait_until is not None and one.wait_until > now:
                    row = self._tables.runs[one.run_id]
                    journal.put(self._tables.runs, one.run_id, replace(row, run=replace(one, wait_until=now)))
                    self._outbox(journal).put(lane_of(one), hint_of(one), None)

    def _hold(self, run: Run, amount: int) -> None:
        row = self._tables.runs[run.run_id]
        self._tables.runs[run.run_id] = replace(row, run=replace(row.run, credits_reserved=amount))
