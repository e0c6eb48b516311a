"""Opening and closing connections to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import structlog
from aio_pika import Connection
from aio_pika.abc import AbstractChannel
from aio_pika.connection import make_url

from contactsync.adapters.amqp.calls import broker_call
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.errors import BrokerUnavailableError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_LONGEST_START_UP_PAUSE_S = 10.0


async def open_connection(settings: AmqpSettings, purpose: str) -> Connection:
    """A connection of its own, named after process and purpose. Raises BrokerUnavailableError."""
    connection = Connection(
        make_url(settings.url, heartbeat=settings.heartbeat_s),
        client_properties={"connection_name": f"{settings.process_name} {purpose}"},
    )
    try:
        await broker_call(connection.connect(), settings.connect_deadline_s)
    except BrokerUnavailableError:
        await close_connection(connection, settings)
        raise
    return connection


async def close_connection(connection: Connection, settings: AmqpSettings) -> None:
    """Close what can be closed within the deadline; a peer that does not answer is left behind."""
    try:
        await broker_call(connection.close(), settings.call_deadline_s)
    except BrokerUnavailableError as error:
        log.debug("queue.connection.close_failed", error=str(error))


@asynccontextmanager
async def connected(settings: AmqpSettings, purpose: str) -> AsyncIterator[Connection]:
    """A connection for the length of a block."""
    connection = await open_connection(settings, purpose)
    try:
        yield connection
    finally:
        await asyncio.shield(close_connection(connection, settings))


async def open_channel(connection: Connection, settings: AmqpSettings, *, raise_returned: bool) -> AbstractChannel:
    """A channel; one for publishing confirms, and raises for a message that comes back.

    Raises BrokerUnavailableError.
    """

    async def opened() -> AbstractChannel:
        channel = connection.channel(publisher_confirms=raise_returned, on_return_raises=raise_returned)
        await channel.initialize()
        return channel

    return await broker_call(opened(), settings.call_deadline_s)


@asynccontextmanager
async def plain_channel(connection: Connection, settings: AmqpSettings) -> AsyncIterator[AbstractChannel]:
    """A channel for a few calls, any of which may close it. Raises BrokerUnavailableError."""
    channel = await open_channel(connection, settings, raise_returned=False)
    try:
        yield channel
    finally:
        if not channel.is_closed:
            await broker_call(channel.close(), settings.call_deadline_s)


def start_up_pause(failures: int, settings: AmqpSettings, rng: Random) -> float:
    """Seconds to wait after so many failures in a row, at least one: full jitter under a doubling limit.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
    """
    limit = min(_LONGEST_START_UP_PAUSE_S, settings.start_up_pause_s * 2 ** min(failures - 1, 16))
    return rng.uniform(0, limit)


def reconnect_pause(settings: AmqpSettings, rng: Random) -> float:
    """Seconds to wait before opening again a connection that had worked."""
    return rng.uniform(*settings.reconnect_s)
