"""A full listing that is much shorter than the last, as its user sees it: nobody is lost, and nothing else waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy
from contactsync.ports.state import RunMode
from tests.stories.common import book_sizes, job, person, quiet, record, settled, titles, writes
from tests.support.story import OpenWorld

pytestmark = pytest.mark.timeout(300)  # from outside, on a machine that is busy

PAIRS: Final = 16
LISTS: Final = {Side.CRM: "contacts.list.view", Side.GOOGLE: "people.connections.list"}


@pytest.mark.parametrize("side", Side)
async def test_a_listing_cut_short_deletes_releases_and_forgets_nobody(open_world: OpenWorld, side: Side) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await world.vendors.crm.delete(records[0])
        book = world.vendors.crm if side is Side.CRM else world.vendors.google
        await book.control.fault(LISTS[side], "short_listing", keep=0.5, times=1)
        if side is Side.GOOGLE:
            await world.vendors.crm.edit(records[-1], Title="Countess")
        else:
            await world.vendors.google.edit(people[-1], organizations=job("Countess"))

        run = await world.sync(mode=RunMode.FULL)

        # What was deleted waits, and all else goes on.
        assert writes(run) == {f"{side}.update": 1}
        assert {pair.state for pair in await world.pairs()} == {PairState.LINKED}
        assert await titles(world, records[-1], people[-1]) == ("Countess", "Countess")
        assert writes(await world.sync()) == {"google.delete": 1}
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)


async def test_a_listing_that_hides_people_outside_the_group_makes_none_of_them_twice(
    open_world: OpenWorld,
) -> None:
    """The group has nobody yet: of the account alone it can be told that the listing is too short."""
    async with open_world() as world:
        people = await world.vendors.google.add([person(n) for n in range(PAIRS)], in_group=False)
        await world.sync()
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=0.0, times=1)
        await world.sync(mode=RunMode.FULL)
        await world.vendors.crm.add([record(3)])

        await world.sync()

        assert await book_sizes(world) == (1, PAIRS)
        [pair] = await world.pairs()
        assert (pair.google_id, pair.state) == (people[3], PairState.LINKED)
        await quiet(world)


async def test_a_book_that_truly_shrank_is_read_again_by_itself_and_its_deletes_are_carried_over(
    open_world: OpenWorld,
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.google.delete(*people[:4])
        assert not writes(await world.sync(mode=RunMode.FULL))

        [second] = await world.carry_on(until=world.clock.now() + timedelta(minutes=30))

        assert writes(second) == {"crm.delete": 4}
        assert {one["id"] for one in await world.vendors.crm.records()} == set(records[4:])
