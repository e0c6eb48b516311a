"""A renamed person whom a full listing shows as somebody new: what only the inside can bring about."""

from __future__ import annotations

from contactsync.domain.policy import DeletePolicy
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode, RunState
from tests.integration.rules.stories import address, book_sizes, job, quiet, record, settled, titles, writes
from tests.support.sync_world import sync_world

PAIRS = 12


async def test_a_renamed_person_read_by_the_former_name_takes_no_other_pairs_place() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await world.vendors.crm.edit(records[3], Title="Countess")
        await world.sync()
        # A full listing tells no former names: it shows somebody new; that the old name is absent proves nothing yet.
        new = await world.vendors.google.rename(people[3])
        await world.vendors.crm.delete(records[3])
        await world.configure()
        await world.sync()
        await world.vendors.google.edit(new, organizations=job("Engineer"))

        run = await world.sync()

        assert run.state in {RunState.SUCCEEDED, RunState.PARTIAL}, run.reason
        assert new in {one["resourceName"] for one in await world.vendors.google.people()}
        for _ in range(3):
            await world.pass_time(hours=25)
            await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)
        pair = await world.pair(new)
        assert await titles(world, str(pair.crm.remote_id), new) == ("Engineer", "Engineer")


async def test_a_renamed_person_read_by_the_former_name_keeps_the_address_under_another_label() -> None:
    async with sync_world() as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.google.edit(people[3], emailAddresses=[{"value": address(3), "type": "other"}])
        await world.vendors.google.rename(people[3])

        for _ in range(2):
            assert not {name for name in writes(await world.sync(mode=RunMode.FULL)) if "crm" in name}
            await world.pass_time(hours=25)

        emails = {one["id"]: one["Email"] for one in await world.vendors.crm.records()}
        assert emails[records[3]] == address(3)


async def test_an_edit_beats_a_delete_also_where_a_contact_made_anew_waits_to_be_filled() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE, limits=RunLimits(initial=20, incremental=2)) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        for one in records[:2]:  # they fill the run
            await world.vendors.crm.edit(one, Title="Engineer")
        await world.pass_time(seconds=2)
        # A colleague makes the person anew, without a title.
        await world.vendors.crm.delete(records[3])
        [anew] = await world.vendors.crm.add([record(3)])
        await world.sync()
        await world.vendors.google.edit(people[3], organizations=job("Countess"))
        await world.vendors.crm.delete(anew)

        await world.sync()
        await quiet(world)

        assert people[3] in {one["resourceName"] for one in await world.vendors.google.people()}
        pair = await world.pair(people[3])
        assert await titles(world, str(pair.crm.remote_id), people[3]) == ("Countess", "Countess")
