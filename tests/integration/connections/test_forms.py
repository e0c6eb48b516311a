"""The lists of a form: as the providers answer, kept for some minutes, each with its age."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.browser import Site, site
from tests.support.postgres import Database
from tests.support.vendors import Vendors

pytestmark = pytest.mark.postgres


@pytest.fixture
async def web(both: Vendors, database: Database) -> AsyncIterator[Site]:
    async with site(both, database) as opened:
        for provider in ("zoho", "google"):
            await opened.connect(provider)
        yield opened


async def read(web: Site, path: str, **query: str) -> dict[str, Any]:
    answer = await web.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_views_say_whether_time_alone_changes_them(web: Site) -> None:
    crm = web.both.crm
    since = {
        "comparator": "greater_than",
        "field": {"api_name": "Modified_Time"},
        "value": "2026-01-01T00:00:00+00:00",
    }
    await crm.control.call("POST", f"/organisations/{crm.zgid}/views", {"name": "Lately", "criteria": since})
    items = (await read(web, "/v1/crm/views"))["items"]
    found = {item["name"]: item for item in items}
    assert items[0]["default"]
    assert found["Customers"]["id"] == crm.view
    assert not found["Customers"]["changes_by_the_hour"]
    assert found["Lately"]["changes_by_the_hour"]


async def test_one_view_says_it_however_many_there_are(web: Site) -> None:
    crm = web.both.crm
    for number in range(51):
        await crm.control.call("POST", f"/organisations/{crm.zgid}/views", {"name": f"One of many {number:02}"})
    items = (await read(web, "/v1/crm/views"))["items"]
    unasked = [item for item in items if item["changes_by_the_hour"] is None]
    assert unasked
    alone = await read(web, f"/v1/crm/views/{unasked[0]['id']}")
    assert alone["name"] == unasked[0]["name"]
    assert alone["changes_by_the_hour"] is False
    assert (await web.client.get("/v1/crm/views/1")).status_code == 404


async def test_fields_of_both_sides_come_with_type_length_and_writability(web: Site) -> None:
    crm = {item["api_name"]: item for item in (await read(web, "/v1/crm/fields"))["items"]}
    assert (crm["Email"]["type"], crm["Email"]["max_length"], crm["Email"]["writable"]) == ("email", 100, True)
    assert crm["Last_Name"]["mandatory"]
    google = {item["path"]: item for item in (await read(web, "/v1/google/fields"))["items"]}
    assert google["phone_numbers[*]"]["type"] == "phone"
    assert "mobile" in google["phone_numbers[*]"]["types"]


async def test_the_default_mapping_holds_what_this_crm_has_and_proposes_its_custom_fields(web: Site) -> None:
    crm = web.both.crm
    await crm.control.call("POST", f"/organisations/{crm.zgid}/fields", {"label": "Shoe size", "data_type": "integer"})
    await crm.control.call("PATCH", f"/organisations/{crm.zgid}/fields/Contacts/Department", {"visible": False})
    found = await read(web, "/v1/mappings/default")
    mapped = {row["crm_field"]: row["google_field"] for row in found["mapping"]}
    assert mapped["Email"] == "email_addresses[work]"
    assert "Department" not in mapped
    assert {"crm_field": "Shoe_size", "google_field": "user_defined[Shoe size]", "direction": None} in found["more"]


async def test_a_group_is_made_once_and_listed_at_once(web: Site) -> None:
    before = await read(web, "/v1/google/groups")
    assert {item["name"] for item in before["items"] if not item["system"]} == {"Customers"}
    made = await web.client.post("/v1/google/groups", json={"name": "  Suppliers "})
    assert (made.status_code, made.json()["name"]) == (201, "Suppliers")
    after = await read(web, "/v1/google/groups")
    assert made.json()["id"] in {item["id"] for item in after["items"]}
    again = await web.client.post("/v1/google/groups", json={"name": "Suppliers"})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "group_exists")


async def test_an_answer_is_kept_until_a_fresh_one_is_asked_for(web: Site) -> None:
    first = await read(web, "/v1/crm/fields")
    await web.both.clear_logs()
    assert await read(web, "/v1/crm/fields") == first
    assert sum((await web.both.calls()).values()) == 0
    fresh = await read(web, "/v1/crm/fields", fresh="true")
    assert fresh["read_at"] > first["read_at"]
    assert (await web.both.calls())["settings.fields"] == 1


async def test_without_a_connection_the_lists_say_so(both: Vendors, database: Database) -> None:
    async with site(both, database) as web:
        for path in ("/v1/crm/views", "/v1/crm/fields", "/v1/google/groups", "/v1/mappings/default"):
            answer = await web.client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (409, "not_connected")


async def test_a_grant_that_was_revoked_at_the_provider_is_named(web: Site) -> None:
    await web.both.google.control.call("POST", "/grants/revoke", {"account": web.both.google.sub})
    answer = await web.client.get("/v1/google/groups", params={"fresh": "true"})
    assert (answer.status_code, answer.json()["code"]) == (409, "needs_reconnect")
    assert (await web.items())["google"]["state"] == "needs_reconnect"


async def test_a_group_is_made_once_under_its_key(web: Site) -> None:
    headers = {"Idempotency-Key": "one"}
    made = [await web.client.post("/v1/google/groups", json={"name": "Once"}, headers=headers) for _ in range(2)]
    assert [(one.status_code, one.json()) for one in made] == [(201, made[0].json())] * 2
    assert made[1].headers["idempotent-replayed"] == "true"
    groups = (await read(web, "/v1/google/groups", fresh="true"))["items"]
    assert [group["name"] for group in groups].count("Once") == 1
