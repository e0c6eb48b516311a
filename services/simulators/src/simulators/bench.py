"""What a vendor application is built on: clock, settings, random, faults and request log, and the path of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from random import Random
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from simulators.clock import SimClock
from simulators.faults import ConnectionCutError, FaultPlan, NoResponse, VendorAnswers
from simulators.requestlog import Call, RequestLog
from simulators.settings import SimulatorSettings

Settings = TypeVar("Settings", bound=SimulatorSettings)

CUT = -1
"""Status in the log of a connection that was closed without an answer."""


class Bench(Generic[Settings]):
    """The common parts of one simulator."""

    def __init__(
        self,
        settings: Settings,
        answers: VendorAnswers,
        clock: SimClock | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self.clock = clock or SimClock()
        self.rng = Random(settings.seed)  # repeatable; no secret is drawn from it
        self.faults = FaultPlan(answers, Random(settings.seed), sleep)
        self.log = RequestLog(self.clock)
        self._sleep = sleep

    def change_settings(self, changes: dict[str, object]) -> None:
        """Change settings from now on. Raises pydantic.ValidationError, and changes nothing, when one is wrong."""
        self.settings = self.settings.changed(changes)

    async def perform(self, request: Request, call: Call, act: Callable[[], Awaitable[Response]]) -> Response:
        """Carry out one call: log, latency, faults before, `act`, faults after; the answer bears the clock's `Date`."""
        entry = self.log.begin(request.method, request.url.path, call)
        status = CUT
        try:
            latency = self.settings.latency_of(call.operation)
            if latency:
                await self._sleep(latency)
            response = await self.faults.before(call.operation, request, call.account)
            if response is None:
                response = await act()
                response = await self.faults.after(call.operation, request, response, call.account)
            status = response.status_code
            response.headers.setdefault("Date", format_datetime(self.clock.now(), usegmt=True))
        except ConnectionCutError:
            response = NoResponse()
        finally:
            self.log.finish(entry, status)
        return response
