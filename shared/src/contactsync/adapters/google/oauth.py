"""Consent, tokens and identity at Google: OAuth 2 code flow with PKCE, and OpenID Connect for who it was.

A refresh token comes only with `access_type=offline` and either the first consent or `prompt=consent`, so both are
always asked for. Users may untick scopes, so what was granted is read from every answer. An account is known by `sub`,
never by its address (Google, "Using OAuth 2.0 for Web Server Applications"; "OpenID Connect").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]  # ships no types
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import FORM, Answer, HttpEdge, OutboundRequest, form_content
from contactsync.errors import AuthorizationLostError, ContactSyncError, ProviderContractError, RateLimitedError
from contactsync.ports.clock import Clock
from contactsync.ports.vault import AccessToken

CONTACTS_SCOPE: Final = "https://www.googleapis.com/auth/contacts"
"""The one scope that can write contacts."""
SIGN_IN_SCOPES: Final = ("openid", "email")

_LONG_SCOPES: Final = {
    "https://www.googleapis.com/auth/userinfo.email": "email",
    "https://www.googleapis.com/auth/userinfo.profile": "profile",
}
_CLIENT_ERRORS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "deleted_client", "redirect_uri_mismatch", "unsupported_grant_type"}
)
_CLOCK_SKEW_S: Final = 60
_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class GoogleOAuthClient:
    """The client as registered with Google."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoogleIdentity:
    """Who gave the grant. `subject` never changes; the address may."""

    subject: str
    email: str
    email_verified: bool
    hosted_domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleTokens:
    """Tokens of one answer. Without a `refresh_token` the one already held stays in use."""

    access: AccessToken
    refresh_token: str | None = field(default=None, repr=False)
    scopes: frozenset[str] = frozenset()
    refresh_expires_at: datetime | None = None
    """Only where the user granted access for a time."""


@dataclass(frozen=True, slots=True)
class GoogleGrant:
    """What consent brought: tokens, and whose they are."""

    tokens: GoogleTokens
    identity: GoogleIdentity


class GoogleOAuth:
    """Google's authorization server, for one registered client."""

    def __init__(self, edge: HttpEdge, endpoints: GoogleEndpoints, client: GoogleOAuthClient, clock: Clock) -> None:
        self._edge = edge
        self._endpoints = endpoints
        self._client = client
        self._clock = clock
        self._keys: KeySet | None = None

    def authorize_url(
        self, *, redirect_uri: str, state: str, code_verifier: str, nonce: str, login_hint: str | None = None
    ) -> str:
        """Where to send the user's browser. `state`, `code_verifier` and `nonce` are random and used once."""
        query = {
            "client_id": self._client.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join((*SIGN_IN_SCOPES, CONTACTS_SCOPE)),
            "state": state,
            "nonce": nonce,
            "access_type": "offline",
            "prompt": "consent",
            "include_granted_scopes": "true",
            "code_challenge": create_s256_code_challenge(code_verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._endpoints.auth_url}?{urlencode(query | ({'login_hint': login_hint} if login_hint else {}))}"

    async def exchange(self, *, code: str, code_verifier: str, redirect_uri: str, nonce: str) -> GoogleGrant:
        """The grant behind an authorization code.

        Raises AuthorizationLostError(`needs_reconnect`) for a code that is spent, old or forged, (`missing_scope`)
        when the user unticked contacts; ProviderContractError when the client itself or the identity is refused.
        """
        body = await self._token_call(
            "oauth.exchange",
            {
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": code_verifier,
                "redirect_uri": redirect_uri,
            },
        )
        tokens = self._tokens(body)
        if tokens.refresh_token is None:
            raise AuthorizationLostError("Google gave no refresh token", reason="needs_reconnect")
        return GoogleGrant(tokens, await self._identity(str(body.get("id_token", "")), nonce))

    async def refresh(self, refresh_token: str) -> GoogleTokens:
        """A new access token. Raises AuthorizationLostError when the grant is gone: asking again is of no use."""
        body = await self._token_call("oauth.refresh", {"grant_type": "refresh_token", "refresh_token": refresh_token})
        return self._tokens(body)

    async def revoke(self, token: str) -> None:
        """End the grant behind an access or refresh token; one that is gone already counts as ended."""
        answer = await self._post("oauth.revoke", self._endpoints.revoke_url, {"token": token})
        if answer.is_success or answer.error_object().get("error") in {"invalid_token", "invalid_grant"}:
            return
        raise _refusal(answer)

    async def _token_call(self, operation: str, fields: Mapping[str, str]) -> dict[str, Any]:
        client = {"client_id": self._client.client_id, "client_secret": self._client.client_secret}
        answer = await self._post(operation, self._endpoints.token_url, {**fields, **client})
        if not answer.is_success:
            raise _refusal(answer)
        return answer.json_object()

    async def _post(self, operation: str, url: str, fields: Mapping[str, str]) -> Answer:
        request = OutboundRequest(
            operation=operation, method="POST", url=url, headers={"Content-Type": FORM}, content=form_content(fields)
        )
        return await self._edge.send(request)

    def _tokens(self, body: Mapping[str, Any]) -> GoogleTokens:
        value, lifetime, scope = body.get("access_token"), body.get("expires_in"), body.get("scope")
        if not isinstance(value, str) or not isinstance(lifetime, int | float) or not isinstance(scope, str):
            raise ProviderContractError("a token answer without token, lifetime or scope")
        scopes = frozenset(_LONG_SCOPES.get(name, name) for name in scope.split())
        if CONTACTS_SCOPE not in scopes:
            raise AuthorizationLostError("contacts were not granted", reason="missing_scope")
        now = self._clock.now()
        limited = body.get("refresh_token_expires_in")
        return GoogleTokens(
            access=AccessToken(value, now + timedelta(seconds=lifetime), self._endpoints.people_url),
            refresh_token=body.get("refresh_token"),
            scopes=scopes,
            refresh_expires_at=now + timedelta(seconds=limited) if isinstance(limited, int | float) else None,
        )

    async def _identity(self, id_token: str, nonce: str) -> GoogleIdentity:
        """Whom the signed token names, checked as OpenID Connect Core, 3.1.3.7 asks."""
        claims = await self._verified(id_token)
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_CLOCK_SKEW_S,
            iss={"essential": True, "values": list(self._endpoints.issuers)},
            aud={"essential": True, "value": self._client.client_id},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        # When it was issued is of no interest: it comes from Google itself and answers our nonce, and a clock of ours
        # that is late must keep nobody from connecting.
        claims.pop("iat", None)
        try:
            registry.validate(claims)
        except JoseError as error:
            raise ProviderContractError(f"identity token refused: {error.error}", reason="identity_refused") from error
        return GoogleIdentity(
            str(claims["sub"]),
            str(claims.get("email", "")),
            claims.get("email_verified") in {True, "true"},
            claims.get("hd"),
        )

    async def _verified(self, id_token: str) -> dict[str, Any]:
        """The claims of a token that Google's keys have signed; keys are read again once when none of them fits."""
        fresh = self._keys is None
        keys = self._keys or await self._read_keys()
        while True:
            try:
                return dict(jwt.decode(id_token, keys, algorithms=["RS256"]).claims)
            except (JoseError, ValueError) as error:
                if fresh:
                    message = "identity token without a valid signature"
                    raise ProviderContractError(message, reason="identity_refused") from error
            keys, fresh = await self._read_keys(), True

    async def _read_keys(self) -> KeySet:
        request = OutboundRequest(operation="oauth.keys", method="GET", url=self._endpoints.jwks_url)
        answer = await self._edge.send(request)
        if not answer.is_success:
            raise _refusal(answer)
        try:
            self._keys = KeySet.import_key_set(answer.json_object())  # type: ignore[arg-type]  # checked by the import
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise answer.unreadable("no key set") from error
        return self._keys


def _refusal(answer: Answer) -> ContactSyncError:
    """The error that an answer of the authorization server stands for (RFC 6749, 5.2; not the API's envelope)."""
    body = answer.error_object()
    error = str(body.get("error", ""))
    if answer.status == _TOO_MANY_REQUESTS:
        return RateLimitedError("too many token requests", reason="google_quota", retry_after_s=answer.retry_after_s)
    if error == "invalid_grant":
        # Also `error_subtype: invalid_rapt`, a Workspace session that ended: only the user can end either.
        subtype = str(body.get("error_subtype", ""))
        return AuthorizationLostError("Google does not know the grant any more", details={"subtype": subtype})
    details = {"operation": answer.operation, "status": answer.status, "error": error}
    if error in _CLIENT_ERRORS:
        return ProviderContractError("Google refuses this client", reason="oauth_client_refused", details=details)
    return ProviderContractError("Google refuses the request", details=details)
