"""What a person may ask of one pair: pure functions of the pair, carried out by the next run.

An answer is stored beside the pair and applied by the engine under its lease, so that a run under way never
overwrites it. `possible` says beforehand which ones make sense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from contactsync.domain.contact import Changes, Side, Values
from contactsync.domain.digests import EMPTY_DIGESTS
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId, LinkId
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.policy import Policy
from contactsync.domain.reasons import Reason

KEPT_FOR: Final = timedelta(days=30)
"""How long the journal keeps what was overwritten or deleted."""


class Action(StrEnum):
    """What a person may ask for."""

    RETRY = "retry"
    """Try again what is held, failed or could not be written; take an excluded pair in again."""
    SAME_PERSON = "same_person"
    """The contact and the one that it was doubted to be are one person."""
    KEEP_APART = "keep_apart"
    """They are two people; each is synchronised for itself."""
    BRING_BACK = "bring_back"
    """Make the deleted side of a released pair again."""
    EXCLUDE = "exclude"
    """Write nothing to this pair until *retry*."""
    RESTORE = "restore"
    """Write back what was last overwritten or deleted on a side."""
    RELEASE = "release"
    """Keep a contact that a run asked to delete: what refusing its deletes asks of each pair."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An action that somebody asked for and that no run has carried out yet."""

    link_id: LinkId
    action: Action
    rivals: tuple[str, ...] = ()
    """Remote ids of the contacts in doubt, as they stood where the person was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwritten:
    """What the journal holds of one confirmed write: the values that it replaced, or those of a deleted contact."""

    effect_id: EffectId
    side: Side
    kind: EffectKind
    at: datetime
    changes: Changes
    before: Values
    """By field: empty text where it was empty; a field that is missing was not read before it was written."""


def possible(link: Link, policy: Policy, last: Overwritten | None, now: datetime) -> frozenset[Action]:
    """The actions that make sense for this pair now; `last` is the newest entry of its journal.

    `keep_apart` and `same_person` answer a doubt, `bring_back` needs a released pair whose deleted side the
    configuration may write, `restore` an entry not older than thirty days on a side that it may write. Of an excluded
    pair nothing can be asked but to take it in again.
    """
    if link.excluded:
        return frozenset({Action.RETRY})
    wanted = {Action.EXCLUDE}
    if link.hold is not None or any(link.side(side).read_only for side in Side):
        wanted.add(Action.RETRY)
    if link.hold is not None and link.hold.rivals:
        wanted |= {Action.SAME_PERSON, Action.KEEP_APART}
    missing = _deleted_side(link)
    if missing is not None and policy.direction.writes(missing):
        wanted.add(Action.BRING_BACK)
    if last is not None and is_restorable(last, policy, now):
        wanted.add(Action.RESTORE)
    return frozenset(wanted - {Action.EXCLUDE} if link.state is PairState.GONE else wanted)


def is_restorable(last: Overwritten, policy: Policy, now: datetime) -> bool:
    """Whether what a write replaced can be written back: values that nobody read are not known."""
    has_values = any(key in last.before for key in last.changes) or (last.kind is EffectKind.DELETE and last.before)
    return bool(has_values) and now - last.at <= KEPT_FOR and policy.direction.writes(last.side)


def carry_out(
    link: Link, action: Action, *, rivals: Sequence[Link], last: Overwritten | None, now: datetime
) -> tuple[Link, ...]:
    """The pair as the answer leaves it, and other pairs that it concerns; pairs with something to do are pending.

    `rivals`: the pairs of the contacts named in the hold. An action that makes no sense (any more) changes nothing.
    """
    if link.excluded and action is not Action.RETRY:
        return (link,)
    match action:
        case Action.RETRY:
            asked = link.hold is not None and link.hold.reason == Reason.ANOTHER_PROGRAM_WRITES
            reason = Reason.ANOTHER_PROGRAM_WRITES if asked else link.reason
            return (_pending(replace(link, hold=None, excluded=False, reason=reason), now),)
        case Action.EXCLUDE:
            excluded = replace(link, excluded=True, hold=None, reason=Reason.EXCLUDED)
            return (replace(excluded.put_down(), restoring=None),)
        case Action.SAME_PERSON:
            return _same_person(link, rivals, now)
        case Action.KEEP_APART:
            return _kept_apart(link, rivals, now)
        case Action.BRING_BACK:
            return (_brought_back(link, now),)
        case Action.RESTORE:
            return (link if last is None else _to_restore(link, last, now),)
        case Action.RELEASE:
            return (_released(link, now),)
        case never:
            assert_never(never)


def _same_person(link: Link, rivals: Sequence[Link], now: datetime) -> tuple[Link, ...]:
    """The doubt is over: the pair is joined with the contact named first, if that is still free."""
    if link.hold is None or not link.hold.rivals:
        return (link,)
    chosen = link.hold.rivals[0]
    joined = replace(link, hold=None, same_as=chosen, keep_apart=link.keep_apart - {chosen})
    mine = _ids(link)
    others = (
        replace(rival, hold=None, keep_apart=rival.keep_apart - mine, same_as=min(mine))
        for rival in rivals
        if chosen in _ids(rival) and rival.link_id != link.link_id
    )
    return (_pending(joined, now), *(_pending(rival, now) for rival in others))


def _kept_apart(link: Link, rivals: Sequence[Link], now: datetime) -> tuple[Link, ...]:
    """Two people, remembered for good on both pairs; what was held because of it goes on."""
    if link.hold is None or not link.hold.rivals:
        return (link,)
    mine = _ids(link)
    apart = replace(link, hold=None, keep_apart=link.keep_apart | set(link.hold.rivals), same_as=None)
    others = [rival for rival in rivals if rival.link_id != link.link_id]
    return (_pending(apart, now), *(_apart_from(rival, mine, now) for rival in others))


def _apart_from(rival: Link, ids: frozenset[str], now: datetime) -> Link:
    apart = replace(rival, keep_apart=rival.keep_apart | ids)
    doubted = rival.hold is not None and bool(ids & set(rival.hold.rivals))
    return _pending(replace(apart, hold=None), now) if doubted else apart


def _ids(link: Link) -> frozenset[str]:
    return frozenset(i for side in Side if (i := link.side(side).remote_id) is not None)


def _deleted_side(link: Link) -> Side | None:
    """The side of a released pair that was deleted."""
    if link.state is not PairState.RELEASED:
        return None
    gone = [side for side in Side if link.side(side).presence in {Presence.DELETED, Presence.ABSENT}]
    return gone[0] if len(gone) == 1 and link.side(gone[0].other).presence is Presence.PRESENT else None


def _brought_back(link: Link, now: datetime) -> Link:
    """The staying contact stands alone again: it is sought on the other side, and made there if nobody is found."""
    missing = _deleted_side(link)
    if missing is None:
        return link
    stays = replace(link.side(missing.other), base=EMPTY_DIGESTS)
    sides = (LinkSide(), stays) if missing is Side.CRM else (stays, LinkSide())
    alone = replace(
        link, state=PairState.SINGLE, crm=sides[0], google=sides[1], diverged=frozenset(), by_hand=frozenset()
    )
    return _pending(replace(alone, reason="", hold=None), now)


def _released(link: Link, now: datetime) -> Link:
    if link.hold is None or link.hold.reason != Reason.AWAITING_APPROVAL:
        return link
    bereaved = len([side for side in Side if link.side(side).presence is Presence.PRESENT]) == 1
    if not bereaved:  # the contact came back meanwhile: there is nothing to delete any more
        return _pending(replace(link, hold=None), now)
    kept = replace(link, state=PairState.RELEASED, reason=Reason.KEPT_AFTER_DELETION, hold=None)
    return kept.put_down()


def _to_restore(link: Link, last: Overwritten, now: datetime) -> Link:
    state = PairState.RELEASED if link.state is PairState.GONE else link.state
    return _pending(replace(link, state=state, restoring=last.effect_id, hold=None), now)


def _pending(link: Link, now: datetime) -> Link:
    if link.pending_since is not None:
        return link
    return replace(link, pending_since=now, pending_order=now)
