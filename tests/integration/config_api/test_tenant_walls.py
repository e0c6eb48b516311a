"""No caller sees or touches another organisation: in the database, and through every route of the description."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from config_api.app import interface
from config_api.resources import Resources
from config_api.settings import ConfigApiSettings
from contactsync.domain.ids import OrganisationId
from tests.contract.state.worlds import KEYS
from tests.integration.config_api.conftest import body
from tests.integration.config_api.town import Town, inhabited
from tests.support.accounts import VIEW
from tests.support.clock import ManualClock
from tests.support.postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]

CASES = int(os.environ.get("CASES", "1000"))
SEED = int(os.environ.get("SEED", "1"))
OUTSIDE = {"installation", "google_accounts", "tickets", "alembic_version"}
"""Tables outside the walls: leases, keys, and short-lived secrets, each sealed or hashed."""


# --- the database -----------------------------------------------------------------------------------------------------


async def test_every_table_of_a_tenant_has_a_forced_policy_on_its_organisation(database: Database) -> None:
    connection = await asyncpg.connect(database.admin_url)
    try:
        tables = await connection.fetch(
            "SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        )
        walled = [table for table in tables if table["relname"] not in OUTSIDE]
        assert len(walled) > 15
        for table in walled:
            assert table["relrowsecurity"], table["relname"]
            assert table["relforcerowsecurity"], table["relname"]
            policies = await connection.fetch("SELECT * FROM pg_policies WHERE tablename = $1", table["relname"])
            (tenant,) = [policy for policy in policies if "contactsync_scheduler" not in policy["roles"]]
            for condition in (tenant["qual"], tenant["with_check"]):
                assert "organisation_id = " in condition, table["relname"]
                assert "contactsync.organisation" in condition, table["relname"]
            key = await connection.fetchval(
                "SELECT array_agg(a.attname::text) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
                "AND a.attnum = ANY(i.indkey) WHERE i.indrelid = $1 AND i.indisprimary",
                table["oid"],
            )
            assert "organisation_id" in key, table["relname"]
        views = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
        )
        assert views == 0, "a view would run as its owner"
    finally:
        await connection.close()


async def test_without_an_organisation_no_row_is_seen_and_none_can_be_written_for_another(
    resources: Resources, database: Database
) -> None:
    foundation = resources.foundation  # the local user's rows exist
    async with foundation.database.untenanted() as connection:
        for table in ("organisations", "users", "sync_configs", "audit_events"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608  our own names
    ours, theirs = OrganisationId(uuid4()), uuid4()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with foundation.database.tenant(ours) as connection:
            await connection.execute(
                "INSERT INTO organisations (organisation_id, created_at) VALUES ($1, now())", theirs
            )


async def test_the_scheduler_sees_ids_times_and_states_and_nothing_else(database: Database) -> None:
    connection = await asyncpg.connect(database.admin_url)
    try:
        rows = await connection.fetch(
            "SELECT table_name, column_name, data_type FROM information_schema.column_privileges "
            "JOIN information_schema.columns USING (table_name, column_name) "
            "WHERE grantee = 'contactsync_scheduler' AND privilege_type = 'SELECT' AND column_name <> 'trace'"
        )
    finally:
        await connection.close()
    texts = {(row["table_name"], row["column_name"]) for row in rows if row["data_type"] in {"text", "jsonb", "ARRAY"}}
    secrets = {row["column_name"] for row in rows} & {"sealed", "profile", "settings", "refresh_token", "secrets"}
    codes = {"status", "state", "lane", "frequency", "reason", "paused_reason", "pause_told", "key_version"}
    assert {column for _, column in texts} <= codes
    assert not secrets


async def test_the_application_owns_nothing_and_passes_no_wall(resources: Resources) -> None:
    await resources.foundation.database.check_role()


# --- the routes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(database: Database) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate(
        {"database_url": database.url, "keys": KEYS, "frame_ancestors": "https://crm.example.com"}
    )


@pytest.fixture
async def town(resources: Resources, clock: ManualClock) -> AsyncIterator[Town]:
    async with inhabited(resources, clock) as town:
        yield town


_OF_VENDORS = {"provider": "zoho", "view_id": VIEW}
"""Names that are no ids of ours: each caller has his own account behind them."""
_PARAMETER = re.compile(r"\{(\w+)\}")
_BODIES: dict[str, list[Any]] = {
    "put /v1/sync-configs/{config_id}": [body(name="stolen"), body(direction="crm_to_google")],
    "post /v1/sync-configs": [body(), body(google_group="contactGroups/63f8c1a20c8e3a5c")],
    "post /v1/sync-configs/{config_id}/runs": [{}, {"mode": "full"}],
    "post /v1/sync-configs/{config_id}/contacts/{link_id}/actions": [
        {"action": action} for action in ("retry", "same_person", "keep_apart", "bring_back", "exclude", "restore")
    ],
    "post /v1/webhook-endpoints": [{"direction": "outgoing", "name": "x", "url": "https://example.com"}],
    "post /v1/runs/{run_id}/approve": [{}, {"approval": "x"}],
}
_QUERIES = ["", "?limit=1", "?limit=100", "?outcome=linked", "?email=ada@example.com", "?crm_id=5001", "?state=linked"]
_HEADERS: list[dict[str, str]] = [{}, {"If-Match": '"1"'}, {"Accept": "text/csv"}, {"Accept-Language": "fr"}]


def _operations() -> list[tuple[str, str]]:
    """Every operation that callers may send, by method and path."""
    paths = interface().openapi()["paths"]
    return [
        (method, path)
        for path, operations in paths.items()
        for method in operations
        if path.startswith("/v1/") and not path.endswith("openapi.json")
    ]


def test_every_id_in_a_path_is_known_to_the_generator() -> None:
    """A new kind of id must be furnished above, or the generated requests would prove nothing about it."""
    named = {name for _, path in _operations() for name in _PARAMETER.findall(path)}
    assert named <= {"config_id", "run_id", "link_id", "endpoint_id", "delivery_id", "provider", "view_id"}
    assert {"config_id", "run_id", "link_id", "endpoint_id", "delivery_id"} <= named


def _filled(path: str, ids: dict[str, UUID], foreign: set[str], missing: dict[str, UUID], town: Town) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in _OF_VENDORS:
            return _OF_VENDORS[name]
        return str(ids[name] if name in foreign else missing.get(name) or town.ours.ids[name])

    return _PARAMETER.sub(value, path)


def _told(answer: httpx2.Response, ids: dict[str, UUID]) -> tuple[int, str]:
    """Status and body, without what differs in every answer."""
    text = re.sub(r'"request_id":"\w+"', "", answer.text)
    for name, value in ids.items():
        text = text.replace(str(value), f"<{name}>")
    return answer.status_code, text


async def test_foreign_ids_are_missing_ids_on_every_route(town: Town) -> None:
    """Each request is sent twice, with ids of another organisation and with ids of nothing; the answers are equal."""
    random, before = Random(SEED), await town.fingerprint()
    with_ids = [(method, path) for method, path in _operations() if set(_PARAMETER.findall(path)) - set(_OF_VENDORS)]
    tried = dict.fromkeys(with_ids, 0)
    for number in range(CASES // 2):
        method, path = with_ids[number % len(with_ids)]
        names = sorted(set(_PARAMETER.findall(path)) - set(_OF_VENDORS))
        foreign = set(random.sample(names, random.randint(1, len(names))))
        nothing = {name: uuid4() for name in foreign}
        query, headers = random.choice(_QUERIES), {**town.ours.headers, **random.choice(_HEADERS)}
        content = random.choice(_BODIES.get(f"{method} {path}", [None]))
        answers = []
        for ids in (town.theirs.ids, nothing):
            address = _filled(path, ids, foreign, {}, town) + query
            answers.append(_told(await town.api.request(method, address, json=content, headers=headers), ids))
        assert answers[0] == answers[1], (method, path, sorted(foreign), query)
        assert answers[0][0] in {404, 412, 422, 428}, (method, path, answers[0])
        tried[method, path] += answers[0][0] == 404
    assert min(tried.values()) > 0, "every route answered 404 at least once: its body was accepted"
    assert await town.fingerprint() == before


async def test_lists_hold_nothing_of_another_organisation(town: Town) -> None:
    theirs = {str(value) for value in (*town.theirs.ids.values(), town.theirs.organisation_id)}
    for method, path in _operations():
        if method != "get" or _PARAMETER.search(path):
            continue
        answer = await town.api.get(f"{path}?limit=100", headers=town.ours.headers)
        assert not [one for one in theirs if one in answer.text], path


async def test_every_route_of_the_interface_asks_who_calls(town: Town) -> None:
    """No token, no answer: but for the event stream, which takes a ticket instead."""
    for method, path in _operations():
        address = _filled(path, town.theirs.ids, set(town.theirs.ids), {}, town)
        content = _BODIES.get(f"{method} {path}", [{}])[0]
        answer = await town.api.request(method, address, json=content)
        assert answer.status_code == 401, (method, path, answer.status_code)
