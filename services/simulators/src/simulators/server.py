"""Serving the simulators over real HTTP: in a process of their own, or inside a test's event loop.

The protocol class is uvicorn's, with one addition: an application can close the client's connection through
`scope["extensions"]["simulators.connection"]`, which is how a lost answer is played (`simulators.faults`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TextIO

import orjson
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HOST = "127.0.0.1"
KEEP_ALIVE_S = 240
"""How long an idle connection stays open. A short time would close it under a client's next write."""


class CuttableProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with the ends of the connection put into the application's hands."""

    def on_message_begin(self) -> None:
        """Start a request whose scope carries `abort` (at once) and `close` (after what was written)."""
        super().on_message_begin()
        ends: dict[object, object] = {"abort": self.transport.abort, "close": self.transport.close}
        self.scope["extensions"] = {"simulators.connection": ends}


@asynccontextmanager
async def running(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` on the loopback in the running event loop; yields its base URL, `http://127.0.0.1:PORT`.

    Port 0 takes a free one. Leaving closes the connections and cancels what is still being answered.
    Raises OSError when the port is taken.
    """
    # The bench dates the answers, by the simulated clock.
    config = Config(
        app,
        http=CuttableProtocol,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return CuttableProtocol(config=config, server_state=state, app_state={})

    listener = _bound(port)
    server = await asyncio.get_running_loop().create_server(protocol, sock=listener)
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.close()
        await _drop(state)


async def _drop(state: ServerState) -> None:
    for connection in list(state.connections):
        if connection.transport is not None:
            connection.transport.abort()
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel("simulator stopping")
    await asyncio.gather(*tasks, return_exceptions=True)
    while state.connections:  # noqa: ASYNC110  an aborted transport reports its end in the next turns of the loop
        await asyncio.sleep(0)


def _bound(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off; without, every answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003  the signature of the standard library
    return listener


async def serve(
    apps: Mapping[str, ASGIApp],
    ports: Mapping[str, int] | None = None,
    *,
    stop: asyncio.Event,
    ready: TextIO | None = None,
) -> None:
    """Serve every application in one process until `stop`.

    Once all listen, one line of JSON goes to `ready` (standard output): `{"google": "http://127.0.0.1:P", ...}`.
    """
    ports = ports or {}
    async with AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(running(app, ports.get(name, 0))) for name, app in apps.items()}
        stream = ready or sys.stdout
        stream.write(orjson.dumps(urls).decode() + "\n")
        stream.flush()
        await stop.wait()


async def until_end_of(stream: TextIO, stop: asyncio.Event) -> None:
    """Set `stop` when `stream` ends: the parent process that held the other end is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    with contextlib.closing((await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream))[0]):
        while await reader.read(4096):
            pass
    stop.set()
