"""Pairs that several configurations of one Google account have in their scope: one of them keeps each pair.

The keeper alone writes its fields, decides about its deletion and moves its bases; each other configuration sees to
its own group. Who kept a pair last is remembered with it, and changes hands only when a run takes the pair over: runs
of one account work one after another (they share a lease), so there is always one keeper.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from contactsync.domain.contact import Side
from contactsync.domain.digests import EMPTY_DIGESTS
from contactsync.domain.ids import ConfigId
from contactsync.domain.link import Link, LinkSide, PairState, Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An active configuration that knows a pair, and on which sides it has it in scope."""

    config_id: ConfigId
    since: datetime
    """When the configuration was made."""
    scope: frozenset[Side]


def keeper(contenders: Iterable[Contender], present: Collection[Side], before: ConfigId | None) -> ConfigId:
    """Which of these active configurations keeps a pair of which these sides exist; `before` kept it so far.

    The one that has most of it in scope. Of several that have the whole pair, the oldest, by id where two were made at
    once. Of several that have a part of it, nobody synchronises anything: it stays where it was, so that a deletion is
    decided by the rules under which the contacts were in sync.
    """

    def rank(one: Contender) -> tuple[int, bool, datetime, ConfigId]:
        seen = len(one.scope.intersection(present))
        in_sync = seen == len(Side)
        return -seen, not in_sync and one.config_id != before, one.since, one.config_id

    return min(contenders, key=rank).config_id


def present_sides(link: Link) -> frozenset[Side]:
    """The sides of a pair that exist."""
    return frozenset(side for side in Side if link.side(side).presence is Presence.PRESENT)


def taken_over(link: Link, now: datetime) -> Link:
    """The pair as its new keeper begins with it: to be read anew, and merged against the base as it stood.

    What the one before was told of the contacts may be old, and was reduced to other fields. A pair that had lost a
    side already is not this keeper's to delete: it was never in sync here.
    """
    fresh = replace(link, foreign=False, hold=None, crm=_unseen(link.crm), google=_unseen(link.google))
    if link.state is PairState.RELEASED and len(present_sides(link)) < len(Side):
        return fresh
    in_sync = all(link.side(side).presence is Presence.PRESENT and link.side(side).in_scope for side in Side)
    return replace(
        fresh,
        state=PairState.LINKED if in_sync else PairState.DORMANT,
        pending_since=link.pending_since or now,
        pending_order=link.pending_order or now,
    )


def _unseen(side: LinkSide) -> LinkSide:
    return replace(side, seen=EMPTY_DIGESTS, values=None, name="", emails=())


def as_guest(before: Link, after: Link) -> Link:
    """What a configuration notes of a pair that another one keeps: which side is in its own scope.

    Besides, by what its contacts are found: whoever was merged into one of them lives on there, whoever looks first.
    """
    sides = [_marked(before.side(side), after.side(side)) for side in Side]
    guest = replace(before, crm=sides[0], google=sides[1])
    if before.state is PairState.LINKED:
        guest = replace(guest, state=PairState.DORMANT)
    moved = any(before.side(side).in_scope != after.side(side).in_scope for side in Side)
    if moved and guest.pending_since is None:
        guest = replace(guest, pending_since=after.pending_since, pending_order=after.pending_order)
    return guest


def _marked(before: LinkSide, after: LinkSide) -> LinkSide:
    """A contact that was deleted may be made again by the keeper: then it has never been in this one's group."""
    seen = after.seen_in_scope and after.presence is Presence.PRESENT
    return replace(before, in_scope=after.in_scope, seen_in_scope=seen, listing=after.listing, keys=after.keys)
