"""Rights and edition, from the CRM's own answers to what a caller may choose and a run may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from contactsync.adapters.http import OpenGate
from contactsync.assembly.rights import NOW, rights_check
from contactsync.domain.policy import Direction
from contactsync.errors import AuthorizationLostError, PermissionMissingError
from contactsync.ports.connections import ConnectionState, Provider
from tests.support.browser import Site, site
from tests.support.connected import ADA, BOB, Connected
from tests.support.postgres import Database
from tests.support.vendors import Vendors

DELETE = "Crm_Implied_Delete_Contacts"
SYNC = "Crm_Implied_Gcontact_Sync"

pytestmark = pytest.mark.postgres


@pytest.fixture
async def web(both: Vendors, database: Database) -> AsyncIterator[Site]:
    async with site(both, database) as opened:
        await opened.connect("zoho")
        yield opened


async def me(web: Site, language: str = "en") -> dict[str, Any]:
    answer = await web.client.get("/v1/me", params={"fresh": "true"}, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def directions(found: dict[str, Any]) -> dict[str, str]:
    return {item["direction"]: item["reason"] for item in found["directions"]}


async def change(web: Site, path: str, **body: object) -> None:
    await web.both.crm.control.call("PATCH", f"/organisations/{web.both.crm.zgid}/{path}", body)


async def test_an_administrator_may_choose_every_direction(web: Site) -> None:
    found = await me(web)
    assert found["edition_allows_sync"]
    assert set(directions(found).values()) == {""}
    assert all(item["granted"] for item in found["permissions"])


async def test_a_missing_right_is_named_in_the_callers_language(web: Site) -> None:
    await change(web, "profiles/Administrator", disable=[DELETE])
    found = await me(web, "fr")
    assert directions(found) == {
        "two_way": "no_right_delete",
        "crm_to_google": "",
        "google_to_crm": "no_right_delete",
    }
    refused = next(item for item in found["permissions"] if not item["granted"])
    assert refused["name"] == "delete_contacts"
    assert "Supprimer les contacts" in refused["message"]


async def test_without_the_sync_right_there_is_no_direction(web: Site) -> None:
    await change(web, "profiles/Administrator", disable=[SYNC])
    assert set(directions(await me(web)).values()) == {"no_right_google_sync"}


async def test_an_answer_is_good_for_an_hour_unless_a_fresh_one_is_asked_for(web: Site) -> None:
    await me(web)
    await web.both.clear_logs()
    await web.client.get("/v1/me")
    assert sum((await web.both.calls()).values()) == 0


async def test_without_a_zoho_connection_nothing_is_known(both: Vendors, database: Database) -> None:
    async with site(both, database) as web:
        answer = await web.client.get("/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_connected")


async def test_the_free_edition_has_no_sync(both: Vendors, database: Database) -> None:
    org = await both.crm.control.call("POST", "/organisations", {"name": "Poor Ltd", "edition": None})
    async with site(both, database) as web:
        await both.crm.control.settings(consent_user=org["users"][0]["id"])
        await web.connect("zoho")
        found = await me(web)
    assert (found["edition"], found["edition_allows_sync"]) == ("free", False)
    assert set(directions(found).values()) == {"edition_free"}


async def test_a_right_withdrawn_later_stops_a_run_with_its_name(product: Connected, both: Vendors) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=timedelta(minutes=30))
    check = rights_check(product.foundation, product.settings, product.tokens)
    place = (ADA.organisation_id, stored.connection_id, Direction.TWO_WAY, OpenGate())
    await check.require(*place)
    path = f"/organisations/{both.crm.zgid}/profiles/Administrator"
    await both.crm.control.call("PATCH", path, {"disable": ["Crm_Implied_Edit_Contacts"]})
    await check.require(*place)  # the last check is younger than an hour
    with pytest.raises(PermissionMissingError) as caught:
        await check.require(*place, within=NOW)
    assert caught.value.reason == "no_right_edit"
    await check.require(ADA.organisation_id, stored.connection_id, Direction.CRM_TO_GOOGLE, OpenGate())


async def test_a_user_who_was_switched_off_in_the_crm_loses_his_grants_on_both_sides(
    product: Connected, both: Vendors
) -> None:
    living = timedelta(minutes=30)
    check = rights_check(product.foundation, product.settings, product.tokens)
    await check.facts(await product.connect(ADA, Provider.ZOHO, lifetime=living))
    users = f"/organisations/{both.crm.zgid}/users"
    hired = await both.crm.control.call("POST", users, {"email": "bob@example.com", "profile": "Standard"})
    both.crm.user_id = hired["id"]
    bobs = await product.connect(BOB, Provider.ZOHO, lifetime=living)
    await product.connect(BOB, Provider.GOOGLE, lifetime=living)
    await both.crm.control.call("PATCH", f"{users}/{hired['id']}", {"active": False})
    with pytest.raises(AuthorizationLostError) as caught:
        await check.facts(bobs, within=NOW)
    assert caught.value.reason == "user_inactive"
    assert await product.connections.of_user(BOB) == []
    assert (await both.google.control.call("GET", "/grants"))["grants"] == []
    assert len(await product.connections.of_user(ADA)) == 1


async def test_tokens_that_the_crm_refuses_mark_the_connection(product: Connected, both: Vendors) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=timedelta(minutes=30))
    check = rights_check(product.foundation, product.settings, product.tokens)
    await both.crm.control.call("PATCH", f"/organisations/{both.crm.zgid}/users/{both.crm.user_id}", {"active": False})
    with pytest.raises(AuthorizationLostError):
        await check.facts(stored, within=NOW)
    assert (await product.connections.of_user(ADA))[0].state is ConnectionState.NEEDS_RECONNECT


async def test_an_administrators_connection_answers_for_colleagues_who_may_not_read_their_profile(
    product: Connected, both: Vendors
) -> None:
    hired = await both.crm.control.call(
        "POST", f"/organisations/{both.crm.zgid}/users", {"email": "bob@example.com", "profile": "Standard"}
    )
    administrator = both.crm.user_id
    both.crm.user_id = hired["id"]
    bobs = await product.connect(BOB, Provider.ZOHO, lifetime=timedelta(minutes=30))
    check = rights_check(product.foundation, product.settings, product.tokens)
    assert (await check.facts(bobs)).rights is None
    both.crm.user_id = administrator
    await check.facts(await product.connect(ADA, Provider.ZOHO, lifetime=timedelta(minutes=30)))
    told = await check.facts(bobs, within=NOW)
    assert told.rights is not None
    assert not told.reads_profiles
