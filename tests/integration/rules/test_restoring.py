"""What was overwritten is given back wherever its pair stands meanwhile."""

from __future__ import annotations

from contactsync.domain.actions import Action
from contactsync.domain.link import PairState
from tests.integration.rules.stories import settled, titles
from tests.support.sync_world import sync_world

PARTNERS = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}


async def test_a_pair_that_comes_back_into_the_view_while_values_are_restored_is_in_sync_again() -> None:
    async with sync_world(view_criteria=PARTNERS) as world:
        records, people = await settled(world, 2, Title="Analyst", Lead_Source="Partner")
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.sync()
        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(records[0], Lead_Source="Cold Call")
        await world.pass_time(minutes=20)
        await world.sync()
        assert (await world.pair(records[0])).state is PairState.DORMANT

        await world.vendors.crm.edit(records[0], Lead_Source="Partner")
        await world.answer(records[0], Action.RESTORE)
        await world.pass_time(minutes=1)
        await world.sync()
        await world.sync()

        assert (await world.pair(records[0])).state is PairState.LINKED
        assert await titles(world, records[0], people[0]) == ("Analyst", "Analyst")
