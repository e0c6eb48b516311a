"""Exchanges and queues, declared with every argument that matters, so that no broker version's default decides.

Direct exchange `sync` with the lane as routing key; what no queue is bound for goes by way of its alternate exchange to
`sync.unrouted`. The three lanes of work are quorum queues that dead-letter at least once to `sync.dead`.

Sources: RabbitMQ, "Quorum Queues" (dead letter strategy, delivery limit), "Alternate Exchanges".
"""

from __future__ import annotations

from collections.abc import Mapping

from aio_pika.abc import AbstractChannel, ExchangeType
from aio_pika.exceptions import ChannelClosed, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from contactsync.adapters.amqp.calls import broker_call
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.errors import BrokerUnavailableError, ConfigurationError
from contactsync.ports.queue import Lane

EXCHANGE = "sync"
UNROUTED_EXCHANGE = "sync.unrouted"
WORK = (Lane.INITIAL, Lane.INCREMENTAL, Lane.SUSPECT)
PARKED = (Lane.DEAD, Lane.UNROUTED)


def work_arguments(settings: AmqpSettings) -> Mapping[str, str | int]:
    """Arguments of a queue whose messages are handled.

    Dead-lettering at least once needs `reject-publish`, and a length limit because the queue keeps a rejected message
    until its target has confirmed it.
    """
    return {
        "x-queue-type": "quorum",
        "x-quorum-initial-group-size": settings.replicas,
        "x-delivery-limit": settings.delivery_limit,
        "x-dead-letter-exchange": EXCHANGE,
        "x-dead-letter-routing-key": Lane.DEAD.value,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": settings.length_limit,
    }


def parking_arguments(settings: AmqpSettings) -> Mapping[str, str | int]:
    """Arguments of a queue that keeps messages for an operator; the oldest give way."""
    return {
        "x-queue-type": "quorum",
        "x-quorum-initial-group-size": settings.replicas,
        "x-overflow": "drop-head",
        "x-max-length": settings.length_limit,
        "x-message-ttl": settings.parked_for_s * 1000,
    }


async def declare_topology(channel: AbstractChannel, settings: AmqpSettings) -> None:
    """Make exchanges, queues and bindings exist. Repeating it changes nothing, and brings back what is missing.

    Raises BrokerUnavailableError, and ConfigurationError when the broker refuses: something exists under such a name
    with other arguments, or the account may not declare. The channel is of no use after either.
    """
    try:
        await broker_call(_declare(channel, settings), settings.call_deadline_s)
    except BrokerUnavailableError as error:
        refusal = error.__cause__
        if isinstance(refusal, ChannelPreconditionFailed | ChannelAccessRefused):
            raise ConfigurationError(
                "the broker refuses our exchanges and queues: they exist with other arguments, or the account may not "
                "declare them",
                reason="broker_topology_refused",
            ) from error
        raise


async def _declare(channel: AbstractChannel, settings: AmqpSettings) -> None:
    unrouted = await channel.declare_exchange(UNROUTED_EXCHANGE, ExchangeType.FANOUT, durable=True)
    exchange = await channel.declare_exchange(
        EXCHANGE, ExchangeType.DIRECT, durable=True, arguments={"alternate-exchange": UNROUTED_EXCHANGE}
    )
    for lane in PARKED:
        await channel.declare_queue(lane.value, durable=True, arguments=dict(parking_arguments(settings)))
    for lane in WORK:
        await channel.declare_queue(lane.value, durable=True, arguments=dict(work_arguments(settings)))
    for lane in (*WORK, Lane.DEAD):
        queue = await channel.get_queue(lane.value, ensure=False)
        await queue.bind(exchange, routing_key=lane.value)
    queue = await channel.get_queue(Lane.UNROUTED.value, ensure=False)
    await queue.bind(unrouted)


async def inspect(channel: AbstractChannel, lane: Lane, deadline_s: float) -> tuple[int, int]:
    """Messages ready and consumers of a lane's queue; none of either when the queue does not exist.

    The channel must be fresh: a passive declaration of a missing queue closes it. Raises BrokerUnavailableError.
    """
    try:
        queue = await broker_call(channel.declare_queue(lane.value, passive=True), deadline_s)
    except BrokerUnavailableError as error:
        if isinstance(error.__cause__, ChannelClosed):
            return 0, 0
        raise
    answer = queue.declaration_result
    return answer.message_count or 0, answer.consumer_count or 0
