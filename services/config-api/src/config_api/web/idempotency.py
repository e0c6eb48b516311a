"""`Idempotency-Key` on every POST: the same request twice has one effect and one answer, for 24 hours.

Routers opt in by `route_class=IdempotentRoute`. Only answers that say that something was done are kept; a request that
was refused, or failed, may be sent again under its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson
from fastapi import Request, Response

from config_api.web.bodies import StrictRoute
from config_api.web.callers import current_caller
from config_api.web.direct import Endpoint, Handler
from config_api.web.fields import FieldError
from config_api.web.problems import ProblemError
from contactsync.adapters.sql.idempotency import KeptAnswer, Refusal, RequestKey, SqlIdempotency

_DESCRIBED: Final[Mapping[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text of up to 200 characters; the same request under the same key is done once in 24 hours",
    "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]},
}
_HEADER: Final = "idempotency-key"
_MAX_LENGTH: Final = 200
_KEPT_HEADERS: Final = ("content-type", "location", "etag")
_REFUSED: Final = 300


class IdempotentRoute(StrictRoute):
    """Answers a repeated POST from memory, and describes the header by which it knows one."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:  # noqa: ANN401  as FastAPI's
        if "POST" in options["methods"]:
            extra = options.get("openapi_extra") or {}
            parameters = [*extra.get("parameters", ()), _DESCRIBED]
            options["openapi_extra"] = {**extra, "parameters": parameters}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """The handler, with memory where the route is a POST."""
        handler = super().get_route_handler()
        if self.methods is None or "POST" not in self.methods:
            return handler

        async def remembering(request: Request) -> Response:
            key = request.headers.get(_HEADER)
            return await handler(request) if key is None else await _once(request, key, handler)

        return remembering


async def _once(request: Request, text: str, handler: Handler) -> Response:
    caller = await current_caller(request)
    store: SqlIdempotency = request.app.state.resources.idempotency
    key = RequestKey(caller.organisation_id, caller.user_id, _checked(text))
    match await store.begin(key, await _digest(request)):
        case Refusal.OTHER_REQUEST:
            raise ProblemError("idempotency_key_reused")
        case Refusal.UNDER_WAY:
            raise ProblemError("request_under_way", headers={"Retry-After": "1"})
        case KeptAnswer() as kept:
            return _replayed(kept)
        case None:
            return await _done(request, store, key, handler)


async def _done(request: Request, store: SqlIdempotency, key: RequestKey, handler: Handler) -> Response:
    try:
        response = await handler(request)
    except BaseException:
        await store.forget(key)
        raise
    if response.status_code >= _REFUSED:
        await store.forget(key)
    else:
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        packed = orjson.dumps([headers, bytes(response.body).decode()])
        await store.keep(key, KeptAnswer(response.status_code, packed))
    return response


def _replayed(kept: KeptAnswer) -> Response:
    headers, body = orjson.loads(kept.packed)
    return Response(body, status_code=kept.status, headers={**headers, "Idempotent-Replayed": "true"})


def _checked(text: str) -> str:
    if not text or len(text) > _MAX_LENGTH or not text.isprintable():
        wrong = FieldError("Idempotency-Key", "key_invalid", {"max_length": _MAX_LENGTH})
        raise ProblemError("invalid_request", errors=[wrong])
    return text


async def _digest(request: Request) -> bytes:
    """What makes two requests the same: address and body."""
    digest = blake2b(digest_size=16)
    digest.update(f"{request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    return digest.digest()
