"""Match keys: keyed digests by which a contact can be found without keeping its address."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class KeyKind(StrEnum):
    """What a match key was made of."""

    STRONG_EMAIL = "strong_email"
    WEAK_EMAIL = "weak_email"
    NAME_PHONE = "name_phone"


@dataclass(frozen=True, slots=True)
class MatchKey:
    """A keyed digest (16 bytes) by which a contact can be found."""

    kind: KeyKind
    digest: bytes
