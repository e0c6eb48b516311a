"""A first run, from the vendors' side: what is in both address books afterwards, and how many calls it took."""

from __future__ import annotations

from contactsync.domain.policy import Direction
from contactsync.ports.state import RunState
from tests.support.sync_world import sync_world


async def test_records_of_the_view_are_created_in_the_group_and_in_my_contacts() -> None:
    async with sync_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.populate(450, at="2026-01-05T10:00:00+00:00")

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert run.counts["created"] == 450
        people = await world.vendors.google.people(in_group=True)
        assert len(people) == 450
        assert len(await world.vendors.google.people()) == 450
