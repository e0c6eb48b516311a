"""One change to one remote contact."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from contactsync.domain.contact import Changes, Side, Values


class EffectKind(StrEnum):
    """What an effect does to one remote contact."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    JOIN_GROUP = "join_group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One write to one side of a pair."""

    side: Side
    kind: EffectKind
    changes: Changes = field(default_factory=dict)
    before: Values = field(default_factory=dict)
    """Values that it replaces or deletes, as far as they were read."""
    after_base: bytes = b""
    """What the other side showed at the decision (packed digests): its base for these fields once this is confirmed."""
