"""Another program that writes the same fields: three times to and fro, then the pair is held until a person acts."""

from __future__ import annotations

from contactsync.domain.actions import Action
from contactsync.domain.reasons import Reason
from tests.stories.common import google, job, reasons, settled, titles, writes
from tests.support.story import OpenWorld, StoryWorld


async def tug(world: StoryWorld, record_id: str, name: str, times: int) -> None:
    """A person sets a title in the CRM; something on Google sets it back, each time a run after the other."""
    for number in range(times):
        await world.pass_time(minutes=10)
        if number % 2:
            await world.vendors.google.edit(name, organizations=job("old"))
        else:
            await world.vendors.crm.edit(record_id, Title="new")
        await world.sync()


async def test_a_field_that_flips_three_times_a_day_is_held_and_all_else_goes_on(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 2, Title="old")
        await world.pass_time(days=2)
        await tug(world, records[0], people[0], 3)
        assert await titles(world, records[0], people[0]) == ("new", "new")
        await world.pass_time(minutes=10)
        await world.vendors.google.edit(people[0], organizations=job("old"))
        await world.vendors.crm.edit(records[1], Title="new")

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert await reasons(world, run) == {Reason.ANOTHER_PROGRAM_WRITES: 1}
        assert await titles(world, records[0], people[0]) == ("new", "old")
        await world.answer(records[0], Action.RETRY)
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("old", "old")


async def test_edits_of_a_person_are_no_flipping(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 1, Title="old")
        for title in ("a", "b", "c", "a", "d"):
            await world.pass_time(minutes=10)
            await world.vendors.crm.edit(records[0], Title=title)
            await world.sync()
            assert (await google(world, people[0]))["organizations"][0]["title"] == title


async def test_to_and_fro_over_several_days_is_no_flipping(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 1, Title="old")
        for _ in range(3):
            await world.pass_time(hours=25)
            await tug(world, records[0], people[0], 2)
            assert not await reasons(world, await world.sync())
