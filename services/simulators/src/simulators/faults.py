"""Faults that a simulator can be told to show: refusals, lost connections, slow and damaged answers.

A plan is an ordered list. A call meets the first fault that matches its operation and is not used up; faults that only
delay let the search go on, so that "slow, then 503" can be said.

| action | what the client sees | was the call carried out? |
| --- | --- | --- |
| `status` | the given status with `body`, or with the vendor's usual error for it | no |
| `rate_limit` | the vendor's 429 (`variant` chooses among its kinds) | no |
| `cut_before` | the connection closes without an answer | no |
| `cut_after` | the connection closes without an answer | yes |
| `cut_partly` | the connection closes without an answer | the first contacts of a write (`keep` is their share) |
| `truncate` | a full header and half of the body, then the connection closes | yes |
| `html200` | status 200 with an HTML page | no |
| `slow` | the usual answer, `delay_s` later | yes |
| `short_listing` | a listing without its last items (`keep` is the share that stays), otherwise well formed | yes |
| `cut_listing` | the same, and the listing says how many there are (Google's lists alone do) | yes |
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Literal, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

Item = TypeVar("Item")
Action = Literal[
    "status",
    "rate_limit",
    "cut_before",
    "cut_after",
    "cut_partly",
    "truncate",
    "html200",
    "slow",
    "short_listing",
    "cut_listing",
]

_BEFORE: frozenset[str] = frozenset({"status", "rate_limit", "cut_before", "html200"})
_AFTER: frozenset[str] = frozenset({"cut_after", "truncate"})
_SHORTER: frozenset[str] = frozenset({"short_listing", "cut_listing"})
_HTML_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><p>Please sign in.</p></body></html>"


class ConnectionCutError(Exception):
    """The connection is to be closed without an answer."""


class Fault(BaseModel):
    """One fault: which calls it hits, how often, and what it does to them."""

    model_config = ConfigDict(extra="forbid")

    match: str = "*"
    """Glob over the operation (`people.batch*`), or `re:` and a regular expression that must match it whole."""
    account: str | None = None
    """Only calls for this account or organisation."""
    action: Action
    status: int | None = Field(default=None, ge=200, le=599)
    body: Any = None
    """Text is sent as it is, anything else as JSON."""
    headers: dict[str, str] = Field(default_factory=dict)
    delay_s: float = Field(default=0.0, ge=0)
    times: int | None = Field(default=None, ge=1)
    """How many calls it hits; without a number, all."""
    after: int = Field(default=0, ge=0)
    """How many matching calls pass unharmed first."""
    probability: float = Field(default=1.0, gt=0, le=1)
    variant: str | None = None
    """Kind of `rate_limit`, in the vendor's own words."""
    keep: float = Field(default=0.5, ge=0, le=1)
    """Share of the items that a `short_listing` or `cut_listing` keeps, and that a `cut_partly` writes."""
    seen: int = Field(default=0, ge=0)
    """Matching calls so far (an answer of the simulator)."""
    hits: int = Field(default=0, ge=0)
    """Calls that it hit so far (an answer of the simulator)."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, match: str) -> str:
        if match.startswith("re:"):
            try:
                re.compile(match[3:])
            except re.error as error:
                reason = f"not a regular expression: {error}"
                raise ValueError(reason) from error
        return match

    def covers(self, operation: str, account: str | None) -> bool:
        """Whether a call of `operation` for `account` is meant."""
        if self.account is not None and self.account != account:
            return False
        if self.match.startswith("re:"):
            return re.fullmatch(self.match[3:], operation) is not None
        return fnmatchcase(operation, self.match)

    def strikes(self, rng: Random) -> bool:
        """Count one matching call and say whether the fault hits it."""
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.hits >= self.times):
            return False
        if self.probability < 1 and rng.random() >= self.probability:
            return False
        self.hits += 1
        return True


class VendorAnswers(Protocol):
    """How one vendor words what a fault asks for."""

    def error(self, operation: str, status: int) -> Response:
        """The vendor's usual body for `status`."""
        ...

    def rate_limited(self, operation: str, variant: str | None) -> Response:
        """The vendor's answer when a quota is used up. Raises ValueError for a variant it does not know."""
        ...


class FaultPlan:
    """The faults in force, in order, and the hooks that every call passes."""

    def __init__(
        self, answers: VendorAnswers, rng: Random, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._answers = answers
        self._rng = rng
        self._sleep = sleep
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append `fault`; earlier ones are asked first. Raises ValueError for what the vendor cannot do."""
        if fault.action == "rate_limit":
            self._answers.rate_limited("*", fault.variant)
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """The faults with their counts."""
        return [fault.model_dump() for fault in self._faults]

    async def before(self, operation: str, request: Request, account: str | None = None) -> Response | None:
        """The answer that takes the place of the call, or None to carry it out.

        Raises ConnectionCutError when the client is to get none.
        """
        del request  # part of the hook so that a fault may one day look at it
        fault = await self._next(_BEFORE, operation, account, delays=True)
        if fault is None:
            return None
        return self._instead(fault, operation)

    async def after(self, operation: str, request: Request, response: Response, account: str | None = None) -> Response:
        """`response`, or what a fault makes of it once the call was carried out. Raises ConnectionCutError."""
        fault = await self._next(_AFTER, operation, account, delays=False)
        if fault is None:
            return response
        if fault.action == "truncate":
            return TruncatedResponse(request, response)
        raise ConnectionCutError

    def shorten(self, operation: str, items: Sequence[Item], account: str | None = None) -> tuple[Sequence[Item], int]:
        """`items`, without its last ones where a fault says so, and their stated number. Called once for a listing."""
        for fault in self._faults:
            if fault.action in _SHORTER and fault.covers(operation, account) and fault.strikes(self._rng):
                kept = items[: int(len(items) * fault.keep)]
                return kept, len(kept if fault.action == "short_listing" else items)
        return items, len(items)

    def until_cut(self, operation: str, items: Iterable[Item], account: str | None = None) -> Iterator[Item]:
        """`items` one by one; where a `cut_partly` says so, ConnectionCutError after its share of them."""
        every = list(items)
        for fault in self._faults:
            if fault.action == "cut_partly" and fault.covers(operation, account) and fault.strikes(self._rng):
                yield from every[: int(len(every) * fault.keep)]
                raise ConnectionCutError
        yield from every

    async def _next(
        self, actions: frozenset[str], operation: str, account: str | None, *, delays: bool
    ) -> Fault | None:
        for fault in self._faults:
            wanted = fault.action in actions or (delays and fault.action == "slow")
            if not wanted or not fault.covers(operation, account) or not fault.strikes(self._rng):
                continue
            if fault.delay_s:
                await self._sleep(fault.delay_s)
            if fault.action != "slow":
                return fault
        return None

    def _instead(self, fault: Fault, operation: str) -> Response:
        if fault.action == "cut_before":
            raise ConnectionCutError
        if fault.action == "html200":
            response: Response = HTMLResponse(_HTML_PAGE)
        elif fault.action == "rate_limit":
            response = self._answers.rate_limited(operation, fault.variant)
        elif fault.body is None:
            response = self._answers.error(operation, fault.status or 503)
        else:
            response = _response_of(fault)
        response.headers.update(fault.headers)
        return response


def _response_of(fault: Fault) -> Response:
    status = fault.status or 503
    if isinstance(fault.body, str):
        return HTMLResponse(fault.body, status_code=status)
    return Response(orjson.dumps(fault.body), status_code=status, media_type="application/json; charset=UTF-8")


class TruncatedResponse(Response):
    """Announces the whole body of `whole`, sends half of it, then closes the connection."""

    def __init__(self, request: Request, whole: Response) -> None:
        super().__init__(status_code=whole.status_code)
        self.body = whole.body
        self.raw_headers = whole.raw_headers
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the half, then close."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["extensions"]["simulators.connection"]["close"]()
        await wait_for_disconnect(receive)


class NoResponse(Response):
    """Closes the connection without a byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Drop the transport and wait until it is gone."""
        del send
        scope["extensions"]["simulators.connection"]["abort"]()
        await wait_for_disconnect(receive)


async def wait_for_disconnect(receive: Receive) -> None:
    """Return once the server has noticed that the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
