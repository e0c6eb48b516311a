"""`/v1/sync-configs`."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from config_api.configurations.schemas import Configuration, ConfigurationBody, ConfigurationPage
from config_api.resources import Given, resources_of
from config_api.web.callers import AnyCaller, current_caller
from config_api.web.direct import Handler
from config_api.web.fields import FieldError
from config_api.web.idempotency import IdempotentRoute
from config_api.web.language import language_of
from config_api.web.paging import Cursor, Limit, dated_place, encode_cursor
from config_api.web.problems import FieldErrorBody, ProblemError, problem_of, responses
from contactsync.ports.configurations import Place


class SettingsRoute(IdempotentRoute):
    """Says all that is wrong with settings at once: what has no form, and what the accounts do not offer."""

    def get_route_handler(self) -> Handler:
        """The handler, with the second half of the answer where settings are taken."""
        handler = super().get_route_handler()

        async def whole(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                raise await _with_what_else_is_wrong(request, error) from error

        return handler if self.body_field is None else whole


async def _with_what_else_is_wrong(request: Request, error: RequestValidationError) -> ProblemError:
    """The problem of settings of which some have no form: of the others the accounts are asked all the same."""
    problem = problem_of(error)
    unread = {wrong.field.partition(".")[0] for wrong in problem.errors}
    if not isinstance(error.body, dict) or not unread <= ConfigurationBody.model_fields.keys() | error.body.keys():
        return problem
    try:
        body = ConfigurationBody.model_validate({name: error.body[name] for name in error.body.keys() - unread})
    except ValidationError:  # not even the rest
        return problem
    caller = await current_caller(request)
    found = await resources_of(request).configurations.wrong_values(caller, body)
    more = [one for one in found if one.field.partition(".")[0] not in unread]
    return ProblemError("invalid_request", errors=[*problem.errors, *more])


router = APIRouter(
    prefix="/v1/sync-configs",
    tags=["sync configurations"],
    route_class=SettingsRoute,
    responses=responses("not_authenticated", "rate_limited", "internal_error"),
)

_SAVING: Final = (
    "invalid_request",
    "malformed_body",
    "unsupported_media_type",
    "body_too_large",
    "not_connected",
    "needs_reconnect",
    "permission_missing",
    "same_scope_exists",
    "provider_unavailable",
)
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that was read, or `*`",
    "schema": {"anyOf": [{"type": "string"}, {"type": "null"}], "examples": ['"3"']},
}
_ETAG: Final = re.compile(r'"(\d{1,18})"')


@router.post(
    "",
    status_code=201,
    summary="Save a new configuration",
    responses=responses(*_SAVING, "too_many", "idempotency_key_reused", "request_under_way"),
)
async def create(
    body: ConfigurationBody, caller: AnyCaller, given: Given, request: Request, response: Response
) -> Configuration:
    """Save a new configuration. It becomes active, and its first run is asked for.

    While a view, a group, a direction or a connection is missing, it is kept as a draft that says what; nothing runs.
    """
    configuration = await given.configurations.add(caller, body)
    response.headers["Location"] = f"/v1/sync-configs/{configuration.id}"
    return _tagged(configuration, request, response)


@router.get("", summary="Configurations", responses=responses("invalid_request"))
async def list_all(
    caller: AnyCaller, given: Given, request: Request, cursor: Cursor = None, limit: Limit = 50
) -> ConfigurationPage:
    """Configurations of the caller, or of the organisation for its administrators; newest first."""
    place = dated_place(cursor)
    items = await given.configurations.page(caller, Place(*place) if place else None, limit + 1)
    last = items[limit - 1] if len(items) > limit else None
    next_cursor = encode_cursor(last.created_at.isoformat(), str(last.id)) if last else None
    return ConfigurationPage(items=[_told(one, request) for one in items[:limit]], next_cursor=next_cursor)


@router.get("/{config_id}", summary="One configuration", responses=responses("not_found", "invalid_request"))
async def read(config_id: UUID, caller: AnyCaller, given: Given, request: Request, response: Response) -> Configuration:
    """One configuration; its ETag is what a later PUT sends as If-Match."""
    return _tagged(await given.configurations.one(caller, config_id), request, response)


@router.put(
    "/{config_id}",
    summary="Put other settings in place",
    responses=responses(*_SAVING, "not_found", "stale_version", "version_required"),
    openapi_extra={"parameters": [_IF_MATCH]},
)
async def replace(
    config_id: UUID, body: ConfigurationBody, caller: AnyCaller, given: Given, request: Request, response: Response
) -> Configuration:
    """Put other settings in place.

    Another view, group, direction or mapping makes the next run read both sides in full, and another view or group
    starts anew; a paused configuration becomes active, and a draft that lacks nothing any more.
    """
    etag = _etag(request.headers.get("if-match"))
    configuration = await given.configurations.replace(caller, config_id, body, etag)
    return _tagged(configuration, request, response)


@router.delete(
    "/{config_id}",
    status_code=204,
    summary="Delete a configuration",
    responses=responses("not_found", "invalid_request"),
)
async def delete(config_id: UUID, caller: AnyCaller, given: Given) -> None:
    """Delete a configuration. Both address books stay as they are; making it again within 180 days finds every pair."""
    await given.configurations.delete(caller, config_id)


@router.post(
    "/{config_id}/activate",
    summary="Let it run again",
    responses=responses(
        "not_found",
        "invalid_request",
        "not_connected",
        "needs_reconnect",
        "permission_missing",
        "same_scope_exists",
        "stale_version",
        "provider_unavailable",
        "idempotency_key_reused",
        "request_under_way",
    ),
)
async def activate(
    config_id: UUID, caller: AnyCaller, given: Given, request: Request, response: Response
) -> Configuration:
    """Let it run again, from now on, and ask for a run. A draft that still lacks something answers with what."""
    return _tagged(await given.configurations.activate(caller, config_id), request, response)


@router.post(
    "/{config_id}/deactivate",
    summary="Let it run no more",
    responses=responses("not_found", "invalid_request", "idempotency_key_reused", "request_under_way"),
)
async def deactivate(
    config_id: UUID, caller: AnyCaller, given: Given, request: Request, response: Response
) -> Configuration:
    """Let it run no more; a draft stays one.

    A run under way stops before its next write; both address books stay as they are.
    """
    return _tagged(await given.configurations.deactivate(caller, config_id), request, response)


def _tagged(configuration: Configuration, request: Request, response: Response) -> Configuration:
    response.headers["ETag"] = f'"{configuration.version}"'
    return _told(configuration, request)


def _told(configuration: Configuration, request: Request) -> Configuration:
    """The configuration with what it lacks in the caller's language."""
    if not configuration.missing:
        return configuration
    language = language_of(request)
    missing = [FieldErrorBody.of(FieldError(one.field, one.code), language) for one in configuration.missing]
    return configuration.model_copy(update={"missing": missing})


def _etag(if_match: str | None) -> int | None:
    """The version that the caller read; None for any (`*`)."""
    if if_match is None:
        raise ProblemError("version_required")
    if if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise ProblemError("stale_version")
    return int(match[1])
