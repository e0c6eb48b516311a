"""A database that was lost, or restored from an older copy: all is linked again, nobody is made or deleted."""

from __future__ import annotations

import pytest

from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy
from tests.stories.common import DAYS_AGO, book_sizes, job, outcomes, person, quiet, record, settled, titles, writes
from tests.support.story import OpenWorld


async def test_a_database_that_was_lost_links_everything_again_and_creates_and_deletes_nothing(
    open_world: OpenWorld,
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20, Title="Analyst")

        await world.lose_database()
        run = await world.sync()

        assert not writes(run)
        assert outcomes(run) == {"linked": 20}
        await quiet(world)
        assert await book_sizes(world) == (20, 20)


async def test_contacts_without_an_address_are_found_again_by_name_and_phone(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        numbers = [{"value": "+44 113 496 0000", "type": "mobile"}]
        await world.vendors.crm.add(
            [{"First_Name": f"Ada{n}", "Last_Name": f"Byron{n}", "Mobile": f"+44 113 496 000{n}"} for n in range(3)],
            at=DAYS_AGO,
        )
        await world.vendors.google.add(
            [{"names": [{"givenName": "Eve", "familyName": "Lane"}], "phoneNumbers": numbers}]
        )
        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (4, 4)

        await world.lose_database()

        assert not writes(await world.sync())
        await quiet(world)
        assert await book_sizes(world) == (4, 4)


@pytest.mark.timeout(120)
async def test_a_database_restored_from_an_older_copy_links_everything_again_and_creates_and_deletes_nobody(
    open_world: OpenWorld,
) -> None:
    """Since the copy: people made on both sides, edits carried over, a contact deleted, a person renamed."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        restore = await world.back_up()
        await world.vendors.crm.add([record(n) for n in range(20, 24)])
        await world.vendors.google.add([person(n) for n in range(30, 33)])
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))
        await world.vendors.google.rename(people[2])
        await world.vendors.crm.delete(records[3])
        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (18, 18)

        await restore()
        run = await world.sync()

        assert not writes(run)
        await quiet(world)
        assert await book_sizes(world) == (18, 18)
        living = [pair for pair in await world.pairs() if pair.state is not PairState.GONE]
        assert [pair.state for pair in living] == [PairState.LINKED] * 18
        assert await titles(world, records[0], people[0]) == ("here", "here")
        assert await titles(world, records[1], people[1]) == ("there", "there")
