"""Bad input has a clear answer: which field, and why. Nothing of it is stored, nothing ends in a 500."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx2
import orjson
import pytest

from config_api.web.paging import encode_cursor
from tests.integration.config_api.conftest import Desk, body
from tests.support.accounts import VIEW

pytestmark = pytest.mark.postgres

JSON = {"Content-Type": "application/json"}
CONFIGS = "/v1/sync-configs"
LONG = {"crm_field": "x" * 101, "google_field": "biographies"}
HALF = "a\ud83db"
"""Half of an emoji: JSON can write it, and nothing can store it."""
SETTINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"nickname": "Ada"}, "nickname", "extra_forbidden"),
    ({"direction": "both"}, "direction", "enum"),
    ({"name": ""}, "name", "string_too_short"),
    ({"name": "a" * 101}, "name", "string_too_long"),
    ({"name": "Ada\0"}, "name", "value_error"),
    ({"crm_view_id": 10**400}, "crm_view_id", "string_type"),
    ({"crm_view_id": f"{VIEW}\0"}, "crm_view_id", "value_error"),
    ({"google_group": ["contactGroups/1"]}, "google_group", "string_type"),
    ({"name": HALF}, "name", "string_unicode"),
    ({"crm_view_id": HALF}, "crm_view_id", "value_error"),
    ({"google_group": HALF}, "google_group", "value_error"),
    ({"crm_values": {"Title": HALF}}, "crm_values.Title", "value_error"),
    ({"crm_values": {HALF: "x"}}, "crm_values.a\ufffd\ufffd\ufffdb.[key]", "value_error"),
    ({"mapping": {}}, "mapping", "list_type"),
    ({"mapping": [LONG]}, "mapping.0.crm_field", "string_too_long"),
    ({"mapping": [{"crm_field": "Email"}]}, "mapping.0.google_field", "missing"),
    (
        {"mapping": [{"crm_field": "Skype_ID", "google_field": "user_defined[a\0b]"}]},
        "mapping.0.google_field",
        "value_error",
    ),
    ({"mapping": [{"crm_field": "Email", "google_field": "biographies"}] * 46}, "mapping", "too_long"),
    ({"crm_values": {"Title": "\0"}}, "crm_values.Title", "value_error"),
    ({"crm_values": {"Title": 1}}, "crm_values.Title", "string_type"),
    ({"crm_values": {"No_Such_Field": "x"}}, "crm_values.No_Such_Field", "unknown_crm_field"),
    ({"catch_up": "later"}, "catch_up", "enum"),
    ({"confirm_scope": "perhaps"}, "confirm_scope", "bool_parsing"),
]
MALFORMED: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"", JSON, 422, "invalid_request"),
    (b"null", JSON, 422, "invalid_request"),
    (b"[]", JSON, 422, "invalid_request"),
    (b'"text"', JSON, 422, "invalid_request"),
    (b"{", JSON, 400, "malformed_body"),
    (b"\xff\xfe", JSON, 400, "malformed_body"),
    (b"[" * 100_000, JSON, 400, "malformed_body"),
    (b'{"direction": "two_way", "direction": "crm_to_google"}', JSON, 400, "malformed_body"),
    (b'{"\\ud800": 1, "\\ud800": 2}', JSON, 400, "malformed_body"),
    (b'{"\\ud800": 1}', JSON, 422, "invalid_request"),
    (b'{"name": ' + b"9" * 10_000 + b"}", JSON, 400, "malformed_body"),
    (b'{"name": "\\ud800"}', JSON, 422, "invalid_request"),
    (b" " * (256 * 1024 + 1), JSON, 413, "body_too_large"),
    (orjson.dumps(body()), {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    (orjson.dumps(body()), {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    (orjson.dumps(body()), {}, 415, "unsupported_media_type"),
]
NO_DATES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00", "now")
ADDRESSES = [
    (f"{CONFIGS}?limit=0", "limit"),
    (f"{CONFIGS}?limit=101", "limit"),
    (f"{CONFIGS}?limit={'9' * 5000}", "limit"),
    (f"{CONFIGS}?cursor=%00", "cursor"),
    (f"{CONFIGS}?cursor={'A' * 501}", "cursor"),
    *((f"{CONFIGS}?cursor={encode_cursor(date, str(UUID(int=1)))}", "cursor") for date in NO_DATES),
    (f"{CONFIGS}/%00", "config_id"),
    ("/v1/runs/not-an-id", "run_id"),
]


async def test_settings_that_are_not_accepted_are_named_with_the_reason(desk: Desk) -> None:
    for changes, field, code in SETTINGS:
        content = json.dumps(body(**changes)).encode()
        answer = await desk.api.post(CONFIGS, content=content, headers=JSON)
        assert answer.status_code == 422, (changes, answer.text)
        named = {(error["field"], error["code"]): error["message"] for error in answer.json()["errors"]}
        assert named.get((field, code)), (changes, answer.text)
    assert (await desk.get(CONFIGS))["items"] == []


async def test_a_body_that_cannot_be_read_is_refused_with_the_reason(desk: Desk) -> None:
    for content, headers, status, code in MALFORMED:
        answer = await desk.api.post(CONFIGS, content=content, headers=headers)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), (content[:40], headers, answer.text)
        assert problem.get("detail") or problem.get("errors") or status in {413, 415}, (content[:40], answer.text)
    assert (await desk.get(CONFIGS))["items"] == []


async def test_what_is_wrong_with_an_address_is_named(desk: Desk) -> None:
    for address, field in ADDRESSES:
        answer = await desk.api.get(address)
        assert answer.status_code == 422, (address, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [field], answer.text


async def test_a_text_that_cannot_be_stored_is_not_sought_either(desk: Desk) -> None:
    saved = await desk.save()
    for name in ("email", "crm_id", "google_id"):
        answer = await desk.api.get(f"{CONFIGS}/{saved['id']}/contacts", params={name: "a\0b@example.org"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, name)


async def test_a_body_that_grows_while_it_comes_is_refused(desk: Desk) -> None:
    async def growing() -> Any:  # noqa: ANN401  an iterator of bytes
        for _ in range(300):
            yield b" " * 1024

    answer: httpx2.Response = await desk.api.post(CONFIGS, content=growing(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_half_of_a_character_is_refused_wherever_it_stands(desk: Desk) -> None:
    places = (
        (
            "/v1/connections/zoho/authorize",
            {"return_url": f"https://sync.example.com/{HALF}"},
            "return_url",
            "value_error",
        ),
        (
            "/v1/webhook-endpoints",
            {"direction": "outgoing", "name": "x", "url": f"https://h.example/{HALF}"},
            "url",
            "value_error",
        ),
        ("/v1/google/groups", {"name": HALF}, "name", "string_unicode"),
    )
    for address, content, field, code in places:
        answer = await desk.api.post(address, content=json.dumps(content).encode(), headers=JSON)
        named = [(error["field"], error["code"]) for error in answer.json().get("errors", [])]
        assert (answer.status_code, named) == (422, [(field, code)]), (address, answer.text)


async def test_what_has_no_form_and_what_the_accounts_do_not_offer_is_told_in_one_answer(desk: Desk) -> None:
    wrong = body(
        name="",
        direction="both",
        frequency="1s",
        crm_view_id="1",
        google_group="contactGroups/none",
        crm_values={"No_Such_Field": "x"},
        nickname="Ada",
    )
    saved = await desk.save()
    expected = [
        ("crm_values.No_Such_Field", "unknown_crm_field"),
        ("crm_view_id", "unknown_view"),
        ("direction", "enum"),
        ("frequency", "enum"),
        ("google_group", "unknown_group"),
        ("name", "string_too_short"),
        ("nickname", "extra_forbidden"),
    ]
    for language in ("en", "fr"):
        asked = {"Accept-Language": language, "If-Match": "*"}
        created = await desk.api.post(CONFIGS, json=wrong, headers=asked)
        replaced = await desk.api.put(f"{CONFIGS}/{saved['id']}", json=wrong, headers=asked)
        for answer in (created, replaced):
            assert answer.status_code == 422
            assert sorted((one["field"], one["code"]) for one in answer.json()["errors"]) == expected
            said = {one["field"]: one["message"] for one in answer.json()["errors"]}
            in_french = said["crm_view_id"] == "Le CRM n’a pas cette vue de liste pour vous."
            assert in_french == (said["name"].startswith("Le texte est trop court")) == (language == "fr")


async def test_while_the_accounts_do_not_answer_what_has_no_form_is_told(desk: Desk) -> None:
    desk.accounts.allowed = frozenset()
    answer = await desk.api.post(CONFIGS, json=body(name="", crm_view_id="1"))
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [("name", "string_too_short")]


async def test_what_a_draft_lacks_is_told_in_the_callers_language(desk: Desk) -> None:
    saved = await desk.save(direction=None)
    french = {"Accept-Language": "fr"}
    one = (await desk.api.get(f"{CONFIGS}/{saved['id']}", headers=french)).json()
    (listed,) = (await desk.api.get(CONFIGS, headers=french)).json()["items"]
    for read in (one, listed):
        assert [lacking["message"] for lacking in read["missing"]] == ["Une valeur est nécessaire."]
