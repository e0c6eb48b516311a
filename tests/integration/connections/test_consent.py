"""From the address that a browser is sent to, to the stored grant: what works, and what an attacker would try."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

import asyncpg
import httpx2
import pytest

from tests.support.browser import PUBLIC, Site, site
from tests.support.postgres import Database
from tests.support.vendors import Vendors

FRONTEND = "https://crm.example.com"

pytestmark = pytest.mark.postgres


@pytest.fixture
async def web(both: Vendors, database: Database) -> AsyncIterator[Site]:
    async with site(both, database, return_origins=FRONTEND) as opened:
        yield opened


async def test_a_user_connects_both_accounts_and_sees_them(web: Site) -> None:
    for provider in ("zoho", "google"):
        ended = await web.connect(provider)
        assert ended.status_code == 200, ended.text
        assert "The account is connected" in ended.text
    found = await web.items()
    assert found["google"]["account_name"] == "ada@example.com"
    assert (found["zoho"]["organisation_name"], found["zoho"]["data_centre"]) == ("Analytical Ltd", "us")
    assert {item["state"] for item in found.values()} == {"active"}


async def test_google_is_asked_with_a_challenge_and_for_offline_access(web: Site) -> None:
    query = dict(parse_qsl(urlsplit(await web.begin("google")).query))
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert (query["access_type"], query["prompt"]) == ("offline", "consent")


async def test_the_browser_returns_to_the_frontend_that_asked(web: Site) -> None:
    ended = await web.connect("google", return_url=f"{FRONTEND}/settings?tab=sync")
    assert ended.status_code == 303
    back = urlsplit(ended.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{FRONTEND}/settings"
    assert parse_qs(back.query) == {"tab": ["sync"], "provider": ["google"], "status": ["connected"]}


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://crm.example.com.evil.example/",
        "https://crm.example.com@evil.example/",
        "https://crm.example.com:8443/",
        "http://crm.example.com/",
        "https:\\\\crm.example.com",
        "//crm.example.com/",
        "javascript:alert(1)",
        "https://crm.example.com\\@evil.example",
    ],
)
async def test_a_browser_is_sent_to_no_other_origin(web: Site, url: str) -> None:
    answer = await web.client.post("/v1/connections/google/authorize", json={"return_url": url})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "return_url")


async def test_a_popup_tells_the_window_that_opened_it_and_no_other_origin(web: Site) -> None:
    ended = await web.connect("google", return_url=f"{FRONTEND}/</script>", display="popup")
    assert ended.status_code == 200
    assert f'"{FRONTEND}"); window.close();' in ended.text
    assert '"status": "connected"' in ended.text
    nonce = re.search(r'<script nonce="([^"]+)"', ended.text)
    assert nonce is not None
    assert f"script-src 'nonce-{nonce[1]}'" in ended.headers["content-security-policy"]
    assert ended.text.count("</script>") == 1


async def test_a_state_is_good_once(web: Site) -> None:
    returned = await web.agree(await web.begin("google"))
    assert (await web.come_back("google", returned)).status_code == 200
    again = await web.come_back("google", returned)
    assert (again.status_code, again.json()["code"]) == (400, "state_invalid")


async def test_a_state_that_was_never_given_is_refused_and_nobody_is_asked(web: Site) -> None:
    await web.both.clear_logs()
    forged = await web.come_back("google", {"state": "x" * 43, "code": "stolen"})
    assert forged.json()["code"] == "state_invalid"
    assert sum((await web.both.calls()).values()) == 0


async def test_a_state_of_one_provider_does_not_open_the_other(web: Site) -> None:
    returned = await web.agree(await web.begin("google"))
    assert (await web.come_back("zoho", returned)).json()["code"] == "state_invalid"


async def test_addresses_and_states_of_consents_expire(web: Site, database: Database) -> None:
    address, returned = await web.address("zoho"), await web.agree(await web.begin("google"))
    admin = await asyncpg.connect(database.admin_url)
    try:
        await admin.execute("UPDATE tickets SET expires_at = now()")
    finally:
        await admin.close()
    assert (await web.client.get(address)).json()["code"] == "state_invalid"
    assert (await web.come_back("google", returned)).json()["code"] == "state_invalid"


async def test_another_browser_cannot_end_a_consent(web: Site) -> None:
    returned = await web.agree(await web.begin("google"))
    async with httpx2.AsyncClient(base_url=web.client.base_url, trust_env=False) as stranger:
        foreign = await stranger.get("/oauth/google/callback", params=returned)
    assert foreign.json()["code"] == "state_invalid"
    assert await web.items() == {}


async def test_a_consent_whose_cookie_was_changed_is_refused(web: Site) -> None:
    returned = await web.agree(await web.begin("google"))
    web.client.cookies.clear()
    answer = await web.come_back("google", returned, Cookie=f"contactsync-consent-google={'x' * 43}")
    assert answer.json()["code"] == "state_invalid"
    assert await web.items() == {}


async def test_the_cookie_of_a_consent_is_kept_from_scripts_and_other_sites(web: Site) -> None:
    answer = await web.client.get(await web.address("google"))
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_the_address_of_a_consent_begins_once(web: Site) -> None:
    address = await web.address("google")
    assert (await web.client.get(address)).status_code == 303
    again = await web.client.get(address)
    assert (again.status_code, again.json()["code"]) == (400, "state_invalid")
    other = (await web.address("google")).replace("google", "zoho")
    assert (await web.client.get(other)).json()["code"] == "state_invalid"


async def test_both_accounts_may_be_connected_at_the_same_time(web: Site) -> None:
    begun = {provider: await web.begin(provider) for provider in ("zoho", "google")}
    for provider, url in begun.items():
        assert (await web.come_back(provider, await web.agree(url))).status_code == 200


async def test_a_refused_consent_connects_nothing(web: Site) -> None:
    returned = await web.agree(await web.begin("google"), simulate_consent="deny")
    ended = await web.come_back("google", returned)
    assert ended.status_code == 400
    assert "Access was not granted" in ended.text
    assert await web.items() == {}


async def test_unticked_contacts_are_named_and_nothing_is_connected(web: Site) -> None:
    # An account that has granted nothing before: what was granted once would be included.
    await web.both.google.control.call("POST", "/accounts", {"email": "new@example.com", "region": "GB"})
    begun = await web.begin("google", return_url=FRONTEND)
    returned = await web.agree(begun, simulate_account="new@example.com", simulate_scopes="openid email")
    ended = await web.come_back("google", returned)
    assert ended.status_code == 303
    assert dict(parse_qsl(urlsplit(ended.headers["location"]).query))["code"] == "missing_scope"
    assert await web.items() == {}


async def test_a_forged_accounts_server_is_never_contacted(web: Site) -> None:
    await web.both.clear_logs()
    for forged in ("https://evil.example", "https://accounts.zoho.com.evil.example", "https://accounts.zoho.com"):
        returned = await web.agree(await web.begin("zoho")) | {"accounts-server": forged}
        assert (await web.come_back("zoho", returned)).status_code == 502
    assert (await web.both.crm.control.calls())["oauth.token"] == 0
    assert await web.items() == {}


async def test_a_region_off_the_list_is_never_contacted(web: Site) -> None:
    await web.both.clear_logs()
    returned = await web.agree(await web.begin("zoho"))
    del returned["accounts-server"]
    assert (await web.come_back("zoho", returned | {"location": "mars"})).status_code == 502
    assert (await web.both.crm.control.calls())["oauth.token"] == 0


async def test_a_token_error_with_status_200_is_an_error(web: Site) -> None:
    returned = await web.agree(await web.begin("zoho")) | {"code": "1000.made.up"}
    ended = await web.come_back("zoho", returned)
    assert ended.status_code == 502
    assert await web.items() == {}


async def test_another_google_account_is_refused_with_both_names(web: Site) -> None:
    await web.connect("google")
    await web.both.google.control.call("POST", "/accounts", {"email": "<b>charles@example.com", "region": "GB"})
    returned = await web.agree(
        await web.begin("google", return_url=FRONTEND), simulate_account="<b>charles@example.com"
    )
    ended = await web.come_back("google", returned, **{"Accept-Language": "fr"})
    assert ended.status_code == 409
    assert "ada@example.com" in ended.text
    assert "&lt;b&gt;charles@example.com" in ended.text
    assert "<b>" not in ended.text
    assert f'href="{FRONTEND}?' in ended.text
    assert 'lang="fr"' in ended.text
    assert (await web.items())["google"]["account_name"] == "ada@example.com"


async def test_the_crm_organisation_is_pinned_by_the_first_connection(web: Site) -> None:
    await web.connect("zoho")
    control = web.both.crm.control
    other = await control.call("POST", "/organisations", {"name": "Difference Engines"})
    await control.settings(consent_user=other["users"][0]["id"])
    ended = await web.connect("zoho")
    assert ended.status_code == 409
    assert "Analytical Ltd" in ended.text
    assert "Difference Engines" in ended.text
    assert (await web.items())["zoho"]["organisation_name"] == "Analytical Ltd"


async def test_disconnecting_ends_the_grant_at_the_provider_and_here(web: Site) -> None:
    for provider in ("zoho", "google"):
        await web.connect(provider)
        await web.both.clear_logs()
        answer = await web.client.delete(f"/v1/connections/{provider}")
        assert (answer.status_code, answer.json()) == (200, {"revoked": True})
        assert (await web.both.calls())["oauth.revoke"] == 1
        assert (await web.client.delete(f"/v1/connections/{provider}")).status_code == 404
    assert await web.items() == {}
    assert (await web.both.google.control.call("GET", "/grants"))["grants"] == []


async def test_a_provider_that_does_not_answer_keeps_no_connection_alive(web: Site) -> None:
    await web.connect("google")
    await web.both.google.control.fault("oauth.revoke", "cut_before")
    answer = await web.client.delete("/v1/connections/google")
    assert (answer.status_code, answer.json()) == (200, {"revoked": False})
    assert await web.items() == {}


async def test_nothing_of_a_consent_stands_unsealed_in_the_database(web: Site, database: Database) -> None:
    url = await web.begin("google", return_url=f"{FRONTEND}/canary-return")
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    admin = await asyncpg.connect(database.admin_url)
    try:
        rows = await admin.fetch("SELECT * FROM tickets")
    finally:
        await admin.close()
    assert len(rows) == 1
    stored = b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in rows[0].values())
    assert state.encode() not in stored
    assert b"canary-return" not in stored


async def test_secrets_of_a_consent_are_in_no_log_line(web: Site, capfd: pytest.CaptureFixture[str]) -> None:
    secrets = []
    for provider in ("zoho", "google"):
        returned = await web.agree(await web.begin(provider))
        await web.come_back(provider, returned)
        await web.come_back(provider, returned)
        secrets += [returned["state"], returned["code"]]
    for each in ("zoho", "google"):
        await web.client.delete(f"/v1/connections/{each}")
    printed = "".join(capfd.readouterr())
    assert not [secret for secret in secrets if secret in printed]


async def test_the_callback_is_registered_below_the_public_address(web: Site) -> None:
    for provider in ("zoho", "google"):
        query = dict(parse_qsl(urlsplit(await web.begin(provider)).query))
        assert query["redirect_uri"] == f"{PUBLIC}/oauth/{provider}/callback"
