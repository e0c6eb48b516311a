"""Fields: complaints C25, C26, C29 to C31, C35 to C38, C40, C47, C49, X1, X4, X6."""

from __future__ import annotations

import pytest

from contactsync.adapters.google.protocol import UPDATABLE_FIELDS
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode, RunState
from tests.stories.common import (
    DAYS_AGO,
    address,
    crm,
    google,
    job,
    person,
    quiet,
    reasons,
    record,
    settled,
    titles,
    with_more,
    writes,
)
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json


async def test_c25_a_birthday_without_a_year_survives_edits_on_either_side_and_nothing_is_invented(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth"))
        [name] = await world.vendors.google.add([person(0, birthdays=[{"date": {"month": 6, "day": 20}}])])
        await world.sync()
        record_id = (await world.pair(name)).crm_id
        assert record_id is not None
        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(record_id, Title="Countess")
        await world.sync()
        await world.vendors.google.edit(name, phoneNumbers=[{"value": "+44 113 496 0000", "type": "mobile"}])
        await world.sync()
        assert (await google(world, name))["birthdays"][0]["date"] == {"month": 6, "day": 20}
        assert (await crm(world, record_id)).get("Date_of_Birth") is None
        await quiet(world)


async def test_c26_the_29th_of_february_crosses_unaltered(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth"))
        [record_id] = await world.vendors.crm.add([record(0, Date_of_Birth="1996-02-29")], at=DAYS_AGO)
        await world.sync()
        name = (await world.pair(record_id)).google_id
        assert (await google(world, str(name)))["birthdays"][0]["date"] == {"year": 1996, "month": 2, "day": 29}


async def test_c26_dates_that_the_crm_cannot_hold_are_left_out_with_a_reason_and_stay(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth"))
        births: list[list[Json]] = [[{"date": {"month": 5, "day": 17}}], [{"text": "in spring"}]]
        people = await world.vendors.google.add([person(n, birthdays=one) for n, one in enumerate(births)])
        run = await world.sync()
        assert [one.get("Date_of_Birth") for one in await world.vendors.crm.records()] == [None, None]
        left_out = {row.google_id: row.left_out for row in await world.report(run)}
        assert left_out == {one: {"Date_of_Birth": Reason.VALUE_DOES_NOT_FIT} for one in people}
        for name, one in zip(people, births, strict=True):
            (shown,) = (await google(world, name))["birthdays"]
            assert {key: shown.get(key) for key in one[0]} == one[0]
        await quiet(world)

        # Edited on either side, the words stay until a date takes their place on Google.
        record_id = str((await world.pair(people[1])).crm_id)
        await world.vendors.crm.edit(record_id, Date_of_Birth="1815-12-10")
        run = await world.sync()
        assert [row.left_out for row in await world.report(run)] == [{"Date_of_Birth": Reason.DATE_AS_TEXT}]
        await world.vendors.google.edit(people[1], birthdays=[{"text": "in summer"}])
        run = await world.sync()
        assert [row.left_out for row in await world.report(run)] == [{"Date_of_Birth": Reason.VALUE_DOES_NOT_FIT}]
        await quiet(world)
        assert (await google(world, people[1]))["birthdays"][0]["text"] == "in summer"
        assert (await crm(world, record_id))["Date_of_Birth"] == "1815-12-10"
        await world.vendors.google.edit(people[1], birthdays=[{"date": {"year": 1815, "month": 6, "day": 1}}])
        await world.sync()
        await quiet(world)
        assert (await crm(world, record_id))["Date_of_Birth"] == "1815-06-01"


@pytest.mark.parametrize(
    "number", ["+43 1 234", "0043 1 234567", "+44 113 496 0000 ext. 12", "(0113) 496-0000", "01134960000,,12#"]
)
async def test_c29_numbers_stay_as_they_were_typed(open_world: OpenWorld, number: str) -> None:
    async with open_world() as world:
        [record_id] = await world.vendors.crm.add([record(0, Phone=number)], at=DAYS_AGO)
        await quiet(world)
        name = (await world.pair(record_id)).google_id
        assert (await google(world, str(name)))["phoneNumbers"][0]["value"] == number
        assert (await crm(world, record_id))["Phone"] == number


async def test_c30_one_number_in_two_formats_is_one_number(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records = await world.vendors.crm.add([record(0, Phone="+44 113 496 0000")], at=DAYS_AGO)
        numbers = [{"value": "(0113) 496-0000", "type": "work"}]
        people = await world.vendors.google.add([person(0, phoneNumbers=numbers)])
        assert not writes(await world.sync())
        await world.pass_time(minutes=20)
        await world.vendors.crm.edit(records[0], Mobile="0113 4960000")
        await world.sync()
        await quiet(world)
        shown = [one["value"] for one in (await google(world, people[0]))["phoneNumbers"]]
        assert shown == ["(0113) 496-0000"]


async def test_c30_a_number_in_two_fields_of_the_crm_stands_on_google_once_and_goes_only_with_the_last_of_them(
    open_world: OpenWorld,
) -> None:
    """Whether both fields were filled before the person was made, at once later, or one after the other."""
    async with open_world() as world:
        both = {"Phone": "+44 113 496 0000", "Mobile": "0113 4960000"}
        records = await world.vendors.crm.add([record(0, **both), record(1), record(2)], at=DAYS_AGO)
        await quiet(world)
        await world.vendors.crm.edit(records[1], **both)
        for name, number in both.items():
            await world.vendors.crm.edit(records[2], **{name: number})
            await world.sync()
        await quiet(world)
        people = [str((await world.pair(one)).google_id) for one in records]
        assert [await numbers(world, one) for one in people] == [[("work", "+44 113 496 0000")]] * 3

        await world.vendors.crm.edit(records[0], Phone=None)
        await world.vendors.crm.edit(records[1], Phone="+44 113 496 0001")
        await world.vendors.crm.edit(records[2], Mobile=None)
        assert writes(await world.sync()) == {"google.update": 2}

        await quiet(world)
        mobile = ("mobile", "0113 4960000")
        assert [await numbers(world, one) for one in people] == [
            [mobile],
            [mobile, ("work", "+44 113 496 0001")],
            [("work", "+44 113 496 0000")],
        ]
        await world.vendors.crm.edit_many({one: {"Phone": None, "Mobile": None} for one in records})
        await world.sync()
        await quiet(world)
        assert [await numbers(world, one) for one in people] == [[]] * 3


async def test_c30_a_number_that_a_person_has_under_two_types_fills_both_fields_and_each_follows_its_own(
    open_world: OpenWorld,
) -> None:
    """Typed twice on Google, it is not added anywhere a second time."""
    async with open_world() as world:
        typed = [{"value": "+44 113 496 0000", "type": "work"}, {"value": "0113 4960000", "type": "mobile"}]
        [name] = await world.vendors.google.add([person(0, phoneNumbers=typed)])
        await quiet(world)
        record_id = str((await world.pair(name)).crm_id)
        here = await crm(world, record_id)
        assert (here["Phone"], here["Mobile"]) == ("+44 113 496 0000", "0113 4960000")
        await world.vendors.crm.edit(record_id, Title="Countess")
        await quiet(world)
        assert await numbers(world, name) == [("mobile", "0113 4960000"), ("work", "+44 113 496 0000")]

        await world.vendors.google.edit(name, phoneNumbers=typed[:1])
        assert writes(await world.sync()) == {"crm.update": 1}
        await quiet(world)
        here = await crm(world, record_id)
        assert (here["Phone"], here.get("Mobile")) == ("+44 113 496 0000", None)

        await world.vendors.google.edit(name, phoneNumbers=typed)
        await quiet(world)
        await world.vendors.google.edit(name, phoneNumbers=typed[:1])
        await world.vendors.crm.edit(record_id, Phone="+44 113 496 0001")
        await world.sync()
        await quiet(world)
        assert await numbers(world, name) == [("work", "+44 113 496 0001")]
        here = await crm(world, record_id)
        assert (here["Phone"], here.get("Mobile")) == ("+44 113 496 0001", None)


async def numbers(world: StoryWorld, name: str) -> list[tuple[str, str]]:
    """A person's phone numbers by type."""
    return sorted((one["type"], one["value"]) for one in (await google(world, name)).get("phoneNumbers", []))


async def test_c31_a_note_of_many_lines_survives_and_one_too_long_is_left_out_with_its_reason(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
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


FILLED: dict[str, list[Json]] = {
    "names": [
        {
            "honorificPrefix": "Lady",
            "givenName": "Ada0",
            "middleName": "King",
            "familyName": "Byron0",
            "honorificSuffix": "FRS",
            "phoneticGivenName": "Ay-da",
        }
    ],
    "addresses": [{"type": "boat", "streetAddress": "Quay 7", "city": "London", "poBox": "12"}],
    "biographies": [{"value": "a note of two\nlines"}],
    "birthdays": [{"date": {"year": 1815, "month": 12, "day": 10}}],
    "genders": [{"value": "female"}],
    "locales": [{"value": "en-GB"}],
    "locations": [{"value": "third floor", "type": "desk"}],
    "miscKeywords": [{"value": "engines", "type": "OUTLOOK_BILLING_INFORMATION"}],
    "clientData": [{"key": "another program", "value": "42"}],
    "organizations": [
        {"title": "Analyst", "jobDescription": "engines", "costCenter": "7", "symbol": "AE", "type": "work"}
    ],
    "phoneNumbers": [{"value": "+44 113 496 0009", "type": "pager"}, {"value": "1000", "type": "Barn"}],
    "nicknames": [{"value": "Countess"}],
    "urls": [{"value": "https://example.org", "type": "blog"}],
    "relations": [{"person": "Lord Byron", "type": "father"}],
    "events": [{"date": {"year": 1835, "month": 7, "day": 8}, "type": "anniversary"}],
    "imClients": [{"username": "ada", "protocol": "jabber"}],
    "occupations": [{"value": "mathematician"}],
    "interests": [{"value": "machines"}],
    "sipAddresses": [{"value": "sip:ada@example.org", "type": "work"}],
    "userDefined": [{"key": "Hat", "value": "blue"}],
    "externalIds": [{"value": "42", "type": "account"}],
    "emailAddresses": [{"value": address(0), "type": "work"}, {"value": "private@example.org", "type": "home"}],
}
STAMPS = {"Modified_Time", "Modified_By", "Last_Activity_Time"}


async def test_c35_what_is_not_mapped_is_the_same_before_and_after_on_both_sides(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, 1, Title="Analyst")
        await world.vendors.google.edit(people[0], **FILLED)
        more = {"Lead_Source": "Partner", "Skype_ID": "ada", "Twitter": "ada", "Home_Phone": "+44 113 496 0003"}
        await world.vendors.crm.edit(records[0], **more, Other_City="Leeds", Description="a long history")
        await quiet(world)
        there, here = await google(world, people[0]), await crm(world, records[0])

        await world.vendors.crm.edit(records[0], Title="Countess")
        assert writes(await world.sync()) == {"google.update": 1}
        await world.pass_time(seconds=2)
        numbers = (await google(world, people[0]))["phoneNumbers"]
        mobile = {"value": "+44 113 496 0001", "type": "mobile"}
        await world.vendors.google.edit(people[0], phoneNumbers=[*numbers, mobile])
        assert writes(await world.sync()) == {"crm.update": 1}

        after, now = await google(world, people[0]), await crm(world, records[0])
        unmapped = (there.keys() | after.keys()) - {"etag", "metadata", "organizations", "phoneNumbers"}
        assert FILLED.keys() <= unmapped | {"organizations", "phoneNumbers"}
        assert {name: after.get(name) for name in unmapped} == {name: there.get(name) for name in unmapped}
        # Of these two the mapped part changed, and nothing else.
        assert [one | {"title": "Countess"} for one in there["organizations"]] == after["organizations"]
        assert after["phoneNumbers"][:-1] == there["phoneNumbers"]
        assert set(UPDATABLE_FIELDS) - {"memberships"} <= FILLED.keys()
        changed = {name for name in here.keys() | now.keys() if here.get(name) != now.get(name)}
        assert changed == {"Title", "Mobile"} | (changed & STAMPS)


async def test_x1_an_update_changes_no_field_but_the_one_that_changed(open_world: OpenWorld) -> None:
    """A person's job has title, department and company in one entry; the company is not in the CRM."""
    async with open_world() as world:
        whole = [{"title": "Analyst", "department": "Engines", "name": "Looms & Co", "type": "work"}]
        records = await world.vendors.crm.add([record(0, Title="Analyst", Department="Engines")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0, organizations=whole)])
        await quiet(world)
        before = await google(world, people[0])

        await world.vendors.crm.edit(records[0], Title="Countess")
        assert writes(await world.sync()) == {"google.update": 1}

        after = await google(world, people[0])
        differs = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert differs == {"etag", "metadata", "organizations"}
        (job_now,) = after["organizations"]
        assert (job_now["title"], job_now["department"], job_now["name"]) == ("Countess", "Engines", "Looms & Co")


@pytest.mark.parametrize("side", Side)
async def test_c36_a_blank_at_the_first_match_erases_nothing_and_an_emptied_field_empties(
    open_world: OpenWorld, side: Side
) -> None:
    """Blank on that side when both are matched, and emptied there afterwards."""
    async with open_world(conflict_winner=side) as world:
        blank = side is Side.CRM
        [record_id] = await world.vendors.crm.add([record(0, Title=None if blank else "Analyst")], at=DAYS_AGO)
        [name] = await world.vendors.google.add([person(0, organizations=job("Analyst") if blank else None)])
        await quiet(world)
        assert await titles(world, record_id, name) == ("Analyst", "Analyst")
        if side is Side.CRM:
            await world.vendors.crm.edit(record_id, Title=None)
        else:
            await world.vendors.google.edit(name, organizations=None)
        await world.sync()
        assert await titles(world, record_id, name) == (None, None)
        await quiet(world)


PUBLIC: dict[str, list[Json]] = {
    "names": [{"familyName": "Public", "givenName": "Public", "displayName": "Public Public"}],
    "nicknames": [{"value": "Public"}],
    "emailAddresses": [{"value": "public@example.org", "type": "work"}, {"value": "public2@example.org"}],
    "phoneNumbers": [{"value": "+44 113 496 0099", "type": kind} for kind in ("work", "mobile")],
    "organizations": [{"title": "Public", "name": "Public Ltd", "department": "Public", "type": "work"}],
    "addresses": [{"type": "work", "city": "Public", "streetAddress": "1 Public Street"}],
    "birthdays": [{"date": {"year": 1900, "month": 1, "day": 1}}],
    "biographies": [{"value": "Public"}],
    "urls": [{"value": "https://public.example.org", "type": "work"}],
}


@pytest.mark.parametrize("unasked", [False, True])
async def test_c37_what_a_public_profile_says_never_takes_the_place_of_the_users_own_values(
    open_world: OpenWorld, *, unasked: bool
) -> None:
    """Whether or not Google keeps to what it was asked for; also where the user's own contact has nothing."""
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth", "Description"))
        records, people = await settled(world, 3, Title="Analyst", Phone="+44 113 496 0000")
        await world.vendors.google.control.settings(profile=PUBLIC, profile_unasked=unasked)
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        await world.vendors.crm.edit(records[1], Title="Baroness", Mobile="+44 113 496 0001", Description="a note")
        [made] = await world.vendors.google.add([person(7)])
        await world.vendors.crm.add([record(8)])
        assert writes(await world.sync()) == {"crm.create": 1, "crm.update": 1, "google.create": 1, "google.update": 1}
        await quiet(world)
        await world.pass_time(hours=25)
        assert not writes(await world.sync(mode=RunMode.FULL))

        everything = [*await world.vendors.crm.records(), *await world.vendors.google.people()]
        assert not [one for one in everything if "public" in str(one).casefold() or "0099" in str(one)]
        shown = {one["Last_Name"] for one in await world.vendors.crm.records()}
        assert shown == {f"Byron{n}" for n in (0, 1, 2, 7, 8)}
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")
        assert await titles(world, records[1], people[1]) == ("Baroness", "Baroness")
        here = await crm(world, str((await world.pair(made)).crm_id))
        assert [here.get(name) for name in ("Title", "Phone", "Mobile", "Date_of_Birth", "Description")] == [None] * 5


async def test_c38_contacts_with_hardly_anything_are_made_by_a_fallback_or_skipped_with_a_reason(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await world.vendors.google.add(
            [
                {"organizations": [{"name": "Analytical Ltd", "type": "work"}]},
                {"emailAddresses": [{"value": "just.mail@example.org", "type": "work"}]},
                {"phoneNumbers": [{"value": "+44 113 496 0000", "type": "mobile"}]},
                {"biographies": [{"value": "nothing else"}]},
                {},
                {"emailAddresses": [{"value": " ", "type": "work"}], "phoneNumbers": [{"value": " ", "type": "work"}]},
            ]
        )
        run = await world.sync()
        assert {one["Last_Name"] for one in await world.vendors.crm.records()} == {
            "Analytical Ltd",
            "just.mail",
            "+44 113 496 0000",
        }
        assert await reasons(world, run) == {Reason.NOTHING_IDENTIFIES: 3}
        await quiet(world)


async def test_a_stand_in_never_travels_back_and_gives_way_to_a_real_name(open_world: OpenWorld) -> None:
    async with open_world() as world:
        [name] = await world.vendors.google.add(
            [{"emailAddresses": [{"value": "countess@example.org", "type": "work"}]}]
        )
        await quiet(world)
        record_id = str((await world.pair(name)).crm_id)
        assert (await crm(world, record_id))["Last_Name"] == "countess"
        assert "names" not in await google(world, name)
        await world.vendors.google.edit(name, names=[{"givenName": "Ada", "familyName": "Byron"}])
        await world.sync()
        here = await crm(world, record_id)
        assert (here.get("First_Name"), here["Last_Name"]) == ("Ada", "Byron")


async def test_c40_a_photo_survives_updates_that_do_not_concern_it(open_world: OpenWorld) -> None:
    """It belongs to the person, who must stay the same, and only calls of their own change it: none of these is made.

    An update whose mask names photos would be refused.
    """
    async with open_world() as world:
        records, people = await settled(world, 1)
        await world.vendors.google.control.clear_log()
        for number in range(2):
            await world.pass_time(seconds=2)
            await world.vendors.crm.edit(records[0], Title=f"Analyst {number}")
            assert writes(await world.sync()) == {"google.update": 1}
        asked = [one["operation"] for one in await world.vendors.google.control.log() if one["mutation"]]
        assert asked == ["people.batchUpdateContacts"] * 2
        assert [one["resourceName"] for one in await world.vendors.google.people()] == people


@pytest.mark.parametrize("text", ["Jürgen", "山田", "Łódź", "👩🏽‍🚀", "שלום", "&<>\"'", "Ju\u0308rgen", "AT&amp;T"])
async def test_c47_texts_of_all_scripts_cross_unchanged(open_world: OpenWorld, text: str) -> None:
    async with open_world() as world:
        [record_id] = await world.vendors.crm.add([record(0, Last_Name=text)], at=DAYS_AGO)
        await quiet(world)
        name = str((await world.pair(record_id)).google_id)
        assert (await google(world, name))["names"][0]["familyName"] == text
        assert (await crm(world, record_id))["Last_Name"] == text


async def test_c47_composed_and_decomposed_letters_are_equal(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records = await world.vendors.crm.add([record(0, Last_Name="Ju\u0308rgen", Title="Analyst")], at=DAYS_AGO)
        names = [{"givenName": "Ada0", "familyName": "J\u00fcrgen"}]
        people = await world.vendors.google.add([person(0, names=names, organizations=job("Analyst"))])
        assert not writes(await world.sync())
        assert (await crm(world, records[0]))["Last_Name"] == "Ju\u0308rgen"
        assert (await google(world, people[0]))["names"][0]["familyName"] == "J\u00fcrgen"


async def test_c47_composed_and_decomposed_names_find_each_other(open_world: OpenWorld) -> None:
    """Without an address: by name and phone."""
    async with open_world() as world:
        phone = "+44 113 496 0000"
        here = {"First_Name": "Zoe\u0308", "Last_Name": "Ju\u0308rgen", "Mobile": phone}
        there: Json = {
            "names": [{"givenName": "Zo\u00eb", "familyName": "J\u00fcrgen"}],
            "phoneNumbers": [{"value": phone, "type": "mobile"}],
        }
        [record_id] = await world.vendors.crm.add([here], at=DAYS_AGO)
        [name] = await world.vendors.google.add([there])
        assert not writes(await world.sync())
        assert (await world.pair(record_id)).google_id == name
        await quiet(world)


@pytest.mark.parametrize("text", ["AT&amp;T", "&lt;b&gt;", "&<>\"'", "100 %25", "a\\nb"])
async def test_x6_texts_are_neither_escaped_nor_decoded(open_world: OpenWorld, text: str) -> None:
    async with open_world() as world:
        [record_id] = await world.vendors.crm.add([record(0, Last_Name=text, Title=text)], at=DAYS_AGO)
        [other] = await world.vendors.google.add([person(1, organizations=job(text))])
        await quiet(world)
        made = await google(world, (await world.pair(record_id)).google_id)
        assert (made["names"][0]["familyName"], made["organizations"][0]["title"]) == (text, text)
        assert (await crm(world, (await world.pair(other)).crm_id))["Title"] == text


async def test_c49_a_value_that_the_other_side_cannot_hold_stays_where_it_is_and_is_told(open_world: OpenWorld) -> None:
    """A company that the CRM does not know, and a choice that its list lacks; through edits and full readings."""
    async with open_world() as world:
        name = await world.vendors.crm.add_field("Level", data_type="picklist", choices=["Gold"], strict=True)
        level = MappingRow.of(
            CrmField(api_name=name, label="Level", kind=ValueKind.PICKLIST, picklist=("Gold",), custom=True),
            GooglePath.parse("user_defined[Level]"),
        )
        await world.configure(mapping=Mapping([*world.mapping.rows, level]))
        held = {
            "organizations": [{"name": "Looms & Co", "type": "work"}],
            "userDefined": [{"key": "Level", "value": "Tin"}],
        }
        [one] = await world.vendors.google.add([person(0, **held)])

        run = await world.sync()

        (row,) = await world.report(run)
        assert row.left_out == {"Account_Name": Reason.COMPANY_NOT_IN_CRM, name: Reason.VALUE_DOES_NOT_FIT}
        for _ in range(3):
            await world.pass_time(hours=25)
            await world.vendors.crm.edit(row.crm_id, Title=f"day {_}")
            await world.sync()
        there = await google(world, one)
        assert there["organizations"][0]["name"] == "Looms & Co"
        assert there["userDefined"][0]["value"] == "Tin"


async def test_c49_a_field_that_the_crm_lets_nobody_write_any_more_is_told_and_costs_nobody_his_edit(
    open_world: OpenWorld,
) -> None:
    """The CRM says yes and drops the value: a listing shows it, once. Then the field is opened again."""
    async with open_world() as world:
        records, people = await settled(world, 2, Title="Analyst", Department="Engines")
        await world.vendors.crm.change_field("Title", read_only=True)
        await world.vendors.google.add([person(7, organizations=job("Baroness"))])
        await world.vendors.google.edit(people[0], organizations=[{**job("Countess")[0], "department": "Looms"}])
        assert writes(await world.sync()) == {"crm.create": 1, "crm.update": 1}
        await world.pass_time(minutes=5)

        run = await world.sync()

        assert (run.state, run.outcomes) == (RunState.PARTIAL, {"skipped": 2, "unchanged": 1})
        not_kept = [(Outcome.SKIPPED, Reason.NOT_KEPT_BY_CRM, {"Title": Reason.NOT_KEPT_BY_CRM})] * 2
        assert [(row.outcome, row.reason, row.left_out) for row in await world.report(run)] == not_kept
        assert (await crm(world, records[0]))["Department"] == "Looms"
        await quiet(world)
        await world.pass_time(hours=25)
        run = await world.sync()
        assert (run.state, run.outcomes, run.writes) == (RunState.SUCCEEDED, {"unchanged": 3}, {})
        await world.vendors.crm.edit(records[0], Department="Engines")
        run = await world.sync()
        assert (run.state, run.writes) == (RunState.SUCCEEDED, {"google.update": 1})
        assert [row.left_out for row in await world.report(run)] == [{}]
        assert await titles(world, records[0], people[0]) == ("Analyst", "Countess")

        await world.vendors.crm.change_field("Title", read_only=False)
        await world.vendors.google.edit(people[0], organizations=job("Lady"))
        await world.vendors.crm.edit(records[1], Title="Lord")
        await world.sync()
        await quiet(world)
        assert await titles(world, records[0], people[0]) == ("Lady", "Lady")
        assert await titles(world, records[1], people[1]) == ("Lord", "Lord")


async def test_x4_a_mandatory_field_takes_the_configured_value_or_the_contact_is_left_out(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        name = await world.vendors.crm.add_field("Region", mandatory=True)
        await world.vendors.google.add([person(0)])

        run = await world.sync()

        assert await world.vendors.crm.records() == []
        assert await reasons(world, run) == {Reason.CRM_FIELD_REQUIRED: 1}
        await world.configure(crm_values={name: "North"})
        await world.pass_time(days=1, minutes=1)
        await world.sync()
        (made,) = await world.vendors.crm.records()
        assert (made[name], made.get("Title"), made.get("Department")) == ("North", None, None)
