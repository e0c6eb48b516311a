"""Secrets: sealing of stored values, keyed digests, and access tokens that are refreshed once for all processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contactsync.domain.ids import ConnectionId, OrganisationId


@dataclass(frozen=True, slots=True)
class SealContext:
    """What a sealed value is bound to: opened with any other context, it does not open."""

    organisation_id: OrganisationId
    row: str
    column: str


class Sealer(Protocol):
    """Authenticated encryption under one organisation's (or connection's) data key."""

    def seal(self, plaintext: bytes, context: SealContext) -> bytes:
        """Ciphertext that carries its key version and a random nonce (AES-256-GCM)."""
        ...

    def open(self, sealed: bytes, context: SealContext) -> bytes:
        """The plaintext. Raises SealBrokenError when the value was moved, altered or belongs to another key."""
        ...


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A usable access token and where to use it. `value` is never logged (repr hides it)."""

    value: str
    expires_at: datetime
    api_base_url: str

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at.isoformat()})"


class TokenSource(Protocol):
    """Access tokens of stored connections."""

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """A token with at least five minutes to live; `stale` is a token value that was refused with 401.

        At most one refresh call is made for a connection, whatever the number of callers and processes.
        Raises AuthorizationLostError when the grant is gone (and marks the connection), ProviderUnavailableError,
        RateLimitedError.
        """
        ...
