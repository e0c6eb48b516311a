"""What every lease store must do."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from contactsync.domain.ids import AccountKey
from contactsync.errors import LeaseLostError
from contactsync.ports.state import Busy, Lease
from tests.contract.state.worlds import TTL, InMemory, OnPostgres, World, lease_of, working

ACCOUNT = AccountKey(b"a" * 16)


class LeaseContract:
    async def test_a_free_account_is_leased(self, world: World) -> None:
        holder = uuid4()
        lease = await world.state.leases.acquire(ACCOUNT, holder, TTL)
        assert isinstance(lease, Lease)
        assert (lease.account, lease.holder, dict(lease.bucket)) == (ACCOUNT, holder, {})

    async def test_a_living_holder_keeps_everybody_out(self, world: World) -> None:
        holder = uuid4()
        async with world.presence(holder):
            lease = await lease_of(world, ACCOUNT, holder)
            assert await world.state.leases.acquire(ACCOUNT, uuid4(), TTL) == Busy(lease.until)

    async def test_the_holder_itself_gets_no_second_lease(self, world: World) -> None:
        """A worker has many slots: two of them must never work on one account."""
        holder = uuid4()
        async with world.presence(holder):
            await lease_of(world, ACCOUNT, holder)
            assert isinstance(await world.state.leases.acquire(ACCOUNT, holder, TTL), Busy)

    async def test_other_accounts_are_free(self, world: World) -> None:
        holder = uuid4()
        async with world.presence(holder):
            await lease_of(world, ACCOUNT, holder)
            assert isinstance(await world.state.leases.acquire(AccountKey(b"b" * 16), uuid4(), TTL), Lease)

    async def test_the_lease_of_a_dead_holder_may_be_taken_at_once(self, world: World) -> None:
        holder = uuid4()
        async with world.presence(holder):
            first = await lease_of(world, ACCOUNT, holder)
        second = await lease_of(world, ACCOUNT, uuid4())
        assert second.fence > first.fence

    async def test_a_frozen_holder_is_waited_out(self, world: World) -> None:
        """Its session lock is held, so that only the end of the lease frees the account."""
        frozen = uuid4()
        async with world.presence(frozen):
            first = await lease_of(world, ACCOUNT, frozen)
            await world.pass_time(TTL - timedelta(seconds=5))
            assert isinstance(await world.state.leases.acquire(ACCOUNT, uuid4(), TTL), Busy)
            await world.pass_time(timedelta(seconds=6))
            second = await lease_of(world, ACCOUNT, uuid4())
        assert second.fence > first.fence

    async def test_renewing_moves_the_end_and_keeps_the_fence(self, world: World) -> None:
        holder = uuid4()
        async with world.presence(holder):
            lease = await lease_of(world, ACCOUNT, holder)
            await world.pass_time(timedelta(seconds=30))
            renewed = await world.state.leases.renew(lease, TTL)
            assert renewed.fence == lease.fence
            await world.pass_time(timedelta(seconds=45))
            assert isinstance(await world.state.leases.acquire(ACCOUNT, uuid4(), TTL), Busy)

    async def test_a_lease_that_somebody_else_took_is_not_renewed(self, world: World) -> None:
        late = await lease_of(world, ACCOUNT, uuid4())
        await lease_of(world, ACCOUNT, uuid4())
        with pytest.raises(LeaseLostError):
            await world.state.leases.renew(late, TTL)

    async def test_a_lease_given_back_is_free_and_keeps_its_bucket(self, world: World) -> None:
        holder = uuid4()
        async with world.presence(holder):
            lease = await lease_of(world, ACCOUNT, holder)
            await world.state.leases.release(lease, {"read": 1.5, "write": 90})
            following = await lease_of(world, ACCOUNT, holder)
        assert following.bucket == {"read": 1.5, "write": 90}
        assert following.fence == lease.fence + 1

    async def test_the_next_holder_after_a_crash_has_the_bucket_too(self, world: World) -> None:
        lease = await lease_of(world, ACCOUNT, uuid4())
        await world.state.leases.release(lease, {"read": 7})
        await lease_of(world, ACCOUNT, uuid4())
        assert (await lease_of(world, ACCOUNT, uuid4())).bucket == {"read": 7}

    async def test_giving_back_a_lost_lease_changes_nothing(self, world: World) -> None:
        late = await lease_of(world, ACCOUNT, uuid4())
        holder = uuid4()
        async with world.presence(holder):
            current = await lease_of(world, ACCOUNT, holder)
            await world.state.leases.release(late, {"read": 99})
            assert await world.state.leases.acquire(ACCOUNT, uuid4(), TTL) == Busy(current.until)
            assert (await world.state.leases.renew(current, TTL)).fence == current.fence

    async def test_a_transaction_under_a_lost_lease_does_not_begin(self, world: World) -> None:
        async with working(world) as worker:
            pass
        await lease_of(world, worker.settings.account, uuid4())
        with pytest.raises(LeaseLostError):
            async with worker.begin():
                pytest.fail("entered")

    async def test_a_transaction_under_an_expired_lease_does_not_begin(self, world: World) -> None:
        async with working(world) as worker:
            await world.pass_time(TTL)
            with pytest.raises(LeaseLostError):
                async with worker.begin():
                    pytest.fail("entered")

    async def test_no_other_holder_gets_in_while_a_fenced_transaction_is_open(self, world: World) -> None:
        """Either the taking waits for the transaction, or the transaction comes to nothing: never both."""
        async with working(world) as worker:
            pass  # the holder is dead now; its transaction is still under way
        taken: Lease | Busy | None = None
        committed = False
        try:
            async with worker.begin() as tx:
                await tx.runs.save(worker.run)
                taken = await world.state.leases.acquire(worker.settings.account, uuid4(), TTL)
            committed = True
        except LeaseLostError:
            pass
        assert isinstance(taken, Busy) == committed


class TestMemoryLeases(InMemory, LeaseContract):
    pass


@pytest.mark.postgres
class TestSqlLeases(OnPostgres, LeaseContract):
    pass
