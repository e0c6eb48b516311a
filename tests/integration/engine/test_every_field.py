"""Every row of the default mapping and of "map more fields", custom fields of every kind too, both ways."""

from __future__ import annotations

from contactsync.adapters.http import HostGuard, HttpEdge, HttpSettings, OpenGate, build_client
from contactsync.adapters.zoho.metadata import ZohoMetadata
from contactsync.domain.catalogue import CrmField
from contactsync.domain.ids import ConnectionId
from contactsync.domain.mapping import Mapping, default_mapping, mappable
from contactsync.ports.state import RunState
from contactsync.ports.vault import AccessToken
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_first_run import DAYS_AGO, writes
from tests.support.sync_world import SyncWorld
from tests.support.vendors import Json

RECORD = {
    "Salutation": "Dr.",
    "First_Name": "Ada",
    "Last_Name": "Byron",
    "Email": "ada@example.org",
    "Secondary_Email": "ada@home.example.org",
    "Phone": "+44 20 7946 0000",
    "Mobile": "+44 7700 900001",
    "Home_Phone": "+44 20 7946 0002",
    "Other_Phone": "+44 20 7946 0003",
    "Fax": "+44 20 7946 0004",
    "Title": "Analyst",
    "Department": "Engines",
    "Mailing_Street": "12 St James's Square\nFlat 3",
    "Mailing_City": "London",
    "Mailing_State": "Greater London",
    "Mailing_Zip": "SW1Y 4JH",
    "Mailing_Country": "United Kingdom",
    "Other_Street": "Ockham Park",
    "Other_City": "Ockham",
    "Other_State": "Surrey",
    "Other_Zip": "GU23 6NG",
    "Other_Country": "United Kingdom",
    "Description": "First line.\nSecond line.",
    "Date_of_Birth": "1815-12-10",
    "Assistant": "Mary Somerville",
    "Asst_Phone": "+44 20 7946 0005",
    "Skype_ID": "ada.byron",
    "Twitter": "https://twitter.example/ada",
}
PERSON = {
    "names": [{"honorificPrefix": "Dr.", "givenName": "Ada", "familyName": "Byron"}],
    "emailAddresses": [
        {"type": "work", "value": "ada@example.org"},
        {"type": "home", "value": "ada@home.example.org"},
    ],
    "phoneNumbers": [
        {"type": "work", "value": "+44 20 7946 0000"},
        {"type": "mobile", "value": "+44 7700 900001"},
        {"type": "home", "value": "+44 20 7946 0002"},
        {"type": "other", "value": "+44 20 7946 0003"},
        {"type": "workFax", "value": "+44 20 7946 0004"},
        {"type": "assistant", "value": "+44 20 7946 0005"},
    ],
    "organizations": [{"title": "Analyst", "department": "Engines"}],
    "addresses": [
        {
            "type": "work",
            "streetAddress": "12 St James's Square\nFlat 3",
            "city": "London",
            "region": "Greater London",
            "postalCode": "SW1Y 4JH",
            "country": "United Kingdom",
        },
        {
            "type": "home",
            "streetAddress": "Ockham Park",
            "city": "Ockham",
            "region": "Surrey",
            "postalCode": "GU23 6NG",
            "country": "United Kingdom",
        },
    ],
    "biographies": [{"value": "First line.\nSecond line.", "contentType": "TEXT_PLAIN"}],
    "birthdays": [{"date": {"year": 1815, "month": 12, "day": 10}}],
    "relations": [{"type": "assistant", "person": "Mary Somerville"}],
    "imClients": [{"protocol": "skype", "username": "ada.byron"}],
    "urls": [{"type": "profile", "value": "https://twitter.example/ada"}],
}
COMPUTED = {"metadata", "displayName", "displayNameLastFirst", "unstructuredName", "formattedType", "formattedValue"}
COMPUTED |= {"canonicalForm", "formattedProtocol"}

CUSTOM: dict[str, tuple[Json, object, str]] = {
    "Motto": ({"data_type": "text"}, "Poetical science", "Poetical science"),
    "Memo": ({"data_type": "textarea"}, "One\nTwo", "One\nTwo"),
    "Level": ({"data_type": "picklist", "choices": ["Gold", "Silver"], "strict": True}, "Gold", "Gold"),
    "Hobbies": (
        {"data_type": "multiselectpicklist", "choices": ["Maths", "Horses"]},
        ["Maths", "Horses"],
        "Maths;Horses",
    ),
    "Member": ({"data_type": "boolean"}, True, "true"),
    "Shoe size": ({"data_type": "integer"}, 38, "38"),
    "Ratio": ({"data_type": "double"}, 1.5, "1.5"),
    "Fee": ({"data_type": "currency"}, 1200.0, "1200"),
    "Number": ({"data_type": "bigint"}, "123456789012345678", "123456789012345678"),
    "Since": ({"data_type": "date"}, "1833-06-05", "1833-06-05"),
    "Seen at": ({"data_type": "datetime"}, "2026-01-05T10:00:00+00:00", "2026-01-05T10:00:00Z"),
    "Page": ({"data_type": "website"}, "https://ada.example.org", "https://ada.example.org"),
    "Line": ({"data_type": "phone"}, "+44 20 7946 0009", "+44 20 7946 0009"),
    "Letters": ({"data_type": "email"}, "letters@example.org", "letters@example.org"),
}
"""Custom fields by label: what the CRM is told to make, a value there, and the same value on Google."""


async def fields_of(world: SyncWorld) -> dict[str, CrmField]:
    """What the CRM says of its fields."""
    crm = world.vendors.crm
    url, expires = crm.control.base_url, world.clock.now()

    class Token:
        async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
            return AccessToken(crm.token, expires, url)

    async with build_client(HttpSettings()) as client:
        edge = HttpEdge(client, HostGuard((), (url,)), world.clock)
        metadata = ZohoMetadata(edge, Token(), world.settings.crm_connection_id, OpenGate())
        return {field.api_name: field for field in await metadata.fields()}


async def map_everything(world: SyncWorld, *labels: str) -> None:
    """Map the default rows, those of "map more fields", and the custom fields of these labels."""
    fields = await fields_of(world)
    rows = [
        row for row in mappable(fields) if row.google_field.field != "user_defined" or row.google_field.type in labels
    ]
    await world.configure(mapping=Mapping((*default_mapping(fields).rows, *rows)))


def bare(person: Json) -> Json:
    """What somebody typed into a person, entries in an order of ours."""
    typed = {
        name: [{key: value for key, value in entry.items() if key not in COMPUTED} for entry in entries]
        for name, entries in person.items()
        if name in {*PERSON, "userDefined"}
    }
    return {name: sorted(entries, key=repr) for name, entries in typed.items()}


def held(record: Json, *names: str) -> Json:
    """Fields of a record."""
    return {name: record.get(name) for name in names}


async def test_every_field_of_the_catalogue_goes_to_google(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await map_everything(world)
        await world.vendors.crm.add([RECORD], at=DAYS_AGO)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        (person,) = await world.vendors.google.people(in_group=True)
        assert bare(person) == bare(PERSON)
        assert not writes(await world.sync())


async def test_every_field_of_the_catalogue_comes_from_google(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await map_everything(world)
        await world.vendors.google.add([PERSON])

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        (record,) = await world.vendors.crm.records()
        assert held(record, *RECORD) == RECORD
        assert not writes(await world.sync())


async def test_custom_fields_of_every_kind_cross_in_both_directions(open_world: OpenWorld) -> None:
    async with open_world() as world:
        names = {label: await world.vendors.crm.add_field(label, **made) for label, (made, _, _) in CUSTOM.items()}
        await map_everything(world, *CUSTOM)
        shown = [{"key": label, "value": text} for label, (_, _, text) in CUSTOM.items()]
        values = {names[label]: value for label, (_, value, _) in CUSTOM.items()}
        await world.vendors.crm.add([{"Last_Name": "Byron", "Email": "ada@example.org", **values}], at=DAYS_AGO)
        hopper = {"names": [{"familyName": "Hopper"}], "emailAddresses": [{"type": "work", "value": "g@example.org"}]}
        await world.vendors.google.add([{**hopper, "userDefined": shown}])

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        people = {one["names"][0]["familyName"]: one for one in await world.vendors.google.people(in_group=True)}
        assert bare(people["Byron"])["userDefined"] == bare({"userDefined": shown})["userDefined"]
        records = {one["Last_Name"]: one for one in await world.vendors.crm.records()}
        assert held(records["Hopper"], *values) == held(records["Byron"], *values)
        assert not writes(await world.sync())


async def test_a_text_that_the_crms_field_cannot_hold_stays_where_it_is_and_the_rest_crosses(
    open_world: OpenWorld,
) -> None:
    unfit = {"Member": "perhaps", "Shoe size": "rather large", "Since": "soon", "Level": "Platinum", "Motto": "m" * 300}
    async with open_world() as world:
        names = {label: await world.vendors.crm.add_field(label, **made) for label, (made, _, _) in CUSTOM.items()}
        await map_everything(world, *CUSTOM)
        shown = [{"key": label, "value": text} for label, text in unfit.items()]
        await world.vendors.google.add([{**PERSON, "userDefined": [*shown, {"key": "Ratio", "value": "1.5"}]}])

        await world.sync()

        (record,) = await world.vendors.crm.records()
        assert record["Last_Name"] == "Byron"
        assert record[names["Ratio"]] == 1.5
        assert not any(record.get(names[label]) for label in unfit)
        (person,) = await world.vendors.google.people()
        assert {entry["key"]: entry["value"] for entry in person["userDefined"]} == {**unfit, "Ratio": "1.5"}
        assert not writes(await world.sync())
