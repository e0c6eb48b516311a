"""What one observation does to a pair: nothing is decided here, only noted.

**Echoes and lag.** Each write leaves its revision and time in the pair. A listing that shows that revision shows our
own write. Listings may lag by minutes behind writes (People API, `people.connections.list`) and behind readings by
id, so for the visibility wait after either an older state than the newest one known is not believed. Which of two
states is older is told by the provider's own time of modification (Google: `updateTime` of the CONTACT source; Zoho:
`Modified_Time`), never by Google's etags, which are opaque, and never by our clock. After a person was put into the
group no time is known: there, a listing that still shows the revision from before, outside the group, is a late one.
A state taken for late by mistake is not lost: the daily full reading shows it again.

**Edits.** A field is edited when its digest differs from the side's base; a moved revision or time alone is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from contactsync.domain.catalogue import ValueKind
from contactsync.domain.changed import is_edited
from contactsync.domain.contact import Observation, Side
from contactsync.domain.digests import Digester, DigestSet
from contactsync.domain.holds import is_about
from contactsync.domain.ids import LinkId, RowKey
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import Mapping
from contactsync.domain.sharing import as_guest

_JUST_NOW: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsorbContext:
    """What absorbing has to know of the run and the listing."""

    digester: Digester
    mapping: Mapping
    run_started: datetime
    listing_started: datetime
    observed_at: datetime
    """When the reading of this contact began, by the side's own clock as far as it is known."""
    listing_number: int
    full: bool
    visibility_wait: timedelta
    new_link_id: Callable[[], LinkId]
    version: int | None = None
    """The configuration's version; another one than a hold remembers lifts the hold."""


def absorb(link: Link | None, observation: Observation, side: Side, context: AbsorbContext) -> Link | None:
    """The pair after one side was observed; None when the contact is of no interest (out of scope, and no pair).

    The same object comes back when nothing changed. A pair whose side has no contact yet takes this one. Of a pair
    that another configuration keeps, only the place in this one's scope is noted; so too below.
    """
    if link is not None and link.state is PairState.GONE:
        if observation.deleted or _is_from_before_the_end(link.side(side), observation, context):
            return link
        # Whoever is there again after a pair has ended is news, like a contact that was just made.
        link = None
    if link is not None and link.foreign:
        after = absorb(replace(link, foreign=False), observation, side, context)
        return _for_guest(link, after or link, context)
    if link is None:
        if observation.deleted or not observation.in_scope:
            return None
        link = Link(link_id=context.new_link_id(), state=PairState.SINGLE)
    elif observation.deleted:
        # A person who was renamed leaves a deletion record under the old name.
        same = observation.remote_id == link.side(side).remote_id
        return _vanished(link, side, Presence.DELETED, observation.modified_at, context) if same else link
    known = link.side(side)
    if _is_late(known, observation, context):
        return link.with_side(side, replace(known, listing=_listing(known, observation, context)))
    if _is_inherited(link) and link.side(side.other).presence in {Presence.DELETED, Presence.ABSENT}:
        # It had lost a side before this configuration had it: nothing is to be deleted for that.
        link = replace(link, state=PairState.DORMANT)
    shown = _shown(known, observation, side, context)
    if known.base and not known.seen:  # another contact has taken the side's place, and is read for the first time
        link = taken_over(link, side, shown.seen, context.digester.empty)
        shown = replace(shown, base=link.side(side).base.restricted(context.mapping))
    return _noted(link, side, shown, observation, context)


def _is_inherited(link: Link) -> bool:
    """Whether an earlier configuration left the pair, and this one has never had any of it in scope."""
    had = any(link.side(side).in_scope or link.side(side).seen_in_scope for side in Side)
    return link.state is PairState.LINKED and link.taken_by is None and not had


def absorb_absence(link: Link, side: Side, context: AbsorbContext, *, asked_for: bool = False) -> Link:
    """The pair after a complete full listing did not show one side.

    Google's listing is the whole account: who is not in it is gone. The CRM's is the view: a record that is not in it
    has left, and whether it is deleted the deleted list says. Nothing follows about a contact that was written within
    the visibility wait before the listing began, or later; but `asked_for` by its id and not found, it is gone all the
    same, if a listing has shown it before.
    """
    if link.foreign:
        absent = absorb_absence(replace(link, foreign=False), side, context, asked_for=asked_for)
        return _for_guest(link, absent, context)
    known = link.side(side)
    may_lag = _is_unsettled(known.written_at, context) and not (asked_for and known.seen_in_scope)
    if known.presence is not Presence.PRESENT or may_lag:
        return link
    if side is Side.GOOGLE:
        return _vanished(link, side, Presence.ABSENT, context.listing_started, context)
    if not known.in_scope or not known.seen_in_scope:
        return link
    return _pending(link.with_side(side, replace(known, in_scope=False)), context.listing_started, context)


def absorb_deletion(link: Link, side: Side, at: datetime, context: AbsorbContext) -> Link:
    """The pair after a deletion record of that instant, or after a reading by id that did not find the contact now.

    A contact of which a state later than the record is known was restored since.
    """
    if link.foreign:
        return _for_guest(link, absorb_deletion(replace(link, foreign=False), side, at, context), context)
    known = link.side(side)
    is_record = at < context.listing_started - _JUST_NOW
    if is_record and known.presence is Presence.PRESENT and known.modified_at is not None and at < known.modified_at:
        return link
    return _vanished(link, side, Presence.DELETED, at, context)


def relink(link: Link, observation: Observation, side: Side, context: AbsorbContext) -> Link:
    """The pair continued with another contact of that side, into which the deleted one was merged (or made anew).

    The base stays, so what the surviving contact shows differently counts as an edit made there; see `taken_over`.
    """
    base = link.side(side).base
    moved = link.with_side(side, LinkSide(base=base))
    return absorb(moved, observation, side, context) or link


def taken_over(link: Link, side: Side, seen: DigestSet, empty: bytes) -> Link:
    """The pair whose place on one side is taken by another contact, which shows this.

    What this one does not hold nobody has erased: in these fields a blank counts as agreed, and what the other side
    holds as an edit. So they are filled; and where this contact is deleted before they are, the edit beats the delete.
    """
    shown, base = seen.index, link.side(side).base.index
    blank = {row: empty for row, agreed in base.items() if agreed != empty and shown.get(row) == empty}
    for one in Side:
        agreed = DigestSet({**link.side(one).base.index, **blank})
        link = link.with_side(one, replace(link.side(one), base=agreed)) if blank else link
    return link


def _for_guest(before: Link, after: Link, context: AbsorbContext) -> Link:
    noted = _lift_hold(as_guest(before, after), context.run_started, context)
    if any(after.side(side).presence is not Presence.PRESENT for side in Side):
        # There is nobody to put into the group; what becomes of the pair its keeper says.
        noted = replace(noted.put_down(), hold=None)
    elif context.full and noted.crm.in_scope and not noted.google.in_scope:
        # Another direction, or another rule for those without address, may let it into the group from now on.
        noted = _pending(noted, context.run_started, context)
    return before if noted == before else noted


# --- the side -------------------------------------------------------------------------------------------------------


def _is_unsettled(since: datetime | None, context: AbsorbContext) -> bool:
    return since is not None and context.listing_started < since + context.visibility_wait


def _is_late(known: LinkSide, observation: Observation, context: AbsorbContext) -> bool:
    written = _is_unsettled(known.written_at, context)
    if written and observation.revision == known.written_revision != "":
        return False
    if known.modified_at is not None and observation.modified_at < known.modified_at:
        # A reading by id may have shown a state that the listings reach later.
        seen = known.presence is Presence.PRESENT and _is_unsettled(known.observed_at, context)
        return written or seen
    joined = written and known.in_scope and not known.seen_in_scope and observation.in_scope is False
    return joined and observation.revision == known.revision


def _is_from_before_the_end(known: LinkSide, observation: Observation, context: AbsorbContext) -> bool:
    """Whether a listing may show a contact only because it lags behind the delete; a newer state is no such one."""
    if known.modified_at is not None and observation.modified_at > known.modified_at:
        return False
    return _is_unsettled(known.written_at, context) or _is_unsettled(known.observed_at, context)


def _listing(known: LinkSide, observation: Observation, context: AbsorbContext) -> int:
    """The last full listing that showed the contact; a reading that cannot tell the scope is no such listing."""
    return context.listing_number if context.full and observation.in_scope is not None else known.listing


def _shown(known: LinkSide, observation: Observation, side: Side, context: AbsorbContext) -> LinkSide:
    """The side as observed, values included."""
    in_scope, seen_in_scope = _scope(known, observation, side, context)
    base, seen, confirmed = known.base, known.seen, known.confirmed
    if observation.in_scope is not False or observation.values:
        # Of a person outside the group a listing shows no values: that is not the same as empty ones.
        seen = context.digester.digest_set(context.mapping, observation.values)
        base, confirmed = _base(known, seen, observation)
    return LinkSide(
        remote_id=observation.remote_id,
        presence=Presence.PRESENT,
        in_scope=in_scope,
        seen_in_scope=seen_in_scope,
        revision=observation.revision,
        written_revision=known.written_revision,
        written_at=known.written_at,
        modified_at=observation.modified_at,
        base=base.restricted(context.mapping),
        seen=seen,
        confirmed=confirmed,
        sent=frozenset() if confirmed else known.sent,
        keys=context.digester.match_keys(observation.identity),
        listing=_listing(known, observation, context),
        observed_at=context.observed_at,
        read_only=observation.read_only,
        values=observation.values,
        name=observation.identity.name,
        emails=(*observation.identity.strong_emails, *observation.identity.weak_emails),
    )


def _scope(known: LinkSide, observation: Observation, side: Side, context: AbsorbContext) -> tuple[bool, bool]:
    """Whether the contact is in scope now, and whether a listing has ever shown it there.

    A record made by the sync is in scope until it was seen in the view and has left it. A person made or put into the
    group by the sync is not believed to have left within the visibility wait, unless seen in the group since.
    """
    match observation.in_scope:
        case True:
            return True, True
        case None:
            return known.in_scope, known.seen_in_scope
        case False:
            not_yet_seen = known.in_scope and not known.seen_in_scope
            late = side is Side.GOOGLE and observation.revision == known.revision
            late = late and _is_unsettled(known.written_at, context)
            stays = not_yet_seen and (side is Side.CRM or late)
            return stays, known.seen_in_scope


def _base(known: LinkSide, seen: DigestSet, observation: Observation) -> tuple[DigestSet, bool]:
    """The base after an observation: confirmed by an echo, or carried over to new rules of normalisation."""
    if not known.confirmed and observation.revision == known.written_revision:
        return _as_shown(known, seen), True
    if known.base and not known.base.current:
        # The contact did not move, so what it shows now is what was agreed, in new digests.
        untouched = known.revision == observation.revision and known.seen.pack() == known.base.pack()
        return (seen if untouched else known.base), known.confirmed
    # A newer state than the write: its echo will never come, what was sent stays the base.
    return known.base, True


def _as_shown(known: LinkSide, seen: DigestSet) -> DigestSet:
    """What the echo shows is the base, but of fields that were edited and not yet carried over.

    So were those that the write did not touch and that show something else: an edit in the same second has the same
    revision (Zoho's `Modified_Time` has whole seconds). What was written may have been stored in the CRM's own form.
    """
    base, before, sent = known.base.index, known.seen.index, known.sent
    kept = {name: digest for name, digest in base.items() if before.get(name) != digest or (sent and name not in sent)}
    edited = before.keys() - base.keys()
    shown = {name: digest for name, digest in seen.index.items() if name not in edited}
    return DigestSet({**shown, **kept})


def _not_kept(known: LinkSide, shown: LinkSide, context: AbsorbContext) -> frozenset[RowKey]:
    """Fields that the echo of our write shows otherwise than they were sent.

    Integrators report that Zoho drops what a user may not write without a word; a rule of the CRM may change it, too.
    """
    if known.confirmed or shown.revision != known.written_revision:
        return frozenset()
    written, before, now = known.base.index, known.seen.index, shown.seen.index
    empty = context.digester.empty
    sent = known.sent or {name for name, digest in written.items() if digest != empty}
    changed = (name for name in sent if name in written and written[name] == before.get(name) != now.get(name))
    rows = [row for name in changed if (row := context.mapping.by_hash(name)) is not None]
    # A box that was emptied is not ticked: that is how the CRM keeps it.
    return frozenset(row.key for row in rows if row.kind is not ValueKind.BOOLEAN or written[row.hash] != empty)


# --- the pair -------------------------------------------------------------------------------------------------------


def _noted(link: Link, side: Side, shown: LinkSide, observation: Observation, context: AbsorbContext) -> Link:
    before = link.side(side)
    after = link.with_side(side, shown)
    if side is Side.CRM and (not_kept := _not_kept(before, shown, context)):
        after = _pending(replace(after, not_kept=link.not_kept | not_kept), observation.modified_at, context)
    if link.state is PairState.SINGLE and after.side(side.other).presence is not Presence.UNKNOWN:
        after = replace(after, state=PairState.LINKED)
    if _has_news(link, before, shown, context) or _is_out_of_sight(after):
        after = _pending(after, observation.modified_at, context)
    after = _lift_hold(after, observation.modified_at, context)
    if after.pending_since is None:
        after = after.with_side(side, replace(shown, values=None))
    return link if after == link else after


def _has_news(link: Link, before: LinkSide, shown: LinkSide, context: AbsorbContext) -> bool:
    moved = before.presence is not shown.presence or before.in_scope != shown.in_scope
    if moved:
        return True
    if link.state in {PairState.DORMANT, PairState.RELEASED}:
        # Nothing is written to these; a full reading asks again for those that never were in sync (settings change).
        return context.full and link.state is PairState.DORMANT and not shown.base
    if link.state is PairState.SINGLE and not shown.in_scope:
        return False
    return is_edited(shown, context.mapping)


def _is_out_of_sight(link: Link) -> bool:
    """Whether a pair in sync is neither in the view nor in the group: both are others since it was last decided."""
    sides = (link.crm, link.google)
    there = all(side.presence is Presence.PRESENT and not side.in_scope for side in sides)
    return there and link.state is PairState.LINKED and not link.excluded


def _vanished(link: Link, side: Side, presence: Presence, at: datetime, context: AbsorbContext) -> Link:
    known = link.side(side)
    if known.presence in {Presence.UNKNOWN, Presence.DELETED} or known.presence is presence:
        return link
    gone = replace(known, presence=presence, in_scope=False, values=None, observed_at=context.observed_at)
    after = link.with_side(side, gone)
    if known.presence is Presence.ABSENT:
        return after
    return _lift_hold(_pending(after, at, context), at, context)


def _pending(link: Link, order: datetime, context: AbsorbContext) -> Link:
    """The pair with something to do. Its place in the order is that of the first time, never moved by later edits."""
    if link.pending_since is not None:
        return link
    return replace(link, pending_since=context.run_started, pending_order=order)


def _lift_hold(link: Link, order: datetime, context: AbsorbContext) -> Link:
    if link.hold is None or is_about(link.hold, link, context.version):
        return link
    return _pending(replace(link, hold=None), order, context)
