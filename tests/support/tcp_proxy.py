"""A TCP proxy that fails on request: it cuts, swallows, delays or refuses what passes between a client and a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65_536


@dataclass(eq=False)
class _Pipe:
    """One client connection and its other half."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    thawed: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class TcpProxy:
    """Passes bytes on until it is told otherwise. Every switch acts at once, on connections that are open too."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._pipes: set[_Pipe] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._to_server = asyncio.Event()
        self._to_client = asyncio.Event()
        self._refusing = False
        self.delay_s = 0.0
        self.port = 0
        self.heal()

    @property
    def connections(self) -> int:
        """Connections open through the proxy."""
        return len(self._pipes)

    def cut(self) -> None:
        """Reset every open connection; new ones pass."""
        for pipe in tuple(self._pipes):
            pipe.cut()

    def refuse(self) -> None:
        """Reset every open connection, and every new one, until `heal`."""
        self._refusing = True
        self.cut()

    def swallow_answers(self) -> None:
        """Keep back what the server says, until `heal`: requests arrive, their answers do not."""
        self._to_client.clear()

    def black_hole(self) -> None:
        """Keep back both directions with the connections left open (half-open for both peers), until `heal`."""
        self._to_server.clear()
        self._to_client.clear()

    def freeze(self) -> None:
        """Let nothing more pass on the connections that are open now; new ones pass."""
        for pipe in self._pipes:
            pipe.thawed.clear()

    def heal(self) -> None:
        """Pass everything on again, what was kept back first."""
        self._refusing = False
        self._to_server.set()
        self._to_client.set()
        for pipe in self._pipes:
            pipe.thawed.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until either side closes."""
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        if self._refusing:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pipe = _Pipe(writer, server_writer)
        pipe.thawed.set()
        self._pipes.add(pipe)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, server_writer, self._to_server, pipe))
                tasks.create_task(self._pass(server_reader, writer, self._to_client, pipe))
        finally:
            pipe.cut()
            self._pipes.discard(pipe)

    async def close(self) -> None:
        """Cut everything and return when it is gone."""
        self.refuse()
        self._to_server.set()
        self._to_client.set()
        for task in self._handlers:
            task.cancel()
        if self._handlers:
            await asyncio.wait(self._handlers)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_: asyncio.Event, pipe: _Pipe
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await open_.wait()
                await pipe.thawed.wait()
                writer.write(data)
                await writer.drain()
        pipe.cut()


@asynccontextmanager
async def tcp_proxy(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy before the server of a URL, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = TcpProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    account = parts.netloc.rpartition("@")[0]
    through = f"{account}@127.0.0.1:{proxy.port}" if account else f"127.0.0.1:{proxy.port}"
    try:
        yield proxy, urlunsplit(parts._replace(netloc=through))
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
