"""Many callers, one piece of work: whoever comes while the work is being done is served by the next one together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


@dataclass(slots=True)
class _Batch(Generic[Item]):
    items: list[Item] = field(default_factory=list)
    done: bool = False


class Gathering(Generic[Key, Item]):
    """Hands items to `work` in batches, one batch of a key at a time.

    `add` returns after a batch with the item in it was worked on from its beginning: nothing is answered before it is
    stored, and a burst costs two transactions instead of thousands. The first caller of a batch does the work; when it
    fails or is cancelled, the next one does it again.
    """

    def __init__(self, work: Callable[[Key, Sequence[Item]], Awaitable[None]]) -> None:
        self._work = work
        self._open: dict[Key, _Batch[Item]] = {}
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def add(self, key: Key, item: Item) -> None:
        """Return when the item was worked on. Raises what the work raises."""
        batch = self._open.setdefault(key, _Batch())
        batch.items.append(item)
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if batch.done:
                return
            if self._open.get(key) is batch:  # who comes from now on may bring news that the work has not seen
                del self._open[key]
            await self._work(key, tuple(batch.items))
            batch.done = True
