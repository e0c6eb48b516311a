"""Lists of typed entries that come in any order, and values that the CRM's lists of choices do not know."""

from __future__ import annotations

from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode
from tests.stories.common import DAYS_AGO, crm, google, job, person, quiet, record, writes
from tests.support.story import OpenWorld
from tests.support.vendors import Json

NUMBERS: list[Json] = [
    {"value": "+44 113 496 0000", "type": "work"},
    {"value": "+44 113 496 0001", "type": "work"},
    {"value": "+44 113 496 0002", "type": "mobile"},
    {"value": "+44 113 496 0003", "type": "mobile"},
    {"value": "+44 113 496 0004", "type": "home"},
]
ADDRESSES: list[Json] = [
    {"value": "ada0@example.org", "type": "work"},
    {"value": "countess@example.org", "type": "work"},
    {"value": "ada0@example.net", "type": "home"},
]


async def test_numbers_and_addresses_in_another_order_are_no_change(open_world: OpenWorld) -> None:
    """Turned round by the person, and shown in a new order by each reading: what was agreed stays bound."""
    async with open_world() as world:
        ids = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        names = await world.vendors.google.add([person(0, phoneNumbers=NUMBERS, emailAddresses=ADDRESSES)])
        await world.vendors.google.control.settings(shuffle_items=True, shuffle_results=True)
        await quiet(world)
        before = await crm(world, ids[0])
        assert {before["Phone"], before["Mobile"]} <= {one["value"] for one in NUMBERS}

        for turn in range(1, 6):
            numbers, addresses = (
                NUMBERS[turn % 5 :] + NUMBERS[: turn % 5],
                ADDRESSES[turn % 3 :] + ADDRESSES[: turn % 3],
            )
            await world.vendors.google.edit(names[0], phoneNumbers=numbers, emailAddresses=addresses)
            await world.pass_time(minutes=5)
            assert not writes(await world.sync())
            assert not writes(await world.sync(mode=RunMode.FULL))

        after = await crm(world, ids[0])
        assert after == before


async def test_an_edited_number_changes_its_own_entry_whatever_the_order(open_world: OpenWorld) -> None:
    async with open_world() as world:
        ids = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        names = await world.vendors.google.add([person(0, phoneNumbers=NUMBERS, emailAddresses=ADDRESSES)])
        await world.vendors.google.control.settings(shuffle_items=True, shuffle_results=True)
        await quiet(world)
        old = (await crm(world, ids[0]))["Mobile"]
        await world.vendors.google.edit(names[0], phoneNumbers=NUMBERS[::-1])
        await world.vendors.crm.edit(ids[0], Mobile="+44 113 496 0099")

        assert writes(await world.sync()) == {"google.update": 1}

        shown = {(one["type"], one["value"]) for one in (await google(world, names[0]))["phoneNumbers"]}
        expected = {(one["type"], one["value"]) for one in NUMBERS} - {("mobile", old)}
        assert shown == expected | {("mobile", "+44 113 496 0099")}


async def test_a_choice_that_the_crm_lacks_is_left_out_with_its_reason_and_the_rest_is_carried(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        name = await world.vendors.crm.add_field("Level", data_type="picklist", choices=["Gold", "Silver"], strict=True)
        level = MappingRow.of(
            CrmField(api_name=name, label="Level", kind=ValueKind.PICKLIST, picklist=("Gold", "Silver"), custom=True),
            GooglePath.parse("user_defined[Level]"),
        )
        await world.configure(mapping=Mapping([*world.mapping.rows, level]))
        ids = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        names = await world.vendors.google.add([person(0)])
        await quiet(world)
        platinum = [{"key": "Level", "value": "Platinum"}]
        await world.vendors.google.edit(names[0], userDefined=platinum, organizations=job("Countess"))

        run = await world.sync()

        shown = await crm(world, ids[0])
        assert (shown["Title"], shown.get(name)) == ("Countess", None)
        (row,) = [row for row in await world.report(run) if row.outcome is Outcome.UPDATED]
        assert row.left_out == {name: Reason.VALUE_DOES_NOT_FIT}
        await world.pass_time(minutes=20)
        assert not writes(await world.sync(mode=RunMode.FULL))
        assert (await google(world, names[0]))["userDefined"][0]["value"] == "Platinum"

        await world.vendors.google.edit(names[0], userDefined=[{"key": "Level", "value": "silver"}])
        await world.sync()
        assert (await crm(world, ids[0]))[name] == "Silver"
