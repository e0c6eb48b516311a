"""Ticks that ask Google alone, while the CRM tells of its changes: what they cost, and what they may not do."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.frequency import Frequency
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.state import Run, RunMode, RunState
from tests.integration.engine.conftest import OpenWorld
from tests.integration.rules.stories import (
    address,
    book_sizes,
    crm,
    google,
    job,
    person,
    record,
    settled,
    titles,
    writes,
)
from tests.support.sync_world import SyncWorld, sync_world

MINUTE = timedelta(minutes=1)


async def watched(world: SyncWorld, *, until: datetime | None = None) -> None:
    """Ticks every five minutes, and a channel that lives for days; nobody has asked the CRM anything since."""
    await world.books.watch(world.settings, Frequency.EVERY_5_MINUTES, until or world.clock.now() + timedelta(days=6))
    await world.vendors.crm.control.clear_log()


async def tick(world: SyncWorld) -> tuple[Run, dict[str, int]]:
    """The run of a tick, and what the CRM was asked meanwhile."""
    before = await world.vendors.crm.control.calls()
    run = await world.sync(trigger="schedule")
    assert run.state is RunState.SUCCEEDED, run
    return run, dict(await world.vendors.crm.control.calls() - before)


async def test_a_tick_that_finds_nothing_on_google_asks_the_crm_nothing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await settled(world, 5)
        await watched(world)
        for _ in range(6):
            await world.pass_time(minutes=5)
            run, asked = await tick(world)
            assert asked == {}
            assert (run.counts["unchanged"], run.counts["selected"]) == (5, 5)


@pytest.mark.parametrize(("edits", "calls"), [(1, 1), (100, 1), (101, 2), (250, 3)])
async def test_a_tick_with_k_edits_costs_the_reading_and_the_writing_of_these_k(edits: int, calls: int) -> None:
    async with sync_world() as world:
        record_ids, people = await settled(world, 260)
        await watched(world)
        await world.vendors.google.edit_many({name: {"organizations": job("Countess")} for name in people[:edits]})

        run, asked = await tick(world)

        assert asked == {"contacts.list.ids": calls, "contacts.update": calls}
        assert writes(run) == {"crm.update": edits}
        assert (await crm(world, record_ids[edits - 1]))["Title"] == "Countess"
        # Our own writes are read with the CRM's next changes, and cost nothing before.
        await world.pass_time(minutes=5)
        assert (await tick(world))[1] == {}
        await world.pass_time(hours=1)
        assert not writes(await world.sync(trigger="schedule"))


async def test_what_the_crm_shows_now_is_decided_and_nothing_of_it_is_lost(open_world: OpenWorld) -> None:
    """A colleague's edit of which no notification came is met by the tick that writes to the same record."""
    async with open_world(conflict_winner=Side.CRM) as world:
        record_ids, people = await settled(world, 3)
        await watched(world)
        await world.pass_time(minutes=2)
        await world.vendors.crm.edit(record_ids[0], Title="From the CRM", Department="Engines")
        await world.vendors.google.edit(people[0], organizations=job("From Google"))

        run, asked = await tick(world)

        assert await titles(world, record_ids[0], people[0]) == ("From the CRM", "From the CRM")
        assert (await google(world, people[0]))["organizations"][0]["department"] == "Engines"
        assert asked == {"contacts.list.ids": 1}
        assert writes(run) == {"google.update": 1}


async def test_an_unread_crm_proves_no_absence_and_its_watermark_stays(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        record_ids, people = await settled(world, 8)
        await watched(world)
        before = (await world.books.config(world.settings)).sync
        await world.vendors.crm.delete(record_ids[0])
        await world.pass_time(minutes=5)

        run, asked = await tick(world)

        after = (await world.books.config(world.settings)).sync
        assert (asked, writes(run)) == ({}, {})
        assert (after.crm_watermark, after.crm_read_at) == (before.crm_watermark, before.crm_read_at)
        await world.sync()
        assert people[0] not in {one["resourceName"] for one in await world.vendors.google.people()}


async def test_a_person_new_on_google_is_sought_in_the_crm_before_he_is_made_there(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await settled(world, 3)
        await watched(world)
        await world.vendors.google.add([person(7)])

        run, asked = await tick(world)

        assert asked == {"coql.query": 1, "contacts.insert": 1}
        assert writes(run) == {"crm.create": 1}
        assert await book_sizes(world) == (4, 4)


async def test_somebody_found_in_the_crm_makes_the_tick_read_it_after_all(open_world: OpenWorld) -> None:
    """Made on both sides by hand, and the CRM's notification got lost: whether he is in the view must be read."""
    async with open_world() as world:
        await settled(world, 3)
        await watched(world)
        await world.vendors.google.add([person(7, organizations=job("Countess"))])
        (made,) = await world.vendors.crm.add([record(7)])

        run, _ = await tick(world)

        assert await book_sizes(world) == (4, 4)
        assert (await world.pair(made)).state is PairState.LINKED
        assert writes(run) == {"crm.update": 1}
        assert (await crm(world, made))["Title"] == "Countess"


async def test_a_record_merged_into_another_is_not_made_again_by_a_tick(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 3)
        (twin,) = await world.vendors.crm.add([record(0, Title="Twin")])
        await world.sync()
        await watched(world)
        await world.vendors.crm.merge(twin, record_ids[0])
        await world.vendors.google.edit(people[0], organizations=job("Countess"))

        await tick(world)

        assert sorted(one["Email"] for one in await world.vendors.crm.records()) == [address(n) for n in range(3)]
        assert str((await world.pair(people[0])).crm.remote_id) == twin


async def test_a_delete_on_google_is_carried_out_after_its_victim_was_read(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        record_ids, people = await settled(world, 8)
        await watched(world)
        await world.pass_time(minutes=2)
        await world.vendors.crm.edit(record_ids[1], Title="Edited meanwhile")
        await world.vendors.google.delete(people[0], people[1])

        run, asked = await tick(world)

        left = {one["id"] for one in await world.vendors.crm.records()}
        assert left == set(record_ids[1:])
        assert writes(run) == {"crm.delete": 1}
        assert asked == {"contacts.list.ids": 1, "contacts.delete": 1}
        # The edit was newer than the agreement: the person is made again by the next run, which reads both sides.
        await world.sync(trigger="schedule")
        assert await book_sizes(world) == (7, 7)


async def test_a_one_way_configuration_towards_google_costs_nothing_by_edits_there(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        _, people = await settled(world, 3)
        await watched(world)
        await world.vendors.google.edit(people[0], organizations=job("By hand"))
        assert (await tick(world))[1] == {}


async def test_the_crm_is_read_once_an_hour_all_the_same(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 3)
        await watched(world)
        await world.vendors.crm.edit(record_ids[0], Title="Nobody was told")
        asked = []
        for _ in range(13):
            await world.pass_time(minutes=5)
            asked.append(bool((await tick(world))[1]))
        assert asked.count(True) == 1
        assert await titles(world, record_ids[0], people[0]) == ("Nobody was told", "Nobody was told")


async def test_an_expired_sync_token_lets_a_tick_read_both_sides(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 3)
        await watched(world)
        await world.vendors.google.control.advance(8 * 24 * 3600)
        await world.vendors.crm.edit(record_ids[0], Title="Countess")

        _, asked = await tick(world)

        assert {"contacts.deleted", "contacts.list.changes"} <= asked.keys()
        assert await titles(world, record_ids[0], people[0]) == ("Countess", "Countess")


@pytest.mark.parametrize("dead", ["ended", "not renewed"])
async def test_a_channel_that_is_dead_or_could_not_be_renewed_lets_ticks_read_both_sides(
    open_world: OpenWorld, dead: str
) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 3)
        await watched(world, until=world.clock.now() + 8 * MINUTE if dead == "ended" else None)
        await world.pass_time(minutes=5)
        assert (await tick(world))[1] == {}
        await world.pass_time(minutes=5)
        if dead == "not renewed":
            await world.books.watch(world.settings, Frequency.EVERY_5_MINUTES, None)
        await world.vendors.crm.edit(record_ids[0], Title="Nobody was told")

        await tick(world)

        assert await titles(world, record_ids[0], people[0]) == ("Nobody was told", "Nobody was told")


async def test_a_person_who_asks_gets_both_sides_read_even_where_a_tick_was_first(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 3)
        await watched(world)
        await world.vendors.crm.edit(record_ids[0], Title="Nobody was told")
        where, now = (world.settings.organisation_id, world.config), world.clock.now()
        first = await world.books.requests.request(*where, RunMode.SYNC, "schedule", now)

        run = await world.sync()

        assert (run.run_id, run.trigger) == (first.run_id, "user")
        assert await titles(world, record_ids[0], people[0]) == ("Nobody was told", "Nobody was told")


async def test_after_a_notified_run_that_failed_the_next_tick_reads_both_sides(open_world: OpenWorld) -> None:
    async with open_world() as world:
        record_ids, people = await settled(world, 3)
        await watched(world)
        await world.vendors.crm.edit(record_ids[0], Title="Told")
        await world.vendors.crm.control.fault("contacts.deleted", "status", status=400, times=1)
        failed = await world.sync(trigger="webhook")
        assert failed.state is RunState.FAILED, failed
        await world.vendors.crm.control.clear_faults()
        await world.pass_time(minutes=5)

        await tick(world)

        assert await titles(world, record_ids[0], people[0]) == ("Told", "Told")


async def test_changed_settings_let_the_next_tick_read_both_sides_in_full(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await settled(world, 3)
        await watched(world)
        await world.configure(conflict_winner=Side.GOOGLE)
        assert "contacts.list.view" in (await tick(world))[1]
        await world.pass_time(minutes=5)
        assert (await tick(world))[1] == {}
