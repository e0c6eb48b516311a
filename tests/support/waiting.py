"""Waiting for something to become true, instead of sleeping for a guess."""

import asyncio
from collections.abc import Awaitable, Callable

_POLL_S = 0.02


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 10, every_s: float = _POLL_S
) -> None:
    """Return as soon as `condition` holds, which is asked so often.

    Raises TimeoutError when it does not hold within `within_s` seconds.
    """
    async with asyncio.timeout(within_s):
        while not await _holds(condition):  # noqa: ASYNC110 - what tests wait for is outside and sets no event
            await asyncio.sleep(every_s)


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return answer if isinstance(answer, bool) else await answer
