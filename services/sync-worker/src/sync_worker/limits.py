"""Who may call a provider now: the lease has life enough, the quotas have room, and every call is counted.

The Google bucket belongs to the account, travels with the lease and is stored with it at each slice's end. Windows are
one minute long, as Google counts them (People API usage limits; the figures are settings since Google publishes none).
The CRM's credits belong to the organisation; they are reserved in chunks, so that a slice asks the database rarely.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from contactsync.domain.credits import CHUNK, Shares
from contactsync.domain.reasons import Reason
from contactsync.errors import LeaseLostError, QuotaKeptError, RateLimitedError
from contactsync.ports.clock import Clock
from contactsync.ports.directory import Call
from contactsync.ports.state import CreditStore, Lease, LeaseStore, Run
from contactsync.telemetry import metrics

WINDOW_S = 60.0
_FASTER = 0.05
_SLOWEST = 0.1
_UNDER_WAY = 10
"""CRM credits that the calls under way when a worker was killed may have cost: 100 records written."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Units of one provider that an account may use in a minute, by bucket; a missing bucket is unlimited."""

    per_minute: Mapping[str, int] = field(default_factory=dict)


class QuotaBucket:
    """Fixed one-minute windows for the buckets of one account.

    Google publishes no figures, and another program of the user's may draw on the same account: after a refusal half as
    much is used in a minute, and a little more again in each minute that follows (additive increase, multiplicative
    decrease: D. Chiu, R. Jain, Computer Networks and ISDN Systems 17, 1989).

    The state is a flat mapping of numbers, so that it can be stored with the lease: `<bucket>` is what the window has
    used, `at` the window's start in epoch seconds, `pace` the part of the quota that is used at present.
    """

    def __init__(self, quota: Quota, clock: Clock, state: Mapping[str, float] | None = None) -> None:
        self._quota = quota
        self._clock = clock
        stored = dict(state or {})
        self._started = stored.pop("at", 0.0)
        self.pace = stored.pop("pace", 1.0)
        self._used: Counter[str] = Counter({name: int(units) for name, units in stored.items()})

    def take(self, units: Mapping[str, int]) -> None:
        """Use units of the present window. Raises QuotaKeptError, with nothing used, when there are too few left."""
        now = self._clock.now().timestamp()
        if not self._started <= now < self._started + WINDOW_S:
            self._started = now
            self._used.clear()
            self.pace = min(self.pace + _FASTER, 1.0)
        for name, amount in units.items():
            limit = self._quota.per_minute.get(name)
            # A call that is larger than the pace allows goes out alone.
            if limit is not None and self._used[name] and self._used[name] + amount > limit * self.pace:
                left = self._started + WINDOW_S - now
                raise QuotaKeptError(
                    f"{name} quota of this minute is used up", reason="google_quota", retry_after_s=left
                )
        self._used.update({name: amount for name, amount in units.items() if name in self._quota.per_minute})

    def slow_down(self) -> None:
        """Use less of the quotas: Google refused a call for which there was room by our account."""
        self.pace = max(self.pace / 2, _SLOWEST)

    def observe(self) -> None:
        """Tell the metrics how much of the minute is used."""
        for name, limit in self._quota.per_minute.items():
            metrics.QUOTA_USED.labels(name).observe(self._used[name] / limit)

    def state(self) -> dict[str, float]:
        """What to store with the lease."""
        return {"at": self._started, "pace": self.pace, **{name: float(units) for name, units in self._used.items()}}


class CreditBudget:
    """The CRM credits of one slice, out of the organisation's shares."""

    def __init__(self, store: CreditStore, run: Run, clock: Clock, shares: Shares) -> None:
        self._store = store
        self._run = run
        self._clock = clock
        self._shares = shares
        self._lock = asyncio.Lock()
        self.left = 0
        """Reserved and not used."""
        self._granted = False

    async def take_over(self) -> None:
        """Give back what a slice that was killed had reserved and, as far as stored, not used."""
        if self._run.credits_reserved:
            await self._give_back(max(self._run.credits_reserved - _UNDER_WAY, 0))
            self._run = replace(self._run, credits_reserved=0)

    async def take(self, amount: int) -> None:
        """Use credits. Raises QuotaKeptError, with none used, while it is not this run's turn."""
        async with self._lock:
            if self.left < amount:
                await self._reserve(amount - self.left)
            self.left -= amount

    async def _reserve(self, needed: int) -> None:
        now = self._clock.now()
        amount = max(needed, CHUNK)
        until = await self._ask(amount, now)
        if until is not None and needed < amount:
            until = await self._ask(needed, now)
        if until is None:
            return
        raise QuotaKeptError(
            "the share of the CRM's daily credits is used up",
            reason=Reason.CRM_CREDITS,
            retry_after_s=(until - now).total_seconds(),
        )

    async def _ask(self, amount: int, now: datetime) -> datetime | None:
        # Counted before they are granted: a commit meanwhile must not store that there are none.
        self.left += amount
        held = replace(self._run, credits_reserved=self.left)
        until = await self._store.reserve(held, amount, self._shares, now)
        if until is None:
            self._granted = True
        else:
            self.left -= amount
        return until

    async def close(self) -> None:
        """Give back what was reserved and not used."""
        async with self._lock:
            # Also where nothing is left: somebody may wait whose turn has come meanwhile.
            if self._granted:
                await self._give_back(self.left)
                self.left, self._granted = 0, False

    async def _give_back(self, amount: int) -> None:
        await self._store.give_back(self._run, amount, self._shares, self._clock.now())


class LeaseKeeper:
    """Holds a lease while a slice works: renews it, and knows how much life it has left.

    Life is measured from before the database was asked, on our monotonic clock: pessimistic by the round trip, and
    independent of any wall clock.
    """

    def __init__(  # noqa: PLR0913  built in one place
        self,
        store: LeaseStore,
        lease: Lease,
        clock: Clock,
        *,
        ttl: timedelta,
        renew_every: timedelta,
        asked_at: float,
        bucket: QuotaBucket,
    ) -> None:
        self.bucket = bucket
        self._store = store
        self._clock = clock
        self._ttl = ttl
        self._renew_every = renew_every
        self._lease = lease
        self._ends = asked_at + ttl.total_seconds()
        self._lost = False
        self._given_back = False

    @property
    def lease(self) -> Lease:
        """The lease as last renewed."""
        return self._lease

    @property
    def holder(self) -> UUID:
        """The worker that holds it."""
        return self._lease.holder

    def require(self, seconds: float) -> None:
        """Raises LeaseLostError when less than `seconds` of life are certain."""
        if self._lost or self._clock.monotonic() + seconds > self._ends:
            raise LeaseLostError("the lease has too little life left for a call")

    def given_back(self) -> Mapping[str, float]:
        """The quota bucket to give back with the lease, which is not kept any longer."""
        self._given_back = True
        return self.bucket.state()

    async def keep(self) -> None:
        """Renew until cancelled or given back. Raises LeaseLostError when somebody else holds the account."""
        while True:
            await self._clock.sleep(self._renew_every.total_seconds())
            asked_at = self._clock.monotonic()
            try:
                self._lease = await self._store.renew(self._lease, self._ttl)
            except LeaseLostError:
                if self._given_back:
                    return
                metrics.LEASE_LOST.inc()
                self._lost = True
                raise
            self._ends = asked_at + self._ttl.total_seconds()


class Gate:
    """The `CallGate` of one slice."""

    def __init__(
        self,
        keeper: LeaseKeeper,
        buckets: Mapping[str, QuotaBucket],
        budget: CreditBudget,
        *,
        call_needs: timedelta,
    ) -> None:
        self._keeper = keeper
        self._buckets = buckets
        self._budget = budget
        self._call_needs = call_needs.total_seconds()
        self.calls: Counter[str] = Counter()
        """`<provider>.<operation>` -> data calls; control calls under `control.<provider>.<operation>`."""

    @property
    def credits_left(self) -> int:
        """CRM credits that are reserved and not used."""
        return self._budget.left

    def refused(self, error: RateLimitedError) -> None:
        """Note that a provider said that a quota is used up."""
        if error.reason in {Reason.GOOGLE_QUOTA, Reason.GOOGLE_ACCOUNT_QUOTA} and (
            bucket := self._buckets.get("google")
        ):
            bucket.slow_down()

    async def admit(self, call: Call) -> None:
        """Count the call and let it through. Raises LeaseLostError, RateLimitedError."""
        self._keeper.require(self._call_needs)
        bucket = self._buckets.get(call.provider)
        if bucket is not None:
            bucket.take(call.units)
        if (amount := call.units.get("credits", 0)) > 0:
            await self._budget.take(amount)
        name = f"{call.provider}.{call.operation}"
        self.calls[f"control.{name}" if call.control else name] += 1
