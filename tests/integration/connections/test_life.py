"""What becomes of configurations when a grant ends, by whose hand ever, and when the account comes back."""

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


async def configured(web: Site) -> str:
    """The id of an active configuration."""
    body = {
        "crm_view_id": web.both.crm.view,
        "google_group": web.both.google.group,
        "direction": "crm_to_google",
        "frequency": "manual",
    }
    answer = await web.client.post("/v1/sync-configs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shown(web: Site, config_id: str) -> dict[str, Any]:
    answer = await web.client.get(f"/v1/sync-configs/{config_id}")
    found: dict[str, Any] = answer.json()
    return found


async def status(web: Site, config_id: str) -> tuple[str, str]:
    found = await shown(web, config_id)
    return found["status"], found["paused_reason"]


async def lose_google(web: Site) -> None:
    """The user ends the grant on Google's own page, and the product notices at its next call."""
    await web.both.google.control.call("POST", "/grants/revoke", {"account": web.both.google.sub})
    await web.client.get("/v1/google/groups", params={"fresh": "true"})


async def test_a_grant_lost_at_the_provider_pauses_and_the_same_account_goes_on(web: Site) -> None:
    config = await configured(web)
    await lose_google(web)
    assert await status(web, config) == ("paused", "needs_reconnect")
    assert (await web.items())["google"]["state"] == "needs_reconnect"
    await web.connect("google")
    assert await status(web, config) == ("active", "")
    assert (await shown(web, config))["next_sync_at"] is not None


async def test_disconnecting_pauses_and_the_same_account_goes_on(web: Site) -> None:
    config = await configured(web)
    await web.client.delete("/v1/connections/zoho")
    assert await status(web, config) == ("paused", "disconnected")
    await web.connect("zoho")
    assert await status(web, config) == ("active", "")


async def test_another_account_is_refused_with_both_names_while_a_configuration_waits(web: Site) -> None:
    config = await configured(web)
    await web.client.delete("/v1/connections/google")
    await web.both.google.control.call("POST", "/accounts", {"email": "charles@example.com", "region": "GB"})
    ended = await web.come_back(
        "google", await web.agree(await web.begin("google"), simulate_account="charles@example.com")
    )
    assert ended.status_code == 409
    assert "ada@example.com" in ended.text
    assert "charles@example.com" in ended.text
    assert await status(web, config) == ("paused", "disconnected")
    await web.client.delete(f"/v1/sync-configs/{config}")
    ended = await web.come_back(
        "google", await web.agree(await web.begin("google"), simulate_account="charles@example.com")
    )
    assert ended.status_code == 200


async def test_one_of_two_lost_accounts_is_not_enough(web: Site) -> None:
    config = await configured(web)
    for provider in ("zoho", "google"):
        await web.client.delete(f"/v1/connections/{provider}")
    await web.connect("google")
    assert (await status(web, config))[0] == "paused"
    await web.connect("zoho")
    assert await status(web, config) == ("active", "")


async def test_what_its_owner_switched_off_stays_off(web: Site) -> None:
    config = await configured(web)
    await web.client.post(f"/v1/sync-configs/{config}/deactivate")
    await lose_google(web)
    await web.connect("google")
    assert (await status(web, config))[0] == "deactivated"


async def test_rights_are_asked_for_at_each_save(web: Site) -> None:
    path = f"/organisations/{web.both.crm.zgid}/profiles/Administrator"
    await web.client.get("/v1/me")
    await web.both.crm.control.call("PATCH", path, {"disable": ["Crm_Implied_View_Contacts"]})
    body = {
        "crm_view_id": web.both.crm.view,
        "google_group": web.both.google.group,
        "direction": "crm_to_google",
    }
    answer = await web.client.post("/v1/sync-configs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")


async def test_the_owner_is_told_of_a_lost_grant_once(web: Site) -> None:
    await configured(web)
    for _ in range(3):
        await lose_google(web)
    events = (await web.client.get("/v1/audit-events")).json()["items"]
    assert [event["action"] for event in events].count("connection.lost") == 1
