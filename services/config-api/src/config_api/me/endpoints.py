"""`/v1/me`: what the caller may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from config_api.me.schemas import Me
from config_api.resources import Given
from config_api.web.callers import AnyCaller
from config_api.web.language import language_of
from config_api.web.problems import responses

router = APIRouter(
    prefix="/v1/me", tags=["me"], responses=responses("not_authenticated", "rate_limited", "internal_error")
)


@router.get(
    "",
    summary="The caller's edition, permissions and directions",
    responses=responses(
        "invalid_request", "not_connected", "needs_reconnect", "permission_missing", "provider_unavailable"
    ),
)
async def show_me(
    request: Request,
    caller: AnyCaller,
    given: Given,
    *,
    fresh: Annotated[bool, Query(description="Ask the CRM even if the last answer is younger than an hour")] = False,
) -> Me:
    """Each with its reason, from the CRM's own answers."""
    return await given.me.me(caller, language_of(request), afresh=fresh)
