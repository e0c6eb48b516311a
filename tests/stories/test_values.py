"""Values that one side holds in another form, cannot hold, or holds twice: both ways, and nothing is written again."""

from __future__ import annotations

import pytest

from contactsync.adapters.zoho.metadata import KINDS
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow, RowDirection
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunState
from tests.stories.common import (
    DAYS_AGO,
    address,
    crm,
    google,
    job,
    person,
    quiet,
    record,
    with_more,
    writes,
)
from tests.support.story import OpenWorld, RunView, StoryWorld
from tests.support.vendors import Json


async def with_custom(world: StoryWorld, *fields: Json) -> list[str]:
    """Map a new custom field for each of these descriptions; their API names."""
    rows, names = list(world.mapping.rows), []
    for number, one in enumerate(fields):
        made = {"label": f"Own {number}", **one}
        path = made.pop("path", f"user_defined[{made['label']}]")
        names.append(await world.vendors.crm.add_field(made.pop("label"), **made))
        field = CrmField(
            api_name=names[-1],
            label=names[-1],
            kind=KINDS[made["data_type"]],
            max_length=made.get("length", 255),
            picklist=tuple(made.get("choices", ())),
            custom=True,
        )
        rows.append(MappingRow.of(field, GooglePath.parse(path)))
    await world.configure(mapping=Mapping(rows))
    return names


def own(*texts: str) -> list[Json]:
    """Custom fields of a person, by number."""
    return [{"key": f"Own {number}", "value": text} for number, text in enumerate(texts)]


async def left_out(world: StoryWorld, run: RunView) -> dict[str, str]:
    """CRM names of what the run left out, with the reason."""
    return {name: reason for row in await world.report(run) for name, reason in row.left_out.items()}


async def shown_own(world: StoryWorld, name: str) -> list[Json]:
    """A person's custom fields."""
    return [{"key": one["key"], "value": one["value"]} for one in (await google(world, name)).get("userDefined", [])]


# --- kinds of the CRM's fields ----------------------------------------------------------------------------------------

KIND_VALUES: list[tuple[Json, object, str, object, str]] = [
    ({"data_type": "text"}, "Poetical science", "Poetical science", "Science", "Science"),
    ({"data_type": "boolean"}, True, "true", False, "no"),
    ({"data_type": "integer"}, 38, "38", 39, " 39 "),
    ({"data_type": "double"}, 1.5, "1.5", 2.25, "2.250"),
    ({"data_type": "currency"}, 1200.0, "1200", 98765432109.0, "98765432109"),
    ({"data_type": "percent"}, 7.0, "7", 12.5, "12.5"),
    ({"data_type": "bigint"}, "123456789012345678", "123456789012345678", "42", "42"),
    ({"data_type": "date"}, "1833-06-05", "1833-06-05", "1852-11-27", "1852-11-27"),
    (
        {"data_type": "datetime"},
        "2026-01-05T10:00:00+00:00",
        "2026-01-05T10:00:00Z",
        1_767_693_600,  # as the simulator keeps it
        "2026-01-06T11:00:00+01:00",
    ),
    (
        {"data_type": "multiselectpicklist", "choices": ["Maths", "Horses", "Music"], "strict": True},
        ["Maths", "Horses"],
        "Maths;Horses",
        ["Music", "Maths"],
        "music; MATHS",
    ),
    ({"data_type": "website"}, "https://ada.example.org", "https://ada.example.org", "http://b.org", "http://b.org"),
]


async def test_custom_fields_of_every_kind_cross_are_edited_on_google_and_emptied(open_world: OpenWorld) -> None:
    made, here, there, later, typed = zip(*KIND_VALUES, strict=True)
    async with open_world() as world:
        fields = await with_custom(world, *made)
        [record_id] = await world.vendors.crm.add([record(0, **dict(zip(fields, here, strict=True)))], at=DAYS_AGO)
        await quiet(world)
        name = (await world.pair(record_id)).google_id
        assert await shown_own(world, name) == own(*there)

        await world.vendors.google.edit(name, userDefined=own(*typed))
        assert writes(await world.sync()) == {"crm.update": 1}
        shown = await crm(world, record_id)
        assert {field: shown.get(field) for field in fields} == dict(zip(fields, later, strict=True))
        # Nothing is told of values that the CRM shows in its own form.
        told = await world.sync()
        assert await left_out(world, told) == {}
        assert told.state is RunState.SUCCEEDED
        await quiet(world)
        assert await shown_own(world, name) == own(*typed)

        await world.vendors.google.edit(name, userDefined=None, organizations=job("Countess"))
        assert writes(await world.sync()) == {"crm.update": 1}
        shown = await crm(world, record_id)
        assert [field for field in fields if shown.get(field)] == []
        assert shown["Title"] == "Countess"
        told = await world.sync()
        assert await left_out(world, told) == {}
        assert told.state is RunState.SUCCEEDED
        await quiet(world)
        assert await shown_own(world, name) == []

        [other] = await world.vendors.google.add([person(1, userDefined=own(*typed))])
        assert writes(await world.sync()) == {"crm.create": 1}
        told = await world.sync()
        assert await left_out(world, told) == {}
        assert told.state is RunState.SUCCEEDED
        shown = await crm(world, (await world.pair(other)).crm_id)
        assert {field: shown.get(field) for field in fields} == dict(zip(fields, later, strict=True))


TWO_NAMES: list[Json] = [
    {"givenName": "Ada0", "familyName": "Byron0"},
    {"givenName": "Augusta", "familyName": "King"},
]

UNFIT: list[tuple[Json, str]] = [
    ({"data_type": "boolean"}, "perhaps"),
    ({"data_type": "integer"}, "1.5"),
    ({"data_type": "integer"}, "12345678901"),
    ({"data_type": "double"}, "1234567.12345678901234567"),
    ({"data_type": "currency"}, "1,200.00"),
    ({"data_type": "date"}, "--06-05"),
    ({"data_type": "date"}, "1833-02-29"),
    ({"data_type": "datetime"}, "2026-01-06"),
    ({"data_type": "multiselectpicklist", "choices": ["Maths"], "strict": False}, "Maths;Chess"),
    ({"data_type": "picklist", "choices": ["Gold"], "strict": False}, "Tin"),
    ({"data_type": "phone", "length": 30}, "*#06#"),
    ({"data_type": "email", "length": 100}, "not an address"),
    ({"data_type": "text", "length": 20}, "x" * 21),
]


async def test_what_the_crm_cannot_hold_is_left_out_when_made_and_when_edited_and_the_rest_crosses(
    open_world: OpenWorld,
) -> None:
    made, texts = zip(*UNFIT, strict=True)
    async with open_world() as world:
        fields = await with_custom(world, *made)
        records = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0), person(1, userDefined=own(*texts))])
        run = await world.sync()
        assert await left_out(world, run) == dict.fromkeys(fields, Reason.VALUE_DOES_NOT_FIT)
        await quiet(world)
        await world.vendors.google.edit(people[0], userDefined=own(*texts), organizations=job("Countess"))

        run = await world.sync()

        assert await left_out(world, run) == dict.fromkeys(fields, Reason.VALUE_DOES_NOT_FIT)
        assert (await crm(world, records[0]))["Title"] == "Countess"
        assert [one for one in await world.vendors.crm.records() for field in fields if one.get(field)] == []
        await world.pass_time(hours=25)
        await quiet(world)
        assert [await shown_own(world, one) for one in people] == [own(*texts)] * 2


async def test_a_lookup_shows_its_name_on_google_and_is_never_written(open_world: OpenWorld) -> None:
    async with open_world() as world:
        sponsor = await world.vendors.crm.add_field("Sponsor", data_type="lookup", lookup="Contacts")
        field = CrmField(api_name=sponsor, label="Sponsor", writable=False, custom=True)
        row = MappingRow.of(field, GooglePath.parse("user_defined[Own 0]"))
        await world.configure(mapping=Mapping([*world.mapping.rows, row]))
        [patron] = await world.vendors.crm.add([record(1, Last_Name="Babbage", First_Name=None)], at=DAYS_AGO)
        [record_id] = await world.vendors.crm.add([record(0, **{sponsor: {"id": patron}})], at=DAYS_AGO)
        await quiet(world)
        name = (await world.pair(record_id)).google_id
        assert await shown_own(world, name) == own("Babbage")

        await world.vendors.google.edit(name, userDefined=own("somebody else"))
        assert not writes(await world.sync())
        await world.pass_time(hours=25)
        await quiet(world)
        assert (await world.pair(record_id)).diverged == (sponsor,)
        assert (await crm(world, record_id))[sponsor] == patron
        await world.vendors.crm.edit(record_id, **{sponsor: None})
        await world.sync()
        await quiet(world)
        assert ((await world.pair(record_id)).diverged, await shown_own(world, name)) == ((), [])


async def test_another_company_of_a_record_is_linked_by_its_name_too(open_world: OpenWorld) -> None:
    async with open_world() as world:
        field = await world.vendors.crm.add_field("Sponsor", data_type="lookup", lookup="Accounts")
        sponsor = CrmField(api_name=field, label="Sponsor", kind=ValueKind.COMPANY, custom=True)
        row = MappingRow.of(sponsor, GooglePath.parse("user_defined[Own 0]"))
        await world.configure(mapping=Mapping([*world.mapping.rows, row]))
        accounts = f"/organisations/{world.vendors.crm.zgid}/records/Accounts"
        companies: list[Json] = [{"Account_Name": "Looms & Co"}, {"Account_Name": "Engines Ltd"}]
        made = await world.vendors.crm.control.call("POST", accounts, {"records": companies})
        [name] = await world.vendors.google.add([person(0, userDefined=own("looms & co"))])
        await quiet(world)
        record_id = (await world.pair(name)).crm_id
        assert (await crm(world, record_id))[field] == made["ids"][0]

        await world.vendors.google.edit(name, userDefined=own("Engines Ltd"))
        assert writes(await world.sync()) == {"crm.update": 1}
        await quiet(world)
        assert (await crm(world, record_id))[field] == made["ids"][1]


async def test_an_edit_that_the_other_side_cannot_hold_is_told_though_nothing_is_written(open_world: OpenWorld) -> None:
    """Of two names, Google takes one: such a person's name cannot be written."""
    async with open_world() as world:
        level, memo = await with_custom(
            world,
            {"data_type": "picklist", "choices": ["Gold"], "strict": False},
            {"data_type": "textarea", "length": 2000},
        )
        people = await world.vendors.google.add([*(person(n) for n in range(3)), person(3, names=TWO_NAMES), person(4)])
        await quiet(world)
        records = [(await world.pair(one)).crm_id for one in people]
        await world.vendors.google.edit(people[0], userDefined=own("Tin"))
        await world.vendors.google.edit(people[1], organizations=[{"name": "Looms & Co", "type": "work"}])
        await world.vendors.crm.edit(records[2], **{memo: "m" * 1025})
        await world.vendors.crm.edit(records[3], First_Name="Augusta Ada")

        run = await world.sync()

        assert not writes(run)
        assert run.outcomes == {"skipped": 4, "unchanged": 1}
        assert run.state is RunState.PARTIAL
        rows = {row.google_id: row for row in await world.report(run)}
        assert [(rows[one].reason, rows[one].left_out, rows[one].fields) for one in people[:4]] == [
            (Reason.VALUE_DOES_NOT_FIT, {level: Reason.VALUE_DOES_NOT_FIT}, ()),
            (Reason.COMPANY_NOT_IN_CRM, {"Account_Name": Reason.COMPANY_NOT_IN_CRM}, ()),
            (Reason.VALUE_DOES_NOT_FIT, {memo: Reason.VALUE_DOES_NOT_FIT}, ()),
            ("several_entries", {"First_Name": "several_entries"}, ()),
        ]
        await world.pass_time(hours=25)
        run = await world.sync()
        assert (run.outcomes, run.state, run.writes) == ({"unchanged": 5}, RunState.SUCCEEDED, {})


# --- dates ------------------------------------------------------------------------------------------------------------


DATES: dict[str, Json | None] = {
    "1815-12-10": {"year": 1815, "month": 12, "day": 10},
    "1815-6-5": {"year": 1815, "month": 6, "day": 5},
    "--02-29": {"month": 2, "day": 29},
    "1815": {"year": 1815},
    "1815-02-29": None,
    "10.12.1815": None,
}


async def test_a_text_that_writes_a_date_is_one_on_google_and_any_other_is_left_out(open_world: OpenWorld) -> None:
    async with open_world() as world:
        [born] = await with_custom(world, {"path": "birthdays", "data_type": "text"})
        filled = [record(n, **{born: text}) for n, text in enumerate(DATES)]
        records = await world.vendors.crm.add([*filled, *(record(n + 50) for n in range(len(DATES)))], at=DAYS_AGO)
        await quiet(world)
        made, edited = records[: len(DATES)], records[len(DATES) :]
        assert [await birthday(world, one) for one in made] == list(DATES.values())

        edits = zip(edited, DATES, strict=True)
        await world.vendors.crm.edit_many({one: {"Title": "Countess", born: text} for one, text in edits})
        run = await world.sync()

        assert writes(run) == {"google.update": len(DATES)}
        assert [await birthday(world, one) for one in edited] == list(DATES.values())
        people = await world.vendors.google.people()
        assert sum("organizations" in one for one in people) == len(DATES)
        unfit = [row.left_out for row in await world.report(run) if row.left_out]
        assert unfit == [{born: Reason.VALUE_DOES_NOT_FIT}] * 2
        await quiet(world)
        assert [(await crm(world, one))[born] for one in records] == [*DATES, *DATES]


async def birthday(world: StoryWorld, record_id: str) -> object:
    """The birthday of a record's person."""
    there = await google(world, (await world.pair(record_id)).google_id)
    return next((one["date"] for one in there.get("birthdays", [])), None)


async def test_the_29th_of_february_comes_from_google_and_goes_back_as_it_is(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Date_of_Birth"))
        leap = {"year": 1996, "month": 2, "day": 29}
        [name] = await world.vendors.google.add([person(0, birthdays=[{"date": leap}])])
        await quiet(world)
        record_id = (await world.pair(name)).crm_id
        assert (await crm(world, record_id))["Date_of_Birth"] == "1996-02-29"
        await world.vendors.crm.edit(record_id, Date_of_Birth="2000-02-29")
        await world.sync()
        assert (await google(world, name))["birthdays"][0]["date"] == leap | {"year": 2000}
        await quiet(world)


# --- texts ------------------------------------------------------------------------------------------------------------

NOTE = "\r\n".join(f"Zeile {n:04}: é 漢 \N{WOMAN}" for n in range(1_500))


@pytest.mark.parametrize("side", Side)
async def test_a_note_of_thirty_thousand_characters_keeps_every_one_of_them(open_world: OpenWorld, side: Side) -> None:
    text = NOTE[:30_000]
    async with open_world() as world:
        await world.configure(mapping=with_more(world, "Description"))
        if side is Side.CRM:
            [record_id] = await world.vendors.crm.add([record(0, Description=text)], at=DAYS_AGO)
            await quiet(world)
            name = (await world.pair(record_id)).google_id
        else:
            [name] = await world.vendors.google.add([person(0, biographies=[{"value": text}])])
            await quiet(world)
            record_id = (await world.pair(name)).crm_id
        assert (await crm(world, record_id))["Description"] == text
        assert (await google(world, name))["biographies"][0]["value"] == text

        # The line ends of another program are no change.
        await world.vendors.google.edit(name, biographies=[{"value": text.replace("\r\n", "\n")}])
        await world.vendors.crm.edit(record_id, Title="Countess")
        assert writes(await world.sync()) == {"google.update": 1}
        assert (await crm(world, record_id))["Description"] == text


NAMES = ["مريم العالمة", "王小明", "Ngu\u0302ye\u0302\u0303n", "นริศรา", "שרה לוי", "O\u2019Brien", "👩🏽‍🚀", "&<>\"'"]


async def test_a_name_of_any_script_comes_from_google_and_finds_its_record_again(open_world: OpenWorld) -> None:
    """With an address and, by name and phone, without."""
    async with open_world() as world:
        names = [[{"givenName": text, "familyName": text}] for text in NAMES]
        phones = [[{"value": f"+44 113 496 000{n}", "type": "mobile"}] for n in range(len(NAMES))]
        people = await world.vendors.google.add(
            [person(n, names=one) for n, one in enumerate(names)]
            + [{"names": one, "phoneNumbers": phone} for one, phone in zip(names, phones, strict=True)]
        )
        await quiet(world)
        shown = [await crm(world, (await world.pair(one)).crm_id) for one in people]
        assert [one["Last_Name"] for one in shown] == [one["First_Name"] for one in shown] == NAMES * 2

        await world.lose_database()
        assert not writes(await world.sync())
        assert len(await world.vendors.crm.records()) == len(people)


NUMBERS = {
    "+44 113 496 0000 ext. 12": True,
    "+44 113 496 0000;12": True,
    "0113 496 0000,,12#": True,
    "(0113) 496-0000": True,
    "*#06#": False,
    "ask Mary": False,
}
"""Numbers, and whether the CRM can hold them."""


async def test_c29_a_number_typed_on_google_stays_as_it_was_typed(open_world: OpenWorld) -> None:
    async with open_world() as world:
        people = await world.vendors.google.add(
            [person(n, phoneNumbers=[{"value": one, "type": "work"}]) for n, one in enumerate(NUMBERS)]
        )
        run = await world.sync()
        unfit = [row.left_out for row in await world.report(run) if row.left_out]
        assert unfit == [{"Phone": Reason.VALUE_DOES_NOT_FIT}] * 2
        await quiet(world)
        records = [(await world.pair(one)).crm_id for one in people]
        shown = [(await crm(world, one)).get("Phone") for one in records]
        assert shown == [number if fits else None for number, fits in NUMBERS.items()]

        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        assert writes(await world.sync()) == {"google.update": len(people)}
        kept = [[one["value"] for one in (await google(world, name))["phoneNumbers"]] for name in people]
        assert kept == [[number] for number in NUMBERS]


async def test_an_extension_that_is_added_is_an_edit(open_world: OpenWorld) -> None:
    async with open_world() as world:
        number = "+44 113 496 0000"
        [record_id] = await world.vendors.crm.add([record(0, Phone=number)], at=DAYS_AGO)
        await quiet(world)
        name = (await world.pair(record_id)).google_id
        await world.vendors.google.edit(name, phoneNumbers=[{"value": f"{number} ext. 7", "type": "work"}])
        assert writes(await world.sync()) == {"crm.update": 1}
        assert (await crm(world, record_id))["Phone"] == f"{number} ext. 7"


async def test_what_google_cannot_hold_is_left_out_and_the_rest_crosses(open_world: OpenWorld) -> None:
    async with open_world() as world:
        [name] = await with_custom(world, {"data_type": "textarea", "length": 2000})
        long = "m" * 1025
        records = await world.vendors.crm.add([record(0, **{name: long}), record(1)], at=DAYS_AGO)
        run = await world.sync()
        assert await left_out(world, run) == {name: Reason.VALUE_DOES_NOT_FIT}
        await quiet(world)
        await world.vendors.crm.edit(records[1], Title="Countess", **{name: long})
        run = await world.sync()
        assert await left_out(world, run) == {name: Reason.VALUE_DOES_NOT_FIT}
        people = [(await world.pair(one)).google_id for one in records]
        assert (await google(world, people[1]))["organizations"][0]["title"] == "Countess"
        await quiet(world)
        assert [(await crm(world, one))[name] for one in records] == [long, long]
        await world.vendors.crm.edit(records[0], **{name: long[1:]})
        assert writes(await world.sync()) == {"google.update": 1}
        assert await shown_own(world, people[0]) == own(long[1:])


# --- entries of lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "beside"), [("home", "club"), ("other", "home"), ("club", "")])
async def test_an_address_of_another_type_by_which_a_pair_was_matched_is_the_one_that_is_synchronised(
    open_world: OpenWorld, kind: str, beside: str
) -> None:
    """It keeps its label, is no second address beside itself, and stays the one when it is edited on either side."""
    async with open_world(conflict_winner=Side.CRM) as world:
        other = {"value": "club@example.org", "type": beside}
        mails = [{"value": address(0), "type": kind}, *([other] if beside else [])]
        [record_id] = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        [name] = await world.vendors.google.add([person(0, emailAddresses=mails)])
        await quiet(world)
        second = "club@example.org" if beside == "home" else None
        assert await mails_of(world, record_id, name) == (address(0), second, mails)

        await world.vendors.crm.edit(record_id, Email="countess@example.org")
        assert writes(await world.sync()) == {"google.update": 1}
        await quiet(world)
        mails[0]["value"] = "countess@example.org"
        assert await mails_of(world, record_id, name) == ("countess@example.org", second, mails)

        mails[0]["value"] = "lovelace@example.org"
        mails.reverse()  # so that it is not the one that Google shows first
        await world.vendors.google.edit(name, emailAddresses=mails)
        assert writes(await world.sync()) == {"crm.update": 1}
        await quiet(world)
        assert await mails_of(world, record_id, name) == ("lovelace@example.org", second, mails)
        await world.vendors.crm.edit(record_id, Email=None)
        await world.sync()
        await quiet(world)
        assert await mails_of(world, record_id, name) == (None, second, mails[:-1])


async def mails_of(world: StoryWorld, record_id: str, name: str) -> tuple[object, object, list[Json]]:
    """Both addresses of the record, and all of the person's with their types."""
    here, there = await crm(world, record_id), (await google(world, name)).get("emailAddresses", [])
    shown = [{"value": one["value"], "type": one["type"]} for one in there]
    return here.get("Email"), here.get("Secondary_Email"), shown


async def test_one_of_two_addresses_of_a_type_changes_in_place_whatever_their_order(open_world: OpenWorld) -> None:
    async with open_world() as world:
        places: list[Json] = [
            {"type": "work", "streetAddress": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH"},
            {"type": "work", "streetAddress": "1 Dorset Street", "city": "London", "postalCode": "W1U 4EG"},
        ]
        [name] = await world.vendors.google.add([person(0, addresses=places)])
        await world.vendors.google.control.settings(shuffle_items=True, shuffle_results=True)
        await quiet(world)
        record_id = (await world.pair(name)).crm_id
        bound = (await crm(world, record_id))["Mailing_Street"]
        other = next(one for one in places if one["streetAddress"] != bound)
        await world.vendors.google.edit(name, addresses=places[::-1])
        assert not writes(await world.sync())
        await world.pass_time(minutes=1)
        await world.vendors.crm.edit(record_id, Mailing_City="Ockham", Mailing_Street="Ockham Park")
        assert writes(await world.sync()) == {"google.update": 1}
        await quiet(world)
        shown = {(one["streetAddress"], one["city"]) for one in (await google(world, name))["addresses"]}
        assert shown == {("Ockham Park", "Ockham"), (other["streetAddress"], other["city"])}
        assert (await crm(world, record_id))["Mailing_Street"] == "Ockham Park"


async def test_a_number_that_is_there_under_another_type_is_neither_added_nor_taken_away(open_world: OpenWorld) -> None:
    async with open_world() as world:
        number = "+44 113 496 0000"
        records = await world.vendors.crm.add([record(0, Mobile=number)], at=DAYS_AGO)
        numbers = [{"value": "0113 496 0000", "type": "main"}]
        [name] = await world.vendors.google.add([person(0, phoneNumbers=numbers)])
        await quiet(world)
        assert [(one["type"], one["value"]) for one in (await google(world, name))["phoneNumbers"]] == [
            ("main", "0113 496 0000")
        ]
        await world.vendors.crm.edit(records[0], Title="Countess")
        await world.sync()
        await quiet(world)
        shown = await crm(world, records[0])
        assert (shown["Mobile"], shown.get("Phone")) == (number, None)
        await world.vendors.crm.edit(records[0], Mobile="+44 113 496 0009")
        await world.sync()
        await quiet(world)
        assert [(one["type"], one["value"]) for one in (await google(world, name))["phoneNumbers"]] == [
            ("main", "0113 496 0000"),
            ("mobile", "+44 113 496 0009"),
        ]


async def test_of_a_doubled_key_one_entry_is_synchronised_and_the_other_stays(open_world: OpenWorld) -> None:
    async with open_world() as world:
        [field] = await with_custom(world, {"data_type": "text"})
        entries = [*own("Loom"), {"key": "Hat", "value": "blue"}, *own("Engine")]
        [name] = await world.vendors.google.add([person(0, userDefined=entries)])
        await world.vendors.google.control.settings(shuffle_items=True, shuffle_results=True)
        await quiet(world)
        record_id = (await world.pair(name)).crm_id
        bound = (await crm(world, record_id))[field]
        rest = [one for one in entries if one["value"] != bound]
        assert len(rest) == 2

        await world.vendors.crm.edit(record_id, **{field: "Difference Engine"})
        assert writes(await world.sync()) == {"google.update": 1}
        await quiet(world)
        assert sorted(await shown_own(world, name), key=str) == sorted([*rest, *own("Difference Engine")], key=str)
        await world.vendors.crm.edit(record_id, **{field: None})
        assert writes(await world.sync()) == {"google.update": 1}
        await quiet(world)
        assert sorted(await shown_own(world, name), key=str) == sorted(rest, key=str)
        assert (await crm(world, record_id)).get(field) is None


async def test_a_person_with_two_names_keeps_both_and_all_else_is_written(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records = await world.vendors.crm.add([record(n) for n in range(3)], at=DAYS_AGO)
        two = {"names": TWO_NAMES, "biographies": [{"value": "one"}, {"value": "two"}]}
        people = await world.vendors.google.add([person(0, **two), person(1), person(2)])
        await quiet(world)
        before = await google(world, people[0])
        for one in records:
            await world.vendors.crm.edit(one, First_Name="Augusta Ada", Title="Countess")

        run = await world.sync()

        assert writes(run) == {"google.update": 3}
        assert set(await left_out(world, run)) == {"First_Name"}
        after = await google(world, people[0])
        assert (after["names"], after["biographies"]) == (before["names"], before["biographies"])
        assert [(await google(world, one))["organizations"][0]["title"] for one in people] == ["Countess"] * 3
        assert [(await google(world, one))["names"][0]["givenName"] for one in people[1:]] == ["Augusta Ada"] * 2
        await world.pass_time(hours=25)
        await quiet(world)


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("emptied", Side)
async def test_a_row_removed_and_added_again_has_no_base_so_that_a_blank_erases_nothing(
    open_world: OpenWorld, emptied: Side
) -> None:
    async with open_world() as world:
        records = await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0, organizations=job("Analyst"))])
        await quiet(world)
        whole = world.mapping
        await world.configure(mapping=Mapping(row for row in whole if row.crm_field != "Title"))
        if emptied is Side.CRM:
            await world.vendors.crm.edit(records[0], Title=None)
        else:
            await world.vendors.google.edit(people[0], organizations=None)
        assert not writes(await world.sync())
        await world.configure(mapping=whole)
        await world.sync()
        assert (await crm(world, records[0])).get("Title") == "Analyst"
        assert (await google(world, people[0]))["organizations"][0]["title"] == "Analyst"
        await quiet(world)


@pytest.mark.parametrize("winner", Side)
@pytest.mark.parametrize("way", RowDirection)
async def test_a_narrowed_rows_target_that_was_edited_by_hand_waits_for_the_next_edit_of_its_source(
    open_world: OpenWorld, way: RowDirection, winner: Side
) -> None:
    async with open_world(conflict_winner=winner) as world:
        records = await world.vendors.crm.add([record(0, Title="old")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0, organizations=job("old"))])
        await quiet(world)
        rows = [
            MappingRow(r.crm_field, r.google_field, way) if r.crm_field == "Title" else r for r in world.mapping.rows
        ]
        await world.configure(mapping=Mapping(rows))
        target = Side.GOOGLE if way is RowDirection.CRM_TO_GOOGLE else Side.CRM

        async def edit(side: Side, title: str) -> None:
            if side is Side.CRM:
                await world.vendors.crm.edit(records[0], Title=title)
            else:
                await world.vendors.google.edit(people[0], organizations=job(title))
            await world.pass_time(seconds=2)

        async def shown() -> dict[Side, str | None]:
            there = (await google(world, people[0]))["organizations"][0]["title"]
            return {Side.CRM: (await crm(world, records[0])).get("Title"), Side.GOOGLE: there}

        await edit(target, "by hand")
        assert not writes(await world.sync())
        await world.pass_time(hours=25)
        assert not writes(await world.sync())
        assert await shown() == {target: "by hand", target.other: "old"}
        assert (await world.pair(records[0])).diverged == ("Title",)
        await edit(target.other, "new")
        await world.sync()
        wins = winner is target.other
        assert await shown() == {target: "new" if wins else "by hand", target.other: "new"}
        assert bool((await world.pair(records[0])).diverged) is not wins
        await quiet(world)


# --- names and companies ----------------------------------------------------------------------------------------------


async def test_a_family_name_too_long_for_the_crm_is_told_and_costs_no_given_name_when_it_fits(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        long = "Byron-" * 20
        [name] = await world.vendors.google.add([person(0, names=[{"givenName": "Ada", "familyName": long}])])

        run = await world.sync()

        assert await left_out(world, run) == {"Last_Name": Reason.VALUE_DOES_NOT_FIT}
        await quiet(world)
        record_id = (await world.pair(name)).crm_id
        assert (await google(world, name))["names"][0]["familyName"] == long
        await world.vendors.google.edit(name, names=[{"givenName": "Ada", "familyName": "Byron"}])
        await world.sync()
        await quiet(world)
        shown = await crm(world, record_id)
        assert (shown.get("First_Name"), shown["Last_Name"]) == ("Ada", "Byron")


async def test_a_company_renamed_in_the_crm_reaches_google_within_a_day(open_world: OpenWorld) -> None:
    """No change list tells of it: the record of the contact does not move."""
    async with open_world() as world:
        accounts = f"/organisations/{world.vendors.crm.zgid}/records/Accounts"
        made = await world.vendors.crm.control.call("POST", accounts, {"records": [{"Account_Name": "Looms & Co"}]})
        [company] = made["ids"]
        [record_id] = await world.vendors.crm.add([record(0, Account_Name={"id": company})], at=DAYS_AGO)
        await quiet(world)
        name = (await world.pair(record_id)).google_id
        assert (await google(world, name))["organizations"][0]["name"] == "Looms & Co"
        before = (await crm(world, record_id))["Modified_Time"]
        await world.vendors.crm.control.call("PATCH", f"{accounts}/{company}", {"values": {"Account_Name": "Engines"}})
        assert (await crm(world, record_id))["Modified_Time"] == before

        await world.pass_time(hours=25)
        await world.sync()

        assert (await google(world, name))["organizations"][0]["name"] == "Engines"
        assert (await crm(world, record_id))["Account_Name"] == company
        await quiet(world)


async def test_a_given_name_too_long_for_the_crm_leaves_the_family_name_alone(open_world: OpenWorld) -> None:
    async with open_world() as world:
        long = "Augusta-" * 6
        [name] = await world.vendors.google.add([person(0, names=[{"givenName": long, "familyName": "Byron"}])])
        assert await left_out(world, await world.sync()) == {"First_Name": Reason.VALUE_DOES_NOT_FIT}
        record_id = (await world.pair(name)).crm_id
        for given, family in ((long, "King"), ("Ada", "King")):
            await world.vendors.google.edit(name, names=[{"givenName": given, "familyName": family}])
            await world.sync()
            await quiet(world)
            shown = await crm(world, record_id)
            assert (shown.get("First_Name"), shown["Last_Name"]) == ("Ada" if given == "Ada" else None, family)
