"""Whom an identity token names: signed by Google, for this client, this sign-in, now (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import httpx2
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.google.oauth import CONTACTS_SCOPE, GoogleGrant, GoogleOAuth, GoogleOAuthClient
from contactsync.adapters.http import HttpEdge, HttpSettings, build_client
from contactsync.errors import ProviderContractError
from tests.support.clock import EPOCH, ManualClock

CLIENT = "ours.apps.googleusercontent.com"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
NOW = int(EPOCH.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": "https://accounts.google.com",
    "aud": CLIENT,
    "sub": "110169484474386276334",
    "email": "ada@example.com",
    "email_verified": True,
    "nonce": "n1",
    "iat": NOW,
    "exp": NOW + 3600,
}


def signed(claims: dict[str, Any], key: RSAKey = KEY) -> str:
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def headed(algorithm: str, claims: dict[str, Any]) -> str:
    return f"{encoded(orjson.dumps({'alg': algorithm, 'kid': 'k1'}))}.{encoded(orjson.dumps(claims))}"


def unsigned(claims: dict[str, Any]) -> str:
    return headed("none", claims) + "."


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """HS256 with what everybody knows as the secret: works where the algorithm is taken from the token."""
    text = headed("HS256", claims)
    return f"{text}.{encoded(hmac.digest(KEY.as_pem(private=False), text.encode(), 'sha256'))}"


async def exchanged(id_token: str) -> GoogleGrant:
    """The grant of a consent whose answer bears that identity token."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/oauth2/v3/certs":
            return httpx2.Response(200, json=KeySet([KEY]).as_dict(private=False))
        body = {"access_token": "a", "refresh_token": "r", "expires_in": 3599, "scope": CONTACTS_SCOPE}
        return httpx2.Response(200, json={**body, "token_type": "Bearer", "id_token": id_token})

    endpoints, settings = GoogleEndpoints(), HttpSettings()
    async with build_client(settings, transport=httpx2.MockTransport(answer)) as client:
        edge = HttpEdge(client, endpoints.guard(), ManualClock())
        oauth = GoogleOAuth(edge, endpoints, GoogleOAuthClient(CLIENT, "secret"), ManualClock())
        return await oauth.exchange(code="c", code_verifier="v" * 43, redirect_uri="https://x.example/cb", nonce="n1")


async def test_the_account_is_known_by_its_subject() -> None:
    identity = (await exchanged(signed(CLAIMS))).identity
    assert (identity.subject, identity.email) == (CLAIMS["sub"], CLAIMS["email"])


async def test_clocks_that_go_apart_keep_nobody_from_connecting() -> None:
    """The token comes from Google itself and carries our nonce: OpenID Connect asks for its end, not its beginning."""
    ahead = {"iat": NOW + 86_400, "exp": NOW + 90_000}
    assert (await exchanged(signed({**CLAIMS, **ahead}))).identity.subject == CLAIMS["sub"]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another.apps.googleusercontent.com"},
        {"aud": None},
        {"iss": "https://accounts.example.com"},
        {"iss": None},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": NOW - 3600},
        {"exp": None},
        {"sub": None},
    ],
)
async def test_an_identity_for_another_client_issuer_sign_in_or_day_is_refused(changed: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    with pytest.raises(ProviderContractError) as caught:
        await exchanged(signed(claims))
    assert caught.value.reason == "identity_refused"


@pytest.mark.parametrize(
    "token",
    [
        signed(CLAIMS, STRANGER),
        unsigned(CLAIMS),
        signed_with_the_public_key(CLAIMS),
        signed(CLAIMS)[:-4] + "AAAA",
        "no token at all",
        "",
    ],
    ids=["another key", "no algorithm", "the public key as a secret", "altered", "no token", "nothing"],
)
async def test_an_identity_that_google_did_not_sign_is_refused(token: str) -> None:
    with pytest.raises(ProviderContractError) as caught:
        await exchanged(token)
    assert caught.value.reason == "identity_refused"
