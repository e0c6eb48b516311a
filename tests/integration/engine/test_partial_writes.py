"""A write whose connection breaks when a part of it is done: what was made is found, the rest is made once."""

from __future__ import annotations

import pytest

from contactsync.domain.policy import Direction
from contactsync.ports.state import RunState
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_first_run import DAYS_AGO, person, record, writes
from tests.support.sync_world import SyncWorld
from tests.support.vendors import Json

FRIDGE = {"key": "Fridge", "value": "magnet"}


def addresses(people: list[Json]) -> list[str]:
    return sorted(one["emailAddresses"][0]["value"] for one in people)


async def both_sides_hold(world: SyncWorld, count: int) -> None:
    """Each contact is there once, on either side."""
    wanted = sorted(f"ada{n}@example.org" for n in range(count))
    assert addresses(await world.vendors.google.people()) == wanted
    assert sorted(one["Email"] for one in await world.vendors.crm.records()) == wanted


@pytest.mark.parametrize("keep", [0.0, 0.4, 1.0])
async def test_creates_that_google_carried_out_in_part_are_completed(open_world: OpenWorld, keep: float) -> None:
    """F28, F29."""
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.control.fault("people.batchCreateContacts", "cut_partly", keep=keep, times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        await both_sides_hold(world, 30)
        assert not writes(await world.sync())


@pytest.mark.parametrize("keep", [0.0, 0.4, 1.0])
async def test_creates_that_the_crm_carried_out_in_part_are_completed(open_world: OpenWorld, keep: float) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM) as world:
        await world.vendors.google.add([person(n) for n in range(30)])
        await world.vendors.crm.control.fault("contacts.insert", "cut_partly", keep=keep, times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        await both_sides_hold(world, 30)
        assert not writes(await world.sync())


@pytest.mark.parametrize("operation", ["people.batchUpdateContacts", "contacts.update"])
async def test_updates_that_were_carried_out_in_part_are_completed_and_cost_nobody_anything(
    open_world: OpenWorld, operation: str
) -> None:
    """The second writing starts from what is there by then; what no row names stays."""
    mobile = {"value": "+447700900123", "type": "mobile"}
    async with open_world() as world:
        await world.vendors.crm.add([record(n, Title="Analyst") for n in range(10)], at=DAYS_AGO)
        people = [person(n, phoneNumbers=[mobile], userDefined=[FRIDGE]) for n in range(10)]
        await world.vendors.google.add(people)
        book = world.vendors.crm if operation.startswith("contacts") else world.vendors.google
        await book.control.fault(operation, "cut_partly", keep=0.5, times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        await both_sides_hold(world, 10)
        assert {one["Mobile"] for one in await world.vendors.crm.records()} == {mobile["value"]}
        found = await world.vendors.google.people()
        assert {one["organizations"][0]["title"] for one in found} == {"Analyst"}
        assert {one["userDefined"][0]["value"] for one in found} == {"magnet"}
        assert not writes(await world.sync())
