"""Several configurations that share contacts: one record and one person each, members of every group."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from contactsync.domain.ids import ConfigId, GroupId
from contactsync.domain.link import PairState
from contactsync.ports.state import RunMode
from tests.integration.rules.stories import DAYS_AGO, book_sizes, job, person, record, titles, writes
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import google_book


async def second_configuration(world: SyncWorld) -> str:
    """Go on as another configuration of the same user: the same view, another group, whose name is returned."""
    path = f"/accounts/{world.vendors.google.sub}/groups"
    group = str((await world.vendors.google.control.call("POST", path, {"name": "Second"}))["resourceName"])
    await world.pass_time(seconds=2)
    world.settings = replace(world.settings, config_id=ConfigId(uuid4()), group_id=GroupId(group))
    await world.books.put(world.settings)
    return group


async def test_contacts_of_two_configurations_exist_once() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        first = world.settings
        await second_configuration(world)

        await world.sync()
        await world.sync()

        assert await book_sizes(world) == (5, 5)
        world.settings = first
        await world.pass_time(minutes=20)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (5, 5)


async def test_each_configuration_sees_to_its_own_group() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        group = await second_configuration(world)

        await world.sync()

        members = [
            one
            for one in await world.vendors.google.people()
            if group in {m["contactGroupMembership"]["contactGroupResourceName"] for m in one["memberships"]}
        ]
        assert len(members) == 5


async def test_edits_cross_once_whichever_configuration_runs_first() -> None:
    async with sync_world() as world:
        records = await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0, organizations=job("Analyst"))])
        await world.sync()
        first = world.settings
        group = await second_configuration(world)
        second = world.settings
        await world.vendors.google.move(people[0], add=[group])
        await world.sync()
        for number, (one, other) in enumerate([(first, second), (second, first), (second, first)]):
            await world.pass_time(minutes=20)
            await world.vendors.crm.edit(records[0], Title=f"title {number}")
            written = 0
            for settings in (one, other, one, other):
                world.settings = settings
                written += sum(writes(await world.sync()).values())
                await world.pass_time(seconds=2)
            assert written == 1
            assert await titles(world, records[0], people[0]) == (f"title {number}",) * 2


async def test_a_person_of_two_users_is_made_once_in_the_crm_though_both_are_about_to() -> None:
    """The first one's create got no answer and is sent again later; meanwhile the second one finds nobody there."""
    async with sync_world() as world:
        mine, theirs = world.vendors.google, await google_book(world.vendors.google.control, "charles@example.com")
        first, second = world.settings, await world.add_colleague(theirs)
        for book in (mine, theirs):
            await book.add([person(0)])
        await world.vendors.crm.control.fault("contacts.insert", "cut_before", times=1)
        now = world.clock.now()
        asked = await world.books.requests.request(first.organisation_id, first.config_id, RunMode.SYNC, "user", now)
        await world.work_due()
        assert (await world.books.run_row(first, asked.run_id)).reason == "outcome_unknown"

        world.settings = second
        meanwhile = await world.sync()

        assert (writes(meanwhile), meanwhile.counts["waiting"]) == ({}, 1)
        assert await world.vendors.crm.records() == []
        world.settings = first
        assert writes(await world.until_ended(asked.run_id)) == {"crm.create": 1}
        await world.pass_time(minutes=20)
        world.settings = second
        assert not writes(await world.sync())
        (link,) = await world.links()
        (made,) = await world.vendors.crm.records()
        assert (link.state, link.crm.remote_id) == (PairState.LINKED, made["id"])
