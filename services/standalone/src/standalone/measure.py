"""What a step of the demonstration costs: seconds, and memory of this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psutil

_EVERY_S: Final = 0.05
_MIB: Final = 1024 * 1024


@dataclass(slots=True)
class Cost:
    """Complete once the block of `measured` has ended."""

    seconds: float = 0.0
    peak_rss_mib: float = 0.0


@asynccontextmanager
async def measured() -> AsyncIterator[Cost]:
    """Measure the block. Both services, the progress display and the watching itself are in this process."""
    cost = Cost()
    began = time.monotonic()
    watching = asyncio.create_task(_watch(cost), name="measure memory")
    try:
        yield cost
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        cost.seconds = time.monotonic() - began


async def _watch(cost: Cost) -> None:
    process = psutil.Process()
    while True:
        cost.peak_rss_mib = max(cost.peak_rss_mib, process.memory_info().rss / _MIB)
        await asyncio.sleep(_EVERY_S)
