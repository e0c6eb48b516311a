"""What a person may ask of one pair, carried out by the next run."""

from __future__ import annotations

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from tests.stories.common import (
    DAYS_AGO,
    book_sizes,
    crm,
    google,
    job,
    outcomes,
    quiet,
    reasons,
    settled,
    titles,
    writes,
)
from tests.stories.conftest import OpenOutside
from tests.support.callers import RefusedError
from tests.support.story import OpenWorld, StoryWorld

pytestmark = pytest.mark.timeout(300)  # from outside, on a machine that is busy

EVE = {"First_Name": "Eve", "Last_Name": "Miller", "Email": "office@example.org"}
BOB = {
    "names": [{"givenName": "Bob", "familyName": "Carter"}],
    "emailAddresses": [{"value": "office@example.org", "type": "work"}],
}


async def doubtful(world: StoryWorld) -> tuple[str, str]:
    """A record and a person of one address and different names: both are held."""
    [record_id] = await world.vendors.crm.add([EVE], at=DAYS_AGO)
    [name] = await world.vendors.google.add([BOB])
    run = await world.sync()
    assert await reasons(world, run) == {Reason.POSSIBLE_DUPLICATE: 2}
    assert not writes(run)
    return record_id, name


async def test_kept_apart_two_people_of_one_address_are_each_made_on_the_other_side(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_id, _ = await doubtful(world)

        run = await world.answer(record_id, Action.KEEP_APART)

        assert writes(run) == {"google.create": 1, "crm.create": 1}
        assert await book_sizes(world) == (2, 2)
        await world.pass_time(days=2)
        assert not writes(await world.sync())


async def test_said_to_be_the_same_person_they_are_linked_and_nobody_is_made(open_world: OpenWorld) -> None:
    async with open_world(conflict_winner=Side.CRM) as world:
        record_id, name = await doubtful(world)

        run = await world.answer(record_id, Action.SAME_PERSON)

        assert writes(run) == {"google.update": 1}
        assert await book_sizes(world) == (1, 1)
        assert (await world.pair(record_id)).google_id == name
        assert (await google(world, name))["names"][0]["familyName"] == "Miller"


async def test_the_answer_may_be_given_at_either_side_of_the_doubt(open_world: OpenWorld) -> None:
    async with open_world(conflict_winner=Side.CRM) as world:
        record_id, name = await doubtful(world)

        await world.answer(name, Action.SAME_PERSON)

        assert await book_sizes(world) == (1, 1)
        assert (await world.pair(record_id)).google_id == name


async def test_the_second_record_of_an_address_kept_apart_is_made_too(open_world: OpenWorld) -> None:
    async with open_world() as world:
        first, second = await world.vendors.crm.add([EVE, {**EVE, "First_Name": "Bob", "Last_Name": "Carter"}])
        run = await world.sync()
        assert await reasons(world, run) == {Reason.POSSIBLE_DUPLICATE: 1}
        held = second if (await world.pair(second)).held else first

        await world.answer(held, Action.KEEP_APART)

        assert await book_sizes(world) == (2, 2)
        await world.pass_time(days=2)
        assert not writes(await world.sync())


async def test_an_excluded_pair_is_not_written_until_retry_and_then_merges_what_was_edited_meanwhile(
    open_world: OpenWorld,
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.answer(records[0], Action.EXCLUDE)
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.vendors.google.edit(people[0], biographies=[{"value": "met in Venice"}])

        run = await world.sync()

        assert not writes(run)
        assert outcomes(run) == {"skipped": 1, "unchanged": 2}
        assert await reasons(world, run) == {Reason.EXCLUDED: 1}

        await world.answer(records[0], Action.RETRY)
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")


async def test_a_deleted_record_of_an_excluded_pair_deletes_nobody(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12)
        await world.answer(records[0], Action.EXCLUDE)
        await world.vendors.crm.delete(records[0])

        assert not writes(await world.sync())
        assert await book_sizes(world) == (11, 12)


async def test_a_released_pair_is_brought_back_once(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.KEEP) as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.vendors.google.delete(people[1])
        assert not writes(await world.sync())
        assert (await world.pair(records[1])).state is PairState.RELEASED
        await world.vendors.crm.edit(records[1], Title="Countess")
        assert not writes(await world.sync())

        run = await world.answer(records[1], Action.BRING_BACK)

        assert writes(run) == {"google.create": 1}
        name = (await world.pair(records[1])).google_id
        assert await titles(world, records[1], name) == ("Countess", "Countess")
        await quiet(world)
        assert await book_sizes(world) == (3, 3)


async def test_bringing_back_is_not_offered_where_the_deleted_side_may_not_be_written(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM) as world:
        records, people = await settled(world, 1)
        await world.vendors.google.delete(people[0])
        await world.sync()

        pair = await world.pair(records[0])

        assert pair.state is PairState.RELEASED
        assert Action.BRING_BACK not in pair.actions


async def test_a_person_that_the_sync_deleted_is_restored_with_its_fields_and_its_group(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12, Title="Analyst", Phone="+44 113 496 0000")
        await world.vendors.crm.delete(records[4])
        assert writes(await world.sync()) == {"google.delete": 1}
        await world.pass_time(days=29)
        await world.sync()

        run = await world.answer(records[4], Action.RESTORE)

        assert writes(run) == {"google.create": 1}
        assert await book_sizes(world) == (11, 12)
        members = await world.vendors.google.people(in_group=True)
        [back] = [one for one in members if one["emailAddresses"][0]["value"] == "ada4@example.org"]
        assert back["organizations"][0]["title"] == "Analyst"
        assert back["phoneNumbers"][0]["value"] == "+44 113 496 0000"
        await quiet(world)
        assert await book_sizes(world) == (11, 12)
        assert (await world.pair(records[4])).state is PairState.RELEASED


async def test_a_record_that_the_sync_deleted_is_restored(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        await world.vendors.google.delete(people[4])
        assert writes(await world.sync()) == {"crm.delete": 1}

        await world.answer(records[4], Action.RESTORE)

        assert await book_sizes(world) == (12, 11)
        back = next(one for one in await world.vendors.crm.records() if one.get("Email") == "ada4@example.org")
        assert (back["Last_Name"], back["Title"]) == ("Byron4", "Analyst")
        await quiet(world)
        assert await book_sizes(world) == (12, 11)


async def test_a_value_that_lost_a_conflict_is_restored_and_travels_like_an_edit(open_world: OpenWorld) -> None:
    async with open_world(conflict_winner=Side.CRM) as world:
        records, people = await settled(world, 2, Title="Analyst")
        await world.vendors.crm.edit(records[0], Title="from the CRM")
        await world.vendors.google.edit(people[0], organizations=job("from Google"))
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("from the CRM", "from the CRM")

        run = await world.answer(records[0], Action.RESTORE)
        assert writes(run) == {"google.update": 1}
        await world.sync()

        assert await titles(world, records[0], people[0]) == ("from Google", "from Google")
        await quiet(world)


async def test_a_field_that_was_filled_is_emptied_again_when_that_is_undone(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 2)
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 1}
        await world.pass_time(minutes=20)
        await world.sync()

        assert writes(await world.answer(records[0], Action.RESTORE)) == {"crm.update": 1}
        await world.sync()

        assert await titles(world, records[0], people[0]) == (None, None)


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_c6_what_was_deleted_can_be_restored_for_thirty_days_and_no_longer(open_outside: OpenOutside) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12)
        await world.vendors.crm.delete(records[4])
        await world.sync()
        await world.pass_time(days=29)
        assert Action.RESTORE in (await world.pair(records[4])).actions

        await world.pass_time(days=2)

        assert Action.RESTORE not in (await world.pair(records[4])).actions
        link_id = (await world.pair(records[4])).link_id
        with pytest.raises(RefusedError) as refused:
            await world.api.post(f"{world.path}/contacts/{link_id}/actions", {"action": Action.RESTORE})
        assert refused.value.status == 409
        assert not writes(await world.sync())
        assert await book_sizes(world) == (11, 11)


async def test_retry_sends_a_refused_write_again_at_once(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, _ = await settled(world, 1)
        await world.vendors.crm.mark(records[0], locked=True)
        await world.vendors.crm.edit(records[0], Description="locked now")
        await world.sync()
        people = await world.vendors.google.people()
        await world.vendors.google.edit(people[0]["resourceName"], organizations=job("Countess"))
        await world.sync()
        assert (await crm(world, records[0])).get("Title") is None
        await world.vendors.crm.mark(records[0], locked=False)

        await world.answer(records[0], Action.RETRY)
        await world.sync()

        assert (await crm(world, records[0]))["Title"] == "Countess"
