"""Deletions and mass loss: complaints C4 to C9, C44, X7."""

from __future__ import annotations

from collections import Counter

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping, mappable
from contactsync.domain.policy import DeletePolicy, Direction, NoEmailRule
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode, RunState
from tests.stories.common import (
    CRITERIA,
    DAYS_AGO,
    add_group,
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
from tests.stories.conftest import OpenOutside, outside
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json

STRANGER = {"id": "4876876000000999999", "Last_Name": "Page", "Modified_Time": "2026-01-05T10:00:00+00:00"}
ENDS_EARLY = [
    ("people.connections.list", "html200", {}),
    ("people.connections.list", "cut_before", {}),
    ("people.connections.list", "status", {"status": 200, "body": ""}),
    ("contacts.list.view", "status", {"status": 200, "body": ""}),
    ("contacts.list.view", "status", {"status": 204, "body": ""}),
    # A page that says neither that there are more nor that there are none.
    ("contacts.list.view", "status", {"status": 200, "body": {"data": [STRANGER]}}),
    ("contacts.list.view", "status", {"status": 200, "body": {"data": [STRANGER], "info": {"count": 1}}}),
]


@pytest.mark.parametrize(("operation", "action", "more"), ENDS_EARLY)
async def test_c4_a_listing_that_ends_early_never_deletes(
    open_world: OpenWorld, operation: str, action: str, more: Json
) -> None:
    """Nor does it make anybody, or take a pair out of the sync."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20)
        await world.pass_time(hours=25)
        vendor = world.vendors.google if operation.startswith("people") else world.vendors.crm
        await vendor.control.fault(operation, action, times=1, **more)

        run = await world.sync()

        assert not writes(run)
        assert {pair.state for pair in await world.pairs()} == {PairState.LINKED}
        await vendor.control.clear_faults()
        await world.pass_time(hours=25)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (20, 20)


@pytest.mark.parametrize("keep", [0.0, 0.5])
async def test_c4_a_listing_that_lacks_its_end_never_deletes(open_world: OpenWorld, keep: float) -> None:
    """Well formed, with status 200, and empty or half as long as the book."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20)
        for control, operation in (
            (world.vendors.google.control, "people.connections.list"),
            (world.vendors.crm.control, "contacts.list.view"),
        ):
            await world.pass_time(hours=25)
            await control.fault(operation, "short_listing", keep=keep, times=1)
            assert not writes(await world.sync(mode=RunMode.FULL))
            await control.clear_faults()
            await world.pass_time(minutes=20)
            assert not writes(await world.sync(mode=RunMode.FULL))
        assert await book_sizes(world) == (20, 20)


async def test_c4_a_listing_without_its_last_page_says_so_itself_and_neither_deletes_nor_makes_anybody(
    open_world: OpenWorld,
) -> None:
    """It states a larger total than it shows."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20)
        await world.vendors.google.add([person(n) for n in range(20, 40)], in_group=False)
        await world.sync()
        await world.pass_time(hours=25)
        await world.vendors.google.control.fault("people.connections.list", "cut_listing", keep=0.25, times=2)
        await world.vendors.crm.add([record(30)])

        run = await world.sync(mode=RunMode.FULL)

        assert writes(run) == {"google.join_group": 1}
        assert await book_sizes(world) == (21, 40)
        await quiet(world)


@pytest.mark.parametrize("side", Side)
async def test_c5_an_emptied_book_deletes_nobody_before_somebody_has_approved(
    open_world: OpenWorld, side: Side
) -> None:
    """Everything else goes on: who was made on the other side meanwhile crosses."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 4)
        if side is Side.CRM:
            await world.vendors.crm.delete(*records)
            await world.vendors.google.add([person(50)])
        else:
            await world.vendors.google.delete(*people)
            await world.vendors.crm.add([record(50)])

        run = await world.sync()

        assert run.state is RunState.NEEDS_APPROVAL
        assert writes(run) == {f"{side}.create": 1}
        assert writes(await world.approve(run)) == {f"{side.other}.delete": 4}
        await quiet(world)
        assert await book_sizes(world) == (1, 1)


@pytest.mark.parametrize(
    ("side", "pairs", "gone", "asks"),
    [
        (Side.CRM, 100, 10, False),
        (Side.CRM, 100, 11, True),
        (Side.GOOGLE, 600, 50, False),
        (Side.GOOGLE, 600, 51, True),
    ],
)
async def test_c5_a_tenth_of_the_pairs_and_never_more_than_fifty_are_deleted_unasked(
    open_world: OpenWorld,
    side: Side,
    pairs: int,
    gone: int,
    asks: bool,  # noqa: FBT001
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, pairs)
        if side is Side.CRM:
            await world.vendors.crm.delete(*records[:gone])
        else:
            await world.vendors.google.delete(*people[:gone])

        run = await world.sync()

        assert writes(run) == ({} if asks else {f"{side.other}.delete": gone})
        assert run.state is (RunState.NEEDS_APPROVAL if asks else RunState.SUCCEEDED)


@pytest.mark.parametrize("who", ["left out", "made by the run"])
async def test_c5_beside_whom_the_sync_leaves_out_or_makes_meanwhile_a_loss_is_not_smaller(
    open_world: OpenWorld, who: str
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE, no_email=NoEmailRule.SKIP) as world:
        records, _ = await settled(world, 12)
        if who == "left out":
            await world.vendors.google.add([person(n, emailAddresses=[]) for n in range(50, 110)])
            await quiet(world)
        else:
            await world.vendors.crm.add([record(n) for n in range(50, 110)])
        await world.vendors.crm.delete(*records[:6])

        run = await world.sync()

        assert run.state is RunState.NEEDS_APPROVAL
        assert "google.delete" not in writes(run)


FULL = {
    "Salutation": "Dr.",
    "Secondary_Email": "ada@home.example.org",
    "Phone": "+44 113 496 0000",
    "Mobile": "+44 113 496 0001",
    "Home_Phone": "+44 113 496 0002",
    "Other_Phone": "+44 113 496 0003",
    "Fax": "+44 113 496 0004",
    "Asst_Phone": "+44 113 496 0005",
    "Title": "Analyst",
    "Department": "Engines",
    "Mailing_Street": "12 St James's Square\nFlat 3",
    "Mailing_City": "London",
    "Mailing_State": "Greater London",
    "Mailing_Zip": "SW1Y 4JH",
    "Mailing_Country": "United Kingdom",
    "Other_City": "Ockham",
    "Description": "First line.\nSecond line.",
    "Date_of_Birth": "1815-12-10",
    "Assistant": "Mary Somerville",
    "Skype_ID": "ada.byron",
    "Twitter": "https://twitter.example/ada",
}


@pytest.mark.parametrize("side", Side)
async def test_c6_what_was_deleted_is_restored_for_thirty_days_with_its_fields_and_its_group(
    open_world: OpenWorld, side: Side
) -> None:
    """The side named is where the product deleted, because somebody had deleted on the other."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await world.configure(
            mapping=Mapping([*world.mapping.rows, *(row for row in mappable() if row.crm_field in FULL)])
        )
        records, people = await settled(world, 12, **FULL)
        before = await (crm(world, records[4]) if side is Side.CRM else google(world, people[4]))
        if side is Side.CRM:
            await world.vendors.google.delete(people[4])
        else:
            await world.vendors.crm.delete(records[4])
        assert writes(await world.sync()) == {f"{side}.delete": 1}
        await world.pass_time(days=29, hours=23, minutes=50)

        run = await world.answer(records[4], Action.RESTORE)

        assert writes(run) == {f"{side}.create": 1}
        assert (await reasons(world, run))[Reason.RESTORED] == 1
        if side is Side.CRM:
            [back] = [one for one in await world.vendors.crm.records() if one.get("Email") == address(4)]
            mapped = {row.crm_field for row in world.mapping} - {"Account_Name"}
            assert mapped >= FULL.keys()
            assert {name: back.get(name) for name in mapped} == {name: before.get(name) for name in mapped}
        else:
            members = await world.vendors.google.people(in_group=True)
            [back] = [one for one in members if one["emailAddresses"][0]["value"] == address(4)]
            fields = before.keys() - {"resourceName", "etag", "metadata", "memberships", "clientData"}
            assert fields >= {"phoneNumbers", "relations", "imClients", "birthdays", "biographies", "urls", "addresses"}
            assert {one: plain(back[one]) for one in fields} == {one: plain(before[one]) for one in fields}
        await quiet(world)


def plain(entries: list[Json]) -> list[Json]:
    """Entries of a field without what Google derives from them."""
    derived = {"metadata", "formattedType", "canonicalForm", "formattedValue"}
    return [{name: value for name, value in one.items() if name not in derived} for one in entries]


@pytest.mark.parametrize("side", Side)
async def test_c7_a_contact_made_by_the_sync_survives_the_next_ones(open_world: OpenWorld, side: Side) -> None:
    """Somebody makes it on this side; one of two is edited on the other."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 3)
        if side is Side.CRM:
            made = await world.vendors.crm.add([record(50), record(51)])
        else:
            made = await world.vendors.google.add([person(50), person(51)])
        await world.sync()
        pair = await world.pair(made[0])
        await world.sync()
        if side is Side.CRM:
            await world.vendors.google.edit(pair.google_id, organizations=job("Countess"))
        else:
            await world.vendors.crm.edit(pair.crm_id, Title="Countess")
        for _ in range(3):
            await world.sync()
            await world.pass_time(minutes=10)
        assert await titles(world, pair.crm_id, pair.google_id) == ("Countess", "Countess")
        assert await book_sizes(world) == (5, 5)


@pytest.mark.parametrize("side", Side)
async def test_c8_leaving_the_view_or_the_group_deletes_nobody_and_coming_back_merges(
    open_world: OpenWorld, side: Side
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE, view_criteria=CRITERIA) as world:
        records, people = await settled(world, 20, Lead_Source="Partner", Title="Analyst")
        if side is Side.CRM:
            await world.vendors.crm.edit_many({one: {"Lead_Source": "Cold Call"} for one in records})
        else:
            for name in people:
                await world.vendors.google.move(name, remove=[world.vendors.google.group])

        run = await world.sync()

        assert not writes(run)
        assert outcomes(run) == {"skipped": 20}
        left = Reason.LEFT_VIEW if side is Side.CRM else Reason.LEFT_GROUP
        assert await reasons(world, run) == {left: 20}
        assert run.state is RunState.SUCCEEDED
        # Both are edited while they are apart, in different fields.
        await world.pass_time(days=2)
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.vendors.google.edit(people[0], phoneNumbers=[{"value": "+44 113 496 0000", "type": "mobile"}])
        assert not writes(await world.sync())
        await world.pass_time(minutes=20)
        if side is Side.CRM:
            await world.vendors.crm.edit_many({one: {"Lead_Source": "Partner"} for one in records})
        else:
            for name in people:
                await world.vendors.google.move(name, add=[world.vendors.google.group])
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")
        assert (await crm(world, records[0]))["Mobile"] == "+44 113 496 0000"
        assert await book_sizes(world) == (20, 20)


async def test_c8_narrowing_the_view_itself_deletes_nobody(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 20)
        await world.vendors.crm.change_view(criteria=CRITERIA)
        told: Counter[str] = Counter()
        for _ in range(3):
            await world.pass_time(hours=25)
            run = await world.sync()
            assert not writes(run)
            told |= await reasons(world, run)
        assert told == {Reason.LEFT_VIEW: 20}
        assert await book_sizes(world) == (20, 20)
        assert (await world.pair(records[0])).state is PairState.DORMANT


@outside
@pytest.mark.parametrize("new", ["view", "view and group"])
async def test_c8_another_view_or_group_deletes_nobody_and_the_report_tells_who_is_left_out(
    open_outside: OpenOutside, new: str
) -> None:
    """Also where a pair is in neither of the new ones, and where its contacts are deleted afterwards."""
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12)
        group = await add_group(world) if "group" in new else world.vendors.google.group

        await world.configure(crm_view_id=await add_view(world), google_group=group)

        left = Reason.LEFT_VIEW if new == "view" else Reason.OUT_OF_SCOPE
        for _ in range(2):
            assert await reasons(world, (await world.runs())[-1]) == {left: 12}
            await world.pass_time(hours=25)
            assert not writes(await world.sync())
        assert {pair.state for pair in await world.pairs()} == {PairState.DORMANT}
        await world.vendors.crm.delete(records[0])
        await world.vendors.google.delete(people[1])
        assert not writes(await world.sync())
        assert await book_sizes(world) == (11, 11)


async def add_view(world: StoryWorld) -> str:
    """A list view of the CRM that shows partners alone."""
    book = world.vendors.crm
    body = {"name": "Second", "criteria": CRITERIA, "owner": book.user_id}
    return str((await book.control.call("POST", f"/organisations/{book.zgid}/views", body))["id"])


async def test_c9_a_run_that_left_somebody_out_does_not_report_a_bare_success(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.google.add([{"biographies": [{"value": "nobody"}]}])
        run = await world.sync()
        assert run.state is RunState.PARTIAL
        assert await reasons(world, run) == {Reason.NOTHING_IDENTIFIES: 1}
        assert (await world.sync()).state is RunState.PARTIAL, "he is left out still"
        await world.vendors.google.edit(
            (await world.vendors.google.people())[0]["resourceName"], names=[{"givenName": "Ada"}]
        )
        assert (await world.sync()).state is RunState.SUCCEEDED


async def test_c9_a_contact_that_was_never_on_the_other_side_is_never_deleted(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE, deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 12)
        [stranger] = await world.vendors.google.add([person(99)])
        for _ in range(3):
            await world.sync()
            await world.pass_time(hours=25)
        assert stranger in {one["resourceName"] for one in await world.vendors.google.people()}


async def test_c44_a_deleted_pair_does_not_come_back_in_the_next_five_runs(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.crm.delete(records[0])
        await world.vendors.google.delete(people[1])
        assert writes(await world.sync()) == {"crm.delete": 1, "google.delete": 1}
        for _ in range(5):
            await world.pass_time(hours=13)
            assert not writes(await world.sync())
        left = {one["emailAddresses"][0]["value"] for one in await world.vendors.google.people()}
        assert left == {one["Email"] for one in await world.vendors.crm.records()}
        assert left == {address(n) for n in range(2, 20)}


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_c44_whoever_was_in_a_trash_before_the_first_run_is_made_by_none(
    open_world: OpenWorld, deletions: DeletePolicy
) -> None:
    async with open_world(deletions=deletions) as world:
        records = await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        people = await world.vendors.google.add([person(n) for n in range(10, 15)])
        await world.vendors.crm.delete(*records[:2])
        await world.vendors.google.delete(*people[:2])
        for _ in range(6):
            await world.sync()
            await world.pass_time(hours=13)
        assert await book_sizes(world) == (6, 6)


FAILURES = [
    ("people.connections.list", "status", {"status": 500}),
    ("people.connections.list", "html200", {}),
    ("people.connections.list", "truncate", {}),
    ("contacts.list*", "status", {"status": 500}),
    ("contacts.list*", "html200", {}),
    ("contacts.deleted", "status", {"status": 403, "body": {"code": "NO_PERMISSION", "status": "error"}}),
    ("contacts.deleted", "truncate", {}),
    ("contacts.deleted", "status", {"status": 200, "body": ""}),
]


@pytest.mark.parametrize(("operation", "action", "more"), FAILURES)
async def test_x7_a_failed_request_is_never_an_empty_list(
    open_world: OpenWorld, operation: str, action: str, more: Json
) -> None:
    """The run waits or ends with a reason; nobody is deleted or made again, and the next run catches up."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 12, Title="Analyst")
        await world.vendors.crm.edit(records[0], Title="Countess")
        vendor = world.vendors.google if operation.startswith("people") else world.vendors.crm
        await vendor.control.fault(operation, action, times=1, **more)

        run = await world.sync(mode=RunMode.FULL)

        assert run.state is not RunState.FAILED or run.reason
        await vendor.control.clear_faults()
        await world.configure()
        await world.sync()
        assert await book_sizes(world) == (12, 12)
        shown = {one["Email"]: one.get("Title") for one in await world.vendors.crm.records()}
        assert shown[address(0)] == "Countess"
        titles_there = [
            (one.get("organizations") or [{}])[0].get("title") for one in await world.vendors.google.people()
        ]
        assert sorted(map(str, titles_there)) == ["Analyst"] * 11 + ["Countess"]
