"""Groups and labels: complaints C21 to C24, C34, C46, C49."""

from __future__ import annotations

import pytest

from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunState
from tests.stories.common import (
    DAYS_AGO,
    address,
    book_sizes,
    google,
    job,
    person,
    record,
    settled,
    titles,
    writes,
)
from tests.stories.conftest import OpenOutside, outside
from tests.support.callers import RefusedError
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json, google_book


async def test_c21_made_contacts_are_members_and_membership_follows_the_policy(open_world: OpenWorld) -> None:
    """Who is put into the group by hand is made in the CRM; who is taken out stays on both sides, apart."""
    async with open_world() as world:
        records, people = await settled(world, 2)
        [record_id] = await world.vendors.crm.add([record(2)])
        await world.sync()
        made = (await world.pair(record_id)).google_id
        assert world.vendors.google.group in groups_of(await google(world, made))

        [by_hand] = await world.vendors.google.add([person(3)], in_group=False)
        assert not writes(await world.sync())
        await world.vendors.google.move(by_hand, add=[world.vendors.google.group])
        assert writes(await world.sync()) == {"crm.create": 1}
        await world.vendors.google.move(people[0], remove=[world.vendors.google.group])
        assert not writes(await world.sync())
        assert (await world.pair(records[0])).state is PairState.DORMANT
        assert world.vendors.google.group not in groups_of(await google(world, people[0]))
        await world.vendors.google.move(people[0], add=[world.vendors.google.group])
        await world.sync()
        assert (await world.pair(records[0])).state is PairState.LINKED
        assert await book_sizes(world) == (4, 4)


async def test_c22_a_contact_keeps_its_labels_its_star_and_my_contacts(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 1)
        labels = await labelled(world, people[0], "Chess", "Rowing", "Poets", "Club")
        for number in range(3):
            await world.pass_time(seconds=2)
            await world.vendors.crm.edit(records[0], Title=f"Analyst {number}")
            assert writes(await world.sync()) == {"google.update": 1}
        kept = {world.vendors.google.group, "contactGroups/myContacts", "contactGroups/starred", *labels}
        assert groups_of(await google(world, people[0])) == kept


async def test_x5_an_update_of_one_group_keeps_all_the_others(open_world: OpenWorld) -> None:
    """Also where the sync puts somebody into its group who has others."""
    async with open_world() as world:
        [name] = await world.vendors.google.add([person(0)], in_group=False)
        labels = await labelled(world, name, "Chess", "Rowing")
        await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        assert (await world.sync()).writes["google.join_group"] == 1
        kept = {world.vendors.google.group, "contactGroups/myContacts", "contactGroups/starred", *labels}
        assert groups_of(await google(world, name)) == kept


async def labelled(world: StoryWorld, name: str, *labels: str) -> list[str]:
    """New labels that the person has from now on, beside a star."""
    path = f"/accounts/{world.vendors.google.sub}/groups"
    made = [await world.vendors.google.control.call("POST", path, {"name": label}) for label in labels]
    groups = [str(one["resourceName"]) for one in made]
    await world.vendors.google.move(name, add=[*groups, "contactGroups/starred"])
    return groups


def groups_of(one: Json) -> set[str]:
    """The groups that the person is a member of."""
    return {each["contactGroupMembership"]["contactGroupResourceName"] for each in one["memberships"]}


async def test_c23_a_renamed_group_goes_on_and_a_deleted_one_pauses_and_deletes_nobody(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.google.rename_group("Clients")
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")
        await world.pass_time(hours=25)
        await world.vendors.google.delete_group()

        run = await world.sync()

        assert (run.state, run.reason) == (RunState.FAILED, Reason.GROUP_GONE)
        assert await book_sizes(world) == (20, 20)


@outside
async def test_c23_a_group_is_one_of_the_account_that_it_belongs_to(open_outside: OpenOutside) -> None:
    """Both accounts have a group of the same name; the id of one is none of the other's."""
    async with open_outside() as world:
        theirs = await google_book(world.vendors.google.control, "charles@example.com")
        colleague = await world.beside(group=world.vendors.google.group, colleague=theirs)
        await settled(world, 2)

        with pytest.raises(RefusedError) as refused:
            await colleague.save()

        assert [one["field"] for one in refused.value.problem["errors"]] == ["google_group"]
        assert await theirs.people() == []
        await colleague.configure(google_group=theirs.group)
        assert writes(await colleague.sync()) == {"google.create": 2}
        for book in (world.vendors.google, theirs):
            people = await book.people()
            assert [groups_of(one) for one in people] == [{"contactGroups/myContacts", book.group}] * 2


async def test_a_group_of_three_that_is_deleted_pauses_too(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await settled(world, 3)
        await world.vendors.google.delete_group()
        await world.pass_time(hours=25)
        run = await world.sync()
        assert (run.state, run.reason) == (RunState.FAILED, Reason.GROUP_GONE)


async def test_a_deleted_view_pauses_and_deletes_nobody(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20)
        await world.pass_time(hours=25)
        await world.vendors.crm.delete_view()
        run = await world.sync()
        assert (run.state, run.reason) == (RunState.FAILED, Reason.VIEW_GONE)
        assert await book_sizes(world) == (20, 20)


async def test_c24_made_people_are_in_my_contacts_and_in_the_group(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(3)], at=DAYS_AGO)
        await world.sync()
        for made in await world.vendors.google.people():
            assert groups_of(made) == {"contactGroups/myContacts", world.vendors.google.group}


async def test_c34_people_outside_the_group_are_never_read_into_the_crm(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        private = await world.vendors.google.add([person(n) for n in range(50, 60)], in_group=False)
        await world.sync()
        await world.vendors.google.edit(private[0], organizations=job("private"))
        await world.pass_time(hours=25)
        await world.sync()
        assert [one["Email"] for one in await world.vendors.crm.records()] == [address(0)]
        assert {pair.google_id for pair in await world.pairs()} & set(private) == set()


@outside
async def test_c46_everybody_of_a_system_group_enters_the_crm_only_when_that_is_said(open_outside: OpenOutside) -> None:
    async with open_outside(google_group="contactGroups/myContacts") as world:
        await world.vendors.google.add([person(n) for n in range(7)], in_group=False)
        with pytest.raises(RefusedError) as refused:
            await world.save()
        (error,) = refused.value.problem["errors"]
        assert (error["field"], error["code"]) == ("confirm_scope", "scope_not_confirmed")
        assert "7 people" in error["message"]
        assert await book_sizes(world) == (0, 7)

        await world.configure(confirm_scope=True)
        await world.sync()
        assert await book_sizes(world) == (7, 7)
