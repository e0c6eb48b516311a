"""Grants and tokens: who may do what for whom, and until when.

Rules: Google, "Using OAuth 2.0 to Access Google APIs" (refresh token expiration) and "Using OAuth 2.0 for Web Server
Applications".
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulators.bench import Bench
from simulators.clock import isoformat
from simulators.google.settings import GoogleSettings, OAuthClient

SIGN_IN_SCOPES = frozenset(
    {
        "openid",
        "email",
        "profile",
        "https://www.googleapis.com/auth/userinfo.email",
        "https://www.googleapis.com/auth/userinfo.profile",
    }
)
_LONG_NAMES = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}
KNOWN_SCOPES = SIGN_IN_SCOPES | {
    "https://www.googleapis.com/auth/contacts",
    "https://www.googleapis.com/auth/contacts.readonly",
    "https://www.googleapis.com/auth/contacts.other.readonly",
    "https://www.googleapis.com/auth/directory.readonly",
}
_TESTING_LIFETIME = timedelta(days=7)


class OAuthError(Exception):
    """An error answer of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asked of the consent page."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    offline: bool
    prompt: frozenset[str]
    login_hint: str | None
    challenge: str | None
    challenge_method: str
    nonce: str | None
    include_granted: bool


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code and what it stands for."""

    request: AuthorizationRequest
    sub: str
    scopes: frozenset[str]
    refreshable: bool
    expires_at: datetime


@dataclass(slots=True)
class RefreshToken:
    """A live refresh token."""

    token: str
    client_id: str
    sub: str
    scopes: frozenset[str]
    used_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A live access token."""

    token: str
    client_id: str
    sub: str
    scopes: frozenset[str]
    expires_at: datetime
    refresh_token: str | None


@dataclass(slots=True)
class Issued:
    """The tokens of one answer."""

    access: AccessToken
    refresh: RefreshToken | None = None
    nonce: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Authorization:
    """All codes, tokens and consents."""

    def __init__(self, bench: Bench[GoogleSettings]) -> None:
        self._bench = bench
        self.reset()

    def reset(self) -> None:
        """Forget every code, token and consent."""
        self._codes: dict[str, Code | None] = {}
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._consents: dict[tuple[str, str], frozenset[str]] = {}

    # Clients

    def client(self, client_id: str) -> OAuthClient | None:
        """A registered client."""
        return self._bench.settings.clients.get(client_id)

    def authenticate(self, client_id: str, secret: str) -> None:
        """Nothing, or OAuthError 401 for an unknown client or a wrong secret."""
        client = self.client(client_id)
        if client is None:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if not secrets.compare_digest(client.secret.encode(), secret.encode()):
            raise OAuthError("invalid_client", "Unauthorized", 401)

    # Consent

    def consented(self, client_id: str, sub: str) -> frozenset[str]:
        """The scopes that the user has granted to the client so far."""
        return self._consents.get((client_id, sub), frozenset())

    def grant(self, request: AuthorizationRequest, sub: str, scopes: frozenset[str]) -> str:
        """An authorization code for what the user ticked.

        It brings a refresh token with `access_type=offline` and a first consent or `prompt=consent`.
        """
        before = self.consented(request.client_id, sub)
        first = not before or not scopes <= before
        granted = frozenset(_LONG_NAMES.get(scope, scope) for scope in scopes)
        self._consents[request.client_id, sub] = before | granted | scopes
        if request.include_granted:
            granted |= frozenset(_LONG_NAMES.get(scope, scope) for scope in before)
        code = f"4/0A{secrets.token_urlsafe(40)}"
        refreshable = request.offline and (first or "consent" in request.prompt)
        expires = self._now() + timedelta(seconds=self._bench.settings.code_lifetime_s)
        self._codes[code] = Code(request, sub, granted, refreshable, expires)
        return code

    def redeem(self, code: str, client_id: str, redirect_uri: str, verifier: str | None) -> Issued:
        """The tokens for a code. Raises OAuthError: unknown, used, expired, of another client or address, bad proof."""
        if code not in self._codes:
            raise OAuthError("invalid_grant", "Malformed auth code.")
        found = self._codes[code]
        self._codes[code] = None  # a code is single use, whatever comes of it
        if found is None or found.expires_at <= self._now() or found.request.client_id != client_id:
            raise OAuthError("invalid_grant", "Bad Request")
        if found.request.redirect_uri != redirect_uri:
            raise OAuthError("redirect_uri_mismatch", "Bad Request")
        _check_proof(found.request, verifier)
        refresh = self._new_refresh(client_id, found.sub, found.scopes) if found.refreshable else None
        access = self._new_access(client_id, found.sub, found.scopes, refresh.token if refresh else None)
        issued = Issued(access, refresh, found.request.nonce)
        if refresh is not None and refresh.expires_at is not None:
            issued.extra["refresh_token_expires_in"] = int((refresh.expires_at - self._now()).total_seconds())
        return issued

    # Tokens

    def refresh(self, token: str, client_id: str, scope: str | None) -> Issued:
        """A new access token. Raises OAuthError `invalid_grant` for a token that is dead or of another client."""
        found = self._refresh.get(token)
        if found is None or found.client_id != client_id or self._dead(found):
            self._refresh.pop(token, None)
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        scopes = found.scopes
        if scope:
            asked = frozenset(_LONG_NAMES.get(name, name) for name in scope.split())
            if not asked & found.scopes:
                raise OAuthError("invalid_scope", "Bad Request")
            scopes = found.scopes & asked
        found.used_at = self._now()
        replacement = None
        if self._bench.settings.rotate_refresh_tokens:
            del self._refresh[token]
            replacement = self._new_refresh(client_id, found.sub, found.scopes)
        carrier = replacement or found
        return Issued(self._new_access(client_id, found.sub, scopes, carrier.token), replacement)

    def access_token(self, token: str) -> AccessToken | None:
        """A live access token."""
        found = self._access.get(token)
        if found is not None and found.expires_at <= self._now():
            del self._access[token]
            return None
        return found

    def issue(
        self, client_id: str, sub: str, scopes: frozenset[str], *, offline: bool, lifetime_s: float | None = None
    ) -> Issued:
        """Tokens without any consent, for tests."""
        self._consents[client_id, sub] = self.consented(client_id, sub) | scopes
        refresh = self._new_refresh(client_id, sub, scopes) if offline else None
        return Issued(self._new_access(client_id, sub, scopes, refresh.token if refresh else None, lifetime_s), refresh)

    def revoke_token(self, token: str) -> None:
        """End the grant behind an access or refresh token. Raises OAuthError `invalid_token`."""
        found = self._refresh.get(token) or self._access.get(token)
        if found is None:
            raise OAuthError("invalid_token", "Token expired or revoked")
        self.revoke(found.sub, found.client_id)

    def revoke(self, sub: str, client_id: str | None = None) -> int:
        """End what the user granted, to one client or to all; how many tokens died."""

        def meant(token: RefreshToken | AccessToken) -> bool:
            return token.sub == sub and client_id in {None, token.client_id}

        dead = [t for t in self._refresh.values() if meant(t)], [t for t in self._access.values() if meant(t)]
        for refresh in dead[0]:
            del self._refresh[refresh.token]
        for access in dead[1]:
            del self._access[access.token]
        for client, user in list(self._consents):
            if user == sub and client_id in {None, client}:
                del self._consents[client, user]
        return len(dead[0]) + len(dead[1])

    def as_json(self) -> list[dict[str, Any]]:
        """The consents with the numbers of their live tokens; no token is shown."""
        return [
            {
                "client_id": client_id,
                "sub": sub,
                "scopes": sorted(scopes),
                "refresh_tokens": [
                    {"used_at": isoformat(t.used_at), "expires_at": isoformat(t.expires_at) if t.expires_at else None}
                    for t in self._refresh.values()
                    if (t.client_id, t.sub) == (client_id, sub)
                ],
                "access_tokens": sum((t.client_id, t.sub) == (client_id, sub) for t in self._access.values()),
            }
            for (client_id, sub), scopes in self._consents.items()
        ]

    # Inside

    def _now(self) -> datetime:
        return self._bench.clock.now()

    def _dead(self, token: RefreshToken) -> bool:
        idle = timedelta(seconds=self._bench.settings.refresh_token_idle_s)
        expired = token.expires_at is not None and token.expires_at <= self._now()
        return expired or token.used_at + idle <= self._now()

    def _new_refresh(self, client_id: str, sub: str, scopes: frozenset[str]) -> RefreshToken:
        settings, expires = self._bench.settings, None
        if settings.publishing_status == "testing" and not scopes <= SIGN_IN_SCOPES:
            expires = self._now() + _TESTING_LIFETIME
        if settings.time_limited_grant_s is not None:
            expires = self._now() + timedelta(seconds=settings.time_limited_grant_s)
        token = RefreshToken(f"1//0{secrets.token_urlsafe(48)}", client_id, sub, scopes, self._now(), expires)
        mine = [t.token for t in self._refresh.values() if (t.client_id, t.sub) == (client_id, sub)]
        for oldest in mine[: max(0, len(mine) + 1 - settings.refresh_token_limit)]:
            del self._refresh[oldest]
        self._refresh[token.token] = token
        return token

    def _new_access(
        self, client_id: str, sub: str, scopes: frozenset[str], refresh: str | None, lifetime_s: float | None = None
    ) -> AccessToken:
        lifetime = timedelta(seconds=lifetime_s or self._bench.settings.access_token_lifetime_s)
        text = f"ya29.{secrets.token_urlsafe(60)}"
        token = AccessToken(text, client_id, sub, scopes, self._now() + lifetime, refresh)
        self._access[text] = token
        return token


def _check_proof(request: AuthorizationRequest, verifier: str | None) -> None:
    """Nothing, or OAuthError where the PKCE verifier does not fit the challenge (RFC 7636, section 4.6)."""
    if request.challenge is None:
        return
    if not verifier:
        raise OAuthError("invalid_grant", "Missing code verifier.")
    shown = verifier
    if request.challenge_method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        shown = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if not secrets.compare_digest(shown.encode(), request.challenge.encode()):
        raise OAuthError("invalid_grant", "Invalid code verifier.")
