"""Writes that the CRM refuses for reasons of its own: told, tried again for a week, carried out when they can be."""

from __future__ import annotations

from contactsync.domain.actions import Action
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunState
from tests.stories.common import (
    DAYS_AGO,
    address,
    book_sizes,
    crm,
    google,
    job,
    outcomes,
    person,
    quiet,
    reasons,
    record,
    settled,
    titles,
    writes,
)
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json

PHONE: list[Json] = [{"value": "+44 113 496 0000", "type": "work"}]


async def attempts(world: StoryWorld) -> int:
    """How often the CRM was asked to write contacts since the log was cleared."""
    calls = await world.vendors.crm.control.calls()
    return calls["contacts.update"] + calls["contacts.insert"]


async def phones_are_unique(world: StoryWorld, *, unique: bool = True) -> None:
    """Whether the CRM lets a number be in one record alone."""
    path = f"/organisations/{world.vendors.crm.zgid}/fields/Contacts/Phone"
    await world.vendors.crm.control.call("PATCH", path, {"unique": unique})


async def test_a_refused_write_is_tried_again_each_day_for_a_week_and_stays_in_the_report(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        records, people = await settled(world, 2, Title="Analyst")
        await phones_are_unique(world)
        await world.vendors.crm.add([record(9, Phone="+44 113 496 0000")])
        await quiet(world)
        await world.vendors.crm.control.clear_log()
        await world.vendors.google.edit(people[0], phoneNumbers=PHONE)

        tried = []
        for _ in range(10):
            run = await world.sync()
            assert (run.state, outcomes(run)) == (RunState.PARTIAL, {"failed": 1, "unchanged": 2})
            assert (await world.pair(records[0])).held == Reason.DUPLICATE_IN_CRM
            await world.pass_time(hours=11)
            assert outcomes(await world.sync()) == {"failed": 1, "unchanged": 2}
            tried.append(await attempts(world))
            await world.pass_time(hours=14)

        assert tried == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8], "at once, and on seven days after"
        await world.answer(records[0], Action.RETRY)
        assert await attempts(world) == 9
        await phones_are_unique(world, unique=False)
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 1}
        shown = await crm(world, records[0])
        assert (shown["Title"], shown["Phone"]) == ("Countess", "+44 113 496 0000")
        await quiet(world)


async def test_a_value_that_must_be_unique_overwrites_nobody_and_the_contact_follows_when_it_is_free(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await phones_are_unique(world)
        [holder] = await world.vendors.crm.add([record(9, Phone="+44 113 496 0000")], at=DAYS_AGO)
        await quiet(world)
        before = await crm(world, holder)
        [name, other] = await world.vendors.google.add([person(0, phoneNumbers=PHONE), person(1)])

        run = await world.sync()

        assert writes(run) == {"crm.create": 1}
        assert outcomes(run) == {"failed": 1, "created": 1, "unchanged": 1}
        (row,) = [row for row in await world.report(run) if row.outcome is Outcome.FAILED]
        assert (row.google_id, row.reason, row.provider_message) == (name, Reason.DUPLICATE_IN_CRM, "duplicate data")
        assert await crm(world, holder) == before
        assert (await world.pair(other)).crm_id
        await world.vendors.google.edit(name, phoneNumbers=[{"value": "+44 113 496 0009", "type": "work"}])
        assert writes(await world.sync()) == {"crm.create": 1}
        await quiet(world)
        assert await book_sizes(world) == (3, 3)


async def test_a_locked_and_an_unapproved_record_are_written_once_they_may_be(open_world: OpenWorld) -> None:
    """What is edited on Google meanwhile is carried out; what the CRM shows goes to Google all the same."""
    async with open_world() as world:
        records, people = await settled(world, 3, Title="Analyst")
        await world.vendors.crm.mark(records[0], locked=True)
        await world.vendors.crm.mark(records[1], approved=False)
        for name in people:
            await world.vendors.google.edit(name, organizations=job("Countess"))

        run = await world.sync()

        assert writes(run) == {"crm.update": 1}
        assert await reasons(world, run) == {Reason.LOCKED: 1, Reason.NOT_APPROVED: 1}
        assert run.state is RunState.PARTIAL
        await world.vendors.crm.edit(records[0], Department="Engines")
        await world.sync()
        assert (await google(world, people[0]))["organizations"][0].get("department") == "Engines"
        await world.vendors.crm.mark(records[0], locked=False)
        await world.vendors.crm.mark(records[1], approved=True)
        await world.pass_time(hours=25)
        await world.sync()
        for record_id, name in zip(records, people, strict=True):
            assert await titles(world, record_id, name) == ("Countess", "Countess")
        await quiet(world)


async def test_what_the_crm_refuses_in_words_of_its_own_is_shown_in_them_and_the_others_are_written(
    open_world: OpenWorld,
) -> None:
    """A validation rule, say: the code is none that we know."""
    words = "Countesses need a county"
    async with open_world() as world:
        _, people = await settled(world, 1)
        refusal: Json = {"code": "RULE_FAILED", "status": "error", "message": words, "details": {}}
        await world.vendors.crm.control.fault(
            "contacts.update", "status", status=200, body={"data": [refusal]}, times=1
        )
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        await world.vendors.google.add([person(5)])

        run = await world.sync()

        assert writes(run) == {"crm.create": 1}
        (row,) = [row for row in await world.report(run) if row.outcome is Outcome.FAILED]
        assert (row.reason, row.provider_message, row.fields) == (Reason.REJECTED_BY_PROVIDER, words, ())
        await world.pass_time(days=1, minutes=1)
        assert writes(await world.sync()) == {"crm.update": 1}
        await quiet(world)


async def test_a_contact_written_on_one_side_and_refused_on_the_other_counts_as_failed(open_world: OpenWorld) -> None:
    """Two effects of different outcomes: the first in the order of outcomes is told, and which side was written."""
    async with open_world() as world:
        records, people = await settled(world, 1, Title="Analyst")
        refusal: Json = {"code": "RULE_FAILED", "status": "error", "message": "no", "details": {}}
        await world.vendors.crm.control.fault(
            "contacts.update", "status", status=200, body={"data": [refusal]}, times=1
        )
        await world.vendors.crm.edit(records[0], Department="Engines")
        await world.vendors.google.edit(people[0], phoneNumbers=PHONE)

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert outcomes(run) == {"failed": 1}
        (row,) = await world.report(run)
        assert (row.outcome, row.fields) == (Outcome.FAILED, ("Department",))
        await world.pass_time(days=1, minutes=1)
        assert writes(await world.sync()) == {"crm.update": 1}
        assert (await crm(world, records[0]))["Phone"] == PHONE[0]["value"]


async def test_a_users_own_time_zone_and_its_change_lose_nothing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        crm_book = world.vendors.crm
        records, people = await settled(world, 3)
        for number, zone in enumerate(("Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati")):
            path = f"/organisations/{crm_book.zgid}/users/{crm_book.user_id}"
            await crm_book.control.call("PATCH", path, {"time_zone": zone})
            await crm_book.edit(records[0], Title=f"here {number}")
            await world.vendors.google.edit(people[1], organizations=job(f"there {number}"))
            await world.sync()
            assert await titles(world, records[0], people[0]) == (f"here {number}",) * 2
            assert await titles(world, records[1], people[1]) == (f"there {number}",) * 2
            [made] = await crm_book.add([record(50 + number)])
            await crm_book.delete(made)
            await world.pass_time(minutes=20)
            assert not writes(await world.sync())
        assert {one["Email"] for one in await crm_book.records()} == {address(n) for n in range(3)}
