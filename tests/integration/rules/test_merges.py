"""A renamed person whom a full listing shows as somebody new: what only the inside can bring about."""

from __future__ import annotations

from contactsync.domain.link import PairState
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


async def test_a_person_renamed_twice_while_listings_are_doubted_stays_one_pair() -> None:
    async with sync_world() as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.google.delete(*people[5:])
        new = await world.vendors.google.rename(people[3])
        await world.sync(mode=RunMode.FULL)  # too short to be believed: it shows somebody new, and nobody is gone
        new = await world.vendors.google.rename(new)

        run = await world.sync(mode=RunMode.FULL)

        assert run.state in {RunState.SUCCEEDED, RunState.PARTIAL}, run.reason
        assert (await world.pair(new)).crm.remote_id == records[3]
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, 5)


async def test_whoever_was_made_just_now_and_merged_into_another_pairs_person_is_not_made_again() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        [new] = await world.vendors.crm.add([record(50)])
        await world.sync()
        person = str((await world.pair(new)).google.remote_id)
        kept = str((await world.pair(records[3])).google.remote_id)
        await world.vendors.google.merge(kept, person)
        await world.vendors.crm.edit(new, Title="Countess")

        # That the full listing lacks him proves nothing so soon after he was made: the write finds that he is gone.
        await world.sync(mode=RunMode.FULL)
        await quiet(world)

        assert await book_sizes(world) == (PAIRS + 1, PAIRS)
        assert (await world.pair(new)).state is PairState.RELEASED
