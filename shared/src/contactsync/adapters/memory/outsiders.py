"""Contacts out of scope in memory."""

from __future__ import annotations

from collections.abc import Sequence

from contactsync.adapters.memory.tables import (
    Journal,
    OutsiderRow,
    Tables,
)
from contactsync.domain.contact import Side
from contactsync.domain.link import MatchKey
from contactsync.ports.state import Outsider, RunSettings


class MemoryOutsiders:
    """`OutsiderStore` over dictionaries."""

    def __init__(self, tables: Tables, journal: Journal, settings: RunSettings) -> None:
        self._tables = tables
        self._journal = journal
        self._config = settings.config_id

    def _outsiders(self, side: Side) -> dict[str, OutsiderRow]:
        return self._tables.outsiders.setdefault((self._config, side), {})

    async def save(self, side: Side, listing: int, people: Sequence[Outsider]) -> None:
        """Insert or replace outsiders of one side."""
        for person in people:
            self._journal.put(self._outsiders(side), person.remote_id, OutsiderRow(person, listing))

    async def remove(self, side: Side, remote_ids: Sequence[str]) -> None:
        """Forget outsiders that are gone or came into scope."""
        for remote_id in remote_ids:
            self._journal.drop(self._outsiders(side), remote_id)

    async def drop(self, side: Side, before_listing: int) -> None:
        """Forget outsiders that the full listing with this number did not show."""
        for remote_id, row in list(self._outsiders(side).items()):
            if row.listing != before_listing:
                self._journal.drop(self._outsiders(side), remote_id)

    async def unseen(self, side: Side, listing: int, limit: int) -> Sequence[str]:
        """Remote ids of outsiders that the full listing with this number did not show, in order."""
        return sorted(name for name, row in self._outsiders(side).items() if row.listing != listing)[:limit]

    async def by_keys(self, side: Side, keys: Sequence[MatchKey]) -> Sequence[Outsider]:
        """Outsiders of one side that have one of these keys, by remote id."""
        wanted = {key.digest for key in keys}
        people = (row.person for row in self._outsiders(side).values())
        hits = [person for person in people if any(key.digest in wanted for key in person.keys)]
        return sorted(hits, key=lambda person: person.remote_id)
