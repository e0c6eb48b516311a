"""Whoever is excluded stays so, whatever happens to his contacts: nothing is made or written for him until *retry*."""

from __future__ import annotations

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from tests.stories.common import DAYS_AGO, book_sizes, job, person, reasons, record, settled, titles, writes
from tests.support.inside import inside_world
from tests.support.story import OpenWorld, StoryWorld


async def excluded(world: StoryWorld, count: int = 1) -> tuple[str, str]:
    """The first of so many pairs in sync, which is excluded: record and person."""
    records, people = await settled(world, count, Title="Analyst")
    assert not writes(await world.answer(records[0], Action.EXCLUDE))
    return records[0], people[0]


async def nothing_is_written(world: StoryWorld) -> None:
    """Not now, not when a claim of the address has lapsed, and not by a full reading."""
    for _ in range(3):
        assert not writes(await world.sync())
        await world.pass_time(hours=13)


@pytest.mark.parametrize("policy", [DeletePolicy.KEEP, DeletePolicy.PROPAGATE])
async def test_the_record_of_somebody_excluded_made_again_makes_no_second_person(
    open_world: OpenWorld, policy: DeletePolicy
) -> None:
    async with open_world(deletions=policy) as world:
        record_id, name = await excluded(world, 12)
        await world.vendors.crm.delete(record_id)
        await nothing_is_written(world)

        [again] = await world.vendors.crm.add([record(0, Title="Countess")])

        await nothing_is_written(world)
        assert await book_sizes(world) == (12, 12)
        pair = await world.pair(again)
        assert (pair.google_id, pair.excluded) == (name, True)
        assert writes(await world.answer(again, Action.RETRY)) == {"google.update": 1}
        assert await titles(world, again, name) == ("Countess", "Countess")


@pytest.mark.parametrize("policy", [DeletePolicy.KEEP, DeletePolicy.PROPAGATE])
async def test_a_person_excluded_and_made_again_makes_no_second_record(
    open_world: OpenWorld, policy: DeletePolicy
) -> None:
    async with open_world(deletions=policy) as world:
        record_id, name = await excluded(world, 12)
        await world.vendors.google.delete(name)
        await nothing_is_written(world)

        [again] = await world.vendors.google.add([person(0, organizations=job("Countess"))])

        await nothing_is_written(world)
        assert await book_sizes(world) == (12, 12)
        pair = await world.pair(record_id)
        assert (pair.google_id, pair.excluded) == (again, True)
        assert writes(await world.answer(record_id, Action.RETRY)) == {"crm.update": 1}
        assert await titles(world, record_id, again) == ("Countess", "Countess")


@pytest.mark.parametrize("direction", [Direction.CRM_TO_GOOGLE, Direction.GOOGLE_TO_CRM])
@pytest.mark.parametrize("lost", list(Side))
async def test_in_one_direction_nobody_is_made_for_somebody_excluded_either(direction: Direction, lost: Side) -> None:
    async with inside_world(direction=direction, deletions=DeletePolicy.PROPAGATE) as world:
        record_id, name = await excluded(world)
        if lost is Side.CRM:
            await world.vendors.crm.delete(record_id)
            await nothing_is_written(world)
            await world.vendors.crm.add([record(0)])
        else:
            await world.vendors.google.delete(name)
            await nothing_is_written(world)
            await world.vendors.google.add([person(0)])

        await nothing_is_written(world)

        assert await book_sizes(world) == (1, 1)


async def test_both_contacts_of_somebody_excluded_deleted_and_made_again_are_left_alone_until_retry(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        record_id, name = await excluded(world)
        await world.vendors.crm.delete(record_id)
        await world.vendors.google.delete(name)
        await nothing_is_written(world)

        [record_id] = await world.vendors.crm.add([record(0, Title="Countess")])
        await nothing_is_written(world)
        assert await book_sizes(world) == (1, 0)
        [name] = await world.vendors.google.add([person(0)])
        await nothing_is_written(world)

        assert (await world.pair(record_id)).google_id == name
        assert writes(await world.answer(record_id, Action.RETRY)) == {"google.update": 1}


async def test_a_record_excluded_before_it_had_a_person_is_not_written_when_the_person_appears(
    open_world: OpenWorld,
) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM, conflict_winner=Side.GOOGLE) as world:
        [record_id] = await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        await world.sync()
        await world.answer(record_id, Action.EXCLUDE)
        await world.vendors.google.add([person(0, organizations=job("Countess"))])

        await nothing_is_written(world)

        pair = await world.pair(record_id)
        assert (pair.state, pair.reason, pair.excluded) == (PairState.LINKED, Reason.EXCLUDED, True)
        assert pair.actions == {Action.RETRY}
        assert writes(await world.answer(record_id, Action.RETRY)) == {"crm.update": 1}


async def test_a_second_record_of_somebody_excluded_is_asked_about_and_not_made(open_world: OpenWorld) -> None:
    async with open_world() as world:
        [record_id] = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        await world.vendors.google.control.settings(max_contact_bytes=1)
        await world.sync()
        await world.answer(record_id, Action.EXCLUDE)
        await world.vendors.google.control.settings(max_contact_bytes=131072)
        await world.vendors.crm.add([record(0)])

        told = await reasons(world, await world.sync())
        assert told.pop(Reason.POSSIBLE_DUPLICATE) == 1
        assert told.keys() <= {Reason.EXCLUDED}, "whoever stays excluded is listed from outside"

        await nothing_is_written(world)
        assert await book_sizes(world) == (2, 0)
