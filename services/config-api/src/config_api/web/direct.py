"""What a route does itself, since FastAPI's way takes longer: to be told from others, and to ask simple dependencies.

Endpoints declare their dependencies as ever, by `Depends`. Those that take the request and nothing else are meant here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from inspect import Parameter
from typing import Any, get_args

from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Endpoint = Callable[..., Awaitable[Any]]
_Asked = Mapping[str, Callable[[Request], Awaitable[object]]]


class DirectRoute(APIRoute):
    """Asks for what needs the request alone before all else: who may not call is not told what is wrong with a call."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:  # noqa: ANN401  as FastAPI's
        self._asked = _asked_by(endpoint)
        self._beginning = path.partition("{")[0]
        super().__init__(path, _without(endpoint, self._asked), **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the route; most others are told apart by how the address begins."""
        if scope["path"].startswith(self._beginning) or scope.get("root_path"):
            return super().matches(scope)
        return Match.NONE, {}

    def get_route_handler(self) -> Handler:
        """The handler, after what is asked for directly."""
        handler = super().get_route_handler()
        asked = self._asked.items()

        async def asking(request: Request) -> Response:
            request.state.asked = {name: await ask(request) for name, ask in asked}
            return await handler(request)

        return asking


def _asked_by(endpoint: Endpoint) -> _Asked:
    """The endpoint's dependencies that take the request alone, by the parameter that each is for."""
    found: dict[str, Callable[[Request], Awaitable[object]]] = {}
    for parameter in inspect.signature(endpoint, eval_str=True).parameters.values():
        for mark in get_args(parameter.annotation)[1:]:
            if isinstance(mark, Depends) and mark.dependency is not None and _takes_the_request(mark.dependency):
                found[parameter.name] = mark.dependency
    return found


def _takes_the_request(dependency: Callable[..., Any]) -> bool:
    if not inspect.iscoroutinefunction(dependency):
        return False
    parameters = inspect.signature(dependency, eval_str=True).parameters.values()
    return [parameter.annotation for parameter in parameters] == [Request]


def _without(endpoint: Endpoint, asked: _Asked) -> Endpoint:
    """The endpoint as FastAPI is to see it: without these parameters, which are filled in from the request."""
    signature = inspect.signature(endpoint, eval_str=True)
    parameters = [one for name, one in signature.parameters.items() if name not in asked]
    own = next((one.name for one in parameters if one.annotation is Request), None)
    if own is None:
        parameters.append(Parameter("request", Parameter.KEYWORD_ONLY, annotation=Request))

    @wraps(endpoint)
    async def called(**values: Any) -> object:  # noqa: ANN401  of any endpoint
        request: Request = values.pop("request") if own is None else values[own]
        return await endpoint(**values, **request.state.asked)

    seen: Any = called
    seen.__signature__ = signature.replace(parameters=parameters)  # what `inspect` tells FastAPI
    return called
