"""What a stranger sends before his request is one: bounded, whatever he says and however long he says it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from contactsync.assembly.admin import serving
from contactsync.assembly.bounded_http import MOST_HELD, BoundedHttp

PIECE = b"a" * 16_384
ENDLESS = MOST_HELD * 64
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def size(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/", size, methods=["GET", "POST"])])
    async with serving(app, "127.0.0.1", 0, http=BoundedHttp) as served:
        yield served


async def said(port: int, *parts: bytes, endless: bytes = b"") -> tuple[bytes, int]:
    """The answer, and how much of an endless part the server took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = 0
    try:
        writer.write(b"".join(parts))
        while endless and taken < ENDLESS and not reader.at_eof():
            writer.write(endless)
            await asyncio.wait_for(writer.drain(), 10)
            taken += len(endless)
            await asyncio.sleep(0)
        answer = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        answer = b""
    finally:
        writer.close()
    return answer, taken


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Trailer: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;extension=",
    ],
    ids=["line", "header", "trailer", "extension of a chunk"],
)
async def test_what_does_not_end_is_cut_off(port: int, begun: bytes) -> None:
    _, taken = await said(port, begun, endless=PIECE)
    assert taken < ENDLESS


async def test_headers_without_number_are_cut_off(port: int) -> None:
    _, taken = await said(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n", endless=b"X: y\r\n" * 2000)
    assert taken < ENDLESS


async def test_usual_requests_pass_one_after_another_on_one_connection(port: int) -> None:
    cookie = b"Cookie: " + b"c" * 16_000 + b"\r\n"
    body = b"b" * 250_000
    post = HEAD + cookie + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    pieces = b"".join(b"1\r\nx\r\n" for _ in range(50_000)) + b"0\r\n\r\n"
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + pieces
    last = HEAD + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    answer, _ = await said(port, post, post, chunked, last)
    assert answer.count(b"200 OK") == 4
    assert [part.partition(b"HTTP")[0] for part in answer.split(b"\r\n\r\n")[1:]] == [b"250000"] * 2 + [b"50000", b"0"]
