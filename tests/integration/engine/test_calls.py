"""The data calls of whole runs, beside the least that the vendors' limits allow (benchmarks/ plays them at full size).

Zoho: 200 records a page, 100 a write, 50 names a question. Google: 1,000 people a page, 200 a batch.
"""

from __future__ import annotations

from math import ceil

from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.requests import RunLimits
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_first_run import DAYS_AGO, data_calls, person, record, writes
from tests.integration.engine.test_limits import settled
from tests.support.sync_world import SyncWorld


async def test_a_first_one_way_run_pages_once_and_writes_in_full_batches(open_world: OpenWorld) -> None:
    """A, scaled: 401 contacts; one over the limit of a batch waits and costs a page of the view, no batch."""
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=RunLimits(initial=400)) as world:
        await world.vendors.crm.add([record(n) for n in range(401)], at=DAYS_AGO)

        first, second = await world.sync(), await world.sync()

        assert writes(first) == {"writes.google.create": 400}
        assert data_calls(first) == ceil(401 / 200) + 1 + 400 // 200
        assert writes(second) == {"writes.google.create": 1}


async def test_a_first_two_way_run_seeks_by_name_what_only_google_knows(open_world: OpenWorld) -> None:
    """B, scaled: the view, the account, creates on both sides, and one question for each 50 addresses."""
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(250)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(250, 500)])

        run = await world.sync()

        assert writes(run) == {"writes.google.create": 250, "writes.crm.create": 250}
        assert data_calls(run) == ceil(250 / 200) + 1 + ceil(250 / 50) + ceil(250 / 200) + ceil(250 / 100)


async def test_pairs_that_are_equal_already_cost_two_listings_and_nothing_else(open_world: OpenWorld) -> None:
    """C, scaled: those who will find each other are not sought."""
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(410)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(410)])

        run = await world.sync()

        assert run.counts["linked"] == 410
        assert data_calls(run) == ceil(410 / 200) + 1


async def test_edits_in_the_crm_cost_their_pages_one_question_and_their_batches(open_world: OpenWorld) -> None:
    """D, scaled: 210 edits."""
    async with open_world() as world:
        ids = await settled(world, 220)
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in ids[:210]})

        run = await world.sync()

        assert writes(run) == {"writes.google.update": 210}
        assert data_calls(run) == (2 + 1 + 1) + 1 + 2 * ceil(210 / 200)


async def test_new_edited_and_deleted_records_cost_their_pages_and_batches(open_world: OpenWorld) -> None:
    """E, scaled below the brake: each victim, and the record that is its reason, is read again before its delete."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        ids = await settled(world, 60)
        await world.vendors.crm.add([record(n) for n in range(100, 110)])
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in ids[:20]})
        await world.vendors.crm.delete(*ids[20:25])

        run = await world.sync()

        assert writes(run) == {"writes.google.create": 10, "writes.google.update": 20, "writes.google.delete": 5}
        assert data_calls(run) == (1 + 1 + 1) + 1 + (1 + 2) + (1 + 1 + 1)


async def test_edits_on_both_sides_share_the_readings(open_world: OpenWorld) -> None:
    """F, scaled: 30 edits on each side."""
    async with open_world() as world:
        ids = await settled(world, 60)
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in ids[:30]})
        await edit_people(world, {f"ada{n}@example.org" for n in range(30, 60)})

        run = await world.sync()

        assert writes(run) == {"writes.google.update": 30, "writes.crm.update": 30}
        assert data_calls(run) == (1 + 1 + 1) + 1 + 2 + 1


async def edit_people(world: SyncWorld, wanted: set[str]) -> None:
    """People with these addresses get a title."""
    people = await world.vendors.google.people()
    chosen = [one["resourceName"] for one in people if one["emailAddresses"][0]["value"] in wanted]
    title = {"organizations": [{"title": "Engineer", "type": "work"}]}
    await world.vendors.google.edit_many(dict.fromkeys(chosen, title))


async def test_nothing_new_costs_three_calls(open_world: OpenWorld) -> None:
    """G."""
    async with open_world() as world:
        await settled(world, 60)

        run = await world.sync()

        assert (data_calls(run), writes(run)) == (3, {})
