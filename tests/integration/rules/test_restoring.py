"""What was overwritten is given back wherever its pair stands meanwhile."""

from __future__ import annotations

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from tests.integration.rules.stories import job, settled, titles
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


async def test_what_an_update_without_an_answer_replaced_can_be_had_back() -> None:
    async with sync_world(conflict_winner=Side.CRM) as world:
        records, people = await settled(world, 2, Title="Analyst")
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.vendors.google.edit(people[0], organizations=job("Engineer"))
        await world.vendors.google.control.fault("people.batchUpdateContacts", "cut_after", times=1)
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")

        await world.answer(records[0], Action.RESTORE)
        await world.sync()
        await world.sync()

        assert await titles(world, records[0], people[0]) == ("Engineer", "Engineer")
