"""Consuming when connections are lost, queues vanish, or the broker goes silent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contactsync.adapters.amqp.handlers import Handlers, Source
from contactsync.adapters.amqp.session import consume_session
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.amqp.watchdog import Watchdog
from contactsync.adapters.clock import SystemClock
from contactsync.errors import BrokerUnavailableError
from contactsync.ports.queue import Delivery, Lane, Settlement
from tests.contract.queue.recorder import Recorder, a_hint, consuming, publish
from tests.integration.amqp.conftest import Broker, Management, queue_on, quick
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

QUIET_S = 0.5
ONE = {Lane.INCREMENTAL: 1}
TWO = {Lane.INCREMENTAL: 2}


async def test_a_lost_connection_does_not_cancel_the_handler_and_its_message_comes_again(broker: Broker) -> None:
    """P2, P3, F8: the first handler ends in peace and its late acknowledgement is no failure."""
    hint = a_hint()
    queue = queue_on(quick(broker.url))
    await publish(queue, hint)
    recorder = Recorder()
    async with consuming(queue, recorder, TWO):
        await recorder.seen(1)
        broker.proxy.cut()
        await recorder.seen(2)
        assert recorder.under_way == 2
        recorder.gate.set()
        await wait_until(lambda: len(recorder.finished) == 2)
    assert recorder.cancelled == []
    assert [delivery.redelivered for delivery in recorder.deliveries] == [False, True]
    assert await queue_on(quick(broker.direct_url)).depth(Lane.INCREMENTAL) == 0


async def test_prefetch_bounds_handlers_across_a_lost_connection(broker: Broker) -> None:
    queue = queue_on(quick(broker.url))
    await publish(queue, a_hint(), a_hint())
    recorder = Recorder()
    async with consuming(queue, recorder, ONE) as consumer:
        await recorder.seen(1)
        for _ in range(3):
            broker.proxy.cut()
            await wait_until(lambda: not consumer.ready)
            await wait_until(lambda: consumer.ready)
            await asyncio.sleep(0.1)
        assert len(recorder.deliveries) == 1
        recorder.gate.set()
        await wait_until(lambda: len(set(recorder.finished)) == 2)
        await asyncio.sleep(QUIET_S)
    assert recorder.most_under_way == 1
    assert len(recorder.deliveries) == 3


async def test_a_consumer_whose_queue_is_deleted_is_back_with_a_new_one(amqp_url: str, management: Management) -> None:
    """F10, F11, P1: the broker's cancel notice ends the session, the next one declares the queue again."""
    hint = a_hint()
    queue = queue_on(quick(amqp_url))
    recorder = Recorder.open()
    async with consuming(queue, recorder, ONE) as consumer:
        await wait_until(lambda: consumer.ready)
        await management.delete_queue(Lane.INCREMENTAL.value)
        await wait_until(lambda: not consumer.ready)
        await wait_until(lambda: consumer.ready)
        await publish(queue, hint)
        await recorder.seen(1)
    assert recorder.ids == [hint.message_id]


async def test_a_broker_that_is_absent_at_the_start_is_waited_for(broker: Broker) -> None:
    """P10."""
    hint = a_hint()
    await publish(queue_on(quick(broker.direct_url)), hint)
    broker.proxy.refuse()
    recorder = Recorder.open()
    async with consuming(queue_on(quick(broker.url)), recorder, ONE) as consumer:
        await asyncio.sleep(QUIET_S)
        assert not consumer.ready
        broker.proxy.heal()
        await recorder.seen(1)


async def test_a_broker_that_stays_away_is_given_up(broker: Broker) -> None:
    broker.proxy.refuse()
    async with queue_on(quick(broker.url, give_up_after_s=0.3)).consumer() as consumer:
        with pytest.raises(BrokerUnavailableError, match="too long"):
            await asyncio.wait_for(consumer.run(ONE, Recorder.open()), timeout=5)


async def test_stop_returns_while_the_broker_is_away(broker: Broker) -> None:
    broker.proxy.refuse()
    async with queue_on(quick(broker.url, reconnect_s=(30, 30), start_up_pause_s=30)).consumer() as consumer:
        running = asyncio.create_task(consumer.run(ONE, Recorder.open()))
        await asyncio.sleep(QUIET_S)
        await asyncio.wait_for(consumer.stop(), timeout=2)
        await running


async def test_stop_lets_a_handler_end_whose_connection_is_gone(broker: Broker) -> None:
    queue = queue_on(quick(broker.url))
    await publish(queue, a_hint())
    recorder = Recorder()
    async with consuming(queue, recorder, ONE) as consumer:
        await recorder.seen(1)
        broker.proxy.refuse()
        await wait_until(lambda: not consumer.ready)
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.sleep(QUIET_S)
        assert not stopping.done()
        recorder.gate.set()
        await stopping
    assert (len(recorder.finished), recorder.cancelled) == (1, [])


class _Keeper(Handlers):
    """Keeps messages instead of handling them."""

    def __init__(self, settings: AmqpSettings) -> None:
        super().__init__(ONE, Recorder(), settings)
        self.messages: list[AbstractIncomingMessage] = []

    def accept(self, lane: Lane, message: AbstractIncomingMessage, source: Source) -> None:
        self.messages.append(message)


async def test_a_channel_that_the_broker_closes_ends_the_session(amqp_url: str) -> None:
    """An acknowledgement timeout closes the channel alone (RabbitMQ up to 4.2); so does a wrong delivery tag."""
    settings = quick(amqp_url)
    await publish(queue_on(settings), a_hint())
    handlers = _Keeper(settings)
    async with consume_session(ONE, handlers, settings) as session:
        await wait_until(lambda: bool(handlers.messages))
        assert session.live
        await handlers.messages[0].channel.basic_ack(4711)
        await asyncio.wait_for(session.lost.wait(), timeout=5)


async def test_a_half_open_connection_is_noticed_and_the_handler_under_way_may_end_first(broker: Broker) -> None:
    """F9: the watchdog's second miss ends the consumer, long before the heartbeat would."""
    queue = queue_on(quick(broker.url, watchdog_interval_s=0.2, call_deadline_s=0.3, connect_deadline_s=0.3))
    await publish(queue, a_hint())
    recorder = Recorder()
    async with queue.consumer() as consumer:
        running = asyncio.create_task(consumer.run(ONE, recorder))
        await recorder.seen(1)
        broker.proxy.black_hole()
        await wait_until(lambda: not consumer.ready, within_s=5)
        assert not running.done()
        recorder.gate.set()
        with pytest.raises(BrokerUnavailableError, match="forgotten"):
            await asyncio.wait_for(running, timeout=5)
    assert len(recorder.finished) == 1


async def test_a_silent_peer_is_given_up_after_its_heartbeats(broker: Broker) -> None:
    """P12, without the watchdog: 3 * (1 + 1) seconds."""
    queue = queue_on(quick(broker.url, heartbeat_s=1))
    async with consuming(queue, Recorder.open(), ONE) as consumer:
        await wait_until(lambda: consumer.ready)
        broker.proxy.black_hole()
        await wait_until(lambda: not consumer.ready, within_s=9)
        broker.proxy.heal()
        await wait_until(lambda: consumer.ready)


async def test_the_watchdog_is_content_with_a_consumer_and_misses_a_lost_one(amqp_url: str) -> None:
    settings = quick(amqp_url, watchdog_interval_s=0.05)
    queue = queue_on(settings)
    watchdog = Watchdog(ONE, settings, SystemClock(), is_consuming=lambda: True)
    async with consuming(queue, Recorder.open(), ONE) as consumer:
        await wait_until(lambda: consumer.ready)
        watching = asyncio.create_task(watchdog.until_forgotten(asyncio.Event()))
        await asyncio.sleep(QUIET_S)
        assert not watching.done()
    await asyncio.wait_for(watching, timeout=5)


async def test_the_watchdog_leaves_a_consumer_alone_that_is_reconnecting(amqp_url: str) -> None:
    settings = quick(amqp_url, watchdog_interval_s=0.02)
    watchdog = Watchdog(ONE, settings, SystemClock(), is_consuming=lambda: False)
    watching = asyncio.create_task(watchdog.until_forgotten(asyncio.Event()))
    await asyncio.sleep(QUIET_S)
    assert not watching.done()
    watching.cancel()
    await asyncio.wait([watching])


async def test_twenty_consumers_come_back_after_a_common_loss(broker: Broker) -> None:
    """P11."""
    queue = queue_on(quick(broker.url, reconnect_s=(0.1, 1.0), connect_deadline_s=5, call_deadline_s=5))
    async with AsyncExitStack() as stack:
        consumers = [await stack.enter_async_context(consuming(queue, Recorder.open(), ONE)) for _ in range(20)]
        await wait_until(lambda: all(consumer.ready for consumer in consumers), within_s=20)
        broker.proxy.cut()
        await wait_until(lambda: not any(consumer.ready for consumer in consumers))
        await wait_until(lambda: all(consumer.ready for consumer in consumers), within_s=20)


async def test_a_handler_that_publishes_is_not_hindered_by_its_own_lane(amqp_url: str) -> None:
    """A slice ends by publishing the next one, on another connection than the one that brought it."""
    queue = queue_on(quick(amqp_url))
    done = asyncio.Event()

    async with queue.publisher() as publisher:
        follow_up = a_hint(Lane.INITIAL)

        async def handler(delivery: Delivery) -> Settlement:
            if delivery.lane is Lane.INCREMENTAL:
                assert await publisher.publish([follow_up]) == {follow_up.message_id}
            else:
                done.set()
            return Settlement.ACK

        await publish(queue, a_hint())
        async with consuming(queue, handler):
            await asyncio.wait_for(done.wait(), timeout=5)
