"""A field that the CRM does not show any more looks like one that everybody emptied; nothing may follow from that."""

from __future__ import annotations

import pytest

from contactsync.domain.policy import Direction
from contactsync.ports.state import RunState
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_every_field import map_everything
from tests.integration.engine.test_first_run import DAYS_AGO, record, writes
from tests.support.sync_world import SyncWorld


async def take_away(world: SyncWorld, field: str, how: str) -> None:
    """An administrator hides the field from the user's profile, or deletes it."""
    crm = world.vendors.crm
    path = f"/organisations/{crm.zgid}/fields/Contacts/{field}"
    if how == "hidden":
        await crm.control.call("PATCH", path, {"visible": False})
    else:
        await crm.control.call("DELETE", path)


async def mottos(world: SyncWorld) -> set[str]:
    return {entry["value"] for one in await world.vendors.google.people() for entry in one.get("userDefined", ())}


@pytest.mark.parametrize("how", ["hidden", "deleted"])
@pytest.mark.parametrize("reading", ["daily", "change"])
async def test_a_mapped_field_that_the_crm_stops_to_show_empties_nothing_and_pauses_the_sync(
    open_world: OpenWorld, how: str, reading: str
) -> None:
    async with open_world(direction=Direction.TWO_WAY) as world:
        motto = await world.vendors.crm.add_field("Motto", data_type="text")
        await map_everything(world, "Motto")
        ids = await world.vendors.crm.add([record(n, **{motto: f"m{n}"}) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.sync()
        before = await mottos(world)
        await take_away(world, motto, how)
        if reading == "daily":
            await world.pass_time(hours=25)
        else:
            await world.pass_time(minutes=20)
            await world.vendors.crm.edit_many({one: {"Title": "Analyst"} for one in ids})

        run = await world.sync()

        assert before == await mottos(world) == {f"m{n}" for n in range(5)}
        assert not writes(run)
        assert (run.state, run.reason) == (RunState.FAILED, "crm_field_gone")


async def test_a_field_that_is_empty_everywhere_is_no_vanished_one(open_world: OpenWorld) -> None:
    async with open_world() as world:
        motto = await world.vendors.crm.add_field("Motto", data_type="text")
        await map_everything(world, "Motto")
        ids = await world.vendors.crm.add([record(n, **{motto: f"m{n}"}) for n in range(3)], at=DAYS_AGO)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.sync()
        await world.vendors.crm.edit_many({one: {motto: None} for one in ids})
        await world.pass_time(minutes=20)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await mottos(world) == set()
        assert run.counts["calls.control.zoho.settings.fields"] == 1
