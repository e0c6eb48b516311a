"""Callers of an HTTP interface: connections that stay open, each with one request under way.

A client library would take more processor time than the servers that are measured, so requests are prepared as bytes.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_LINE_BYTES: Final = 1024 * 1024

Prepared = Callable[[int, int], bytes]
"""The bytes of a request, by the number of the connection and of the request on it."""


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request of HTTP/1.1 as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(slots=True)
class Round:
    """What the callers saw: seconds in all, and of each answer."""

    wall_s: float = 0.0
    took_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.took_s) / self.wall_s

    def percentile_ms(self, hundredths: int) -> float:
        """Milliseconds within which so many of a hundred answers came."""
        return quantiles(self.took_s, n=100)[hundredths - 1] * 1000


class Callers:
    """Open connections to one server."""

    def __init__(self, streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self._streams = streams

    async def play(self, prepared: Prepared, status: int, seconds: float) -> Round:
        """Ask for some seconds, as fast as answers come. Raises RuntimeError for an answer of another status."""
        done = Round()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(len(self._streams)):
                tasks.create_task(self._caller(number, prepared, b" %d " % status, began + seconds, done))
        done.wall_s = time.perf_counter() - began
        return done

    async def _caller(self, number: int, prepared: Prepared, status: bytes, until: float, done: Round) -> None:
        for sent in itertools.count():
            began = time.perf_counter()
            if began > until:
                return
            head, body = await self.ask(number, prepared(number, sent))
            done.took_s.append(time.perf_counter() - began)
            if status not in head[:15]:
                raise RuntimeError(f"answered {head[:15]!r}: {body[:500]!r}")

    async def ask(self, number: int, content: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer to one request, on that connection."""
        reader, writer = self._streams[number]
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return head, await reader.readexactly(int(length[1])) if length else b""


@asynccontextmanager
async def callers(port: int, connections: int) -> AsyncIterator[Callers]:
    """So many connections, closed at the end: servers close idle ones by themselves."""
    streams = [await asyncio.open_connection("127.0.0.1", port, limit=_LINE_BYTES) for _ in range(connections)]
    try:
        yield Callers(streams)
    finally:
        for _, writer in streams:
            writer.close()
        for _, writer in streams:
            await writer.wait_closed()
