"""A user who is switched off in the CRM while browsers are signed in as him: who is let in, what the others hear."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from contactsync.assembly.rights import NOW, rights_check
from contactsync.errors import UserInactiveError
from contactsync.ports.connections import Owner
from tests.support.browser import PUBLIC, CookieBrowser, Site, site
from tests.support.openid import openid_provider
from tests.support.postgres import Database
from tests.support.vendors import Vendors

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning"),  # the provider's own use of authlib
]
CLIENT = "settings-page"
SWITCHED_OFF = (401, "user_inactive")


@pytest.fixture
def issuer() -> Iterator[str]:
    with openid_provider({"ada": {"organisation": "1", "role": "admin"}, "bob": {"organisation": "1"}}) as name:
        yield name


@dataclass
class Town:
    """An installation with an issuer; Ada is an administrator, Bob her colleague."""

    web: Site
    issuer: str

    async def browser(self, subject: str) -> CookieBrowser:
        """A browser that is signed in to the page."""
        browser = CookieBrowser(self.web.client)
        begun = await browser.send("GET", "/auth/sign-in")
        async with httpx2.AsyncClient(trust_env=False) as outside:
            answer = await outside.post(begun.headers["location"], data={"sub": subject})
        back = urlsplit(answer.headers["location"])
        assert (await browser.send("GET", f"{back.path}?{back.query}")).status_code == 303
        return browser

    async def token(self, subject: str) -> dict[str, str]:
        """What a program of the CRM sends for this user."""
        redirect = "https://crm.example.com"
        query = f"response_type=code&client_id={CLIENT}&redirect_uri={redirect}&scope=openid"
        async with httpx2.AsyncClient(trust_env=False, base_url=self.issuer) as outside:
            answer = await outside.post(f"/oauth2/authorize?{query}", data={"sub": subject})
            code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
            fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
            answer = await outside.post("/oauth2/token", data=fields, auth=(CLIENT, "any"))
        return {"Authorization": f"Bearer {answer.json()['id_token']}"}

    async def frame_address(self, token: dict[str, str]) -> str:
        """A one-time address that was not opened yet."""
        made = await self.web.client.post("/v1/embed-sessions", json={}, headers=token)
        assert made.status_code == 201, made.text
        return str(made.json()["url"]).removeprefix(PUBLIC)

    async def connect(self, token: dict[str, str], provider: str) -> None:
        """Their consent at a vendor, whose page is signed in to as the CRM's user of the moment."""
        begun = await self.web.begin(provider, headers=token)
        assert (await self.web.come_back(provider, await self.web.agree(begun))).status_code == 200


@pytest.fixture
async def town(both: Vendors, database: Database, issuer: str) -> AsyncIterator[Town]:
    settings = {
        "oidc_issuer": issuer,
        "oidc_audience": CLIENT,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": "secret",
        "frame_ancestors": "https://crm.example.com",
    }
    async with site(both, database, **settings) as web:
        opened = Town(web, issuer)
        await opened.connect(await opened.token("ada"), "zoho")
        ada = CookieBrowser(web.client)
        assert (await ada.send("GET", "/v1/me", **await opened.token("ada"))).status_code == 200
        hired = {"email": "bob@example.com", "profile": "Standard"}
        made = await both.crm.control.call("POST", f"/organisations/{both.crm.zgid}/users", hired)
        await both.crm.control.settings(consent_user=made["id"])
        both.crm.user_id = made["id"]
        await opened.connect(await opened.token("bob"), "zoho")
        yield opened


async def switch_off(town: Town) -> None:
    """The CRM's administrator makes Bob inactive."""
    book = town.web.both.crm
    path = f"/organisations/{book.zgid}/users/{book.user_id}"
    await book.control.call("PATCH", path, {"active": False})


async def seen(browser: CookieBrowser) -> tuple[int, str]:
    """What a browser is answered."""
    answer = await browser.send("GET", "/v1/connections")
    return answer.status_code, answer.json().get("code", "")


async def test_every_browser_of_a_user_who_was_switched_off_is_refused_with_the_reason(town: Town) -> None:
    page, frame, ada = await town.browser("bob"), CookieBrowser(town.web.client), await town.browser("ada")
    token = await town.token("bob")
    assert (await frame.send("GET", await town.frame_address(token))).status_code == 303
    unopened = await town.frame_address(token)
    assert await seen(page) == await seen(frame) == (200, "")
    await switch_off(town)

    learnt = await page.send("GET", "/v1/me?fresh=true")

    assert (learnt.status_code, learnt.json()["code"]) == (403, "crm_user_refused")
    assert await seen(page) == await seen(frame) == SWITCHED_OFF
    refused = await page.send("GET", "/v1/connections", **{"Accept-Language": "fr"})
    assert "pas actif dans le CRM" in refused.json()["title"]
    assert refused.headers["www-authenticate"] == "Bearer"
    opened = await CookieBrowser(town.web.client).send("GET", unopened)
    assert (opened.status_code, opened.json()["code"]) == SWITCHED_OFF
    assert await seen(ada) == (200, "")


async def test_what_a_run_learns_ends_the_sessions_too(town: Town) -> None:
    """A worker asks by the same check, in another process."""
    page = await town.browser("bob")
    await switch_off(town)
    resources = town.web.resources
    check = rights_check(resources.foundation, resources.settings, resources.tokens)
    (bobs,) = await resources.connections.of_user(await owner_of(town))
    with pytest.raises(UserInactiveError):
        await check.facts(bobs, within=NOW)
    assert await seen(page) == SWITCHED_OFF


async def test_tokens_and_a_new_sign_in_are_the_issuers_matter(town: Town) -> None:
    page, token = await town.browser("bob"), await town.token("bob")
    await switch_off(town)
    await page.send("GET", "/v1/me?fresh=true")
    by_token = await town.web.client.get("/v1/connections", headers=token)
    assert (by_token.status_code, by_token.json()["items"]) == (200, [])
    again = await town.browser("bob")
    assert await seen(again) == (200, "")
    assert (await again.send("GET", "/v1/me")).json()["code"] == "not_connected"
    assert await seen(page) == SWITCHED_OFF


async def test_a_browser_that_was_signed_in_is_asked_like_any_other_before_a_consent(town: Town) -> None:
    page, token = await town.browser("bob"), await town.token("bob")
    await switch_off(town)
    await page.send("GET", "/v1/me?fresh=true")
    address = await town.web.address("google", headers=token)
    shown = await page.send("GET", address)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def owner_of(town: Town) -> Owner:
    """Bob, as he is known here."""
    resources = town.web.resources
    assert resources.trust is not None
    caller = await resources.trust.callers.of_claims({"iss": town.issuer, "sub": "bob", "organisation": "1"})
    assert caller is not None
    return Owner(caller.organisation_id, caller.user_id)
