"""Pairs, as one configuration sees them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from contactsync.domain.contact import Side
from contactsync.domain.ids import (
    ConfigId,
    LinkId,
    RunId,
)
from contactsync.domain.link import Link, MatchKey
from contactsync.domain.outcome import Outcome
from contactsync.domain.sharing import Contender
from contactsync.ports.state.runs import PendingPosition


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs of one configuration."""

    by_state: Mapping[str, int]
    pending: int
    held: int
    in_scope: int
    """Pairs of two contacts, of which one may be gone, that are this configuration's to synchronise."""
    shown: Mapping[Side, int] = field(default_factory=dict)
    """Contacts that exist in scope, by side."""


@dataclass(frozen=True, slots=True)
class Contested:
    """A pair that another configuration keeps so far."""

    link: Link
    before: ConfigId
    contenders: Sequence[Contender]
    """All active configurations of the account that know the pair, this one among them."""


class LinkStore(Protocol):
    """Links of the run's organisation, Google account and configuration, inside a fenced transaction.

    A link is read as `foreign` when another configuration keeps it and this one is not the account's only active one.
    Values that another run stored are not read: they are of other fields.

    All methods are bulk: one or two statements for a page, never a statement for a row.
    """

    async def by_remote(self, side: Side, remote_ids: Sequence[str]) -> Mapping[str, Link]:
        """Links by the id of one side (also under names that a person had before)."""
        ...

    async def by_ids(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Link]:
        """Links by id."""
        ...

    async def by_keys(
        self, side: Side, keys: Sequence[MatchKey], *, besides: Collection[LinkId] = ()
    ) -> Sequence[Link]:
        """Links whose given side has one of these keys, of any state but `gone`, by id; but these."""
        ...

    async def save(self, links: Sequence[Link]) -> None:
        """Insert or replace these links with their scope in this configuration; values are sealed for the run.

        From then on this configuration keeps those that do not stand alone. Of `foreign` ones, which another keeps,
        this one's marks alone are stored, when the person was last written, and by what the contacts are found.
        """
        ...

    async def contested(self, after: LinkId | None, limit: int) -> Sequence[Contested]:
        """Pairs, by id, that this configuration has in scope on a side that exists and another one keeps so far.

        Those that stand alone or are gone are kept by nobody.
        """
        ...

    async def remove(self, link_ids: Sequence[LinkId]) -> None:
        """Delete links that were absorbed by another or have nothing left on either side."""
        ...

    async def pending(self, run_id: RunId, after: PendingPosition | None, limit: int) -> Sequence[Link]:
        """Pairs with something to do that this run has not taken, in order, holds that are not due left out."""
        ...

    async def let_go(self, reason: str, limit: int) -> int:
        """Take this reason's hold from so many pending pairs, the first in order; how many there were.

        What was held for want of something is due as soon as there is some of it.
        """
        ...

    async def unseen(self, side: Side, listing: int, after: LinkId | None, limit: int) -> Sequence[Link]:
        """Pairs that the full listing with this number should have shown on that side and did not, by id.

        Google's shows the whole account, the CRM's what is in scope.
        """
        ...

    async def standing(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Pairs of the configuration without a row in this run's report, by what they count as.

        Excluded ones `skipped`, with a hold `held` (`failed` when the provider refused it), dormant `skipped`, pending
        `waiting`, linked `unchanged`, all others but `gone` ones (released, alone by a rule) `skipped`.
        """
        ...

    async def any_alone(self, reason: str) -> bool:
        """Whether a contact in scope stands alone for this reason, and nothing is to be done about it."""
        ...

    async def counts(self, now: datetime) -> PairCounts:
        """How many pairs stand where."""
        ...

    async def to_seek(
        self, side: Side, run_id: RunId, after: PendingPosition | None, limit: int
    ) -> tuple[Sequence[Link], PendingPosition | None]:
        """Of the next `limit` pending pairs those that are to be sought on this side, and the place of the last one.

        The other side's contact stands alone, and shares no e-mail with a contact of this side that stands alone too
        (these two will find each other, unless one of them was told apart from somebody); or that of this side was
        deleted, and may be made again. The place is None when no pair is left.
        """
        ...

    async def drop_values(self, run_id: RunId) -> None:
        """Erase the values that this run stored."""
        ...

    async def claim(self, digests: Mapping[LinkId, bytes], until: datetime) -> frozenset[LinkId]:
        """Links whose e-mail digest is now claimed for a create in this organisation; the others must wait."""
        ...

    async def look_again_elsewhere(self, link_ids: Sequence[LinkId]) -> None:
        """Let other configurations that know these pairs look at them again: pending, and not held for anything."""
        ...
