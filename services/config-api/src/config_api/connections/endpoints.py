"""`/v1/connections`: the caller's grants."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from config_api.connections.schemas import AuthorizeAnswer, AuthorizeRequest, ConnectionList, Disconnected
from config_api.connections.service import ConnectionService
from config_api.oauth.endpoints import consents
from config_api.oauth.service import Consents
from config_api.resources import Given
from config_api.web.callers import AnyCaller
from config_api.web.idempotency import IdempotentRoute
from config_api.web.problems import responses
from contactsync.ports.connections import Provider

router = APIRouter(
    prefix="/v1/connections",
    tags=["connections"],
    route_class=IdempotentRoute,
    responses=responses("not_authenticated", "rate_limited", "internal_error"),
)


async def _service(given: Given) -> ConnectionService:
    return ConnectionService(given.connections, given.keepers)


Service = Annotated[ConnectionService, Depends(_service)]


@router.get("", summary="The caller's connections")
async def list_connections(caller: AnyCaller, service: Service) -> ConnectionList:
    """Every connection that was not ended, with its state."""
    return await service.all(caller)


@router.post(
    "/{provider}/authorize",
    summary="Begin a consent",
    responses=responses(
        "invalid_request",
        "malformed_body",
        "unsupported_media_type",
        "body_too_large",
        "idempotency_key_reused",
        "request_under_way",
    ),
)
async def authorize(
    provider: Provider,
    body: AuthorizeRequest,
    caller: AnyCaller,
    service: Annotated[Consents, Depends(consents)],
) -> AuthorizeAnswer:
    """Where to send the caller's browser. The address is good once, for some minutes.

    A browser that is not signed in as the caller is shown first who asked.
    """
    return AuthorizeAnswer(authorization_url=await service.begin(caller, provider, body))


@router.delete(
    "/{provider}",
    summary="End a connection",
    responses=responses("not_found", "invalid_request"),
)
async def disconnect(provider: Provider, caller: AnyCaller, service: Service) -> Disconnected:
    """Revoke the grant at the provider, erase its tokens, pause what used them. Links and reports stay."""
    return await service.disconnect(caller, provider)
