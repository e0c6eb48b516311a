"""Sync configurations over HTTP."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from config_api.resources import LOCAL_USER
from config_api.scheduler.scheduler import Scheduler
from contactsync.adapters.sql.requests import SqlRunSweeper
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.policy import Direction
from contactsync.ports.configurations import MOST_DRAFTS
from contactsync.ports.connections import Provider
from tests.integration.config_api.conftest import Desk, body
from tests.support.accounts import GROUP, MY_CONTACTS, OTHER_GROUP, OTHER_VIEW
from tests.support.pairs import put_pair

pytestmark = pytest.mark.postgres


async def test_a_saved_configuration_is_active_and_its_first_run_is_asked_for(desk: Desk) -> None:
    saved = await desk.save(name="Customers")
    assert (saved["status"], saved["name"], saved["frequency"]) == ("active", "Customers", "1h")
    assert {"crm_field": "Email", "google_field": "email_addresses[work]", "direction": None} in saved["mapping"]
    assert saved["limits"] == {"first_run": 10_000, "later_runs": 500}
    run = await desk.get(f"/v1/runs/{saved['run_id']}")
    assert (run["state"], run["first"], run["trigger"]) == ("queued", True, "user")
    assert await desk.get(f"/v1/sync-configs/{saved['id']}") == {**saved, "run_id": None}


async def test_every_error_is_listed_by_its_field_at_once(desk: Desk) -> None:
    desk.accounts.allowed = frozenset({Direction.CRM_TO_GOOGLE})
    desk.accounts.crm_fields["Region"] = CrmField(api_name="Region", label="Region", mandatory=True)
    desk.accounts.crm_fields["Owner"] = CrmField(api_name="Owner", label="Owner", writable=False)
    rows = [
        {"crm_field": "Email", "google_field": "email_addresses[work]"},
        {"crm_field": "Nope", "google_field": "phone_numbers"},
        {"crm_field": "Date_of_Birth", "google_field": "email_addresses[home]"},
    ]
    answer = await desk.api.post(
        "/v1/sync-configs",
        json=body(
            crm_view_id="1",
            google_group="contactGroups/none",
            mapping=rows,
            crm_values={"Missing": "x", "Owner": "x", "Date_of_Birth": "never"},
        ),
    )
    assert answer.status_code == 422
    assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {
        ("direction", "direction_not_allowed"),
        ("crm_view_id", "unknown_view"),
        ("google_group", "unknown_group"),
        ("mapping.1.crm_field", "unknown_crm_field"),
        ("mapping.1.google_field", "unknown_google_field"),
        ("mapping.2", "kinds_differ"),
        ("crm_values.Missing", "unknown_crm_field"),
        ("crm_values.Owner", "read_only"),
        ("crm_values.Date_of_Birth", "value_does_not_fit"),
    }


async def test_fields_and_values_that_nobody_knows_are_refused_together(desk: Desk) -> None:
    answer = await desk.api.post("/v1/sync-configs", json=body(direction="up", photos=True, frequency="2s"))
    assert {error["field"] for error in answer.json()["errors"]} == {"direction", "photos", "frequency"}


async def test_what_the_mapping_as_a_whole_lacks_is_told(desk: Desk) -> None:
    rows = [
        {"crm_field": "Phone", "google_field": "phone_numbers[work]"},
        {"crm_field": "Mobile", "google_field": "phone_numbers[work]"},
        {"crm_field": "Email", "google_field": "email_addresses[home]"},
    ]
    answer = await desk.api.post("/v1/sync-configs", json=body(mapping=rows))
    assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {
        ("mapping.1.google_field", "google_field_twice"),
        ("mapping", "match_pair_missing"),
    }


async def test_a_field_that_the_crm_requires_must_be_mapped_or_given(desk: Desk) -> None:
    choices = ("North", "South")
    desk.accounts.crm_fields["Region"] = CrmField(
        api_name="Region", label="Region", kind=ValueKind.PICKLIST, picklist=choices, mandatory=True
    )
    answer = await desk.api.post("/v1/sync-configs", json=body())
    assert [error["code"] for error in answer.json()["errors"]] == ["crm_field_required"]
    assert (await desk.save(direction="crm_to_google"))["status"] == "active"
    saved = await desk.save(google_group=OTHER_GROUP, crm_values={"Region": "North"})
    assert saved["crm_values"] == {"Region": "North"}


async def test_a_system_group_needs_a_confirmation_that_its_people_become_visible_in_the_crm(desk: Desk) -> None:
    answer = await desk.api.post("/v1/sync-configs", json=body(google_group=MY_CONTACTS))
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("confirm_scope", "scope_not_confirmed")
    assert "412 people" in error["message"]
    assert (await desk.save(google_group=MY_CONTACTS, confirm_scope=True))["status"] == "active"


async def test_my_contacts_towards_google_needs_no_confirmation(desk: Desk) -> None:
    assert (await desk.save(google_group=MY_CONTACTS, direction="crm_to_google"))["status"] == "active"


async def test_one_view_and_group_is_configured_once(desk: Desk) -> None:
    await desk.save()
    again = await desk.api.post("/v1/sync-configs", json=body())
    assert (again.status_code, again.json()["code"]) == (409, "same_scope_exists")
    other = await desk.save(google_group=OTHER_GROUP)
    moved = await desk.api.put(f"/v1/sync-configs/{other['id']}", json=body(), headers={"If-Match": "*"})
    assert (moved.status_code, moved.json()["code"]) == (409, "same_scope_exists")


async def test_a_change_needs_the_version_that_was_read(desk: Desk) -> None:
    saved = await desk.save()
    address = f"/v1/sync-configs/{saved['id']}"
    etag = (await desk.api.get(address)).headers["etag"]
    without = await desk.api.put(address, json=body(name="New"))
    assert (without.status_code, without.json()["code"]) == (428, "version_required")
    changed = await desk.api.put(address, json=body(name="New"), headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["name"]) == (200, "New")
    assert changed.headers["etag"] != etag
    stale = await desk.api.put(address, json=body(name="Newer"), headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")


async def test_of_two_changes_at_once_one_is_stale(desk: Desk) -> None:
    saved = await desk.save()
    address, etag = f"/v1/sync-configs/{saved['id']}", f'"{saved["version"]}"'
    both = await asyncio.gather(
        *(desk.api.put(address, json=body(name=name), headers={"If-Match": etag}) for name in ("a", "b"))
    )
    assert sorted(answer.status_code for answer in both) == [200, 412]


@pytest.mark.parametrize(
    ("change", "anew", "version"),
    [
        ({"conflict_winner": "google"}, False, 1),
        ({"mapping": [{"crm_field": "Email", "google_field": "email_addresses[work]"}]}, False, 2),
        ({"direction": "crm_to_google"}, False, 2),
        ({"crm_view_id": OTHER_VIEW}, True, 2),
        ({"google_group": OTHER_GROUP}, True, 2),
    ],
)
async def test_what_changes_decides_what_is_read_again(
    desk: Desk, change: dict[str, object], *, anew: bool, version: int
) -> None:
    saved = await desk.save()
    database = desk.resources.foundation.database
    async with database.tenant(LOCAL_USER.organisation_id) as connection:
        await connection.execute("UPDATE sync_configs SET first_done = true")
    answer = await desk.api.put(
        f"/v1/sync-configs/{saved['id']}", json=body(**change), headers={"If-Match": f'"{saved["version"]}"'}
    )
    assert answer.status_code == 200, answer.text
    async with database.tenant(LOCAL_USER.organisation_id) as connection:
        row = await connection.fetchrow("SELECT version, first_done FROM sync_configs")
    assert row is not None
    assert (row["version"], row["first_done"]) == (version, not anew)


async def test_a_deactivated_configuration_runs_no_more_and_its_run_is_cancelled(desk: Desk) -> None:
    saved = await desk.save()
    stopped = (await desk.api.post(f"/v1/sync-configs/{saved['id']}/deactivate")).json()
    assert (stopped["status"], stopped["next_sync_at"]) == ("deactivated", None)
    assert (await desk.get(f"/v1/runs/{saved['run_id']}"))["state"] == "cancelled"
    asked = await desk.api.post(f"/v1/sync-configs/{saved['id']}/runs", json={})
    assert (asked.status_code, asked.json()["code"]) == (409, "not_active")
    desk.clock.advance(timedelta(hours=5))
    started = (await desk.api.post(f"/v1/sync-configs/{saved['id']}/activate")).json()
    assert started["status"] == "active"
    assert datetime.fromisoformat(started["next_sync_at"]) >= desk.clock.now() + timedelta(hours=1)
    assert (await desk.get(f"/v1/runs/{started['run_id']}"))["state"] == "queued"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_the_crm_told_a_configuration_that_stops_is_forgotten(desk: Desk, method: str) -> None:
    stops, stays = await desk.save(), await desk.save(google_group=OTHER_GROUP)
    database = desk.resources.foundation.database
    async with database.tenant(LOCAL_USER.organisation_id) as connection:
        for saved in (stops, stays):
            told = (LOCAL_USER.organisation_id, saved["id"], "7", desk.clock.now())
            await connection.execute("INSERT INTO crm_told VALUES ($1, $2, $3, $4, $4)", *told)

    path = f"/v1/sync-configs/{stops['id']}"
    await desk.api.request(method, path if method == "DELETE" else f"{path}/deactivate")

    async with database.tenant(LOCAL_USER.organisation_id) as connection:
        left = await connection.fetch("SELECT config_id FROM crm_told")
    assert [str(row["config_id"]) for row in left] == [stays["id"]]


async def test_what_was_asked_of_a_pair_that_nobody_has_any_more_is_forgotten(desk: Desk) -> None:
    first, second = await desk.save(), await desk.save(google_group=OTHER_GROUP)
    database, organisation = desk.resources.foundation.database, LOCAL_USER.organisation_id
    shared = await put_pair(database, organisation, UUID(first["id"]))
    alone, excluded = [await put_pair(database, organisation, UUID(first["id"])) for _ in range(2)]
    async with database.tenant(organisation) as connection:
        copied = "organisation_id, $1, link_id, false, true, true, 1, true, true, 1"
        await connection.execute(
            f"INSERT INTO link_scopes SELECT {copied} FROM link_scopes WHERE link_id = $2",  # noqa: S608  our own names
            UUID(second["id"]),
            shared,
        )
    async with database.tenant(organisation) as connection:
        for link_id, action in [(shared, "retry"), (alone, "retry"), (excluded, "exclude")]:
            asked_of = (organisation, link_id, action, desk.clock.now())
            await connection.execute("INSERT INTO link_answers VALUES ($1, $2, $3, '[]', $4)", *asked_of)

    async def asked() -> list[UUID]:
        async with database.tenant(organisation) as connection:
            return [row["link_id"] for row in await connection.fetch("SELECT link_id FROM link_answers")]

    await desk.api.post(f"/v1/sync-configs/{first['id']}/deactivate")
    assert set(await asked()) == {shared, alone, excluded}
    await desk.api.delete(f"/v1/sync-configs/{first['id']}")
    assert set(await asked()) == {shared, excluded}


async def test_a_deleted_configuration_is_found_by_nobody_and_its_place_is_free(desk: Desk) -> None:
    saved = await desk.save()
    assert (await desk.api.delete(f"/v1/sync-configs/{saved['id']}")).status_code == 204
    assert (await desk.api.get(f"/v1/sync-configs/{saved['id']}")).status_code == 404
    assert (await desk.api.get(f"/v1/runs/{saved['run_id']}")).status_code == 404
    assert (await desk.get("/v1/sync-configs"))["items"] == []
    assert (await desk.save())["id"] != saved["id"]


async def test_unknown_ids_are_not_found_by_any_call(desk: Desk) -> None:
    address = f"/v1/sync-configs/{uuid4()}"
    answers = [
        await desk.api.get(address),
        await desk.api.put(address, json=body(), headers={"If-Match": "*"}),
        await desk.api.delete(address),
        await desk.api.post(f"{address}/activate"),
        await desk.api.post(f"{address}/deactivate"),
        await desk.api.post(f"{address}/runs", json={}),
        await desk.api.get(f"{address}/runs"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 7


async def test_pages_end_where_the_next_begins(desk: Desk) -> None:
    saved = []
    for group in (GROUP, OTHER_GROUP, MY_CONTACTS):
        saved.append((await desk.save(google_group=group, direction="crm_to_google"))["id"])
        desk.clock.advance(timedelta(seconds=1))
    first = await desk.get("/v1/sync-configs?limit=2")
    second = await desk.get(f"/v1/sync-configs?limit=2&cursor={first['next_cursor']}")
    assert [item["id"] for item in (*first["items"], *second["items"])] == saved[::-1]
    assert second["next_cursor"] is None
    broken = await desk.api.get("/v1/sync-configs?cursor=abc")
    assert (broken.status_code, broken.json()["errors"][0]["field"]) == (422, "cursor")


# --- drafts -----------------------------------------------------------------------------------------------------------


async def drafted(desk: Desk, **settings: object) -> dict[str, Any]:
    """A configuration that was saved although something is missing."""
    answer = await desk.api.post("/v1/sync-configs", json=body(**settings))
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    assert (saved["status"], saved["run_id"], saved["next_sync_at"]) == ("draft", None, None)
    return saved


def lacking(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(error["field"], error["code"]) for error in found["missing"]}


async def runs(desk: Desk) -> int:
    async with desk.resources.foundation.database.tenant(LOCAL_USER.organisation_id) as connection:
        return int(await connection.fetchval("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM outbox)"))


async def test_what_was_not_chosen_yet_makes_a_draft_that_says_what_and_runs_nothing(desk: Desk) -> None:
    saved = await drafted(desk, name="Customers", crm_view_id=None, google_group=None, direction=None, deletions="keep")
    assert lacking(saved) == {(name, "missing") for name in ("crm_view_id", "google_group", "direction")}
    assert (saved["name"], saved["crm_view_id"], saved["direction"]) == ("Customers", None, None)
    address = f"/v1/sync-configs/{saved['id']}"
    assert await desk.get(address) == saved
    assert (await desk.get("/v1/sync-configs"))["items"] == [saved]
    asked = await desk.api.post(f"{address}/runs", json={})
    assert (asked.status_code, asked.json()["code"]) == (409, "not_active")
    assert (await desk.get(f"{address}/runs"))["items"] == []
    assert (await desk.get(f"{address}/contacts?email=a@example.com"))["items"] == []
    assert (await desk.api.post(f"{address}/deactivate")).json() == saved
    desk.clock.advance(timedelta(days=8))
    await Scheduler(SqlRunSweeper(desk.resources.foundation.database, desk.resources.requests), desk.clock).look()
    assert await runs(desk) == 0


async def test_settings_are_kept_before_the_accounts_are_connected(desk: Desk) -> None:
    desk.accounts.away = {Provider.GOOGLE}
    saved = await drafted(desk, frequency="weekly")
    assert lacking(saved) == {("connections.google", "not_connected")}
    desk.accounts.known.clear()
    assert lacking(await desk.get(f"/v1/sync-configs/{saved['id']}")) == {
        ("connections.google", "not_connected"),
        ("connections.zoho", "not_connected"),
    }


async def test_a_change_that_completes_a_draft_activates_it_and_asks_for_its_first_run(desk: Desk) -> None:
    saved = await drafted(desk, google_group=None, direction=None)
    address = f"/v1/sync-configs/{saved['id']}"
    partly = await desk.api.put(address, json=body(direction=None), headers={"If-Match": '"1"'})
    assert (partly.status_code, partly.json()["status"], lacking(partly.json())) == (
        200,
        "draft",
        {("direction", "missing")},
    )
    stale = await desk.api.put(address, json=body(), headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    whole = await desk.api.put(address, json=body(frequency="5m"), headers={"If-Match": partly.headers["etag"]})
    assert (whole.status_code, whole.json()["status"], whole.json()["missing"]) == (200, "active", [])
    run = await desk.get(f"/v1/runs/{whole.json()['run_id']}")
    assert (run["state"], run["first"]) == ("queued", True)
    assert (await desk.get(address))["next_sync_at"] is not None


async def test_a_draft_is_activated_when_nothing_is_missing_any_more_and_says_what_is_until_then(desk: Desk) -> None:
    desk.accounts.away = {Provider.GOOGLE}
    saved = await drafted(desk, direction=None)
    activate = f"/v1/sync-configs/{saved['id']}/activate"
    refused = await desk.api.post(activate)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert {(error["field"], error["code"]) for error in refused.json()["errors"]} == lacking(saved)
    await desk.api.put(f"/v1/sync-configs/{saved['id']}", json=body(), headers={"If-Match": "*"})
    assert await runs(desk) == 0
    desk.accounts.away = set()
    started = await desk.api.post(activate)
    assert (started.status_code, started.json()["status"]) == (200, "active")
    assert (await desk.get(f"/v1/runs/{started.json()['run_id']}"))["state"] == "queued"


async def test_a_user_has_so_many_drafts_and_may_make_room(desk: Desk) -> None:
    drafts = [await desk.save(direction=None) for _ in range(MOST_DRAFTS)]
    refused = await desk.api.post("/v1/sync-configs", json=body(direction=None))
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many")
    await desk.save()
    await desk.api.delete(f"/v1/sync-configs/{drafts[0]['id']}")
    assert (await desk.save(direction=None))["status"] == "draft"


async def test_a_draft_takes_no_wrong_value(desk: Desk) -> None:
    wrong = {"direction": None, "crm_view_id": "1", "google_group": "contactGroups/none", "crm_values": {"Nope": "x"}}
    answer = await desk.api.post("/v1/sync-configs", json=body(**wrong))
    assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {
        ("crm_view_id", "unknown_view"),
        ("google_group", "unknown_group"),
        ("crm_values.Nope", "unknown_crm_field"),
    }
    desk.accounts.away = {Provider.ZOHO}  # what cannot be asked is asked when the draft becomes whole
    saved = await drafted(desk, crm_view_id="1")
    desk.accounts.away = set()
    refused = await desk.api.post(f"/v1/sync-configs/{saved['id']}/activate")
    assert [error["code"] for error in refused.json()["errors"]] == ["unknown_view"]
    assert await runs(desk) == 0


async def test_what_is_active_does_not_become_a_draft_again(desk: Desk) -> None:
    saved = await desk.save()
    answer = await desk.api.put(f"/v1/sync-configs/{saved['id']}", json=body(direction=None), headers={"If-Match": "*"})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["direction"])
    assert (await desk.get(f"/v1/sync-configs/{saved['id']}"))["status"] == "active"


async def test_a_draft_that_would_be_a_second_one_of_its_view_and_group_stays_a_draft(desk: Desk) -> None:
    await desk.save()
    saved = await drafted(desk, direction=None)
    answer = await desk.api.put(f"/v1/sync-configs/{saved['id']}", json=body(), headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (409, "same_scope_exists")
    assert (await desk.get(f"/v1/sync-configs/{saved['id']}"))["status"] == "draft"
    assert (await desk.api.delete(f"/v1/sync-configs/{saved['id']}")).status_code == 204
    assert (await desk.api.get(f"/v1/sync-configs/{saved['id']}")).status_code == 404


async def test_of_two_who_complete_a_draft_at_once_one_is_stale(desk: Desk) -> None:
    saved = await drafted(desk, direction=None)
    address = f"/v1/sync-configs/{saved['id']}"
    both = await asyncio.gather(
        *(desk.api.put(address, json=body(name=name), headers={"If-Match": '"1"'}) for name in ("a", "b"))
    )
    assert sorted(answer.status_code for answer in both) == [200, 412]
    assert await runs(desk) == 2  # one run and its hint


# --- idempotency ------------------------------------------------------------------------------------------------------


async def test_a_post_repeated_under_its_key_is_done_once(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await desk.api.post("/v1/sync-configs", json=body(), headers=headers)
    again = await desk.api.post("/v1/sync-configs", json=body(), headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    other = await desk.api.post("/v1/sync-configs", json=body(name="Other"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_refused_post_may_be_sent_again_under_its_key(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    refused = await desk.api.post("/v1/sync-configs", json=body(crm_view_id="1"), headers=headers)
    assert refused.status_code == 422
    assert (await desk.api.post("/v1/sync-configs", json=body(), headers=headers)).status_code == 201


async def test_a_key_is_forgotten_after_a_day(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    saved = (await desk.api.post("/v1/sync-configs", json=body(), headers=headers)).json()
    await desk.api.delete(f"/v1/sync-configs/{saved['id']}")
    desk.clock.advance(timedelta(hours=24, seconds=1))
    again = await desk.api.post("/v1/sync-configs", json=body(), headers=headers)
    assert (again.status_code, again.json()["id"] != saved["id"]) == (201, True)


async def test_posts_at_once_under_one_key_are_done_once(desk: Desk) -> None:
    headers = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(desk.api.post("/v1/sync-configs", json=body(), headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"request_under_way"}
    assert len((await desk.get("/v1/sync-configs"))["items"]) == 1
