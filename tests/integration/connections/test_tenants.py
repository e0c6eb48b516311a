"""Callers of two organisations, and two colleagues, in front of one config-api: nobody reaches another's grant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fastapi import Request

from config_api.web.callers import Caller, Role
from contactsync.ports.connections import Owner
from tests.support.browser import Site, served, site
from tests.support.connected import ADA, BOB, EVE, joined
from tests.support.postgres import Database
from tests.support.vendors import Vendors

pytestmark = pytest.mark.postgres

PEOPLE = {"ada": ADA, "bob": BOB, "eve": EVE}


class ByName:
    """Believes the name that a request says: what is tested here is what comes after."""

    async def caller(self, request: Request) -> Caller | None:
        """The caller of that name."""
        found: Owner | None = PEOPLE.get(request.headers.get("authorization", ""))
        return None if found is None else Caller(found.organisation_id, found.user_id, Role.USER)


@pytest.fixture
async def web(both: Vendors, database: Database) -> AsyncIterator[Site]:
    async with site(both, database) as local:
        await joined(local.resources.foundation, *PEOPLE.values())
        async with served(both, replace(local.resources, authenticator=ByName())) as opened:
            yield opened


async def connect(web: Site, name: str, provider: str) -> int:
    begun = await web.begin(provider, headers={"Authorization": name})
    return (await web.come_back(provider, await web.agree(begun))).status_code


async def accounts(web: Site, name: str) -> set[str]:
    answer = await web.client.get("/v1/connections", headers={"Authorization": name})
    return {item["provider"] for item in answer.json()["items"]}


async def test_a_grant_is_its_owners_alone(web: Site) -> None:
    assert await connect(web, "ada", "google") == 200
    assert [await accounts(web, name) for name in PEOPLE] == [{"google"}, set(), set()]
    for name in ("bob", "eve"):
        answer = await web.client.delete("/v1/connections/google", headers={"Authorization": name})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await web.client.get("/v1/google/groups", headers={"Authorization": name})).status_code == 409
    assert await accounts(web, "ada") == {"google"}


async def test_a_consent_ends_for_whom_it_was_begun_whoever_brings_it_back(web: Site) -> None:
    returned = await web.agree(await web.begin("google", headers={"Authorization": "ada"}))
    assert (await web.come_back("google", returned, Authorization="eve")).status_code == 200
    assert [await accounts(web, name) for name in PEOPLE] == [{"google"}, set(), set()]


async def test_one_organisation_of_the_crm_is_one_tenants(web: Site) -> None:
    assert await connect(web, "ada", "zoho") == 200
    assert await connect(web, "eve", "zoho") == 409
    assert await accounts(web, "eve") == set()


async def test_nobody_is_nobody(web: Site) -> None:
    for method, path in (
        ("GET", "/v1/connections"),
        ("POST", "/v1/connections/google/authorize"),
        ("DELETE", "/v1/connections/google"),
        ("GET", "/v1/me"),
        ("GET", "/v1/crm/views"),
        ("GET", "/v1/google/fields"),
    ):
        answer = await web.client.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated"), path
