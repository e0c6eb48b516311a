"""The limits at their true size, from outside: 10,000 contacts a first run, 500 each later one, 20,000 in all."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from contactsync.domain.policy import Direction
from contactsync.ports.requests import RunLimits
from tests.stories.common import DAYS_AGO
from tests.stories.conftest import OpenOutside
from tests.support.outside import OutsideWorld
from tests.support.story import RunView
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.timeout(900)]

_FIRST: Final = 10_000
_LATER: Final = 500
_TAKEN: Final = ("created", "updated", "deleted", "linked")


@asynccontextmanager
async def _large(open_outside: OpenOutside, **settings: Any) -> AsyncIterator[OutsideWorld]:  # noqa: ANN401  a value for any setting
    """A world whose runs may take their time, and are not asked for it all the time."""
    async with open_outside(**settings) as world:
        world.product.poll_s, world.product.within_s = 0.2, 500
        yield world


def took(run: RunView) -> tuple[int, int]:
    """Contacts that the run wrote or linked, and those that it left waiting."""
    return sum(run.counts[outcome] for outcome in _TAKEN), run.counts["waiting"]


async def addresses(world: OutsideWorld) -> Counter[str]:
    """The addresses of all people of the Google account, folded."""
    return Counter(one["emailAddresses"][0]["value"].casefold() for one in await world.vendors.google.people())


async def oldest_first(world: OutsideWorld) -> list[str]:
    """The addresses of all records, the one whose last change is the oldest first."""
    records = await world.vendors.crm.records()
    records.sort(key=lambda one: datetime.fromisoformat(one["Modified_Time"]))
    return [one["Email"].casefold() for one in records]


async def next_run(world: OutsideWorld) -> RunView | None:
    """The run that begins by itself next, once it has ended; None when none does."""
    due = await world.next_sync()
    if due is None:
        return None
    (run,) = await world.carry_on(until=due)
    return run


# --- first runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("records", [_FIRST - 1, _FIRST, _FIRST + 1])
async def test_c39_a_first_run_takes_its_ten_thousand_and_the_next_run_what_is_left(
    open_outside: OpenOutside, records: int
) -> None:
    async with _large(open_outside, direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.populate(records, at=DAYS_AGO)

        first = await world.sync()

        waits = max(records - _FIRST, 0)
        assert first.outcomes == {"created": records - waits, **({"waiting": waits} if waits else {})}
        pending = await world.api.all(f"/v1/runs/{first.run_id}/contacts", outcome="waiting")
        assert len(pending) == waits
        if waits:
            later = await next_run(world)
            assert later is not None
            assert took(later) == (1, 0)
        assert await world.next_sync() is None
        assert set((await addresses(world)).values()) == {1}
        assert await addresses(world) == Counter(await oldest_first(world))


async def test_first_runs_that_are_cancelled_share_their_ten_thousand(open_outside: OpenOutside) -> None:
    async with _large(open_outside, direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.populate(_FIRST + 400, at=DAYS_AGO)
        begun = await world.ask()

        async def has_written() -> bool:
            writes: int = (await world.api.get(f"/v1/runs/{begun}"))["progress"]["google"]["written"]
            return writes >= 1_000

        await wait_until(has_written, within_s=120, every_s=0.3)
        await world.api.post(f"/v1/runs/{begun}/cancel")
        cancelled = await world.ended(begun)
        made = len(await world.vendors.google.people())
        again = await world.sync()

        assert cancelled.state == "cancelled"
        assert 1_000 <= made < _FIRST
        assert took(again) == (_FIRST - made, 400)
        assert len(await world.vendors.google.people()) == _FIRST
        assert set((await addresses(world)).values()) == {1}


# --- later runs -------------------------------------------------------------------------------------------------------


async def _titles(world: OutsideWorld) -> Counter[str]:
    """How many people have which job title."""
    people = await world.vendors.google.people()
    return Counter((one.get("organizations") or [{}])[0].get("title", "") for one in people)


async def test_later_runs_take_five_hundred_what_waits_goes_first_and_a_pair_counts_once(
    open_outside: OpenOutside,
) -> None:
    async with _large(open_outside) as world:
        crm, google = world.vendors.crm, world.vendors.google
        ids = await crm.populate(2_000, at=DAYS_AGO)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.sync()
        await world.pass_time(minutes=20)

        for edits, waits in ((_LATER - 1, 0), (_LATER, 0), (_LATER + 1, 1)):
            await crm.edit_many({one: {"Title": f"Wave of {edits}"} for one in ids[:edits]})
            assert took(await world.sync()) == (edits - waits, waits)
            await world.pass_time(minutes=20)
            assert (await _titles(world))[f"Wave of {edits}"] == edits

        for group in range(17):
            await crm.edit_many({one: {"Title": f"Group {group}"} for one in ids[group * 100 : group * 100 + 100]})
            await crm.control.advance(1)
        assert took(await world.sync()) == (500, 1_200)
        assert {title for title in await _titles(world) if title.startswith("Group")} == {
            f"Group {group}" for group in range(5)
        }
        await crm.edit_many({one: {"Title": "Came later"} for one in ids[1_700:]})
        later = [await next_run(world) for _ in range(2)]
        assert [took(run) for run in later if run] == [(500, 1_000), (500, 500)]
        titles = await _titles(world)
        assert (titles["Group 14"], titles["Came later"]) == (100, 0)
        last = await next_run(world)
        assert last is not None
        assert took(last) == (500, 0)
        assert (await _titles(world))["Came later"] == 300

        await world.pass_time(minutes=20)
        people = {one["emailAddresses"][0]["value"].casefold(): one for one in await google.people()}
        records = {one["id"]: one["Email"].casefold() for one in await crm.records()}
        await crm.edit_many({one: {"Title": "Both"} for one in ids[:300]})
        await google.edit_many({people[records[one]]["resourceName"]: _phone(n) for n, one in enumerate(ids[300:600])})
        both = await world.sync()
        assert (took(both), sum(both.writes.values())) == ((500, 100), 500)
        await world.pass_time(minutes=20)

        await crm.edit_many({one: {"Title": "Pair"} for one in ids[:_LATER]})
        await google.edit_many({people[records[one]]["resourceName"]: _phone(n) for n, one in enumerate(ids[:_LATER])})
        pairs = await world.sync()
        assert took(pairs) == (_LATER, 0)
        assert pairs.writes == {"google.update": _LATER, "crm.update": _LATER}


def _phone(number: int) -> dict[str, object]:
    """Another mobile number for a person."""
    return {"phoneNumbers": [{"value": f"+4477009{number:05}", "type": "mobile"}]}


# --- the whole book ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """What the API told of the backlog after a run."""

    at: datetime
    contacts: int
    runs: int
    finishes_at: datetime | None


async def _told(world: OutsideWorld) -> _Told:
    backlog = (await world.configuration())["backlog"]
    finishes_at = backlog["finishes_at"]
    return _Told(
        world.clock.now(),
        backlog["contacts"],
        backlog["runs"],
        None if finishes_at is None else datetime.fromisoformat(finishes_at),
    )


async def _pauses(world: OutsideWorld) -> list[int]:
    """Minutes from the end of each run to the request for the next."""
    runs = [(one["created_at"], one["finished_at"]) for one in await world.api.all(f"{world.path}/runs")]
    times = sorted((datetime.fromisoformat(asked), datetime.fromisoformat(ended)) for asked, ended in runs)
    return [(asked - ended) // timedelta(minutes=1) for (_, ended), (asked, _) in itertools.pairwise(times)]


def _error(told: _Told, ended: datetime) -> float:
    """By which factor the time left that was told is wrong, in either direction."""
    assert told.finishes_at is not None
    said, true = told.finishes_at - told.at, ended - told.at
    return max(said / true, true / said)


async def test_c52_twenty_thousand_come_by_themselves_oldest_first_and_the_time_left_is_told(
    open_outside: OpenOutside,
) -> None:
    async with _large(open_outside, direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.populate(2 * _FIRST, at=DAYS_AGO, spread_s=86_400)
        order = await oldest_first(world)

        first = await world.sync()
        told = [await _told(world)]
        runs: list[RunView] = []
        while (run := await next_run(world)) is not None:
            runs.append(run)
            told.append(await _told(world))
            if len(runs) in {1, 3}:
                assert (await addresses(world)).keys() == set(order[: _FIRST + _LATER * len(runs)])
        ended = world.clock.now()

        assert took(first) == (_FIRST, _FIRST)
        assert [took(run) for run in runs] == [(_LATER, _FIRST - _LATER * n) for n in range(1, 21)]
        assert set(await _pauses(world)) == {1}, "a minute after the last, each"
        assert await addresses(world) == Counter(order)
        limits = (await world.configuration())["limits"]
        assert limits == {"first_run": _FIRST, "later_runs": _LATER}
        assert [(one.contacts, one.runs) for one in told] == [(_LATER * n, n) for n in range(20, -1, -1)]
        assert told[-1].finishes_at is None
        assert max(_error(one, ended) for one in told[3:-1]) <= 2


async def test_on_schedule_nothing_runs_between_the_ticks_and_the_time_left_follows_them(
    open_outside: OpenOutside,
) -> None:
    limits = RunLimits(initial=100, incremental=20)
    async with open_outside(direction=Direction.CRM_TO_GOOGLE, frequency="1h", catch_up=False, limits=limits) as world:
        await world.vendors.crm.populate(180, at=DAYS_AGO)
        first = await world.sync()
        assert took(first) == (100, 80)
        told = [await _told(world)]
        for left in (60, 40, 20, 0):
            tick = await world.next_sync()
            assert tick is not None
            assert await world.carry_on(until=tick - timedelta(minutes=10)) == []
            told.append(await _told(world))
            (run,) = await world.carry_on(until=tick)
            assert took(run) == (20, left)
            told.append(await _told(world))
        ended = world.clock.now()

        assert [one.runs for one in told] == [4, 4, 3, 3, 2, 2, 1, 1, 0]
        assert timedelta(hours=3) <= ended - told[0].at <= timedelta(hours=4, minutes=10)
        assert max(_error(one, ended) for one in told[:-1]) <= 1.1
