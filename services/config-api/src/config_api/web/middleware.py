"""Around every request: an id for logs and answers, headers that browsers need, a limit on the body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Final
from uuid import uuid4

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from config_api.web.problems import BodyTooLargeError, ProblemError, answer
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_PATIENCE_S: Final = 1.0
_COME_BACK_S: Final = 5

_Headers = Sequence[tuple[bytes, bytes]]
"""Names in small letters, as ASGI has them."""


class RequestEdge:
    """Gives each request an id of ours (never the caller's: it goes into logs), and each answer its headers."""

    def __init__(self, app: ASGIApp, data: Mapping[str, str], page: Mapping[str, str]) -> None:
        self._app = app
        self._data = _raw(data)
        self._page = _raw(page)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        code = "500"
        begun = perf_counter()

        async def with_headers(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = str(message["status"])
                message["headers"] = [*self._with_ours(message["headers"]), (b"x-request-id", request_id.encode())]
            await send(message)

        bound = bind_contextvars(correlation_id=request_id)
        try:
            await self._app(scope, receive, with_headers)
        finally:
            reset_contextvars(**bound)
            # The template of the address, as there are not many of them; it holds no id.
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.count_request(route, scope["method"], code, perf_counter() - begun)

    def _with_ours(self, headers: _Headers) -> _Headers:
        """The answer's headers and ours; where the answer has one of these already, it knows better."""
        given = dict(headers)
        ours = self._page if given.get(b"content-type", b"").startswith(b"text/html") else self._data
        return [*headers, *(header for header in ours if header[0] not in given)]


def _raw(headers: Mapping[str, str]) -> _Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class FaultEdge:
    """The process's edge: whatever nobody foresaw is logged with its traceback and answered as a problem.

    Without its database nothing can be answered: that passes by itself, and is told as such.
    """

    def __init__(self, app: ASGIApp, database_answers: Callable[[float], Awaitable[bool]]) -> None:
        self._app = app
        self._database_answers = database_answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or say that it failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:  # the edge of every request: nothing behind it may end the process
            log.exception("api.request.failed", method=scope["method"])
            if not started:
                await answer(Request(scope), await self._problem())(scope, receive, send)

    async def _problem(self) -> ProblemError:
        if await self._database_answers(_PATIENCE_S):
            return ProblemError("internal_error")
        return ProblemError("unavailable", headers={"Retry-After": str(_COME_BACK_S)})


class BodyLimit:
    """Refuses bodies above a size, by their announced length and by what really comes."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or say that it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_bytes:
                raise BodyTooLargeError
            return message

        await self._app(scope, limited, send)

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
        response = answer(Request(scope), ProblemError("body_too_large"))
        await response(scope, receive, send)
