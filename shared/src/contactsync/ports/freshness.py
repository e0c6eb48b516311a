"""Whether configurations are kept as fresh as their frequency says, across organisations."""

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


class FreshnessStore(Protocol):
    """Looked at by a periodic task."""

    async def freshness(self, now: datetime) -> Freshness:
        """How the configurations stand."""
        ...
