"""Sync tokens and page tokens: opaque to the client, sealed so that a foreign or altered one is noticed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import orjson

Item = TypeVar("Item")
_SEAL_BYTES = 12
_KEPT_LISTINGS = 64


@dataclass(frozen=True, slots=True)
class SyncToken:
    """How far a client has read."""

    account: str
    sequence: int
    """Last change that it has been shown."""
    fingerprint: str
    """Parameters of the listing; later calls must repeat them."""
    full_sync_at: datetime
    """Start of the lifetime."""


@dataclass(slots=True)
class Listing(Generic[Item]):
    """What one listing shows on its pages, held still while the client pages through it."""

    items: Sequence[Item]
    total: int
    """The number of items that it says it has."""
    fingerprint: str
    next_sync: SyncToken | None


class TokenMint:
    """Makes tokens and reads them back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, values: list[Any]) -> str:
        """A token that carries `values`."""
        content = orjson.dumps(values)
        return base64.urlsafe_b64encode(self._mac(content) + content).decode().rstrip("=")

    def open(self, token: str) -> list[Any] | None:
        """The values of a token of this mint; None for any other text."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return None
        mac, content = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(mac, self._mac(content)):
            return None
        values: list[Any] = orjson.loads(content)
        return values

    def sync_token(self, kind: str, token: SyncToken) -> str:
        """The text of a sync token; `kind` keeps those of contacts and of groups apart."""
        return self.seal([kind, token.account, token.sequence, token.fingerprint, token.full_sync_at.timestamp()])

    def read_sync_token(self, kind: str, account: str, text: str) -> SyncToken | None:
        """A sync token of this kind and account; None for any other text."""
        values = self.open(text)
        if values is None or values[:2] != [kind, account]:
            return None
        began = datetime.fromtimestamp(values[4], UTC)
        return SyncToken(account, values[2], values[3], began)

    def _mac(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, key=self._key, digest_size=_SEAL_BYTES).digest()


class Listings(Generic[Item]):
    """The listings that clients are paging through; the oldest is dropped when there are too many."""

    def __init__(self, mint: TokenMint, kind: str) -> None:
        self._mint = mint
        self._kind = kind
        self._open: OrderedDict[int, Listing[Item]] = OrderedDict()
        self._number = 0

    def begin(self, listing: Listing[Item]) -> int:
        """Keep `listing` and say under which number."""
        self._number += 1
        self._open[self._number] = listing
        while len(self._open) > _KEPT_LISTINGS:
            self._open.popitem(last=False)
        return self._number

    def page_token(self, account: str, number: int, offset: int) -> str:
        """The token of the page that begins at `offset`."""
        return self._mint.seal([self._kind, account, number, offset])

    def resume(self, account: str, token: str) -> tuple[int, Listing[Item], int] | None:
        """Number, listing and offset that a page token stands for; None for any other text."""
        values = self._mint.open(token)
        if values is None or values[:2] != [self._kind, account] or values[2] not in self._open:
            return None
        return values[2], self._open[values[2]], values[3]
