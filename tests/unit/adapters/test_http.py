"""The outbound edge: where requests may go, what silence means, what answers must be."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from contactsync.adapters.http import (
    Answer,
    AuthorizedHttp,
    HostGuard,
    HttpEdge,
    HttpSettings,
    OpenGate,
    OutboundRequest,
    build_client,
)
from contactsync.domain.ids import ConnectionId
from contactsync.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
)
from contactsync.ports.directory import Call
from contactsync.ports.vault import AccessToken
from contactsync.telemetry import metrics
from tests.support.clock import EPOCH, ManualClock

HOST = "api.example.com"
URL = f"https://{HOST}/things"
READ = OutboundRequest(operation="things.read", method="GET", url=URL)
WRITE = OutboundRequest(operation="things.write", method="POST", url=URL, content=b"{}", mutates=True)

Handler = (
    Callable[[httpx2.Request], httpx2.Response] | Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]
)


async def answer_of(handler: Handler, request: OutboundRequest = READ, settings: HttpSettings | None = None) -> Answer:
    settings = settings or HttpSettings()
    async with build_client(settings, transport=httpx2.MockTransport(handler)) as client:
        return await HttpEdge(client, HostGuard([HOST]), ManualClock(), settings).send(request)


def replies(status: int = 200, content: bytes = b"{}", **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx2.Response(status, content=content, headers=named)


def records(requests: list[httpx2.Request]) -> Handler:
    def handler(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, content=b"{}")

    return handler


def fails(error: type[httpx2.RequestError]) -> Handler:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error("broken", request=request)

    return handler


@pytest.mark.parametrize(("handler", "status"), [(replies(404), "4xx"), (fails(httpx2.ReadError), "none")])
async def test_calls_are_counted_by_what_became_of_them(handler: Handler, status: str) -> None:
    labels = {"operation": READ.operation, "status": status}
    before = metrics.REGISTRY.get_sample_value("contactsync_provider_calls_total", labels) or 0
    with contextlib.suppress(ProviderUnavailableError):
        await answer_of(handler)
    assert metrics.REGISTRY.get_sample_value("contactsync_provider_calls_total", labels) == before + 1


class TestHosts:
    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example.com/things",
            f"http://{HOST}/things",
            f"https://{HOST}:8443/things",
            f"https://{HOST}@evil.example.com/",
            f"https://user@{HOST}/",
            f"https://{HOST}.evil.example.com/",
            f"https://{HOST}./",
            f"https://{HOST}%2eevil.example.com/",
            f"https://evil.example.com\\@{HOST}/",
            f"https://evil.example.com#@{HOST}/",
            f"//{HOST}/things",
            "https://xn--pi-7ja.example.com/",  # punycode of a name that looks like ours
            "https://\u0430pi.example.com/",  # its first letter is Cyrillic
            "https://127.0.0.1/",
            "https://2130706433/",  # 127.0.0.1 as one number
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://metadata.google.internal/",
            "http://localhost:15672/api/",
            "gopher://127.0.0.1:6379/_INFO",
            "file:///etc/passwd",
            "data:application/json,{}",
            "things",
            "",
        ],
    )
    async def test_nothing_goes_to_a_place_off_the_list(self, url: str) -> None:
        asked: list[httpx2.Request] = []
        with pytest.raises(ProviderContractError) as caught:
            await answer_of(
                records(asked),
                OutboundRequest(operation="things.read", method="GET", url=url),
            )
        assert caught.value.reason == "host_not_allowed"
        assert asked == []

    def test_an_address_from_settings_is_taken_with_its_scheme_and_port_alone(self) -> None:
        guard = HostGuard([], ["http://127.0.0.1:8080/base"])
        guard.check("http://127.0.0.1:8080/other")
        for url in ("http://127.0.0.1:8081/", "https://127.0.0.1:8080/", "http://localhost:8080/"):
            with pytest.raises(ProviderContractError):
                guard.check(url)

    def test_a_setting_that_is_no_address_stops_the_start(self) -> None:
        with pytest.raises(ConfigurationError):
            HostGuard([], ["localhost"])

    async def test_a_redirect_is_not_followed(self) -> None:
        answer = await answer_of(replies(302, location="https://evil.example.com/"))
        assert answer.status == 302
        assert not answer.is_success


class TestSilence:
    @pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout])
    async def test_a_write_that_never_left_changed_nothing(self, error: type[httpx2.RequestError]) -> None:
        with pytest.raises(ProviderUnavailableError):
            await answer_of(fails(error), WRITE)

    @pytest.mark.parametrize(
        "error",
        [
            httpx2.ReadTimeout,
            httpx2.WriteTimeout,
            httpx2.ReadError,
            httpx2.WriteError,
            httpx2.RemoteProtocolError,
            httpx2.DecodingError,
        ],
    )
    async def test_a_write_that_may_have_arrived_has_to_be_looked_up(self, error: type[httpx2.RequestError]) -> None:
        with pytest.raises(OutcomeUnknownError):
            await answer_of(fails(error), WRITE)
        with pytest.raises(ProviderUnavailableError):
            await answer_of(fails(error), READ)

    async def test_the_deadline_holds_over_everything_together(self) -> None:
        async def stuck(_: httpx2.Request) -> httpx2.Response:
            await asyncio.Event().wait()
            raise AssertionError("never")

        settings = HttpSettings(deadline=timedelta(milliseconds=20))
        with pytest.raises(ProviderUnavailableError):
            await answer_of(stuck, READ, settings)
        with pytest.raises(OutcomeUnknownError):
            await answer_of(stuck, WRITE, settings)

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    async def test_trouble_on_the_other_side_leaves_a_write_open(self, status: int) -> None:
        with pytest.raises(OutcomeUnknownError):
            await answer_of(replies(status, b"<html>"), WRITE)
        with pytest.raises(ProviderUnavailableError) as caught:
            await answer_of(replies(status, b"<html>", retry_after="12"), READ)
        assert caught.value.retry_after_s == 12

    async def test_errors_carry_neither_address_nor_body(self) -> None:
        with pytest.raises(ProviderUnavailableError) as caught:
            await answer_of(fails(httpx2.ReadError))
        assert HOST not in str(caught.value)
        assert caught.value.details == {"operation": "things.read", "why": "ReadError"}


class TestAnswers:
    @pytest.mark.parametrize("content", [b"", b"<html></html>", b'{"half": ', b"\xff", b"[" * 5000 + b"]" * 5000])
    async def test_what_is_not_json_is_refused(self, content: bytes) -> None:
        answer = await answer_of(replies(content=content))
        with pytest.raises(ProviderContractError):
            answer.json()

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            (b'"cut \\ud83d"', "cut \ufffd"),
            (b'"\\ude00 cut"', "\ufffd cut"),
            (b'"\\ud83d and \\ud83d\\ude00 and \xe2\x82\xac"', "\ufffd and \U0001f600 and \u20ac"),
            (b'"a backslash \\\\ud83d"', "a backslash \\ud83d"),
        ],
    )
    async def test_half_an_emoji_does_not_make_the_others_unreadable(self, sent: bytes, read: str) -> None:
        answer = await answer_of(replies(content=b'{"texts": [' + sent + b', "whole"]}'))
        assert answer.json() == {"texts": [read, "whole"]}

    @pytest.mark.parametrize("content", [b'{"half": "\\ud83d', b"[" * 100_000 + b'"\\ud83d"', b'"\\ud83d \xff"'])
    async def test_half_an_emoji_excuses_nothing_else(self, content: bytes) -> None:
        with pytest.raises(ProviderContractError):
            (await answer_of(replies(content=content))).json()

    async def test_an_unreadable_success_of_a_write_leaves_its_outcome_open(self) -> None:
        with pytest.raises(OutcomeUnknownError):
            (await answer_of(replies(content=b"<html>"), WRITE)).json()
        with pytest.raises(OutcomeUnknownError):
            (await answer_of(replies(content=b"[]"), WRITE)).json_object()
        with pytest.raises(ProviderContractError):
            (await answer_of(replies(400, b"<html>"), WRITE)).json()

    async def test_a_refusal_without_json_reads_as_an_empty_one(self) -> None:
        assert (await answer_of(replies(400, b"<html>"))).error_object() == {}
        assert (await answer_of(replies(400, b"[]"))).error_object() == {}
        assert (await answer_of(replies(400, b'{"error": 1}'))).error_object() == {"error": 1}

    @pytest.mark.parametrize("encoded", [False, True])
    async def test_an_answer_beyond_the_limit_is_refused_however_small_it_travelled(self, encoded: bool) -> None:  # noqa: FBT001  a case
        body = b'"' + b"a" * 2_000_000 + b'"'
        handler = replies(content=gzip.compress(body), content_encoding="gzip") if encoded else replies(content=body)
        settings = HttpSettings(max_answer_bytes=1_000_000)
        with pytest.raises(ProviderContractError):
            await answer_of(handler, READ, settings)
        with pytest.raises(OutcomeUnknownError):
            await answer_of(handler, WRITE, settings)

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("120", 120),
            ("0", 0),
            ("Sun, 01 Mar 2026 09:00:30 GMT", 30),
            ("Sun, 01 Mar 2026 08:00:00 GMT", 0),
            ("soon", None),
            ("-5", None),
            ("", None),
        ],
    )
    async def test_retry_after_is_seconds_or_a_date(self, value: str, seconds: float | None) -> None:
        assert (await answer_of(replies(429, retry_after=value))).retry_after_s == seconds

    async def test_a_retry_date_is_measured_by_the_clock_that_wrote_it(self) -> None:
        handler = replies(429, retry_after="Sun, 01 Mar 2026 12:00:30 GMT", date="Sun, 01 Mar 2026 12:00:00 GMT")
        answer = await answer_of(handler)
        assert answer.retry_after_s == 30
        assert answer.server_time == EPOCH + timedelta(hours=3)

    async def test_a_cookie_never_travels_on(self) -> None:
        seen: list[str | None] = []

        def handler(request: httpx2.Request) -> httpx2.Response:
            seen.append(request.headers.get("cookie"))
            return httpx2.Response(200, content=b"{}", headers={"set-cookie": "session=1; Path=/"})

        settings = HttpSettings()
        async with build_client(settings, transport=httpx2.MockTransport(handler)) as client:
            edge = HttpEdge(client, HostGuard([HOST]), ManualClock(), settings)
            await edge.send(READ)
            await edge.send(READ)
        assert seen == [None, None]

    async def test_requests_ask_for_gzip_and_say_so_to_google(self) -> None:
        def handler(request: httpx2.Request) -> httpx2.Response:
            assert request.headers["accept-encoding"] == "gzip"
            assert "gzip" in request.headers["user-agent"]
            return httpx2.Response(200, content=b"{}")

        await answer_of(handler)


@dataclass
class Tokens:
    """Numbered tokens; the first `refused` of them are worn out."""

    number: int = 0
    stale: list[str] = field(default_factory=list)

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        if stale is not None:
            self.stale.append(stale)
            self.number += 1
        return AccessToken(f"token-{self.number}", EPOCH, URL)


@dataclass
class Gate:
    calls: list[Call] = field(default_factory=list)
    open_for: int = 9

    async def admit(self, call: Call) -> None:
        if len(self.calls) >= self.open_for:
            raise RateLimitedError
        self.calls.append(call)


CALL = Call(provider="example", operation="things.write", mutates=True)


async def authorized_answer(handler: Handler, tokens: Tokens, gate: Gate | OpenGate) -> Answer:
    settings = HttpSettings()
    async with build_client(settings, transport=httpx2.MockTransport(handler)) as client:
        edge = HttpEdge(client, HostGuard([HOST]), ManualClock(), settings)
        return await AuthorizedHttp(edge, tokens, ConnectionId(UUID(int=1)), gate).send(CALL, lambda _: WRITE)


class TestTokens:
    async def test_a_refused_token_is_renewed_once_and_each_attempt_admitted(self) -> None:
        seen: list[str] = []

        def handler(request: httpx2.Request) -> httpx2.Response:
            seen.append(request.headers["authorization"])
            return httpx2.Response(401 if len(seen) == 1 else 200, content=b"{}")

        tokens, gate = Tokens(), Gate()
        answer = await authorized_answer(handler, tokens, gate)
        assert answer.is_success
        assert seen == ["Bearer token-0", "Bearer token-1"]
        assert tokens.stale == ["token-0"]
        assert gate.calls == [CALL, CALL]

    async def test_a_fresh_token_that_is_refused_too_is_not_renewed_again(self) -> None:
        tokens = Tokens()
        answer = await authorized_answer(replies(401), tokens, OpenGate())
        assert answer.status == 401
        assert tokens.stale == ["token-0"]

    async def test_a_call_that_is_not_admitted_is_not_sent(self) -> None:
        sent: list[httpx2.Request] = []
        with pytest.raises(RateLimitedError):
            await authorized_answer(records(sent), Tokens(), Gate(open_for=0))
        assert sent == []
