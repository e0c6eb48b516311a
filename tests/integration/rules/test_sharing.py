"""Several configurations at once, and creates that got no answer; what else they share is in `tests/stories`."""

from __future__ import annotations

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.link import PairState
from contactsync.ports.state import Run, RunMode, RunSettings, RunState
from tests.integration.rules.stories import (
    DAYS_AGO,
    book_sizes,
    person,
    record,
    settled,
    titles,
    writes,
)
from tests.stories.common import CRITERIA
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import google_book


async def test_a_person_of_two_users_is_made_once_in_the_crm_though_both_are_about_to() -> None:
    """The first one's create got no answer and is sent again later; meanwhile the second one finds nobody there."""
    async with sync_world() as world:
        mine, theirs = world.vendors.google, await google_book(world.vendors.google.control, "charles@example.com")
        first, second = world.settings, await world.add_colleague(theirs)
        for book in (mine, theirs):
            await book.add([person(0)])
        await world.vendors.crm.control.fault("contacts.insert", "cut_before", times=1)
        now = world.clock.now()
        asked = await world.books.requests.request(first.organisation_id, first.config_id, RunMode.SYNC, "user", now)
        await world.work_due()
        assert (await world.books.run_row(first, asked.run_id)).reason == "outcome_unknown"

        world.settings = second
        meanwhile = await world.sync()

        assert (writes(meanwhile), meanwhile.counts["waiting"]) == ({}, 1)
        assert await world.vendors.crm.records() == []
        world.settings = first
        assert writes(await world.until_ended(asked.run_id)) == {"crm.create": 1}
        await world.pass_time(minutes=20)
        world.settings = second
        assert not writes(await world.sync())
        (link,) = await world.links()
        (made,) = await world.vendors.crm.records()
        assert (link.state, link.crm.remote_id) == (PairState.LINKED, made["id"])


async def run_as(world: SyncWorld, settings: RunSettings, *, mode: RunMode = RunMode.SYNC) -> Run:
    """A run of that configuration."""
    world.settings = settings
    return await world.sync(mode=mode)


# --- what people ask --------------------------------------------------------------------------------------------------


async def shared(world: SyncWorld, count: int = 1) -> tuple[str, str, RunSettings, RunSettings]:
    """The first of so many pairs in two configurations: record, person, the older one that keeps it, the younger."""
    (record_id, *_), (name, *_) = await settled(world, count, Title="Analyst", Lead_Source="Partner")
    first = world.settings
    await world.add_configuration("Second")
    second = world.settings
    for settings in (second, first, second):
        await run_as(world, settings)
        await world.pass_time(minutes=20)
    return record_id, name, first, second


@pytest.mark.parametrize("asked_of", ["keeper", "guest"])
@pytest.mark.parametrize("third", [False, True])
async def test_what_was_asked_of_a_pair_is_done_though_its_keeper_stops_before_it_runs(
    asked_of: str, *, third: bool
) -> None:
    async with sync_world() as world:
        record_id, name, first, second = await shared(world)
        if third:
            await world.add_configuration("Third")
        world.settings = first if asked_of == "keeper" else second
        await world.answer(record_id, Action.EXCLUDE)
        if asked_of == "guest":
            await run_as(world, second)  # which left it to the keeper
        await world.books.put(first, active=False)
        await world.vendors.crm.edit(record_id, Title="Countess")

        for _ in range(2):
            assert not writes(await run_as(world, second))
            await world.pass_time(minutes=20)

        assert await titles(world, record_id, name) == ("Countess", "Analyst")
        assert (await world.pair(record_id)).excluded


async def test_what_was_asked_last_counts_through_whichever_configuration() -> None:
    async with sync_world() as world:
        record_id, name, first, second = await shared(world)
        world.settings = second
        await world.answer(record_id, Action.RETRY)
        world.settings = first
        await world.answer(record_id, Action.EXCLUDE)
        await world.vendors.crm.edit(record_id, Title="Countess")

        for settings in (second, first):
            assert not writes(await run_as(world, settings))

        assert await titles(world, record_id, name) == ("Countess", "Analyst")


async def test_what_was_asked_of_a_pair_out_of_everybodys_sight_is_done_though_its_keeper_stopped() -> None:
    """Nobody takes it over, since nobody has it in scope; with a third configuration it is not simply one's own."""
    async with sync_world(view_criteria=CRITERIA) as world:
        record_id, name, first, second = await shared(world, 12)
        await world.add_configuration("Third")
        third = world.settings
        await world.vendors.google.move(name, remove=[first.group_id, second.group_id])
        await world.vendors.crm.edit(record_id, Lead_Source="Other")
        for settings in (second, first):
            await run_as(world, settings, mode=RunMode.FULL)
        await world.books.put(first, active=False)
        world.settings = second
        await world.answer(record_id, Action.EXCLUDE)

        await run_as(world, second)

        assert (await world.pair(record_id)).excluded
        await run_as(world, third)


# --- creates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
async def test_what_one_configuration_made_without_an_answer_is_not_made_again_by_another(cut: str) -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(0), {"Last_Name": "Byron", "Phone": "+44 20 7946 0002"}], at=DAYS_AGO)
        first = world.settings
        await world.add_configuration("Second")
        second = world.settings
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.google.control.fault("people.batchCreateContacts", cut, times=1)
        now = world.clock.now()
        asked = await world.books.requests.request(first.organisation_id, first.config_id, RunMode.SYNC, "user", now)
        await world.work_due()
        assert (await world.books.run_row(first, asked.run_id)).reason == "outcome_unknown"

        meanwhile = await run_as(world, second)

        assert "google.create" not in writes(meanwhile)
        world.settings = first
        await world.until_ended(asked.run_id)
        for settings in (second, first, second):
            await world.pass_time(minutes=20)
            await run_as(world, settings)
        assert await book_sizes(world) == (2, 2)


async def test_two_configurations_of_one_account_that_run_at_once_take_turns() -> None:
    async with sync_world() as world:
        first = world.settings
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.add_configuration("Second")
        second = world.settings
        now = world.clock.now()
        asked = [
            (s, await world.books.requests.request(s.organisation_id, s.config_id, RunMode.SYNC, "user", now))
            for s in (first, second)
        ]
        await world.work_due_at_once()
        for settings, one in asked:
            world.settings = settings
            run = await world.until_ended(one.run_id)
            assert run.state is RunState.SUCCEEDED

        assert await book_sizes(world) == (30, 30)
