"""Calls of the CRM, and the endpoints that an organisation keeps."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from config_api.resources import Given, Resources
from config_api.web.callers import AdminCaller
from config_api.web.direct import DirectRoute
from config_api.web.idempotency import IdempotentRoute
from config_api.web.paging import Cursor, Limit, dated_place, encode_cursor
from config_api.web.problems import ProblemError, responses
from config_api.webhooks.schemas import (
    Accepted,
    CreatedWebhookEndpoint,
    SyncRequest,
    WebhookDelivery,
    WebhookDeliveryPage,
    WebhookEndpoint,
    WebhookEndpointBody,
    WebhookEndpointList,
)
from config_api.webhooks.service import SECRET_HEADER
from contactsync.ports.notices import Sent, State
from contactsync.ports.webhooks import Direction, Endpoint

incoming = APIRouter(tags=["webhooks"], route_class=DirectRoute, responses=responses("rate_limited", "internal_error"))
"""Calls from outside, which carry secrets of their own."""
router = APIRouter(
    tags=["webhooks"], route_class=IdempotentRoute, responses=responses("rate_limited", "internal_error")
)

_OF_ONE = ("not_authenticated", "not_allowed", "not_found", "invalid_request")
_SYNC_BODY = {
    "required": False,
    "content": {"application/json": {"schema": SyncRequest.model_json_schema(), "example": {"mode": "sync"}}},
}
_SYNC_HEADERS = [
    {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}
    for name, description in (
        ("webhook-id", "Standard Webhooks: the message's id"),
        ("webhook-timestamp", "Standard Webhooks: seconds since 1970, within five minutes"),
        ("webhook-signature", "Standard Webhooks: `v1,` and the signature; several while a secret changes"),
        (SECRET_HEADER, "Instead of a signature, for callers that cannot sign"),
    )
]
_NOTIFICATION_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"token": {"type": "string"}}, "required": ["token"]},
            "example": {"token": "…", "ids": ["5545974000000087501"], "server_time": 1718117126473},
        }
    },
}


@incoming.post(
    "/webhooks/zoho/{channel}",
    status_code=202,
    response_class=Response,
    summary="A notification of Zoho CRM",
    responses=responses("not_found", "invalid_request", "body_too_large"),
    openapi_extra={"requestBody": _NOTIFICATION_BODY},
)
async def zoho_notification(channel: UUID, request: Request, given: Given) -> Response:
    """Ask for runs of the channel's configurations. Protected by the secret that the body carries."""
    if not await given.webhooks.intake.take(channel, await request.body()):
        raise ProblemError("not_found")
    return Response(status_code=202)


@incoming.post(
    "/webhooks/sync-requests/{endpoint}",
    status_code=202,
    summary="A CRM asks for runs",
    responses=responses("not_found", "invalid_request", "malformed_body", "body_too_large"),
    openapi_extra={"requestBody": _SYNC_BODY, "parameters": _SYNC_HEADERS},
)
async def sync_request(endpoint: UUID, request: Request, given: Given) -> Accepted:
    """Protected by a signature after Standard Webhooks, or by the endpoint's secret in a header."""
    body = await request.body()
    return Accepted(configurations=await given.webhooks.sync_requests.take(endpoint, request.headers, body))


@router.get(
    "/v1/webhook-endpoints",
    summary="Endpoints of the organisation",
    responses=responses("not_authenticated", "not_allowed", "rate_limited"),
)
async def list_webhook_endpoints(caller: AdminCaller, given: Given) -> WebhookEndpointList:
    """All of them, newest first. Administrators alone."""
    endpoints = await given.webhooks.endpoints.page(caller)
    return WebhookEndpointList(items=[WebhookEndpoint.model_validate(_shown(given, one)) for one in endpoints])


@router.post(
    "/v1/webhook-endpoints",
    status_code=201,
    summary="Make an endpoint",
    responses=responses(
        "not_authenticated",
        "not_allowed",
        "invalid_request",
        "malformed_body",
        "unsupported_media_type",
        "body_too_large",
        "too_many",
        "rate_limited",
        "idempotency_key_reused",
        "request_under_way",
    ),
)
async def create_webhook_endpoint(
    body: WebhookEndpointBody, caller: AdminCaller, given: Given
) -> CreatedWebhookEndpoint:
    """The secret is in this answer alone."""
    endpoint, secret = await given.webhooks.endpoints.add(caller, body)
    return CreatedWebhookEndpoint.model_validate({**_shown(given, endpoint), "secret": secret})


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
    summary="Give an endpoint a new secret",
    responses=responses(*_OF_ONE, "idempotency_key_reused", "request_under_way"),
)
async def rotate_webhook_secret(endpoint_id: UUID, caller: AdminCaller, given: Given) -> CreatedWebhookEndpoint:
    """The secret before it holds for another 24 hours; outgoing messages are signed with both."""
    endpoint, secret = await given.webhooks.endpoints.rotate(caller, endpoint_id)
    return CreatedWebhookEndpoint.model_validate({**_shown(given, endpoint), "secret": secret})


@router.delete(
    "/v1/webhook-endpoints/{endpoint_id}",
    status_code=204,
    summary="Delete an endpoint",
    responses=responses(*_OF_ONE),
)
async def delete_webhook_endpoint(endpoint_id: UUID, caller: AdminCaller, given: Given) -> Response:
    """From now on its address is unknown."""
    await given.webhooks.endpoints.remove(caller, endpoint_id)
    return Response(status_code=204)


@router.get(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries",
    summary="What was told to an endpoint",
    responses=responses(*_OF_ONE),
)
async def list_webhook_deliveries(
    endpoint_id: UUID,
    caller: AdminCaller,
    given: Given,
    *,
    state: Annotated[State | None, Query(description="Only these; `dead` is the list of what was given up")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> WebhookDeliveryPage:
    """Newest first; kept for 30 days. Administrators alone."""
    rows = await given.webhooks.deliveries.page(
        caller.organisation_id, endpoint_id, state=state, limit=limit + 1, after=dated_place(cursor)
    )
    items = [WebhookDelivery.model_validate({"id": row.delivery_id, **_told(row)}) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    more = None if last is None else encode_cursor(last.created_at.isoformat(), str(last.delivery_id))
    return WebhookDeliveryPage(items=items, next_cursor=more)


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/retry",
    status_code=202,
    response_class=Response,
    summary="Tell it again",
    responses=responses(*_OF_ONE, "idempotency_key_reused", "request_under_way"),
)
async def retry_webhook_delivery(endpoint_id: UUID, delivery_id: UUID, caller: AdminCaller, given: Given) -> Response:
    """For a delivery that was given up."""
    now = given.foundation.clock.now()
    await given.webhooks.deliveries.revive(caller.organisation_id, endpoint_id, delivery_id, now)
    return Response(status_code=202)


def _told(row: Sent) -> dict[str, object]:
    names = ("event", "occurred_at", "state", "attempts", "status")
    return {name: getattr(row, name) for name in names}


def _shown(given: Resources, endpoint: Endpoint) -> dict[str, object]:
    incoming = f"{given.settings.public_address}/webhooks/sync-requests/{endpoint.endpoint_id}"
    return {
        "id": endpoint.endpoint_id,
        "direction": endpoint.direction,
        "name": endpoint.name,
        "url": incoming if endpoint.direction is Direction.INCOMING else endpoint.url,
        "events": list(endpoint.events),
        "created_at": endpoint.created_at,
        "disabled_at": endpoint.disabled_at,
    }
