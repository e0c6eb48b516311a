"""Several configurations that share contacts: one record and one person each, members of every group."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from contactsync.domain.ids import ConfigId, GroupId
from tests.integration.rules.stories import DAYS_AGO, book_sizes, job, person, record, titles, writes
from tests.support.sync_world import SyncWorld, sync_world


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
