"""Consent, tokens and their refusals, which come with status 200."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from contactsync.adapters.http import HttpEdge, HttpSettings, build_client
from contactsync.adapters.zoho.data_centres import DATA_CENTRES, DataCentre, DataCentres
from contactsync.adapters.zoho.oauth import SCOPES, ZohoOAuth, ZohoOAuthSettings, life_s
from contactsync.errors import (
    AuthorizationLostError,
    ConfigurationError,
    ContactSyncError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
)
from tests.support.clock import EPOCH, ManualClock
from tests.unit.adapters.zoho.fakes import Gate, Reply, breaks, reply

EU = "https://accounts.zoho.eu"
TOKENS = {
    "access_token": "access",
    "refresh_token": "refresh",
    "api_domain": "https://www.zohoapis.eu",
    "token_type": "Bearer",
    "expires_in": 3600,
}


class Accounts:
    """An accounts server that answers once."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[httpx2.Request] = []
        self.gate = Gate()
        self.settings = ZohoOAuthSettings(
            client_id="client",
            client_secret="secret",
            redirect_uri="https://sync.example/oauth/zoho/callback",
            secrets={"eu": "secret-eu"},
            client_ids={"cn": "client-cn"},
        )
        client = build_client(HttpSettings(), transport=httpx2.MockTransport(self._answer))
        centres = DataCentres()
        self.oauth = ZohoOAuth(HttpEdge(client, centres.guard, ManualClock()), self.settings, centres, ManualClock())

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.replies.pop(0)(request)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.requests[-1].content.decode()).items()}


class TestConsent:
    def test_the_user_is_asked_for_offline_access_every_time(self) -> None:
        url = urlsplit(Accounts().oauth.authorization_url("state-1"))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        assert (url.scheme, url.netloc, url.path) == ("https", "accounts.zoho.com", "/oauth/v2/auth")
        assert query == {
            "response_type": "code",
            "client_id": "client",
            "scope": ",".join(SCOPES),
            "redirect_uri": "https://sync.example/oauth/zoho/callback",
            "access_type": "offline",
            "prompt": "consent",
            "state": "state-1",
        }

    def test_china_has_an_application_and_a_door_of_its_own(self) -> None:
        url = Accounts().oauth.authorization_url("s", "cn")
        assert url.startswith("https://accounts.zoho.com.cn/oauth/v2/auth?")
        assert "client_id=client-cn" in url

    def test_no_secret_is_shown_by_repr(self) -> None:
        assert "secret-eu" not in repr(Accounts().settings)
        assert "'secret'" not in repr(Accounts().settings)


class TestExchange:
    async def test_the_code_is_exchanged_where_the_callback_says_with_that_centres_secret(self) -> None:
        accounts = Accounts(reply(TOKENS))
        grant = await accounts.oauth.exchange("code-1", EU, accounts.gate)
        assert str(accounts.requests[0].url) == f"{EU}/oauth/v2/token"
        assert accounts.form == {
            "grant_type": "authorization_code",
            "code": "code-1",
            "redirect_uri": "https://sync.example/oauth/zoho/callback",
            "client_id": "client",
            "client_secret": "secret-eu",
        }
        assert (grant.refresh_token, grant.data_centre, grant.accounts_url) == ("refresh", "eu", EU)
        assert (grant.access.value, grant.access.api_base_url) == ("access", "https://www.zohoapis.eu")
        assert grant.access.expires_at == EPOCH + timedelta(hours=1)
        assert accounts.gate.calls[0].control
        assert "refresh" not in repr(grant).replace("refresh_token", "")

    @pytest.mark.parametrize(
        "server",
        [
            "https://accounts.zoho.evil.example",
            "http://accounts.zoho.eu",
            "https://accounts.zoho.eu.evil.example",
            "https://accounts.zoho.eu@evil.example",
            "https://accounts.zoho.eu:8443",
            "https://accounts.zoho.eu/../x",
            "file:///etc/passwd",
        ],
    )
    async def test_an_accounts_server_off_the_list_is_never_contacted(self, server: str) -> None:
        accounts = Accounts()
        with pytest.raises(AuthorizationLostError) as caught:
            await accounts.oauth.exchange("code-1", server, accounts.gate)
        assert caught.value.reason == "host_not_allowed"
        assert accounts.requests == []

    @pytest.mark.parametrize("domain", ["https://www.zohoapis.com", "https://evil.example", "http://www.zohoapis.eu"])
    async def test_an_api_host_of_another_centre_is_refused(self, domain: str) -> None:
        accounts = Accounts(reply(TOKENS | {"api_domain": domain}))
        with pytest.raises(AuthorizationLostError):
            await accounts.oauth.exchange("code-1", EU, accounts.gate)

    @pytest.mark.parametrize("centre", DATA_CENTRES, ids=lambda one: one.name)
    async def test_every_data_centre_has_its_own_pair_of_hosts(self, centre: DataCentre) -> None:
        accounts = Accounts(reply(TOKENS | {"api_domain": centre.api_urls[1]}))
        grant = await accounts.oauth.exchange("code-1", centre.accounts_url + "/", accounts.gate)
        assert (grant.data_centre, grant.access.api_base_url) == (centre.name, centre.api_urls[1])

    async def test_a_consent_without_a_refresh_token_is_no_grant(self) -> None:
        accounts = Accounts(reply({key: value for key, value in TOKENS.items() if key != "refresh_token"}))
        with pytest.raises(AuthorizationLostError):
            await accounts.oauth.exchange("code-1", EU, accounts.gate)

    async def test_scopes_that_were_not_granted_are_known_where_the_answer_tells(self) -> None:
        accounts = Accounts(reply(TOKENS | {"scope": " ".join(SCOPES[1:]).upper()}), reply(TOKENS))
        told = await accounts.oauth.exchange("code-1", EU, accounts.gate)
        silent = await accounts.oauth.exchange("code-1", EU, accounts.gate)
        assert (told.missing_scopes(), silent.missing_scopes()) == ((SCOPES[0],), ())


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "error", "reason"),
        [
            (reply({"error": "invalid_code"}), AuthorizationLostError, "needs_reconnect"),
            (reply({"error": "invalid_code"}, 400), AuthorizationLostError, "needs_reconnect"),
            (reply({"error": "invalid_client"}), ProviderContractError, "oauth_client_refused"),
            (reply({"error": "invalid_client_secret"}), ProviderContractError, "oauth_client_refused"),
            (reply({"error": "invalid_redirect_uri"}), ProviderContractError, "oauth_client_refused"),
            (reply({"error": "access_denied"}), RateLimitedError, "token_throttle"),
            (reply({"error": "Access Denied", "status": "failure"}), RateLimitedError, "token_throttle"),
            (reply({"error": "access_denied"}, 400), RateLimitedError, "token_throttle"),
            (reply({}), ProviderContractError, "provider_contract"),
            (reply(b"<html></html>"), ProviderContractError, "provider_contract"),
            (reply({"access_token": ""}), ProviderContractError, "provider_contract"),
            (reply(TOKENS | {"expires_in": "soon"}), ProviderContractError, "provider_contract"),
            (reply({}, 503), ProviderUnavailableError, "provider_unavailable"),
            (breaks(httpx2.ReadError), ProviderUnavailableError, "provider_unavailable"),
        ],
    )
    async def test_a_refresh_is_refused_with_what_can_be_done(
        self, answer: Reply, error: type[ContactSyncError], reason: str
    ) -> None:
        accounts = Accounts(answer)
        with pytest.raises(error) as caught:
            await accounts.oauth.refresh("refresh", "eu", accounts.gate)
        assert (type(caught.value), caught.value.reason) == (error, reason)

    async def test_the_throttle_is_waited_out_for_ten_minutes(self) -> None:
        accounts = Accounts(reply({"error": "Access Denied"}))
        with pytest.raises(RateLimitedError) as caught:
            await accounts.oauth.refresh("refresh", "eu", accounts.gate)
        assert caught.value.retry_after_s == 600

    async def test_an_unknown_data_centre_is_a_wrong_setting(self) -> None:
        accounts = Accounts()
        with pytest.raises(ConfigurationError, match="known are au, ca"):
            await accounts.oauth.refresh("refresh", "mars", accounts.gate)


class TestRefreshAndRevoke:
    async def test_a_refresh_keeps_the_refresh_token(self) -> None:
        accounts = Accounts(reply({"access_token": "next", "expires_in": 3600}))
        token = await accounts.oauth.refresh("refresh", "eu", accounts.gate)
        assert (token.value, token.api_base_url) == ("next", "https://www.zohoapis.eu")
        assert accounts.form["grant_type"] == "refresh_token"
        assert accounts.form["refresh_token"] == "refresh"

    @pytest.mark.parametrize(
        ("body", "seconds"),
        [
            ({"expires_in": 3600}, 3600),
            ({"expires_in": 3600000, "expires_in_sec": 3600}, 3600),
            ({"expires_in": 3600000}, 3600),
            ({"expires_in": "3600"}, 3600),
            ({}, 3600),
        ],
    )
    def test_the_life_of_a_token_is_read_in_seconds_whatever_it_came_in(
        self, body: dict[str, Any], seconds: float
    ) -> None:
        assert life_s(body) == seconds

    @pytest.mark.parametrize(
        ("answer", "ended"),
        [
            (reply({"status": "success"}), True),
            (reply({"status": "failure", "error": "invalid_code"}), False),
            (reply({"error": "invalid_code"}, 400), False),
        ],
    )
    async def test_a_grant_is_revoked_where_it_was_made(self, answer: Reply, *, ended: bool) -> None:
        accounts = Accounts(answer)
        assert await accounts.oauth.revoke("refresh", "eu", accounts.gate) is ended
        assert str(accounts.requests[0].url) == f"{EU}/oauth/v2/token/revoke"
        assert accounts.form == {"token": "refresh"}


class TestLocalServer:
    def test_a_local_server_stands_for_the_data_centre(self) -> None:
        centres = DataCentres.from_settings("http://127.0.0.1:9/", "http://127.0.0.1:8")
        centre = centres.of_accounts_server("http://127.0.0.1:9")
        assert centre.api_urls == ("http://127.0.0.1:8",)
        with pytest.raises(ProviderContractError):
            centres.guard.check("https://www.zohoapis.com/crm/v8/org")
        centres.guard.check("http://127.0.0.1:8/crm/v8/org")

    @pytest.mark.parametrize("urls", [("http://127.0.0.1:9", None), (None, "http://127.0.0.1:9")])
    def test_both_addresses_are_needed(self, urls: tuple[str | None, str | None]) -> None:
        with pytest.raises(ConfigurationError, match="together"):
            DataCentres.from_settings(*urls)
