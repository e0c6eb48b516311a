"""What is declared on the broker, and what happens where it differs or goes missing."""

from __future__ import annotations

import aio_pika
import pytest

from contactsync.errors import ConfigurationError
from contactsync.ports.queue import Lane
from tests.contract.queue.recorder import Recorder, a_hint, consuming, publish
from tests.integration.amqp.conftest import Management, queue_on, quick

pytestmark = pytest.mark.rabbitmq


async def test_every_queue_is_a_durable_quorum_queue_with_its_limits_spelled_out(
    amqp_url: str, management: Management
) -> None:
    await publish(queue_on(quick(amqp_url)), a_hint())
    for lane in (Lane.INITIAL, Lane.INCREMENTAL, Lane.SUSPECT):
        described = await management.queue(lane.value)
        assert described["durable"] is True
        assert described["arguments"] == {
            "x-queue-type": "quorum",
            "x-quorum-initial-group-size": 1,
            "x-delivery-limit": 5,
            "x-dead-letter-exchange": "sync",
            "x-dead-letter-routing-key": "sync.dead",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": 1_000_000,
        }
    for lane in (Lane.DEAD, Lane.UNROUTED):
        described = await management.queue(lane.value)
        assert described["arguments"] == {
            "x-queue-type": "quorum",
            "x-quorum-initial-group-size": 1,
            "x-overflow": "drop-head",
            "x-max-length": 1_000_000,
            "x-message-ttl": 14 * 24 * 3600 * 1000,
        }
    exchange = await management.exchange("sync")
    assert (exchange["type"], exchange["durable"]) == ("direct", True)
    assert exchange["arguments"] == {"alternate-exchange": "sync.unrouted"}


async def test_a_hint_that_no_queue_is_bound_for_is_parked_and_the_next_check_binds_again(
    amqp_url: str, management: Management
) -> None:
    queue = queue_on(quick(amqp_url, topology_check_s=0.0))
    await publish(queue, a_hint())
    lost, found = a_hint(), a_hint()
    async with queue_on(quick(amqp_url)).publisher() as publisher:
        await publisher.publish([a_hint(Lane.INITIAL)])
        await management.unbind(Lane.INCREMENTAL.value)
        assert await publisher.publish([lost]) == {lost.message_id}
    parked = Recorder.open()
    async with consuming(queue, parked, {Lane.UNROUTED: 1}):
        await parked.seen(1)
    assert parked.ids == [lost.message_id]
    await management.unbind(Lane.INITIAL.value)
    async with queue.publisher() as publisher:
        assert await publisher.publish([found]) == {found.message_id}
    recorder = Recorder.open()
    async with consuming(queue, recorder):
        await recorder.seen(2)
    assert found.message_id in recorder.ids


async def test_a_publisher_that_stays_open_binds_again_what_was_unbound(amqp_url: str, management: Management) -> None:
    queue = queue_on(quick(amqp_url, topology_check_s=0.0))
    hint = a_hint()
    async with queue.publisher() as publisher:
        await publisher.publish([a_hint(Lane.SUSPECT)])
        await management.unbind(Lane.INCREMENTAL.value)
        assert await publisher.publish([hint]) == {hint.message_id}
    recorder = Recorder.open()
    async with consuming(queue, recorder, {Lane.INCREMENTAL: 1}):
        await recorder.seen(1)
    assert recorder.ids == [hint.message_id]


async def test_a_queue_with_other_arguments_ends_a_consumer_with_one_clear_error(amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(Lane.INITIAL.value, durable=True, arguments={"x-queue-type": "classic"})
    queue = queue_on(quick(amqp_url))
    async with queue.consumer() as consumer:
        with pytest.raises(ConfigurationError, match="other arguments"):
            await consumer.run({Lane.INITIAL: 1}, Recorder.open())
    async with queue.publisher() as publisher:
        assert await publisher.publish([a_hint()]) == frozenset()


async def test_messages_are_persistent_and_carry_their_identity(amqp_url: str) -> None:
    hint = a_hint(Lane.SUSPECT)
    await publish(queue_on(quick(amqp_url)), hint)
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue(Lane.SUSPECT.value)
        message = await queue.get()
        assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
        assert (message.message_id, message.correlation_id) == (str(hint.message_id), str(hint.hint.run))
        assert (message.type, message.app_id) == ("sync.run_hint.v1", "contactsync")
        assert message.timestamp is not None
        assert len(message.body) < 1024
        await message.ack()
