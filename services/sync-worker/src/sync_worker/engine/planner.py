"""From pending pairs to full batches: pairs are taken in order, matched, decided, and queued by operation.

A batch leaves when it is full, or when nothing more can join it: so the number of calls is the least there is. The
run's limit is applied here, in the order of the pairs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Link
from contactsync.domain.outcome import Outcome
from contactsync.domain.planning import Decision
from contactsync.domain.reasons import Reason
from contactsync.ports.state import PendingPosition, RunContact
from sync_worker.engine.decisions import (
    decided,
    finished,
    held,
    is_unsought,
    left_for_later,
    recall_journal,
    without_flipping,
)
from sync_worker.engine.match import Matched, match
from sync_worker.engine.session import Session, position
from sync_worker.engine.values import is_unread, with_values
from sync_worker.engine.work import BATCH_SIZES, STAGES, Operation, PairWork

_JOIN: Operation = (Side.GOOGLE, EffectKind.JOIN_GROUP)
_CREATE_PERSON: Operation = (Side.GOOGLE, EffectKind.CREATE)


class Planner:
    """Feeds both senders. A pair stands in one queue at a time: it is written stage by stage, never on both at once.

    One sender at a time takes the next chunk; the other waits, or goes on with what is queued. A sender waits only for
    pairs that the other one holds or has queued, and one that leaves holds and queues nothing: so nobody waits for a
    sender that is gone.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queues: dict[Operation, deque[PairWork]] = {operation: deque() for operation in STAGES}
        self._hands: dict[Side, list[PairWork]] = {side: [] for side in Side}
        """What each sender is writing just now."""
        self._active = set(Side)
        self._after: PendingPosition | None = None
        self._exhausted = False
        self._joined: set[LinkId] = set()
        """Pairs that were joined, which have their work already, and the links that they absorbed."""
        self._filling = asyncio.Lock()
        self._moved = asyncio.Condition()
        self._closed: dict[Operation, str] = {}
        self._promised: set[LinkId] = set()
        """Pairs queued that count against the limit and of which nothing was sent yet."""
        self.deletes = 0
        """Pairs whose decision is a delete: left for the last phase."""
        self.unsought = False
        """Whether it stopped before somebody who was not sought in the CRM yet."""

    async def next_batch(self, side: Side) -> tuple[Operation, list[PairWork]] | None:
        """The next batch for one side, whose last one is done with; None when there is nothing left for it."""
        await self._let_go(side)
        while not self._session.over:
            operation = self._ready(side)
            if operation is not None:
                return operation, await self._pop(operation)
            if not self._exhausted and not self._crowded():
                async with self._filling:
                    if self._ready(side) is None and not self._exhausted:
                        await self._fill()
                await self._wake()
            elif self._is_busy(side.other):
                await self._wait(side)
            else:
                return None
        return None

    async def advance(self, work: PairWork) -> None:
        """Queue a pair for its next stage, if it has one."""
        self._put(work)
        await self._wake()

    async def close(self, operation: Operation, reason: str) -> list[PairWork]:
        """Nothing more of this operation can be done in this run; what was queued for it is returned."""
        self._closed[operation] = reason
        queued = list(self._queues[operation])
        self._queues[operation].clear()
        self._break_promises(queued)
        await self._wake()
        return queued

    async def leave(self, side: Side) -> None:
        """A sender stopped: what it held and had queued stays pending, and nobody waits for it any more."""
        self._active.discard(side)
        for operation in STAGES:
            if operation[0] is side:
                self._break_promises(self._queues[operation])
                self._queues[operation].clear()
        await self._let_go(side)

    async def _let_go(self, side: Side) -> None:
        """The sender is done with its batch: each pair of it was queued again, finished, set aside or left pending."""
        queued = {work for queue in self._queues.values() for work in queue}
        self._break_promises([work for work in self._hands[side] if work not in queued])
        self._hands[side].clear()
        await self._wake()

    def _break_promises(self, works: Iterable[PairWork]) -> None:
        self._promised -= {work.link.link_id for work in works}

    def _put(self, work: PairWork) -> None:
        stage = work.stage
        if stage is not None and stage[0] in self._active:
            self._queues[stage].append(work)

    def _crowded(self) -> bool:
        return sum(map(len, self._queues.values())) >= self._session.settings.queued

    def _is_busy(self, side: Side) -> bool:
        """Whether this side has anything in hand or queued: its answers may bring work for the other one."""
        return bool(self._hands[side]) or any(queue for (of, _), queue in self._queues.items() if of is side)

    def _upcoming(self, side: Side) -> bool:
        """Whether pairs that the other side is to write will come to this one."""
        queued = (work for (of, _), queue in self._queues.items() if of is side.other for work in queue)
        return any(of is side for work in chain(self._hands[side.other], queued) for of, _ in work.todo)

    def _full(self, side: Side) -> Operation | None:
        """An operation of which a whole batch is queued."""
        mine = (operation for operation in STAGES if operation[0] is side)
        return next((operation for operation in mine if len(self._queues[operation]) >= BATCH_SIZES[operation]), None)

    def _ready(self, side: Side) -> Operation | None:
        """A full batch; or what is left, once nothing more can join it. Google never waits for the CRM but to join."""
        if (operation := self._full(side)) is not None:
            return operation
        stuck = self._crowded() and not self._hands[side.other] and self._full(side.other) is None
        if not self._exhausted and not stuck:
            return None
        mine = [operation for operation in STAGES if operation[0] is side and self._queues[operation]]
        more = self._upcoming(side)
        return next((op for op in mine if not more or (side is Side.GOOGLE and op != _JOIN)), None)

    async def _pop(self, operation: Operation) -> list[PairWork]:
        queue = self._queues[operation]
        batch = [queue.popleft() for _ in range(min(len(queue), BATCH_SIZES[operation]))]
        self._hands[operation[0]] = list(batch)
        await self._wake()
        return batch

    async def _wake(self) -> None:
        """Let the senders look again."""
        async with self._moved:
            self._moved.notify_all()

    async def _wait(self, side: Side) -> None:
        """Until something moved. Checked under the condition's lock, so that no move is missed."""
        async with self._moved:
            if self._ready(side) is None and self._is_busy(side.other):
                await self._moved.wait()

    async def _fill(self) -> None:
        """Decide the next chunk. One that fails is the last: what was decided before is still written."""
        session = self._session
        try:
            async with session.transaction() as tx:
                chunk = await tx.links.pending(session.run.run_id, self._after, session.settings.chunk)
            if not chunk:
                self._exhausted = True
                return
            apart = session.unknown.keys() | session.under_way | self._joined
            fresh = [link for link in chunk if link.link_id not in apart]
            kept = await with_values(session, [link for link in fresh if not link.foreign])
            matched = await match(session, [link for link in kept if not is_unread(link, session.mapping)])
            links = await with_values(session, matched.links, unsaved=matched.joined)
            await recall_journal(session, links)
            if len(kept) < len(fresh):
                taken = {link.link_id for link in links}  # one of them may be this configuration's by now
                guests = [link for link in fresh if link.foreign and link.link_id not in taken]
                links = sorted([*links, *guests], key=_order(chunk))
            decisions = [
                (link, left_for_later(link) if link.link_id in matched.later else decided(session, link))
                for link in links
            ]
            await self._take(matched, await without_flipping(session, decisions))
        except BaseException:
            self._exhausted = True
            raise
        self._after = position(chunk[-1])
        self._joined |= matched.absorbed | matched.joined

    async def _take(self, matched: Matched, decisions: Sequence[tuple[Link, Decision]]) -> None:
        """Store what needs no write, then queue the rest, and stop where the run's limit is reached."""
        session = self._session
        # What was linked is stored even if the limit leaves it waiting: the link that it absorbed is removed below.
        stored = {link.link_id: link for link in matched.links if link.link_id in matched.joined}
        rows: list[RunContact] = []
        works: list[PairWork] = []
        promised: set[LinkId] = set()
        taken, room = 0, self._room()
        for link, decision in decisions:
            if _deletes(decision):
                self.deletes += 1
                continue
            if is_unsought(session, decision):
                self.unsought = self._exhausted = True
                break
            counts = decision.takes and link.link_id not in session.counted
            if counts and session.run.taken + len(self._promised) + len(promised) + taken >= session.run.limit:
                self._exhausted = True
                break
            work = PairWork.of(decision)
            room -= work.stage == _CREATE_PERSON
            if room < 0:
                self._closed[_CREATE_PERSON] = Reason.GOOGLE_ACCOUNT_FULL
            if work.stage is None or work.stage in self._closed:
                taken += counts and work.stage is None and decision.outcome is not Outcome.WAITING
                self._set_down(work, stored, rows)
            else:
                works.append(work)
                if counts:
                    promised.add(link.link_id)
        await self._store(matched, list(stored.values()), rows, taken)
        # Only now: what was not stored must not be written.
        self._promised |= promised
        for work in works:
            self._put(work)

    def _room(self) -> int:
        """How many people the Google account can hold beside those that it has, and those queued or in hand."""
        coming = chain(self._queues[_CREATE_PERSON], self._hands[Side.GOOGLE])
        return room(self._session) - sum(work.stage == _CREATE_PERSON for work in coming)

    async def _store(self, matched: Matched, stored: Sequence[Link], rows: list[RunContact], taken: int) -> None:
        session = self._session
        async with session.transaction() as tx:
            session.update(taken=session.run.taken + taken)
            if matched.absorbed:
                await tx.links.remove(sorted(matched.absorbed))
            for side, remote_ids in matched.found.items():
                if remote_ids:
                    await tx.outsiders.remove(side, remote_ids)
            if stored:
                await tx.links.save(stored)
            await session.report(tx, rows)

    def _set_down(self, work: PairWork, stored: dict[LinkId, Link], rows: list[RunContact]) -> None:
        """Note a pair that needs no write, or whose next write cannot be done in this run any more."""
        session, decision = self._session, work.decision
        if work.stage is not None:
            reason = self._closed[work.stage]
            session.update(sync=replace(session.run.sync, google_full=True))
            stored[work.link.link_id] = held(session, work, reason)
            rows.append(work.row(outcome=Outcome.HELD, reason=reason))
        elif decision.outcome is not Outcome.WAITING:
            stored[work.link.link_id] = finished(session, decision.link)
            rows += work.rows()

    def begin(self, works: Sequence[PairWork]) -> None:
        """Count pairs whose first write is about to be sent; called in the transaction that stores the effects."""
        session = self._session
        fresh = [work for work in works if work.decision.takes and work.link.link_id not in session.counted]
        session.counted.update(work.link.link_id for work in fresh)
        self._break_promises(works)
        session.update(taken=session.run.taken + len(fresh))


def room(session: Session) -> int:
    """How many people the Google account can hold beside those that it has.

    Its Trash counts too and is not shown, so Google may refuse earlier: then the rest is held as well.
    """
    return session.settings.account_holds - session.run.sync.google_people


def _order(chunk: Sequence[Link]) -> Callable[[Link], int]:
    """The place of a pair in the order; one that was brought in from outside goes last."""
    places = {link.link_id: place for place, link in enumerate(chunk)}
    return lambda link: places.get(link.link_id, len(places))


def _deletes(decision: Decision) -> bool:
    return any(intent.kind is EffectKind.DELETE for intent in decision.intents)
