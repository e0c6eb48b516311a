"""The accounts server: consent, tokens, their lives and caps, and data centres."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from simulators.zoho import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from tests.unit.simulators.zoho.crm import FIELDS, Crm

REDIRECT = "http://127.0.0.1:9/callback"
ASKED = {
    "response_type": "code",
    "client_id": DEMO_CLIENT_ID,
    "scope": "ZohoCRM.modules.contacts.READ,ZohoCRM.users.READ",
    "redirect_uri": REDIRECT,
    "access_type": "offline",
    "prompt": "consent",
    "state": "s-1",
}
THROTTLED = "Access Denied"


async def callback(crm: Crm, **asked: str) -> dict[str, str]:
    """Parameters that the consent page sends back, approved at once."""
    await crm.settings(consent="approve")
    answer = await crm.http.get("/oauth/v2/auth", params=ASKED | asked)
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def token(crm: Crm, prefix: str = "", **form: str) -> dict[str, Any]:
    """The body of the token endpoint, whose status is 200 whatever happens."""
    base = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}
    answer = await crm.http.post(f"{prefix}/oauth/v2/token", data=base | form)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def exchanged(crm: Crm, code: str, prefix: str = "", **form: str) -> dict[str, Any]:
    return await token(
        crm, prefix, **{"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | form
    )


async def refreshed(crm: Crm, refresh_token: str, prefix: str = "") -> dict[str, Any]:
    return await token(crm, prefix, grant_type="refresh_token", refresh_token=refresh_token)


async def works(crm: Crm, access_token: str, prefix: str = "") -> int:
    headers = {"Authorization": f"Zoho-oauthtoken {access_token}"}
    answer = await crm.http.get(f"{prefix}/crm/v8/users", params={"type": "CurrentUser"}, headers=headers)
    return answer.status_code


async def test_the_consent_page_asks_and_sends_the_code_back(crm: Crm) -> None:
    page = await crm.http.get("/oauth/v2/auth", params=ASKED)
    assert "ZohoCRM.users.READ" in page.text
    assert f'value="{crm.owner}"' in page.text
    form = ASKED | {"decision": "accept", "user_id": crm.owner}
    answer = await crm.http.post("/oauth/v2/auth", data=form)
    sent = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.headers["location"].startswith(REDIRECT)
    assert (sent["state"], sent["location"]) == (["s-1"], ["us"])
    assert sent["accounts-server"] == ["http://127.0.0.1"]


@pytest.mark.parametrize("way", ["press", "setting"])
async def test_a_refusal_is_access_denied(crm: Crm, way: str) -> None:
    if way == "press":
        answer = await crm.http.post("/oauth/v2/auth", data=ASKED | {"decision": "reject"})
    else:
        await crm.settings(consent="refuse")
        answer = await crm.http.get("/oauth/v2/auth", params=ASKED)
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"error": ["access_denied"], "state": ["s-1"]}


@pytest.mark.parametrize(
    "wrong", [{"client_id": "x"}, {"redirect_uri": "https://evil.example/"}, {"response_type": "token"}, {"scope": ""}]
)
async def test_a_wrong_request_never_redirects(crm: Crm, wrong: dict[str, str]) -> None:
    assert (await crm.http.get("/oauth/v2/auth", params=ASKED | wrong)).status_code == 400


async def test_a_code_gives_both_tokens_and_the_api_domain_once(crm: Crm) -> None:
    code = (await callback(crm))["code"]
    first = await exchanged(crm, code)
    assert set(first) == {"access_token", "refresh_token", "scope", "token_type", "expires_in", "api_domain"}
    assert (first["token_type"], first["expires_in"], first["api_domain"]) == ("Bearer", 3600, "http://127.0.0.1")
    assert await works(crm, first["access_token"]) == 200
    assert await exchanged(crm, code) == {"error": "invalid_code"}


async def test_a_code_lives_three_minutes(crm: Crm) -> None:
    code = (await callback(crm))["code"]
    crm.wait(181)
    assert await exchanged(crm, code) == {"error": "invalid_code"}


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "x"}, "invalid_client"),
        ({"client_secret": "x"}, "invalid_client_secret"),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, "invalid_redirect_uri"),
        ({"code": "x"}, "invalid_code"),
        ({"grant_type": "password"}, "invalid_request"),
    ],
)
async def test_token_errors_come_with_status_200(crm: Crm, form: dict[str, str], error: str) -> None:
    code = (await callback(crm))["code"]
    assert await exchanged(crm, **{"code": code, **form}) == {"error": error}


async def test_without_offline_or_renewed_consent_there_is_no_refresh_token(crm: Crm) -> None:
    await crm.control("POST", "/tokens/revoke", {"user_id": crm.owner})
    assert "refresh_token" not in await exchanged(crm, (await callback(crm, access_type="online"))["code"])
    assert "refresh_token" in await exchanged(crm, (await callback(crm, prompt=""))["code"])
    assert "refresh_token" not in await exchanged(crm, (await callback(crm, prompt=""))["code"])
    assert "refresh_token" in await exchanged(crm, (await callback(crm, prompt="consent"))["code"])


async def test_a_refresh_gives_no_new_refresh_token(crm: Crm) -> None:
    grant = await exchanged(crm, (await callback(crm))["code"])
    again = await refreshed(crm, grant["refresh_token"])
    assert "refresh_token" not in again
    assert await works(crm, again["access_token"]) == 200


async def test_ten_refreshes_in_ten_minutes_then_access_denied(crm: Crm) -> None:
    grant = await exchanged(crm, (await callback(crm))["code"])
    for _ in range(10):
        assert "access_token" in await refreshed(crm, grant["refresh_token"])
    refusal = await refreshed(crm, grant["refresh_token"])
    assert (refusal["error"], refusal["status"]) == (THROTTLED, "failure")
    crm.wait(601)
    assert "access_token" in await refreshed(crm, grant["refresh_token"])


async def test_the_sixteenth_access_token_ends_the_first(crm: Crm) -> None:
    await crm.settings(quotas_enabled=False)
    grant = await exchanged(crm, (await callback(crm))["code"])
    more = [(await refreshed(crm, grant["refresh_token"]))["access_token"] for _ in range(14)]
    tokens = [grant["access_token"], *more]
    assert await works(crm, tokens[0]) == 200
    await refreshed(crm, grant["refresh_token"])
    assert (await works(crm, tokens[0]), await works(crm, tokens[1])) == (401, 200)


async def test_the_twenty_first_consent_ends_the_first_grant_and_its_access_token(crm: Crm) -> None:
    await crm.settings(quotas_enabled=False)
    first = await exchanged(crm, (await callback(crm))["code"])
    for _ in range(19):
        await exchanged(crm, (await callback(crm))["code"])
    assert await works(crm, first["access_token"]) == 200
    await exchanged(crm, (await callback(crm))["code"])
    assert await works(crm, first["access_token"]) == 401
    assert await refreshed(crm, first["refresh_token"]) == {"error": "invalid_code"}


async def test_more_than_ten_codes_in_ten_minutes_are_denied(crm: Crm) -> None:
    for _ in range(10):
        assert "code" in await callback(crm)
    assert (await callback(crm))["error"] == "access_denied"


async def test_an_access_token_lives_an_hour_and_may_fail_under_two_names(crm: Crm) -> None:
    grant = await exchanged(crm, (await callback(crm))["code"])
    crm.wait(3601)
    crm.headers = {"Authorization": f"Zoho-oauthtoken {grant['access_token']}"}
    assert (await crm.refused("GET", "/users"))[:2] == (401, "INVALID_TOKEN")
    await crm.settings(expired_token_code="AUTHENTICATION_FAILURE")
    assert (await crm.refused("GET", "/users"))[:2] == (401, "AUTHENTICATION_FAILURE")


async def test_the_bearer_scheme_does_not_open_the_api(crm: Crm) -> None:
    crm.headers = {"Authorization": crm.headers["Authorization"].replace("Zoho-oauthtoken", "Bearer")}
    assert (await crm.refused("GET", "/users"))[:2] == (401, "INVALID_TOKEN")


async def test_revoking_a_refresh_token_ends_its_access_tokens(crm: Crm) -> None:
    grant = await exchanged(crm, (await callback(crm))["code"])
    answer = await crm.http.post("/oauth/v2/token/revoke", params={"token": grant["refresh_token"]})
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert await works(crm, grant["access_token"]) == 401
    assert (await crm.http.post("/oauth/v2/token/revoke", params={"token": "x"})).status_code == 400


async def test_a_user_can_end_his_grants_at_the_vendor(crm: Crm) -> None:
    grant = await exchanged(crm, (await callback(crm))["code"])
    assert (await crm.control("POST", "/tokens/revoke", {"user_id": crm.owner}))["revoked"] == 2
    assert await refreshed(crm, grant["refresh_token"]) == {"error": "invalid_code"}


async def test_an_organisation_of_another_data_centre_is_served_there_alone(crm: Crm) -> None:
    org = await crm.control("POST", "/organisations", {"data_centre": "eu"})
    await crm.settings(consent_user=org["users"][0]["id"])
    sent = await callback(crm)
    assert (sent["location"], sent["accounts-server"]) == ("eu", "http://127.0.0.1/eu")
    assert await exchanged(crm, sent["code"]) == {"error": "invalid_code"}
    grant = await exchanged(crm, sent["code"], "/eu")
    assert grant["api_domain"] == "http://127.0.0.1/eu"
    assert await refreshed(crm, grant["refresh_token"]) == {"error": "invalid_code"}
    assert await works(crm, grant["access_token"], "/eu") == 200
    crm.headers = {"Authorization": f"Zoho-oauthtoken {grant['access_token']}"}
    assert (await crm.refused("GET", "/users"))[:2] == (400, "INVALID_HOST")


async def test_a_secret_may_hold_in_one_data_centre_alone(crm: Crm) -> None:
    client = {"id": "two", "secret": "home", "secrets": {"eu": "away"}, "multi_dc": True}
    await crm.control("POST", "/clients", client)
    form = {"client_id": "two", "client_secret": "home", "grant_type": "refresh_token", "refresh_token": "x"}
    assert (await token(crm, "", **form))["error"] == "invalid_code"
    assert (await token(crm, "/eu", **form))["error"] == "invalid_client_secret"
    assert (await token(crm, "/eu", **form | {"client_secret": "away"}))["error"] == "invalid_code"


async def test_a_client_without_multi_dc_is_unknown_elsewhere(crm: Crm) -> None:
    await crm.control("POST", "/clients", {"id": "one", "secret": "s", "multi_dc": False})
    form = {"client_id": "one", "client_secret": "s", "grant_type": "refresh_token", "refresh_token": "x"}
    assert (await token(crm, "", **form))["error"] == "invalid_code"
    assert (await token(crm, "/eu", **form))["error"] == "invalid_client"


async def test_server_information_lists_the_data_centres(crm: Crm) -> None:
    answer = (await crm.http.get("/oauth/serverinfo")).json()
    assert answer["locations"]["in"] == "http://127.0.0.1/in"


async def test_scopes_open_their_endpoints_alone(crm: Crm) -> None:
    await crm.records({"Last_Name": "A"})
    crm.headers = await crm.sign_in(crm.owner, scopes=["ZohoCRM.modules.contacts.READ"])
    assert (await crm.get("/Contacts", fields=FIELDS)).status_code == 200
    assert (await crm.refused("GET", "/Accounts", fields="id,Account_Name"))[:2] == (401, "OAUTH_SCOPE_MISMATCH")
    assert (await crm.refused("POST", "/Contacts", {"data": [{"Last_Name": "B"}]}))[:2] == (401, "OAUTH_SCOPE_MISMATCH")
    assert (await crm.refused("GET", "/org"))[:2] == (401, "OAUTH_SCOPE_MISMATCH")
    crm.headers = await crm.sign_in(crm.owner, scopes=["ZohoCRM.modules.contacts.WRITE"])
    assert (await crm.call("POST", "/Contacts", {"data": [{"Last_Name": "B"}]})).status_code == 201
    assert (await crm.refused("DELETE", "/Contacts", ids="1"))[:2] == (401, "OAUTH_SCOPE_MISMATCH")
