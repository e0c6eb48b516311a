"""Several configurations at once, and creates that got no answer; what else they share is in `tests/stories`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import uuid4

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.ids import ConfigId, ViewId
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.requests import APPROVAL
from contactsync.ports.state import Run, RunMode, RunSettings, RunState
from tests.integration.rules.stories import (
    DAYS_AGO,
    address,
    book_sizes,
    google,
    job,
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


async def test_whom_somebody_asked_to_exclude_is_excluded_though_the_configuration_is_made_again_before_it_runs() -> (
    None
):
    async with sync_world() as world:
        (record_id,), (name,) = await settled(world, 1, Title="Analyst")
        await world.answer(record_id, Action.EXCLUDE)
        await world.books.put(world.settings, active=False)
        await world.vendors.crm.edit(record_id, Title="Countess")
        world.settings = replace(world.settings, config_id=ConfigId(uuid4()))
        await world.books.put(world.settings)

        for _ in range(2):
            assert not writes(await world.sync())
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


# --- different views --------------------------------------------------------------------------------------------------


async def partners_and_all(world: SyncWorld) -> tuple[str, str, RunSettings, RunSettings]:
    """A pair in both of two configurations: record, person, the older one of partners alone, the younger one of all."""
    record_id, name, first, second = await shared(world)
    crm = world.vendors.crm
    body = {"name": "All", "criteria": None, "owner": crm.user_id}
    view = await crm.control.call("POST", f"/organisations/{crm.zgid}/views", body)
    second = replace(second, view_id=ViewId(view["id"]))
    await world.books.put(second)
    await run_as(world, second, mode=RunMode.FULL)
    return record_id, name, first, second


@pytest.mark.parametrize("begins", ["older", "younger"])
async def test_a_record_made_again_where_its_keeper_does_not_see_it_goes_on_with_the_one_that_does(begins: str) -> None:
    async with sync_world(view_criteria=CRITERIA) as world:
        record_id, name, first, second = await partners_and_all(world)
        await world.vendors.crm.delete(record_id)
        for settings in (first, second):
            assert not writes(await run_as(world, settings))
            await world.pass_time(minutes=20)

        [again] = await world.vendors.crm.add([record(0, Title="Countess", Lead_Source="Other")])
        for settings in (first, second) if begins == "older" else (second, first):
            await run_as(world, settings)
            await world.pass_time(minutes=20)
        await run_as(world, second)

        world.settings = second
        pair = await world.pair(again)
        assert (pair.google.remote_id, pair.state) == (name, PairState.LINKED)
        assert await titles(world, again, name) == ("Countess", "Countess")
        assert await book_sizes(world) == (1, 1)


async def test_who_leaves_the_keepers_view_goes_on_with_the_other_and_comes_back() -> None:
    async with sync_world(view_criteria=CRITERIA) as world:
        record_id, name, first, second = await partners_and_all(world)
        for source, title in [("Other", "Countess"), ("Partner", "Analyst"), ("Other", "Poet")]:
            await world.vendors.crm.edit(record_id, Lead_Source=source, Title=title)
            written: Counter[str] = Counter()
            for settings in (first, second, first):
                written.update(writes(await run_as(world, settings)))
                await world.pass_time(minutes=20)
            assert written == {"google.update": 1}
            assert await titles(world, record_id, name) == (title, title)


# --- deletes and merges -----------------------------------------------------------------------------------------------


async def test_deletes_that_nobody_approved_are_not_carried_out_by_the_next_keeper_nor_when_the_first_comes_back() -> (
    None
):
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12)
        first = world.settings
        await world.add_configuration("Second")
        second = world.settings
        for settings in (second, first, second):
            await run_as(world, settings)
            await world.pass_time(minutes=20)
        await world.vendors.crm.delete(*records[:7])
        asked = await run_as(world, first)
        assert asked.state is RunState.NEEDS_APPROVAL
        await world.books.put(first, active=False)

        for settings in (second, second):
            assert not writes(await run_as(world, settings))
            await world.pass_time(minutes=20)
        await world.books.put(first)
        for settings in (first, second, first):
            assert not writes(await run_as(world, settings))
            await world.pass_time(minutes=20)

        world.settings = first
        late = await world.sync(mode=RunMode.APPROVED_DELETES, trigger=f"{APPROVAL}{asked.run_id}")
        assert not writes(late)
        assert await book_sizes(world) == (5, 12)


async def test_deletes_that_wait_for_an_approval_are_not_those_of_a_configuration_made_again() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12)
        await world.vendors.crm.delete(*records[:7])
        assert (await world.sync()).state is RunState.NEEDS_APPROVAL
        await world.books.put(world.settings, active=False)
        world.settings = replace(world.settings, config_id=ConfigId(uuid4()))
        await world.books.put(world.settings)

        for _ in range(3):
            run = await world.sync()
            assert (writes(run), run.state) == ({}, RunState.SUCCEEDED)
            await world.pass_time(minutes=20)


@pytest.mark.parametrize("begins", ["older", "younger"])
@pytest.mark.parametrize("kept", ["older", "younger"])
async def test_people_of_two_configurations_who_are_merged_cost_neither_record(begins: str, kept: str) -> None:
    async with sync_world(direction=Direction.GOOGLE_TO_CRM, deletions=DeletePolicy.PROPAGATE) as world:
        first = world.settings
        mine = await world.vendors.google.add([person(n) for n in range(6)])
        await run_as(world, first)
        group = await world.add_configuration("Second")
        second = world.settings
        theirs = await world.vendors.google.add([person(n) for n in range(6, 12)], in_group=False)
        for name in theirs:
            await world.vendors.google.move(name, add=[group])
        for settings in (second, first, second):
            await run_as(world, settings)
            await world.pass_time(minutes=20)
        assert await book_sizes(world) == (12, 12)
        await world.vendors.google.merge(*((mine[0], theirs[0]) if kept == "older" else (theirs[0], mine[0])))

        for settings in ((first, second) if begins == "older" else (second, first)) * 2:
            run = await run_as(world, settings)
            assert "crm.delete" not in writes(run)
            await world.pass_time(minutes=20)

        assert await book_sizes(world) == (12, 11)


@pytest.mark.parametrize("mode", [RunMode.SYNC, RunMode.FULL])
async def test_a_person_whose_new_name_a_guest_reads_first_is_nobody_new(mode: RunMode) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        first = world.settings
        await world.add_configuration("Second")
        second = world.settings
        for settings in (second, first, second):
            await run_as(world, settings)
            await world.pass_time(minutes=20)
        name = await world.vendors.google.rename(people[0])
        await world.vendors.google.edit(name, organizations=job("Countess"))

        written: Counter[str] = Counter()
        for settings in (second, second, first, second, first):
            written.update(writes(await run_as(world, settings, mode=mode)))
            await world.pass_time(minutes=20)

        assert written == {"crm.update": 1}
        assert await book_sizes(world) == (12, 12)
        assert await titles(world, records[0], name) == ("Countess", "Countess")


async def test_a_record_merged_into_one_of_another_view_costs_nobody_his_person() -> None:
    """The younger one, which sees all, reads first that a partner's record was merged into one that only it has."""
    async with sync_world(view_criteria=CRITERIA, deletions=DeletePolicy.PROPAGATE) as world:
        record_id, name, first, second = await partners_and_all(world)
        more = [record(n, Lead_Source="Other") for n in range(1, 12)]
        [other, *_] = await world.vendors.crm.add([{**more[0], "Secondary_Email": address(0)}, *more[1:]])
        for settings in (second, first, second):
            await run_as(world, settings)
            await world.pass_time(minutes=20)
        assert await book_sizes(world) == (12, 12)
        await world.vendors.crm.merge(other, record_id)

        for settings in (second, first, second, first):
            assert "google.delete" not in writes(await run_as(world, settings))
            await world.pass_time(minutes=20)

        assert len(await world.vendors.google.people()) == 12
        world.settings = second
        assert (await world.pair(name)).state is PairState.RELEASED


async def test_whoever_is_excluded_is_excluded_from_each_configuration_and_from_one_made_again() -> None:
    async with sync_world() as world:
        (record_id,), (name,) = await settled(world, 1, Title="Analyst")
        first = world.settings
        await world.answer(record_id, Action.EXCLUDE)
        await run_as(world, first)
        group = await world.add_configuration("Second")
        second = world.settings
        await world.books.put(first, active=False)
        world.settings = again = replace(first, config_id=ConfigId(uuid4()))
        await world.books.put(again)
        await world.vendors.crm.edit(record_id, Title="Countess")

        for settings in (second, again, second, again):
            assert not writes(await run_as(world, settings))
            await world.pass_time(minutes=20)

        assert await titles(world, record_id, name) == ("Countess", "Analyst")
        await world.vendors.crm.delete(record_id)
        await run_as(world, again)
        [record_id] = await world.vendors.crm.add([record(0, Title="Poet")])
        for settings in (second, again, second, again):
            assert not writes(await run_as(world, settings))
            await world.pass_time(minutes=20)
        world.settings = second
        await world.answer(record_id, Action.RETRY)
        written: Counter[str] = Counter()
        for settings in (second, again, second):
            written.update(writes(await run_as(world, settings)))
        assert written == {"google.update": 1, "google.join_group": 1}
        assert group in {
            m["contactGroupMembership"]["contactGroupResourceName"] for m in (await google(world, name))["memberships"]
        }
