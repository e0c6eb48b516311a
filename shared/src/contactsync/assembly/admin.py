"""The admin port of a process: whether it lives, whether it is ready, what it measures. Never public."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from contactsync.telemetry import metrics

Readiness = Callable[[], Awaitable[bool]]


def admin_app(is_ready: Readiness) -> Starlette:
    """`/livez` answers while the event loop turns; `/readyz` asks what the process cannot work without; `/metrics`."""

    async def live(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(_: Request) -> Response:
        return PlainTextResponse("ok") if await is_ready() else PlainTextResponse("not ready", 503)

    async def measured(_: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", live), Route("/readyz", ready), Route("/metrics", measured)])


class EmbeddedServer(uvicorn.Server):
    """A server inside a process that handles signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the process."""
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, host: str, port: int, *, http: type[asyncio.Protocol] | None = None
) -> AsyncIterator[int]:
    """Serve an application in the running event loop; yields its port (0 takes a free one).

    `http` speaks on each connection; without one it is what uvicorn finds.

    Raises OSError when the port is taken. The end waits for answers under way, for five seconds at most.
    """
    listener = _bound(host, port)
    config = uvicorn.Config(
        app,
        http=http or "auto",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        lifespan="on",
    )
    server = EmbeddedServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{port}")
    try:
        await _started(server, running)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running
        listener.close()


def _bound(host: str, port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off on accepted connections.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def _started(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    """Return when requests are answered; raise what kept the application from starting."""
    while not server.started:
        if running.done():
            await running
            raise RuntimeError("the application did not start")
        await asyncio.sleep(0.01)  # the server sets no event
