"""A lease is kept by asking the store, and counts as lost as soon as that is not certain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest

from contactsync.domain.ids import AccountKey
from contactsync.errors import LeaseLostError, QuotaKeptError, RateLimitedError
from contactsync.ports.state import Busy, Lease
from contactsync.telemetry import metrics
from sync_worker.limits import LeaseKeeper, Quota, QuotaBucket
from tests.support.clock import EPOCH, ManualClock

TTL = timedelta(seconds=60)
LEASE = Lease(AccountKey(b"account-of-test!"), UUID(int=1), 1, EPOCH + TTL)


@dataclass
class Store:
    """Renews until somebody else holds the account."""

    clock: ManualClock
    lost: bool = False
    renewals: list[float] = field(default_factory=list)

    async def acquire(self, account: AccountKey, holder: UUID, ttl: timedelta) -> Lease | Busy:
        return LEASE

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        self.renewals.append(self.clock.monotonic())
        if self.lost:
            raise LeaseLostError("somebody else")
        return replace(lease, until=self.clock.now() + ttl)

    async def release(self, lease: Lease, bucket: Mapping[str, float]) -> None:
        raise AssertionError("a keeper gives nothing back")


def keeper(clock: ManualClock, store: Store) -> LeaseKeeper:
    return LeaseKeeper(
        store,
        LEASE,
        clock,
        ttl=TTL,
        renew_every=timedelta(seconds=15),
        asked_at=clock.monotonic(),
        bucket=QuotaBucket(Quota(), clock),
    )


async def pass_seconds(clock: ManualClock, seconds: int) -> None:
    """Second by second, so that whoever sleeps sees each."""
    for _ in range(seconds):
        clock.advance(timedelta(seconds=1))
        for _ in range(3):
            await asyncio.sleep(0)


async def test_a_lease_is_renewed_at_the_store_in_time_again_and_again() -> None:
    clock = ManualClock()
    store = Store(clock)
    kept = keeper(clock, store)
    keeping = asyncio.create_task(kept.keep())
    await asyncio.sleep(0)
    await pass_seconds(clock, 100)
    assert store.renewals == [15, 30, 45, 60, 75, 90]
    kept.require(25)
    assert kept.lease.until == EPOCH + timedelta(seconds=90) + TTL
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_without_renewal_no_call_begins_that_may_outlast_the_lease() -> None:
    clock = ManualClock()
    kept = keeper(clock, Store(clock))
    clock.advance(timedelta(seconds=35))
    kept.require(25)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(LeaseLostError):
        kept.require(25)


async def test_a_lease_that_somebody_else_holds_ends_the_work_at_once() -> None:
    clock = ManualClock()
    kept = keeper(clock, Store(clock, lost=True))
    keeping = asyncio.create_task(kept.keep())
    await asyncio.sleep(0)
    await pass_seconds(clock, 15)
    with pytest.raises(LeaseLostError):
        await keeping
    with pytest.raises(LeaseLostError):
        kept.require(1)


async def test_a_lease_that_was_given_back_is_not_lost() -> None:
    clock = ManualClock()
    kept = keeper(clock, Store(clock, lost=True))
    keeping = asyncio.create_task(kept.keep())
    await asyncio.sleep(0)
    kept.given_back()
    await pass_seconds(clock, 15)
    await keeping


def test_a_used_up_quota_lets_nobody_through_until_its_minute_is_over() -> None:
    """Also in the next slice, which starts from what the last one stored."""
    clock = ManualClock()
    bucket = QuotaBucket(Quota({"read": 2}), clock)
    bucket.take({"read": 2})
    for one in (bucket, QuotaBucket(Quota({"read": 2}), clock, bucket.state())):
        with pytest.raises(RateLimitedError) as refused:
            one.take({"read": 1})
        assert refused.value.retry_after_s == 60
    clock.advance(timedelta(seconds=60))
    bucket.take({"read": 2})


def test_after_a_refusal_half_as_much_is_used_and_more_again_minute_by_minute() -> None:
    clock = ManualClock()
    bucket = QuotaBucket(Quota({"write": 40}), clock)

    def used_in_a_minute() -> int:
        clock.advance(timedelta(seconds=60))
        for calls in range(100):
            try:
                bucket.take({"write": 1})
            except QuotaKeptError:
                return calls
        raise AssertionError("nothing is kept")

    assert used_in_a_minute() == 40
    bucket.slow_down()
    assert [used_in_a_minute() for _ in range(11)] == [22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 40]


def test_the_pace_goes_on_in_the_next_slice_and_never_stands_still() -> None:
    clock = ManualClock()
    bucket = QuotaBucket(Quota({"write": 24}), clock)
    for _ in range(10):
        bucket.slow_down()
    next_one = QuotaBucket(Quota({"write": 24}), clock, bucket.state())
    assert next_one.pace == bucket.pace == 0.1
    next_one.take({"write": 6})
    with pytest.raises(QuotaKeptError):
        next_one.take({"write": 6})


def test_how_full_the_minute_is_can_be_watched() -> None:
    def seen(at_most: str) -> float:
        labels = {"bucket": "delete", "le": at_most}
        return metrics.REGISTRY.get_sample_value("contactsync_google_quota_used_ratio_bucket", labels) or 0

    before = seen("0.5"), seen("0.75")
    bucket = QuotaBucket(Quota({"delete": 4}), ManualClock())
    bucket.take({"delete": 3})
    bucket.observe()

    assert (seen("0.5"), seen("0.75")) == (before[0], before[1] + 1)
