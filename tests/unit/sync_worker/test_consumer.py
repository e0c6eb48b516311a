"""From deliveries to slices: what each error means for a message, and how a worker ends."""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import structlog

from contactsync.adapters.memory.queue import MemoryQueue, MemoryQueueWarning
from contactsync.errors import (
    AuthorizationLostError,
    ConfigurationError,
    ContactSyncError,
    Disposition,
    LeaseLostError,
    PoisonMessageError,
    ProviderUnavailableError,
)
from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Delivery, Lane, OutboundHint, Settlement
from contactsync.telemetry import metrics
from sync_worker.consumer import ConsumerSettings, HintConsumer, HintHandler, Work, lane_slots, settlement_of
from tests.contract.queue.recorder import Recorder, a_hint, consuming, publish
from tests.support.clock import ManualClock
from tests.support.waiting import wait_until

SETTINGS = ConsumerSettings(drain_grace=timedelta(seconds=0.2), crash_pause_s=5)


@pytest.fixture
def queue() -> MemoryQueue:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MemoryQueueWarning)
        return MemoryQueue()


def a_delivery(hint: OutboundHint) -> Delivery:
    return Delivery(str(hint.message_id), hint.lane, hint.hint.to_bytes(), {}, redelivered=False)


def a_handler(work: Work, clock: ManualClock | None = None) -> HintHandler:
    return HintHandler(work, clock or ManualClock(auto=True), SETTINGS, lambda _: None)


def failing(error: Exception) -> Work:
    async def work(_hint: RunHint, _lane: Lane) -> None:
        raise error

    return work


@asynccontextmanager
async def working(queue: MemoryQueue, work: Work) -> AsyncIterator[HintConsumer]:
    """A worker that is stopped at the end."""
    consumer = HintConsumer(queue, work, ManualClock(auto=True), SETTINGS)
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    await wait_until(lambda: consumer.ready)
    yield consumer
    stop.set()
    await running


@pytest.mark.parametrize("slots", [3, 4, 8, 16, 100])
def test_every_lane_has_slots_of_its_own_and_suspects_one(slots: int) -> None:
    lanes = lane_slots(slots)
    assert set(lanes) == {Lane.INITIAL, Lane.INCREMENTAL, Lane.SUSPECT}
    assert sum(lanes.values()) == slots
    assert lanes[Lane.SUSPECT] == 1
    assert lanes[Lane.INCREMENTAL] >= lanes[Lane.INITIAL] >= 1


def test_fewer_slots_than_lanes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="worker slots: 2"):
        lane_slots(2)


def test_no_error_puts_a_message_back_to_be_tried_again() -> None:
    for disposition in Disposition:
        error = ContactSyncError()
        error.disposition = disposition
        match disposition:
            case Disposition.DEAD_LETTER:
                assert settlement_of(error) is Settlement.DEAD_LETTER
            case Disposition.STOP_PROCESS:
                assert settlement_of(error) is Settlement.RELEASE
            case _:
                assert settlement_of(error) is Settlement.ACK


async def test_the_slice_that_the_hint_names_is_worked_and_the_message_acknowledged() -> None:
    worked: list[tuple[RunHint, Lane]] = []

    async def work(hint: RunHint, lane: Lane) -> None:
        worked.append((hint, lane))

    hint = a_hint(Lane.SUSPECT, number=4)
    assert await a_handler(work)(a_delivery(hint)) is Settlement.ACK
    assert worked == [(hint.hint, Lane.SUSPECT)]


@pytest.mark.parametrize("error", [LeaseLostError(), AuthorizationLostError(), ProviderUnavailableError()])
async def test_a_slice_that_ends_in_an_error_of_ours_is_acknowledged(error: ContactSyncError) -> None:
    assert await a_handler(failing(error))(a_delivery(a_hint())) is Settlement.ACK


async def test_a_slice_that_crashes_is_acknowledged_after_a_pause_for_the_sweeper_to_find() -> None:
    clock = ManualClock()
    handling = asyncio.create_task(a_handler(failing(KeyError("who")), clock)(a_delivery(a_hint())))
    await asyncio.sleep(0.01)
    assert not handling.done()
    clock.advance(timedelta(seconds=5))
    assert await handling is Settlement.ACK


POISON: list[Callable[[RunHint], bytes]] = [
    lambda hint: b"",
    lambda hint: b"\xff\xfe not JSON",
    lambda hint: b"[]",
    lambda hint: hint.to_bytes()[:-1],
    lambda hint: hint.to_bytes().replace(b'"schema":1', b'"schema":2'),
    lambda hint: hint.to_bytes().replace(str(hint.run).encode(), b"no id"),
    lambda hint: random.Random(5).randbytes(2000),
]


@pytest.mark.parametrize("corrupt", POISON)
async def test_a_message_that_can_never_be_understood_is_dead_lettered_and_the_next_one_worked(
    corrupt: Callable[[RunHint], bytes],
) -> None:
    """F12."""
    worked = Recorder.open()

    async def work(hint: RunHint, lane: Lane) -> None:
        await worked(a_delivery(OutboundHint(uuid4(), lane, hint)))

    handler = a_handler(work)
    hint = a_hint()
    assert corrupt(hint.hint) != hint.hint.to_bytes()
    poisoned = Delivery(str(hint.message_id), hint.lane, corrupt(hint.hint), {}, redelivered=False)
    assert await handler(poisoned) is Settlement.DEAD_LETTER
    assert await handler(a_delivery(hint)) is Settlement.ACK
    assert len(worked.deliveries) == 1


async def test_a_hint_of_a_newer_release_with_more_fields_is_understood() -> None:
    """F42: unknown fields are left alone, an unknown schema is parked."""
    worked: list[RunHint] = []

    async def work(hint: RunHint, _lane: Lane) -> None:
        worked.append(hint)

    hint = a_hint()
    body = hint.hint.to_bytes()[:-1] + b',"colour":"blue"}'
    delivery = Delivery(str(hint.message_id), hint.lane, body, {}, redelivered=False)
    assert await a_handler(work)(delivery) is Settlement.ACK
    assert worked == [hint.hint]


async def test_work_runs_with_its_ids_bound_for_the_log() -> None:
    seen: dict[str, object] = {}

    async def work(_hint: RunHint, _lane: Lane) -> None:
        seen.update(structlog.contextvars.get_contextvars())

    hint = a_hint(number=2)
    await a_handler(work)(a_delivery(hint))
    assert seen == {
        "organisation_id": hint.hint.organisation,
        "config_id": hint.hint.configuration,
        "run_id": hint.hint.run,
        "slice": 2,
        "message_id": str(hint.message_id),
        "correlation_id": "trace-1",
    }
    assert structlog.contextvars.get_contextvars() == {}


async def test_outcomes_are_counted() -> None:
    def counted(outcome: str) -> float:
        labels = {"lane": "sync.incremental", "outcome": outcome}
        return metrics.REGISTRY.get_sample_value("contactsync_slices_total", labels) or 0.0

    before = {outcome: counted(outcome) for outcome in ("done", "drop_work", "crashed")}

    async def work(_hint: RunHint, _lane: Lane) -> None:
        return

    await a_handler(work)(a_delivery(a_hint()))
    await a_handler(failing(LeaseLostError()))(a_delivery(a_hint()))
    await a_handler(failing(ZeroDivisionError()))(a_delivery(a_hint()))
    assert {outcome: counted(outcome) - value for outcome, value in before.items()} == {
        "done": 1,
        "drop_work": 1,
        "crashed": 1,
    }


async def test_a_worker_stops_when_what_is_under_way_has_ended(queue: MemoryQueue) -> None:
    gate, ended = asyncio.Event(), asyncio.Event()

    async def work(_hint: RunHint, _lane: Lane) -> None:
        await gate.wait()
        ended.set()

    await publish(queue, a_hint())
    async with working(queue, work):
        await wait_until(lambda: metrics_in_use() == 1)
        asyncio.get_running_loop().call_later(0.05, gate.set)
    assert ended.is_set()
    assert await queue.depth(Lane.INCREMENTAL) == 0


async def test_a_slice_that_outlasts_the_grace_is_cancelled_and_its_message_comes_again(queue: MemoryQueue) -> None:
    """F43."""
    hint = a_hint()
    cancelled = asyncio.Event()

    async def work(_hint: RunHint, _lane: Lane) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await publish(queue, hint)
    async with working(queue, work):
        await wait_until(lambda: metrics_in_use() == 1)
    assert cancelled.is_set()
    again = Recorder.open()
    async with consuming(queue, again):
        await again.seen(1)
    assert again.ids == [hint.message_id]


async def test_a_worker_that_cannot_work_as_set_up_ends_with_that_error_and_keeps_the_hint(queue: MemoryQueue) -> None:
    hint = a_hint()
    await publish(queue, hint)
    consumer = HintConsumer(queue, failing(ConfigurationError("KEYS: none")), ManualClock(auto=True), SETTINGS)
    with pytest.raises(ConfigurationError, match="KEYS: none"):
        await asyncio.wait_for(consumer.run(asyncio.Event()), timeout=5)
    again = Recorder.open()
    async with consuming(queue, again, {Lane.INCREMENTAL: 1, Lane.DEAD: 1}):
        await again.seen(1)
    assert again.ids == [hint.message_id]


async def test_hints_doubled_a_hundred_times_and_shuffled_are_each_worked_once(queue: MemoryQueue) -> None:
    """F13, F14: the rows decide; a slice that is committed or not yet due is acknowledged and nothing else."""
    runs = [uuid4() for _ in range(5)]
    slices = dict.fromkeys(runs, 0)
    worked: list[tuple[UUID, int]] = []

    async def work(hint: RunHint, _lane: Lane) -> None:
        if slices[hint.run] != hint.slice:
            return
        slices[hint.run] += 1  # committed before anything is awaited, as under the account's lease
        worked.append((hint.run, hint.slice))
        await asyncio.sleep(0)

    first = [a_hint().hint.model_copy(update={"run": run, "slice": 0}) for run in runs]
    copies = [OutboundHint(uuid4(), Lane.INCREMENTAL, hint) for hint in first for _ in range(100)]
    random.Random(3).shuffle(copies)
    await publish(queue, *copies)
    async with working(queue, work):
        await wait_until(lambda: len(worked) == 5)

        async def empty() -> bool:
            return await queue.depth(Lane.INCREMENTAL) == 0

        await wait_until(empty)
    assert sorted(worked) == sorted((run, 0) for run in runs)


async def test_poison_is_parked_and_the_worker_lives(queue: MemoryQueue) -> None:
    worked: list[RunHint] = []

    async def work(hint: RunHint, _lane: Lane) -> None:
        if hint.slice == 99:
            raise PoisonMessageError
        worked.append(hint)

    await publish(queue, a_hint(number=99), a_hint())
    async with working(queue, work) as consumer:
        await wait_until(lambda: len(worked) == 1)
        assert consumer.ready
    assert await queue.depth(Lane.DEAD) == 1


def metrics_in_use() -> float:
    labels = {"lane": "sync.incremental"}
    return metrics.REGISTRY.get_sample_value("contactsync_worker_slots_in_use", labels) or 0.0
