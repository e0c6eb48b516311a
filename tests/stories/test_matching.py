"""Who is taken for whom before anybody is made: whatever the type of an address, on which side, and in what order."""

from __future__ import annotations

import pytest

from contactsync.domain.link import PairState
from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunState
from tests.stories.common import (
    CRITERIA,
    DAYS_AGO,
    address,
    book_sizes,
    google,
    job,
    outcomes,
    person,
    quiet,
    reasons,
    record,
    titles,
    writes,
)
from tests.support.story import OpenWorld
from tests.support.vendors import Json


def mails(**types: str) -> list[Json]:
    """Addresses of a Google person by type."""
    return [{"value": value, "type": kind} for kind, value in types.items()]


@pytest.mark.parametrize("first", ["home", "work"])
async def test_a_work_address_is_a_better_match_than_any_other(open_world: OpenWorld, first: str) -> None:
    """Two people of one address: the other one is asked about, whichever was there first."""
    async with open_world() as world:
        names = {}
        for kind in (first, "home" if first == "work" else "work"):
            [names[kind]] = await world.vendors.google.add([person(0, emailAddresses=mails(**{kind: address(0)}))])
            await world.pass_time(seconds=5)
        [record_id] = await world.vendors.crm.add([record(0)])

        run = await world.sync()

        assert not writes(run)
        assert (await world.pair(record_id)).google_id == names["work"]
        assert await reasons(world, run) == {Reason.AMBIGUOUS_MATCH: 1}
        await quiet(world)
        assert await book_sizes(world) == (1, 2)


async def test_a_private_address_finds_its_record_and_a_second_address_of_a_record_its_person(
    open_world: OpenWorld,
) -> None:
    """In the view and outside of it; nobody is made a second time."""
    async with open_world(view_criteria=CRITERIA) as world:
        partner = {"Lead_Source": "Partner"}
        inside = [record(0, **partner), record(1, Email="new1@example.org", Secondary_Email=address(1), **partner)]
        outside = [record(2), record(3, Email="new3@example.org", Secondary_Email=address(3))]
        records = await world.vendors.crm.add([*inside, *outside], at=DAYS_AGO)
        private = [person(n, emailAddresses=mails(home=address(n))) for n in (0, 2)]
        people = await world.vendors.google.add([*private, person(1), person(3)])

        run = await world.sync()

        assert await book_sizes(world) == (4, 4)
        linked = {pair.google_id: (pair.crm_id, pair.state) for pair in await world.pairs()}
        assert linked == {
            people[0]: (records[0], PairState.LINKED),
            people[1]: (records[2], PairState.DORMANT),
            people[2]: (records[1], PairState.LINKED),
            people[3]: (records[3], PairState.DORMANT),
        }
        assert await reasons(world, run) == {Reason.IN_CRM_OUTSIDE_VIEW: 2}
        await quiet(world)
        assert await book_sizes(world) == (4, 4)


async def test_of_several_records_outside_the_view_the_namesake_is_taken_else_the_oldest(open_world: OpenWorld) -> None:
    async with open_world(view_criteria=CRITERIA) as world:
        oldest, _ = await world.vendors.crm.add([record(0), record(0)], at=DAYS_AGO)
        other = record(1, First_Name="Ada1", Last_Name="King")
        _, namesake = await world.vendors.crm.add([other, record(1)], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0), person(1)])

        run = await world.sync()

        assert outcomes(run) == {"skipped": 2}
        assert [(await world.pair(one)).crm_id for one in people] == [oldest, namesake]
        await quiet(world)
        assert await book_sizes(world) == (4, 2)


async def test_of_several_people_outside_the_group_one_is_adopted_and_none_is_made(open_world: OpenWorld) -> None:
    async with open_world() as world:
        people = await world.vendors.google.add([person(0), person(0)], in_group=False)
        [record_id] = await world.vendors.crm.add([record(0)], at=DAYS_AGO)

        run = await world.sync()

        assert writes(run) == {"google.join_group": 1}
        assert (await world.pair(record_id)).google_id == min(people, key=lambda one: (len(one), one))
        await quiet(world)
        assert await book_sizes(world) == (1, 2)


async def test_who_gets_a_known_address_later_is_asked_about_and_not_made(open_world: OpenWorld) -> None:
    """A person who is in sync, and a stranger who takes on his address: on either side."""
    async with open_world() as world:
        await world.vendors.crm.add([record(0), record(1)], at=DAYS_AGO)
        await quiet(world)
        grace: Json = {
            "names": [{"givenName": "Grace", "familyName": "Hopper"}],
            "emailAddresses": mails(work=address(0)),
        }
        [stranger] = await world.vendors.google.add([grace])
        [rival] = await world.vendors.crm.add([record(1, First_Name="Grace", Last_Name="Hopper")])

        run = await world.sync()

        assert not writes(run)
        assert await reasons(world, run) == {Reason.POSSIBLE_DUPLICATE: 2}
        assert {(await world.pair(one)).held for one in (stranger, rival)} == {Reason.POSSIBLE_DUPLICATE}
        await world.vendors.google.edit(stranger, organizations=job("Admiral"))
        await quiet(world)
        assert await book_sizes(world) == (3, 3)
        assert (await google(world, stranger))["organizations"][0]["title"] == "Admiral"


async def test_a_source_person_outside_the_group_is_not_touched_until_he_is_put_into_it(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM) as world:
        [record_id] = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        [name] = await world.vendors.google.add([person(0, organizations=job("Countess"))], in_group=False)

        run = await world.sync()

        assert (run.state, outcomes(run)) == (RunState.SUCCEEDED, {"skipped": 1})
        assert await reasons(world, run) == {Reason.IN_GOOGLE_OUTSIDE_GROUP: 1}
        await quiet(world)
        await world.vendors.google.move(name, add=[world.vendors.google.group])
        assert writes(await world.sync()) == {"crm.update": 1}
        assert await titles(world, record_id, name) == ("Countess", "Countess")
        await quiet(world)
        assert await book_sizes(world) == (1, 1)


async def test_a_contact_that_never_was_in_sync_and_left_is_told_as_such(open_world: OpenWorld) -> None:
    """It stood in the group of a one-way source and was made by nobody; then it left the group."""
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        [name] = await world.vendors.google.add([person(0)])
        assert await reasons(world, await world.sync()) == {Reason.ONE_WAY: 1}
        await world.vendors.google.move(name, remove=[world.vendors.google.group])

        run = await world.sync()

        assert (run.state, outcomes(run)) == (RunState.SUCCEEDED, {"skipped": 1})
        assert await reasons(world, run) == {Reason.OUT_OF_SCOPE: 1}
        assert await book_sizes(world) == (0, 1)
