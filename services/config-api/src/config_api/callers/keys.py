"""The signing keys of one issuer: read from its key set, kept, and read again when they rotate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from contactsync.adapters.http import HttpEdge, OutboundRequest
from contactsync.errors import ProviderContractError, ProviderUnavailableError
from contactsync.ports.clock import Clock

SigningKey = RSAKey | ECKey | OKPKey
EdgeFor = Callable[[str], HttpEdge]
"""The edge that reaches this address and no other."""

_KEPT_FOR: Final = timedelta(minutes=10)
_STALE_FOR: Final = timedelta(hours=24)
"""How long keys are trusted while their issuer does not answer."""
_PAUSE: Final = timedelta(seconds=10)
"""Between two readings, whatever callers send: an invented `kid` must not become a flood of requests."""
_MOST_KEYS: Final = 100
_RSA_BITS: Final = 2048
_KINDS: Final[Mapping[str, type[SigningKey]]] = {
    "RS": RSAKey,
    "PS": RSAKey,
    "ES": ECKey,
    "Ed": OKPKey,
}


class IssuerKeys:
    """Keys and metadata of one issuer.

    Without an address of the key set, it comes from the issuer's metadata (OpenID Connect Discovery 1.0, section 4).
    """

    def __init__(self, issuer: str, jwks_url: str | None, edge_for: EdgeFor, clock: Clock) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._edge_for = edge_for
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._metadata: Mapping[str, Any] | None = None
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The key that a token names, or the only one that fits where it names none.

        Raises ProviderUnavailableError, ProviderContractError while no key set could be read at all.
        """
        if self._expired(_KEPT_FOR):
            await self._refresh(self._read_at)
        found = self._fitting(kid, algorithm)
        if found is None:  # rotated, or invented
            await self._refresh(self._read_at)
            found = self._fitting(kid, algorithm)
        return found

    async def metadata(self) -> Mapping[str, Any]:
        """What the issuer publishes about itself; read once."""
        if self._metadata is None:
            url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = await self._read(url)
            if metadata.get("issuer") != self._issuer:
                raise ProviderContractError("metadata of another issuer", reason="issuer_mismatch")
            self._metadata = metadata
        return self._metadata

    def endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        """An address out of the metadata; https, unless the issuer itself is a local server without it."""
        url = str(metadata.get(name, ""))
        if urlsplit(url).scheme not in {"https", urlsplit(self._issuer).scheme}:
            raise ProviderContractError("the issuer names no safe address", details={"name": name})
        return url

    def _fitting(self, kid: str | None, algorithm: str) -> SigningKey | None:
        fitting = [key for key in self._keys if _fits(key, algorithm) and kid in {None, key.get("kid")}]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self, seen: datetime | None) -> None:
        """Read the key set, once for all who wait. Keys in hand outlive a silent issuer by a day."""
        async with self._reading:
            now = self._clock.now()
            pausing = self._tried_at is not None and now - self._tried_at < _PAUSE
            if self._read_at != seen or (pausing and self._keys):
                return
            if pausing:
                raise ProviderUnavailableError("the issuer's keys could not be read just now")
            self._tried_at = now
            try:
                self._keys = await self._read_keys()
            except (ProviderUnavailableError, ProviderContractError):
                if not self._keys or self._expired(_STALE_FOR):
                    self._keys = ()
                    raise
            else:
                self._read_at = now

    def _expired(self, after: timedelta) -> bool:
        return self._read_at is None or self._clock.now() - self._read_at >= after

    async def _read_keys(self) -> tuple[SigningKey, ...]:
        url = self._jwks_url or self.endpoint(await self.metadata(), "jwks_uri")
        published = (await self._read(url)).get("keys")
        if not isinstance(published, list):
            raise ProviderContractError("not a key set", reason="keys_unreadable")
        return _usable(published[:_MOST_KEYS])

    async def _read(self, url: str) -> Mapping[str, Any]:
        answer = await self._edge_for(url).send(OutboundRequest(operation="issuer.read", method="GET", url=url))
        if not answer.is_success:
            raise ProviderUnavailableError("the issuer refuses", details={"status": answer.status})
        return answer.json_object()


def _usable(published: Sequence[object]) -> tuple[SigningKey, ...]:
    """Public signing keys; others are passed over (RFC 7517, section 5), and so are secrets that stray into the set."""
    keys: list[SigningKey] = []
    for item in published:
        if not isinstance(item, dict) or not _signs(item):
            continue
        try:
            key = import_key(item)
        except (JoseError, KeyError, TypeError, ValueError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey) and not key.is_private:
            keys.append(key)
    return tuple(keys)


def _signs(item: Mapping[str, object]) -> bool:
    """Whether it says to be a public key for signatures, and no RSA key that is too short."""
    operations = item.get("key_ops")
    if item.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return False
    if item.get("kty") == "RSA":
        return len(str(item.get("n", ""))) * 6 >= _RSA_BITS
    return item.get("kty") in {"EC", "OKP"}


def _fits(key: SigningKey, algorithm: str) -> bool:
    kind = _KINDS.get(algorithm[:2])
    return kind is not None and isinstance(key, kind) and key.get("alg") in {None, algorithm}
