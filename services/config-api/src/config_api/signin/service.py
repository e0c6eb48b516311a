"""The authorization code flow at the issuer (OpenID Connect Core, 3.1; RFC 7636; RFC 9700)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import orjson
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]  # ships no types

from config_api.callers.keys import EdgeFor, IssuerKeys
from config_api.callers.tokens import TokenRefusedError, TokenVerifier
from config_api.web.problems import ProblemError
from contactsync.adapters.http import FORM, OutboundRequest, form_content
from contactsync.ports.callers import Tickets

_KIND: Final = "sign_in"
LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SignInClient:
    """Our registration with the issuer. Without a secret it is a public client, which PKCE protects."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way: where the browser goes, and the secret that it keeps meanwhile."""

    authorization_url: str
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """What the issuer says, believed, and where on the page the browser came from."""

    claims: Mapping[str, Any] = field(repr=False)
    return_path: str


class SignIn:
    """One issuer, one client."""

    def __init__(
        self, client: SignInClient, issuer: IssuerKeys, verifier: TokenVerifier, tickets: Tickets, edge_for: EdgeFor
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._verifier = verifier
        self._tickets = tickets
        self._edge_for = edge_for

    async def begin(self, return_path: str) -> Begun:
        """A fresh sign-in; `return_path` is a path of our own page."""
        metadata = await self._issuer.metadata()
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        content = orjson.dumps({"verifier": verifier, "nonce": nonce, "return_path": return_path})
        state = await self._tickets.issue(_KIND, content, LIFETIME)
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": " ".join(self._client.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        url = self._issuer.endpoint(metadata, "authorization_endpoint")
        return Begun(f"{url}{'&' if '?' in url else '?'}{urlencode(query)}", state)

    async def finish(self, *, state: str, browser_state: str | None, code: str, issuer: str | None) -> Finished:
        """The end of a sign-in that this browser began. Raises problems for anything else."""
        if browser_state is None or not secrets.compare_digest(state.encode(), browser_state.encode()):
            raise ProblemError("state_invalid")
        content = await self._tickets.take(_KIND, state)
        if content is None:
            raise ProblemError("state_invalid")
        begun = orjson.loads(content)
        metadata = await self._issuer.metadata()
        if issuer is not None and issuer != metadata["issuer"]:  # mix-up, RFC 9207
            raise ProblemError("state_invalid")
        token = await self._exchange(metadata, code, begun["verifier"])
        try:
            claims = await self._verifier.claims(token, audience=self._client.client_id, nonce=begun["nonce"])
        except TokenRefusedError:
            raise ProblemError("state_invalid") from None
        return Finished(claims, begun["return_path"])

    async def abandon(self, state: str) -> None:
        """The issuer says that the person refused, or that it cannot: the secret is used up."""
        await self._tickets.take(_KIND, state)

    async def _exchange(self, metadata: Mapping[str, Any], code: str, verifier: str) -> str:
        url = self._issuer.endpoint(metadata, "token_endpoint")
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": verifier,
        }
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        headers = {"Content-Type": FORM}
        secret = self._client.client_secret
        if secret and "client_secret_basic" in methods:
            headers["Authorization"] = _basic(self._client.client_id, secret)
        else:
            fields |= {"client_id": self._client.client_id, **({"client_secret": secret} if secret else {})}
        request = OutboundRequest(
            operation="issuer.token", method="POST", url=url, headers=headers, content=form_content(fields)
        )
        answer = await self._edge_for(url).send(request)
        token = answer.error_object().get("id_token") if answer.is_success else None
        if not isinstance(token, str):
            raise ProblemError("state_invalid")
        return token


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749, 2.3.1: both parts are form-encoded before they are joined."""
    return "Basic " + base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
