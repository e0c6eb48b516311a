"""Two hundred colleagues share one CRM: what its owner granted is kept to, and everybody has his turn."""

from __future__ import annotations

from collections import Counter, deque
from datetime import datetime, timedelta

import pytest

from contactsync.domain.credits import Shares
from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunSettings, RunState
from sync_worker.runner import WorkerSettings
from tests.integration.engine.test_first_run import DAYS_AGO, record
from tests.support.postgres import Database
from tests.support.sync_states import SqlBooks
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import google_book

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(900)]

_COLLEAGUES = 200
_AT_ONCE = 4
_CONTACTS = 5
_WORKER = WorkerSettings(credit_shares=Shares(usual=1, by_hand=2), slices_per_organisation=_AT_ONCE)
_SHARE = 500
"""One percent of the 50,000 credits of a day; a run costs three or four, so that each day sees less than a round."""
_DAY = timedelta(hours=24)


async def _hire(world: SyncWorld) -> list[RunSettings]:
    """Colleagues with a Google account each, all due within minutes of one another, hourly from then on."""
    assert isinstance(world.books, SqlBooks)
    hired = []
    for number in range(_COLLEAGUES):
        book = await google_book(world.vendors.google.control, f"colleague{number}@example.com")
        settings = await world.add_colleague(book)
        await world.books.put(settings, next_due=world.clock.now() + timedelta(seconds=number))
        await world.books.hourly(settings)
        hired.append(settings)
    return hired


async def _most_in_a_day(world: SyncWorld) -> int:
    """The most credits that the CRM gave within any 24 hours."""
    window: deque[tuple[datetime, int]] = deque()
    most = used = 0
    for entry in await world.vendors.crm.control.log():
        at, amount = datetime.fromisoformat(entry["at"]), entry["units"].get("credits", 0)
        window.append((at, amount))
        used += amount
        while window[0][0] <= at - _DAY:
            used -= window.popleft()[1]
        most = max(most, used)
    return most


async def _ended(world: SyncWorld, everybody: list[RunSettings]) -> list[int]:
    """How many runs of each configuration have succeeded; no run may have failed."""
    ended = []
    for settings in everybody:
        runs = await world.books.runs(settings)
        assert {run.state for run in runs} <= {RunState.SUCCEEDED, RunState.WAITING}
        made = [run.counts["created"] for run in runs if run.state is RunState.SUCCEEDED]
        assert made == [_CONTACTS, *[0] * len(made)][: len(made)], "each has a book of his own, with all in it at once"
        ended.append(len(made))
    return ended


async def test_two_hundred_configurations_stay_under_one_share_and_none_starves(database: Database) -> None:
    async with sync_world(direction=Direction.CRM_TO_GOOGLE, worker=_WORKER, database=database) as world:
        await world.vendors.crm.add([record(n) for n in range(_CONTACTS)], at=DAYS_AGO)
        everybody = await _hire(world)
        began = world.clock.now()

        await world.carry_on_together(until=began + timedelta(hours=3), step=timedelta(minutes=30), at_once=_AT_ONCE)

        waiting = [run for one in everybody for run in await world.books.runs(one) if run.state is RunState.WAITING]
        assert len(waiting) > _COLLEAGUES / 4, "the first day does not suffice for all"
        assert {run.reason for run in waiting} == {Reason.CRM_CREDITS}
        dates = Counter(run.wait_until for run in waiting)
        assert None not in dates
        assert max(dates.values()) <= len(waiting) / 5, "they come one after another, and not all at once"

        await world.carry_on_together(until=began + 4 * _DAY, step=timedelta(minutes=30), at_once=_AT_ONCE)

        runs = await _ended(world, everybody)
        assert sum(runs) > 2 * _COLLEAGUES
        turns = Counter(runs)
        assert turns.keys() <= {1, 2, 3}, "each has his turn"
        assert turns[1] <= _COLLEAGUES / 20, "but for those whose second was under way when the day's credits ended"
        assert _SHARE * 0.9 <= await _most_in_a_day(world) <= _SHARE
