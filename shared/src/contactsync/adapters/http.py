"""The edge where requests leave for a provider: one client, a list of hosts, a size limit, honest errors.

What this layer does for both providers:

- requests go only to hosts on the list (`HostGuard`), over verified TLS, without proxies, cookies or redirects;
- an answer is read whole within one deadline and up to a size, and parsed as JSON or refused;
- what goes wrong on the way becomes `ProviderUnavailableError` where nothing can have been changed, and
  `OutcomeUnknownError` where a write may have arrived;
- a token refused with 401 is renewed once and the request sent again once (`AuthorizedHttp`).

It never retries anything else: the slice does, with its dates, so that no two layers multiply their attempts.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import orjson

from contactsync.domain.ids import ConnectionId
from contactsync.errors import ConfigurationError, OutcomeUnknownError, ProviderContractError, ProviderUnavailableError
from contactsync.ports.clock import Clock
from contactsync.ports.directory import Call, CallGate
from contactsync.ports.vault import AccessToken, TokenSource
from contactsync.telemetry import metrics

USER_AGENT: Final = "contact-sync (gzip)"
"""Google compresses only for clients whose agent names gzip too (Google API guides, "Performance tips")."""

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_HALF_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_UNAUTHORIZED: Final = 401
_SERVER_ERROR: Final = 500
_NOTHING_LEFT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
"""Failures before the first byte of a request: a write has certainly not arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Limits of the outbound client; the defaults fit both providers."""

    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=20)
    write_timeout: timedelta = timedelta(seconds=10)
    pool_timeout: timedelta = timedelta(seconds=5)
    deadline: timedelta = timedelta(seconds=20)
    """From handing a request over to holding its whole answer."""
    max_connections: int = 64
    max_keepalive_connections: int = 32
    keepalive_expiry: timedelta = timedelta(seconds=30)
    """Idle connections are dropped before the providers' front ends drop them: a write on a dead one is an unknown."""
    max_answer_bytes: int = 32 * 1024 * 1024
    """A page of 1,000 people with long notes is about 4 MiB."""


def build_client(settings: HttpSettings, *, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """The HTTP/1.1 keep-alive client of a process; whoever calls this closes it."""
    return httpx2.AsyncClient(
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "Accept": JSON},
        timeout=httpx2.Timeout(
            connect=settings.connect_timeout.total_seconds(),
            read=settings.read_timeout.total_seconds(),
            write=settings.write_timeout.total_seconds(),
            pool=settings.pool_timeout.total_seconds(),
        ),
        limits=httpx2.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.max_keepalive_connections,
            keepalive_expiry=settings.keepalive_expiry.total_seconds(),
        ),
        # One client serves many accounts: a cookie set for one must never travel with another's request.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
        transport=transport,
    )


class HostGuard:
    """The list of places that requests may go to.

    `hosts` are the providers' own, reached by https on the default port alone. `urls` come from settings (a local
    server that stands for a provider) and are taken with exactly their scheme and port.
    """

    def __init__(self, hosts: Iterable[str], urls: Iterable[str] = ()) -> None:
        self._origins = {("https", host.lower(), 443) for host in hosts} | {_origin(url) for url in urls}

    def check(self, url: str) -> None:
        """Return when `url` may be asked. Raises ProviderContractError otherwise (a host that came in an answer)."""
        try:
            origin = _origin(url)
        except ConfigurationError as error:
            raise ProviderContractError(str(error), reason="host_not_allowed") from error
        if origin not in self._origins:
            raise ProviderContractError(
                "an address outside the list of hosts", reason="host_not_allowed", details={"host": origin[1]}
            )


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an absolute http(s) URL. Raises ConfigurationError."""
    try:
        parts = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise ConfigurationError("not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.host or parts.userinfo:
        raise ConfigurationError("a URL needs http or https, a host, and no user name")
    return parts.scheme, parts.host.lower(), parts.port or (443 if parts.scheme == "https" else 80)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """One request as it will be sent. `operation` names it in errors; `mutates` decides what silence means."""

    operation: str
    method: str
    url: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    mutates: bool = False

    def with_header(self, name: str, value: str) -> OutboundRequest:
        """The same request with one more header."""
        return OutboundRequest(
            operation=self.operation,
            method=self.method,
            url=self.url,
            query=self.query,
            headers={**self.headers, name: value},
            content=self.content,
            mutates=self.mutates,
        )


def form_content(fields: Mapping[str, str]) -> bytes:
    """`fields` as an `application/x-www-form-urlencoded` body."""
    return urlencode(fields).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer read to its end. `received_at` is our clock, for a Retry-After that gives a date."""

    operation: str
    mutates: bool
    status: int
    headers: httpx2.Headers
    body: bytes
    received_at: datetime

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  RFC 9110, 15.3

    def json(self) -> Any:  # noqa: ANN401  JSON of any shape
        """The body as JSON.

        Raises ProviderContractError for anything else, an HTML page say; for a 2xx answer to a write, whose effect
        such a page leaves open, OutcomeUnknownError. Nesting is bounded by the parser (1,024 levels).
        """
        try:
            return _parsed(self.body)
        except (ValueError, RecursionError) as error:
            raise self.unreadable("not JSON") from error

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises as `json` does."""
        value = self.json()
        if not isinstance(value, dict):
            raise self.unreadable("JSON, but no object")
        return value

    def error_object(self) -> dict[str, Any]:
        """The body of a refusal as a JSON object, empty where it is none: gateways answer errors in HTML."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    def unreadable(self, why: str) -> ProviderContractError | OutcomeUnknownError:
        """The error for an answer that cannot be understood."""
        details = {"operation": self.operation, "status": self.status, "why": why}
        if self.mutates and self.is_success:
            return OutcomeUnknownError(f"unreadable answer to a write: {why}", details=details)
        return ProviderContractError(f"unreadable answer: {why}", details=details)

    @property
    def server_time(self) -> datetime | None:
        """The provider's clock when it answered (HTTP `Date`), in UTC."""
        return _http_date(self.headers.get("date", ""))

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that `Retry-After` asks to wait, never negative; None without a usable one (RFC 9110, 10.2.3)."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdecimal():
            return float(value)
        when = _http_date(value)
        if when is None:
            return None
        return max(0.0, (when - (self.server_time or self.received_at)).total_seconds())


def _parsed(body: bytes) -> Any:  # noqa: ANN401  JSON of any shape
    """The JSON in `body`. Raises ValueError, RecursionError.

    A text cut in the middle of an emoji leaves half of one, which is no Unicode and which the fast parser refuses: one
    such contact must not keep all others from being read, so it is shown with a replacement character.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if _HALF_PAIR.search(body) is None:
            raise
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class HttpEdge:
    """Sends one request and reads its answer. The client belongs to whoever built it."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        guard: HostGuard,
        clock: Clock,
        settings: HttpSettings | None = None,
    ) -> None:
        self._client = client
        self._guard = guard
        self._clock = clock
        self._settings = settings or HttpSettings()

    @property
    def guard(self) -> HostGuard:
        """The list of hosts, to check an address that came in an answer before it is kept."""
        return self._guard

    async def send(self, request: OutboundRequest) -> Answer:
        """The answer, whatever its status but 5xx.

        Raises ProviderUnavailableError when nothing was changed, OutcomeUnknownError when a write may have arrived,
        ProviderContractError for a host off the list or an answer beyond the size limit.
        """
        self._guard.check(request.url)
        begun = self._clock.now()
        status = "none"
        try:
            answer = await self._answered(request)
            status = f"{answer.status // 100}xx"
        finally:
            metrics.PROVIDER_CALLS.labels(request.operation, status).inc()
            metrics.PROVIDER_SECONDS.labels(request.operation).observe((self._clock.now() - begun).total_seconds())
        if answer.status >= _SERVER_ERROR:
            raise _no_answer(
                request, f"status {answer.status}", may_have_arrived=True, retry_after_s=answer.retry_after_s
            )
        return answer

    async def _answered(self, request: OutboundRequest) -> Answer:
        try:
            async with asyncio.timeout(self._settings.deadline.total_seconds()):
                return await self._exchange(request)
        except TimeoutError as error:
            raise _no_answer(request, "deadline", may_have_arrived=True) from error
        except httpx2.RequestError as error:
            raise _no_answer(
                request, type(error).__name__, may_have_arrived=not isinstance(error, _NOTHING_LEFT)
            ) from error

    async def _exchange(self, request: OutboundRequest) -> Answer:
        outgoing = self._client.build_request(
            request.method,
            request.url,
            params=list(request.query) or None,
            headers=request.headers,
            content=request.content,
        )
        response = await self._client.send(outgoing, stream=True)
        try:
            body = await self._read(request, response)
        finally:
            await response.aclose()
        return Answer(
            operation=request.operation,
            mutates=request.mutates,
            status=response.status_code,
            headers=response.headers,
            body=body,
            received_at=self._clock.now(),
        )

    async def _read(self, request: OutboundRequest, response: httpx2.Response) -> bytes:
        chunks: AsyncIterator[bytes] = response.aiter_bytes()
        body = bytearray()
        async for chunk in chunks:
            body += chunk
            if len(body) > self._settings.max_answer_bytes:
                error = OutcomeUnknownError if request.mutates and response.is_success else ProviderContractError
                raise error("answer beyond the size limit", details={"operation": request.operation})
        return bytes(body)


def _no_answer(
    request: OutboundRequest, why: str, *, may_have_arrived: bool, retry_after_s: float | None = None
) -> ProviderUnavailableError | OutcomeUnknownError:
    details = {"operation": request.operation, "why": why}
    if request.mutates and may_have_arrived:
        return OutcomeUnknownError(f"no clear answer to a write: {why}", details=details)
    return ProviderUnavailableError(f"no answer: {why}", details=details, retry_after_s=retry_after_s)


def _is_unauthorized(answer: Answer) -> bool:
    return answer.status == _UNAUTHORIZED


class AuthorizedHttp:
    """Requests of one connection: admitted by the gate, carrying its access token."""

    def __init__(
        self,
        edge: HttpEdge,
        tokens: TokenSource,
        connection_id: ConnectionId,
        gate: CallGate,
        *,
        scheme: str = "Bearer",
        token_refused: Callable[[Answer], bool] = _is_unauthorized,
    ) -> None:
        self._edge = edge
        self._tokens = tokens
        self._connection_id = connection_id
        self._gate = gate
        self._scheme = scheme
        self._token_refused = token_refused

    async def send(self, call: Call, build: Callable[[AccessToken], OutboundRequest]) -> Answer:
        """The answer to what `build` makes for the current token; once more with a new token after a refused one.

        Each attempt is admitted by itself. A refused token changed nothing, so writes are sent again too.
        Raises what `HttpEdge.send`, the gate and the token source raise.
        """
        token = await self._tokens.token(self._connection_id)
        answer = await self._attempt(call, build, token)
        if not self._token_refused(answer):
            return answer
        fresh = await self._tokens.token(self._connection_id, stale=token.value)
        return await self._attempt(call, build, fresh)

    async def _attempt(self, call: Call, build: Callable[[AccessToken], OutboundRequest], token: AccessToken) -> Answer:
        await self._gate.admit(call)
        return await self._edge.send(build(token).with_header("Authorization", f"{self._scheme} {token.value}"))


class OpenGate:
    """A gate that admits every call: for the few control calls made outside a run, which hold no lease."""

    async def admit(self, call: Call) -> None:
        """Return at once."""
