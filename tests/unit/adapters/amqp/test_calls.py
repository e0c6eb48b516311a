"""Calls to the broker that always end."""

from __future__ import annotations

import asyncio

import pytest
from aio_pika.exceptions import ChannelInvalidStateError

from contactsync.adapters.amqp.calls import broker_call
from contactsync.errors import BrokerUnavailableError


async def test_a_call_without_answer_ends_at_its_deadline() -> None:
    with pytest.raises(BrokerUnavailableError) as caught:
        await broker_call(asyncio.Event().wait(), 0.01)
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_call_on_a_closed_channel_is_a_broker_that_is_unavailable() -> None:
    async def closed() -> None:
        raise ChannelInvalidStateError("closed")

    with pytest.raises(BrokerUnavailableError, match="ChannelInvalidStateError"):
        await broker_call(closed(), 1)


async def test_a_future_that_the_client_gives_up_fails_the_call_and_does_not_cancel_the_caller() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    calling = asyncio.create_task(broker_call(future, 1))
    await asyncio.sleep(0)
    future.cancel()
    with pytest.raises(BrokerUnavailableError):
        await calling


async def test_a_caller_that_is_cancelled_stays_cancelled() -> None:
    calling = asyncio.create_task(broker_call(asyncio.Event().wait(), 1))
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_what_is_no_failure_of_the_broker_passes_through() -> None:
    async def broken() -> None:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        await broker_call(broken(), 1)
