"""Signatures of webhooks: Standard Webhooks 1.0.0 (HMAC-SHA256 over id, timestamp and body)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
_TOLERANCE: Final = timedelta(minutes=5)
_SECRET_BYTES: Final = 32
_MOST_SIGNATURES: Final = 10
"""Callers send two while they rotate; a long list would only make us compute."""


def new_secret() -> str:
    """A fresh secret in its written form; the specification asks for 24 to 64 bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature with its version. Raises ValueError for a secret that is not in its written form."""
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"{_VERSION},{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def signed_headers(keys: Iterable[str], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of an outgoing message, signed with every secret that holds."""
    timestamp = int(now.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, message_id, timestamp, body) for key in keys),
    }


def is_signed(keys: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether a message carries a signature by one of the secrets, made within five minutes of now."""
    message_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not (sent.isascii() and sent.isdecimal() and len(sent) < 12):  # noqa: PLR2004  beyond any year
        return False
    if abs(now.timestamp() - int(sent)) > _TOLERANCE.total_seconds():
        return False
    given = headers.get("webhook-signature", "").split()[:_MOST_SIGNATURES]
    expected = [signature(key, message_id, int(sent), body) for key in keys]
    # Every pair is compared, so that time tells nothing about which one fits.
    matches = [_same(one, other) for one in given for other in expected]
    return any(matches)


def is_secret(keys: Iterable[str], given: str) -> bool:
    """Whether a header holds one of the secrets: for callers that cannot sign."""
    matches = [hmac.compare_digest(given.encode(), key.encode()) for key in keys]
    return any(matches)


def _same(one: str, other: str) -> bool:
    """Compares the bytes: the same signature may be written with or without padding."""
    version, _, text = one.partition(",")
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return version == _VERSION and hmac.compare_digest(decoded, base64.b64decode(other.partition(",")[2]))
