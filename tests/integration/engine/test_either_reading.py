"""One story under each reading of what the vendors' documents leave open: the outcome is the same."""

from __future__ import annotations

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.policy import DeletePolicy
from contactsync.ports.state import RunState
from tests.integration.engine.test_first_run import DAYS_AGO, person, record, writes
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import Json

NUMBERS = [
    {"value": "+447700900123", "type": "mobile"},
    {"value": "+447700900124", "type": "mobile"},
    {"value": "+442079460000", "type": "work"},
]
GOOGLE: dict[str, Json] = {
    "entries and items in any order": {"shuffle_items": True, "shuffle_results": True},
    "failures inside a 200": {"batch_failures": "per_item", "batch_delete_unknown": "ignore"},
    "contacts named by their ids": {"contact_error_keys": "contact_id", "error_block": True},
    "short lives are hidden": {"created_then_deleted": "hide", "sync_token_sliding": True},
    "listings lag": {"visibility_delay_s": 240, "visibility_jitter_s": 30},
    "readings lag too": {"visibility_delay_s": 20, "stale_reads": True},
}
CRM: dict[str, Json] = {
    "the named second counts": {"modified_since": "at_or_after"},
    "no views in queries": {"coql_views": False},
    "pages count rows": {"paging": "offset"},
    "unknown names are ignored": {"unknown_fields": "ignore", "id_alone": True},
    "a precondition holds for the call": {"unmodified_since": "call"},
    "listings lag": {"visibility_delay_s": 240},
    "a workflow touches what is written": {"workflow": True},
}


async def names(world: SyncWorld) -> tuple[dict[str, str], dict[str, str]]:
    """Record ids and person names by e-mail; nobody is there twice."""
    records, people = await world.vendors.crm.records(), await world.vendors.google.people()
    crm = {one["Email"]: one["id"] for one in records}
    google = {one["emailAddresses"][0]["value"]: one["resourceName"] for one in people}
    assert (len(crm), len(google)) == (len(records), len(people))
    return crm, google


def address(number: int) -> str:
    return f"ada{number}@example.org"


async def story(world: SyncWorld) -> None:
    """Partly overlapping books, then edits and deletes on both sides, then nothing."""
    await world.vendors.crm.add([record(n, Title="Analyst") for n in range(230)], at=DAYS_AGO)
    await world.vendors.google.add([person(n, phoneNumbers=NUMBERS) for n in range(210, 240)])
    await world.pass_time(minutes=20)

    assert (await world.sync()).state is RunState.SUCCEEDED
    await world.pass_time(minutes=20)
    assert (await world.sync()).state is RunState.SUCCEEDED
    crm, google = await names(world)
    assert crm.keys() == google.keys() == {address(n) for n in range(240)}

    await world.pass_time(minutes=20)
    await world.vendors.crm.edit_many({crm[address(n)]: {"Title": f"crm {n}"} for n in range(10)})
    title = {f"{n}": [{"title": f"google {n}", "type": "work"}] for n in range(5, 15)}
    await world.vendors.google.edit_many({google[address(int(n))]: {"organizations": t} for n, t in title.items()})
    await world.vendors.crm.delete(crm[address(20)])
    await world.vendors.google.delete(google[address(21)])
    await world.pass_time(minutes=20)
    assert (await world.sync()).state is RunState.SUCCEEDED
    await world.pass_time(minutes=20)
    await world.sync()
    await world.pass_time(minutes=20)
    assert not writes(await world.sync())

    crm, google = await names(world)
    assert crm.keys() == google.keys() == {address(n) for n in range(240)} - {address(20), address(21)}
    records = {one["Email"]: one.get("Title") for one in await world.vendors.crm.records()}
    people = {one["emailAddresses"][0]["value"]: one for one in await world.vendors.google.people()}
    titles = {key: (one.get("organizations") or [{}])[0].get("title") for key, one in people.items()}
    assert titles == records
    assert [records[address(n)] for n in (0, 7, 12, 225)] == ["crm 0", "crm 7", "google 12", "Analyst"]
    mobiles = {entry["value"] for entry in people[address(239)]["phoneNumbers"]}
    assert mobiles == {entry["value"] for entry in NUMBERS}, "the number that no row names stays"


@pytest.mark.parametrize("reading", GOOGLE)
async def test_whatever_google_means(reading: str) -> None:
    async with sync_world(conflict_winner=Side.CRM, deletions=DeletePolicy.PROPAGATE) as world:
        await world.vendors.google.control.settings(**GOOGLE[reading])
        await story(world)


@pytest.mark.parametrize("reading", CRM)
async def test_whatever_the_crm_means(reading: str) -> None:
    async with sync_world(conflict_winner=Side.CRM, deletions=DeletePolicy.PROPAGATE) as world:
        await world.vendors.crm.control.settings(**CRM[reading])
        await story(world)
