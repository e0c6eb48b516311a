"""What Google makes of the values that are written."""

import pytest

from simulators.google.etags import person_etag, source_etag, version_of
from simulators.google.normalise import canonical_phone
from tests.unit.simulators.google.api import Api, Json


async def shown(api: Api, field: str, *entries: Json) -> list[Json]:
    person = await api.create({field: list(entries)}, field)
    found: list[Json] = person[field]
    return found


@pytest.mark.parametrize(
    ("parts", "display", "last_first"),
    [
        (("Dr", "Ada", "King", "Lovelace", ""), "Dr Ada King Lovelace", "Lovelace, Dr Ada King"),
        (("", "Ada", "", "", ""), "Ada", "Ada"),
        (("", "", "", "Lovelace", ""), "Lovelace", "Lovelace"),
        (("", "Sammy", "", "Davis", "Jr."), "Sammy Davis, Jr.", "Davis, Sammy, Jr."),
    ],
)
async def test_display_names_are_made_from_the_parts(
    api: Api, parts: tuple[str, ...], display: str, last_first: str
) -> None:
    keys = ("honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix")
    (name,) = await shown(api, "names", dict(zip(keys, parts, strict=True)))
    assert (name["displayName"], name["displayNameLastFirst"]) == (display, last_first)
    assert name["unstructuredName"] == display


async def test_a_name_written_in_one_piece_is_taken_apart(api: Api) -> None:
    (name,) = await shown(api, "names", {"unstructuredName": "Ada King Lovelace"})
    assert (name["givenName"], name["familyName"]) == ("Ada King", "Lovelace")


@pytest.mark.parametrize(
    ("value", "region", "canonical"),
    [
        ("06 12345678", "NL", "+31612345678"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("+1 (415) 555-0132", "FR", "+14155550132"),
        ("extension 12", "FR", None),
        ("", "FR", None),
    ],
)
def test_phone_numbers_are_read_with_the_habits_of_the_region(value: str, region: str, canonical: str | None) -> None:
    assert canonical_phone(value, region) == canonical


async def test_the_written_number_stays_as_it_is(api: Api) -> None:
    numbers = await shown(api, "phoneNumbers", {"value": "06 12 34 56 78", "type": "workMobile"}, {"value": "ask Bob"})
    assert numbers[0] | {"metadata": None} == {
        "value": "06 12 34 56 78",
        "type": "workMobile",
        "canonicalForm": "+33612345678",
        "formattedType": "Work Mobile",
        "metadata": None,
    }
    assert "canonicalForm" not in numbers[1]


async def test_a_custom_type_is_its_own_label(api: Api) -> None:
    (entry,) = await shown(api, "emailAddresses", {"value": "a@example.org", "type": "Ski club"})
    assert (entry["type"], entry["formattedType"]) == ("Ski club", "Ski club")


async def test_one_entry_is_primary_and_it_can_be_chosen(api: Api) -> None:
    entries = await shown(
        api,
        "emailAddresses",
        {"value": "a@example.org"},
        {"value": "b@example.org", "metadata": {"sourcePrimary": True}},
    )
    assert [entry["metadata"].get("primary") for entry in entries] == [None, True]
    assert {entry["metadata"]["source"]["type"] for entry in entries} == {"CONTACT"}


async def test_an_address_gets_its_lines_unless_they_are_written(api: Api) -> None:
    made, written = await shown(
        api,
        "addresses",
        {"streetAddress": "1 rue de Rivoli", "postalCode": "75001", "city": "Paris", "country": "France"},
        {"city": "Lyon", "formattedValue": "Somewhere in Lyon"},
    )
    assert made["formattedValue"] == "1 rue de Rivoli\n75001 Paris\nFrance"
    assert written["formattedValue"] == "Somewhere in Lyon"


async def test_notes_are_plain_text_with_their_lines(api: Api) -> None:
    (note,) = await shown(api, "biographies", {"value": "one\ntwo", "contentType": "TEXT_HTML"})
    assert (note["value"], note["contentType"]) == ("one\ntwo", "TEXT_PLAIN")


@pytest.mark.parametrize(
    "date",
    [{"year": 1815, "month": 12, "day": 10}, {"month": 2, "day": 29}, {"year": 1815}, {"year": 1815, "month": 12}],
)
async def test_birthdays_may_lack_parts(api: Api, date: Json) -> None:
    (birthday,) = await shown(api, "birthdays", {"date": date})
    assert birthday["date"] == date


async def test_gender_and_messengers_have_labels(api: Api) -> None:
    assert (await shown(api, "genders", {"value": "female"}))[0]["formattedValue"] == "Female"
    (client,) = await shown(api, "imClients", {"username": "ada", "protocol": "googleTalk", "type": "home"})
    assert (client["formattedProtocol"], client["formattedType"]) == ("Google Talk", "Home")


async def test_client_data_may_repeat_a_key(api: Api) -> None:
    entries = await shown(api, "clientData", {"key": "k", "value": "1"}, {"key": "k", "value": "2"})
    assert [entry["value"] for entry in entries] == ["1", "2"]


def test_both_kinds_of_etag_stand_for_the_same_version() -> None:
    source = source_etag(0x0123456789ABCDEF)
    assert source == "#ASNFZ4mrze8="
    for mask in (("names",), ("metadata", "names")):
        assert version_of(person_etag(mask, ("READ_SOURCE_TYPE_CONTACT",), source)) == source
    assert version_of(source) == source


@pytest.mark.parametrize("text", ["", "%", "%%%", "nonsense", "%QUJD"])
def test_any_other_text_is_no_etag(text: str) -> None:
    assert version_of(text) is None
