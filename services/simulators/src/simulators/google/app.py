"""The Google simulator as an ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from simulators.clock import SimClock
from simulators.control import control_routes
from simulators.google.api import PeopleApi
from simulators.google.control import GoogleControl
from simulators.google.oauth import OAuthEndpoints
from simulators.google.settings import GoogleSettings
from simulators.google.simulator import GoogleSimulator

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(settings: GoogleSettings | None = None, clock: SimClock | None = None) -> Starlette:
    """The People API, OAuth and OpenID endpoints and the control interface on one host.

    `app.state.simulator` is the GoogleSimulator behind it.
    """
    simulator = GoogleSimulator(settings, clock)
    control = [*control_routes(simulator), *GoogleControl(simulator).routes()]
    app = Starlette(
        routes=[
            Mount("/control", routes=control),
            *OAuthEndpoints(simulator).routes(),
            Route("/{path:path}", PeopleApi(simulator).answer, methods=_METHODS),
        ]
    )
    app.state.simulator = simulator
    return app
