"""Settings that change between runs, readings that cannot be trusted, answers that get lost on the way."""

from __future__ import annotations

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.state import RunState
from tests.stories.common import (
    DAYS_AGO,
    add_group,
    book_sizes,
    crm,
    google,
    job,
    members_of,
    quiet,
    record,
    settled,
    titles,
    writes,
)
from tests.stories.conftest import OpenOutside
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json


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


# --- winner and mapping -----------------------------------------------------------------------------------------------


async def test_another_winner_changes_nothing_by_itself_and_decides_from_then_on(open_world: OpenWorld) -> None:
    async with open_world(conflict_winner=Side.CRM) as world:
        (record_id,), (name,) = await settled(world, 1, Title="Analyst")
        await world.configure(conflict_winner=Side.GOOGLE)

        assert not writes(await world.sync())
        await world.vendors.crm.edit(record_id, Title="here")
        await world.vendors.google.edit(name, organizations=job("there"))
        assert writes(await world.sync()) == {"crm.update": 1}

        assert await titles(world, record_id, name) == ("there", "there")
        await quiet(world)


async def test_a_row_moved_to_another_google_field_leaves_the_old_one_and_keeps_the_new_one(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        records, people = await settled(world, 2, Title="Analyst")
        moved = MappingRow("Title", GooglePath("user_defined", "Role"))
        await world.vendors.google.edit(people[1], userDefined=[{"key": "Role", "value": "Countess"}])
        await world.configure(mapping=Mapping([*(r for r in world.mapping if r.crm_field != "Title"), moved]))
        await world.sync()

        shown = [await google(world, name) for name in people]
        assert [one["organizations"][0]["title"] for one in shown] == ["Analyst", "Analyst"]
        own = [[(entry["key"], entry["value"]) for entry in one["userDefined"]] for one in shown]
        assert own == [[("Role", "Analyst")]] * 2
        await quiet(world)
        await world.vendors.google.edit(people[0], userDefined=[{"key": "Role", "value": "Engineer"}])
        await world.vendors.google.edit(people[1], organizations=job("unmapped"))
        assert writes(await world.sync()) == {"crm.update": 1}
        assert (await crm(world, records[0]))["Title"] == "Engineer"
        assert (await crm(world, records[1]))["Title"] == "Analyst"


# --- made again -------------------------------------------------------------------------------------------------------


def nameless(number: int) -> tuple[Json, Json]:
    """Somebody without an address, as a record and as a person."""
    phone = f"020 7946 00{number:02}"
    return (
        {"First_Name": "Mary", "Last_Name": f"Fairfax{number}", "Phone": phone},
        {
            "names": [{"givenName": "Mary", "familyName": f"Fairfax{number}"}],
            "phoneNumbers": [{"value": phone, "type": "work"}],
        },
    )


async def test_a_configuration_made_again_finds_every_pair_and_carries_what_was_edited_meanwhile(
    open_world: OpenWorld,
) -> None:
    """With an address and without; both edits of one pair cross, as its base is still known."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as old:
        await old.vendors.crm.add([record for record, _ in map(nameless, range(3))], at=DAYS_AGO)
        records, people = await settled_beside(old, 3)
        again = await old.made_again()
        await again.vendors.crm.edit(records[0], Department="Engines")
        await again.vendors.google.edit(people[0], organizations=job("Countess"))
        await again.vendors.crm.edit(records[1], Title="here")
        await again.vendors.google.edit(people[1], organizations=job("there"))

        run = await again.sync()

        assert run.outcomes == {"updated": 2, "unchanged": 4}
        assert await book_sizes(again) == (6, 6)
        assert await titles(again, records[0], people[0]) == ("Countess", "Countess")
        assert (await google(again, people[0]))["organizations"][0]["department"] == "Engines"
        assert await titles(again, records[1], people[1]) == ("here", "here")
        await quiet(again)


async def settled_beside(world: StoryWorld, count: int) -> tuple[list[str], list[str]]:
    """So many pairs with addresses and a title, in sync beside others: record ids and person names by number."""
    records = await world.vendors.crm.add([record(n, Title="Analyst") for n in range(count)], at=DAYS_AGO)
    await quiet(world)
    return records, [(await world.pair(one)).google_id for one in records]


async def test_a_deletion_while_there_was_no_configuration_is_not_carried_out_by_the_new_one(
    open_world: OpenWorld,
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as old:
        records, people = await settled(old, 12)
        again = await old.made_again()
        await again.vendors.crm.delete(records[0])
        await again.vendors.google.delete(people[1])

        for _ in range(3):
            run = await again.sync()
            assert (run.state, writes(run), run.counts["waiting"]) == (RunState.SUCCEEDED, {}, 0)
            await again.pass_time(minutes=20)

        assert await book_sizes(again) == (11, 11)
        for name in people[0], records[1]:
            assert (await again.pair(name)).state is PairState.RELEASED
        await again.vendors.crm.add([record(0)])
        await again.sync()
        assert (await again.pair(people[0])).state is PairState.LINKED
        assert await book_sizes(again) == (12, 11)


# --- another view, another group, a grant that ends -------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_another_view_leaves_who_is_not_in_it_and_comes_back_without_doubles(open_outside: OpenOutside) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 4, Title="Analyst")
        first, other = world.vendors.crm.view, await second_view(world, "Countess")
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.sync()
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([record(9, Title="Countess")], at=DAYS_AGO)

        await world.configure(crm_view_id=other)
        await world.pass_time(minutes=20)
        await world.vendors.crm.edit(records[1], Department="Engines")
        await world.sync()

        assert await book_sizes(world) == (5, 5)
        assert "department" not in (await google(world, people[1]))["organizations"][0]
        await world.configure(crm_view_id=first)
        await world.sync()
        assert await book_sizes(world) == (5, 5)
        assert (await google(world, people[1]))["organizations"][0]["department"] == "Engines"
        await quiet(world)


async def second_view(world: StoryWorld, title: str) -> str:
    """A list view of the records with this title."""
    book = world.vendors.crm
    criteria = {"comparator": "equal", "field": {"api_name": "Title"}, "value": title}
    body = {"name": "Second", "criteria": criteria, "owner": book.user_id}
    return str((await book.control.call("POST", f"/organisations/{book.zgid}/views", body))["id"])


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_another_group_takes_everybody_in_and_doubles_and_takes_out_nobody(open_outside: OpenOutside) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 4, Title="Analyst")
        group = await add_group(world)

        await world.configure(google_group=group)
        await world.sync()

        for one in (group, world.vendors.google.group):
            assert sorted(await members_of(world, one)) == sorted(people)
        assert await book_sizes(world) == (4, 4)
        await quiet(world)
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 1}
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")


@pytest.mark.postgres
@pytest.mark.rabbitmq
@pytest.mark.parametrize("provider", ["zoho", "google"])
async def test_what_was_edited_while_an_account_was_disconnected_crosses_when_it_is_connected_again(
    open_outside: OpenOutside, provider: str
) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.api.send("DELETE", f"/v1/connections/{provider}")
        assert (await world.configuration())["paused_reason"] == "disconnected"
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))

        await world.product.connect(world.api, world.vendors.crm, world.vendors.google)
        await world.sync()

        assert await titles(world, records[0], people[0]) == ("here", "here")
        assert await titles(world, records[1], people[1]) == ("there", "there")
        assert await book_sizes(world) == (3, 3)
        await quiet(world)
