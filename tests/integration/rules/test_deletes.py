"""Approved deletes whose run is killed, or that were shown under other settings; the other stories: `tests/stories`."""

from __future__ import annotations

import pytest

from contactsync.domain.actions import Action, possible
from contactsync.domain.contact import Side
from contactsync.domain.policy import DeletePolicy
from contactsync.ports.state import Run, RunMode, RunState
from tests.integration.rules.stories import address, book_sizes, job, quiet, settled, titles, writes
from tests.support.sync_states import Crash
from tests.support.sync_world import SyncWorld, sync_world

PAIRS = 12


async def braked(world: SyncWorld) -> tuple[list[str], list[str], Run]:
    """A run that found more deletes than a person would expect."""
    records, people = await settled(world, PAIRS, Title="Analyst")
    await world.vendors.crm.delete(*records[:6])
    return records, people, await world.sync()


async def approve(world: SyncWorld, run: Run) -> Run:
    return await world.sync(mode=RunMode.APPROVED_DELETES, trigger=f"approval:{run.run_id}")


@pytest.mark.parametrize("step", range(2, 24, 2))
async def test_an_approved_run_that_is_killed_anywhere_deletes_each_once_and_all_in_the_end(step: int) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, asked = await braked(world)
        world.crash = Crash(step)

        await approve(world, asked)

        assert (await world.books.run(world.settings, asked.run_id)).state is RunState.PARTIAL
        assert await book_sizes(world) == (PAIRS - 6, PAIRS - 6)
        await quiet(world)
        await world.answer(records[0], Action.RESTORE)
        await world.sync()
        back = [
            one["organizations"][0]["title"] for one in await world.vendors.google.people() if address(0) in str(one)
        ]
        assert back == ["Analyst"]
        assert people[0] not in {one["resourceName"] for one in await world.vendors.google.people()}


async def test_an_approval_of_what_was_shown_under_other_settings_deletes_nobody_and_all_is_asked_again() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        await world.configure(conflict_winner=Side.GOOGLE)

        assert not writes(await approve(world, asked))
        await world.sync()
        again = await world.sync()

        assert again.state is RunState.NEEDS_APPROVAL
        assert len(await world.vendors.google.people()) == PAIRS
        assert writes(await approve(world, again)) == {"google.delete": 6}


async def test_a_value_that_nobody_read_before_it_was_overwritten_is_not_given_back_as_a_blank() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 2, Title="Analyst")
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 1}
        await world.pass_time(minutes=20)
        await world.sync()

        pair = await world.pair(records[0])
        last = await world.books.answers.last_overwritten(world.settings.organisation_id, pair.link_id)
        assert Action.RESTORE not in possible(pair, world.settings.policy, last, world.clock.now())
        await world.answer(records[0], Action.RESTORE)
        assert not writes(await world.sync())

        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")
