"""Whether configurations are kept as fresh as their frequency says, and what stands still, across organisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contactsync.domain.ids import ConfigId


@dataclass(frozen=True, slots=True)
class Freshness:
    """How the configurations of all organisations stand; ids and counts alone."""

    overdue: Sequence[ConfigId]
    """Active ones without a successful run for twice their interval, the longest first."""
    paused: Mapping[str, int]
    """Paused configurations by reason."""
    waiting: Mapping[str, int]
    """Runs that wait for a date, by reason."""
    last_success: datetime | None
    """When the one that is overdue longest last succeeded, or was activated; None when none is overdue."""
    held: Mapping[str, int]
    """Pairs that are held, by `answer` (a person's, or a change) and `date` (tried again by itself)."""
    unknown_effects: int
    """Writes of which nobody knows whether they arrived."""


class FreshnessStore(Protocol):
    """Looked at by a periodic task."""

    async def freshness(self, now: datetime) -> Freshness:
        """How the configurations stand."""
        ...
