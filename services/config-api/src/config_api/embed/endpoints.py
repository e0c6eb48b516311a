"""Embed sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from config_api.callers.sessions import Place, caller_of, content_of
from config_api.embed.schemas import EmbedSession, EmbedSessionBody
from config_api.resources import Given
from config_api.web.callers import AnyCaller
from config_api.web.idempotency import IdempotentRoute
from config_api.web.paths import own_path
from config_api.web.problems import ProblemError, responses
from contactsync.ports.audit import Action, AuditEntry

router = APIRouter(
    tags=["embedding"], route_class=IdempotentRoute, responses=responses("rate_limited", "internal_error")
)

_KIND: Final = "embed"
_LIFETIME: Final = timedelta(minutes=5)
_FRAMES: Final = frozenset({"iframe", "frame"})


@router.post(
    "/v1/embed-sessions",
    status_code=201,
    summary="Make a one-time address for a frame",
    responses=responses(
        *(
            "not_authenticated",
            "not_allowed",
            "invalid_request",
            "malformed_body",
            "unsupported_media_type",
            "body_too_large",
            "not_found",
        ),
        *("idempotency_key_reused", "request_under_way"),
    ),
)
async def create_embed_session(
    body: EmbedSessionBody, request: Request, caller: AnyCaller, given: Given
) -> EmbedSession:
    """For the caller himself, by his token: a session makes no further ones. 404 where no site may frame the page."""
    if not given.settings.frame_ancestors:
        raise ProblemError("not_found")
    if "authorization" not in request.headers:
        raise ProblemError("not_allowed")
    content = orjson.dumps([content_of(caller).decode(), own_path(body.return_path)])
    secret = await given.tickets.issue(_KIND, content, _LIFETIME, caller.user_id)
    entry = AuditEntry(Action.EMBED_SESSION_CREATED, "user", str(caller.user_id), caller.user_id)
    await given.audit.add(caller.organisation_id, given.foundation.clock.now(), entry)
    expires_at = given.foundation.clock.now() + _LIFETIME
    return EmbedSession(url=f"{given.settings.public_address}/embed/{secret}", expires_at=expires_at)


@router.get(
    "/embed/{secret}",
    status_code=303,
    response_class=RedirectResponse,
    summary="Open the page in a frame",
    responses=responses("state_invalid", "invalid_request", "not_allowed", "user_inactive"),
)
async def open_embed_session(secret: Annotated[str, Path(max_length=100)], request: Request, given: Given) -> Response:
    """Open the session that the address stands for, in a frame alone. Protected by a secret that is used once.

    Outside of a frame it would sign whoever is sent there in as somebody else (login CSRF).
    """
    if request.headers.get("sec-fetch-dest", "iframe") not in _FRAMES:
        raise ProblemError("not_allowed")
    content = await given.tickets.take(_KIND, secret)
    if content is None:
        raise ProblemError("state_invalid")
    who, path = orjson.loads(content)
    answer = RedirectResponse(path, 303)
    await given.sessions.open(answer, caller_of(who.encode()), Place.FRAME)
    return answer
