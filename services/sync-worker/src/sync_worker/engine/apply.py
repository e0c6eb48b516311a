"""Carrying out what was decided: in batches, each written down before its first byte leaves and after its answer.

Google takes one write after another for an account (People API: mutate sequentially); the CRM is written beside it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from contactsync.domain.absorb import absorb_deletion
from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.holds import RETRY_AFTER
from contactsync.domain.ids import EffectId, PersonId, RecordId, RowKey
from contactsync.domain.link import KeyKind, Link
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.domain.settling import Confirmation, confirm
from contactsync.errors import AccountFullError, ContactSyncError, LeaseLostError, OutcomeUnknownError
from contactsync.ports.directory import (
    CreateRequest,
    PersonSnapshot,
    PersonUpdate,
    RecordUpdate,
    Refused,
    WriteOutcome,
    Written,
)
from contactsync.ports.state import Effect, EffectState, Transaction
from sync_worker.engine.decisions import decided, finished, held, refused
from sync_worker.engine.listings import read_crm_too
from sync_worker.engine.people import context_for
from sync_worker.engine.planner import Planner, room
from sync_worker.engine.search import ask_companies
from sync_worker.engine.session import Session, raise_met
from sync_worker.engine.values import held_fields, seen_again
from sync_worker.engine.work import Operation, PairWork

_CLAIM_FOR = timedelta(hours=1)
_NEXT_RUN = timedelta()
"""Nothing was refused: what this run could not do in a few tries, the next one tries."""


async def apply(session: Session) -> bool:
    """Write what is pending, as far as the run's limit and the slice reach; True when nothing is left to begin.

    Where room is left for people who were not sought in the CRM yet, the run seeks further and comes back.
    A side that has to stop does not interrupt a call of the other: its error is raised when both have stopped.
    """
    await _use_room(session)
    planner = Planner(session)
    results = await asyncio.gather(
        Sender(session, planner, Side.GOOGLE).run(), Sender(session, planner, Side.CRM).run(), return_exceptions=True
    )
    raise_met(results)
    if planner.unsought and session.run.taken < session.run.limit:
        async with session.transaction():
            session.update(search_page=None)
    return not session.over


async def _use_room(session: Session) -> None:
    """People who were held because the account was full are due when the last listing shows room for them."""
    free = room(session)
    if session.run.sync.google_full and free > 0:
        async with session.transaction() as tx:
            due = await tx.links.let_go(Reason.GOOGLE_ACCOUNT_FULL, free)
            session.update(sync=replace(session.run.sync, google_full=due == free))


class Sender:
    """Writes one side, batch after batch."""

    def __init__(self, session: Session, planner: Planner, side: Side) -> None:
        self._session = session
        self._planner = planner
        self._side = side

    async def run(self) -> None:
        """Write until nothing is left for this side, or the slice is over."""
        try:
            while not self._session.over:
                batch = await self._planner.next_batch(self._side)
                if batch is None:
                    return
                await self.send(*batch)
        finally:
            await self._planner.leave(self._side)

    async def send(self, operation: Operation, works: list[PairWork]) -> None:
        """Write one batch: read again what has to be, write down, call, write down the answer."""
        snapshots: dict[str, PersonSnapshot] = {}
        if operation == (Side.GOOGLE, EffectKind.UPDATE):
            works, snapshots = await self._read_people(works)
        elif operation == (Side.CRM, EffectKind.UPDATE):
            works = await self._read_old_records(works)
        if self._side is Side.CRM:
            await ask_companies(self._session, self._company_names(operation, works))
        works, effects = await self._write_down(operation, works)
        if not works:
            return
        try:
            outcomes = await self._call(operation, works, snapshots)
        except OutcomeUnknownError:
            await self._unknown(works, effects)
        except AccountFullError as error:
            await self._full(operation, works, effects, error)
        except LeaseLostError:
            # Nothing may be written down any more; the next holder finds the effects `sending`.
            raise
        except ContactSyncError as error:
            await self._not_sent(effects, error)
            raise
        else:
            await self._settle(operation, works, effects, outcomes)

    # --- before ---------------------------------------------------------------------------------------------------

    async def _read_people(self, works: list[PairWork]) -> tuple[list[PairWork], dict[str, PersonSnapshot]]:
        """A Google update starts from the person as it is now; what changed meanwhile is decided again."""
        session = self._session
        ids = [PersonId(str(work.link.google.remote_id)) for work in works]
        read = await session.ports.google.read(ids)
        snapshots = {name: p for p in read for name in (p.observation.remote_id, *p.observation.previous_ids)}
        current, gone = [], []
        for work in works:
            snapshot = snapshots.get(str(work.link.google.remote_id))
            if snapshot is None:
                gone.append(work.link)
                continue
            link = seen_again(session, work.link, Side.GOOGLE, snapshot.observation)
            if await self._decide_again(work, link, (Side.GOOGLE, EffectKind.UPDATE)):
                current.append(work)
        await self._note_gone(gone)
        return current, snapshots

    async def _note_gone(self, links: Sequence[Link]) -> None:
        """People who are not there any more: they may live on in others, so whoever decides looks for them first."""
        session = self._session
        if links:
            context = context_for(session, Side.GOOGLE, began=session.now())
            async with session.transaction() as tx:
                await tx.links.save([absorb_deletion(one, Side.GOOGLE, session.now(), context) for one in links])

    async def _read_old_records(self, works: list[PairWork]) -> list[PairWork]:
        """Records observed too long ago are read again, and leave the batch when they moved."""
        session = self._session
        limit = session.crm_now() - session.settings.crm_fresh_for
        old = [work for work in works if work.tries or self._observed(work.link) < limit]
        if not old:
            return works
        ids = [RecordId(str(work.link.crm.remote_id)) for work in old]
        records = await session.ports.crm.read(ids, held=held_fields(session, [work.link for work in old]))
        fresh = {record.remote_id: record for record in records}
        left = {work.link.link_id for work in old}
        unexplained, unshown = False, []
        current = [work for work in works if work.link.link_id not in left]
        for work in old:
            record = fresh.get(str(work.link.crm.remote_id))
            if record is None and not session.has_read(Side.CRM):
                unexplained = True
                continue
            if record is None:
                unshown.append(work)
                continue
            work.read_at = session.crm_now()
            link = seen_again(session, work.link, Side.CRM, record)
            link = replace(link, crm=replace(link.crm, observed_at=work.read_at))
            if await self._decide_again(work, link, (Side.CRM, EffectKind.UPDATE)):
                current.append(work)
        if unshown:
            async with session.transaction() as tx:
                await self._hold(tx, unshown, Reason.NOT_SHOWN_BY_CRM)
        if unexplained and session.listing(Side.CRM) is None:
            # They may live on in other records, of which a run that has not read the CRM knows nothing.
            async with session.transaction():
                read_crm_too(session)
        return current

    def _observed(self, link: Link) -> datetime:
        """A complete change listing observes, at its start, every record that it does not name; the view does not."""
        session = self._session
        listing = session.listing(Side.CRM)
        changes = listing.next_token if listing is not None and not listing.full else None
        listed = datetime.fromisoformat(changes) if changes else None
        times = [time for time in (link.crm.observed_at, listed) if time is not None]
        return max(times) if times else datetime.min.replace(tzinfo=session.now().tzinfo)

    def _known_until(self, work: PairWork) -> datetime:
        """Until when a record is known not to have moved: a list may lag, by no more than what is asked for again."""
        if work.read_at is not None:
            return work.read_at
        observed = self._observed(work.link) - self._session.settings.crm_overlap
        return max(observed, work.link.crm.modified_at or observed)

    async def _decide_again(self, work: PairWork, link: Link, operation: Operation) -> bool:
        """Decide from what was read just now; whether the operation is still to be done with this pair."""
        work.decide(decided(self._session, link))
        if operation in work.todo:
            return True
        if work.stage is not None:
            await self._planner.advance(work)
        elif work.todo or work.decision.outcome is Outcome.WAITING:
            # A delete, which is for the last phase, or something that this run may not do.
            async with self._session.transaction() as tx:
                await tx.links.save([work.link])
        else:
            await self._finish([work])
        return False

    def _company_names(self, operation: Operation, works: Sequence[PairWork]) -> set[str]:
        changes = [work.todo[operation].changes for work in works]
        keys = [row.key for row in self._session.mapping.companies]
        return {name for one in changes for key in keys if (name := one.get(key))}

    async def _write_down(self, operation: Operation, works: list[PairWork]) -> tuple[list[PairWork], list[Effect]]:
        """Commit what is about to be sent; a record must wait whose address another user's sync is creating.

        People need no such claim: all configurations of a Google account share their pairs, and work in turn.
        """
        session = self._session
        async with session.transaction() as tx:
            works = [work for work in works if operation in work.todo]
            if operation == (Side.CRM, EffectKind.CREATE):
                works = await self._claimed(tx, works)
            if not works:
                return [], []
            effects = self._effects(operation, works)
            await tx.effects.add(effects)
            self._planner.begin(works)
        return works, effects

    async def _claimed(self, tx: Transaction, works: list[PairWork]) -> list[PairWork]:
        # The organisation has one CRM, and each of its users a Google account: who is made there is made for him alone.
        place = self._session.run.settings.account if self._side is Side.GOOGLE else b""
        wanted = {
            work.link.link_id: place + key.digest
            for work in works
            for key in work.link.side(self._side.other).keys[:1]
            # Whom a person declared to be somebody else shares an address on purpose.
            if key.kind is not KeyKind.NAME_PHONE and not work.link.keep_apart
        }
        if not wanted:
            return works
        won = await tx.links.claim(wanted, self._session.now() + _CLAIM_FOR)
        return [work for work in works if work.link.link_id not in wanted or work.link.link_id in won]

    def _effects(self, operation: Operation, works: Sequence[PairWork]) -> list[Effect]:
        side, kind = operation
        batch, now = uuid4(), self._session.now()
        return [
            Effect(
                effect_id=EffectId(uuid4()),
                run_id=self._session.run.run_id,
                link_id=work.link.link_id,
                side=side,
                kind=kind,
                batch=batch,
                remote_id=work.link.side(side).remote_id,
                changes=work.todo[operation].changes,
                before=work.todo[operation].before,
                sent_at=now,
                attempt=work.tries + 1,
            )
            for work in works
        ]

    # --- the call -------------------------------------------------------------------------------------------------

    async def _call(
        self, operation: Operation, works: Sequence[PairWork], snapshots: dict[str, PersonSnapshot]
    ) -> Sequence[WriteOutcome]:
        google, crm = self._session.ports.google, self._session.ports.crm
        companies = {name: account for name, account in self._session.companies.items() if account is not None}
        match operation:
            case (Side.GOOGLE, EffectKind.CREATE):
                return await google.create(_creates(operation, works))
            case (Side.GOOGLE, EffectKind.UPDATE):
                return await google.update(
                    [
                        PersonUpdate(w.link.link_id, snapshots[str(w.link.google.remote_id)], w.todo[operation].changes)
                        for w in works
                    ]
                )
            case (Side.GOOGLE, EffectKind.JOIN_GROUP):
                return await google.join_group(
                    [(w.link.link_id, PersonId(str(w.link.google.remote_id))) for w in works]
                )
            case (Side.CRM, EffectKind.CREATE):
                return await crm.create(_creates(operation, works), companies=companies)
            case (Side.CRM, EffectKind.UPDATE):
                return await crm.update(
                    [
                        RecordUpdate(w.link.link_id, RecordId(str(w.link.crm.remote_id)), w.todo[operation].changes)
                        for w in works
                    ],
                    unmodified_since=min(self._known_until(work) for work in works),
                    companies=companies,
                )
            case (Side.GOOGLE, _):
                return await google.delete([(w.link.link_id, PersonId(str(w.link.google.remote_id))) for w in works])
            case _:
                return await crm.delete([(w.link.link_id, RecordId(str(w.link.crm.remote_id))) for w in works])

    # --- after ----------------------------------------------------------------------------------------------------

    async def _unknown(self, works: Sequence[PairWork], effects: Sequence[Effect]) -> None:
        """No clear answer. Creates are looked up later; whatever may be repeated is decided again from a reading."""
        creates = [effect for effect in effects if effect.kind is EffectKind.CREATE]
        async with self._session.transaction(stoppable=False) as tx:
            await tx.effects.settle([_as(e, EffectState.UNKNOWN, "outcome_unknown") for e in creates])
            repeat = [_as(e, EffectState.REJECTED, "outcome_unknown") for e in effects if e not in creates]
            await tx.effects.settle(repeat)
        self._session.unknown.update({effect.link_id: effect for effect in creates})
        if repeat:
            await self._again(works, "outcome_unknown")

    async def _full(
        self, operation: Operation, works: list[PairWork], effects: Sequence[Effect], error: AccountFullError
    ) -> None:
        """The account holds no more, whatever it shows: creates are held, everything else goes on."""
        session = self._session
        queued = await self._planner.close(operation, error.reason)
        async with session.transaction(stoppable=False) as tx:
            people = session.settings.account_holds
            session.update(sync=replace(session.run.sync, google_people=people, google_full=True))
            await tx.effects.settle([_as(effect, EffectState.REJECTED, error.reason) for effect in effects])
            await self._hold(tx, [*works, *queued], error.reason)

    async def _not_sent(self, effects: Sequence[Effect], error: ContactSyncError) -> None:
        """A clear refusal of the whole call: nothing was applied, the pairs stay pending."""
        async with self._session.transaction(stoppable=False) as tx:
            await tx.effects.settle([_as(effect, EffectState.REJECTED, error.reason) for effect in effects])

    async def _settle(
        self,
        operation: Operation,
        works: Sequence[PairWork],
        effects: Sequence[Effect],
        outcomes: Sequence[WriteOutcome],
    ) -> None:
        answers = {outcome.link_id: outcome for outcome in outcomes}
        again: list[PairWork] = []
        settled: list[Effect] = []
        done: list[PairWork] = []
        refused: list[PairWork] = []
        written = 0
        async with self._session.transaction(stoppable=False) as tx:
            for work, effect in zip(works, effects, strict=True):
                answer = answers[work.link.link_id]
                if isinstance(answer, Written):
                    settled.append(self._confirmed(operation, work, effect, answer))
                    done.append(work)
                    written += answer.sent
                elif answer.left_out:
                    settled.append(self._left_out(operation, work, effect, answer))
                    done.append(work)
                elif answer.stale or (answer.gone and operation[1] is not EffectKind.JOIN_GROUP):
                    settled.append(_as(effect, EffectState.REJECTED, "gone" if answer.gone else "stale"))
                    again.append(work)
                else:
                    settled.append(_as(effect, EffectState.REJECTED, answer.error.reason))
                    work.refuse(operation, answer.error.reason, str(answer.error.details.get("message", "")))
                    refused.append(work)
            await tx.effects.settle(settled)
            await self._set_aside(tx, [work for work in refused if not work.todo])
            await self._store(tx, done)
            await self._count(tx, operation, written)
        for work in (*done, *refused):
            await self._planner.advance(work)
        await self._again(again, "changed_meanwhile")

    def _confirmed(self, operation: Operation, work: PairWork, effect: Effect, answer: Written) -> Effect:
        session = self._session
        intent = work.todo.pop(operation)
        # A person's new name is taken over from a listing alone, which tells whether another pair has it by now.
        known = work.link.side(intent.side).remote_id if intent.kind is EffectKind.UPDATE else None
        confirmation = Confirmation(
            remote_id=known or answer.remote_id,
            revision=answer.revision,
            modified_at=answer.modified_at,
            observation=answer.observation,
            left_out=[RowKey(key) for key in answer.left_out],
        )
        digester, mapping = session.ports.digester, session.mapping
        work.link = confirm(work.link, intent, confirmation, digester=digester, mapping=mapping, now=session.now())
        work.left_out.update(answer.left_out)
        if not answer.sent:
            return _as(effect, EffectState.REJECTED, next(iter(answer.left_out.values()), Reason.NONE))
        work.note_written(intent, answer.left_out)
        return replace(effect, state=EffectState.CONFIRMED, remote_id=answer.remote_id, revision=answer.revision)

    def _left_out(self, operation: Operation, work: PairWork, effect: Effect, answer: Refused) -> Effect:
        """Nothing of an update was sent, as the other side can hold none of it: agreed to differ, with the reason."""
        side = work.link.side(operation[0])
        at = side.modified_at or self._session.now()
        kept = Written(work.link.link_id, str(side.remote_id), side.revision, at, None, answer.left_out, sent=False)
        return self._confirmed(operation, work, effect, kept)

    async def _store(self, tx: Transaction, works: Sequence[PairWork]) -> None:
        """Save pairs after a confirmed write; those with nothing left to do are finished."""
        aside = [work for work in works if work.refusal is not None and not work.todo]
        kept = [work for work in works if work not in aside]
        await tx.links.save(
            [work.link if work.todo else finished(self._session, work.link, work.decision.reason) for work in kept]
        )
        await self._session.report(tx, [row for work in kept if not work.todo for row in work.rows()])
        await self._set_aside(tx, aside)

    async def _finish(self, works: Sequence[PairWork]) -> None:
        """Nothing is to be written to these any more, as their contacts stand now."""
        aside = [work for work in works if work.refusal is not None]
        kept = [work for work in works if work.refusal is None]
        async with self._session.transaction() as tx:
            await tx.links.save([finished(self._session, work.link) for work in kept])
            await self._session.report(tx, [row for work in kept for row in work.rows()])
            await self._set_aside(tx, aside)

    async def _set_aside(self, tx: Transaction, works: Sequence[PairWork]) -> None:
        """What could be written to these was; they wait with what a side refused."""
        refusals = [(work, work.refusal) for work in works if work.refusal is not None]
        await tx.links.save([refused(self._session, work, refusal) for work, refusal in refusals])
        await self._session.report(
            tx, [work.row(outcome=Outcome.FAILED, reason=one.reason, message=one.message) for work, one in refusals]
        )

    async def _hold(
        self, tx: Transaction, works: Sequence[PairWork], reason: str, *, retry_after: timedelta = RETRY_AFTER
    ) -> None:
        await tx.links.save([held(self._session, work, reason, retry_after=retry_after) for work in works])
        await self._session.report(tx, [work.row(outcome=Outcome.HELD, reason=reason) for work in works])

    async def _again(self, works: Sequence[PairWork], reason: str) -> None:
        """Contacts that changed under our hands are decided again: at once, after a moment, and by the next run."""
        session, tired = self._session, []
        for work in works:
            work.tries += 1
            if work.tries > session.settings.stale_tries:
                tired.append(work)
            else:
                await self._planner.advance(work)
        if tired and session.run.retries < session.settings.stale_waits:
            session.put_off = reason  # they stay pending
        elif tired:
            async with session.transaction() as tx:
                await self._hold(tx, tired, reason, retry_after=_NEXT_RUN)

    async def _count(self, tx: Transaction, operation: Operation, amount: int) -> None:
        session, (side, kind) = self._session, operation
        if amount:
            session.add_counts(Counter({f"writes.{side}.{kind}": amount}))
        if operation == (Side.GOOGLE, EffectKind.CREATE):
            session.count_people(await tx.runs.people_made(amount))


def _creates(operation: Operation, works: Sequence[PairWork]) -> list[CreateRequest]:
    return [
        CreateRequest(
            work.link.link_id, {key: value for key, value in work.todo[operation].changes.items() if value is not None}
        )
        for work in works
    ]


def _as(effect: Effect, state: EffectState, reason: str) -> Effect:
    return replace(effect, state=state, reason=reason)
