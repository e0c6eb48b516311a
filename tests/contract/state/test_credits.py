"""What every store of CRM credits must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from contactsync.domain.credits import TURN, Shares
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import BY_HAND, Coalesced
from contactsync.ports.state import RunMode, RunState
from tests.contract.state.worlds import InMemory, OnPostgres, Worker, World, some_settings
from tests.support.clock import EPOCH

DAY = timedelta(hours=25)
SHARES = Shares(25, 40)
"""Of 50,000: 12,500 and 20,000."""
ORGANISATION = some_settings().organisation_id


@asynccontextmanager
async def begun(world: World, trigger: str = "schedule") -> AsyncIterator[Worker]:
    """A run of another configuration of the organisation."""
    settings = some_settings(organisation=ORGANISATION)
    await world.put(settings)
    worker = Worker(world, settings)
    async with world.presence(worker.holder):
        await worker.start(trigger=trigger)
        world.clock.advance(timedelta(milliseconds=1))  # the next one is asked for later
        yield worker


async def waits(worker: Worker) -> None:
    """The run waits for credits, a day and an hour long."""
    async with worker.begin() as tx:
        until = worker.world.clock.now() + DAY
        await tx.runs.save(
            replace(worker.run, state=RunState.WAITING, reason=Reason.CRM_CREDITS, wait_until=until, slice=1)
        )


class CreditStoreContract:
    """What is used, and whose turn it is."""

    async def test_no_more_than_the_share_is_reserved_in_a_day(self, world: World) -> None:
        store = world.state.credits
        async with begun(world) as scheduled, begun(world, BY_HAND) as asked:
            assert await store.reserve(scheduled.run, 12_000, SHARES, EPOCH) is None
            assert await store.reserve(scheduled.run, 500, SHARES, EPOCH) is None
            until = await store.reserve(scheduled.run, 1, SHARES, EPOCH)

            assert until == EPOCH + DAY
            assert await store.reserve(asked.run, 7_500, SHARES, EPOCH) is None
            assert await store.reserve(asked.run, 1, SHARES, EPOCH) == EPOCH + DAY
            assert await store.reserve(scheduled.run, 12_500, SHARES, until) is None

    async def test_what_is_given_back_can_be_reserved_again(self, world: World) -> None:
        store = world.state.credits
        async with begun(world) as one:
            await store.reserve(one.run, 12_500, SHARES, EPOCH)
            await store.give_back(one.run, 300, SHARES, EPOCH)

            assert await store.reserve(one.run, 300, SHARES, EPOCH) is None
            assert await store.reserve(one.run, 1, SHARES, EPOCH) is not None

    async def test_what_a_slice_held_is_written_down_and_given_back_once(self, world: World) -> None:
        async with begun(world) as one:

            async def held() -> int:
                return (await world.run_row(one.settings, one.run.run_id)).credits_reserved

            left_behind = replace(one.run, credits_reserved=17)
            async with one.begin() as tx:
                await tx.runs.save(left_behind)
            assert await held() == 17

            await world.state.credits.give_back(one.run, 3, SHARES, EPOCH)
            assert await held() == 17, "an earlier slice gives back what it had left, not what a later one holds"
            await world.state.credits.give_back(left_behind, 17, SHARES, EPOCH)
            assert await held() == 0

    async def test_organisations_do_not_share(self, world: World) -> None:
        async with begun(world) as mine:
            theirs = Worker(world, some_settings())
            await world.put(theirs.settings)
            async with world.presence(theirs.holder):
                await theirs.start()
                await world.state.credits.reserve(mine.run, 12_500, SHARES, EPOCH)

                assert await world.state.credits.reserve(theirs.run, 12_500, SHARES, EPOCH) is None

    async def test_many_who_reserve_at_once_stay_within_the_share(self, world: World) -> None:
        store = world.state.credits
        async with begun(world) as one:
            answers = await asyncio.gather(*(store.reserve(one.run, 1_000, SHARES, EPOCH) for _ in range(20)))

        assert sum(answer is None for answer in answers) == 12

    async def test_room_is_kept_for_runs_that_wait_since_longer(self, world: World) -> None:
        store = world.state.credits
        async with begun(world) as oldest, begun(world) as older, begun(world) as newest:
            await waits(oldest)
            await waits(older)
            await store.reserve(newest.run, 12_500 - 2 * TURN - 1, SHARES, EPOCH)

            assert await store.reserve(newest.run, 1, SHARES, EPOCH) is None
            assert await store.reserve(newest.run, 1, SHARES, EPOCH) is not None
            assert await store.reserve(older.run, TURN, SHARES, EPOCH) is None
            assert await store.reserve(oldest.run, TURN, SHARES, EPOCH) is None

    async def test_dates_are_in_the_order_of_the_queue_and_apart(self, world: World) -> None:
        store = world.state.credits
        async with begun(world) as first, begun(world) as second, begun(world) as third:
            await store.reserve(first.run, 12_500, SHARES, EPOCH)
            dates = []
            for worker in (first, second, third):
                until = await store.reserve(worker.run, TURN, SHARES, EPOCH)
                assert until is not None
                dates.append(until)
                await waits(worker)

        assert dates[0] == EPOCH + DAY
        assert dates == sorted(set(dates))

    async def test_what_is_given_back_goes_to_those_who_wait_longest_at_once(self, world: World) -> None:
        store = world.state.credits
        async with begun(world) as first, begun(world) as second, begun(world) as third, begun(world) as fourth:
            await store.reserve(fourth.run, 12_500, SHARES, EPOCH)
            waiting = (first, second, third)
            for worker in waiting:
                await waits(worker)
            await world.relay.take(10)

            await store.give_back(fourth.run, 2 * TURN, SHARES, world.clock.now())

            rows = [await world.run_row(worker.settings, worker.run.run_id) for worker in waiting]
            now = world.clock.now()
            assert [row.wait_until is not None and row.wait_until <= now for row in rows] == [True, True, False]
            assert {hint.hint.run for hint in await world.relay.take(10)} == {first.run.run_id, second.run.run_id}

    async def test_what_a_person_asks_for_does_not_wait_for_what_goes_on_by_itself(self, world: World) -> None:
        async with begun(world) as scheduled, begun(world, BY_HAND) as asked:
            await world.state.credits.reserve(scheduled.run, 12_500, SHARES, EPOCH)
            await waits(scheduled)

            assert await world.state.credits.reserve(asked.run, 7_500, SHARES, EPOCH) is None

    async def test_behind_a_run_that_waits_for_a_day_people_keep_to_the_rest(self, world: World) -> None:
        """Beyond the quarter that it waits for lie 15 percent, 7,500."""
        store, later = world.state.credits, EPOCH + timedelta(hours=24, minutes=1)
        async with begun(world) as scheduled, begun(world, BY_HAND) as asked:
            await waits(scheduled)
            assert await store.reserve(asked.run, 10_000, SHARES, EPOCH + timedelta(hours=23)) is None

            assert await store.reserve(asked.run, 1, SHARES, later) is not None
            await store.give_back(asked.run, 2_501, SHARES, later)
            assert await store.reserve(asked.run, 1, SHARES, later) is None
            assert await store.reserve(asked.run, 1, SHARES, later) is not None
            assert await store.reserve(scheduled.run, 5_000, SHARES, later) is None

    async def test_a_run_that_waits_for_credits_goes_on_at_once_when_a_person_asks(self, world: World) -> None:
        async with begun(world) as scheduled:
            await waits(scheduled)
            settings, now = scheduled.settings, world.clock.now()

            asked = await world.requests.request(ORGANISATION, settings.config_id, RunMode.SYNC, BY_HAND, now)

            assert asked.coalesced is Coalesced.QUEUED_NEXT
            row = await world.run_row(settings, scheduled.run.run_id)
            assert (row.trigger, row.wait_until, row.slice) == (BY_HAND, None, 1)
            hints = [hint.hint for hint in await world.relay.take(10) if hint.hint.run == scheduled.run.run_id]
            assert [hint.slice for hint in hints if hint.slice == row.slice] == [1]


class TestMemoryCredits(InMemory, CreditStoreContract):
    """Dictionaries."""


@pytest.mark.postgres
class TestSqlCredits(OnPostgres, CreditStoreContract):
    """PostgreSQL."""
