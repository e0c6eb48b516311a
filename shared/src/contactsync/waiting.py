"""Waiting for whichever of several things comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def first_of(*waits: Awaitable[object]) -> None:
    """Return when the first of these has ended; the others are cancelled. Their results and errors are nobody's."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def first_error(error: BaseException) -> BaseException:
    """The error that ended a group of tasks, without the group around it; to be raised `from None`."""
    return first_error(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
