"""Records that the CRM does not show to the user any more: only the list of the deleted proves a deletion."""

from __future__ import annotations

import pytest

from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy
from contactsync.domain.reasons import Reason
from tests.stories.common import book_sizes, job, quiet, reasons, settled, titles, writes
from tests.support.story import OpenWorld, StoryWorld

pytestmark = pytest.mark.timeout(300)  # from outside, on a machine that is busy

PAIRS = 12


async def share(world: StoryWorld, record_id: str, *, with_user: bool) -> None:
    """Show the record to the user, or hide it from him; neither moves its time of modification."""
    await world.vendors.crm.mark(record_id, hidden_from=[] if with_user else [world.vendors.crm.user_id])


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_a_hidden_record_whose_person_is_edited_is_neither_made_again_nor_taken_for_deleted(
    open_world: OpenWorld, deletions: DeletePolicy
) -> None:
    async with open_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await share(world, records[3], with_user=False)
        await world.vendors.google.edit(people[3], organizations=job("Countess"))

        run = await world.sync()

        assert not writes(run)
        assert await reasons(world, run) == {Reason.NOT_SHOWN_BY_CRM: 1}
        for _ in range(2):
            await world.pass_time(hours=25)
            assert not writes(await world.sync())
        assert (await world.pair(people[3])).state is PairState.DORMANT
        assert await book_sizes(world) == (PAIRS, PAIRS)

        await share(world, records[3], with_user=True)
        await world.vendors.crm.edit(records[3], Phone="+44 113 496 0000")
        await world.sync()

        assert (await world.pair(people[3])).crm_id == records[3]
        assert await titles(world, records[3], people[3]) == ("Countess", "Countess")
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_a_hidden_record_whose_person_is_deleted_is_deleted_once_it_is_shown_again(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await share(world, records[3], with_user=False)
        await world.vendors.google.delete(people[3])

        run = await world.sync()

        assert not writes(run)
        assert await reasons(world, run) == {Reason.NOT_SHOWN_BY_CRM: 1}
        await share(world, records[3], with_user=True)
        await world.pass_time(hours=25)
        assert writes(await world.sync()) == {"crm.delete": 1}
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)


async def test_a_deleted_record_whose_person_is_edited_is_made_again_all_the_same(open_world: OpenWorld) -> None:
    """It was hidden first: only the list of the deleted tells what became of it."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await share(world, records[3], with_user=False)
        await world.vendors.google.edit(people[3], organizations=job("Countess"))
        assert not writes(await world.sync())
        await share(world, records[3], with_user=True)
        await world.vendors.crm.delete(records[3])

        assert writes(await world.sync()) == {"crm.create": 1}

        pair = await world.pair(people[3])
        assert await titles(world, pair.crm_id, people[3]) == ("Countess", "Countess")
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)
