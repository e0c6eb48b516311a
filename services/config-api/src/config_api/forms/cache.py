"""Answers of providers, kept for a while in this process, each with the instant when it was read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from weakref import WeakValueDictionary

from contactsync.ports.clock import Clock

T = TypeVar("T")

_MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What a provider answered, and when."""

    value: T
    read_at: datetime


class FreshCache:
    """Concurrent readers of one key ask once. Bounded: what was read longest ago goes first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Hashable, Read[Any]] = {}
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def read(self, key: Hashable, within: timedelta, ask: Callable[[], Awaitable[T]]) -> Read[T]:
        """The kept answer when it is younger than `within`, else a new one. Errors of `ask` are kept by nobody."""
        async with self._turns.setdefault(key, asyncio.Lock()):
            now = self._clock.now()
            kept: Read[T] | None = self._kept.get(key)
            if kept is not None and now - kept.read_at < within:
                return kept
            fresh = Read(await ask(), now)
            self._kept.pop(key, None)  # to the end of the order
            self._kept[key] = fresh
            while len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]
            return fresh

    def forget(self, key: Hashable) -> None:
        """Ask again next time."""
        self._kept.pop(key, None)
