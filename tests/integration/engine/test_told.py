"""The CRM says that a record changed, and its lists do not show it yet."""

from __future__ import annotations

from datetime import datetime, timedelta

from contactsync.domain.frequency import Frequency
from contactsync.domain.link import PairState
from contactsync.ports.state import Run, RunState
from tests.integration.engine.conftest import OpenWorld
from tests.integration.rules.stories import book_sizes, record, settled, titles, writes
from tests.support.sync_world import SyncWorld


async def lagging(world: SyncWorld, seconds: int) -> None:
    """Lists of the CRM show what was written so many seconds ago; its channel lives."""
    await world.books.watch(world.settings, Frequency.EVERY_5_MINUTES, world.clock.now() + timedelta(days=6))
    await world.pass_time(minutes=5)
    await world.vendors.crm.control.settings(visibility_delay_s=seconds)


async def told(world: SyncWorld, *record_ids: str) -> Run:
    """The run that a notification about these records asks for."""
    now = datetime.fromisoformat((await world.vendors.crm.control.call("GET", "/clock"))["now"])
    for record_id in record_ids:
        await world.books.tell(world.settings, record_id, now.replace(microsecond=0))
    run = await world.sync(trigger="webhook")
    assert run.state is RunState.SUCCEEDED, run
    return run


async def asked_by_itself(world: SyncWorld, **within: float) -> dict[str, int]:
    """What the CRM is asked by runs that nobody asks for; ticks ask it nothing."""
    await world.vendors.crm.control.clear_log()
    await world.carry_on(until=world.clock.now() + timedelta(**within))
    return dict(await world.vendors.crm.control.calls())


async def test_a_told_record_that_no_list_shows_yet_is_read_by_id(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 5)
        await lagging(world, 600)
        await world.vendors.crm.edit(record_ids[0], Title="Countess")
        await world.vendors.crm.control.clear_log()

        run = await told(world, record_ids[0])

        assert writes(run) == {"google.update": 1}
        assert await titles(world, record_ids[0], people[0]) == ("Countess", "Countess")
        assert (await world.vendors.crm.control.calls())["contacts.list.ids"] == 1
        assert await asked_by_itself(world, minutes=6) == {}


async def test_a_list_that_shows_an_edit_before_the_one_that_was_read_by_id_reverts_nothing(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 5)
        await lagging(world, 120)
        await world.vendors.crm.edit(record_ids[0], Title="Analyst")
        await told(world, record_ids[0])
        await world.pass_time(seconds=90)
        await world.vendors.crm.edit(record_ids[0], Title="Countess")
        await told(world, record_ids[0])
        await world.pass_time(seconds=60)

        late = await world.sync()

        assert writes(late) == {}
        assert await titles(world, record_ids[0], people[0]) == ("Countess", "Countess")
        await world.pass_time(minutes=5)
        assert writes(await world.sync()) == {}


async def test_a_told_record_that_a_list_shows_costs_no_further_call(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 5)
        await lagging(world, 0)
        await world.vendors.crm.edit(record_ids[0], Title="Countess")
        await world.vendors.crm.control.clear_log()

        await told(world, record_ids[0])

        assert await titles(world, record_ids[0], people[0]) == ("Countess", "Countess")
        assert (await world.vendors.crm.control.calls())["contacts.list.ids"] == 0


async def test_a_new_record_that_no_list_shows_yet_is_made_by_a_run_that_follows_by_itself(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await settled(world, 3)
        await lagging(world, 25)
        (made,) = await world.vendors.crm.add([record(7)])
        run = await told(world, made)
        assert (writes(run), await book_sizes(world)) == ({}, (4, 3))

        followed = await world.carry_on(until=world.clock.now() + timedelta(seconds=60))

        assert await book_sizes(world) == (4, 4)
        assert (await world.pair(made)).state is PairState.LINKED
        assert len(followed) <= 4  # a tick may be among them


async def test_a_told_delete_that_the_list_of_the_deleted_does_not_show_yet_is_seen_by_a_run_that_follows(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        record_ids, _ = await settled(world, 8)
        await lagging(world, 25)
        await world.vendors.crm.delete(record_ids[0])
        await told(world, record_ids[0])
        await world.carry_on(until=world.clock.now() + timedelta(seconds=60))
        assert (await world.pair(record_ids[0])).state is PairState.RELEASED


async def test_told_records_outside_the_view_or_unknown_to_the_crm_make_no_run_follow(open_world: OpenWorld) -> None:
    async with open_world(
        view_criteria={"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
    ) as world:
        await settled(world, 3, Lead_Source="Partner")
        await lagging(world, 0)
        (outside,) = await world.vendors.crm.add([record(7)])
        await told(world, outside, "5545974000000999999")
        assert await asked_by_itself(world, minutes=6) == {}
        assert await book_sizes(world) == (4, 3)


async def test_what_stays_unseen_is_given_up_after_two_minutes(open_world: OpenWorld) -> None:
    """It comes with a later reading; the CRM is not asked again and again."""
    async with open_world() as world:
        await settled(world, 3)
        await lagging(world, 3600)
        (made,) = await world.vendors.crm.add([record(7)])
        await told(world, made)
        asked = await asked_by_itself(world, minutes=3)
        assert 2 <= asked["contacts.list.ids"] <= 13
        assert await asked_by_itself(world, minutes=6) == {}
