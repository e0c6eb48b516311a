"""The last phase: deletes, each proven anew just before, and none when there are more than a person would expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from contactsync.domain.absorb import absorb_deletion
from contactsync.domain.brake import braked
from contactsync.domain.contact import Observation, Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId, PersonId, RecordId
from contactsync.domain.link import Link, Presence
from contactsync.domain.outcome import Outcome
from contactsync.domain.planning import hold
from contactsync.domain.policy import DeletePolicy
from contactsync.ports.state import Effect, EffectState, PendingPosition
from sync_worker.engine.apply import Sender
from sync_worker.engine.people import context_for
from sync_worker.engine.planner import Planner, decide_now
from sync_worker.engine.session import Session, position
from sync_worker.engine.values import seen_again
from sync_worker.engine.work import BATCH_SIZES, Operation, PairWork

AWAITING = "awaiting_approval"


async def delete(session: Session) -> bool:
    """Carry out what the policy deletes; True when done. A braked side is asked about instead."""
    if session.policy.deletions is DeletePolicy.KEEP or session.run.first:
        return True
    for side in Side:
        works = await _victims(session, side)
        if not works:
            continue
        if await _is_braked(session, len(works)):
            await _ask(session, side, works)
        elif not await _carry_out(session, side, works):
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
        bereaved = [link for link in chunk if link.side(side).presence is Presence.PRESENT and _is_bereaved(link, side)]
        decided = (PairWork.of(decide_now(session, link)) for link in bereaved)
        works += [work for work in decided if (side, EffectKind.DELETE) in work.todo]


def _is_bereaved(link: Link, side: Side) -> bool:
    return link.side(side.other).presence in {Presence.DELETED, Presence.ABSENT}


async def _is_braked(session: Session, deletes: int) -> bool:
    async with session.transaction() as tx:
        pairs = (await tx.links.counts(session.now())).in_scope
    limits = session.settings.brake
    # A side that shows nothing at all is taken for a mistake, however few the pairs are.
    remaining = pairs - deletes
    return braked(deletes, pairs, remaining, percent=limits.percent, minimum=limits.minimum, maximum=limits.maximum)


async def _ask(session: Session, side: Side, works: Sequence[PairWork]) -> None:
    """Delete nothing on this side: the pairs are held, with what was to be done to them, until somebody answers."""
    batch = uuid4()
    async with session.transaction() as tx:
        await tx.effects.add([_planned(session, side, work, batch) for work in works])
        links = [hold(work.link, AWAITING, session.policy, session.now()) for work in works]
        await tx.links.save([replace(link, taken_by=session.run.run_id) for link in links])
        await session.report(tx, [work.row(outcome=Outcome.HELD, reason=AWAITING) for work in works])


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
        reason=AWAITING,
    )


async def _read_again(session: Session, works: Sequence[PairWork]) -> None:
    """Each victim, and the deleted contact that is its reason, as they are now; decided again from that."""
    people = await session.ports.google.read([PersonId(str(work.link.google.remote_id)) for work in works])
    records = await session.ports.crm.read([RecordId(str(work.link.crm.remote_id)) for work in works])
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
            link = _gone(session, link, side) if observation is None else seen_again(session, link, side, observation)
        decision = decide_now(session, link)
        work.link, work.decision = decision.link, decision
        work.todo = {(intent.side, intent.kind): intent for intent in decision.intents}


def _gone(session: Session, link: Link, side: Side) -> Link:
    if link.side(side).presence is not Presence.PRESENT:
        return link
    return absorb_deletion(link, side, session.now(), context_for(session, side, began=session.now()))


async def _carry_out(session: Session, side: Side, works: list[PairWork]) -> bool:
    planner = Planner(session)
    sender = Sender(session, planner, side)
    operation: Operation = (side, EffectKind.DELETE)
    size = BATCH_SIZES[operation]
    for start in range(0, len(works), size):
        left = session.run.limit - session.run.taken
        batch = works[start : start + size][: max(left, 0)]
        if session.over:
            return False
        if not batch:
            return True
        await _read_again(session, batch)
        proven = [work for work in batch if operation in work.todo]
        if proven:
            await sender.send(operation, proven)
    return True
