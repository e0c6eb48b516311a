"""Many callers, one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from config_api.webhooks.gathering import Gathering


async def test_who_comes_during_the_work_is_served_by_the_next_one() -> None:
    done: list[tuple[int, ...]] = []
    going = asyncio.Event()

    async def work(key: str, items: Sequence[int]) -> None:
        await going.wait()
        done.append(tuple(items))

    gathering: Gathering[str, int] = Gathering(work)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gathering.add("a", 0))
        await asyncio.sleep(0)
        for number in range(1, 1000):
            tasks.create_task(gathering.add("a", number))
        await asyncio.sleep(0)
        going.set()
    assert done == [(0,), tuple(range(1, 1000))]


async def test_nobody_returns_before_the_work_that_began_after_his_coming() -> None:
    worked: set[int] = set()

    async def work(key: str, items: Sequence[int]) -> None:
        await asyncio.sleep(0)
        worked.update(items)

    gathering: Gathering[str, int] = Gathering(work)

    async def one(number: int) -> None:
        await gathering.add(str(number % 3), number)
        assert number in worked

    await asyncio.gather(*(one(number) for number in range(300)))


async def test_when_the_work_fails_the_next_caller_does_it_again() -> None:
    attempts: list[tuple[int, ...]] = []
    going = asyncio.Event()

    async def work(key: str, items: Sequence[int]) -> None:
        attempts.append(tuple(items))
        await going.wait()
        if len(attempts) < 3:
            raise RuntimeError

    gathering: Gathering[str, int] = Gathering(work)
    callers = [asyncio.create_task(gathering.add("a", number)) for number in range(4)]
    await asyncio.sleep(0)
    going.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RuntimeError, RuntimeError, type(None), type(None)]
    assert attempts == [(0,), (1, 2, 3), (1, 2, 3)]
