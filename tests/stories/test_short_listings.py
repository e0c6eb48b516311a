"""A full listing that is much shorter than the last, as its user sees it: nobody is lost, and nothing else waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy
from contactsync.ports.state import RunMode
from tests.stories.common import CRITERIA, book_sizes, job, person, quiet, record, settled, titles, writes
from tests.stories.conftest import OpenOutside
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


@pytest.mark.parametrize("keep", [0.0, 0.9])
async def test_listings_that_hide_people_outside_the_group_make_none_of_them_twice(
    open_world: OpenWorld, keep: float
) -> None:
    """However often they do, and however few: whoever is found by name is there."""
    async with open_world() as world:
        people = await world.vendors.google.add([person(n) for n in range(PAIRS)], in_group=False)
        await world.sync()
        for _ in range(3):
            await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=keep, times=1)
            await world.sync(mode=RunMode.FULL)
        await world.vendors.crm.add([record(PAIRS - 1)])

        await world.sync()

        assert await book_sizes(world) == (1, PAIRS)
        [pair] = await world.pairs()
        assert (pair.google_id, pair.state) == (people[-1], PairState.LINKED)
        await quiet(world)


async def test_people_outside_the_group_who_are_gone_untold_are_forgotten(open_world: OpenWorld) -> None:
    async with open_world() as world:
        people = await world.vendors.google.add([person(n) for n in range(3)], in_group=False)
        await world.sync()
        await world.vendors.google.delete(people[0])
        await world.vendors.google.empty_trash()
        await world.sync(mode=RunMode.FULL)
        await world.vendors.google.control.clear_log()

        await world.sync(mode=RunMode.FULL)

        assert not (await world.vendors.google.control.calls())["people.getBatchGet"]
        await world.vendors.crm.add([record(0)])
        assert writes(await world.sync()) == {"google.create": 1}


async def test_a_person_whom_one_listing_shows_under_a_new_name_and_the_next_not_at_all_is_of_one_pair(
    open_world: OpenWorld,
) -> None:
    """The first of the two is doubted, so that he stands there twice: as his pair's, and as somebody new."""
    async with open_world() as world:
        records, people = await settled(world, PAIRS)
        renamed = await world.vendors.google.rename(people[0])
        for last in (people[1:], [renamed]):  # a listing shows last whoever changed last
            for name in last:
                await world.vendors.google.touch(name)
            await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=0.75, times=1)
            assert not writes(await world.sync(mode=RunMode.FULL))

        assert {pair.google_id for pair in await world.pairs() if pair.crm_id == records[0]} == {renamed}
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_an_edit_that_the_crm_tells_of_while_the_person_is_asked_for_by_name_is_kept(
    open_world: OpenWorld,
) -> None:
    """Both sides are read at the same time, and their pages meet in one pair."""
    async with open_world() as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await world.vendors.crm.edit(records[-1], Title="Countess")
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=0.95, times=1)
        await world.vendors.google.control.fault("people.getBatchGet", "slow", delay_s=0.6, times=1)
        await world.vendors.crm.control.fault(LISTS[Side.CRM], "slow", delay_s=0.3, times=1)

        run = await world.sync(mode=RunMode.FULL)

        assert writes(run) == {"google.update": 1}
        assert await titles(world, records[-1], people[-1]) == ("Countess", "Countess")


async def test_an_edit_that_google_tells_of_while_the_record_is_asked_for_by_its_id_is_kept(
    open_world: OpenWorld,
) -> None:
    """A record that the sync made and that the view has not shown yet is asked for."""
    async with open_world(view_criteria=CRITERIA) as world:
        [name] = await world.vendors.google.add([person(0, organizations=job("Analyst"))])
        await world.sync()
        made = str((await world.pair(name)).crm_id)
        await world.vendors.google.edit(name, organizations=job("Countess"))
        await world.vendors.crm.control.fault("contacts.list.ids", "slow", delay_s=0.6, times=1)
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "slow", delay_s=0.3, times=1)

        run = await world.sync(mode=RunMode.FULL)

        assert writes(run) == {"crm.update": 1}
        assert await titles(world, made, name) == ("Countess", "Countess")


async def test_somebody_outside_the_group_who_was_renamed_twice_is_one_when_asked_for_by_both_names(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        _, people = await settled(world, PAIRS)
        [first] = await world.vendors.google.add([person(PAIRS)], in_group=False)
        await world.sync()
        second = await world.vendors.google.rename(first)
        for name in people:
            await world.vendors.google.touch(name)
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=0.75, times=1)
        await world.sync(mode=RunMode.FULL)
        third = await world.vendors.google.rename(second)
        await world.vendors.google.move(third, add=[world.vendors.google.group])
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=0.75, times=1)

        run = await world.sync(mode=RunMode.FULL)

        assert writes(run) == {"crm.create": 1}
        await quiet(world)
        assert await book_sizes(world) == (PAIRS + 1, PAIRS + 1)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
async def test_a_first_listing_that_hides_members_of_the_group_makes_none_of_them_twice(
    open_world: OpenWorld, keep: float
) -> None:
    """It has no other to be compared with; but the group says how many it has, and who they are."""
    async with open_world() as world:
        records = await world.vendors.crm.add([record(n) for n in range(PAIRS)])
        people = await world.vendors.google.add([person(n) for n in range(PAIRS)])
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "short_listing", keep=keep, times=1)

        run = await world.sync()

        assert not writes(run)
        assert {(pair.crm_id, pair.google_id) for pair in await world.pairs()} == set(zip(records, people, strict=True))
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_a_first_listing_that_shows_fewer_than_it_says_it_has_is_read_again_before_anybody_is_made(
    open_world: OpenWorld,
) -> None:
    """Of people outside the group nobody else tells."""
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(PAIRS)])
        await world.vendors.google.add([person(n) for n in range(PAIRS)], in_group=False)
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "cut_listing", keep=0.5, times=2)

        run = await world.sync()

        assert writes(run) == {"google.join_group": PAIRS}
        assert await book_sizes(world) == (PAIRS, PAIRS)
        await quiet(world)


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_a_run_that_is_shown_fewer_than_there_are_waits_says_why_and_ends_when_all_are_shown(
    open_outside: OpenOutside,
) -> None:
    async with open_outside() as world:
        await world.vendors.crm.add([record(n) for n in range(PAIRS)])
        await world.vendors.google.add([person(n) for n in range(PAIRS)], in_group=False)
        await world.vendors.google.control.fault(LISTS[Side.GOOGLE], "cut_listing", keep=0.7)

        begun = await world.ask()

        waiting = await world.waiting(begun, "listing_cut_short")
        assert waiting["reason_text"]
        assert datetime.fromisoformat(waiting["wait_until"]) > world.clock.now()
        assert not await world.vendors.google.people(in_group=True)
        await world.vendors.google.control.clear_faults()
        assert writes(await world.ended(begun)) == {"google.join_group": PAIRS}


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
