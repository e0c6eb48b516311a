"""Envelope encryption: key-encryption keys wrap data keys, data keys seal values. AES-256-GCM throughout.

A wrapped key names the version of the key that wraps it; a sealed value is bound to organisation, row and column, so
that it does not open anywhere else. Nonces are 96 random bits (NIST SP 800-38D, 8.2.2); one data key seals far fewer
than 2^32 values.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contactsync.domain.ids import AccountKey, OrganisationId
from contactsync.errors import ConfigurationError, SealBrokenError
from contactsync.ports.vault import SealContext

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ACCOUNT_BYTES: Final = 16
_FORMAT: Final = b"\x01"

RandomBytes = Callable[[int], bytes]


class DataSealer:
    """`Sealer` under one data key. Sealed: format byte, nonce, ciphertext with tag."""

    def __init__(self, key: bytes, random_bytes: RandomBytes = secrets.token_bytes) -> None:
        self._cipher = AESGCM(key)
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return "DataSealer()"

    def seal(self, plaintext: bytes, context: SealContext) -> bytes:
        """Ciphertext bound to the context."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plaintext, _associated(context))

    def open(self, sealed: bytes, context: SealContext) -> bytes:
        """The plaintext. Raises SealBrokenError when the value was moved, altered or belongs to another key."""
        if sealed[:1] != _FORMAT:
            raise SealBrokenError(details={"column": context.column})
        start = 1 + _NONCE_BYTES
        try:
            return self._cipher.decrypt(sealed[1:start], sealed[start:], _associated(context))
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(details={"column": context.column}) from error


def _associated(context: SealContext) -> bytes:
    return f"{_text(context.organisation_id)}\0{context.row}\0{context.column}\0".encode() + _FORMAT


@lru_cache(maxsize=1024)
def _text(organisation_id: OrganisationId) -> str:
    return str(organisation_id)


class KeyRing:
    """Key-encryption keys by version, newest first.

    Wrapped: format byte, length of the version's name, the name, nonce, ciphertext with tag.
    """

    def __init__(self, keys: Mapping[str, bytes], random_bytes: RandomBytes = secrets.token_bytes) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._newest = next(iter(keys))
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"

    @classmethod
    def parse(cls, setting: str, random_bytes: RandomBytes = secrets.token_bytes) -> KeyRing:
        """The ring of `CONTACTSYNC_KEYS`: `name:base64` of 32 bytes, separated by commas, newest first.

        Raises ConfigurationError, which never repeats the keys.
        """
        keys: dict[str, bytes] = {}
        for place, entry in enumerate(filter(None, (part.strip() for part in setting.split(","))), start=1):
            version, _, encoded = entry.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error as error:
                raise ConfigurationError(f"KEYS: entry {place} is not base64") from error
            if not version or len(version.encode()) > 32 or len(key) != KEY_BYTES or version in keys:  # noqa: PLR2004 # the length of a name fits a byte
                raise ConfigurationError(f"KEYS: entry {place} must be a new name, a colon and {KEY_BYTES} bytes")
            keys[version] = key
        if not keys:
            raise ConfigurationError("KEYS: at least one key is needed, as name:base64")
        return cls(keys, random_bytes)

    @property
    def versions(self) -> tuple[str, ...]:
        """The names of all keys, newest first."""
        return tuple(self._ciphers)

    @property
    def newest(self) -> str:
        """The version that wraps new keys."""
        return self._newest

    def new_key(self) -> bytes:
        """A fresh data key, not wrapped."""
        return self._random_bytes(KEY_BYTES)

    def wrap(self, key: bytes, context: SealContext) -> bytes:
        """The data key under the newest key-encryption key."""
        name = self._newest.encode()
        nonce = self._random_bytes(_NONCE_BYTES)
        head = _FORMAT + bytes((len(name),)) + name
        return head + nonce + self._ciphers[self._newest].encrypt(nonce, key, _associated(context) + head)

    def unwrap(self, wrapped: bytes, context: SealContext) -> bytes:
        """The data key. Raises SealBrokenError when its key-encryption key is not on the ring."""
        version = self.version_of(wrapped)
        cipher = self._ciphers.get(version)
        if cipher is None:
            raise SealBrokenError("the key that wraps this one is not on the ring", details={"version": version})
        start = 2 + len(version.encode())
        head, nonce, body = wrapped[:start], wrapped[start : start + _NONCE_BYTES], wrapped[start + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, body, _associated(context) + head)
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(details={"column": context.column, "version": version}) from error

    def rewrapped(self, wrapped: bytes, context: SealContext) -> bytes | None:
        """The same data key under the newest key-encryption key; None when it is so already."""
        if self.version_of(wrapped) == self._newest:
            return None
        return self.wrap(self.unwrap(wrapped, context), context)

    @staticmethod
    def version_of(wrapped: bytes) -> str:
        """The version of the key that wraps this one."""
        if wrapped[:1] != _FORMAT or len(wrapped) < 2:  # noqa: PLR2004 # format byte and length
            raise SealBrokenError("not a wrapped key")
        return wrapped[2 : 2 + wrapped[1]].decode(errors="replace")


def derived(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, from a data key. Source: RFC 7693 (BLAKE2 keyed, with personalisation)."""
    return blake2b(key=key, digest_size=KEY_BYTES, person=purpose.encode()).digest()


def account_hash(key: bytes, provider: str, account_id: str) -> AccountKey:
    """The keyed hash of a provider account's stable id, the same for all organisations."""
    text = f"{provider}\0{account_id}".encode()
    return AccountKey(blake2b(text, key=key, digest_size=_ACCOUNT_BYTES, person=b"account").digest())
