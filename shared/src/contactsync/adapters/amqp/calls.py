"""Calls to the broker that always end, in an answer or in one kind of error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aio_pika.exceptions import AMQPError

from contactsync.errors import BrokerUnavailableError

T = TypeVar("T")

CLIENT_ERRORS = (AMQPError, OSError, RuntimeError)
"""What aio-pika raises for a connection or channel that is gone, closing or refused.

A closed channel is a RuntimeError; OSError includes TimeoutError."""


async def broker_call(call: Awaitable[T], deadline_s: float) -> T:
    """The call's result; BrokerUnavailableError, with the client's error as its cause, when it fails or takes longer.

    Several calls of the client ignore their own timeout while disconnected, and a connection that is given up cancels
    the futures that wait on it: that is a failure of the call, not a wish that we end.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailableError("connection_given_up") from error
    except CLIENT_ERRORS as error:
        raise BrokerUnavailableError(type(error).__name__) from error
