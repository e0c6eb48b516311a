"""Consent, codes, tokens and identity."""

import base64
import hashlib
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from simulators.google import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from simulators.google.methods import CONTACTS, READONLY
from tests.unit.simulators.google.api import Api, Json

CALLBACK = "https://app.example.com/oauth/google/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "client_id": DEMO_CLIENT_ID,
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": f"openid email {CONTACTS}",
    "state": "a state & more",
    "access_type": "offline",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
async def oauth(api: Api) -> Api:
    """The API with a registered client and a user who agrees to everything."""
    client = {DEMO_CLIENT_ID: {"secret": DEMO_CLIENT_SECRET, "redirect_uris": [CALLBACK]}}
    await api.control("POST", "/settings", {"clients": client, "consent": "approve"})
    del api.http.headers["Authorization"]
    return api


async def authorize(api: Api, **changes: str | None) -> httpx2.Response:
    query = {name: value for name, value in (ASKED | changes).items() if value is not None}
    return await api.http.get("/o/oauth2/v2/auth", params=query)


def returned(response: httpx2.Response) -> dict[str, str]:
    """The parameters of the redirect back to the client."""
    assert response.status_code == 302, response.text
    location = urlsplit(response.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == CALLBACK
    return dict(parse_qsl(location.query))


async def token(api: Api, **form: str) -> httpx2.Response:
    client = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}
    return await api.http.post("/token", data=client | form)


async def redeem(api: Api, answer: str, **changes: str) -> httpx2.Response:
    """Exchange the code `answer`."""
    form = {"grant_type": "authorization_code", "code": answer, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return await token(api, **(form | changes))


async def granted(api: Api, **changes: str | None) -> Json:
    """The tokens at the end of a whole consent."""
    response = await redeem(api, returned(await authorize(api, **changes))["code"])
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


async def refreshed(api: Api, refresh_token: str, **form: str) -> httpx2.Response:
    return await token(api, grant_type="refresh_token", refresh_token=refresh_token, **form)


async def test_a_whole_consent_ends_in_tokens_that_work(oauth: Api) -> None:
    back = returned(await authorize(oauth))
    assert back["state"] == "a state & more"
    answer = (await redeem(oauth, back["code"])).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)
    assert set(answer["scope"].split()) == {"openid", "https://www.googleapis.com/auth/userinfo.email", CONTACTS}
    oauth.http.headers["Authorization"] = f"Bearer {answer['access_token']}"
    await oauth.listing()
    again = (await refreshed(oauth, answer["refresh_token"])).json()
    assert "refresh_token" not in again
    assert again["scope"]
    assert again["access_token"] != answer["access_token"]


async def test_the_id_token_is_signed_with_a_published_key(oauth: Api) -> None:
    answer = await granted(oauth, nonce="n-1")
    configuration = (await oauth.http.get("/.well-known/openid-configuration")).json()
    keys = KeySet.import_key_set((await oauth.http.get(configuration["jwks_uri"])).json())
    claims = jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"]) == (configuration["issuer"], DEMO_CLIENT_ID)
    assert (claims["sub"], claims["email"], claims["nonce"]) == ("1001", "user1001@example.com", "n-1")


async def test_userinfo_tells_what_the_scopes_allow(oauth: Api) -> None:
    answer = await granted(oauth)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    info = (await oauth.http.get("/v1/userinfo", headers=headers)).json()
    assert info == {"sub": "1001", "email": "user1001@example.com", "email_verified": True}
    old = (await oauth.http.get("/oauth2/v2/userinfo", headers=headers)).json()
    assert old == {"id": "1001", "email": "user1001@example.com", "verified_email": True}
    assert (await oauth.http.get("/v1/userinfo")).status_code == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": CALLBACK + "/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": None}, "redirect_uri_mismatch"),
        ({"client_id": "other"}, "invalid_client"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "https://www.googleapis.com/auth/everything"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_told_on_a_page_and_never_redirected(
    oauth: Api, changes: dict[str, str | None], error: str
) -> None:
    response = await authorize(oauth, **changes)
    assert response.status_code >= 400
    assert error in response.text
    assert "Location" not in response.headers


async def test_the_page_lets_the_user_choose_account_and_scopes(oauth: Api) -> None:
    await oauth.control("POST", "/settings", {"consent": "page"})
    oauth.add_account("2002")
    page = (await authorize(oauth, scope=f"openid {CONTACTS} {READONLY}", login_hint="user2002@example.com")).text
    assert 'value="2002" checked' in page
    ticket = page.split('name="ticket" value="')[1].split('"')[0]
    form = {"ticket": ticket, "account": "1001", "scope": READONLY, "answer": "allow"}
    back = returned(await oauth.http.post("/o/oauth2/v2/auth/answer", data=form))
    assert set(back["scope"].split()) == {"openid", READONLY}
    answer = (await redeem(oauth, back["code"])).json()
    info = await oauth.http.get("/v1/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert info.json()["sub"] == "1001"
    assert (await oauth.http.post("/o/oauth2/v2/auth/answer", data=form)).status_code == 400


async def test_the_user_can_cancel(oauth: Api) -> None:
    await oauth.control("POST", "/settings", {"consent": "page"})
    ticket = (await authorize(oauth)).text.split('name="ticket" value="')[1].split('"')[0]
    back = returned(await oauth.http.post("/o/oauth2/v2/auth/answer", data={"ticket": ticket, "answer": "deny"}))
    assert back == {"state": "a state & more", "error": "access_denied"}


async def test_tests_answer_for_the_user_in_the_address(oauth: Api) -> None:
    oauth.add_account("2002")
    await oauth.control("POST", "/settings", {"consent": "page"})
    denied = returned(await authorize(oauth, simulate_consent="deny"))
    assert denied["error"] == "access_denied"
    answer = await granted(oauth, simulate_consent="approve", simulate_account="2002", simulate_scopes="openid")
    assert answer["scope"].split() == ["https://www.googleapis.com/auth/userinfo.email", "openid"]
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert (await oauth.http.get("/v1/people/me/connections?personFields=names", headers=headers)).status_code == 403


async def test_a_code_works_once(oauth: Api) -> None:
    code = returned(await authorize(oauth))["code"]
    assert (await redeem(oauth, code)).status_code == 200
    response = await redeem(oauth, code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code_verifier": "another-verifier-of-at-least-forty-three-characters"}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"redirect_uri": "https://app.example.com/elsewhere"}, 400, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"code": "nonsense"}, 400, "invalid_grant"),
        ({"code": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_a_wrong_token_request_is_an_oauth_error(
    oauth: Api, changes: dict[str, str], status: int, error: str
) -> None:
    response = await redeem(oauth, returned(await authorize(oauth))["code"], **changes)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["error_description"]


async def test_a_code_dies_after_ten_minutes(oauth: Api) -> None:
    code = returned(await authorize(oauth))["code"]
    oauth.sim.bench.clock.advance(timedelta(minutes=10))
    assert (await redeem(oauth, code)).json()["error"] == "invalid_grant"


async def test_a_refresh_token_comes_with_the_first_consent_or_when_consent_is_asked_anew(oauth: Api) -> None:
    assert "refresh_token" not in await granted(oauth, access_type=None)
    await oauth.control("POST", "/grants/revoke", {"account": "1001"})
    assert "refresh_token" in await granted(oauth)
    assert "refresh_token" not in await granted(oauth)
    assert "refresh_token" in await granted(oauth, prompt="consent")


async def test_a_known_user_who_is_hinted_sees_no_page(oauth: Api) -> None:
    await granted(oauth)
    await oauth.control("POST", "/settings", {"consent": "page"})
    assert "code" in returned(await authorize(oauth, login_hint="user1001@example.com"))
    assert (await authorize(oauth, login_hint="user1001@example.com", prompt="consent")).status_code == 200
    assert returned(await authorize(oauth, prompt="none"))["error"] == "interaction_required"


async def test_the_hundred_and_first_refresh_token_ends_the_oldest(oauth: Api) -> None:
    first = (await granted(oauth, prompt="consent"))["refresh_token"]
    second = (await granted(oauth, prompt="consent"))["refresh_token"]
    for _ in range(99):
        await granted(oauth, prompt="consent")
    assert (await refreshed(oauth, first)).json() == {
        "error": "invalid_grant",
        "error_description": "Token has been expired or revoked.",
    }
    assert (await refreshed(oauth, second)).status_code == 200


async def test_in_testing_status_a_refresh_token_lives_seven_days(oauth: Api) -> None:
    await oauth.control("POST", "/settings", {"publishing_status": "testing"})
    answer = await granted(oauth)
    assert answer["refresh_token_expires_in"] == 7 * 24 * 3600
    oauth.sim.bench.clock.advance(timedelta(days=7))
    assert (await refreshed(oauth, answer["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_unused_refresh_token_dies_after_six_months_and_a_used_one_does_not(oauth: Api) -> None:
    unused = (await granted(oauth))["refresh_token"]
    used = (await granted(oauth, prompt="consent"))["refresh_token"]
    oauth.sim.bench.clock.advance(timedelta(days=100))
    await refreshed(oauth, used)
    oauth.sim.bench.clock.advance(timedelta(days=100))
    assert (await refreshed(oauth, used)).status_code == 200
    assert (await refreshed(oauth, unused)).status_code == 400


async def test_a_time_limited_grant_says_when_it_ends(oauth: Api) -> None:
    await oauth.control("POST", "/settings", {"time_limited_grant_s": 3600})
    assert (await granted(oauth))["refresh_token_expires_in"] == 3600


async def test_refresh_tokens_rotate_by_setting(oauth: Api) -> None:
    await oauth.control("POST", "/settings", {"rotate_refresh_tokens": True})
    old = (await granted(oauth))["refresh_token"]
    new = (await refreshed(oauth, old)).json()["refresh_token"]
    assert (await refreshed(oauth, old)).status_code == 400
    assert (await refreshed(oauth, new)).status_code == 200


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_grant(oauth: Api, which: str) -> None:
    answer = await granted(oauth)
    assert (await oauth.http.post("/revoke", data={"token": answer[which]})).status_code == 200
    assert (await refreshed(oauth, answer["refresh_token"])).json()["error"] == "invalid_grant"
    oauth.http.headers["Authorization"] = f"Bearer {answer['access_token']}"
    assert (await oauth.refused("GET", "/v1/people/me", personFields="names"))[0] == 401
    again = await oauth.http.post("/revoke", data={"token": answer[which]})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


async def test_a_grant_revoked_by_the_user_ends_at_the_next_refresh(oauth: Api) -> None:
    answer = await granted(oauth)
    await oauth.control("POST", "/grants/revoke", {"account": "1001", "client_id": DEMO_CLIENT_ID})
    assert (await refreshed(oauth, answer["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_may_ask_for_less_and_never_for_more(oauth: Api) -> None:
    answer = await granted(oauth)
    less = (await refreshed(oauth, answer["refresh_token"], scope=CONTACTS)).json()
    assert less["scope"] == CONTACTS
    more = await refreshed(oauth, answer["refresh_token"], scope=READONLY)
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")


async def test_the_client_may_name_itself_in_the_header(oauth: Api) -> None:
    code = returned(await authorize(oauth))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    response = await oauth.http.post("/token", data=form, auth=(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET))
    assert response.status_code == 200


async def test_later_consents_add_to_earlier_ones_when_asked_to(oauth: Api) -> None:
    await granted(oauth, scope=CONTACTS)
    answer = await granted(oauth, scope="openid", include_granted_scopes="true")
    assert set(answer["scope"].split()) == {"openid", CONTACTS}


async def test_tokeninfo_describes_a_live_token(oauth: Api) -> None:
    answer = await granted(oauth)
    info = (await oauth.http.get("/tokeninfo", params={"access_token": answer["access_token"]})).json()
    assert (info["aud"], info["sub"], info["expires_in"]) == (DEMO_CLIENT_ID, "1001", "3599")
    assert (await oauth.http.get("/tokeninfo", params={"access_token": "x"})).status_code == 400
