"""Deciding one pair with what the run knows, and what the pair is when nothing more is done with it in this run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.flipping import WITHIN, flipping
from contactsync.domain.holds import RETRY_AFTER, hold, refuse
from contactsync.domain.link import Link, LinkSide, PairState
from contactsync.domain.outcome import Outcome
from contactsync.domain.planning import Decision, ValuesNotReadError, decide
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode
from sync_worker.engine.session import Session, position
from sync_worker.engine.work import PairWork, Refusal


def decided(session: Session, link: Link) -> Decision:
    """The decision for a pair with the run's settings; one that went away while it was reading is for the next run."""
    try:
        return decide(
            link,
            replace(session.policy, deletes_allowed=may_delete(session)),
            session.ports.digester,
            now=session.now(),
            first=session.run.first,
            journal=session.journal.get(link.restoring) if link.restoring is not None else None,
        )
    except ValuesNotReadError:
        return Decision(link=link, outcome=Outcome.WAITING, reason=Reason.CHANGED_MEANWHILE)


def is_unsought(session: Session, decision: Decision) -> bool:
    """Whether a person was not sought in the CRM: pairs before it took no room, so that the limit reaches further."""
    listing = session.listing(Side.GOOGLE)
    if listing is None or listing.sought_to is None or decision.link.restoring is not None:
        return False
    makes_record = any((one.side, one.kind) == (Side.CRM, EffectKind.CREATE) for one in decision.intents)
    return makes_record and position(decision.link) > listing.sought_to


def left_for_later(link: Link) -> Decision:
    """The decision for a pair that the next run decides, when it knows more."""
    return Decision(link=link, outcome=Outcome.HELD, reason=link.hold.reason if link.hold else "")


def may_delete(session: Session) -> bool:
    """Whether what this run and those before it have read allows deletes at all.

    Approved ones do not rest on a listing: a person has looked at them, and each is read again by its id. But an answer
    to what was asked under other settings means nothing.
    """
    run = session.run
    if run.mode is RunMode.APPROVED_DELETES:
        return session.policy.deletes_allowed and run.sync.read_version == session.policy.version
    doubted = any(run.sync.doubted(side) is not None for side in Side)
    unsettling = any(listing.why in {"settings", "token_expired"} for listing in run.listings.values())
    return session.policy.deletes_allowed and not doubted and not unsettling


async def without_flipping(session: Session, decisions: Sequence[tuple[Link, Decision]]) -> list[tuple[Link, Decision]]:
    """The decisions; pairs of which another program keeps undoing what the sync writes are held."""
    since = session.now() - WITHIN
    updates = {
        link.link_id: {key: value for intent in decision.intents for key, value in intent.changes.items()}
        for link, decision in decisions
        # Not where a person has just asked to try again.
        if _updates(decision) and link.reason != Reason.ANOTHER_PROGRAM_WRITES and link.restoring is None
    }
    if not updates:
        return list(decisions)
    async with session.transaction() as tx:
        history = await tx.effects.updates_since(list(updates), since)
    flip = {i for i, past in history.items() if flipping([effect.changes for effect in past], updates[i])}
    return [(link, _held_for_flipping(session, link) if link.link_id in flip else d) for link, d in decisions]


def _updates(decision: Decision) -> bool:
    return any(intent.kind is EffectKind.UPDATE for intent in decision.intents)


def _held_for_flipping(session: Session, link: Link) -> Decision:
    reason = Reason.ANOTHER_PROGRAM_WRITES
    kept = hold(link, reason, session.policy, session.now(), retry_after=RETRY_AFTER)
    return Decision(link=kept, outcome=Outcome.HELD, reason=reason)


async def recall_journal(session: Session, links: Sequence[Link]) -> None:
    """Have at hand what these pairs are to be given back."""
    wanted = [link.restoring for link in links if link.restoring is not None]
    if wanted:
        async with session.transaction() as tx:
            effects = await tx.effects.by_ids(wanted)
        entries = {effect_id: effect.overwritten() for effect_id, effect in effects.items()}
        session.journal.update({effect_id: entry for effect_id, entry in entries.items() if entry is not None})


def finished(session: Session, link: Link, reason: str = "") -> Link:
    """The pair with nothing left to do in this run; a hold keeps it pending, and so do values that were restored."""
    restored = link.state in {PairState.LINKED, PairState.DORMANT} and reason == Reason.RESTORED
    if link.hold is not None or restored:
        return replace(link, taken_by=session.run.run_id)
    settled = replace(link.put_down(), taken_by=session.run.run_id)
    if link.state is PairState.SINGLE:
        return settled
    # Nothing of this run asks for them again: what is not kept need not be sealed, nor erased at the end.
    return replace(settled, crm=_without_values(link.crm), google=_without_values(link.google))


def _without_values(side: LinkSide) -> LinkSide:
    return replace(side, values=None, name="", emails=())


def refused(session: Session, work: PairWork, refusal: Refusal) -> Link:
    """The pair whose write the provider refused: set aside until what was refused changes, or a day has passed."""
    policy, now = session.policy, session.now()
    return _aside(session, work, refuse(work.link, refusal.intent, refusal.reason, refusal.message, policy, now))


def held(session: Session, work: PairWork, reason: str, *, retry_after: timedelta = RETRY_AFTER) -> Link:
    """The pair set aside until its reason changes, asked about again after a time; nothing more is written now."""
    return _aside(session, work, hold(work.link, reason, session.policy, session.now(), retry_after=retry_after))


def _aside(session: Session, work: PairWork, link: Link) -> Link:
    work.link = replace(link, taken_by=session.run.run_id)
    work.todo.clear()
    return work.link
