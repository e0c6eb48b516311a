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
    add_group,
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
from tests.support.outside import OutsideWorld
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


@outside
@pytest.mark.parametrize("side", Side)
async def test_c12_no_edit_is_sent_again_after_a_quota_stop(open_outside: OpenOutside, side: Side) -> None:
    """The side named refuses some of the batches; every contact is in one that it took, and in one alone."""
    async with open_outside(limits=RunLimits(initial=1000, incremental=1000)) as world:
        records = await world.vendors.crm.populate(500, at=DAYS_AGO)
        await quiet(world)
        if side is Side.GOOGLE:
            await world.vendors.google.control.settings(
                quotas_enabled=True, quota_per_minute={"critical_read_requests": 60, "critical_write_requests": 6}
            )
            await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
            control, operation = world.vendors.google.control, "people.batchUpdateContacts"
        else:
            await world.vendors.crm.control.fault("contacts.update", "rate_limit", after=2, times=2)
            people = [one["resourceName"] for one in await world.vendors.google.people()]
            await world.vendors.google.edit_many({name: {"organizations": job("Countess")} for name in people})
            control, operation = world.vendors.crm.control, "contacts.update"
        await control.clear_log()
        told: list[Json] = []

        run = await world.ended(await world.ask(), told=told.append)

        assert run.outcomes == {"updated": 500}
        assert "waiting" in {one["state"] for one in told}
        taken = [one["items"] for one in await control.log() if (one["operation"], one["status"]) == (operation, 200)]
        assert sum(taken) == 500


def percent(run: Json) -> int:
    """How far a run is."""
    return int(run["progress"]["percent"])


def written(run: Json) -> int:
    """How many contacts a run has written."""
    return sum(run["writes"].values())


NOTHING_WAITS = {"contacts": 0, "runs": 0, "seconds": 0, "finishes_at": None}


@pytest.mark.parametrize("answer", ["400", "410"])
async def test_c13_an_expired_token_leads_to_a_full_reading_that_doubles_and_deletes_nobody(
    open_world: OpenWorld, answer: str
) -> None:
    """Google says 400 with a reason today; 410 is what its other services say, and said here once."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        if answer == "400":
            await world.vendors.google.control.advance(8 * 24 * 3600)
        else:
            await world.vendors.google.control.fault("people.connections.list", "status", status=410, times=1)
        await world.vendors.google.delete(people[0])
        await world.vendors.crm.edit(records[1], Title="Countess")

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert await titles(world, records[1], people[1]) == ("Countess", "Countess")
        assert await book_sizes(world) == (12, 11)


@outside
async def test_c14_an_expired_consent_stops_its_own_configuration_alone(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        other = await google_book(world.vendors.google.control, "charles@example.com")
        colleague = await world.beside(colleague=other)
        await settled(world, 2)
        await colleague.sync()
        await world.vendors.google.control.call("POST", "/grants/revoke", {"account": other.sub})
        await world.pass_time(hours=2)
        await world.vendors.crm.add([record(10)])

        troubled, mine = await colleague.ask(), await world.ask()

        failed = await colleague.ended(troubled)
        assert (failed.state, failed.reason) == (RunState.FAILED, Reason.NEEDS_RECONNECT)
        assert writes(await world.ended(mine)) == {"google.create": 1}
        assert (await world.configuration())["status"] == "active"


@outside
async def test_c14_a_failing_configuration_delays_nobody_else(open_outside: OpenOutside) -> None:
    """Delayed is who waits for a date; how long a slice takes is the machine's affair.

    One slice of the organisation is worked at once, and a run that waits is none.
    """
    async with open_outside(product={"slices_per_organisation": 1}) as world:
        other = await google_book(world.vendors.google.control, "charles@example.com")
        colleague = await world.beside(colleague=other)
        await settled(world, 2)
        await colleague.sync()
        await world.pass_time(minutes=20)
        await world.vendors.google.control.fault("people.connections.list", "status", status=503, account=other.sub)
        await world.vendors.crm.add([record(10)])

        troubled = await colleague.ask()
        await wait_until(lambda: is_in(colleague, troubled, RunState.WAITING))
        told: list[Json] = []
        mine = await world.ended(await world.ask(), told=told.append)

        assert writes(mine) == {"google.create": 1}
        assert "waiting" not in {one["state"] for one in told}
        assert RunState((await colleague.api.get(f"/v1/runs/{troubled}"))["state"]).open
        await world.vendors.google.control.clear_faults()
        assert writes(await colleague.ended(troubled)) == {"google.create": 1}


async def is_in(world: OutsideWorld, run_id: str, *states: RunState) -> bool:
    """Whether the run is in one of these states."""
    return (await world.api.get(f"/v1/runs/{run_id}"))["state"] in states


@outside
@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"action": "status", "status": 503}, RunState.WAITING),
        ({"action": "slow", "delay_s": 8}, RunState.RUNNING),
    ],
)
async def test_c14_another_tenants_failing_provider_delays_nobody_here(
    open_outside: OpenOutside, fault: Json, state: RunState
) -> None:
    """It refuses to answer, or does not come to an end of answering."""
    async with open_outside() as world:
        tenant = await world.elsewhere()
        await settled(world, 2)
        await tenant.sync()
        control = world.vendors.google.control
        await control.fault("people.connections.list", account=tenant.vendors.google.sub, **fault)
        for one in (world, tenant):
            await one.vendors.crm.add([record(10)])

        troubled = await tenant.ask()
        await wait_until(lambda: is_in(tenant, troubled, state))
        mine = await world.ask()
        await wait_until(lambda: is_in(world, mine, RunState.SUCCEEDED, RunState.WAITING), within_s=7)

        assert await is_in(world, mine, RunState.SUCCEEDED)
        assert await is_in(tenant, troubled, state)
        await control.clear_faults()
        assert writes(await tenant.ended(troubled)) == {"google.create": 1}
        assert writes(await world.ended(mine)) == {"google.create": 1}
        assert await book_sizes(tenant) == (1, 1)
        assert await book_sizes(world) == (3, 3)


@outside
async def test_c14_a_configuration_whose_group_is_gone_keeps_another_of_the_same_account_from_nothing(
    open_outside: OpenOutside,
) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        group = await add_group(world)
        beside = await world.beside(group=group)
        await settled(world, 3)
        await beside.sync()
        await world.pass_time(minutes=20)
        path = f"/accounts/{world.vendors.google.sub}/groups/{group.removeprefix('contactGroups/')}"
        await world.vendors.google.control.call("DELETE", path)
        await world.vendors.crm.add([record(10)])

        assert (await beside.sync()).reason == Reason.GROUP_GONE

        assert writes(await world.sync()) == {"google.create": 1}
        assert [one["status"] for one in (await beside.configuration(), await world.configuration())] == [
            "paused",
            "active",
        ]


@outside
@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("people.batchCreateContacts", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
        ("people.batchCreateContacts", {"action": "rate_limit", "variant": "legacy", "headers": {"Retry-After": "90"}}),
        ("people.connections.list", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
        ("contacts.list*", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
        ("contacts.insert", {"action": "rate_limit", "headers": {"Retry-After": "90"}}),
    ],
)
async def test_c15_a_refused_call_waits_as_long_as_it_was_told_and_loses_nothing(
    open_outside: OpenOutside, operation: str, more: Json
) -> None:
    """Refused with status 429, and by Google with the older 403 as well."""
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


WORDS = "Invalid argument: names were removed."
GOOGLE_SAYS = {"error": {"code": 400, "message": WORDS, "status": "INVALID_ARGUMENT"}}
ZOHO_SAYS = {"code": "NO_SUCH_THING_ANY_MORE", "message": WORDS, "details": {}, "status": "error"}


@outside
@pytest.mark.parametrize(
    ("operation", "body"),
    [("people.connections.list", GOOGLE_SAYS), ("contacts.update", ZOHO_SAYS)],
)
async def test_c19_an_unknown_permanent_error_pauses_after_a_few_tries_and_shows_the_providers_words(
    open_outside: OpenOutside, operation: str, body: Json
) -> None:
    async with open_outside(frequency="5m") as world:
        _, people = await settled(world, 2)
        vendor = world.vendors.google if operation.startswith("people") else world.vendors.crm
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        await vendor.control.fault(operation, "status", status=400, body=body)

        failed = await world.carry_on(until=world.clock.now() + timedelta(days=1))

        assert [(run.state, run.reason) for run in failed] == [(RunState.FAILED, Reason.PROVIDER_CONTRACT)] * 5
        assert (await world.api.get(f"/v1/runs/{failed[-1].run_id}"))["provider_message"] == WORDS
        told = await world.configuration()
        assert (told["status"], told["paused_reason"]) == ("paused", Reason.PROVIDER_CONTRACT)
        await vendor.control.clear_faults()
        again = await world.ended((await world.api.post(f"{world.path}/activate"))["run_id"])
        assert writes(again) == {"crm.update": 1}
        assert not writes(await world.sync())
        assert (await world.configuration())["status"] == "active"


async def test_c20_one_refused_record_does_not_stop_the_rest(open_world: OpenWorld) -> None:
    """One of which it is known before, and one that the CRM refuses in a batch with the others."""
    async with open_world() as world:
        records, people = await settled(world, 5, Title="Analyst")
        await world.vendors.crm.mark(records[0], locked=True)
        await world.vendors.crm.mark(records[1], approved=False)
        await world.vendors.google.edit_many({name: {"organizations": job("Countess")} for name in people})

        run = await world.sync()

        assert writes(run) == {"crm.update": 3}
        assert await reasons(world, run) == {Reason.LOCKED: 1, Reason.NOT_APPROVED: 1}
        shown = [(await crm(world, one))["Title"] for one in records]
        assert shown == ["Analyst"] * 2 + ["Countess"] * 3


NO_SUCH_MASK = {"error": {"code": 400, "message": "Invalid updateMask.", "status": "INVALID_ARGUMENT"}}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("action", "times", "ends"),
    [("html200", None, RunState.PARTIAL), ("rate_limit", 2, RunState.SUCCEEDED), ("status", None, RunState.FAILED)],
)
async def test_c20_a_direction_that_fails_does_not_stop_the_other(
    open_world: OpenWorld, side: Side, action: str, times: int | None, ends: RunState
) -> None:
    """Every write of one side fails, whatever that does to the run; the other is written before the run ends."""
    async with open_world() as world:
        records, people = await settled(world, 4, Title="Analyst")
        broken = world.vendors.crm if side is Side.CRM else world.vendors.google
        operation = "contacts.update" if side is Side.CRM else "people.batchUpdateContacts"
        refusal: Json = {"status": 400, "body": ZOHO_SAYS if side is Side.CRM else NO_SUCH_MASK}
        await broken.control.fault(operation, action, times=times, **(refusal if action == "status" else {}))
        await world.vendors.crm.edit_many({one: {"Title": "here"} for one in records[:2]})
        await world.vendors.google.edit_many({one: {"organizations": job("there")} for one in people[2:]})

        run = await world.sync()

        assert run.state is ends
        written = {f"{side.other}.update": 2}
        assert writes(run) == (written if times is None else {**written, f"{side}.update": 2})
        # What was to go to the side that is well, by the pair's number and its new title.
        wanted = [(2, "there"), (3, "there")] if side is Side.GOOGLE else [(0, "here"), (1, "here")]
        for number, title in wanted:
            assert await titles(world, records[number], people[number]) == (title, title)
        await broken.control.clear_faults()
        await world.sync()
        both = [await titles(world, *pair) for pair in zip(records, people, strict=True)]
        assert both == [("here", "here")] * 2 + [("there", "there")] * 2


async def test_c20_a_person_whom_google_refuses_without_a_name_stops_nobody_else(open_world: OpenWorld) -> None:
    """A batch is all or nothing, and the refusal does not say for whose sake."""
    async with open_world() as world:
        records, people = await settled(world, 5, Title="Analyst")
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        # The whole batch, a half, and one of it alone.
        await world.vendors.google.control.fault("people.batchUpdateContacts", "status", status=400, times=3)
        run = await world.sync()
        assert writes(run) == {"google.update": 4}
        assert await reasons(world, run) == {Reason.REJECTED_BY_PROVIDER: 1}
        await world.pass_time(days=1, minutes=1)
        assert writes(await world.sync()) == {"google.update": 1}
        assert [(await titles(world, *pair))[1] for pair in zip(records, people, strict=True)] == ["Countess"] * 5


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


@pytest.mark.parametrize("edits", [1, 4, 8])
async def test_c41_a_person_who_is_edited_while_we_write_is_read_and_merged_again(
    open_world: OpenWorld, edits: int
) -> None:
    """Our update is on its way when each edit falls: Google refuses its etag.

    Read and merged again at once and three times after a moment, twice each; then the next run does it.
    """
    async with open_world() as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        google_control = world.vendors.google.control
        await google_control.clear_log()
        await google_control.fault("people.batchUpdateContacts", "slow", delay_s=0.7)

        async def people_edit() -> None:
            for number in range(1, edits + 1):
                await wait_until(partial(has_begun, world, number), within_s=20)
                note = [{"value": f"edit {number}"}]
                await world.vendors.google.edit(people[0], biographies=note, nicknames=note)

        began = world.clock.now()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(people_edit())
            run = await world.sync()
        assert world.clock.now() - began >= timedelta(seconds=min(edits // 2, 3) * 0.5)
        gave_up = {Reason.CHANGED_MEANWHILE: 1} if edits > 7 else {}
        assert await reasons(world, run) == gave_up
        assert writes(run) == {"google.update": 3 - len(gave_up)}
        await google_control.clear_faults()
        await world.pass_time(minutes=20)
        await world.sync()

        for record_id, name in zip(records, people, strict=True):
            assert await titles(world, record_id, name) == ("Countess", "Countess")
        assert (await google(world, people[0]))["nicknames"][0]["value"] == f"edit {edits}"
        await quiet(world)


async def has_begun(world: StoryWorld, updates: int) -> bool:
    """Whether so many updates with the one who is edited have arrived: of all three, then of him alone.

    When he is refused, the other two are sent again by themselves.
    """
    log = [one for one in await world.vendors.google.control.log(0) if "batchUpdateContacts" in one["path"]]
    return len([one for one in log if one["items"] != 2]) >= updates


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


async def test_c51_a_listing_of_several_pages_that_breaks_off_is_read_again_and_misses_nothing(
    open_world: OpenWorld,
) -> None:
    """A thousand people a page: the second page fails, on which one of those edited may be as well as on the first."""
    async with open_world() as world:
        records, people = await settled(world, 3, Title="Analyst")
        private = await world.vendors.google.add([person(n) for n in range(1000, 2010)], in_group=False)
        assert not writes(await world.sync())
        await world.vendors.google.edit_many({people[0]: {"organizations": job("Countess")}})
        await world.vendors.google.edit_many({name: {"nicknames": [{"value": "Ada"}]} for name in private})
        await world.vendors.google.edit_many({name: {"organizations": job("Countess")} for name in people[1:]})
        await world.vendors.google.control.fault("people.connections.list", "html200", after=1, times=1)

        failed = await world.sync()
        assert (failed.state, failed.calls["google.people.list"]) == (RunState.FAILED, 2)
        await world.sync()

        for record_id, name in zip(records, people, strict=True):
            assert await titles(world, record_id, name) == ("Countess", "Countess")
        assert await book_sizes(world) == (3, 1013)


async def test_c51_pages_of_the_crms_changes_that_break_off_are_read_again_and_miss_nothing(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        records = await world.vendors.crm.populate(450, at=DAYS_AGO)
        await quiet(world)
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        await world.vendors.crm.control.fault("contacts.list*", "html200", after=1, times=1)
        await world.pass_time(minutes=10)  # longer than what is read again for safety's sake

        assert (await world.sync()).state is RunState.FAILED

        assert writes(await world.sync()) == {"google.update": 450}


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


async def test_x8_five_hundred_edits_of_one_second_are_each_carried_once_over_several_pages(
    open_world: OpenWorld,
) -> None:
    """Now the list is that of changes since a time; at the next run the same second is asked for again."""
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        records = await world.vendors.crm.add([record(n) for n in range(500)], at=DAYS_AGO)
        await world.sync()
        await quiet(world)
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        stamps = {one["Modified_Time"] for one in await world.vendors.crm.records()}
        assert len(stamps) == 1

        run = await world.sync()

        assert writes(run) == {"google.update": 500}
        shown = [one["organizations"][0]["title"] for one in await world.vendors.google.people()]
        assert shown == ["Countess"] * 500
        await quiet(world)
