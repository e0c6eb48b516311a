"""The control interface that both simulators have under `/control`: time, faults, log, settings, state.

Every answer is JSON. A request that cannot be followed is answered with 400 and `{"error": {"field", "reason"}}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.bench import Bench
from simulators.clock import isoformat
from simulators.faults import Fault

Model = TypeVar("Model", bound=BaseModel)
Endpoint = Callable[[Request], Awaitable[Response]]


class ControlError(Exception):
    """A control request that cannot be followed: which field, and why."""

    def __init__(self, field: str, reason: str, status: int = 400) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.status = status


class Simulator(Protocol):
    """What the common part of the control interface needs of a simulator."""

    @property
    def bench(self) -> Bench[Any]:
        """Clock, settings, faults and log."""
        ...

    def reset(self) -> None:
        """Drop all data, faults and log; settings and clock stay."""
        ...

    def state(self) -> object:
        """Everything that the simulator holds, as JSON values."""
        ...


class Command(BaseModel):
    """Base of the bodies of control requests: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ClockCommand(Command):
    """Move, set, hold or release the clock; several at once go in this order: set, move, hold or release."""

    now: datetime | None = None
    advance_s: float | None = None
    frozen: bool | None = None


def json_response(value: object, status: int = 200) -> Response:
    """`value` as a JSON answer."""
    return Response(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")


async def read_json(request: Request) -> Any:  # noqa: ANN401  JSON of any shape
    """The JSON body, or an empty object when there is none. Raises ControlError."""
    body = await request.body()
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        field = "body"
        raise ControlError(field, f"not JSON: {error}") from error


async def read_command(request: Request, model: type[Model]) -> Model:
    """The body as `model`. Raises ControlError with the first wrong field."""
    return parse(model, await read_json(request))


def parse(model: type[Model], value: object) -> Model:
    """`value` as `model`. Raises ControlError with the first wrong field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refusal(error) from error


def refusal(error: ValidationError) -> ControlError:
    """The first complaint of pydantic as a control error."""
    first = error.errors()[0]
    return ControlError(".".join(str(part) for part in first["loc"]) or "body", first["msg"])


def control_route(path: str, methods: list[str], endpoint: Endpoint) -> Route:
    """A route below `/control` that answers a ControlError as JSON."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ControlError as error:
            return json_response({"error": {"field": error.field, "reason": error.reason}}, error.status)

    return Route(path, guarded, methods=methods, name=endpoint.__name__)


def control_routes(simulator: Simulator) -> list[Route]:
    """The routes that every simulator has; mount them at `/control` together with the vendor's own."""
    return [
        *_clock_routes(simulator),
        *_fault_routes(simulator),
        *_log_routes(simulator),
        *_settings_routes(simulator),
    ]


def _clock_routes(simulator: Simulator) -> list[Route]:
    def answer() -> Response:
        clock = simulator.bench.clock
        return json_response({"now": isoformat(clock.now()), "frozen": clock.is_frozen})

    async def show_clock(request: Request) -> Response:
        del request
        return answer()

    async def move_clock(request: Request) -> Response:
        command = await read_command(request, ClockCommand)
        if command.now is not None:
            try:
                simulator.bench.clock.set(command.now)
            except ValueError as error:
                field = "now"
                raise ControlError(field, str(error)) from error
        if command.advance_s is not None:
            simulator.bench.clock.advance(timedelta(seconds=command.advance_s))
        if command.frozen is not None:
            (simulator.bench.clock.freeze if command.frozen else simulator.bench.clock.run)()
        return answer()

    return [control_route("/clock", ["GET"], show_clock), control_route("/clock", ["POST"], move_clock)]


def _fault_routes(simulator: Simulator) -> list[Route]:
    def answer() -> Response:
        return json_response({"faults": simulator.bench.faults.as_json()})

    async def show_faults(request: Request) -> Response:
        del request
        return answer()

    async def add_faults(request: Request) -> Response:
        body = await read_json(request)
        for fault in [parse(Fault, item) for item in (body if isinstance(body, list) else [body])]:
            try:
                simulator.bench.faults.add(fault)
            except ValueError as error:
                field = "variant"
                raise ControlError(field, str(error)) from error
        return answer()

    async def clear_faults(request: Request) -> Response:
        del request
        simulator.bench.faults.clear()
        return answer()

    return [
        control_route("/faults", ["GET"], show_faults),
        control_route("/faults", ["POST"], add_faults),
        control_route("/faults", ["DELETE"], clear_faults),
    ]


def _log_routes(simulator: Simulator) -> list[Route]:
    async def show_log(request: Request) -> Response:
        query = request.query_params
        since = query.get("since", "0")
        if not since.isdecimal():
            field = "since"
            raise ControlError(field, "the number of an entry is needed")
        entries = simulator.bench.log.as_json(
            operation=query.get("operation"), account=query.get("account"), since=int(since)
        )
        return json_response({"entries": entries})

    async def clear_log(request: Request) -> Response:
        del request
        simulator.bench.log.reset()
        return json_response({"entries": []})

    async def show_counters(request: Request) -> Response:
        del request
        return json_response(simulator.bench.log.counters())

    return [
        control_route("/log", ["GET"], show_log),
        control_route("/log", ["DELETE"], clear_log),
        control_route("/counters", ["GET"], show_counters),
    ]


def _settings_routes(simulator: Simulator) -> list[Route]:
    async def show_settings(request: Request) -> Response:
        del request
        return json_response(simulator.bench.settings.model_dump(mode="json"))

    async def change_settings(request: Request) -> Response:
        changes = await read_json(request)
        if not isinstance(changes, dict):
            field = "body"
            raise ControlError(field, "an object of settings is needed")
        try:
            simulator.bench.change_settings(changes)
        except ValidationError as error:
            raise refusal(error) from error
        return await show_settings(request)

    async def reset(request: Request) -> Response:
        del request
        simulator.reset()
        return json_response({"reset": True})

    async def show_state(request: Request) -> Response:
        del request
        return json_response(simulator.state())

    return [
        control_route("/settings", ["GET"], show_settings),
        control_route("/settings", ["POST"], change_settings),
        control_route("/reset", ["POST"], reset),
        control_route("/state", ["GET"], show_state),
    ]
