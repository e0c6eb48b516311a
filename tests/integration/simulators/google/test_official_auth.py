"""google-auth and Authlib against the simulator's OAuth endpoints."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]  # Authlib ships no types
from google.auth import exceptions as google_auth_errors

from simulators.google import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GoogleSettings, OAuthClient, create_app
from simulators.google.addressbook import Owner
from simulators.google.methods import CONTACTS
from simulators.server import running
from tests.integration.simulators.google.harness import Simulator, credentials

CALLBACK = "https://app.example.com/callback"


def stored(google: Simulator) -> Any:  # noqa: ANN401  google-auth has few types
    """Credentials as an application would keep them, made by the control interface."""
    tokens = google.control("POST", "/tokens", {"account": "1001", "offline": True})
    return credentials(
        tokens["access_token"],
        refresh_token=tokens["refresh_token"],
        token_uri=google.url + "/token",
        client_id=DEMO_CLIENT_ID,
        client_secret=DEMO_CLIENT_SECRET,
        scopes=[CONTACTS],
    )


def test_google_auth_refreshes_by_itself_when_the_access_token_has_died(google: Simulator) -> None:
    mine = stored(google)
    client = google.client_with(mine)
    google.advance(3600)
    old = mine.token
    client.people().connections().list(resourceName="people/me", personFields="names").execute()
    assert mine.token != old
    assert mine.granted_scopes == [CONTACTS]
    statuses = google.control("GET", "/counters")["operations"]["people.connections.list"]["statuses"]
    assert statuses == {"200": 1, "401": 1}


def test_google_auth_reports_a_revoked_grant(google: Simulator) -> None:
    client = google.client_with(stored(google))
    google.control("POST", "/grants/revoke", {"account": "1001"})
    with pytest.raises(google_auth_errors.RefreshError, match="invalid_grant"):
        client.people().connections().list(resourceName="people/me", personFields="names").execute()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    clients = {DEMO_CLIENT_ID: OAuthClient(secret=DEMO_CLIENT_SECRET, redirect_uris=[CALLBACK])}
    app = create_app(GoogleSettings(clients=clients, consent="approve"))
    app.state.simulator.add_account(Owner("1001", "ada@example.com"))
    async with running(app) as found:
        yield found


async def test_authlib_signs_in_with_proof_key_and_refreshes(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        configuration = (await http.get(url + "/.well-known/openid-configuration")).json()
        async with AsyncOAuth2Client(
            DEMO_CLIENT_ID,
            DEMO_CLIENT_SECRET,
            scope=f"openid email {CONTACTS}",
            redirect_uri=CALLBACK,
            code_challenge_method="S256",
        ) as client:
            verifier = "v" * 48
            address, state = client.create_authorization_url(
                configuration["authorization_endpoint"], code_verifier=verifier, access_type="offline", prompt="consent"
            )
            location = (await http.get(address)).headers["Location"]
            token = await client.fetch_token(
                configuration["token_endpoint"], authorization_response=location, state=state, code_verifier=verifier
            )
            assert token["refresh_token"]
            again = await client.refresh_token(configuration["token_endpoint"])
            assert again["access_token"] != token["access_token"]
            info = await client.get(configuration["userinfo_endpoint"])
            assert json.loads(info.content)["sub"] == "1001"
