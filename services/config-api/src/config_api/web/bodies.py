"""Bodies of requests: JSON as RFC 8259 has it, and nothing that two readers could understand in two ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from fastapi import Request, Response
from starlette.types import Message

from config_api.web.direct import DirectRoute, Handler
from config_api.web.fields import FieldError
from config_api.web.problems import ProblemError


class StrictRoute(DirectRoute):
    """Takes bodies that are JSON and say so; FastAPI's own reading lets names be given twice and `NaN` pass."""

    def get_route_handler(self) -> Handler:
        """The handler, with our reading of bodies where there may be one."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict(request: Request) -> Response:
            body = await request.body()
            if body and not _is_json(request.headers.get("content-type", "")):
                raise ProblemError("unsupported_media_type")
            return await handler(_StrictRequest(request, body))

        return strict


class _StrictRequest(Request):
    """The request with its body at hand."""

    def __init__(self, request: Request, body: bytes) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        super().__init__(request.scope, receive)

    async def json(self) -> Any:  # noqa: ANN401  JSON of any shape
        """The body, read strictly. Raises a `malformed_body` problem that says where."""
        return parsed(await self.body())


def parsed(body: bytes) -> object:
    """The value of a JSON text. Raises a `malformed_body` problem that says what is wrong, without repeating values."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ProblemError("malformed_body", f"Byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ProblemError("malformed_body", f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise ProblemError("malformed_body", "Objects and lists stand too deep in one another") from error
    except ValueError as error:  # the interpreter reads whole numbers of up to 4,300 digits
        raise ProblemError("malformed_body", "A number has too many digits") from error


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        # Half of a character, which JSON can write, cannot be sent back.
        errors = [FieldError(name.encode(errors="replace").decode(), "given_twice") for name in twice]
        raise ProblemError("malformed_body", errors=errors)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ProblemError("malformed_body", f"{name} is no JSON number")


def _is_json(content_type: str) -> bool:
    """`application/json`, or a format made of it (RFC 6839, 3.1)."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
