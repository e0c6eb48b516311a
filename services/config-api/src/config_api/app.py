"""The HTTP application: every router, what is done around each request, how errors are answered."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from config_api.audit import endpoints as audit
from config_api.configurations import endpoints as configurations
from config_api.connections import endpoints as connections
from config_api.description import described
from config_api.embed import endpoints as embed
from config_api.forms import endpoints as forms
from config_api.me import endpoints as me
from config_api.oauth import endpoints as oauth
from config_api.pairs import endpoints as pairs
from config_api.resources import Resources
from config_api.runs import endpoints as runs
from config_api.signin import endpoints as signin
from config_api.web.headers import allow_origins, data_headers, page_headers
from config_api.web.middleware import BodyLimit, FaultEdge, RequestEdge
from config_api.web.problems import ANSWERED, answer, problem_of
from config_api.webhooks import endpoints as webhooks

ROUTERS: tuple[APIRouter, ...] = (
    configurations.router,
    runs.router,
    webhooks.incoming,
    pairs.router,
    me.router,
    connections.router,
    forms.router,
    webhooks.router,
    audit.router,
    embed.router,
    oauth.router,
    signin.router,
)
"""Every part of the interface. An address is looked for in one after the other: what is asked for most comes first."""


class _Interface(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi())
        return self.openapi_schema


def interface() -> FastAPI:
    """The routers and their description, with nothing behind them yet."""
    app = _Interface(
        title="Contact Sync",
        summary="Keeps the contacts of a Zoho CRM list view and of a Google contact group the same.",
        version=version("contactsync-config-api"),
        openapi_url="/v1/openapi.json",
        # An address with a slash too many is unknown. Sent on, a token would follow to the host that the request named.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # Wherever a tracer is installed in the process, the framework would tell it addresses and queries as they are:
        # states, codes, tickets, the address of somebody looked for. Nothing of ours is traced in this version.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in ROUTERS:
        # An included router looks for the route among its own twice, at every request; none needs what including adds.
        app.router.routes.extend(router.routes)
    return app


def create_app(resources: Resources, stopping: asyncio.Event | None = None) -> FastAPI:
    """The application over these resources, which outlive it; endless answers end when `stopping` is set."""
    app = interface()
    app.state.resources = resources
    app.state.stopping = stopping or asyncio.Event()
    for kind in ANSWERED:
        app.add_exception_handler(kind, _answer)
    # The last one added is the outermost: every answer gets an id and its headers, and pages of other sites may read
    # every one that is theirs, a failure too.
    app.add_middleware(BodyLimit, max_bytes=resources.settings.max_body_bytes)
    app.add_middleware(FaultEdge, database_answers=resources.foundation.database.answers)
    allow_origins(app, resources.settings)
    app.add_middleware(RequestEdge, data=data_headers(resources.settings), page=page_headers(resources.settings))
    return app


async def _answer(request: Request, error: Exception) -> Response:
    return answer(request, problem_of(error))
