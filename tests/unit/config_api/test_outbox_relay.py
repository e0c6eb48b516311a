"""The relay: at least once, never stuck, safe beside others of its kind."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from config_api.outbox.relay import OutboxRelay, RelaySettings
from config_api.outbox.watch import OutboxWatch
from contactsync.adapters.memory.queue import MemoryQueue, MemoryQueueWarning
from contactsync.ports.queue import Consumer, JobQueue, Lane, OutboundHint, Publisher
from contactsync.ports.state import RunMode
from contactsync.telemetry import metrics
from tests.contract.queue.recorder import Recorder, consuming
from tests.contract.state.worlds import MemoryWorld, some_settings
from tests.support.waiting import wait_until


class Unreliable:
    """A queue whose publisher can be told to lose hints before or after they were taken."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MemoryQueueWarning)
            self.inner = MemoryQueue()
        self.away = False
        self.loses_confirms = False
        self.published: list[UUID] = []

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[Publisher]:
        async with self.inner.publisher() as publisher:
            self._publisher = publisher
            yield self

    async def publish(self, hints: Sequence[OutboundHint]) -> frozenset[UUID]:
        if self.away:
            return frozenset()
        self.published += [hint.message_id for hint in hints]
        confirmed = await self._publisher.publish(hints)
        return frozenset() if self.loses_confirms else confirmed

    def consumer(self) -> AbstractAsyncContextManager[Consumer]:
        return self.inner.consumer()

    async def depth(self, lane: Lane) -> int:
        return await self.inner.depth(lane)


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture
def queue() -> Unreliable:
    return Unreliable()


@asynccontextmanager
async def never() -> AsyncIterator[asyncio.Event]:
    """Notifications that are all lost."""
    yield asyncio.Event()


async def ask(world: MemoryWorld, runs: int = 1) -> None:
    """Commit that many runs with their hints."""
    for _ in range(runs):
        settings = some_settings()
        await world.put(settings)
        await world.requests.request(
            settings.organisation_id, settings.config_id, RunMode.SYNC, "user", world.clock.now()
        )


@asynccontextmanager
async def relaying(world: MemoryWorld, queue: JobQueue, *, batch: int = 500) -> AsyncIterator[asyncio.Event]:
    """A relay at work; stopped at the end."""
    relay = OutboxRelay(world.relay, queue, never, world.clock, RelaySettings(batch=batch))
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await settle()
    try:
        yield stop
    finally:
        stop.set()
        await running


async def settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


async def tick(world: MemoryWorld, seconds: float, times: int = 1) -> None:
    for _ in range(times):
        world.clock.advance(timedelta(seconds=seconds))
        await settle()


async def test_a_committed_hint_is_published_within_a_second_when_nobody_tells(
    world: MemoryWorld, queue: Unreliable
) -> None:
    async with relaying(world, queue):
        await ask(world, 3)
        await tick(world, 1)
        assert len(queue.published) == 3
        await tick(world, 1, times=60)
    assert len(queue.published) == 3
    assert await world.relay.oldest_due() is None


async def test_a_notification_wakes_it_at_once(world: MemoryWorld, queue: Unreliable) -> None:
    notified = asyncio.Event()

    @asynccontextmanager
    async def wake_up() -> AsyncIterator[asyncio.Event]:
        yield notified

    relay = OutboxRelay(world.relay, queue, wake_up, world.clock)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await settle()
    await ask(world)
    notified.set()
    await settle()
    assert len(queue.published) == 1
    stop.set()
    await running


async def test_what_is_committed_before_the_stop_leaves_before_the_end(world: MemoryWorld, queue: Unreliable) -> None:
    async with relaying(world, queue):
        await ask(world)
    assert len(queue.published) == 1


async def test_hints_of_an_absent_broker_stay_and_leave_within_ten_seconds_of_its_return(
    world: MemoryWorld, queue: Unreliable
) -> None:
    """F3."""
    queue.away = True
    async with relaying(world, queue):
        await ask(world, 2)
        await tick(world, 1, times=300)
        assert await world.relay.oldest_due() is not None
        queue.away = False
        await tick(world, 1, times=10)
        assert len(queue.published) == 2
    assert await world.relay.oldest_due() is None


async def test_a_lost_confirm_publishes_again_under_the_same_id(world: MemoryWorld, queue: Unreliable) -> None:
    """F5."""
    queue.loses_confirms = True
    async with relaying(world, queue):
        await ask(world)
        await tick(world, 1)
        queue.loses_confirms = False
        await tick(world, 1, times=5)
    assert len(queue.published) == 2
    assert len(set(queue.published)) == 1


async def test_a_backlog_is_moved_batch_by_batch_without_waiting(world: MemoryWorld, queue: Unreliable) -> None:
    await ask(world, 45)
    async with relaying(world, queue, batch=10):
        assert len(queue.published) == 45


async def test_hints_that_cannot_leave_never_grow_beyond_one_batch(world: MemoryWorld, queue: Unreliable) -> None:
    await ask(world, 30)
    queue.loses_confirms = True
    async with relaying(world, queue, batch=10):
        await tick(world, 1, times=3)
        assert len(set(queue.published)) == 10
        queue.loses_confirms = False
        await tick(world, 1, times=3)
    assert len(set(queue.published)) == 30


async def test_relays_beside_one_another_publish_each_hint_once(world: MemoryWorld, queue: Unreliable) -> None:
    other = Unreliable()
    await ask(world, 40)
    async with relaying(world, queue, batch=7), relaying(world, other, batch=7):
        await tick(world, 1, times=40)
    assert len(queue.published) + len(other.published) == 40
    assert not set(queue.published) & set(other.published)


async def test_a_relay_that_died_between_publish_and_mark_costs_a_double_and_loses_nothing(
    world: MemoryWorld, queue: Unreliable
) -> None:
    """F4."""
    await ask(world)
    (hint,) = await world.relay.take(10)  # the one that died
    async with queue.publisher() as publisher:
        await publisher.publish([hint])
    async with relaying(world, queue):
        await tick(world, 1, times=31)
    assert queue.published == [hint.message_id] * 2


async def test_a_database_that_fails_is_outlived_and_confirmed_hints_are_marked_later(
    world: MemoryWorld, queue: Unreliable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F20: confirmed but not marked is neither lost nor, by this relay, published again."""
    mark = world.relay.mark_published

    async def broken(message_ids: Sequence[UUID]) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(world.relay, "mark_published", broken)
    async with relaying(world, queue):
        await ask(world)
        with capture_logs() as logged:
            await tick(world, 1, times=3)
        assert "outbox.relay.failed" in {entry["event"] for entry in logged}
        monkeypatch.setattr(world.relay, "mark_published", mark)
        await tick(world, 5, times=8)
    assert len(queue.published) == 1
    assert await world.relay.oldest_due() is None


async def test_a_listener_that_breaks_leaves_the_polling(world: MemoryWorld, queue: Unreliable) -> None:
    def broken() -> AbstractAsyncContextManager[asyncio.Event]:
        raise ConnectionRefusedError

    relay = OutboxRelay(world.relay, queue, broken, world.clock)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await settle()
    await ask(world)
    await tick(world, 1)
    assert len(queue.published) == 1
    stop.set()
    await running


async def test_relayed_hints_are_delivered(world: MemoryWorld, queue: Unreliable) -> None:
    recorder = Recorder.open()
    async with consuming(queue.inner, recorder), relaying(world, queue):
        await ask(world, 5)
        await tick(world, 1)
        await wait_until(lambda: len(recorder.deliveries) == 5)
    assert set(recorder.ids) == set(queue.published)


async def test_a_hint_older_than_a_minute_raises_the_alarm(world: MemoryWorld, queue: Unreliable) -> None:
    watch = OutboxWatch(world.relay, queue, world.clock)
    await ask(world)
    await tick(world, 59)
    with capture_logs() as logged:
        await watch.look()
    assert logged == []
    await tick(world, 2)
    with capture_logs() as logged:
        await watch.look()
    assert [(entry["event"], entry["log_level"], entry["age_s"]) for entry in logged] == [
        ("outbox.rows.stuck", "error", 61.0)
    ]
    assert metrics.REGISTRY.get_sample_value("contactsync_outbox_oldest_seconds") == 61.0


async def test_parked_messages_raise_the_alarm(world: MemoryWorld, queue: Unreliable) -> None:
    watch = OutboxWatch(world.relay, queue, world.clock)
    await ask(world)
    (hint,) = await world.relay.take(1)
    async with queue.inner.publisher() as publisher:
        await publisher.publish([OutboundHint(hint.message_id, Lane.DEAD, hint.hint)])
    with capture_logs() as logged:
        await watch.look()
    assert ("queue.parked.messages", Lane.DEAD, 1) in [(e["event"], e["lane"], e["depth"]) for e in logged]


async def test_rows_published_a_day_ago_are_deleted_and_younger_ones_stay(
    world: MemoryWorld, queue: Unreliable
) -> None:
    async with relaying(world, queue):
        await ask(world)
        await tick(world, 1)
    watch = OutboxWatch(world.relay, queue, world.clock)
    world.clock.advance(timedelta(hours=23))
    await watch.look()
    assert await world.relay.purge(timedelta(hours=22)) == 1
    async with relaying(world, queue):
        await ask(world)
        await tick(world, 1)
    world.clock.advance(timedelta(hours=25))
    await watch.look()
    assert await world.relay.purge(timedelta()) == 0
