"""The description of the interface (OpenAPI 3.1), where it says more than FastAPI derives from the routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from config_api.examples import ANSWERS, BODIES
from config_api.web.problems import MEDIA_TYPE

_JSON: Final = "application/json"

OPERATIONS: Final[Mapping[str, str]] = {
    "GET /auth/sign-in": "sign_in",
    "GET /auth/callback": "finish_sign_in",
    "GET /auth/zoho/sign-in": "sign_in_with_zoho",
    "GET /auth/zoho/callback": "finish_sign_in_with_zoho",
    "POST /auth/sign-out": "sign_out",
    "GET /v1/me": "get_me",
    "GET /v1/connections": "list_connections",
    "POST /v1/connections/{provider}/authorize": "authorize_connection",
    "DELETE /v1/connections/{provider}": "end_connection",
    "GET /oauth/{provider}/start/{secret}": "start_consent",
    "POST /oauth/{provider}/start/{secret}": "agree_to_consent",
    "GET /oauth/{provider}/callback": "finish_consent",
    "GET /v1/crm/views": "list_crm_views",
    "GET /v1/crm/views/{view_id}": "get_crm_view",
    "GET /v1/crm/fields": "list_crm_fields",
    "GET /v1/google/groups": "list_google_groups",
    "POST /v1/google/groups": "create_google_group",
    "GET /v1/google/fields": "list_google_fields",
    "GET /v1/mappings/default": "get_default_mapping",
    "POST /v1/sync-configs": "create_sync_config",
    "GET /v1/sync-configs": "list_sync_configs",
    "GET /v1/sync-configs/{config_id}": "get_sync_config",
    "PUT /v1/sync-configs/{config_id}": "replace_sync_config",
    "DELETE /v1/sync-configs/{config_id}": "delete_sync_config",
    "POST /v1/sync-configs/{config_id}/activate": "activate_sync_config",
    "POST /v1/sync-configs/{config_id}/deactivate": "deactivate_sync_config",
    "GET /v1/sync-configs/{config_id}/contacts": "list_contacts",
    "POST /v1/sync-configs/{config_id}/contacts/{link_id}/actions": "ask_for_contact",
    "POST /v1/sync-configs/{config_id}/runs": "request_run",
    "GET /v1/sync-configs/{config_id}/runs": "list_runs",
    "GET /v1/runs/{run_id}": "get_run",
    "GET /v1/runs/{run_id}/contacts": "list_run_contacts",
    "POST /v1/runs/{run_id}/cancel": "cancel_run",
    "POST /v1/runs/{run_id}/approve": "approve_deletes",
    "POST /v1/runs/{run_id}/refuse": "refuse_deletes",
    "POST /v1/runs/{run_id}/events-ticket": "create_events_ticket",
    "GET /v1/runs/{run_id}/events": "watch_run",
    "POST /webhooks/zoho/{channel}": "receive_zoho_notification",
    "POST /webhooks/sync-requests/{endpoint}": "receive_sync_request",
    "GET /v1/webhook-endpoints": "list_webhook_endpoints",
    "POST /v1/webhook-endpoints": "create_webhook_endpoint",
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret": "rotate_webhook_secret",
    "DELETE /v1/webhook-endpoints/{endpoint_id}": "delete_webhook_endpoint",
    "GET /v1/webhook-endpoints/{endpoint_id}/deliveries": "list_webhook_deliveries",
    "POST /v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/retry": "retry_webhook_delivery",
    "POST /v1/embed-sessions": "create_embed_session",
    "GET /embed/{secret}": "open_embed_session",
    "GET /v1/audit-events": "list_audit_events",
}
"""Names of the calls in generated clients. They are part of the interface: none is changed."""

_SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the issuer, or of the CRM, that names this API as its audience",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-contactsync",
        "description": "The session of a browser that signed in at `/auth/sign-in`",
    },
}


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the calls' names, their examples, and who may call."""
    document["components"]["securitySchemes"] = _SCHEMES
    for place, operation in _operations(document):
        name = operation["operationId"] = OPERATIONS.get(place, operation["operationId"])
        if name in BODIES:
            operation["requestBody"]["content"][_JSON]["example"] = BODIES[name]
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            if status.startswith("2") and _JSON in content and name in ANSWERS:
                content[_JSON]["example"] = ANSWERS[name]
            # FastAPI describes every model of a route's `responses` as `application/json`.
            if MEDIA_TYPE in content and _JSON in content:
                content[MEDIA_TYPE].update(content.pop(_JSON))
        if "401" in operation["responses"]:
            operation["security"] = [{scheme: []} for scheme in _SCHEMES]
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation
