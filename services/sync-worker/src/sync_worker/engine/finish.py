"""The end of a slice: hand on, wait until a date, or the end of the run with totals that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from contactsync.domain.contact import Side
from contactsync.domain.holds import awaits_approval
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import USERS_RULES, Reason
from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Lane
from contactsync.ports.state import EffectState, Run, RunState, Transaction
from contactsync.telemetry import metrics
from sync_worker.engine.reconcile import settle_as
from sync_worker.engine.session import Session


def next_hint(run: Run) -> RunHint:
    """The hint that names the run's present slice."""
    settings = run.settings
    return RunHint(
        run=run.run_id, slice=run.slice, organisation=settings.organisation_id, configuration=settings.config_id
    )


def lane_of(run: Run) -> Lane:
    """First runs have a lane of their own, so that they never delay a small one."""
    return Lane.INITIAL if run.first else Lane.INCREMENTAL


async def hand_on(session: Session) -> None:
    """End the slice; the next one may begin at once."""
    async with session.last_transaction() as tx:
        session.update(slice=session.run.slice + 1, attempt=0, retries=0)
        await tx.outbox.add(lane_of(session.run), next_hint(session.run))


async def wait(session: Session, until: datetime, reason: str, *, retries: int = 0) -> None:
    """End the slice with a date to go on; nobody sleeps on it."""
    async with session.last_transaction() as tx:
        session.update(
            state=RunState.WAITING,
            wait_until=until,
            reason=reason,
            slice=session.run.slice + 1,
            attempt=0,
            retries=retries,
        )
        await tx.outbox.add(lane_of(session.run), next_hint(session.run), not_before=until)
    metrics.PROVIDER_WAIT.labels(reason).inc(max((until - session.now()).total_seconds(), 0.0))


async def finish(session: Session) -> None:
    """End a run that did all it could."""
    async with session.last_transaction() as tx:
        totals = await _totals(session, tx)
        counts = {**session.run.counts, **{str(outcome): totals[outcome] for outcome in Outcome}}
        session.update(counts={**counts, "selected": totals.total()})
        asks = session.run.counts.get(f"reasons.{Outcome.HELD}.{Reason.AWAITING_APPROVAL}", 0)
        left_out = _skipped_by_need(session.run.counts) or await tx.links.any_alone(Reason.NOTHING_IDENTIFIES)
        partial = totals[Outcome.FAILED] or totals[Outcome.HELD] or left_out
        await _end(
            session,
            tx,
            RunState.NEEDS_APPROVAL if asks else RunState.PARTIAL if partial else RunState.SUCCEEDED,
            "",
            next_due=_sooner(session, backlog=totals[Outcome.WAITING] > 0, untold=bool(await tx.runs.told())),
        )
    _count(session)


def _sooner(session: Session, *, backlog: bool, untold: bool) -> datetime | None:
    """When the next run is wanted before its tick.

    For what the CRM said had changed and no reading has shown yet, for what waits, or to read again what was too short
    to believe. Not at once for the latter: what makes a listing short may go on for as long as listings lag.
    """
    if untold:
        return session.now() + session.settings.told_pause
    if not session.run.settings.catch_up:
        return None
    if backlog:
        return session.now() + session.settings.catch_up_pause
    doubted = any(session.run.sync.doubted(side) is not None for side in Side)
    return session.now() + session.settings.visibility_wait if doubted else None


async def end_unwanted(session: Session) -> None:
    """End a run that was asked to stop, or whose configuration was paused under it.

    A grant that ends pauses the configuration before the call that noticed it has failed: it is the run's reason too.
    """
    async with session.transaction(stoppable=False) as tx:
        paused = await tx.runs.paused()
    by_a_person = paused in {"", Reason.DISCONNECTED}
    state = RunState.CANCELLED if by_a_person else RunState.FAILED
    await stop(session, state, paused or Reason.CANCELLED)


async def give_up(session: Session, reason: str, provider_message: str) -> None:
    """End a run that failed for a reason that nobody knows a cure for.

    A few such ends in a row pause the configuration: to ask the same in vain for weeks helps nobody, and tells nobody.
    """
    async with session.transaction(stoppable=False) as tx:
        before = await tx.runs.failed_alike(session.run, reason)
        session.update(provider_message=provider_message)
    await stop(session, RunState.FAILED, reason, pause=before + 1 >= session.settings.failures_in_a_row)


async def stop(session: Session, state: RunState, reason: str, *, pause: bool = False) -> None:
    """End a run that could not go on, or was asked not to; what it did stays, what is left stays pending."""
    async with session.last_transaction() as tx:
        totals = await _totals(session, tx)
        session.update(counts={**session.run.counts, **{str(outcome): totals[outcome] for outcome in Outcome}})
        if pause:
            await tx.runs.pause(reason)
        await _end(session, tx, state, reason, next_due=None)
    _count(session)


def _count(session: Session) -> None:
    """An approval's trigger names the run that it approves, which is no label."""
    run = session.run
    if run.started_at is not None:
        took_s = (session.now() - run.started_at).total_seconds()
        metrics.RUN_SECONDS.labels("first" if run.first else "later").observe(took_s)
    metrics.RUNS.labels(run.trigger.partition(":")[0], run.state.value).inc()
    if run.state is RunState.NEEDS_APPROVAL:
        metrics.DELETE_BRAKE.inc()


async def _end(session: Session, tx: Transaction, state: RunState, reason: str, *, next_due: datetime | None) -> None:
    listings = session.run.listings
    ended_well = state in {RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL}
    if ended_well and len(listings) == len(Side) and all(one.full for one in listings.values()):
        session.update(sync=replace(session.run.sync, read_version=session.policy.version))
    session.update(state=state, reason=reason, wait_until=None)
    await _forget_answered(tx)
    await tx.runs.finish(session.run, next_due=next_due)


async def _forget_answered(tx: Transaction) -> None:
    """What was asked about a contact that is not held for it any more (changed, restored, answered) is on no list."""
    planned = await tx.effects.awaiting()
    if planned:
        links = await tx.links.by_ids([effect.link_id for effect in planned])
        over = [effect for effect in planned if not awaits_approval(links.get(effect.link_id))]
        await settle_as(tx, over, EffectState.REJECTED, "answered")


async def _totals(session: Session, tx: Transaction) -> Counter[Outcome]:
    """Every pair of the configuration once: those in the report by their row, the others as they stand."""
    return Counter(await tx.runs.tally(session.run.run_id)) + Counter(await tx.links.standing(session.run.run_id))


def _skipped_by_need(counts: Mapping[str, int]) -> bool:
    """Whether a contact was skipped in this run for another reason than a rule that the user chose."""
    prefix = f"reasons.{Outcome.SKIPPED}."
    return any(name.removeprefix(prefix) not in USERS_RULES for name in counts if name.startswith(prefix))
