"""From a hint to a worked slice: find the account, take its lease, count the attempt, work, give the lease back."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from contactsync.domain.credits import Shares
from contactsync.domain.ids import LinkId
from contactsync.domain.reasons import Reason
from contactsync.errors import LeaseLostError
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.directory import CallGate
from contactsync.ports.queue import Lane
from contactsync.ports.state import Busy, Claimed, Lease, Run, RunState, State
from sync_worker.engine.finish import next_hint, stop
from sync_worker.engine.session import Ports, Session
from sync_worker.engine.settings import EngineSettings
from sync_worker.engine.slice import run_slice
from sync_worker.limits import CreditBudget, Gate, LeaseKeeper, Quota, QuotaBucket

log = structlog.get_logger(__name__)


class PortsOf(Protocol):
    """Builds what a slice touches for one run; the caller closes it."""

    def __call__(self, run: Run, gate: CallGate) -> AbstractAsyncContextManager[Ports]:
        """Ports whose every provider call asks the gate."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Times of the lease and figures of fairness (docs/operations.md, settings)."""

    lease_ttl: timedelta = timedelta(seconds=60)
    lease_renew_every: timedelta = timedelta(seconds=15)
    call_needs: timedelta = timedelta(seconds=25)
    """A provider call is not begun with less of the lease left: the call may take 20 s."""
    busy_pause: timedelta = timedelta(seconds=5)
    """How soon a slice whose account is busy is tried again, at the earliest."""
    max_attempts: int = 5
    """A slice that began this often and never ended fails its run."""
    slices_per_organisation: int = 4
    """Slices of one organisation worked at once: a large one never keeps the workers from the others."""
    credit_shares: Shares = field(default_factory=Shares)
    """Of the organisation's daily CRM credits."""
    quotas: dict[str, Quota] = field(default_factory=dict)
    engine: EngineSettings = field(default_factory=EngineSettings)


class SliceRunner:
    """Works hints. Safe to call for any hint at any time, any number of times: the rows say what is to be done."""

    def __init__(  # noqa: PLR0913  the worker's own ports, once, at its start
        self,
        state: State,
        ports_of: PortsOf,
        clock: Clock,
        settings: WorkerSettings,
        *,
        holder: UUID,
        rng: Random,
        stop_event: asyncio.Event,
    ) -> None:
        self._state = state
        self._ports_of = ports_of
        self._clock = clock
        self._settings = settings
        self._holder = holder
        self._rng = rng
        self._stop = stop_event

    async def __call__(self, hint: RunHint, lane: Lane) -> None:
        """Work the slice that the hint names, if it is due and its account is free."""
        account = await self._state.account_of(hint)
        if account is None:
            log.info("sync.hint.stale")
            return
        asked_at = self._clock.monotonic()
        lease = await self._state.leases.acquire(account, self._holder, self._settings.lease_ttl)
        if isinstance(lease, Busy):
            log.info("sync.account.busy", until=lease.until.isoformat())
            await self._postpone(hint, Reason.ACCOUNT_BUSY)
            return
        keeper = LeaseKeeper(
            self._state.leases,
            lease,
            self._clock,
            ttl=self._settings.lease_ttl,
            renew_every=self._settings.lease_renew_every,
            asked_at=asked_at,
            bucket=QuotaBucket(self._settings.quotas.get("google", Quota()), self._clock, lease.bucket),
        )
        has_room = False
        try:
            has_room = await self._has_room(hint, lease)
            if has_room:
                await self._hold(keeper, hint, lane)
        finally:
            # Nothing is left to give back where the slice ended as it should.
            await self._state.leases.release(keeper.lease, keeper.given_back())
            if has_room:
                await self._state.call_next(hint)

    async def _has_room(self, hint: RunHint, lease: Lease) -> bool:
        """Whether the organisation may have one more slice under way; who has waited longest goes first.

        Asked with the lease in hand.
        Two that ask at once see one another's lease, so that both may step back, and never more work than may.
        """
        if await self._state.slices_before(hint, lease.account) < self._settings.slices_per_organisation:
            return True
        log.info("sync.organisation.busy")
        await self._postpone(hint, Reason.FAIR_SHARE)
        return False

    async def _postpone(self, hint: RunHint, reason: Reason) -> None:
        """Store a date; the hint itself is done with."""
        jitter = timedelta(seconds=self._rng.uniform(0, self._settings.busy_pause.total_seconds()))
        await self._state.postpone(hint, self._clock.now() + self._settings.busy_pause + jitter, reason)

    async def _hold(self, keeper: LeaseKeeper, hint: RunHint, lane: Lane) -> None:
        """Work while the lease is kept; losing it ends the work at the next call."""
        claimed = await self._state.claim(hint, keeper.lease, self._clock.now())
        if claimed is None:
            log.info("sync.hint.stale")
            return
        renewing = asyncio.create_task(keeper.keep(), name="renew lease")
        try:
            await self._work(keeper, claimed, lane)
        finally:
            renewing.cancel("slice ended")
            await asyncio.gather(renewing, return_exceptions=True)

    async def _work(self, keeper: LeaseKeeper, claimed: Claimed, lane: Lane) -> None:
        run = claimed.run
        if claimed.suspect and lane is not Lane.SUSPECT:
            # It may be what ends processes: it goes where it can take nobody with it.
            await self._isolate(keeper.lease, run)
            return
        budget = CreditBudget(self._state.credits, run, self._clock, self._settings.credit_shares)
        await budget.take_over()
        gate = Gate(keeper, {"google": keeper.bucket}, budget, call_needs=self._settings.call_needs)
        async with self._ports_of(run, gate) as ports:
            session = Session(run, keeper, ports, self._settings.engine, gate, self._stop)
            try:
                if run.attempt > self._settings.max_attempts:
                    await self._give_up(session)
                else:
                    await run_slice(session, self._rng)
            except LeaseLostError:
                log.warning("sync.lease.lost", slice=run.slice)
            else:
                # After any other end the run's next slice takes over what is left.
                await budget.close()
        keeper.bucket.observe()
        self._log_end(session)

    async def _isolate(self, lease: Lease, run: Run) -> None:
        async with self._state.begin(lease, run) as tx:
            await tx.outbox.add(Lane.SUSPECT, next_hint(run))
        log.warning("sync.run.suspect", attempt=run.attempt)

    async def _give_up(self, session: Session) -> None:
        await stop(session, RunState.FAILED, "poison_run")

    def _log_end(self, session: Session) -> None:
        run = session.run
        log.info("sync.slice.ended", slice=run.slice, state=str(run.state), phase=str(run.phase), taken=run.taken)


def new_link_id() -> LinkId:
    """A fresh random link id."""
    return LinkId(uuid4())
