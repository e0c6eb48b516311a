"""Signed tokens, checked as RFC 8725 and RFC 9068 ask: who issued them, for whom, when, with which key and how."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError

from config_api.callers.keys import IssuerKeys, SigningKey
from contactsync.ports.clock import Clock

_CLOCK_SKEW_S: Final = 60
_LONGEST: Final = 16 * 1024
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
"""Media types of tokens for callers; a logout token or a proof of possession is none."""
_FOREIGN_KEYS: Final = frozenset({"jku", "jwk", "x5u", "crit", "b64"})
"""Headers that would let a token bring its own key, or change what is signed."""
_MOST_KEPT: Final = 10_000


class TokenRefusedError(Exception):
    """The token is not believed; the message names the check, and no value of the token."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One issuer: its name, its keys, the audience that tokens for us carry, the algorithms it signs with."""

    name: str
    audience: str
    algorithms: frozenset[str]
    keys: IssuerKeys


@dataclass(frozen=True, slots=True)
class _Unproven:
    """What a token says about itself before anything is checked."""

    issuer: object
    header: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token says, and the key by which that is believed."""

    claims: Mapping[str, Any]
    issuer: TrustedIssuer
    kid: str | None
    algorithm: str
    key: SigningKey


class TokenVerifier:
    """Believes tokens of the trusted issuers alone.

    A caller sends the same token again and again: one that held is remembered by its digest, and from then on asked
    only for what can change, its end and its key.
    """

    def __init__(self, issuers: Collection[TrustedIssuer], clock: Clock) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._clock = clock
        self._kept: OrderedDict[bytes, _Verified] = OrderedDict()

    async def claims(self, token: str, *, audience: str | None = None, nonce: str | None = None) -> Mapping[str, Any]:
        """The claims of a token that holds. `audience` and `nonce` are those of a sign-in.

        Raises TokenRefusedError; ProviderUnavailableError and ProviderContractError when keys cannot be read.
        """
        if audience is not None or nonce is not None:  # of a sign-in, and shown once
            return (await self._verified(token, audience, nonce)).claims
        digest = sha256(token.encode()).digest()
        kept = self._kept.pop(digest, None)
        if kept is None or not await self._still_holds(kept):
            kept = await self._verified(token)
        self._kept[digest] = kept
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept.claims

    async def _still_holds(self, kept: _Verified) -> bool:
        """Whether it has not ended, and its issuer still publishes its key; what else it says of time has come true."""
        in_time = bool(kept.claims["exp"] >= self._now() - _CLOCK_SKEW_S)
        return in_time and await kept.issuer.keys.find(kept.kid, kept.algorithm) is kept.key

    async def _verified(self, token: str, audience: str | None = None, nonce: str | None = None) -> _Verified:
        unproven = _unproven(token)
        issuer = self._issuers.get(unproven.issuer) if isinstance(unproven.issuer, str) else None
        if issuer is None:
            raise TokenRefusedError("iss")
        algorithm = _algorithm(unproven.header, issuer.algorithms)
        kid = unproven.header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise TokenRefusedError("kid")
        key = await issuer.keys.find(kid, algorithm)
        if key is None:
            raise TokenRefusedError("kid")
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm], registry=registry).claims
            self._expected(issuer, audience or issuer.audience, nonce).validate(claims)
        except (JoseError, ValueError) as error:
            raise TokenRefusedError(type(error).__name__) from error
        return _Verified(claims, issuer, kid, algorithm, key)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _expected(self, issuer: TrustedIssuer, audience: str, nonce: str | None) -> jwt.JWTClaimsRegistry:
        options: dict[str, jwt.ClaimsOption] = {}
        if nonce is not None:
            options["nonce"] = {"essential": True, "value": nonce}
        return jwt.JWTClaimsRegistry(
            now=self._now(),
            leeway=_CLOCK_SKEW_S,
            iss={"essential": True, "value": issuer.name},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
            **options,
        )


def _unproven(token: str) -> _Unproven:
    """Header and issuer, read to find the key by which they are then checked."""
    if len(token) > _LONGEST:
        raise TokenRefusedError("size")
    try:
        parts = jws.extract_compact(token.encode("ascii"))
        payload = orjson.loads(parts.payload)
        header = parts.headers()
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefusedError("form") from error
    if not isinstance(payload, dict) or not isinstance(header, dict):
        raise TokenRefusedError("form")
    return _Unproven(payload.get("iss"), header)


def _algorithm(header: Mapping[str, Any], allowed: Collection[str]) -> str:
    if _FOREIGN_KEYS & header.keys():
        raise TokenRefusedError("header")
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise TokenRefusedError("typ")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise TokenRefusedError("alg")
    return algorithm


def claim(claims: Mapping[str, Any], name: str) -> object:
    """A claim by its name, which may be an address with dots in it, or else by a dotted path (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
