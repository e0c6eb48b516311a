"""Signing in to the page with Zoho CRM: what works, who is kept out, and the walls to organisations of issuers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from config_api.settings import ConfigApiSettings
from contactsync.adapters.sql.callers import SqlCallerDirectory
from contactsync.errors import ConfigurationError
from contactsync.ports.callers import Identity, Role
from contactsync.ports.connections import OtherAccount, Owner
from tests.contract.state.worlds import KEYS
from tests.support.browser import PUBLIC, CookieBrowser, Site, site
from tests.support.connected import Connected
from tests.support.postgres import Database
from tests.support.vendors import Json, Vendors

pytestmark = pytest.mark.postgres

OPEN = {"sign_in": "zoho", "zoho_organisations": "any", "zoho_admin_profiles": "Administrator"}


@pytest.fixture(autouse=True)
async def nobody_has_consented_yet(both: Vendors) -> None:
    await both.crm.control.call("POST", "/tokens/revoke", {"user_id": both.crm.user_id})


@pytest.fixture
async def web(both: Vendors, database: Database) -> AsyncIterator[Site]:
    async with site(both, database, **OPEN) as opened:
        yield opened


class Browser(CookieBrowser):
    """A browser at the page of an installation that is signed in to with Zoho."""

    def __init__(self, web: Site) -> None:
        super().__init__(web.client)
        self.web = web

    async def consent(self, *, return_path: str = "/") -> dict[str, str]:
        """What Zoho's redirect carries after the person has agreed."""
        begun = await self.send("GET", f"/auth/zoho/sign-in?return_path={return_path}")
        assert begun.status_code == 303, begun.text
        return await self.web.agree(begun.headers["location"])

    async def come_back(self, returned: Mapping[str, str]) -> httpx2.Response:
        """The answer of our callback; where it asks for a consent once more, that of the second one."""
        query = "&".join(f"{name}={value}" for name, value in returned.items())
        answer = await self.send("GET", f"/auth/zoho/callback?{query}")
        if answer.headers.get("location", "/").startswith("http"):
            assert "prompt=consent" in answer.headers["location"]
            return await self.come_back(await self.web.agree(answer.headers["location"]))
        return answer

    async def sign_in(self, **consent: str) -> httpx2.Response:
        return await self.come_back(await self.consent(**consent))

    async def connections(self) -> dict[str, dict[str, Any]]:
        """The connections of who is signed in."""
        answer = await self.send("GET", "/v1/connections")
        assert answer.status_code == 200, answer.text
        return {item["provider"]: item for item in answer.json()["items"]}


async def hired(both: Vendors, zgid: str = "", **user: str) -> str:
    """The id of a new user of the CRM, who is the one that Zoho's page offers from now on."""
    made = await both.crm.control.call("POST", f"/organisations/{zgid or both.crm.zgid}/users", user)
    await both.crm.control.settings(consent_user=made["id"])
    return str(made["id"])


async def rows(web: Site, table: str) -> list[Json]:
    """Every row of a table, of every organisation."""
    database = web.resources.foundation.database
    async with database.scheduler() as connection:
        organisations = await connection.fetch("SELECT organisation_id FROM organisations")
    found: list[Json] = []
    for organisation in organisations:
        async with database.tenant(organisation["organisation_id"]) as connection:
            found += [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")]  # noqa: S608  our names
    return found


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_user_of_the_crm_signs_in_is_connected_by_it_and_signs_out(web: Site) -> None:
    browser = Browser(web)
    answer = await browser.sign_in(return_path="/configurations")
    assert (answer.status_code, answer.headers["location"]) == (303, "/configurations")
    cookie = next(one for one in browser.set_cookies if one.startswith("__Host-contactsync="))
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    found = await browser.connections()
    assert (found["zoho"]["account_name"], found["zoho"]["organisation_name"]) == (
        "owner@example.com",
        "Analytical Ltd",
    )
    assert (await browser.send("GET", "/v1/me")).json()["edition"] == "enterprise"
    kept = dict(browser.cookies)
    assert (await browser.send("POST", "/auth/sign-out", Origin="https://evil.example.com")).status_code == 401
    assert (await browser.send("POST", "/auth/sign-out", Origin=PUBLIC)).status_code == 204
    browser.cookies = kept
    assert problem(await browser.send("GET", "/v1/connections")) == (401, "not_authenticated")


async def test_signing_in_again_is_the_same_user_and_makes_no_further_grant(web: Site) -> None:
    await Browser(web).sign_in()
    before = await rows(web, "connections")
    again = Browser(web)
    assert (await again.sign_in()).status_code == 303
    assert (await again.connections())["zoho"]["state"] == "active"
    assert await rows(web, "connections") == before
    assert len(await rows(web, "users")) == 1


async def test_a_user_who_had_disconnected_is_connected_by_signing_in_again(web: Site) -> None:
    browser = Browser(web)
    await browser.sign_in()
    assert (await browser.send("DELETE", "/v1/connections/zoho", Origin=PUBLIC)).json() == {"revoked": True}
    assert await browser.connections() == {}
    await browser.sign_in()
    assert (await browser.connections())["zoho"]["state"] == "active"


async def test_a_user_whose_old_grant_lives_at_zoho_alone_is_asked_once_more(web: Site) -> None:
    """Zoho gives no further refresh token unasked, and none is kept here."""
    browser = Browser(web)
    await browser.sign_in()
    await web.both.crm.control.fault("oauth.revoke", "cut_before")
    assert (await browser.send("DELETE", "/v1/connections/zoho", Origin=PUBLIC)).json() == {"revoked": False}
    await web.both.crm.control.clear_faults()
    assert (await browser.sign_in()).status_code == 303
    assert (await browser.connections())["zoho"]["state"] == "active"


async def test_colleagues_share_an_organisation_and_nothing_else_and_others_have_their_own(
    web: Site,
) -> None:
    ada, bob, eve = Browser(web), Browser(web), Browser(web)
    await ada.sign_in()
    await hired(web.both, email="bob@example.com", profile="Standard")
    await bob.sign_in()
    other = await web.both.crm.control.call("POST", "/organisations", {"name": "Difference Engines"})
    await web.both.crm.control.settings(consent_user=other["users"][0]["id"])
    await eve.sign_in()
    names = [(await one.connections())["zoho"]["organisation_name"] for one in (ada, bob, eve)]
    assert names == ["Analytical Ltd", "Analytical Ltd", "Difference Engines"]
    organisations = [row["organisation_id"] for row in await rows(web, "users")]
    assert (len(organisations), len(set(organisations))) == (3, 2)


async def test_a_profile_of_the_crm_that_is_named_in_the_settings_makes_an_administrator(web: Site) -> None:
    browser = Browser(web)
    await browser.sign_in()
    assert (await browser.send("GET", "/v1/audit-events")).status_code == 200
    await hired(web.both, email="bob@example.com", profile="Standard")
    await browser.sign_in()
    assert problem(await browser.send("GET", "/v1/audit-events")) == (403, "not_allowed")


async def test_unless_the_settings_say_so_nobody_is_an_administrator(both: Vendors, database: Database) -> None:
    async with site(both, database, **OPEN | {"zoho_admin_profiles": ""}) as web:
        browser = Browser(web)
        await browser.sign_in()
        assert problem(await browser.send("GET", "/v1/audit-events")) == (403, "not_allowed")


async def test_an_address_says_nothing_about_who_somebody_is(web: Site) -> None:
    """An address that goes to a colleague takes no account along; its former owner stays himself."""
    await Browser(web).sign_in()
    users = f"/organisations/{web.both.crm.zgid}/users"
    await web.both.crm.control.call("PATCH", f"{users}/{web.both.crm.user_id}", {"email": "new@example.com"})
    renamed = Browser(web)
    await renamed.sign_in()
    assert len(await rows(web, "users")) == 1
    await hired(web.both, email="owner@example.com")
    await Browser(web).sign_in()
    assert len(await rows(web, "users")) == 2
    assert len(await rows(web, "connections")) == 2


# --- who is kept out --------------------------------------------------------------------------------------------------


async def nothing_was_kept(web: Site, browser: Browser) -> None:
    """No session, no row, and no grant at Zoho."""
    assert not [name for name in browser.cookies if name == "__Host-contactsync"]
    assert await rows(web, "connections") == []
    assert await rows(web, "users") == []
    revoked = await web.both.crm.control.call("POST", "/tokens/revoke", {"user_id": web.both.crm.user_id})
    assert set(revoked.values()) == {0}, revoked


async def test_users_of_an_organisation_off_the_list_are_kept_out(both: Vendors, database: Database) -> None:
    async with site(both, database, **OPEN | {"zoho_organisations": "999"}) as web:
        browser = Browser(web)
        assert problem(await browser.sign_in()) == (403, "organisation_not_allowed")
        await nothing_was_kept(web, browser)
    async with site(both, database, **OPEN | {"zoho_organisations": f"999 {both.crm.zgid}"}) as web:
        assert (await Browser(web).sign_in()).status_code == 303


async def test_a_user_who_is_switched_off_in_the_crm_is_kept_out(web: Site) -> None:
    browser = Browser(web)
    returned = await browser.consent()
    user = f"/organisations/{web.both.crm.zgid}/users/{web.both.crm.user_id}"
    await web.both.crm.control.call("PATCH", user, {"active": False})
    assert problem(await browser.come_back(returned)) == (403, "crm_user_refused")
    await nothing_was_kept(web, browser)


async def test_an_organisation_of_the_free_edition_is_kept_out(web: Site) -> None:
    await web.both.crm.control.call("PATCH", f"/organisations/{web.both.crm.zgid}", {"edition": "free"})
    browser = Browser(web)
    assert problem(await browser.sign_in()) == (403, "edition_free")
    await nothing_was_kept(web, browser)


async def test_an_organisation_that_became_free_may_still_look_and_disconnect(web: Site) -> None:
    browser = Browser(web)
    await browser.sign_in()
    await web.both.crm.control.call("PATCH", f"/organisations/{web.both.crm.zgid}", {"edition": "free"})
    await browser.sign_in()
    assert (await browser.send("GET", "/v1/me?fresh=true")).json()["edition_allows_sync"] is False
    assert (await browser.send("DELETE", "/v1/connections/zoho", Origin=PUBLIC)).status_code == 200


async def test_a_refused_consent_opens_nothing(web: Site) -> None:
    await web.both.crm.control.settings(consent="refuse")
    browser = Browser(web)
    assert problem(await browser.sign_in()) == (400, "consent_refused")
    await nothing_was_kept(web, browser)


async def test_a_state_is_good_once_and_in_its_own_browser(web: Site) -> None:
    browser = Browser(web)
    returned = await browser.consent()
    assert problem(await Browser(web).come_back(returned)) == (400, "state_invalid")
    stranger = Browser(web)
    await stranger.consent()
    assert problem(await stranger.come_back(returned)) == (400, "state_invalid")
    assert await rows(web, "users") == []
    kept = dict(browser.cookies)
    assert (await browser.come_back(returned)).status_code == 303
    browser.cookies = kept
    assert problem(await browser.come_back(returned)) == (400, "state_invalid")


async def test_a_state_of_a_consent_opens_no_session_and_the_other_way_round(web: Site) -> None:
    browser = Browser(web)
    await browser.sign_in()
    asked = await browser.send("POST", "/v1/connections/zoho/authorize", json={}, Origin=PUBLIC)
    onward = await browser.send("GET", str(asked.json()["authorization_url"]).removeprefix(PUBLIC))
    state = dict(parse_qsl(urlsplit(onward.headers["location"]).query))["state"]
    browser.cookies["__Host-contactsync-sign-in-zoho"] = state
    assert problem(await browser.send("GET", f"/auth/zoho/callback?state={state}&code=any")) == (400, "state_invalid")
    signing = await browser.consent()
    crossed = await browser.send("GET", f"/oauth/zoho/callback?state={signing['state']}&code={signing['code']}")
    assert problem(crossed) == (400, "state_invalid")


@pytest.mark.parametrize(
    "forged",
    [
        {"accounts-server": "https://evil.example"},
        {"accounts-server": "https://accounts.zoho.com.evil.example"},
        {"accounts-server": "https://accounts.zoho.eu"},
        {"location": "mars"},
    ],
)
async def test_a_data_centre_off_the_list_is_never_contacted(web: Site, forged: dict[str, str]) -> None:
    browser = Browser(web)
    returned = await browser.consent()
    del returned["accounts-server"], returned["location"]
    await web.both.clear_logs()
    assert problem(await browser.come_back(returned | forged)) == (502, "consent_failed")
    assert (await web.both.crm.control.calls())["oauth.token"] == 0
    assert await rows(web, "users") == []


async def test_a_grant_without_every_scope_is_given_back(web: Site) -> None:
    browser = Browser(web)
    begun = (await browser.send("GET", "/auth/zoho/sign-in")).headers["location"]
    returned = await web.agree(begun, scope="ZohoCRM.users.READ,ZohoCRM.org.READ")
    assert problem(await browser.come_back(returned)) == (400, "missing_scope")
    await nothing_was_kept(web, browser)


# --- walls ------------------------------------------------------------------------------------------------------------


async def pinned_by_an_issuer(web: Site, product: Connected) -> OtherAccount | object:
    """The organisation of an issuer whose user connects the CRM organisation."""
    foundation = web.resources.foundation
    directory = SqlCallerDirectory(foundation.database, foundation.vault, foundation.clock)
    mallory = Identity("https://issuer.example.com", web.both.crm.zgid, "mallory", Role.ADMIN)
    known = await directory.known(mallory)
    assert known is not None
    grant = await product.zoho_grant(timedelta(hours=1))
    return await web.resources.connections.save(Owner(known.organisation_id, known.user_id), grant)


async def test_an_organisation_that_an_issuer_speaks_for_is_not_entered_with_zoho(
    web: Site, product: Connected
) -> None:
    """Else its administrators, whom the issuer alone names, would see what users of the CRM synchronise."""
    assert not isinstance(await pinned_by_an_issuer(web, product), OtherAccount)
    before = await rows(web, "users"), await rows(web, "connections")
    browser = Browser(web)
    assert problem(await browser.sign_in()) == (409, "organisation_elsewhere")
    assert not [name for name in browser.cookies if name == "__Host-contactsync"]
    assert (await rows(web, "users"), await rows(web, "connections")) == before


async def test_an_issuers_user_does_not_connect_an_organisation_that_signs_in_with_zoho(
    web: Site, product: Connected
) -> None:
    await Browser(web).sign_in()
    assert isinstance(await pinned_by_an_issuer(web, product), OtherAccount)


async def test_beside_an_issuer_both_ways_are_open_and_without_zoho_that_one_is_not(
    both: Vendors, database: Database
) -> None:
    issuer: Json = {"oidc_issuer": "https://issuer.example.com", "oidc_audience": "us", "oidc_client_id": "page"}
    async with site(both, database, **OPEN | issuer | {"sign_in": "zoho issuer"}) as web:
        assert web.resources.trust is not None
        assert web.resources.trust.sign_in is not None
        assert (await Browser(web).sign_in()).status_code == 303
    async with site(both, database, **issuer) as web:
        assert problem(await web.client.get("/auth/zoho/sign-in")) == (404, "not_found")


async def test_with_zoho_alone_a_token_opens_nothing_and_the_issuers_way_is_closed(web: Site) -> None:
    answer = await web.client.get("/v1/connections", headers={"Authorization": "Bearer e30.e30.e30"})
    assert problem(answer) == (401, "not_authenticated")
    assert problem(await web.client.get("/auth/sign-in")) == (404, "not_found")


async def test_secrets_of_a_sign_in_are_in_no_log_line(web: Site, capfd: pytest.CaptureFixture[str]) -> None:
    browser = Browser(web)
    returned = await browser.consent()
    await browser.come_back(returned)
    printed = "".join(capfd.readouterr())
    secrets = (returned["state"], returned["code"], browser.cookies["__Host-contactsync"])
    assert not [secret for secret in secrets if secret in printed]


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sign_in": "google"}, ["not google"]),
        ({"sign_in": "zoho"}, ["ZOHO_CLIENT_ID and ZOHO_CLIENT_SECRET", "ZOHO_ORGANISATIONS"]),
        ({"sign_in": "issuer"}, ["OIDC_ISSUER and OIDC_CLIENT_ID"]),
        ({"zoho_admin_profiles": "Administrator"}, ["SIGN_IN=zoho alone"]),
        (
            {"sign_in": "zoho", "oidc_client_id": "page", "public_url": "http://sync.example.com"},
            ["leaves the issuer out", "ZOHO_CLIENT_ID", "ZOHO_ORGANISATIONS", "https PUBLIC_URL"],
        ),
    ],
)
def test_settings_that_do_not_go_together_are_all_named_at_the_start(given: dict[str, str], told: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        ConfigApiSettings.read(database_url="postgresql://app@127.0.0.1/app", keys=KEYS, **given)
    assert [part for part in told if part not in str(error.value)] == []
