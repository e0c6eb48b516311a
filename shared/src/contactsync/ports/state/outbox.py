"""Hints that are published once the transaction has committed."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Lane


class Outbox(Protocol):
    """Hints to publish, written with the data that they speak of."""

    async def add(self, lane: Lane, hint: RunHint, *, not_before: datetime | None = None) -> None:
        """Add a row; the relay publishes it after the commit and not before the given instant."""
        ...
