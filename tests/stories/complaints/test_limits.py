"""Limits, paging, tokens: complaints C12 to C15, C19, C20, C39, C41, C45, C51, C52, X2, X3, X8."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from random import Random

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunState
from tests.stories.common import (
    DAYS_AGO,
    address,
    book_sizes,
    crm,
    google,
    job,
    person,
    quiet,
    reasons,
    record,
    settled,
    titles,
    writes,
)
from tests.stories.conftest import OpenOutside, outside
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json, google_book
from tests.support.waiting import wait_until


@outside
async def test_c12_after_a_quota_stop_the_run_goes_on_where_it_stopped(open_outside: OpenOutside) -> None:
    """Google refuses the third batch of a minute; nobody is written twice, and progress never goes back."""
    async with open_outside(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.google.control.settings(
            quotas_enabled=True, quota_per_minute={"critical_read_requests": 60, "critical_write_requests": 12}
        )
        await world.vendors.crm.add([record(n) for n in range(1000)], at=DAYS_AGO)
        told: list[Json] = []

        run = await world.ended(await world.ask(), told=told.append)

        assert run.outcomes == {"created": 1000}
        assert run.reason == ""
        assert "waiting" in {one["state"] for one in told}
        for value in (percent, written):
            shown = [value(one) for one in told]
            assert shown == sorted(shown)
        people = await world.vendors.google.people()
        assert len({one["emailAddresses"][0]["value"] for one in people}) == len(people) == 1000


def percent(run: Json) -> int:
    """How far a run is."""
    return int(run["progress"]["percent"])


def written(run: Json) -> int:
    """How many contacts a run has written."""
    return sum(run["writes"].values())


NOTHING_WAITS = {"contacts": 0, "runs": 0, "seconds": 0, "finishes_at": None}


async def test_c13_an_expired_token_leads_to_a_full_reading_that_doubles_and_deletes_nobody(
    open_world: OpenWorld,
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        await world.vendors.google.control.advance(8 * 24 * 3600)
        await world.vendors.google.delete(people[0])
        await world.vendors.crm.edit(records[1], Title="Countess")

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert await titles(world, records[1], people[1]) == ("Countess", "Countess")
        assert len(await world.vendors.crm.records()) == 12


@outside
async def test_c14_a_failing_configuration_delays_nobody_else(open_outside: OpenOutside) -> None:
    """Delayed is who waits for a date; how long a slice takes is the machine's affair."""
    async with open_outside() as world:
        other = await google_book(world.vendors.google.control, "charles@example.com")
        colleague = await world.beside(colleague=other)
        await settled(world, 2)
        await colleague.sync()
        await world.pass_time(minutes=20)
        await world.vendors.google.control.fault("people.connections.list", "status", status=503, account=other.sub)
        await world.vendors.crm.add([record(10)])

        troubled = await colleague.ask()
        told: list[Json] = []
        mine = await world.ended(await world.ask(), told=told.append)

        assert writes(mine) == {"google.create": 1}
        assert "waiting" not in {one["state"] for one in told}
        assert RunState((await colleague.api.get(f"/v1/runs/{troubled}"))["state"]).open
        await world.vendors.google.control.clear_faults()
        assert writes(await colleague.ended(troubled)) == {"google.create": 1}


@outside
@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("people.batchCreateContacts", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
        ("people.connections.list", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
        ("contacts.list*", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
        ("contacts.insert", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
    ],
)
async def test_c15_a_refused_call_waits_as_long_as_it_was_told_and_loses_nothing(
    open_outside: OpenOutside, operation: str, more: Json
) -> None:
    async with open_outside() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(10, 15)])
        vendor = world.vendors.google if operation.startswith("people") else world.vendors.crm
        await vendor.control.fault(operation, times=2, **more)
        began = world.clock.now()

        run = await world.sync()

        assert world.clock.now() - began >= timedelta(seconds=180)
        assert run.state is RunState.SUCCEEDED
        assert run.outcomes == {"created": 10}
        assert await book_sizes(world) == (10, 10)


@outside
async def test_c19_an_unknown_permanent_error_pauses_after_a_few_tries_and_shows_the_providers_words(
    open_outside: OpenOutside,
) -> None:
    words = "Request contains an invalid argument: personFields.names was removed."
    async with open_outside(frequency="5m") as world:
        await settled(world, 2)
        body = {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}
        await world.vendors.google.control.fault("people.connections.list", "status", status=400, body=body)

        failed = await world.carry_on(until=world.clock.now() + timedelta(days=1))

        assert [(run.state, run.reason) for run in failed] == [(RunState.FAILED, Reason.PROVIDER_CONTRACT)] * 5
        assert (await world.api.get(f"/v1/runs/{failed[-1].run_id}"))["provider_message"] == words
        told = await world.configuration()
        assert (told["status"], told["paused_reason"]) == ("paused", Reason.PROVIDER_CONTRACT)
        await world.vendors.google.control.clear_faults()
        await world.ended((await world.api.post(f"{world.path}/activate"))["run_id"])
        assert not writes(await world.sync())
        assert (await world.configuration())["status"] == "active"


async def test_c20_one_refused_record_does_not_stop_the_rest(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 5)
        await world.vendors.crm.mark(records[0], locked=True)
        for name in people:
            await world.vendors.google.edit(name, organizations=job("Countess"))
        await world.sync()
        shown = [one.get("Title") for one in await world.vendors.crm.records()]
        assert sorted(shown, key=str) == ["Countess"] * 4 + [None]


@pytest.mark.parametrize(("count", "created"), [(9, 9), (10, 10), (11, 10)])
async def test_c39_the_first_run_takes_as_many_as_it_may_and_the_rest_is_listed_and_taken_next(
    open_world: OpenWorld, count: int, created: int
) -> None:
    """The limits are small here; their true size is tested where runs are measured."""
    limits = RunLimits(initial=10, incremental=5)
    async with open_world(limits=limits, catch_up=False) as world:
        await world.vendors.crm.add([record(n) for n in range(count)], at=DAYS_AGO)
        first = await world.sync()
        assert (first.counts["created"], first.counts["waiting"]) == (created, count - created)
        assert len([pair for pair in await world.pairs() if pair.waits]) == count - created
        await world.pass_time(minutes=20)
        assert (await world.sync()).counts["created"] == count - created
        assert await book_sizes(world) == (count, count)


@outside
async def test_c52_above_the_limit_the_cap_the_waiting_and_the_runs_are_told_and_the_oldest_goes_first(
    open_outside: OpenOutside,
) -> None:
    async with open_outside(limits=RunLimits(initial=10, incremental=5), frequency="1h") as world:
        order = list(range(23))
        Random(3).shuffle(order)
        for age, number in enumerate(order):  # the first in this order was changed first
            await world.vendors.crm.add([record(number)], at=f"2026-01-05T10:{age:02}:00+00:00")
        await world.sync()
        told = await world.configuration()
        assert told["limits"] == {"first_run": 10, "later_runs": 5}
        assert (told["backlog"]["contacts"], told["backlog"]["runs"]) == (13, 3)
        waiting = await world.api.all(f"/v1/runs/{(await world.runs())[-1].run_id}/contacts", outcome="waiting")
        assert [one["reason"] for one in waiting] == [Reason.OVER_LIMIT] * 13
        assert await made(world) == {address(n) for n in order[:10]}
        for taken in (15, 20, 23):
            due = await world.next_sync()
            assert due is not None
            assert due - world.clock.now() <= timedelta(minutes=1)
            await world.carry_on(until=due)
            assert await made(world) == {address(n) for n in order[:taken]}
        assert (await world.configuration())["backlog"] == NOTHING_WAITS


async def made(world: StoryWorld) -> set[str]:
    """Addresses on Google."""
    return {one["emailAddresses"][0]["value"] for one in await world.vendors.google.people()}


@pytest.mark.parametrize("edits", [1, 5])
async def test_c41_a_person_who_is_edited_while_we_write_is_read_and_merged_again(
    open_world: OpenWorld, edits: int
) -> None:
    """Our update is on its way when the edit falls: Google refuses its etag. After a few times the next run does it."""
    async with open_world() as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        google_control = world.vendors.google.control
        await google_control.fault("people.batchUpdateContacts", "slow", delay_s=0.7)

        async def people_edit() -> None:
            before = await updates_begun(world)
            for number in range(1, edits + 1):
                await wait_until(partial(has_begun, world, before + number), within_s=20)
                note = [{"value": f"edit {number}"}]
                await world.vendors.google.edit(people[0], biographies=note, nicknames=note)

        async with asyncio.TaskGroup() as tasks:
            editing = tasks.create_task(people_edit())
            run = await world.sync()
            editing.cancel()
        # What was edited once is read and merged within the run; who is edited time and again may have to wait.
        assert (await reasons(world, run)).keys() <= ({Reason.CHANGED_MEANWHILE} if edits > 1 else set())
        await google_control.clear_faults()
        await world.pass_time(minutes=20)
        await world.sync()

        for record_id, name in zip(records, people, strict=True):
            assert await titles(world, record_id, name) == ("Countess", "Countess")
        assert (await google(world, people[0]))["nicknames"][0]["value"].startswith("edit")
        await quiet(world)


async def updates_begun(world: StoryWorld) -> int:
    """How many updates have arrived at Google, answered or not."""
    return len([one for one in await world.vendors.google.control.log(0) if "batchUpdateContacts" in one["path"]])


async def has_begun(world: StoryWorld, updates: int) -> bool:
    """Whether so many updates have arrived."""
    return await updates_begun(world) >= updates


async def test_c51_a_run_that_dies_before_the_last_page_stores_no_token_and_misses_nothing(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await settled(world, 3)
        [name] = await world.vendors.google.add([person(77)])
        await world.vendors.google.control.fault("people.connections.list", "html200", times=1)
        assert (await world.sync()).state is RunState.FAILED
        await world.sync()
        assert (await world.pair(name)).state is PairState.LINKED


@pytest.mark.parametrize("side", Side)
async def test_x2_changes_that_were_read_but_not_written_are_not_forgotten(open_world: OpenWorld, side: Side) -> None:
    """The listing's token moves on with the reading; the writes fail for good, until a later run carries them."""
    async with open_world() as world:
        records, people = await settled(world, 3, Title="Analyst")
        target = world.vendors.crm if side is Side.GOOGLE else world.vendors.google
        operation = "contacts.update" if side is Side.GOOGLE else "people.batchUpdateContacts"
        await target.control.fault(operation, "html200")
        if side is Side.GOOGLE:
            await world.vendors.google.edit_many({name: {"organizations": job("Countess")} for name in people})
        else:
            await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        assert not writes(await world.sync())

        await target.control.clear_faults()
        await world.sync()

        for record_id, name in zip(records, people, strict=True):
            assert await titles(world, record_id, name) == ("Countess", "Countess")


async def test_x3_what_the_owner_may_not_write_is_left_out_with_a_reason_and_the_rest_goes_on(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        records, people = await settled(world, 5, Title="Analyst")
        await world.vendors.crm.mark(records[0], read_only_for=[world.vendors.crm.user_id])
        for name in people:
            await world.vendors.google.edit(name, organizations=job("Countess"))

        run = await world.sync()

        assert writes(run) == {"crm.update": 4}
        assert await reasons(world, run) == {Reason.NO_PERMISSION: 1}
        assert (await crm(world, records[0]))["Title"] == "Analyst"


async def test_x8_five_hundred_records_of_one_second_are_each_taken_once(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(500)], at=DAYS_AGO)
        run = await world.sync()
        assert run.counts["created"] == 500
        assert await book_sizes(world) == (500, 500)
