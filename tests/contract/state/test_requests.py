"""What asking for runs, relaying their hints and sweeping must do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from contactsync.domain.ids import ConfigId, OrganisationId, RunId
from contactsync.errors import NotActiveError, UnknownRowError
from contactsync.ports.queue import Lane, OutboundHint
from contactsync.ports.requests import TAKEN_FOR, Coalesced, Requested
from contactsync.ports.state import Run, RunMode, RunSettings, RunState
from tests.contract.state.worlds import (
    LIMITS,
    TTL,
    InMemory,
    OnPostgres,
    Worker,
    World,
    hint_of,
    lease_of,
    some_settings,
    working,
)
from tests.support.clock import EPOCH

HOUR = timedelta(hours=1)
IDLE = timedelta(seconds=75)


async def ask(world: World, settings: RunSettings, mode: RunMode = RunMode.SYNC, trigger: str = "user") -> Requested:
    return await world.requests.request(settings.organisation_id, settings.config_id, mode, trigger, world.clock.now())


async def put(world: World) -> RunSettings:
    settings = some_settings()
    await world.put(settings)
    return settings


async def take(world: World) -> list[OutboundHint]:
    """All hints that are due, published."""
    taken = list(await world.relay.take(100))
    await world.relay.mark_published([hint.message_id for hint in taken])
    return taken


async def end(worker: Worker, state: RunState = RunState.SUCCEEDED) -> None:
    async with worker.begin() as tx:
        await tx.runs.finish(replace(worker.run, state=state), next_due=None)
    await worker.world.state.leases.release(worker.lease, {})


async def claim(world: World, settings: RunSettings, hint: OutboundHint) -> Run:
    lease = await lease_of(world, settings.account, uuid4())
    claimed = await world.state.claim(hint.hint, lease, world.clock.now())
    assert claimed is not None
    return claimed.run


class RequestContract:
    async def test_a_request_makes_a_queued_run_and_its_hint(self, world: World) -> None:
        settings = await put(world)
        asked = await ask(world, settings, RunMode.FULL, "webhook")
        assert asked == Requested(asked.run_id, created=True, coalesced=None)
        row = await world.run_row(settings, asked.run_id)
        assert (row.state, row.mode, row.trigger, row.first, row.limit) == (
            "queued",
            "full",
            "webhook",
            True,
            LIMITS.initial,
        )
        (hint,) = await take(world)
        assert (hint.lane, hint.hint) == (Lane.INITIAL, hint_of(settings, asked.run_id))

    async def test_later_runs_have_a_lane_of_their_own(self, world: World) -> None:
        async with working(world) as worker:
            await end(worker)
            await take(world)
            await ask(world, worker.settings)
            (hint,) = await take(world)
        assert hint.lane is Lane.INCREMENTAL

    async def test_a_request_joins_a_run_that_has_not_begun(self, world: World) -> None:
        settings = await put(world)
        first = await ask(world, settings)
        second = await ask(world, settings, trigger="webhook")
        assert second == Requested(first.run_id, created=False, coalesced=Coalesced.JOINED)
        assert len(await take(world)) == 1

    async def test_a_postponed_run_that_has_not_begun_is_joined(self, world: World) -> None:
        settings = await put(world)
        first = await ask(world, settings)
        await world.state.postpone(hint_of(settings, first.run_id), EPOCH + HOUR, "account_busy")
        assert (await ask(world, settings)).coalesced is Coalesced.JOINED

    async def test_a_full_request_makes_the_joined_run_full(self, world: World) -> None:
        settings = await put(world)
        first = await ask(world, settings)
        await ask(world, settings, RunMode.FULL)
        assert (await world.run_row(settings, first.run_id)).mode == "full"
        await ask(world, settings)
        assert (await world.run_row(settings, first.run_id)).mode == "full"

    @pytest.mark.parametrize(
        ("first", "second", "then"),
        [
            ("schedule", "webhook", "webhook"),
            ("schedule", "user", "user"),
            ("webhook", "user", "user"),
            ("user", "webhook", "user"),
            ("webhook", "schedule", "webhook"),
            ("schedule", "schedule", "schedule"),
        ],
    )
    async def test_a_joined_run_counts_as_asked_for_by_whom_it_matters_most(
        self, world: World, first: str, second: str, then: str
    ) -> None:
        settings = await put(world)
        asked = await ask(world, settings, trigger=first)
        await ask(world, settings, trigger=second)
        assert (await world.run_row(settings, asked.run_id)).trigger == then

    async def test_the_run_that_follows_counts_as_asked_for_by_whom_it_matters_most(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            for trigger in ("schedule", "webhook", "user", "webhook"):
                await ask(world, worker.settings, trigger=trigger)
            await end(worker)
            (hint,) = await take(world)
            assert (await claim(world, worker.settings, hint)).trigger == "user"

    async def test_requests_during_a_run_are_answered_by_one_further_run(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            for trigger in ("webhook", "webhook", "schedule"):
                asked = await ask(world, worker.settings, trigger=trigger)
                assert asked == Requested(worker.run.run_id, created=False, coalesced=Coalesced.QUEUED_NEXT)
            assert await take(world) == []
            await end(worker)
            (hint,) = await take(world)
            assert hint.hint.run != worker.run.run_id
            worker.run = await claim(world, worker.settings, hint)
            assert (worker.run.mode, worker.run.trigger, worker.run.first) == (RunMode.SYNC, "webhook", False)

    async def test_a_run_that_nobody_asked_for_again_is_the_last(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            await end(worker)
            assert await take(world) == []

    async def test_no_further_run_follows_in_a_configuration_that_was_stopped(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            await ask(world, worker.settings)
            await world.put(worker.settings, active=False)
            await end(worker, RunState.CANCELLED)
            assert await take(world) == []

    async def test_a_full_request_during_a_run_is_answered_by_a_full_run(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            await ask(world, worker.settings)
            await ask(world, worker.settings, RunMode.FULL)
            await end(worker)
            (hint,) = await take(world)
            assert (await claim(world, worker.settings, hint)).mode is RunMode.FULL

    async def test_approved_deletes_join_nothing_and_nothing_is_lost(self, world: World) -> None:
        settings = await put(world)
        first = await ask(world, settings)
        for trigger in ("approval:1", "approval:2", "approval:1"):
            asked = await ask(world, settings, RunMode.APPROVED_DELETES, trigger)
            assert asked.coalesced is Coalesced.QUEUED_NEXT
        seen: list[tuple[RunMode, str]] = []
        async with world.presence(uuid4()):
            while taken := await take(world):
                worker = Worker(world, settings)
                worker.run = await claim(world, settings, taken[0])
                worker.lease = await lease_of(world, settings.account, worker.holder)
                seen.append((worker.run.mode, worker.run.trigger))
                if worker.run.run_id == first.run_id:
                    await ask(world, settings, trigger="webhook")
                await end(worker)
        assert seen == [
            (RunMode.SYNC, "user"),
            (RunMode.APPROVED_DELETES, "approval:1"),
            (RunMode.APPROVED_DELETES, "approval:2"),
            (RunMode.SYNC, "webhook"),
        ]

    async def test_a_run_that_awaits_approval_does_not_stand_in_the_way(self, world: World) -> None:
        async with working(world) as worker:
            await end(worker, RunState.NEEDS_APPROVAL)
            assert (await ask(world, worker.settings)).created

    async def test_many_requests_at_once_make_one_run(self, world: World) -> None:
        settings = await put(world)
        answers = await asyncio.gather(*(ask(world, settings, trigger=f"t{n}") for n in range(20)))
        assert sum(answer.created for answer in answers) == 1
        assert len({answer.run_id for answer in answers}) == 1
        assert len(await take(world)) == 1

    async def test_requests_against_the_end_of_a_run_are_never_lost(self, world: World) -> None:
        """Each either marks the run that ends, or makes or joins the one that follows."""
        async with working(world) as worker:
            await take(world)
            answers = await asyncio.gather(*(ask(world, worker.settings) for _ in range(8)), end(worker))
            followers = {hint.hint.run for hint in await take(world)}
        assert len(followers) == 1
        assert {answer.run_id for answer in answers[:-1] if answer} <= followers | {worker.run.run_id}

    async def test_a_foreign_configuration_is_unknown(self, world: World) -> None:
        settings = await put(world)
        stranger = await put(world)
        for organisation_id, config_id in (
            (stranger.organisation_id, settings.config_id),
            (settings.organisation_id, ConfigId(uuid4())),
            (OrganisationId(uuid4()), settings.config_id),
        ):
            with pytest.raises(UnknownRowError):
                await world.requests.request(organisation_id, config_id, RunMode.SYNC, "user", EPOCH)
        with pytest.raises(UnknownRowError):
            await world.requests.cancel(stranger.organisation_id, RunId(uuid4()), EPOCH)

    async def test_a_stopped_configuration_runs_no_more(self, world: World) -> None:
        settings = await put(world)
        await world.put(settings, active=False)
        with pytest.raises(NotActiveError):
            await ask(world, settings)

    # --- cancelling ---

    async def test_a_run_that_never_began_is_cancelled_at_once(self, world: World) -> None:
        settings = await put(world)
        asked = await ask(world, settings)
        assert await world.requests.cancel(settings.organisation_id, asked.run_id, EPOCH)
        assert (await world.run_row(settings, asked.run_id)).state == "cancelled"
        assert await world.state.account_of(hint_of(settings, asked.run_id)) is None
        assert (await ask(world, settings)).created

    async def test_a_run_under_way_is_asked_to_stop(self, world: World) -> None:
        async with working(world) as worker:
            assert await world.requests.cancel(worker.settings.organisation_id, worker.run.run_id, EPOCH)
            assert (await world.run_row(worker.settings, worker.run.run_id)).state == "running"
            async with worker.begin() as tx:
                assert await tx.runs.cancelled(worker.run.run_id)

    async def test_a_run_that_waits_is_hinted_so_that_a_worker_ends_it_now(self, world: World) -> None:
        async with working(world) as worker:
            async with worker.begin() as tx:
                waiting = replace(worker.run, slice=1, state=RunState.WAITING, wait_until=EPOCH + HOUR)
                await tx.runs.save(waiting)
            await take(world)
            await world.requests.cancel(worker.settings.organisation_id, worker.run.run_id, EPOCH)
            (hint,) = await take(world)
            assert hint.hint == hint_of(worker.settings, worker.run.run_id, 1)
            assert await world.state.account_of(hint.hint) == worker.settings.account

    async def test_what_has_ended_is_not_cancelled(self, world: World) -> None:
        async with working(world) as worker:
            await end(worker)
            assert not await world.requests.cancel(worker.settings.organisation_id, worker.run.run_id, EPOCH)
            assert (await world.run_row(worker.settings, worker.run.run_id)).state == "succeeded"

    async def test_a_request_that_waited_survives_the_cancelling_of_the_run_before_it(self, world: World) -> None:
        settings = await put(world)
        asked = await ask(world, settings)
        await ask(world, settings, RunMode.APPROVED_DELETES, "approval:1")
        await take(world)
        await world.requests.cancel(settings.organisation_id, asked.run_id, EPOCH)
        (hint,) = await take(world)
        assert (await world.run_row(settings, RunId(hint.hint.run))).mode == "approved_deletes"


class RelayContract:
    async def test_hints_are_taken_in_order_and_by_one_relay(self, world: World) -> None:
        runs = []
        for _ in range(5):
            runs.append((await ask(world, await put(world))).run_id)
            world.clock.advance(timedelta(seconds=1))
        first = await world.relay.take(3)
        second = await world.relay.take(3)
        assert [hint.hint.run for hint in (*first, *second)] == runs

    async def test_relays_at_once_take_each_hint_once(self, world: World) -> None:
        for _ in range(12):
            await ask(world, await put(world))
        taken = await asyncio.gather(*(world.relay.take(4) for _ in range(6)))
        message_ids = [hint.message_id for hints in taken for hint in hints]
        assert len(message_ids) == len(set(message_ids))

    async def test_a_hint_that_was_not_confirmed_comes_again_with_its_id(self, world: World) -> None:
        await ask(world, await put(world))
        first = await world.relay.take(10)
        world.clock.advance(TAKEN_FOR - timedelta(seconds=1))
        assert await world.relay.take(10) == []
        world.clock.advance(timedelta(seconds=1))
        assert await world.relay.take(10) == first

    async def test_a_confirmed_hint_never_comes_again(self, world: World) -> None:
        await ask(world, await put(world))
        await take(world)
        world.clock.advance(HOUR)
        assert await world.relay.take(10) == []
        assert await world.relay.next_due() is None

    async def test_the_next_due_time_is_known(self, world: World) -> None:
        assert await world.relay.next_due() is None
        async with working(world) as worker:
            await take(world)
            async with worker.begin() as tx:
                hint = hint_of(worker.settings, worker.run.run_id)
                await tx.outbox.add(Lane.SUSPECT, hint, not_before=EPOCH + HOUR)
        assert await world.relay.next_due() == EPOCH + HOUR
        assert await world.relay.take(10) == []
        world.clock.advance(HOUR)
        assert [hint.lane for hint in await world.relay.take(10)] == [Lane.SUSPECT]
        assert await world.relay.next_due() == EPOCH + HOUR + TAKEN_FOR

    async def test_published_hints_are_purged_by_age(self, world: World) -> None:
        await ask(world, await put(world))
        await take(world)
        world.clock.advance(HOUR)
        await ask(world, await put(world))
        await take(world)
        await ask(world, await put(world))
        world.clock.advance(timedelta(minutes=1))
        assert await world.relay.purge(HOUR) == 1
        assert await world.relay.purge(HOUR) == 0
        assert len(await world.relay.take(10)) == 1


class SweepContract:
    async def test_configurations_that_are_due_are_started_once(self, world: World) -> None:
        due, later, stopped = some_settings(), some_settings(), some_settings()
        await world.put(due, next_due=EPOCH)
        await world.put(later, next_due=EPOCH + HOUR)
        await world.put(stopped, active=False, next_due=EPOCH)
        assert await world.sweeper.oldest_due(EPOCH + timedelta(minutes=1)) == EPOCH
        assert await world.sweeper.start_due(EPOCH, 10) == 1
        assert await world.sweeper.oldest_due(EPOCH) is None
        assert await world.sweeper.start_due(EPOCH, 10) == 0
        (hint,) = await take(world)
        assert hint.hint.configuration == due.config_id
        assert (await world.run_row(due, RunId(hint.hint.run))).trigger == "schedule"
        assert (await world.config(due)).next_due is None

    async def test_a_due_configuration_that_runs_already_is_not_run_twice(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            await world.put(worker.settings, next_due=EPOCH)
            assert await world.sweeper.start_due(EPOCH, 10) == 1
            await end(worker)
            assert await take(world) == []

    async def test_a_run_whose_hint_was_lost_is_hinted_again(self, world: World) -> None:
        settings = await put(world)
        asked = await ask(world, settings)
        await take(world)
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 0
        await world.pass_time(IDLE)
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 1
        (hint,) = await take(world)
        assert (hint.lane, hint.hint) == (Lane.INITIAL, hint_of(settings, asked.run_id))
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 0

    async def test_a_run_whose_worker_died_is_hinted_again(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
        await world.pass_time(IDLE)
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 1
        (hint,) = await take(world)
        assert hint.hint == hint_of(worker.settings, worker.run.run_id)

    async def test_a_run_that_is_being_worked_is_left_alone(self, world: World) -> None:
        async with working(world) as worker:
            await take(world)
            await world.pass_time(TTL / 2)
            worker.lease = await world.state.leases.renew(worker.lease, TTL)
            await world.pass_time(TTL / 2)
            worker.lease = await world.state.leases.renew(worker.lease, TTL)
            await world.pass_time(TTL / 2)
            assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 0

    async def test_a_run_that_waits_is_left_alone_until_its_date_is_past(self, world: World) -> None:
        async with working(world) as worker:
            async with worker.begin() as tx:
                waiting = replace(worker.run, slice=1, state=RunState.WAITING, wait_until=EPOCH + HOUR)
                await tx.runs.save(waiting)
            await take(world)
        await world.pass_time(HOUR)
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 0
        await world.pass_time(IDLE)
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 1

    async def test_a_run_that_ended_is_left_alone(self, world: World) -> None:
        async with working(world) as worker:
            await end(worker)
            await take(world)
        await world.pass_time(HOUR)
        assert await world.sweeper.revive(world.clock.now(), IDLE, 10) == 0

    async def test_a_suspect_run_is_hinted_in_the_lane_that_isolates_it(self, world: World) -> None:
        async with working(world) as worker:
            await world.state.claim(hint_of(worker.settings, worker.run.run_id), worker.lease, EPOCH)
            await take(world)
        await world.pass_time(IDLE)
        await world.sweeper.revive(world.clock.now(), IDLE, 10)
        (hint,) = await take(world)
        assert hint.lane is Lane.SUSPECT


class TestMemoryRequests(InMemory, RequestContract):
    pass


class TestMemoryRelay(InMemory, RelayContract):
    pass


class TestMemorySweep(InMemory, SweepContract):
    pass


@pytest.mark.postgres
class TestSqlRequests(OnPostgres, RequestContract):
    pass


@pytest.mark.postgres
class TestSqlRelay(OnPostgres, RelayContract):
    pass


@pytest.mark.postgres
class TestSqlSweep(OnPostgres, SweepContract):
    pass
