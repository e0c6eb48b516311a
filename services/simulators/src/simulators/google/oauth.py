"""The OAuth and OpenID endpoints: authorize, token, revoke, tokeninfo, userinfo, discovery, keys.

Sources: RFC 6749, RFC 7009, RFC 7636; OpenID Connect Core and Discovery; Google, "Using OAuth 2.0 for Web Server
Applications".
"""

from __future__ import annotations

import binascii
import secrets
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.google.addressbook import AddressBook, Owner
from simulators.google.authorization import (
    KNOWN_SCOPES,
    SIGN_IN_SCOPES,
    AccessToken,
    Authorization,
    AuthorizationRequest,
    Issued,
    OAuthError,
)
from simulators.google.consent import consent_page, error_page
from simulators.google.simulator import GoogleSimulator
from simulators.requestlog import Call

_ID_TOKEN_S = 3600
_REDIRECT = 302
_KEY_BITS = 2048


class OAuthEndpoints:
    """The endpoints of accounts.google.com, oauth2.googleapis.com and openidconnect.googleapis.com on one host."""

    def __init__(self, simulator: GoogleSimulator) -> None:
        self._sim = simulator
        self._waiting: dict[str, AuthorizationRequest] = {}
        self._key: RSAKey | None = None

    @property
    def _auth(self) -> Authorization:
        return self._sim.authorization

    def routes(self) -> list[Route]:
        """Their routes."""
        table: list[tuple[str, str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("oauth.authorize", "GET", "/o/oauth2/v2/auth", self.authorize),
            ("oauth.consent", "POST", "/o/oauth2/v2/auth/answer", self.answer),
            ("oauth.token", "POST", "/token", self.token),
            ("oauth.revoke", "POST", "/revoke", self.revoke),
            ("oauth.tokeninfo", "GET", "/tokeninfo", self.tokeninfo),
            ("oauth.userinfo", "GET", "/v1/userinfo", self.userinfo),
            ("oauth.userinfo", "GET", "/oauth2/v2/userinfo", self.userinfo_v2),
            ("oauth.discovery", "GET", "/.well-known/openid-configuration", self.discovery),
            ("oauth.certs", "GET", "/oauth2/v3/certs", self.certs),
        ]
        return [Route(path, self._logged(name, handle), methods=[http]) for name, http, path, handle in table]

    def _logged(
        self, operation: str, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            async def act() -> Response:
                try:
                    return await handle(request)
                except OAuthError as error:
                    body = {"error": error.error, "error_description": error.description}
                    return _json(body, error.status)

            return await self._sim.bench.perform(request, Call(operation), act)

        return endpoint

    # Consent

    async def authorize(self, request: Request) -> Response:
        """The consent page; or, where the settings answer for the user, the redirect at once."""
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        try:
            asked = self._asked(query)
        except OAuthError as error:
            return HTMLResponse(error_page(error.error, error.description), error.status)
        settings = self._sim.settings
        answer = query.get("simulate_consent", settings.consent)
        book = self._choice(query.get("simulate_account") or settings.consent_account, asked)
        if answer == "deny":
            return _redirect(asked, {"error": "access_denied"})
        if answer == "approve" or self._settled(asked, book):
            if book is None:
                return HTMLResponse(error_page("invalid_request", "There is no such account."), 400)
            return self._approve(asked, book, self._ticked(query, asked))
        if "none" in asked.prompt:
            return _redirect(asked, {"error": "interaction_required"})
        ticket = secrets.token_urlsafe(24)
        self._waiting[ticket] = asked
        owners = [each.owner for each in self._sim.books.values()]
        chosen = book.owner.sub if book else None
        return HTMLResponse(consent_page(ticket, asked.client_id, owners, chosen, asked.scopes))

    async def answer(self, request: Request) -> Response:
        """What the user chose on the page."""
        form = parse_qsl((await request.body()).decode())
        values = dict(form)
        asked = self._waiting.pop(values.get("ticket", ""), None)
        if asked is None:
            return HTMLResponse(error_page("invalid_request", "This page was answered already."), 400)
        if values.get("answer") != "allow":
            return _redirect(asked, {"error": "access_denied"})
        book = self._sim.account(values.get("account", ""))
        if book is None:
            return HTMLResponse(error_page("invalid_request", "Choose an account."), 400)
        return self._approve(asked, book, frozenset(value for name, value in form if name == "scope"))

    def _asked(self, query: Mapping[str, str]) -> AuthorizationRequest:
        """The authorization request. Raises OAuthError for what Google shows on a page of its own."""
        client = self._auth.client(query.get("client_id", ""))
        if client is None:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if query.get("redirect_uri", "") not in client.redirect_uris:
            raise OAuthError("redirect_uri_mismatch", "The redirect_uri is not registered for this client.")
        if query.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code.")
        scopes = tuple(dict.fromkeys(query.get("scope", "").split()))
        if not scopes or not KNOWN_SCOPES.issuperset(scopes):
            raise OAuthError("invalid_scope", "Some requested scopes were invalid.")
        method = query.get("code_challenge_method", "plain")
        if method not in {"S256", "plain"}:
            raise OAuthError("invalid_request", "code_challenge_method must be S256 or plain.")
        return AuthorizationRequest(
            client_id=query["client_id"],
            redirect_uri=query["redirect_uri"],
            scopes=scopes,
            state=query.get("state"),
            offline=query.get("access_type") == "offline",
            prompt=frozenset(query.get("prompt", "").split()),
            login_hint=query.get("login_hint"),
            challenge=query.get("code_challenge"),
            challenge_method=method,
            nonce=query.get("nonce"),
            include_granted=query.get("include_granted_scopes") == "true",
        )

    def _choice(self, wanted: str | None, asked: AuthorizationRequest) -> AddressBook | None:
        """The account that is meant: named by the simulator's user, hinted by the client, or the first."""
        if wanted:
            return self._sim.account(wanted)
        if asked.login_hint:
            return self._sim.account(asked.login_hint)
        return next(iter(self._sim.books.values()), None)

    def _settled(self, asked: AuthorizationRequest, book: AddressBook | None) -> bool:
        """Whether a hinted user has agreed to all of it before, so that no page is shown."""
        if book is None or asked.login_hint is None or asked.prompt & {"consent", "select_account"}:
            return False
        return self._auth.consented(asked.client_id, book.owner.sub).issuperset(asked.scopes)

    def _ticked(self, query: Mapping[str, str], asked: AuthorizationRequest) -> frozenset[str]:
        scopes = query["simulate_scopes"].split() if "simulate_scopes" in query else self._sim.settings.consent_scopes
        return frozenset(asked.scopes if scopes is None else scopes)

    def _approve(self, asked: AuthorizationRequest, book: AddressBook, ticked: frozenset[str]) -> Response:
        """The redirect with a code; sign-in scopes cannot be unticked."""
        scopes = frozenset(asked.scopes) & (ticked | SIGN_IN_SCOPES)
        if not scopes:
            return _redirect(asked, {"error": "access_denied"})
        code = self._auth.grant(asked, book.owner.sub, scopes)
        return _redirect(asked, {"code": code, "scope": " ".join(sorted(scopes))})

    # Tokens

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token."""
        form = await _form(request)
        kind = form.get("grant_type")
        if kind not in {"authorization_code", "refresh_token"}:
            raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {kind}")
        client_id, secret = _client_of(request, form)
        self._auth.authenticate(client_id, secret)
        if kind == "authorization_code":
            code, address = _required(form, "code"), _required(form, "redirect_uri")
            issued = self._auth.redeem(code, client_id, address, form.get("code_verifier"))
        else:
            issued = self._auth.refresh(_required(form, "refresh_token"), client_id, form.get("scope"))
        return _json(self._token_body(request, issued))

    def _token_body(self, request: Request, issued: Issued) -> dict[str, Any]:
        access = issued.access
        left = access.expires_at - self._sim.bench.clock.now()
        body: dict[str, Any] = {
            "access_token": access.token,
            "expires_in": round(left.total_seconds()),
            "scope": " ".join(sorted(access.scopes)),
            "token_type": "Bearer",
            **issued.extra,
        }
        if issued.refresh is not None:
            body["refresh_token"] = issued.refresh.token
        book = self._sim.books.get(access.sub)
        if "openid" in access.scopes and book is not None:
            body["id_token"] = self._id_token(_base(request), book.owner, issued)
        return body

    def _id_token(self, issuer: str, owner: Owner, issued: Issued) -> str:
        now = int(self._sim.bench.clock.now().timestamp())
        client = issued.access.client_id
        claims: dict[str, Any] = {
            "iss": issuer,
            "azp": client,
            "aud": client,
            "sub": owner.sub,
            "iat": now,
            "exp": now + _ID_TOKEN_S,
        }
        claims |= _identity(owner, issued.access)
        if issued.nonce is not None:
            claims["nonce"] = issued.nonce
        key = self._signing_key()
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims, key)

    def _signing_key(self) -> RSAKey:
        if self._key is None:  # made when first needed: it takes a noticeable moment
            self._key = RSAKey.generate_key(_KEY_BITS, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        return self._key

    async def revoke(self, request: Request) -> Response:
        """End a grant by one of its tokens, in the form or in the address."""
        form = await _form(request)
        self._auth.revoke_token(form.get("token") or request.query_params.get("token", ""))
        return _json({})

    # Identity

    async def tokeninfo(self, request: Request) -> Response:
        """What an access token stands for."""
        token = self._auth.access_token(request.query_params.get("access_token", ""))
        if token is None:
            raise OAuthError("invalid_token", "Invalid Value")
        book = self._sim.books[token.sub]
        left = (token.expires_at - self._sim.bench.clock.now()).total_seconds()
        body = {
            "azp": token.client_id,
            "aud": token.client_id,
            "scope": " ".join(sorted(token.scopes)),
            "exp": str(int(token.expires_at.timestamp())),
            "expires_in": str(int(left)),
            "access_type": "offline",
            "sub": token.sub,
        }
        return _json(body | {name: str(value).lower() for name, value in _identity(book.owner, token).items()})

    async def userinfo(self, request: Request) -> Response:
        """OpenID claims of the token's user."""
        token, owner = self._bearer(request)
        return _json({"sub": owner.sub} | _identity(owner, token))

    async def userinfo_v2(self, request: Request) -> Response:
        """The older shape of the same."""
        token, owner = self._bearer(request)
        claims = _identity(owner, token)
        if "email_verified" in claims:
            claims["verified_email"] = claims.pop("email_verified")
        return _json({"id": owner.sub} | claims)

    def _bearer(self, request: Request) -> tuple[AccessToken, Owner]:
        token = self._auth.access_token(request.headers.get("authorization", "").removeprefix("Bearer ").strip())
        if token is None or token.sub not in self._sim.books:
            raise OAuthError("invalid_request", "Invalid Credentials", 401)
        return token, self._sim.books[token.sub].owner

    async def discovery(self, request: Request) -> Response:
        """The OpenID configuration."""
        base = _base(request)
        return _json(
            {
                "issuer": base,
                "authorization_endpoint": base + "/o/oauth2/v2/auth",
                "token_endpoint": base + "/token",
                "revocation_endpoint": base + "/revoke",
                "userinfo_endpoint": base + "/v1/userinfo",
                "jwks_uri": base + "/oauth2/v3/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "email", "profile"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "code_challenge_methods_supported": ["plain", "S256"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
            }
        )

    async def certs(self, request: Request) -> Response:
        """The public key of ID tokens."""
        del request
        return _json({"keys": [self._signing_key().as_dict(private=False)]})


def _identity(owner: Owner, token: AccessToken) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    if token.scopes & {"email", "https://www.googleapis.com/auth/userinfo.email"}:
        claims |= {"email": owner.email, "email_verified": True}
    if token.scopes & {"profile", "https://www.googleapis.com/auth/userinfo.profile"}:
        names = {"given_name": owner.given_name, "family_name": owner.family_name}
        names["name"] = " ".join(filter(None, names.values()))
        claims |= {name: value for name, value in names.items() if value}
    if owner.hosted_domain:
        claims["hd"] = owner.hosted_domain
    return claims


def _redirect(asked: AuthorizationRequest, values: dict[str, str]) -> Response:
    """Back to the client, with its state unchanged."""
    if asked.state is not None:
        values = {"state": asked.state} | values
    joint = "&" if urlsplit(asked.redirect_uri).query else "?"
    return RedirectResponse(asked.redirect_uri + joint + urlencode(values), _REDIRECT)


async def _form(request: Request) -> dict[str, str]:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise OAuthError("invalid_request", "The body must be form-encoded.")
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def _client_of(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret from the form, or from HTTP Basic."""
    if "client_id" in form:
        return form["client_id"], form.get("client_secret", "")
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.casefold() != "basic":
        raise OAuthError("invalid_request", "Could not determine client ID from request.")
    return _basic(encoded)


def _basic(encoded: str) -> tuple[str, str]:
    try:
        client_id, _, secret = b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "Unauthorized", 401) from error
    return unquote(client_id), unquote(secret)


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise OAuthError("invalid_request", f"Missing required parameter: {name}")
    return form[name]


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _json(value: object, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(value), status, headers, media_type="application/json; charset=utf-8")
