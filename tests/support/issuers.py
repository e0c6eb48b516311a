"""An issuer of a test's own: keys, tokens, and a key set that can rotate or fall silent."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from config_api.callers.keys import EdgeFor, IssuerKeys
from config_api.callers.tokens import TokenVerifier, TrustedIssuer
from contactsync.adapters.http import HostGuard, HttpEdge
from tests.support.clock import ManualClock

ISSUER = "https://issuer.example.com/realms/one"
AUDIENCE = "contact-sync"
JWKS_URL = "https://keys.example.com/jwks"


class Issuer:
    """Signs what it is asked to sign."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.rsa = RSAKey.generate_key(2048, {"kid": "one"})
        self.ec = ECKey.generate_key("P-256", {"kid": "two"})
        self.published: list[dict[str, Any]] = [self.public(self.rsa), self.public(self.ec)]
        self.silent = False
        self.reads = 0

    @staticmethod
    def public(key: RSAKey | ECKey) -> dict[str, Any]:
        return dict(key.as_dict(private=False))

    def claims(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  JSON of any shape
        """Good claims, changed; a claim that is None is left out."""
        now = int(self.clock.now().timestamp())
        good = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ada",
            "organisation": "60001",
            "iat": now,
            "exp": now + 300,
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **changes: Any) -> str:  # noqa: ANN401  as above
        """A token by the RSA key."""
        full = {"alg": "RS256", "kid": "one", **(header or {})}
        return jwt.encode(full, self.claims(**changes), self.rsa, algorithms=[full["alg"]], default_type=None)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.reads += 1
        if self.silent:
            return httpx2.Response(503)
        assert str(request.url) == JWKS_URL
        return httpx2.Response(200, content=orjson.dumps({"keys": self.published}))

    def edge_for(self) -> EdgeFor:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        return lambda url: HttpEdge(client, HostGuard((), (url,)), self.clock)

    def verifier(self) -> TokenVerifier:
        """A verifier that trusts this issuer alone."""
        keys = IssuerKeys(ISSUER, JWKS_URL, self.edge_for(), self.clock)
        trusted = TrustedIssuer(ISSUER, AUDIENCE, frozenset({"RS256", "ES256"}), keys)
        return TokenVerifier([trusted], self.clock)
