"""Contacts that are out of scope, known by their keys alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contactsync.domain.contact import Side
from contactsync.domain.link import MatchKey


@dataclass(frozen=True, slots=True)
class Outsider:
    """A contact outside of the scope of which only id and match keys are kept."""

    remote_id: str
    keys: tuple[MatchKey, ...]


class OutsiderStore(Protocol):
    """Contacts outside the group or the view, as one configuration has read them."""

    async def save(self, side: Side, listing: int, people: Sequence[Outsider]) -> None:
        """Insert or replace outsiders of one side."""
        ...

    async def remove(self, side: Side, remote_ids: Sequence[str]) -> None:
        """Forget outsiders that are gone or came into scope."""
        ...

    async def drop(self, side: Side, before_listing: int) -> None:
        """Forget outsiders that the full listing with this number did not show."""
        ...

    async def unseen(self, side: Side, listing: int, limit: int) -> Sequence[str]:
        """Remote ids of outsiders that the full listing with this number did not show, in order."""
        ...

    async def by_keys(self, side: Side, keys: Sequence[MatchKey]) -> Sequence[Outsider]:
        """Outsiders of one side that have one of these keys."""
        ...
