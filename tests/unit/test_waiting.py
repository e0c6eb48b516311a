"""Waiting for several things, and the error that ended a group of tasks."""

from __future__ import annotations

import asyncio

import pytest

from contactsync.errors import BrokerUnavailableError
from contactsync.waiting import first_error


async def test_the_error_of_a_task_comes_out_of_nested_groups_alone_and_can_be_described() -> None:
    async def fail() -> None:
        raise BrokerUnavailableError

    async def inner() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    async def outer() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(inner())
        except BaseExceptionGroup as group:
            raise first_error(group) from None

    with pytest.raises(BrokerUnavailableError) as caught:
        await outer()
    assert caught.value.__cause__ is None
