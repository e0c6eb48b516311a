"""Consent, tokens and identity against the simulated authorization server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from contactsync.adapters.google.oauth import CONTACTS_SCOPE, GoogleGrant, GoogleOAuth, GoogleOAuthClient
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    ProviderContractError,
    ProviderUnavailableError,
)
from tests.integration.google.desk import Desk, desk

REDIRECT = "http://127.0.0.1:9/oauth/google/callback"
CLIENT = GoogleOAuthClient("contact-sync.apps.example", "a secret")
VERIFIER = "v" * 64
NONCE = "n-0S6_WzA2Mj"


@dataclass
class Consent:
    """A client in front of the authorization server, and a user who answers at once."""

    bench: Desk
    oauth: GoogleOAuth

    async def code(self, **query: str) -> dict[str, str]:
        """The parameters of the redirect after consent."""
        url = self.oauth.authorize_url(redirect_uri=REDIRECT, state="s-1", code_verifier=VERIFIER, nonce=NONCE)
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(url, params={**dict(httpx2.URL(url).params), **query})
        assert answer.status_code in {302, 303}, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    async def grant(self, **query: str) -> GoogleGrant:
        """The grant of a user who agrees."""
        code = (await self.code(**query))["code"]
        return await self.exchange(code)

    async def exchange(self, code: str, *, verifier: str = VERIFIER, nonce: str = NONCE) -> GoogleGrant:
        return await self.oauth.exchange(code=code, code_verifier=verifier, redirect_uri=REDIRECT, nonce=nonce)


@asynccontextmanager
async def consent(**settings: object) -> AsyncIterator[Consent]:
    clients = {CLIENT.client_id: {"secret": CLIENT.client_secret, "redirect_uris": [REDIRECT]}}
    async with desk(consent="approve", clients=clients, **settings) as bench:
        clock = await bench.control.call("GET", "/clock")
        bench.clock.advance_to(bench.clock.now().fromisoformat(clock["now"]))
        yield Consent(bench, GoogleOAuth(bench.edge, bench.endpoints, CLIENT, bench.clock))


async def test_consent_ends_with_tokens_and_a_checked_identity() -> None:
    async with consent() as act:
        redirect = await act.code()
        assert redirect["state"] == "s-1"
        grant = await act.exchange(redirect["code"])
        assert grant.identity.subject == act.bench.book.sub
        assert grant.identity.email == "ada@example.com"
        assert CONTACTS_SCOPE in grant.tokens.scopes
        assert {"openid", "email"} <= grant.tokens.scopes
        assert grant.tokens.refresh_token
        assert grant.tokens.access.expires_at > act.bench.clock.now() + timedelta(minutes=50)


async def test_neither_token_nor_secret_shows_in_a_representation() -> None:
    async with consent() as act:
        grant = await act.grant()
        shown = f"{grant!r} {CLIENT!r}"
        assert grant.tokens.refresh_token is not None
        for secret in (grant.tokens.access.value, grant.tokens.refresh_token, CLIENT.client_secret):
            assert secret not in shown


async def test_the_access_token_opens_the_account_and_no_other() -> None:
    async with consent() as act:
        grant = await act.grant()
        act.bench.book.token = grant.tokens.access.value
        assert await act.bench.account.contact_count() == 0
        assert act.bench.tokens.refreshes == 0


async def test_reconnecting_gives_a_refresh_token_again() -> None:
    async with consent() as act:
        first, second = await act.grant(), await act.grant()
        assert first.identity == second.identity
        assert second.tokens.refresh_token


async def test_a_refresh_brings_a_new_access_token_and_keeps_the_old_refresh_token() -> None:
    async with consent() as act:
        grant = await act.grant()
        assert grant.tokens.refresh_token is not None
        tokens = await act.oauth.refresh(grant.tokens.refresh_token)
        assert tokens.access.value != grant.tokens.access.value
        assert tokens.refresh_token is None


async def test_a_rotated_refresh_token_is_handed_on() -> None:
    async with consent(rotate_refresh_tokens=True) as act:
        grant = await act.grant()
        assert grant.tokens.refresh_token is not None
        tokens = await act.oauth.refresh(grant.tokens.refresh_token)
        assert tokens.refresh_token not in {None, grant.tokens.refresh_token}


async def test_a_grant_for_a_time_says_when_it_ends() -> None:
    async with consent(time_limited_grant_s=7200) as act:
        grant = await act.grant()
        assert grant.tokens.refresh_expires_at is not None
        assert grant.tokens.refresh_expires_at <= act.bench.clock.now() + timedelta(seconds=7200)


async def test_unticked_contacts_are_named_as_the_missing_scope() -> None:
    async with consent() as act:
        code = (await act.code(simulate_scopes="openid email"))["code"]
        with pytest.raises(AuthorizationLostError) as caught:
            await act.exchange(code)
        assert caught.value.reason == "missing_scope"


async def test_a_code_is_good_once_and_for_its_verifier_alone() -> None:
    async with consent() as act:
        code = (await act.code())["code"]
        with pytest.raises(AuthorizationLostError):
            await act.exchange(code, verifier="w" * 64)
        code = (await act.code())["code"]
        await act.exchange(code)
        with pytest.raises(AuthorizationLostError) as caught:
            await act.exchange(code)
        assert caught.value.reason == "needs_reconnect"


async def test_an_identity_for_another_sign_in_is_refused() -> None:
    async with consent() as act:
        with pytest.raises(ProviderContractError) as caught:
            await act.exchange((await act.code())["code"], nonce="another")
        assert caught.value.reason == "identity_refused"


async def test_an_identity_of_another_day_is_refused() -> None:
    async with consent() as act:
        act.bench.clock.advance(timedelta(hours=3))
        with pytest.raises(ProviderContractError) as caught:
            await act.grant()
        assert caught.value.reason == "identity_refused"


async def test_a_grant_revoked_at_google_needs_the_user() -> None:
    async with consent() as act:
        grant = await act.grant()
        assert grant.tokens.refresh_token is not None
        await act.bench.control.call("POST", "/grants/revoke", {"account": act.bench.book.sub})
        with pytest.raises(AuthorizationLostError) as caught:
            await act.oauth.refresh(grant.tokens.refresh_token)
        assert caught.value.reason == "needs_reconnect"


async def test_revoking_ends_the_grant_and_may_be_said_twice() -> None:
    async with consent() as act:
        grant = await act.grant()
        assert grant.tokens.refresh_token is not None
        await act.oauth.revoke(grant.tokens.refresh_token)
        await act.oauth.revoke(grant.tokens.refresh_token)
        with pytest.raises(AuthorizationLostError):
            await act.oauth.refresh(grant.tokens.refresh_token)


async def test_a_client_that_google_does_not_know_is_no_fault_of_the_user() -> None:
    async with consent() as act:
        stranger = GoogleOAuth(
            act.bench.edge, act.bench.endpoints, GoogleOAuthClient(CLIENT.client_id, "wrong"), act.bench.clock
        )
        with pytest.raises(ProviderContractError) as caught:
            await stranger.refresh("whatever")
        assert caught.value.reason == "oauth_client_refused"


@pytest.mark.parametrize(
    ("action", "error"), [("cut_after", ProviderUnavailableError), ("html200", ProviderContractError)]
)
async def test_a_token_endpoint_in_trouble_loses_no_grant(action: str, error: type[ContactSyncError]) -> None:
    async with consent() as act:
        grant = await act.grant()
        assert grant.tokens.refresh_token is not None
        await act.bench.control.fault("oauth.token", action, times=1)
        with pytest.raises(error):
            await act.oauth.refresh(grant.tokens.refresh_token)
        assert (await act.oauth.refresh(grant.tokens.refresh_token)).access.value
