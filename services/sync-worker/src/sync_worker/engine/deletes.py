"""The last phase: deletes, each proven anew just before, and none when there are more than a person would expect.

What was held because of the brake is carried out by a run of its own when somebody approves it. That run lists nothing:
it is bound to the list that was shown, and each contact on it must still qualify.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from contactsync.domain.absorb import absorb_deletion
from contactsync.domain.brake import braked
from contactsync.domain.contact import Observation, Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.holds import awaits_approval, hold
from contactsync.domain.ids import EffectId, PersonId, RecordId, RunId
from contactsync.domain.link import Link, Presence
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import APPROVAL
from contactsync.ports.state import Effect, EffectState, PendingPosition
from sync_worker.engine.answers import take_answers
from sync_worker.engine.apply import Sender
from sync_worker.engine.decisions import decided
from sync_worker.engine.match import is_bereaved, match
from sync_worker.engine.people import context_for
from sync_worker.engine.planner import Planner
from sync_worker.engine.reconcile import settle_as
from sync_worker.engine.session import Session, position
from sync_worker.engine.values import held_fields, not_shown, seen_again
from sync_worker.engine.work import BATCH_SIZES, Operation, PairWork


async def delete(session: Session) -> bool:
    """Carry out what the policy deletes; True when done. Where one side is braked, all are asked about instead."""
    if not session.may_delete:
        return True
    works = {side: victims for side in Side if (victims := await _victims(session, side))}
    unanswered = await _unanswered(session, works)
    if any(_is_braked(session, side, len(victims) + unanswered[side]) for side, victims in works.items()):
        for side, victims in works.items():
            await _ask(session, side, victims)
        return True
    for side, victims in works.items():
        if not await _carry_out(session, side, victims):
            return False
    return True


async def _victims(session: Session, side: Side) -> list[PairWork]:
    works: list[PairWork] = []
    after: PendingPosition | None = None
    while True:
        async with session.transaction() as tx:
            chunk = await tx.links.pending(session.run.run_id, after, session.settings.chunk)
        if not chunk:
            return works
        after = position(chunk[-1])
        bereaved = {link.link_id: link for link in chunk if is_bereaved(link)}
        # What lives on in another contact (and was left over by the run's limit) is for the next run.
        same = [link for link in (await match(session, list(bereaved.values()))).links if link in bereaved.values()]
        seen = [PairWork.of(decided(session, link)) for link in same]
        works += [work for work in seen if (side, EffectKind.DELETE) in work.todo]


async def _unanswered(session: Session, works: Mapping[Side, Sequence[PairWork]]) -> Counter[Side]:
    """How many deletes somebody was asked about before and has not answered: those of today make the loss larger."""
    if not works:
        return Counter()
    again = {work.link.link_id for victims in works.values() for work in victims}
    async with session.transaction() as tx:
        return Counter(effect.side for effect in await tx.effects.awaiting() if effect.link_id not in again)


def _is_braked(session: Session, side: Side, deletes: int) -> bool:
    # A side that shows nothing at all is taken for a mistake, however few the pairs are.
    emptier, limits = session.listing(side.other), session.settings.brake
    return braked(
        deletes,
        session.run.pairs or 0,
        0 if emptier is None else emptier.shown or 0,
        percent=limits.percent,
        minimum=limits.minimum,
        maximum=limits.maximum,
    )


async def _ask(session: Session, side: Side, works: Sequence[PairWork]) -> None:
    """Delete nothing on this side: the pairs are held, with what was to be done to them, until somebody answers.

    A pair is on one list, that of the run which asked last.
    """
    batch, asked = uuid4(), {work.link.link_id for work in works}
    async with session.transaction() as tx:
        before = [effect for effect in await tx.effects.awaiting() if effect.link_id in asked]
        await settle_as(tx, before, EffectState.REJECTED, "asked_again")
        await tx.effects.add([_planned(session, side, work, batch) for work in works])
        links = [hold(work.link, Reason.AWAITING_APPROVAL, session.policy, session.now()) for work in works]
        await tx.links.save([replace(link, taken_by=session.run.run_id) for link in links])
        await session.report(tx, [work.row(outcome=Outcome.HELD, reason=Reason.AWAITING_APPROVAL) for work in works])


def _planned(session: Session, side: Side, work: PairWork, batch: UUID) -> Effect:
    intent = work.todo[side, EffectKind.DELETE]
    return Effect(
        effect_id=EffectId(uuid4()),
        run_id=session.run.run_id,
        link_id=work.link.link_id,
        side=side,
        kind=EffectKind.DELETE,
        batch=batch,
        state=EffectState.PLANNED,
        remote_id=work.link.side(side).remote_id,
        before=intent.before,
        reason=Reason.AWAITING_APPROVAL,
    )


async def _read_again(session: Session, works: Sequence[PairWork]) -> None:
    """Each victim, and the deleted contact that is its reason, as they are now; decided again from that."""
    people = await session.ports.google.read([PersonId(str(work.link.google.remote_id)) for work in works])
    ids = [RecordId(str(work.link.crm.remote_id)) for work in works]
    records = await session.ports.crm.read(ids, held=held_fields(session, [work.link for work in works]))
    shown: dict[Side, dict[str, Observation]] = {
        Side.GOOGLE: {
            name: p.observation for p in people for name in (p.observation.remote_id, *p.observation.previous_ids)
        },
        Side.CRM: {record.remote_id: record for record in records},
    }
    for work in works:
        link = work.link
        for side in Side:
            observation = shown[side].get(str(link.side(side).remote_id))
            link = _unseen(session, link, side) if observation is None else seen_again(session, link, side, observation)
        work.decide(decided(session, link))


def _unseen(session: Session, link: Link, side: Side) -> Link:
    """The pair whose contact was not found by its id: gone on Google; in the CRM perhaps hidden from this user."""
    if link.side(side).presence is not Presence.PRESENT:
        return link
    if side is Side.CRM:
        return not_shown(session, link)
    return absorb_deletion(link, side, session.now(), context_for(session, side, began=session.now()))


async def delete_approved(session: Session) -> bool:
    """Carry out the deletes of the list that somebody approved, whatever their number; True when done."""
    async with session.transaction() as tx:
        planned = await tx.effects.planned(_approved_run(session))
        links = await tx.links.by_ids([effect.link_id for effect in planned])
    await take_answers(session)
    waiting = {side: [effect for effect in planned if effect.side is side] for side in Side}
    for side, effects in waiting.items():
        operation: Operation = (side, EffectKind.DELETE)
        size = BATCH_SIZES[operation]
        for start in range(0, len(effects), size):
            if session.over:
                return False
            batch = effects[start : start + size]
            held = [links[effect.link_id] for effect in batch if awaits_approval(links.get(effect.link_id))]
            works = [PairWork.of(decided(session, replace(link, hold=None))) for link in held]
            await _send_proven(session, side, works)
            async with session.transaction(stoppable=False) as tx:
                await settle_as(tx, batch, EffectState.REJECTED, "answered")
    return True


def _approved_run(session: Session) -> RunId:
    """The run whose list was approved: the trigger names it."""
    return RunId(UUID(session.run.trigger.removeprefix(APPROVAL)))


async def _carry_out(session: Session, side: Side, works: list[PairWork]) -> bool:
    size = BATCH_SIZES[side, EffectKind.DELETE]
    for start in range(0, len(works), size):
        left = session.run.limit - session.run.taken
        batch = works[start : start + size][: max(left, 0)]
        if session.over:
            return False
        if not batch:
            return True
        await _send_proven(session, side, batch)
    return True


async def _send_proven(session: Session, side: Side, works: list[PairWork]) -> None:
    """Delete those that still qualify when read again; the others are left to the next run, which sees them anew."""
    operation: Operation = (side, EffectKind.DELETE)
    await _read_again(session, works)
    proven = [work for work in works if operation in work.todo]
    others = [work for work in works if operation not in work.todo]
    async with session.transaction() as tx:
        await tx.links.save([work.link for work in others])
        kept = {Outcome.HELD, Outcome.SKIPPED}
        await session.report(tx, [work.row() for work in others if work.decision.outcome in kept])
    if proven:
        await Sender(session, Planner(session), side).send(operation, proven)
