"""Merges: complaints C27, C28."""

from __future__ import annotations

import pytest

from contactsync.domain.policy import DeletePolicy
from contactsync.domain.reasons import Reason
from tests.stories.common import book_sizes, crm, job, person, quiet, reasons, record, settled, writes
from tests.support.story import OpenWorld


@pytest.mark.parametrize("survivor_in_group", [True, False])
async def test_c27_a_merge_keeps_the_record_its_id_and_what_is_not_mapped(
    open_world: OpenWorld,
    survivor_in_group: bool,  # noqa: FBT001
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Lead_Source="Partner", Description="ten years of history")
        [survivor] = await world.vendors.google.add(
            [person(3, organizations=job("Countess"))], in_group=survivor_in_group
        )
        await world.vendors.google.merge(survivor, people[3])

        run = await world.sync()

        assert not [name for name in writes(run) if "delete" in name or "create" in name]
        assert (await world.pair(records[3])).google_id == survivor
        here = await crm(world, records[3])
        assert (here["Lead_Source"], here["Description"]) == ("Partner", "ten years of history")
        await quiet(world)
        assert {one["id"] for one in await world.vendors.crm.records()} == set(records)


async def test_c27_a_merge_in_the_crm_keeps_the_surviving_record_and_its_data(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Lead_Source="Partner", Title="Analyst")
        [survivor] = await world.vendors.crm.add([record(3, Title="Analyst", Lead_Source="Trade Show")])
        await world.vendors.crm.merge(survivor, records[3])

        await world.sync()
        await quiet(world)

        assert (await world.pair(people[3])).crm_id == survivor
        assert (await crm(world, survivor))["Lead_Source"] == "Trade Show"
        assert await book_sizes(world) == (12, 12)


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_c28_after_a_merge_on_google_nobody_is_made_again_and_the_report_tells(
    open_world: OpenWorld, deletions: DeletePolicy
) -> None:
    async with open_world(deletions=deletions) as world:
        records, people = await settled(world, 12)
        await world.vendors.google.merge(people[4], people[3])

        run = await world.sync()

        assert (await reasons(world, run))[Reason.MERGED] == 1
        for _ in range(4):
            assert not [name for name in writes(run) if "delete" in name or "create" in name]
            await world.pass_time(days=2)
            run = await world.sync()
        assert await book_sizes(world) == (12, 11)
        assert {one["id"] for one in await world.vendors.crm.records()} == set(records)
