"""The simulated CRM as one ASGI application: accounts server, API of every data centre, control interface.

Data centres are told apart by the first part of the path: `http://HOST/eu` is the accounts server and the API
domain of the European one, `http://HOST` those of `us`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from simulators.bench import Bench
from simulators.clock import SimClock
from simulators.control import control_routes, json_response
from simulators.requestlog import Call
from simulators.zoho.api import Endpoint
from simulators.zoho.control import zoho_control_routes
from simulators.zoho.endpoints import ENDPOINTS
from simulators.zoho.errors import ZohoError, invalid_method, invalid_url
from simulators.zoho.gate import Gate, VendorAnswers
from simulators.zoho.oauth import Pages
from simulators.zoho.settings import ZohoSettings
from simulators.zoho.state import snapshot
from simulators.zoho.world import DATA_CENTRES, World

HOME: Final = "us"
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class ZohoSimulator:
    """One simulated vendor; `app` serves it."""

    def __init__(self, settings: ZohoSettings | None = None, clock: SimClock | None = None) -> None:
        self.bench: Bench[ZohoSettings] = ZohoBench(self, settings or ZohoSettings(), clock)
        self.world = World.empty(self.bench)
        self.gate = Gate(self.world)
        self.app: ASGIApp = self._application()

    def reset(self) -> None:
        """Drop all data, faults and log; settings and clock stay."""
        self.world = World.empty(self.bench)
        self.gate.world = self.world
        self.bench.faults.clear()
        self.bench.log.reset()

    def kept(self) -> object:
        """What outlives the process, as one graph of objects."""
        return self.world

    def restore(self, kept: Any) -> None:  # noqa: ANN401  what `kept` gave
        """Go on with what another process kept, under the settings of this one."""
        self.world = self.gate.world = kept
        self.world.apply_settings()

    def state(self) -> object:
        """Everything that the simulator holds, as JSON values."""
        return snapshot(self.world)

    def _application(self) -> ASGIApp:
        pages = Pages(lambda: self.world, _url_of)
        logged = self._logged
        routes = [
            Mount("/control", routes=[*control_routes(self), *zoho_control_routes(self)]),
            Route("/oauth/v2/auth", logged("oauth.authorise", pages.authorise), methods=["GET"]),
            Route("/oauth/v2/auth", logged("oauth.decide", pages.decide), methods=["POST"]),
            Route("/oauth/v2/token", logged("oauth.token", _in_data_centre(pages.token)), methods=["POST"]),
            Route("/oauth/v2/token/revoke", logged("oauth.revoke", pages.revoke), methods=["POST"]),
            Route("/oauth/serverinfo", logged("oauth.server_info", pages.server_info), methods=["GET"]),
            *(Route(one.path, self._served(one), methods=[one.method]) for one in ENDPOINTS),
            *(Route(path, _wrong_method, methods=_METHODS) for path in dict.fromkeys(one.path for one in ENDPOINTS)),
            Route("/{path:path}", _nowhere, methods=_METHODS),
        ]
        return by_data_centre(Router(routes=routes, redirect_slashes=False))

    def _served(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            data_centre = data_centre_of(request)
            return await self.gate.pass_through(endpoint, request, data_centre, _url_of(request, data_centre))

        return serve

    def _logged(
        self, operation: str, act: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            return await self.bench.perform(request, Call(operation), lambda: act(request))

        return serve


class ZohoBench(Bench[ZohoSettings]):
    """The common bench, whose changes of settings reach the stores as well."""

    def __init__(self, simulator: ZohoSimulator, settings: ZohoSettings, clock: SimClock | None) -> None:
        super().__init__(settings, VendorAnswers(), clock)
        self._simulator = simulator

    def change_settings(self, changes: dict[str, object]) -> None:
        """Change settings from now on. Raises pydantic.ValidationError, and changes nothing, when one is wrong."""
        super().change_settings(changes)
        self._simulator.world.apply_settings()


def create_app(settings: ZohoSettings | None = None, clock: SimClock | None = None) -> ASGIApp:
    """A simulator of its own as an ASGI application."""
    return ZohoSimulator(settings, clock).app


def by_data_centre(app: ASGIApp) -> ASGIApp:
    """Takes the data centre off the front of the path and notes it in the scope."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            first, _, rest = scope["path"].lstrip("/").partition("/")
            if first in DATA_CENTRES:
                scope = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "zoho.data_centre": first}
        await app(scope, receive, send)

    return serve


def data_centre_of(request: Request) -> str:
    """The data centre that the request was sent to."""
    return str(request.scope.get("zoho.data_centre", HOME))


def _url_of(request: Request, data_centre: str) -> str:
    """Accounts server and API domain of a data centre, as the client of this request can reach them."""
    host = request.headers.get("host", "127.0.0.1")
    base = f"{request.scope['scheme']}://{host}"
    return base if data_centre == HOME else f"{base}/{data_centre}"


def _in_data_centre(
    act: Callable[[Request, str], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return await act(request, data_centre_of(request))

    return serve


async def _wrong_method(request: Request) -> Response:
    del request
    return _answer(invalid_method())


async def _nowhere(request: Request) -> Response:
    del request
    return _answer(invalid_url())


def _answer(error: ZohoError) -> Response:
    return json_response(error.body(), error.status)
