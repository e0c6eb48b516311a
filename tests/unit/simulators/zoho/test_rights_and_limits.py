"""Profiles, sharing, credits, concurrency, faults."""

from __future__ import annotations

import asyncio

import pytest

from simulators.zoho.limits import daily_credits
from simulators.zoho.organisation import License
from tests.unit.simulators.zoho.crm import FIELDS, Crm


@pytest.mark.parametrize(
    ("right", "method", "path"),
    [
        ("Crm_Implied_View_Contacts", "GET", "/Contacts"),
        ("Crm_Implied_Create_Contacts", "POST", "/Contacts"),
        ("Crm_Implied_Edit_Contacts", "PUT", "/Contacts"),
        ("Crm_Implied_Edit_Contacts", "POST", "/Contacts/upsert"),
        ("Crm_Implied_Delete_Contacts", "DELETE", "/Contacts"),
        ("Crm_Implied_View_Contacts", "POST", "/coql"),
        ("Crm_Implied_Api_Access", "GET", "/users"),
        ("Crm_Implied_Api_Access", "GET", "/Contacts"),
    ],
)
async def test_a_missing_right_is_named_with_403(crm: Crm, right: str, method: str, path: str) -> None:
    await crm.rights("Administrator", disable=(right,))
    body = {"data": [{"Last_Name": "A", "id": "1"}], "select_query": "select id from Contacts where id is not null"}
    status, code, details = await crm.refused(method, path, body, fields=FIELDS, ids="1")
    assert (status, code, details) == (403, "NO_PERMISSION", {"permissions": [right]})


async def test_a_private_organisation_shows_users_their_own_records_alone(crm: Crm) -> None:
    other = await crm.of_org("POST", "/users", {"email": "b@example.com", "profile": "Standard"})
    (mine,) = await crm.records({"Last_Name": "A"})
    (his,) = await crm.records({"Last_Name": "B", "Owner": other["id"]})
    await crm.of_org("PATCH", "", {"sharing": "private"})
    assert await crm.every_id() == [his, mine]
    crm.headers = await crm.sign_in(other["id"])
    assert await crm.every_id() == [his]
    assert (await crm.get(f"/Contacts/{mine}")).status_code == 204
    assert [row["id"] for row in await crm.found("select id from Contacts where id is not null")] == [his]


async def test_owner_changes_move_records_between_private_users(crm: Crm) -> None:
    other = await crm.of_org("POST", "/users", {"email": "b@example.com", "profile": "Standard"})
    (record_id,) = await crm.records({"Last_Name": "A"})
    await crm.of_org("PATCH", "", {"sharing": "private"})
    headers = await crm.sign_in(other["id"])
    assert (await crm.get("/Contacts", headers, fields=FIELDS)).status_code == 204
    await crm.update({"id": record_id, "Owner": {"id": other["id"]}})
    assert (await crm.get("/Contacts", headers, fields=FIELDS)).status_code == 200


async def test_an_inactive_user_has_no_access(crm: Crm) -> None:
    await crm.of_org("PATCH", f"/users/{crm.owner}", {"active": False})
    assert (await crm.refused("GET", "/users"))[:2] == (401, "INVALID_TOKEN")


@pytest.mark.parametrize(
    ("held", "credits_"),
    [
        (License("enterprise", None, None, 5), 55_000),
        (License("standard", None, None, 1000), 100_000),
        (License("professional", None, None, 2), 51_000),
        (License("ultimate", None, None, 10_000), 20_050_000),
        (License(None, None, None, 3), 5_000),
        (License(None, "enterprise", None, 1), 51_000),
    ],
)
def test_credits_go_by_edition_and_users(held: License, credits_: int) -> None:
    assert daily_credits(held) == credits_


async def test_calls_cost_what_the_vendor_says(crm: Crm) -> None:
    view = await crm.view(None)
    await crm.records({"Last_Name": "A"})
    await crm.listing()
    await crm.listing(cvid=view)
    await crm.insert(*({"Last_Name": f"N{number}"} for number in range(25)))
    await crm.get("/Contacts/deleted")
    await crm.found("select id from Contacts where id is not null limit 2000")
    state = await crm.of_org("GET", "")
    assert state["credits_spent"] == 1 + 3 + 3 + 2 + 3


async def test_the_rest_of_the_credits_is_told_from_half_on_and_then_refused_for_a_day(crm: Crm) -> None:
    await crm.settings(credits=4)
    left = [(await crm.get("/users")).headers.get("x-api-credits-remaining") for _ in range(4)]
    assert left == [None, "2", "1", "0"]
    status, code, _ = await crm.refused("GET", "/users")
    assert (status, code) == (429, "TOO_MANY_REQUESTS")
    crm.wait(24 * 3600 + 60)
    crm.headers = await crm.sign_in(crm.owner)
    assert (await crm.get("/users")).status_code == 200


async def test_calls_at_once_are_limited_by_edition(crm: Crm) -> None:
    """Latency keeps the calls under way; the sixth of a Free organisation is refused."""
    await crm.of_org("PATCH", "", {"edition": "free"})
    await crm.settings(latency_scale=1.0, latency_s={"*": 0.05})
    answers = await asyncio.gather(*(crm.get("/users") for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 200, 200, 429]
    assert (await crm.get("/users")).status_code == 200


async def test_heavy_calls_at_once_are_ten(crm: Crm) -> None:
    await crm.records({"Last_Name": "A"})
    await crm.settings(latency_scale=1.0, latency_s={"coql.query": 0.05})
    text = "select id from Contacts where id is not null"
    answers = await asyncio.gather(*(crm.query(text) for _ in range(11)))
    assert sorted(one.status_code for one in answers) == [200] * 10 + [429]
    refusal = next(one for one in answers if one.status_code == 429)
    assert "sub-concurrent" in refusal.json()["message"]


async def test_without_quotas_nothing_is_counted(crm: Crm) -> None:
    await crm.settings(credits=1, quotas_enabled=False)
    assert [(await crm.get("/users")).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"action": "status", "status": 500}, 500, "INTERNAL_ERROR"),
        ({"action": "rate_limit"}, 429, "TOO_MANY_REQUESTS"),
        ({"action": "rate_limit", "variant": "credits"}, 429, "TOO_MANY_REQUESTS"),
    ],
)
async def test_faults_speak_the_vendors_words(crm: Crm, fault: dict[str, object], status: int, code: str) -> None:
    await crm.control("POST", "/faults", {"match": "users.*", "times": 1, **fault})
    assert (await crm.refused("GET", "/users"))[:2] == (status, code)
    assert (await crm.get("/users")).status_code == 200


async def test_a_refused_call_changes_nothing(crm: Crm) -> None:
    await crm.control("POST", "/faults", {"match": "contacts.insert", "action": "status", "status": 503, "times": 1})
    assert (await crm.call("POST", "/Contacts", {"data": [{"Last_Name": "A"}]})).status_code == 503
    assert (await crm.get("/Contacts", fields=FIELDS)).status_code == 204


async def test_the_log_tells_listings_apart_and_counts_credits(crm: Crm) -> None:
    (record_id,) = await crm.records({"Last_Name": "A"})
    view = await crm.view(None)
    await crm.listing()
    await crm.listing(cvid=view)
    await crm.listing(ids=record_id)
    await crm.listing({"If-Modified-Since": "2026-01-01T00:00:00+00:00"})
    counters = await crm.control("GET", "/counters")
    assert set(counters["operations"]) == {
        "contacts.list",
        "contacts.list.view",
        "contacts.list.ids",
        "contacts.list.changes",
    }
    assert counters["operations"]["contacts.list.view"]["units"] == {"credits": 3}


async def test_unknown_paths_and_methods_are_refused_in_the_vendors_words(crm: Crm) -> None:
    assert (await crm.refused("GET", "/nowhere/at/all"))[:2] == (404, "INVALID_URL_PATTERN")
    assert (await crm.refused("PATCH", "/org"))[:2] == (400, "INVALID_REQUEST_METHOD")
