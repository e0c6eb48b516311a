"""What a broker does to messages: here it delivers some of them again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aio_pika

from tests.support.waiting import wait_until

_EXCHANGE: Final = "sync"


@dataclass
class Copies:
    """A queue that gets a copy of each message of one lane."""

    queue: aio_pika.abc.AbstractQueue
    exchange: aio_pika.abc.AbstractExchange
    lane: str

    async def send_again(self, *, times: int) -> None:
        """Wait for a message and publish it, byte for byte, so many times more."""
        found: list[aio_pika.abc.AbstractIncomingMessage] = []

        async def taken() -> bool:
            message = await self.queue.get(no_ack=True, fail=False)
            found.extend([] if message is None else [message])
            return bool(found)

        await wait_until(taken, within_s=30)
        again = aio_pika.Message(
            found[0].body,
            message_id=found[0].message_id,
            correlation_id=found[0].correlation_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        for _ in range(times):
            await self.exchange.publish(again, routing_key=self.lane)


@asynccontextmanager
async def copied(amqp_url: str, lane: str) -> AsyncIterator[Copies]:
    """Copies of what is published to that lane until the end of the block."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        exchange = await channel.get_exchange(_EXCHANGE)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, routing_key=lane)
        yield Copies(queue, exchange, lane)
