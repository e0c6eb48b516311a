"""What every job queue does, whichever carries the messages."""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest

from contactsync.adapters.amqp.queue import AmqpQueue
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.memory.queue import MemoryQueue, MemoryQueueWarning
from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Delivery, JobQueue, Lane, Settlement
from tests.contract.queue.recorder import Recorder, a_hint, consuming, publish
from tests.support.waiting import wait_until

QUIET_S = 0.3
"""How long a test watches for something that must not happen."""

DELIVERY_LIMIT = 2


class JobQueueContract:
    """Every adapter passes these; `queue` has a delivery limit of two and empty lanes."""

    async def test_a_hint_arrives_as_it_was_published(self, queue: JobQueue) -> None:
        hint = a_hint(Lane.INITIAL, number=3)
        await publish(queue, hint)
        recorder = Recorder.open()
        async with consuming(queue, recorder):
            await recorder.seen(1)
        delivery = recorder.deliveries[0]
        assert RunHint.from_bytes(delivery.body) == hint.hint
        assert (delivery.message_id, delivery.lane, delivery.redelivered) == (str(hint.message_id), Lane.INITIAL, False)

    async def test_publishing_nothing_confirms_nothing(self, queue: JobQueue) -> None:
        async with queue.publisher() as publisher:
            assert await publisher.publish([]) == frozenset()

    async def test_a_batch_over_several_lanes_is_confirmed_and_delivered_whole(self, queue: JobQueue) -> None:
        hints = [a_hint(lane) for lane in (Lane.INITIAL, Lane.INCREMENTAL, Lane.SUSPECT) for _ in range(70)]
        await publish(queue, *hints)
        recorder = Recorder.open()
        async with consuming(queue, recorder):
            await recorder.seen(len(hints))
        assert Counter(recorder.ids) == Counter(hint.message_id for hint in hints)

    async def test_the_same_hint_published_twice_comes_twice_under_one_id(self, queue: JobQueue) -> None:
        hint = a_hint()
        await publish(queue, hint)
        await publish(queue, hint)
        recorder = Recorder.open()
        async with consuming(queue, recorder):
            await recorder.seen(2)
        assert recorder.ids == [hint.message_id] * 2

    async def test_an_acknowledged_message_does_not_come_again(self, queue: JobQueue) -> None:
        await publish(queue, a_hint())
        recorder = Recorder.open()
        async with consuming(queue, recorder):
            await recorder.seen(1)
        async with consuming(queue, recorder):
            await asyncio.sleep(QUIET_S)
        assert len(recorder.deliveries) == 1

    async def test_a_message_not_acknowledged_comes_again(self, queue: JobQueue) -> None:
        hint = a_hint()
        await publish(queue, hint)
        cut_off = Recorder()
        async with consuming(queue, cut_off, stop=False):
            await cut_off.seen(1)
        assert cut_off.cancelled == [hint.message_id]
        again = Recorder.open()
        async with consuming(queue, again):
            await again.seen(1)
        assert (again.ids, again.deliveries[0].redelivered) == ([hint.message_id], True)

    async def test_a_handler_that_fails_leaves_its_message_to_the_next_consumer(self, queue: JobQueue) -> None:
        hint = a_hint()
        await publish(queue, hint)
        seen = asyncio.Event()

        async def broken(_: Delivery) -> Settlement:
            seen.set()
            raise LookupError

        async with consuming(queue, broken):
            await seen.wait()
        again = Recorder.open()
        async with consuming(queue, again):
            await again.seen(1)
        assert again.ids == [hint.message_id]

    async def test_a_released_message_comes_again(self, queue: JobQueue) -> None:
        hint = a_hint()
        await publish(queue, hint)
        answers = iter([Settlement.RELEASE, Settlement.ACK])
        recorder = Recorder.open()

        async def release_once(delivery: Delivery) -> Settlement:
            await recorder(delivery)
            return next(answers)

        async with consuming(queue, release_once):
            await recorder.seen(2)
        assert recorder.ids == [hint.message_id] * 2

    async def test_prefetch_bounds_the_handlers_under_way(self, queue: JobQueue) -> None:
        await publish(queue, *(a_hint() for _ in range(6)))
        recorder = Recorder()
        async with consuming(queue, recorder, {Lane.INCREMENTAL: 2}):
            await recorder.seen(2)
            await asyncio.sleep(QUIET_S)
            assert len(recorder.deliveries) == 2
            recorder.gate.set()
            await recorder.seen(6)
        assert recorder.most_under_way == 2

    async def test_a_lane_that_is_full_does_not_hold_up_another(self, queue: JobQueue) -> None:
        await publish(queue, *(a_hint(Lane.INITIAL) for _ in range(3)))
        recorder = Recorder()
        async with consuming(queue, recorder, {Lane.INITIAL: 1, Lane.INCREMENTAL: 1}):
            await recorder.seen(1)
            await publish(queue, a_hint(Lane.INCREMENTAL))
            await wait_until(lambda: recorder.under_way == 2)
            recorder.gate.set()
            await recorder.seen(4)
        assert recorder.deliveries[1].lane is Lane.INCREMENTAL

    async def test_a_lane_that_is_not_asked_for_keeps_its_messages(self, queue: JobQueue) -> None:
        await publish(queue, a_hint(Lane.SUSPECT), a_hint(Lane.INITIAL))
        recorder = Recorder.open()
        async with consuming(queue, recorder, {Lane.INITIAL: 4}):
            await recorder.seen(1)
            await asyncio.sleep(QUIET_S)
        assert [delivery.lane for delivery in recorder.deliveries] == [Lane.INITIAL]

    async def test_consumers_share_a_lane_without_doubling(self, queue: JobQueue) -> None:
        hints = [a_hint() for _ in range(20)]
        first, second = Recorder(), Recorder()
        lanes = {Lane.INCREMENTAL: 5}
        async with consuming(queue, first, lanes), consuming(queue, second, lanes):
            await publish(queue, *hints)
            await asyncio.gather(first.seen(5), second.seen(5))
            first.gate.set()
            second.gate.set()
            await wait_until(lambda: len(first.deliveries) + len(second.deliveries) == len(hints))
        assert Counter(first.ids + second.ids) == Counter(hint.message_id for hint in hints)

    async def test_a_dead_lettered_message_is_parked_whole_with_its_reason(self, queue: JobQueue) -> None:
        hint = a_hint()
        await publish(queue, hint)
        rejecting = Recorder.open(Settlement.DEAD_LETTER)
        async with consuming(queue, rejecting):
            await rejecting.seen(1)
        parked = Recorder.open()
        async with consuming(queue, parked, {Lane.DEAD: 1}):
            await parked.seen(1)
        dead = parked.deliveries[0]
        assert (dead.message_id, dead.lane) == (str(hint.message_id), Lane.DEAD)
        assert RunHint.from_bytes(dead.body) == hint.hint
        assert dead.headers["x-first-death-reason"] == "rejected"
        assert dead.headers["x-first-death-queue"] == Lane.INCREMENTAL.value

    async def test_a_message_that_kills_its_consumers_is_parked_after_the_limit(self, queue: JobQueue) -> None:
        hint = a_hint()
        await publish(queue, hint)
        for _ in range(DELIVERY_LIMIT + 1):
            killed = Recorder()
            async with consuming(queue, killed, stop=False):
                await killed.seen(1)
        parked = Recorder.open()
        async with consuming(queue, parked, {Lane.DEAD: 1}):
            await parked.seen(1)
        assert parked.ids == [hint.message_id]
        assert parked.deliveries[0].headers["x-first-death-reason"] == "delivery_limit"

    async def test_stop_waits_for_the_handlers_under_way_and_settles_them(self, queue: JobQueue) -> None:
        await publish(queue, *(a_hint() for _ in range(3)))
        recorder = Recorder()
        async with consuming(queue, recorder, {Lane.INCREMENTAL: 2}) as consumer:
            await recorder.seen(2)
            stopping = asyncio.create_task(consumer.stop())
            await asyncio.sleep(QUIET_S)
            assert not stopping.done()
            recorder.gate.set()
            await stopping
            assert len(recorder.finished) == 2
        rest = Recorder.open()
        async with consuming(queue, rest):
            await rest.seen(1)
            await asyncio.sleep(QUIET_S)
        assert len(rest.deliveries) == 1
        assert not set(rest.ids) & set(recorder.ids)

    async def test_nothing_new_is_taken_while_the_last_handlers_end(self, queue: JobQueue) -> None:
        await publish(queue, *(a_hint() for _ in range(4)))
        may_end = asyncio.Semaphore(0)
        recorder = Recorder.open()

        async def held(delivery: Delivery) -> Settlement:
            settlement = await recorder(delivery)
            await may_end.acquire()
            return settlement

        async with consuming(queue, held, {Lane.INCREMENTAL: 2}) as consumer:
            await recorder.seen(2)
            stopping = asyncio.create_task(consumer.stop())
            await asyncio.sleep(0)
            may_end.release()
            await asyncio.sleep(QUIET_S)
            assert len(recorder.deliveries) == 2
            may_end.release()
            await stopping

    async def test_a_consumer_that_is_stopping_leaves_new_messages_to_others(self, queue: JobQueue) -> None:
        await publish(queue, a_hint())
        ending, other = Recorder(), Recorder.open()
        lanes = {Lane.INCREMENTAL: 5}
        async with consuming(queue, ending, lanes) as consumer:
            await ending.seen(1)
            stopping = asyncio.create_task(consumer.stop())
            await wait_until(lambda: not consumer.ready)
            async with consuming(queue, other, lanes):
                await publish(queue, *(a_hint() for _ in range(6)))
                await other.seen(6)
            ending.gate.set()
            await stopping
        assert len(ending.deliveries) == 1

    async def test_a_consumer_is_ready_while_it_takes_messages(self, queue: JobQueue) -> None:
        async with consuming(queue, Recorder.open()) as consumer:
            await wait_until(lambda: consumer.ready)
            await consumer.stop()
            assert not consumer.ready

    async def test_run_returns_when_it_was_stopped_with_nothing_to_do(self, queue: JobQueue) -> None:
        async with queue.consumer() as consumer:
            running = asyncio.create_task(consumer.run({Lane.INITIAL: 1}, Recorder.open()))
            await asyncio.sleep(0)
            await consumer.stop()
            await asyncio.wait_for(running, timeout=5)

    async def test_depth_is_what_waits_in_the_lane(self, queue: JobQueue) -> None:
        await publish(queue, *(a_hint(Lane.INITIAL) for _ in range(3)), a_hint(Lane.SUSPECT))

        async def counted() -> bool:
            return (await queue.depth(Lane.INITIAL), await queue.depth(Lane.SUSPECT)) == (3, 1)

        await wait_until(counted)
        recorder = Recorder.open()
        async with consuming(queue, recorder):
            await recorder.seen(4)

        async def empty() -> bool:
            return await queue.depth(Lane.INITIAL) == 0

        await wait_until(empty)


class TestMemoryQueue(JobQueueContract):
    """The queue inside one process."""

    @pytest.fixture
    async def queue(self) -> AsyncIterator[JobQueue]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MemoryQueueWarning)
            yield MemoryQueue(delivery_limit=DELIVERY_LIMIT)


@pytest.mark.rabbitmq
class TestRabbitQueue(JobQueueContract):
    """RabbitMQ, a virtual host for each test."""

    @pytest.fixture
    def queue(self, amqp_url: str) -> JobQueue:
        return AmqpQueue(AmqpSettings(url=amqp_url, delivery_limit=DELIVERY_LIMIT), SystemClock(), Random(7))


def test_the_memory_queue_says_that_it_is_for_trying_out() -> None:
    with pytest.warns(MemoryQueueWarning, match="trying out"):
        MemoryQueue()


@pytest.mark.filterwarnings("ignore::contactsync.adapters.memory.queue.MemoryQueueWarning")
async def test_a_full_lane_of_the_memory_queue_confirms_no_more() -> None:
    queue = MemoryQueue(length_limit=2)
    hints = [a_hint() for _ in range(3)]
    async with queue.publisher() as publisher:
        confirmed = await publisher.publish(hints)
    assert confirmed == {hints[0].message_id, hints[1].message_id}
