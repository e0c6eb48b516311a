"""How much a run takes, in which order, and how what is over the limit comes later. Limits are scaled; one is not."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Run, RunState
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_first_run import DAYS_AGO, addresses, person, record, writes
from tests.stories.common import CRITERIA
from tests.support.sync_world import SyncWorld, sync_world

SCALED = RunLimits(initial=40, incremental=5)


def took(run: Run) -> tuple[int, int]:
    """Contacts that the run wrote or linked, and those that it left waiting."""
    counts = run.counts
    return sum(counts.get(outcome, 0) for outcome in ("created", "updated", "deleted", "linked")), counts["waiting"]


async def settled(world: SyncWorld, count: int) -> list[str]:
    """Ids of so many records that are linked with people; echoes read, the overlap past."""
    ids = await world.vendors.crm.add([record(n, Title="Analyst") for n in range(count)], at=DAYS_AGO)
    await world.sync()
    await world.vendors.advance(600)
    await world.sync()
    await world.vendors.advance(600)
    return ids


async def edited(world: SyncWorld, ids: list[str]) -> None:
    """These records get a new title, one after another."""
    for one in ids:
        await world.vendors.crm.edit(one, Title="Countess")
        await world.vendors.crm.control.advance(1)


async def countesses(world: SyncWorld) -> set[str]:
    """Addresses of people who have the new title."""
    return {
        one["emailAddresses"][0]["value"]
        for one in await world.vendors.google.people()
        if (one.get("organizations") or [{}])[0].get("title") == "Countess"
    }


@pytest.mark.parametrize("records", [39, 40, 41, 80])
async def test_a_first_run_takes_its_limit_and_the_rest_waits(open_world: OpenWorld, records: int) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=SCALED) as world:
        await world.vendors.crm.add([record(n) for n in range(records)], at=DAYS_AGO)

        run = await world.sync()

        assert took(run) == (min(records, 40), max(records - 40, 0))
        assert len(await world.vendors.google.people()) == run.counts["created"] == min(records, 40)
        assert run.counts["selected"] == records


@pytest.mark.parametrize("edits", [4, 5, 6, 17])
async def test_a_later_run_takes_its_limit_and_the_rest_comes_with_the_next_ones(
    open_world: OpenWorld, edits: int
) -> None:
    async with open_world(limits=SCALED) as world:
        ids = await settled(world, 20)
        await edited(world, ids[:edits])

        runs = [await world.sync() for _ in range(4)]

        left = [edits, *(max(edits - 5 * done, 0) for done in range(1, 5))]
        assert [took(run) for run in runs] == [(min(left[n], 5), left[n + 1]) for n in range(4)]
        assert len(await countesses(world)) == edits


async def test_five_hundred_and_one_edits_are_a_run_of_five_hundred_and_a_run_of_one() -> None:
    async with sync_world() as world:
        ids = await settled(world, 501)
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in ids})

        first, second = await world.sync(), await world.sync()

        assert (took(first), took(second)) == ((500, 1), (1, 0))
        assert len(await countesses(world)) == 501


async def test_both_directions_share_the_limit(open_world: OpenWorld) -> None:
    async with open_world(limits=SCALED) as world:
        await settled(world, 10)
        await world.vendors.crm.add([record(n) for n in range(10, 14)])
        await world.vendors.google.add([person(n) for n in range(14, 18)])

        first, second = await world.sync(), await world.sync()

        assert (took(first), took(second)) == ((5, 3), (3, 0))
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(18)}


async def test_a_pair_that_is_written_on_both_sides_counts_once(open_world: OpenWorld) -> None:
    async with open_world(limits=SCALED) as world:
        ids = await settled(world, 6)
        people = {one["emailAddresses"][0]["value"]: one["resourceName"] for one in await world.vendors.google.people()}
        for n in range(5):
            await world.vendors.crm.edit(ids[n], Title="Countess")
            phone = [{"value": f"+44770090012{n}", "type": "mobile"}]
            await world.vendors.google.edit(people[f"ada{n}@example.org"], phoneNumbers=phone)

        run = await world.sync()

        assert took(run) == (5, 0)
        assert writes(run) == {"writes.google.update": 5, "writes.crm.update": 5}


async def test_what_waits_goes_before_what_came_later_and_no_edit_moves_it_back(open_world: OpenWorld) -> None:
    async with open_world(limits=SCALED) as world:
        ids = await settled(world, 20)
        await edited(world, ids[:8])
        await world.sync()  # takes 0 to 4, in the order of their edits
        assert await countesses(world) == {f"ada{n}@example.org" for n in range(5)}
        await edited(world, ids[10:16])
        await world.vendors.crm.edit(ids[6], Department="Engines")  # newest edit, oldest place

        await world.sync()

        assert await countesses(world) == {f"ada{n}@example.org" for n in (0, 1, 2, 3, 4, 5, 6, 7, 10, 11)}


async def test_a_large_book_comes_by_itself_one_run_after_another_and_nobody_twice(open_world: OpenWorld) -> None:
    """Scaled from 20,000: one run of 10,000 and twenty of 500 follow without a hand."""
    limits = RunLimits(initial=100, incremental=5)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=limits) as world:
        await world.vendors.crm.add([record(n) for n in range(200)], at=DAYS_AGO)

        first = await world.sync()
        later = await world.carry_on(until=world.clock.now() + timedelta(hours=3))

        assert took(first) == (100, 100)
        assert [took(run) for run in later] == [(5, 95 - 5 * n) for n in range(20)]
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(200)}


async def test_with_catch_up_on_schedule_nothing_runs_between_the_ticks(open_world: OpenWorld) -> None:
    limits = RunLimits(initial=10, incremental=5)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=limits, catch_up=False) as world:
        await world.vendors.crm.add([record(n) for n in range(20)], at=DAYS_AGO)

        first = await world.sync()
        later = await world.carry_on(until=world.clock.now() + timedelta(minutes=50))

        assert (took(first), later) == ((10, 10), [])
        assert took(await world.sync()) == (5, 5)


async def test_first_runs_that_fail_share_their_limit_with_the_next_one(open_world: OpenWorld) -> None:
    limits = RunLimits(initial=450, incremental=5)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=limits) as world:
        await world.vendors.crm.add([record(n) for n in range(600)], at=DAYS_AGO)
        # The first batch is answered; then the grant is refused, which ends the run and pauses the configuration.
        google = world.vendors.google
        await google.control.fault("people.batchCreateContacts", "status", status=403, after=1, times=1)

        failed = await world.sync()
        await world.books.put(world.settings)  # reconnected
        again = await world.sync()

        assert failed.state is RunState.FAILED
        made = failed.counts["created"]
        assert 0 < made < 450
        assert again.first
        assert again.limit == 450 - failed.taken
        assert made + again.counts["created"] <= 450
        assert len(await google.people()) == made + again.counts["created"]


async def test_equal_skipped_and_held_pairs_do_not_count(open_world: OpenWorld) -> None:
    limits = RunLimits(initial=5, incremental=5)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=limits) as world:
        twins = [record(1), record(1), record(2), record(2)]
        await world.vendors.crm.add([*twins, *(record(n) for n in range(3, 6))], at=DAYS_AGO)

        run = await world.sync()

        assert took(run) == (5, 0)
        outcomes = Counter(row.outcome for row in await world.report(run))
        assert outcomes == {Outcome.CREATED: 5, Outcome.HELD: 2}


async def test_nobody_is_overtaken_because_those_before_him_took_no_room(open_world: OpenWorld) -> None:
    """Who is to be made in the CRM is sought as far as the room reaches, and further when it reaches further."""
    async with open_world(view_criteria=CRITERIA, limits=RunLimits(initial=40, incremental=3)) as world:
        ids = await world.vendors.crm.add(
            [record(n, Title="Analyst", Lead_Source="Partner") for n in range(10)], at=DAYS_AGO
        )
        await world.sync()
        await world.pass_time(minutes=20)
        await world.sync()
        await world.pass_time(minutes=20)
        for one in ids[:3]:  # they leave the view, which takes no room
            await world.vendors.crm.edit(one, Lead_Source="Cold Call")
        await world.pass_time(seconds=2)
        await world.vendors.google.add([person(20)])
        await world.pass_time(seconds=2)
        await edited(world, ids[3:7])

        run = await world.sync()

        assert took(run) == (3, 2)
        assert writes(run) == {"writes.crm.create": 1, "writes.google.update": 2}
