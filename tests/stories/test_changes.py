"""Settings that change between runs, readings that cannot be trusted, answers that get lost on the way."""

from __future__ import annotations

import pytest

from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping
from contactsync.domain.policy import DeletePolicy, Direction
from tests.stories.common import book_sizes, job, quiet, settled, titles, writes
from tests.support.story import OpenWorld


async def test_a_person_that_is_made_again_without_an_answer_is_found_by_its_marker(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        await world.vendors.google.delete(people[3])
        await world.vendors.crm.edit(records[3], Title="Countess")
        await world.vendors.google.control.fault("people.batchCreateContacts", "cut_after", times=1)

        await world.sync()

        assert await book_sizes(world) == (12, 12)
        pair = await world.pair(records[3])
        assert pair.state is PairState.LINKED
        assert await titles(world, records[3], str(pair.google_id)) == ("Countess", "Countess")
        await quiet(world)


async def test_a_run_after_a_change_of_the_mapping_deletes_nothing_and_the_next_one_does(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12)
        await world.vendors.crm.delete(records[0])

        await world.configure(mapping=Mapping(row for row in world.mapping if row.crm_field != "Title"))

        assert await book_sizes(world) == (11, 12)
        assert writes(await world.sync()) == {"google.delete": 1}


@pytest.mark.parametrize("direction", Direction)
async def test_a_changed_direction_reads_in_full_and_writes_only_where_it_may(
    open_world: OpenWorld, direction: Direction
) -> None:
    async with open_world() as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.configure(direction=direction)
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))

        await world.sync()

        to_google, to_crm = direction is not Direction.GOOGLE_TO_CRM, direction is not Direction.CRM_TO_GOOGLE
        assert await titles(world, records[0], people[0]) == ("here", "here" if to_google else "Analyst")
        assert await titles(world, records[1], people[1]) == ("there" if to_crm else "Analyst", "there")
