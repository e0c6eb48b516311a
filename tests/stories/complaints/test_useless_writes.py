"""Loops and useless writes: complaints C10, C11, C48, X9, X10."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial

import pytest

from tests.stories.common import DAYS_AGO, crm, google, job, person, quiet, record, settled, titles, with_more, writes
from tests.stories.conftest import OpenOutside, outside
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Control, Json
from tests.support.waiting import wait_until


async def test_c10_a_moved_etag_or_time_without_a_change_writes_nothing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 5)
        for name in people:
            await world.vendors.google.touch(name)
        await world.vendors.google.edit(people[0], nicknames=[{"value": "Augusta"}])
        await world.vendors.crm.edit_many({one: {"Lead_Source": "Partner"} for one in records})
        assert not writes(await world.sync())


async def test_c11_order_case_white_space_and_formats_are_no_change(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records = await world.vendors.crm.add([record(0, Phone="+44 113 496 0000", Title="Analyst")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0, organizations=job("Analyst"))])
        await quiet(world)
        fields: dict[str, list[Json]] = {
            "emailAddresses": [{"type": "work", "value": " ADA0@Example.org "}],
            "phoneNumbers": [{"type": "work", "value": "(0113) 496-0000"}],
            "organizations": [{"type": "work", "title": " Analyst "}],
        }
        await world.vendors.google.edit(people[0], **fields)
        await world.vendors.crm.edit(records[0], Email="Ada0@EXAMPLE.org", Phone="0113 4960000")

        for _ in range(3):
            assert not writes(await world.sync())
            await world.pass_time(minutes=20)

        assert (await crm(world, records[0]))["Phone"] == "0113 4960000"
        assert (await google(world, people[0]))["phoneNumbers"][0]["value"] == "(0113) 496-0000"


async def test_c11_white_space_around_a_value_keeps_it_from_nobody_and_is_no_change(open_world: OpenWorld) -> None:
    """In a contact that is made in the CRM and in one that is edited; on Google it stays as it was typed."""
    blank: dict[str, list[Json]] = {
        "emailAddresses": [
            {"type": "work", "value": " ada1@example.org "},
            {"type": "home", "value": "ada@home.org\n"},
        ],
        "phoneNumbers": [{"type": "mobile", "value": "\u00a0+44 113 496 0000 "}],
    }
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Secondary_Email"))
        await settled(world, 1)
        people = [one["resourceName"] for one in await world.vendors.google.people()]
        other = [{"type": "work", "value": " ada0@example.org"}, {"type": "home", "value": " eve@home.org "}]
        await world.vendors.google.edit(people[0], **{**blank, "emailAddresses": other})
        people += await world.vendors.google.add([{**person(1), **blank}])

        run = await world.sync()

        assert writes(run) == {"crm.create": 1, "crm.update": 1}
        assert not [row.left_out for row in await world.report(run) if row.left_out]
        shown = {one["Last_Name"]: one for one in await world.vendors.crm.records()}
        fields = ("Email", "Secondary_Email", "Mobile")
        assert [[shown[name][field] for field in fields] for name in ("Byron0", "Byron1")] == [
            ["ada0@example.org", "eve@home.org", "+44 113 496 0000"],
            ["ada1@example.org", "ada@home.org", "+44 113 496 0000"],
        ]
        await quiet(world)
        assert (await google(world, people[1]))["emailAddresses"][0]["value"] == " ada1@example.org "


@outside
async def test_c48_an_edit_in_the_crm_starts_a_run_and_our_own_writes_start_none(open_outside: OpenOutside) -> None:
    async with open_outside(frequency="1h") as world:
        records, people = await settled(world, 3)
        await world.pass_time(minutes=2)  # the notification channel is opened
        before = len(await world.runs())
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 1}
        await world.notifications(told=1)
        assert len(await world.runs()) == before + 1

        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(records[1], Title="Analyst")
        await world.notifications(told=2)

        run = (await world.runs())[-1]
        assert run.trigger == "webhook"
        assert writes(await world.ended(run.run_id)) == {"google.update": 1}
        assert await titles(world, records[1], people[1]) == ("Analyst", "Analyst")
        assert len(await world.runs()) == before + 2


async def test_x9_edits_a_second_after_a_run_are_carried_by_the_next(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 2)
        await world.sync()
        await world.pass_time(seconds=1)
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("here", "here")
        assert await titles(world, records[1], people[1]) == ("there", "there")


async def test_x9_edits_during_a_run_are_carried_by_the_next(open_world: OpenWorld) -> None:
    """Both books have been read, and a write is on its way."""
    async with open_world() as world:
        records, people = await settled(world, 3)
        await world.vendors.crm.edit(records[0], Title="before")
        await world.vendors.google.control.fault("people.batchUpdateContacts", "slow", delay_s=0.7, times=1)

        async def people_edit() -> None:
            control = world.vendors.google.control
            await wait_until(partial(is_updating, control, "people.batchUpdateContacts"), within_s=20)
            await world.vendors.crm.edit(records[1], Title="here")
            await world.vendors.google.edit(people[2], organizations=job("there"))
            await world.vendors.crm.edit(records[0], Phone="+44 113 496 0000")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(people_edit())
            run = await world.sync()
        assert writes(run) == {"google.update": 1}

        assert writes(await world.sync()) == {"google.update": 2, "crm.update": 1}
        assert await titles(world, records[0], people[0]) == ("before", "before")
        assert (await google(world, people[0]))["phoneNumbers"][0]["value"] == "+44 113 496 0000"
        assert await titles(world, records[1], people[1]) == ("here", "here")
        assert await titles(world, records[2], people[2]) == ("there", "there")


async def is_updating(vendor: Control, operation: str) -> bool:
    """Whether an update has arrived, answered or not."""
    return any(one["operation"] == operation for one in await vendor.log(0))


async def test_an_edit_in_the_second_of_our_own_write_is_carried_where_the_write_did_not_touch_the_field(
    open_world: OpenWorld,
) -> None:
    """`Modified_Time` has whole seconds: the listing shows our write and the colleague's edit as one state."""
    async with open_world() as world:
        records, people = await settled(world, 2, Title="Analyst")
        await world.pass_time(seconds=2)
        await world.vendors.crm.control.call("POST", "/clock", {"frozen": True})
        for name in people:
            await world.vendors.google.edit(name, organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 2}
        written = (await crm(world, records[0]))["Modified_Time"]
        await world.vendors.crm.edit(records[0], Phone="+44 113 496 0000")
        assert (await crm(world, records[0]))["Modified_Time"] == written
        await world.vendors.crm.control.call("POST", "/clock", {"frozen": False})
        await world.pass_time(seconds=5)

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert [one["value"] for one in (await google(world, people[0]))["phoneNumbers"]] == ["+44 113 496 0000"]
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")
        await world.pass_time(minutes=20)
        assert not writes(await world.sync())


@pytest.mark.parametrize("ahead", ["crm", "google", "ours", "google and ours", "crm and ours"])
async def test_x10_clocks_an_hour_apart_lose_nothing(open_world: OpenWorld, ahead: str) -> None:
    """Edits on one side, on the other, and of one contact on either side in turn."""
    async with open_world() as world:
        await an_hour_ahead(world, ahead)
        records, people = await settled(world, 3)
        for number in range(4):
            await world.vendors.crm.edit(records[0], Title=f"here {number}")
            await world.vendors.google.edit(people[1], organizations=job(f"there {number}"))
            if number % 2:
                await world.vendors.crm.edit(records[2], Title=f"now {number}")
            else:
                await world.vendors.google.edit(people[2], organizations=job(f"now {number}"))
            await world.sync()
            for pair, title in enumerate(("here", "there", "now")):
                assert await titles(world, records[pair], people[pair]) == (f"{title} {number}",) * 2
            await world.pass_time(minutes=5)


@pytest.mark.parametrize("ahead", ["", "crm", "ours"])
async def test_x10_a_record_edited_while_we_write_is_not_overwritten_whatever_our_clock_says(
    open_world: OpenWorld, ahead: str
) -> None:
    """The write says until when the record is known not to have changed, and that by the CRM's clock."""
    async with open_world() as world:
        await an_hour_ahead(world, ahead)
        records, people = await settled(world, 1)
        await world.vendors.google.edit(people[0], organizations=job("there"))
        crm_control = world.vendors.crm.control
        await crm_control.clear_log()
        await crm_control.fault("contacts.update", "slow", delay_s=0.7, times=1)

        async def colleague_edits() -> None:
            await wait_until(partial(is_updating, crm_control, "contacts.update"), within_s=20)
            await crm_control.advance(2)
            await world.vendors.crm.edit(records[0], Title="here")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(colleague_edits())
            await world.sync()
        await quiet(world)

        assert await titles(world, records[0], people[0]) == ("here", "here")


async def an_hour_ahead(world: StoryWorld, whose: str) -> None:
    """Set the clocks named an hour before the others: of `crm`, `google` and `ours`."""
    # In memory our clock stands months behind the vendors', which would hide what an hour does.
    theirs = (await world.vendors.crm.control.call("GET", "/clock"))["now"]
    world.clock.advance(max(datetime.fromisoformat(theirs) - world.clock.now(), timedelta()))
    for name, book in (("crm", world.vendors.crm), ("google", world.vendors.google)):
        if name in whose:
            await book.control.advance(3600)
    if "ours" in whose:
        world.clock.advance(timedelta(hours=1))
