"""What users of other products complain about. Each test is named after its complaint and says what must hold here."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from contactsync.adapters.memory.tables import Tables
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping, MappingRow, mappable
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, Direction, NoEmailRule
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode, RunState
from tests.integration.rules.stories import (
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
from tests.support.sync_states import MemoryBooks
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import Json

CRITERIA = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}


def with_more(world: SyncWorld, *crm_fields: str) -> Mapping:
    """The default mapping and these of the further fields."""
    more: list[MappingRow] = [row for row in mappable() if row.crm_field in crm_fields]
    return Mapping([*world.settings.policy.mapping.rows, *more])


# --- duplicates -----------------------------------------------------------------------------------------------------


async def test_c1_fifteen_runs_over_unchanged_data_add_nobody_and_write_nothing() -> None:
    async with sync_world() as world:
        await world.vendors.crm.populate(60, at=DAYS_AGO)
        await world.sync()
        sizes = await book_sizes(world)
        for _ in range(15):
            await world.pass_time(hours=7)
            assert not writes(await world.sync())
        assert await book_sizes(world) == sizes == (60, 60)


async def test_c2_two_books_that_share_people_make_none_of_these_again() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(15)])
        await world.vendors.google.add([person(n) for n in range(15, 30)], in_group=False)

        run = await world.sync()

        assert writes(run) == {"google.join_group": 15}
        assert await book_sizes(world) == (30, 30)


async def test_c42_a_second_wish_joins_the_run_that_has_not_begun() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        where, now = (world.settings.organisation_id, world.config), world.clock.now()
        first = await world.books.requests.request(*where, RunMode.SYNC, "user", now)
        again = await world.books.requests.request(*where, RunMode.SYNC, "schedule", now)
        assert (again.run_id, again.created) == (first.run_id, False)

        await world.sync()

        assert await book_sizes(world) == (5, 5)
        assert len(await world.books.runs(world.settings)) == 1


async def test_c43_the_same_hint_delivered_twice_creates_each_contact_once() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.books.requests.request(
            world.settings.organisation_id, world.config, RunMode.SYNC, "user", world.clock.now()
        )
        hints = await world.books.relay.take(10)

        for hint in (*hints, *hints):
            await world._work(hint)  # noqa: SLF001  the broker delivers at least once

        assert await book_sizes(world) == (5, 5)


async def test_c50_whoever_starts_a_run_it_selects_the_same_contacts() -> None:
    async with sync_world(view_criteria=CRITERIA) as world:
        await world.vendors.crm.add([record(n, Lead_Source="Partner") for n in range(4)], at=DAYS_AGO)
        await world.vendors.crm.add([record(n) for n in range(10, 14)], at=DAYS_AGO)
        selected = [(await world.sync(trigger=who)).counts["selected"] for who in ("user", "schedule", "webhook")]
        assert selected == [4, 4, 4]
        assert await book_sizes(world) == (8, 4)


# --- deletions and mass loss ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "action"), [("people.connections.list", "html200"), ("people.connections.list", "cut_before")]
)
async def test_c4_a_listing_that_ends_early_never_deletes(operation: str, action: str) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20)
        await world.pass_time(hours=25)
        await world.vendors.google.control.fault(operation, action, times=1)

        run = await world.sync()

        assert not writes(run)
        await world.vendors.google.control.clear_faults()
        await world.pass_time(hours=25)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (20, 20)


async def test_c5_an_emptied_book_deletes_nobody_before_somebody_has_approved() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, people = await settled(world, 20)
        await world.vendors.google.delete(*people)

        run = await world.sync()

        assert run.state is RunState.NEEDS_APPROVAL
        assert not writes(run)
        assert await book_sizes(world) == (20, 0)


async def test_c7_a_contact_made_by_the_sync_survives_the_next_ones() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 3)
        [record_id] = await world.vendors.crm.add([record(50)])
        await world.sync()
        name = (await world.pair(record_id)).google.remote_id
        assert name is not None
        await world.sync()
        await world.vendors.google.edit(name, organizations=job("Countess"))
        for _ in range(3):
            await world.sync()
            await world.pass_time(minutes=10)
        assert await titles(world, record_id, name) == ("Countess", "Countess")


@pytest.mark.parametrize("side", Side)
async def test_c8_leaving_the_view_or_the_group_deletes_nobody_and_coming_back_merges(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE, view_criteria=CRITERIA) as world:
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


async def test_c8_narrowing_the_view_itself_deletes_nobody() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 20)
        await world.vendors.crm.change_view(criteria=CRITERIA)
        for _ in range(3):
            await world.pass_time(hours=25)
            assert not writes(await world.sync())
        assert await book_sizes(world) == (20, 20)
        assert (await world.pair(records[0])).state is PairState.DORMANT


async def test_c9_a_run_that_left_somebody_out_does_not_report_a_bare_success() -> None:
    async with sync_world() as world:
        await world.vendors.google.add([{"biographies": [{"value": "nobody"}]}])
        run = await world.sync()
        assert run.state is RunState.PARTIAL
        assert await reasons(world, run) == {Reason.NOTHING_IDENTIFIES: 1}


# --- useless writes -------------------------------------------------------------------------------------------------


async def test_c10_a_moved_etag_or_time_without_a_change_writes_nothing() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 5)
        for name in people:
            await world.vendors.google.touch(name)
        await world.vendors.crm.edit_many({one: {"Lead_Source": "Partner"} for one in records})
        assert not writes(await world.sync())


async def test_c11_c30_order_case_and_formats_are_no_change_and_no_second_number() -> None:
    async with sync_world() as world:
        records = await world.vendors.crm.add([record(0, Phone="+44 113 496 0000")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0)])
        await quiet(world)
        fields: dict[str, list[Json]] = {
            "emailAddresses": [{"value": "ADA0@Example.org", "type": "work"}],
            "phoneNumbers": [{"value": "(0113) 496-0000", "type": "work"}],
        }
        await world.vendors.google.edit(people[0], **fields)

        assert not writes(await world.sync())

        assert len((await google(world, people[0]))["phoneNumbers"]) == 1
        assert (await crm(world, records[0]))["Phone"] == "+44 113 496 0000"


async def test_c13_an_expired_token_leads_to_a_full_reading_that_doubles_and_deletes_nobody() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        await world.vendors.google.control.advance(8 * 24 * 3600)
        await world.vendors.google.delete(people[0])
        await world.vendors.crm.edit(records[1], Title="Countess")

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert await titles(world, records[1], people[1]) == ("Countess", "Countess")
        assert len(await world.vendors.crm.records()) == 12


async def test_c51_a_run_that_dies_before_the_last_page_stores_no_token_and_misses_nothing() -> None:
    async with sync_world() as world:
        await settled(world, 3)
        [name] = await world.vendors.google.add([person(77)])
        await world.vendors.google.control.fault("people.connections.list", "html200", times=1)
        assert (await world.sync()).state is RunState.FAILED
        await world.sync()
        assert (await world.pair(name)).state is PairState.LINKED


async def test_c20_one_refused_record_does_not_stop_the_rest() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 5)
        await world.vendors.crm.mark(records[0], locked=True)
        for name in people:
            await world.vendors.google.edit(name, organizations=job("Countess"))
        await world.sync()
        shown = [one.get("Title") for one in await world.vendors.crm.records()]
        assert sorted(shown, key=str) == ["Countess"] * 4 + [None]


# --- groups ---------------------------------------------------------------------------------------------------------


async def test_c22_c35_c40_labels_stars_photos_and_everything_unmapped_survive_an_update() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 1)
        groups = []
        for label in ("Chess", "Rowing", "Poets", "Club"):
            path = f"/accounts/{world.vendors.google.sub}/groups"
            groups.append((await world.vendors.google.control.call("POST", path, {"name": label}))["resourceName"])
        await world.vendors.google.move(people[0], add=[*groups, "contactGroups/starred"])
        await world.vendors.google.edit(
            people[0],
            nicknames=[{"value": "Countess"}],
            urls=[{"value": "https://example.org", "type": "blog"}],
            relations=[{"person": "Lord Byron", "type": "father"}],
            emailAddresses=[
                {"value": address(0), "type": "work"},
                {"value": "private@example.org", "type": "home"},
            ],
        )
        await world.vendors.crm.edit(records[0], Lead_Source="Partner")
        await world.sync()
        before, here = await google(world, people[0]), await crm(world, records[0])

        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(records[0], Title="Analyst")
        await world.sync()
        await world.pass_time(seconds=2)
        await world.vendors.google.edit(people[0], phoneNumbers=[{"value": "+44 113 496 0000", "type": "mobile"}])
        await world.sync()

        after, there = await google(world, people[0]), await crm(world, records[0])
        for field in ("memberships", "nicknames", "urls", "relations", "emailAddresses", "names", "photos"):
            assert after.get(field) == before.get(field), field
        moving = {"Title", "Mobile", "Modified_Time", "Modified_By", "Last_Activity_Time"}
        changed = {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)}
        assert changed <= moving


async def test_c23_a_renamed_group_goes_on_and_a_deleted_one_pauses_and_deletes_nobody() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.google.rename_group("Clients")
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")
        await world.pass_time(hours=25)
        await world.vendors.google.delete_group()

        run = await world.sync()

        assert (run.state, run.reason) == (RunState.FAILED, Reason.GROUP_GONE)
        assert await book_sizes(world) == (20, 20)


async def test_a_group_of_three_that_is_deleted_pauses_too() -> None:
    async with sync_world() as world:
        await settled(world, 3)
        await world.vendors.google.delete_group()
        await world.pass_time(hours=25)
        run = await world.sync()
        assert (run.state, run.reason) == (RunState.FAILED, Reason.GROUP_GONE)


async def test_a_deleted_view_pauses_and_deletes_nobody() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20)
        await world.pass_time(hours=25)
        await world.vendors.crm.delete_view()
        run = await world.sync()
        assert (run.state, run.reason) == (RunState.FAILED, Reason.VIEW_GONE)
        assert await book_sizes(world) == (20, 20)


async def test_c24_c34_made_people_are_in_my_contacts_and_private_ones_never_reach_the_crm() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(50, 60)], in_group=False)
        await world.sync()
        assert [one["Email"] for one in await world.vendors.crm.records()] == [address(0)]
        [made] = await world.vendors.google.people(in_group=True)
        groups = {one["contactGroupMembership"]["contactGroupResourceName"] for one in made["memberships"]}
        assert {"contactGroups/myContacts", world.vendors.google.group} <= groups


# --- fields ---------------------------------------------------------------------------------------------------------


async def test_c25_c26_a_birthday_without_a_year_survives_and_the_crm_gets_nothing_invented() -> None:
    async with sync_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth"))
        [name] = await world.vendors.google.add([person(0, birthdays=[{"date": {"month": 6, "day": 20}}])])
        await world.sync()
        record_id = (await world.pair(name)).crm.remote_id
        assert record_id is not None
        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(record_id, Title="Countess")
        await world.sync()
        await world.vendors.google.edit(name, phoneNumbers=[{"value": "+44 113 496 0000", "type": "mobile"}])
        await world.sync()
        assert (await google(world, name))["birthdays"][0]["date"] == {"month": 6, "day": 20}
        assert (await crm(world, record_id)).get("Date_of_Birth") is None
        await quiet(world)


async def test_c26_the_29th_of_february_crosses_unaltered() -> None:
    async with sync_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth"))
        [record_id] = await world.vendors.crm.add([record(0, Date_of_Birth="1996-02-29")], at=DAYS_AGO)
        await world.sync()
        name = (await world.pair(record_id)).google.remote_id
        assert (await google(world, str(name)))["birthdays"][0]["date"] == {"year": 1996, "month": 2, "day": 29}


@pytest.mark.parametrize("number", ["+43 1 234", "0043 1 234567", "+44 113 496 0000 ext. 12", "(0113) 496-0000"])
async def test_c29_numbers_stay_as_they_were_typed(number: str) -> None:
    async with sync_world() as world:
        [record_id] = await world.vendors.crm.add([record(0, Phone=number)], at=DAYS_AGO)
        await quiet(world)
        name = (await world.pair(record_id)).google.remote_id
        assert (await google(world, str(name)))["phoneNumbers"][0]["value"] == number
        assert (await crm(world, record_id))["Phone"] == number


async def test_c31_a_note_of_many_lines_survives_and_one_too_long_is_left_out_with_its_reason() -> None:
    async with sync_world() as world:
        await world.configure(mapping=with_more(world, "Description"))
        text = "\n".join(f"line {n} é 漢" for n in range(2000))
        people = await world.vendors.google.add(
            [person(0, biographies=[{"value": text}]), person(1, biographies=[{"value": "x" * 40_000}])]
        )
        run = await world.sync()
        made = {one["Email"]: one.get("Description") for one in await world.vendors.crm.records()}
        assert made == {address(0): text, address(1): None}
        assert (await google(world, people[1]))["biographies"][0]["value"] == "x" * 40_000
        left_out = [row.left_out for row in await world.report(run) if row.left_out]
        assert [list(one.values()) for one in left_out] == [[Reason.VALUE_DOES_NOT_FIT]]
        await quiet(world)


async def test_c36_a_blank_at_the_first_match_erases_nothing_and_an_emptied_field_empties() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 1, Title="Analyst")
        assert await titles(world, records[0], people[0]) == ("Analyst", "Analyst")
        await world.vendors.google.edit(people[0], organizations=None)
        await world.sync()
        assert await titles(world, records[0], people[0]) == (None, None)


async def test_c38_contacts_with_hardly_anything_are_made_by_a_fallback_or_skipped_with_a_reason() -> None:
    async with sync_world() as world:
        await world.vendors.google.add(
            [
                {"organizations": [{"name": "Analytical Ltd", "type": "work"}]},
                {"emailAddresses": [{"value": "just.mail@example.org", "type": "work"}]},
                {"phoneNumbers": [{"value": "+44 113 496 0000", "type": "mobile"}]},
                {"biographies": [{"value": "nothing else"}]},
            ]
        )
        run = await world.sync()
        assert {one["Last_Name"] for one in await world.vendors.crm.records()} == {
            "Analytical Ltd",
            "just.mail",
            "+44 113 496 0000",
        }
        assert await reasons(world, run) == {Reason.NOTHING_IDENTIFIES: 1}
        await quiet(world)


async def test_a_stand_in_never_travels_back_and_gives_way_to_a_real_name() -> None:
    async with sync_world() as world:
        [name] = await world.vendors.google.add(
            [{"emailAddresses": [{"value": "countess@example.org", "type": "work"}]}]
        )
        await quiet(world)
        record_id = str((await world.pair(name)).crm.remote_id)
        assert (await crm(world, record_id))["Last_Name"] == "countess"
        assert "names" not in await google(world, name)
        await world.vendors.google.edit(name, names=[{"givenName": "Ada", "familyName": "Byron"}])
        await world.sync()
        here = await crm(world, record_id)
        assert (here.get("First_Name"), here["Last_Name"]) == ("Ada", "Byron")


@pytest.mark.parametrize("text", ["Jürgen", "山田", "Łódź", "👩🏽‍🚀", "שלום", "&<>\"'", "Ju\u0308rgen", "AT&amp;T"])
async def test_c47_x6_texts_of_all_scripts_cross_unchanged(text: str) -> None:
    async with sync_world() as world:
        [record_id] = await world.vendors.crm.add([record(0, Last_Name=text)], at=DAYS_AGO)
        await quiet(world)
        name = str((await world.pair(record_id)).google.remote_id)
        assert (await google(world, name))["names"][0]["familyName"] == text
        assert (await crm(world, record_id))["Last_Name"] == text


# --- reports --------------------------------------------------------------------------------------------------------


async def test_c32_the_totals_add_up_and_whoever_was_left_out_has_a_reason() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(4)] + [record(0)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(3, 6)] + [{"biographies": [{"value": "x"}]}])
        run = await world.sync()
        assert run.counts["selected"] == sum(run.counts[outcome.value] for outcome in Outcome) == 8
        left = [row for row in await world.report(run) if row.outcome in {Outcome.SKIPPED, Outcome.HELD}]
        assert len(left) == 2
        assert all(row.reason for row in left)


@pytest.mark.parametrize("rule", NoEmailRule)
async def test_c33_the_rule_for_contacts_without_an_address_is_the_users(rule: NoEmailRule) -> None:
    async with sync_world(no_email=rule) as world:
        phone = "+44 113 496 0000"
        await world.vendors.crm.add([{"First_Name": "Ada", "Last_Name": "Byron", "Mobile": phone}], at=DAYS_AGO)
        await world.vendors.google.add(
            [
                {
                    "names": [{"givenName": "Ada", "familyName": "Byron"}],
                    "phoneNumbers": [{"value": "0113 496 0000", "type": "mobile"}],
                }
            ]
        )
        run = await world.sync()
        expected = {NoEmailRule.MATCH: (1, 1), NoEmailRule.CREATE: (2, 2), NoEmailRule.SKIP: (1, 1)}[rule]
        assert await book_sizes(world) == expected
        skipped = {Reason.NO_EMAIL_SKIPPED: 2} if rule is NoEmailRule.SKIP else {}
        assert await reasons(world, run) == skipped
        await quiet(world)


async def test_x8_five_hundred_records_of_one_second_are_each_taken_once() -> None:
    async with sync_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(500)], at=DAYS_AGO)
        run = await world.sync()
        assert run.counts["created"] == 500
        assert await book_sizes(world) == (500, 500)


async def test_x9_edits_a_second_after_a_run_are_carried_by_the_next() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 2)
        await world.sync()
        await world.pass_time(seconds=1)
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))
        await world.sync()
        assert await titles(world, records[0], people[0]) == ("here", "here")
        assert await titles(world, records[1], people[1]) == ("there", "there")


async def test_an_edit_in_the_second_of_our_own_write_is_carried_where_the_write_did_not_touch_the_field() -> None:
    """`Modified_Time` has whole seconds: the listing shows our write and the colleague's edit as one state."""
    async with sync_world() as world:
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


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
async def test_x10_clocks_an_hour_apart_lose_nothing(ahead: timedelta) -> None:
    async with sync_world() as world:
        if ahead > timedelta():
            await world.vendors.crm.control.advance(ahead.total_seconds())
        else:
            await world.vendors.google.control.advance(-ahead.total_seconds())
            world.clock.advance(-ahead)
        records, people = await settled(world, 3)
        for number in range(3):
            await world.vendors.crm.edit(records[0], Title=f"here {number}")
            await world.vendors.google.edit(people[1], organizations=job(f"there {number}"))
            await world.sync()
            assert await titles(world, records[0], people[0]) == (f"here {number}",) * 2
            assert await titles(world, records[1], people[1]) == (f"there {number}",) * 2
            await world.pass_time(minutes=5)


# --- starting again -------------------------------------------------------------------------------------------------


async def test_a_database_that_was_lost_links_everything_again_and_creates_and_deletes_nothing() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, 20, Title="Analyst")
        await world.forget_everything()
        run = await world.sync()
        assert not writes(run)
        assert outcomes(run) == {"linked": 20}
        await quiet(world)
        assert await book_sizes(world) == (20, 20)


def copied(tables: Tables) -> dict[str, Any]:
    """A backup of a state in memory."""
    return {one.name: copy_of(getattr(tables, one.name)) for one in fields(tables)}


def copy_of(table: dict[Any, Any]) -> dict[Any, Any]:
    """The same rows, which nobody changes in place, in tables of their own."""
    return {key: copy_of(row) if isinstance(row, dict) else row for key, row in table.items()}


def put_back(tables: Tables, backup: dict[str, Any]) -> None:
    """The backup in place of what stands there."""
    for name, table in backup.items():
        now = getattr(tables, name)
        now.clear()
        now.update(copy_of(table))


async def test_a_database_restored_from_an_older_copy_links_everything_again_and_creates_and_deletes_nobody() -> None:
    """Since the copy: people made on both sides, edits carried over, a contact deleted, a person renamed."""
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        assert isinstance(world.books, MemoryBooks)
        backup = copied(world.books.state.tables)
        await world.vendors.crm.add([record(n) for n in range(20, 24)])
        await world.vendors.google.add([person(n) for n in range(30, 33)])
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))
        await world.vendors.google.rename(people[2])
        await world.vendors.crm.delete(records[3])
        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (18, 18)

        put_back(world.books.state.tables, backup)
        run = await world.sync()

        assert not writes(run)
        await quiet(world)
        assert await book_sizes(world) == (18, 18)
        living = [link for link in await world.links() if link.state is not PairState.GONE]
        assert [link.state for link in living] == [PairState.LINKED] * 18
        assert await titles(world, records[0], people[0]) == ("here", "here")
        assert await titles(world, records[1], people[1]) == ("there", "there")


async def test_c2_people_beyond_those_who_were_sought_are_made_by_the_run_that_has_sought_them() -> None:
    view = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
    async with sync_world(limits=RunLimits(initial=50, incremental=1), view_criteria=view) as world:
        _, people = await settled(world, 3, Lead_Source="Partner")
        # Pairs that take no room come first: their people leave the group. Behind them waits somebody new, who exists.
        for name in people:
            await world.vendors.google.move(name, remove=[world.vendors.google.group])
            await world.pass_time(seconds=2)
        await world.vendors.crm.add([record(50)])
        await world.vendors.google.add([person(50)])

        for _ in range(3):
            await world.sync()

        assert await book_sizes(world) == (4, 4)
        pair = next(link for link in await world.links() if link.google.remote_id not in people)
        assert (pair.state, pair.reason) == (PairState.DORMANT, Reason.IN_CRM_OUTSIDE_VIEW)
