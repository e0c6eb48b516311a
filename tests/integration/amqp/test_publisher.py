"""Publishing when the broker is away, silent, full or has lost a queue."""

from __future__ import annotations

import asyncio
import time

import pytest
from aio_pika import Connection
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import PublishError
from structlog.testing import capture_logs

from contactsync.adapters.amqp.connections import connected, open_channel
from contactsync.adapters.amqp.message import to_message
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.ports.queue import Lane
from tests.contract.queue.recorder import Recorder, a_hint, consuming, publish
from tests.integration.amqp.conftest import Broker, Management, queue_on, quick
from tests.support.clock import EPOCH
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rabbitmq


async def test_an_absent_broker_confirms_nothing_and_its_return_is_noticed(broker: Broker) -> None:
    """F3: the row stays; the next batch after the return is confirmed."""
    hints = [a_hint() for _ in range(5)]
    broker.proxy.refuse()
    async with queue_on(quick(broker.url)).publisher() as publisher:
        assert await publisher.publish(hints) == frozenset()
        broker.proxy.heal()
        assert len(await publisher.publish(hints)) == 5


async def test_a_connection_that_was_cut_between_batches_is_opened_again(broker: Broker) -> None:
    async with queue_on(quick(broker.url)).publisher() as publisher:
        first, second = a_hint(), a_hint()
        assert await publisher.publish([first]) == {first.message_id}
        broker.proxy.cut()
        await wait_until(lambda: broker.proxy.connections == 0)
        sent = await publisher.publish([second]) or await publisher.publish([second])
        assert sent == {second.message_id}


async def test_a_missing_confirm_ends_at_the_deadline_and_the_message_may_arrive_all_the_same(broker: Broker) -> None:
    """F5, P9: unknown is not confirmed; publishing again uses the same message id."""
    hint = a_hint()
    queue = queue_on(quick(broker.url))
    async with queue.publisher() as publisher:
        await publisher.publish([a_hint(Lane.INITIAL)])
        broker.proxy.swallow_answers()
        began = time.monotonic()
        assert await publisher.publish([hint]) == frozenset()
        assert time.monotonic() - began < 1.5
        broker.proxy.heal()
        assert await publisher.publish([hint]) == {hint.message_id}
    recorder = Recorder.open()
    async with consuming(queue, recorder, {Lane.INCREMENTAL: 5}):
        await recorder.seen(2)
    assert recorder.ids == [hint.message_id] * 2


async def test_a_half_open_connection_costs_one_deadline(broker: Broker) -> None:
    """F9: the next batch opens a connection of its own instead of waiting for the heartbeat."""
    hint = a_hint()
    async with queue_on(quick(broker.url)).publisher() as publisher:
        await publisher.publish([a_hint()])
        broker.proxy.freeze()
        assert await publisher.publish([hint]) == frozenset()
        assert await publisher.publish([hint]) == {hint.message_id}


async def test_a_broker_that_does_not_answer_a_new_connection_costs_no_more_than_the_publish_deadline(
    broker: Broker,
) -> None:
    settings = quick(broker.url, publish_deadline_s=0.5, connect_deadline_s=20.0, call_deadline_s=20.0)
    broker.proxy.black_hole()
    async with queue_on(settings).publisher() as publisher:
        began = time.monotonic()
        assert await publisher.publish([a_hint()]) == frozenset()
        assert time.monotonic() - began < 2


async def test_an_unroutable_hint_is_not_confirmed_and_the_next_batch_declares_its_queue(
    amqp_url: str, management: Management
) -> None:
    """F6, with the alternate exchange's queue gone as well, so that the broker returns the message."""
    hint = a_hint()
    queue = queue_on(quick(amqp_url))
    async with queue.publisher() as publisher:
        await publisher.publish([a_hint(Lane.INITIAL)])
        await management.delete_queue(Lane.INCREMENTAL.value)
        await management.delete_queue(Lane.UNROUTED.value)
        assert await publisher.publish([hint]) == frozenset()
        assert await publisher.publish([hint]) == {hint.message_id}
    recorder = Recorder.open()
    async with consuming(queue, recorder, {Lane.INCREMENTAL: 1}):
        await recorder.seen(1)
    assert recorder.ids == [hint.message_id]


async def test_a_channel_for_publishing_raises_for_what_comes_back(amqp_url: str) -> None:
    """P4, the first net: by default the client hands a returned message back as if it were an answer."""
    settings = quick(amqp_url)
    async with connected(settings, "publish") as connection:
        channel = await open_channel(connection, settings, raise_returned=True)
        message = to_message(a_hint(), EPOCH)
        with pytest.raises(PublishError):
            await channel.default_exchange.publish(message, routing_key="nobody", mandatory=True)


async def test_a_returned_message_is_not_confirmed_even_where_it_does_not_raise(
    amqp_url: str, management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4, the second net."""

    async def lenient(connection: Connection, settings: AmqpSettings, *, raise_returned: bool) -> AbstractChannel:
        return await connection.channel(publisher_confirms=True, on_return_raises=False)

    monkeypatch.setattr("contactsync.adapters.amqp.publisher.open_channel", lenient)
    async with queue_on(quick(amqp_url)).publisher() as publisher:
        await publisher.publish([a_hint(Lane.INITIAL)])
        await management.delete_queue(Lane.INCREMENTAL.value)
        await management.delete_queue(Lane.UNROUTED.value)
        assert await publisher.publish([a_hint()]) == frozenset()


async def test_an_exchange_that_was_deleted_is_made_again(amqp_url: str, management: Management) -> None:
    hint = a_hint()
    async with queue_on(quick(amqp_url)).publisher() as publisher:
        await publisher.publish([a_hint()])
        await management.delete_exchange("sync")
        assert await publisher.publish([hint]) == frozenset()
        assert await publisher.publish([hint]) == {hint.message_id}


async def test_a_full_queue_refuses_and_takes_again_when_it_was_emptied(amqp_url: str) -> None:
    """A refusal repeated often enough opens a new channel, since RabbitMQ 3.10 may refuse for ever on an old one."""
    queue = queue_on(quick(amqp_url, length_limit=2, nacks_before_reopening=2))
    hints = [a_hint() for _ in range(30)]
    async with queue.publisher() as publisher:
        taken: set[object] = set()
        with capture_logs() as logged:
            for hint in hints:  # a limit may be passed by what is in flight, so one after another
                taken |= await publisher.publish([hint])
        assert 2 <= len(taken) < len(hints)
        assert "queue.publisher.channel_reopened" in {entry["event"] for entry in logged}
        recorder = Recorder.open()
        async with consuming(queue, recorder):
            await recorder.seen(len(taken))
            last = a_hint()

            async def accepted() -> bool:
                return await publisher.publish([last]) == {last.message_id}

            await wait_until(accepted)
    assert set(recorder.ids) >= taken


async def test_many_publishers_beside_one_another_lose_nothing(amqp_url: str) -> None:
    queue = queue_on(quick(amqp_url, publish_deadline_s=5.0))
    hints = [a_hint() for _ in range(600)]
    await asyncio.gather(*(publish(queue, *hints[start::3]) for start in range(3)))
    recorder = Recorder.open()
    async with consuming(queue, recorder, {Lane.INCREMENTAL: 50}):
        await recorder.seen(600)
    assert set(recorder.ids) == {hint.message_id for hint in hints}
