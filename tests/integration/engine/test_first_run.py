"""A first run, seen from the vendors' side: what both address books hold afterwards, and how many calls it took."""

from __future__ import annotations

from collections import Counter

from contactsync.domain.link import PairState, Presence
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Run, RunState
from tests.integration.engine.conftest import OpenWorld
from tests.support.sync_world import SyncWorld
from tests.support.vendors import Json

DAYS_AGO = "2026-01-05T10:00:00+00:00"


def data_calls(run: Run) -> int:
    """Calls of the run but those about rights, metadata and tokens."""
    return sum(n for name, n in run.counts.items() if name.startswith("calls.") and ".control." not in name)


def record(number: int, **values: object) -> Json:
    """A CRM record of somebody with an address of his own."""
    return {"First_Name": f"Ada{number}", "Last_Name": f"Byron{number}", "Email": f"ada{number}@example.org", **values}


def person(number: int, **fields: object) -> Json:
    """The same somebody as a Google person."""
    return {
        "names": [{"givenName": f"Ada{number}", "familyName": f"Byron{number}"}],
        "emailAddresses": [{"value": f"ada{number}@example.org", "type": "work"}],
        **fields,
    }


async def test_records_of_the_view_are_created_in_the_group_and_in_my_contacts(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.populate(450, at=DAYS_AGO)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert run.counts["created"] == run.counts["selected"] == 450
        assert data_calls(run) == 3 + 1 + 3
        members = await world.vendors.google.people(in_group=True)
        assert len(members) == len(await world.vendors.google.people()) == 450
        assert all("contactGroups/myContacts" in groups_of(one) for one in members)


def groups_of(one: Json) -> set[str]:
    """Resource names of a person's groups."""
    return {entry["contactGroupMembership"]["contactGroupResourceName"] for entry in one["memberships"]}


async def test_what_is_over_the_limit_waits_and_comes_with_the_next_run(open_world: OpenWorld) -> None:
    limits = RunLimits(initial=40, incremental=15)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, limits=limits) as world:
        await world.vendors.crm.populate(41, at=DAYS_AGO)

        first = await world.sync()
        assert (first.counts["created"], first.counts["waiting"]) == (40, 1)
        second = await world.sync()

        assert (second.counts["created"], second.counts["waiting"], second.counts["unchanged"]) == (1, 0, 40)
        assert len(await world.vendors.google.people()) == 41


async def test_the_run_after_reads_its_echoes_and_writes_nothing_and_ten_more_take_three_calls_each(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(20, 50)])
        await world.sync()

        echo = await world.sync()
        assert not writes(echo)
        await world.vendors.advance(600)
        await world.sync()

        for _ in range(10):
            run = await world.sync()
            assert (data_calls(run), writes(run), run.counts["unchanged"]) == (3, {}, 50)


def writes(run: Run) -> dict[str, int]:
    """What the run wrote, by side and kind."""
    return {name: n for name, n in run.counts.items() if name.startswith("writes.") and n}


async def test_two_way_over_partly_overlapping_books_makes_what_is_missing_on_each_side(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(20, 50)])

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert writes(run) == {"writes.google.create": 20, "writes.crm.create": 20}
        assert (run.counts["created"], run.counts["linked"], run.counts["selected"]) == (40, 10, 50)
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(50)}


async def addresses(world: SyncWorld) -> dict[str, tuple[int, int]]:
    """How often each address occurs in the CRM and on Google."""
    crm = Counter(str(one.get("Email")) for one in await world.vendors.crm.records())
    google = Counter(
        entry["value"] for one in await world.vendors.google.people() for entry in one.get("emailAddresses", ())
    )
    return {address: (crm[address], google[address]) for address in crm.keys() | google.keys()}


async def test_google_to_crm_makes_records_and_never_writes_to_google(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM) as world:
        await world.vendors.google.add([person(n) for n in range(25)])
        await world.vendors.google.add([person(n) for n in range(25, 30)], in_group=False)
        before = await world.vendors.google.people()

        run = await world.sync()

        assert writes(run) == {"writes.crm.create": 25}
        assert await world.vendors.google.people() == before
        assert {one["Email"] for one in await world.vendors.crm.records()} == {f"ada{n}@example.org" for n in range(25)}


async def test_people_who_are_in_the_account_already_are_adopted_and_none_is_doubled(open_world: OpenWorld) -> None:
    """412 records, 300 of them known outside the group: 112 are made, 300 join, nothing private reaches the CRM."""
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(412)], at=DAYS_AGO)
        private = {
            "biographies": [{"value": "met in Venice"}],
            "phoneNumbers": [{"value": "+441134960000", "type": "home"}],
        }
        await world.vendors.google.add([person(n, **private) for n in range(300)], in_group=False)

        run = await world.sync()

        assert writes(run) == {"writes.google.create": 112, "writes.google.join_group": 300}
        assert len(await world.vendors.google.people(in_group=True)) == 412
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(412)}
        assert all("Description" not in one and "Home_Phone" not in one for one in await world.vendors.crm.records())
        assert not writes(await world.sync())


async def test_members_whose_record_is_outside_the_view_are_left_alone_with_the_reason(open_world: OpenWorld) -> None:
    criteria = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Customers"}
    async with open_world(view_criteria=criteria) as world:
        await world.vendors.crm.add([record(n) for n in range(50)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(50)])

        run = await world.sync()

        assert not writes(run)
        assert run.counts["skipped"] == 50
        assert Counter(row.reason for row in await world.report(run)) == {Reason.IN_CRM_OUTSIDE_VIEW: 50}
        assert len(await world.vendors.crm.records()) == 50


async def test_two_people_with_one_address_and_different_names_are_never_merged(open_world: OpenWorld) -> None:
    async with open_world() as world:
        shared = {"Email": "office@example.org"}
        await world.vendors.crm.add([{"First_Name": "Eve", "Last_Name": "Miller", **shared}], at=DAYS_AGO)
        await world.vendors.google.add(
            [
                {
                    "names": [{"givenName": "Bob", "familyName": "Carter"}],
                    "emailAddresses": [{"value": "office@example.org", "type": "work"}],
                }
            ]
        )

        run = await world.sync()

        assert not writes(run)
        assert {(row.outcome, row.reason) for row in await world.report(run)} == {
            (Outcome.HELD, Reason.POSSIBLE_DUPLICATE)
        }
        assert run.state is RunState.PARTIAL


async def test_a_person_whose_record_went_to_somebody_else_is_sought_before_a_record_is_made(
    open_world: OpenWorld,
) -> None:
    """One record has the addresses of two people. The second one exists in the CRM too, outside the view."""
    criteria = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Web"}
    async with open_world(view_criteria=criteria) as world:
        two = {**record(1), "Secondary_Email": "ada2@example.org", "Lead_Source": "Web"}
        await world.vendors.crm.add([two, record(2)], at=DAYS_AGO)
        await world.vendors.google.add([person(1), person(2)])

        first, second = await world.sync(), await world.sync()

        assert not writes(first).get("writes.crm.create")
        assert not writes(second)
        assert {row.reason for row in await world.report(second)} == {Reason.IN_CRM_OUTSIDE_VIEW}
        assert len(await world.vendors.crm.records()) == 2


async def test_the_second_of_two_records_with_one_address_is_held(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(1), record(1)], at=DAYS_AGO)

        run = await world.sync()

        assert writes(run) == {"writes.google.create": 1}
        assert [row.reason for row in await world.report(run) if row.outcome is Outcome.HELD] == [
            Reason.AMBIGUOUS_MATCH
        ]


async def test_a_deleted_and_remade_configuration_makes_no_duplicates(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        await world.sync()
        await world.forget_everything()

        run = await world.sync()

        assert not writes(run)
        assert run.counts["linked"] == 10
        links = [link for link in await world.links() if link.google.presence is Presence.PRESENT]
        assert {link.state for link in links} == {PairState.LINKED}
