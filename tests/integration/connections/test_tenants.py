"""Callers of two organisations, and two colleagues, in front of one config-api: nobody reaches another's grant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fastapi import Request

from config_api.web.callers import Caller, Role
from contactsync.adapters.sql.callers import SqlCallerDirectory
from contactsync.ports.callers import Identity, Profile
from contactsync.ports.connections import Owner
from tests.support.browser import PUBLIC, Site, served, site
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


async def test_who_opens_the_address_of_another_user_sees_who_asked_before_anything_begins(
    web: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker sends his address to somebody, whose account would become the attacker's connection."""
    foundation = web.resources.foundation
    mallory = Identity("https://issuer.example.com", "60001", "m", Role.USER, Profile("<b>Mallory", "m@example.org"))
    known = await SqlCallerDirectory(foundation.database, foundation.vault, foundation.clock).known(mallory)
    assert known is not None
    monkeypatch.setitem(PEOPLE, "mallory", Owner(known.organisation_id, known.user_id))
    address = await web.address("google", headers={"Authorization": "mallory"})
    for victim in ({}, {"Authorization": "ada"}):
        page = await web.client.get(address, headers={**victim, "Accept-Language": "fr"})
        assert page.status_code == 200
        assert "set-cookie" not in page.headers
        assert "&lt;b&gt;Mallory demande à connecter un compte Google" in page.text
        assert "m@example.org" in page.text
        assert "<b>" not in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "script" not in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC},
    ],
)
async def test_no_other_site_agrees_in_a_persons_place(web: Site, headers: dict[str, str]) -> None:
    address = await web.address("google", headers={"Authorization": "eve"})
    refused = await web.client.post(address, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert "set-cookie" not in refused.headers
    agreed = await web.client.post(address, headers={"Origin": PUBLIC})
    assert agreed.status_code == 303


async def test_the_crm_organisation_of_who_asks_is_named_once_it_is_known(web: Site) -> None:
    assert await connect(web, "ada", "zoho") == 200
    page = await web.client.get(await web.address("google", headers={"Authorization": "ada"}))
    assert "Analytical Ltd" in page.text


async def test_a_program_asks_for_a_popup_that_returns_to_its_frontend(both: Vendors, database: Database) -> None:
    async with site(both, database, return_origins="https://crm.example.com") as local:
        await joined(local.resources.foundation, *PEOPLE.values())
        async with served(both, replace(local.resources, authenticator=ByName())) as web:
            wanted = {"return_url": "https://crm.example.com/settings", "display": "popup"}
            begun = await web.begin("google", headers={"Authorization": "ada"}, **wanted)
            ended = await web.come_back("google", await web.agree(begun))
    assert ended.status_code == 200
    assert '"https://crm.example.com"); window.close();' in ended.text


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
