"""Contacts and books that the stories have in common."""

from __future__ import annotations

from collections import Counter

from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping, mappable
from tests.support.story import HasVendors, RunView, StoryWorld
from tests.support.vendors import Json

DAYS_AGO = "2026-01-05T10:00:00+00:00"
CRITERIA = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
"""Of a view that shows partners alone."""


def record(number: int, **values: object) -> Json:
    """A CRM record of somebody with an address of his own."""
    return {"First_Name": f"Ada{number}", "Last_Name": f"Byron{number}", "Email": address(number), **values}


def person(number: int, **fields: object) -> Json:
    """The same somebody as a Google person."""
    return {
        "names": [{"givenName": f"Ada{number}", "familyName": f"Byron{number}"}],
        "emailAddresses": [{"value": address(number), "type": "work"}],
        **fields,
    }


def address(number: int) -> str:
    """Somebody's address."""
    return f"ada{number}@example.org"


def job(title: str) -> list[Json]:
    """A Google person's job."""
    return [{"title": title, "type": "work"}]


def with_more(world: StoryWorld, *crm_fields: str) -> Mapping:
    """The configuration's mapping and these of the further fields."""
    return Mapping([*world.mapping.rows, *(row for row in mappable() if row.crm_field in crm_fields)])


def writes(run: RunView) -> dict[str, int]:
    """What the run wrote, by side and kind."""
    return dict(run.writes)


def outcomes(run: RunView) -> dict[str, int]:
    """Contacts of the run by outcome."""
    return run.outcomes


async def reasons(world: StoryWorld, run: RunView) -> Counter[str]:
    """Rows of the run's report by reason; those without one left out."""
    return Counter(row.reason for row in await world.report(run) if row.reason)


async def settled(world: StoryWorld, count: int, **values: object) -> tuple[list[str], list[str]]:
    """So many pairs in sync, made in the CRM, echoes read: record ids and person names by number."""
    record_ids = await world.vendors.crm.add([record(n, **values) for n in range(count)], at=DAYS_AGO)
    people = await world.vendors.google.add([person(n) for n in range(count)])
    await quiet(world)
    linked = {pair.crm_id: pair.google_id for pair in await world.pairs()}
    assert linked == dict(zip(record_ids, people, strict=True))
    return record_ids, people


async def quiet(world: StoryWorld) -> None:
    """Sync until every echo was read and no listing lags any more."""
    for _ in range(2):
        await world.sync()
        await world.pass_time(minutes=20)
    # Last, so that nothing that time has woken is still on its way when a story ends here.
    assert not writes(await world.sync())
    await everybody_is_told_of(world)


async def everybody_is_told_of(world: StoryWorld) -> None:
    """Nobody of the group is silently left alone, and nobody is of two pairs."""
    pairs = [pair for pair in await world.pairs() if pair.state is not PairState.GONE]
    members = {one["resourceName"] for one in await world.vendors.google.people(in_group=True)}
    for side in ([pair.google_id for pair in pairs if pair.google_id], [pair.crm_id for pair in pairs if pair.crm_id]):
        assert len(set(side)) == len(side), "a contact is of two pairs"
    assert members <= {pair.google_id for pair in pairs}


async def crm(world: HasVendors, record_id: str) -> Json:
    """One record as it truly is."""
    return next(one for one in await world.vendors.crm.records() if one["id"] == record_id)


async def google(world: HasVendors, name: str) -> Json:
    """One person as it truly is."""
    return next(one for one in await world.vendors.google.people() if one["resourceName"] == name)


async def titles(world: HasVendors, record_id: str, name: str) -> tuple[str | None, str | None]:
    """Job title in the CRM and on Google."""
    here, there = await crm(world, record_id), await google(world, name)
    return here.get("Title"), (there.get("organizations") or [{}])[0].get("title")


async def book_sizes(world: HasVendors) -> tuple[int, int]:
    """Contacts in the CRM and on Google."""
    return len(await world.vendors.crm.records()), len(await world.vendors.google.people())


async def add_group(world: StoryWorld) -> str:
    """A new group of the Google account."""
    path = f"/accounts/{world.vendors.google.sub}/groups"
    made = await world.vendors.google.control.call("POST", path, {"name": "Second"})
    return str(made["resourceName"])


async def members_of(world: StoryWorld, group: str) -> list[str]:
    """The people of a group as it truly is."""
    return [
        one["resourceName"]
        for one in await world.vendors.google.people()
        if group in {m["contactGroupMembership"]["contactGroupResourceName"] for m in one["memberships"]}
    ]
