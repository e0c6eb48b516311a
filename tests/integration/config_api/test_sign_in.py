"""Callers with tokens and signed-in browsers, against an OpenID provider that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from config_api.settings import ConfigApiSettings
from contactsync.adapters.clock import SystemClock
from tests.contract.state.worlds import KEYS
from tests.support.browser import CookieBrowser
from tests.support.openid import openid_provider
from tests.support.postgres import Database

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning"),  # the provider's own use of authlib
]

PUBLIC = "https://sync.example.com"
CLIENT = "settings-page"


@pytest.fixture
def provider() -> Iterator[str]:
    users = {
        "ada": {"organisation": "60001", "role": "admin"},
        "bob": {"organisation": "60001"},
        "eve": {"organisation": "70001", "role": "admin"},
        "nobody": {},
    }
    with openid_provider(users) as issuer:
        yield issuer


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def settings(database: Database, provider: str) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate(
        {
            "database_url": database.url,
            "keys": KEYS,
            "public_url": PUBLIC,
            "oidc_issuer": provider,
            "oidc_audience": CLIENT,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": "a secret: with signs",
            "frame_ancestors": "https://crm.example.com",
        }
    )


class Browser(CookieBrowser):
    """A browser that signs in at the provider."""

    async def consent(self, subject: str, *, return_path: str = "/") -> str:
        """Begin, and sign in at the provider; the path and query of the way back."""
        begun = await self.send("GET", f"/auth/sign-in?return_path={return_path}")
        assert begun.status_code == 303, begun.text
        async with httpx2.AsyncClient(trust_env=False) as outside:
            answer = await outside.post(begun.headers["location"], data={"sub": subject})
        back = urlsplit(answer.headers["location"])
        assert f"{back.scheme}://{back.netloc}" == PUBLIC
        return f"{back.path}?{back.query}"

    async def sign_in(self, subject: str) -> httpx2.Response:
        return await self.send("GET", await self.consent(subject))


@pytest.fixture
def browser(api: httpx2.AsyncClient) -> Browser:
    return Browser(api)


async def token_for(subject: str, provider: str) -> str:
    """A token of the provider, got by another application."""
    query = f"response_type=code&client_id={CLIENT}&redirect_uri=https://other.example.com&scope=openid"
    async with httpx2.AsyncClient(trust_env=False, base_url=provider) as outside:
        answer = await outside.post(f"/oauth2/authorize?{query}", data={"sub": subject})
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://other.example.com"}
        answer = await outside.post("/oauth2/token", data=fields, auth=(CLIENT, "any"))
    return str(answer.json()["id_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_of_the_issuer_names_user_organisation_and_role(api: httpx2.AsyncClient, provider: str) -> None:
    admin = await api.get("/v1/audit-events", headers=bearer(await token_for("ada", provider)))
    assert (admin.status_code, admin.json()["items"]) == (200, [])
    user = await api.get("/v1/audit-events", headers=bearer(await token_for("bob", provider)))
    assert (user.status_code, user.json()["code"]) == (403, "not_allowed")


async def test_without_a_token_that_holds_there_is_no_caller(api: httpx2.AsyncClient, provider: str) -> None:
    token = await token_for("nobody", provider)
    for headers in ({}, bearer("x.y.z"), bearer(token), {"Authorization": "Basic YTpi"}):
        answer = await api.get("/v1/audit-events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_browser_signs_in_and_out(browser: Browser) -> None:
    answer = await browser.sign_in("ada")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(one for one in browser.set_cookies if one.startswith("__Host-contactsync="))
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    assert (await browser.send("GET", "/v1/audit-events")).status_code == 200
    kept = dict(browser.cookies)
    assert (await browser.send("POST", "/auth/sign-out", Origin=PUBLIC)).status_code == 204
    browser.cookies = kept  # a thief's copy of the cookie
    assert (await browser.send("GET", "/v1/audit-events")).status_code == 401


async def test_the_trail_says_who_came_in_and_went_out(browser: Browser) -> None:
    await browser.sign_in("ada")
    await browser.send("POST", "/auth/sign-out", Origin=PUBLIC)
    await browser.sign_in("ada")
    trail = (await browser.send("GET", "/v1/audit-events")).json()["items"]
    assert [event["action"] for event in trail] == ["session.opened", "session.ended", "session.opened"]
    assert {event["details"]["place"] for event in trail} == {"page"}
    assert {event["actor_id"] for event in trail} == {trail[0]["object_id"]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": PUBLIC},
    ],
)
async def test_a_change_that_another_site_asks_for_is_not_the_users(browser: Browser, headers: dict[str, str]) -> None:
    await browser.sign_in("ada")
    assert (await browser.send("POST", "/auth/sign-out", **headers)).status_code == 401
    assert (await browser.send("GET", "/v1/audit-events")).status_code == 200


async def test_a_sign_in_ends_once_and_in_the_browser_that_began_it(browser: Browser, api: httpx2.AsyncClient) -> None:
    back = await browser.consent("ada")
    stranger = await Browser(api).send("GET", back)
    assert (stranger.status_code, stranger.json()["code"]) == (400, "state_invalid")
    state_cookie = dict(browser.cookies)
    assert (await browser.send("GET", back)).status_code == 303
    browser.cookies = state_cookie
    again = await browser.send("GET", back)
    assert (again.status_code, again.json()["code"]) == (400, "state_invalid")


async def test_a_code_of_another_sign_in_is_refused(browser: Browser, api: httpx2.AsyncClient) -> None:
    """PKCE and nonce: a code that was got by another browser does not open a session in this one."""
    theirs = parse_qs(urlsplit(await Browser(api).consent("eve")).query)["code"][0]
    mine = parse_qs(urlsplit(await browser.consent("ada")).query)["state"][0]
    answer = await browser.send("GET", f"/auth/callback?state={mine}&code={theirs}")
    assert (answer.status_code, answer.json()["code"]) == (400, "state_invalid")


async def test_another_issuers_answer_is_a_mix_up(browser: Browser) -> None:
    answer = await browser.send("GET", await browser.consent("ada") + "&iss=https://evil.example.com")
    assert (answer.status_code, answer.json()["code"]) == (400, "state_invalid")


async def test_a_refused_sign_in_says_so(browser: Browser) -> None:
    state = parse_qs(urlsplit(await browser.consent("ada")).query)["state"][0]
    answer = await browser.send("GET", f"/auth/callback?state={state}&error=access_denied")
    assert (answer.status_code, answer.json()["code"]) == (400, "consent_refused")


async def test_someone_without_an_organisation_gets_no_session(browser: Browser) -> None:
    answer = await browser.sign_in("nobody")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/configurations?tab=1", "/configurations?tab=1"),
        ("//evil.example.com", "/"),
        ("/%5Cevil.example.com", "/"),
        ("https://evil.example.com", "/"),
        ("/%0d%0aSet-Cookie:%20a=b", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_the_browser_comes_back_to_our_own_page_alone(browser: Browser, asked: str, given: str) -> None:
    answer = await browser.send("GET", await browser.consent("ada", return_path=asked.replace("?", "%3F")))
    assert answer.headers["location"] == given


# --- consents of signed-in browsers -----------------------------------------------------------------------------------


async def begun(browser: Browser, provider: str = "google") -> httpx2.Response:
    """What the address of a consent answers that this browser asked for."""
    asked = await browser.send("POST", f"/v1/connections/{provider}/authorize", json={}, Origin=PUBLIC)
    assert asked.status_code == 200, asked.text
    return await browser.send("GET", str(asked.json()["authorization_url"]).removeprefix(PUBLIC))


async def test_a_consent_that_a_signed_in_browser_asked_for_goes_on_at_once_and_ends_in_that_browser_alone(
    browser: Browser, api: httpx2.AsyncClient
) -> None:
    await browser.sign_in("ada")
    answer = await begun(browser)
    assert (answer.status_code, urlsplit(answer.headers["location"]).hostname) == (303, "accounts.google.com")
    (cookie,) = browser.set_cookies
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-contactsync-consent-google=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= parts
    state = parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]
    back = f"/oauth/google/callback?state={state}&error=access_denied"
    bob = Browser(api)
    await bob.sign_in("bob")
    foreign = await bob.send("GET", back)
    assert (foreign.status_code, foreign.json()["code"]) == (400, "state_invalid")
    again = await begun(browser)
    state = parse_qs(urlsplit(again.headers["location"]).query)["state"][0]
    own = await browser.send("GET", f"/oauth/google/callback?state={state}&error=access_denied")
    assert (own.status_code, "Access was not granted" in own.text) == (400, True)


async def test_the_session_alone_does_not_end_a_consent(browser: Browser) -> None:
    await browser.sign_in("ada")
    state = parse_qs(urlsplit((await begun(browser)).headers["location"]).query)["state"][0]
    browser.cookies = {name: value for name, value in browser.cookies.items() if "consent" not in name}
    answer = await browser.send("GET", f"/oauth/google/callback?state={state}&code=any")
    assert (answer.status_code, answer.json()["code"]) == (400, "state_invalid")


async def test_a_consent_that_a_program_asked_for_goes_on_at_once_where_the_same_user_is_signed_in(
    browser: Browser, api: httpx2.AsyncClient, provider: str
) -> None:
    asked = await api.post(
        "/v1/connections/google/authorize", json={}, headers=bearer(await token_for("ada", provider))
    )
    address = str(asked.json()["authorization_url"]).removeprefix(PUBLIC)
    bob = Browser(api)
    await bob.sign_in("bob")
    shown = await bob.send("GET", address)
    assert (shown.status_code, bob.set_cookies) == (200, [])
    await browser.sign_in("ada")
    assert (await browser.send("GET", address)).status_code == 303


# --- in a frame of another site ---------------------------------------------------------------------------------------


async def test_a_crm_opens_the_page_in_a_frame_once(browser: Browser, provider: str) -> None:
    token = await token_for("ada", provider)
    made = await browser.api.post("/v1/embed-sessions", json={"return_path": "/?a=b"}, headers=bearer(token))
    assert made.status_code == 201, made.text
    address = made.json()["url"].removeprefix(PUBLIC)
    opened = await browser.send("GET", address)
    assert (opened.status_code, opened.headers["location"]) == (303, "/?a=b")
    (cookie,) = browser.set_cookies
    parts = {part.strip() for part in cookie.split(";")}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned", "Max-Age=3600"} <= parts
    trail = await browser.send("GET", "/v1/audit-events")
    assert [event["action"] for event in trail.json()["items"]] == ["session.opened", "embed_session.created"]
    again = await browser.send("GET", address)
    assert (again.status_code, again.json()["code"]) == (400, "state_invalid")


async def test_the_address_of_a_frame_signs_nobody_in_who_is_sent_there(browser: Browser, provider: str) -> None:
    """Login CSRF: whoever follows the address by itself would work, unseen, in the account of who made it."""
    token = await token_for("eve", provider)
    made = await browser.api.post("/v1/embed-sessions", json={}, headers=bearer(token))
    address = made.json()["url"].removeprefix(PUBLIC)
    sent_there = await browser.send("GET", address, **{"Sec-Fetch-Dest": "document"})
    assert (sent_there.status_code, browser.set_cookies) == (403, [])
    in_a_frame = await browser.send("GET", address, **{"Sec-Fetch-Dest": "iframe"})
    assert in_a_frame.status_code == 303, "what is refused is not used up"


async def test_a_session_of_a_frame_is_no_sign_in_for_a_consent(browser: Browser, provider: str) -> None:
    """Two addresses that eve sends, one after the other, must not connect somebody's account to her."""
    headers = bearer(await token_for("eve", provider))
    made = await browser.api.post("/v1/embed-sessions", json={}, headers=headers)
    await browser.send("GET", made.json()["url"].removeprefix(PUBLIC))
    asked = await browser.api.post("/v1/connections/google/authorize", json={}, headers=headers)
    shown = await browser.send("GET", str(asked.json()["authorization_url"]).removeprefix(PUBLIC))
    assert (shown.status_code, browser.set_cookies) == (200, [])


async def test_a_session_makes_no_further_sessions(browser: Browser) -> None:
    await browser.sign_in("ada")
    answer = await browser.api.post(
        "/v1/embed-sessions", json={}, headers={"Origin": PUBLIC, "Cookie": _cookie_header(browser)}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def _cookie_header(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
