"""The accounts server: applications, consents, codes and tokens, with the vendor's life times and caps.

Source: Zoho CRM API v8, "OAuth authentication" (multi-DC, token validity, token limits). Answers of the
token endpoint carry an `error` with HTTP status 200, as the vendor's do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

CODE_LIFE_S: Final = 180
ACCESS_LIFE_S: Final = 3600
ACTIVE_ACCESS_TOKENS: Final = 15
REFRESH_TOKENS: Final = 20
WINDOW_S: Final = 600
PER_WINDOW: Final = 10


class OAuthError(Exception):
    """What the token endpoint refuses; `answer` is its whole body."""

    def __init__(self, answer: dict[str, str]) -> None:
        super().__init__(answer["error"])
        self.answer = answer


def _refusal(error: str) -> OAuthError:
    return OAuthError({"error": error})


@dataclass(slots=True)
class Client:
    """An application registered in the API console."""

    id: str
    secret: str
    redirect_uris: frozenset[str]
    multi_dc: bool = True
    secrets: dict[str, str] = field(default_factory=dict)
    home: str = "us"

    def secret_for(self, data_centre: str) -> str:
        """The secret that holds in that data centre."""
        return self.secrets.get(data_centre, self.secret)


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user agreed to."""

    client_id: str
    user_id: str
    zgid: str
    data_centre: str
    scopes: frozenset[str]
    offline: bool = True


@dataclass(slots=True)
class Code:
    """A grant code on its way back to the application."""

    consent: Consent
    redirect_uri: str
    issued: float
    fresh_consent: bool
    used: bool = False


@dataclass(slots=True)
class AccessToken:
    """A key to the API for an hour."""

    token: str
    consent: Consent
    expires: float
    grant: str | None


@dataclass(slots=True)
class Grant:
    """A refresh token with the access tokens made from it, oldest first."""

    refresh_token: str
    consent: Consent
    access: list[str] = field(default_factory=list)
    refreshed: list[float] = field(default_factory=list)


@dataclass(slots=True)
class AccountsServer:
    """Issues and forgets tokens; times are seconds since 1970 by the simulator's clock."""

    random: Random
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    _codes_issued: dict[str, list[float]] = field(default_factory=dict)

    def register(self, client: Client) -> None:
        """Make an application known."""
        self.clients[client.id] = client

    def issue_code(
        self, consent: Consent, redirect_uri: str, now: float, *, prompted: bool, throttled: bool
    ) -> str | None:
        """A grant code, or None when the application asked for more than ten in ten minutes."""
        recent = [at for at in self._codes_issued.get(consent.client_id, []) if now - at < WINDOW_S]
        if throttled and len(recent) >= PER_WINDOW:
            return None
        self._codes_issued[consent.client_id] = [*recent, now]
        code = self._secret()
        fresh = prompted or not any(one.consent.user_id == consent.user_id for one in self._grants_of(consent))
        self.codes[code] = Code(consent, redirect_uri, now, fresh)
        return code

    def exchange(self, form: dict[str, str], data_centre: str, now: float) -> dict[str, Any]:
        """Tokens for a grant code; OAuthError as the vendor words it."""
        client = self._client(form, data_centre)
        code = self.codes.get(form.get("code", ""))
        if code is None or code.used or now - code.issued > CODE_LIFE_S or code.consent.client_id != client.id:
            raise _refusal("invalid_code")
        if code.consent.data_centre != data_centre:
            raise _refusal("invalid_code")
        if form.get("redirect_uri") != code.redirect_uri:
            raise _refusal("invalid_redirect_uri")
        code.used = True
        answer: dict[str, Any] = {}
        grant = None
        if code.consent.offline and code.fresh_consent:
            grant = self.grant(code.consent)
            answer["refresh_token"] = grant.refresh_token
        access = self._issue(code.consent, grant, now)
        return answer | _token_answer(access, code.consent)

    def refresh(self, form: dict[str, str], data_centre: str, now: float, *, throttled: bool) -> dict[str, Any]:
        """A further access token; never a new refresh token."""
        client = self._client(form, data_centre)
        grant = self.grants.get(form.get("refresh_token", ""))
        if grant is None or grant.consent.client_id != client.id or grant.consent.data_centre != data_centre:
            raise _refusal("invalid_code")
        grant.refreshed = [at for at in grant.refreshed if now - at < WINDOW_S]
        if throttled and len(grant.refreshed) >= PER_WINDOW:
            text = "You have made too many requests continuously. Please try again after some time."
            raise OAuthError({"error_description": text, "error": "Access Denied", "status": "failure"})
        grant.refreshed.append(now)
        return _token_answer(self._issue(grant.consent, grant, now), grant.consent)

    def grant(self, consent: Consent) -> Grant:
        """A new refresh token; the 21st of a user and application ends the oldest with its access tokens."""
        mine = [one for one in self._grants_of(consent) if one.consent.user_id == consent.user_id]
        for oldest in mine[: max(0, len(mine) - REFRESH_TOKENS + 1)]:
            self._end(oldest)
        grant = Grant(self._secret(), consent)
        self.grants[grant.refresh_token] = grant
        return grant

    def issue(self, consent: Consent, now: float) -> tuple[Grant, AccessToken]:
        """A refresh and an access token without the browser's way, for tests."""
        grant = self.grant(consent)
        return grant, self._issue(consent, grant, now)

    def revoke(self, token: str) -> bool:
        """Forget a refresh token with all made from it, or one access token; False when unknown."""
        grant = self.grants.get(token)
        if grant is not None:
            self._end(grant)
            return True
        return self.access.pop(token, None) is not None

    def revoke_user(self, user_id: str) -> int:
        """End every grant of a user, as his own account page would; returns how many."""
        ended = [one for one in self.grants.values() if one.consent.user_id == user_id]
        for one in ended:
            self._end(one)
        return len(ended)

    def check(self, token: str, now: float) -> AccessToken | None:
        """The living access token of that text, or None."""
        found = self.access.get(token)
        return found if found is not None and now < found.expires else None

    def _client(self, form: dict[str, str], data_centre: str) -> Client:
        client = self.clients.get(form.get("client_id", ""))
        if client is None or not (client.multi_dc or data_centre == client.home):
            raise _refusal("invalid_client")
        if form.get("client_secret") != client.secret_for(data_centre):
            raise _refusal("invalid_client_secret")
        return client

    def _grants_of(self, consent: Consent) -> Iterable[Grant]:
        return [one for one in self.grants.values() if one.consent.client_id == consent.client_id]

    def _issue(self, consent: Consent, grant: Grant | None, now: float) -> AccessToken:
        token = AccessToken(self._secret(), consent, now + ACCESS_LIFE_S, grant.refresh_token if grant else None)
        self.access[token.token] = token
        if grant is not None:
            grant.access = [one for one in grant.access if self.check(one, now) is not None]
            grant.access.append(token.token)
            while len(grant.access) > ACTIVE_ACCESS_TOKENS:
                self.access.pop(grant.access.pop(0), None)
        return token

    def _end(self, grant: Grant) -> None:
        self.grants.pop(grant.refresh_token, None)
        for token in [key for key, one in self.access.items() if one.grant == grant.refresh_token]:
            del self.access[token]

    def _secret(self) -> str:
        return f"1000.{self.random.getrandbits(128):032x}.{self.random.getrandbits(128):032x}"


def _token_answer(access: AccessToken, consent: Consent) -> dict[str, Any]:
    return {
        "access_token": access.token,
        "scope": " ".join(sorted(consent.scopes)),
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFE_S,
    }
