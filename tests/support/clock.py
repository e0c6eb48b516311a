"""Clocks that a test moves: one stands still in between, the other runs."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class ManualClock:
    """Time under the test's control; sleepers wake in order when `advance` passes their instant.

    With `auto=True` nobody has to advance it: a sleep moves the clock itself and returns at the next turn of the loop.
    """

    def __init__(self, start: datetime = EPOCH, *, auto: bool = False) -> None:
        self._start = start
        self._elapsed = timedelta()
        self._auto = auto
        self._order = itertools.count()
        self._sleepers: list[tuple[timedelta, int, asyncio.Event]] = []

    def now(self) -> datetime:
        """The present instant in UTC."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has moved on by `seconds`."""
        if self._auto:
            self.advance(timedelta(seconds=max(seconds, 0)))
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self._elapsed + timedelta(seconds=seconds), next(self._order), woken))
        await woken.wait()

    def advance(self, by: timedelta) -> None:
        """Move the clock forward and wake whoever slept until then."""
        if by < timedelta():
            raise ValueError(f"a clock does not go back: {by}")
        self._elapsed += by
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            heapq.heappop(self._sleepers)[2].set()

    def advance_to(self, instant: datetime) -> None:
        """Move the clock forward to an instant; nothing happens when it is past."""
        if instant > self.now():
            self.advance(instant - self.now())


class MovingClock:
    """Real time and what the test has added to it, as the simulators' clocks are; sleepers notice the jumps."""

    def __init__(self) -> None:
        self._added = timedelta()
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC) + self._added

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock and those that were added."""
        return time.monotonic() + self._added.total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has moved on by `seconds`, of itself or because the test moved it."""
        until = self.monotonic() + seconds
        while (left_s := until - self.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._moved.wait()

    def advance(self, by: timedelta) -> None:
        """Move the clock forward and wake whoever slept until then."""
        if by < timedelta():
            raise ValueError(f"a clock does not go back: {by}")
        self._added += by
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
