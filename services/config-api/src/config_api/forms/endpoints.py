"""`/v1/crm`, `/v1/google`, `/v1/mappings`: the lists that the form needs."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from config_api.forms.schemas import (
    CrmFieldList,
    DefaultMapping,
    GoogleFieldList,
    GroupItem,
    GroupList,
    NewGroup,
    ViewAnswer,
    ViewList,
)
from config_api.resources import Given
from config_api.web.callers import AnyCaller
from config_api.web.idempotency import IdempotentRoute
from config_api.web.problems import responses

router = APIRouter(
    prefix="/v1",
    tags=["form data"],
    route_class=IdempotentRoute,
    responses=responses("not_authenticated", "rate_limited", "internal_error"),
)

_ASKING: Final = ("invalid_request", "not_connected", "needs_reconnect", "permission_missing", "provider_unavailable")

Fresh = Annotated[bool, Query(description="Ask the provider even if the last answer is some minutes old")]


@router.get("/crm/views", summary="List views of the CRM", responses=responses(*_ASKING))
async def list_views(caller: AnyCaller, given: Given, *, fresh: Fresh = False) -> ViewList:
    """The list views of the CRM's contacts that the caller may use."""
    return await given.forms.views(caller, fresh=fresh)


@router.get("/crm/views/{view_id}", summary="One list view of the CRM", responses=responses(*_ASKING, "not_found"))
async def show_view(
    view_id: Annotated[str, Path(pattern="^[0-9]{1,40}$")], caller: AnyCaller, given: Given, *, fresh: Fresh = False
) -> ViewAnswer:
    """Whether time alone changes its contacts is always known here; the list says it of the first 50 views alone."""
    return await given.forms.view(caller, view_id, fresh=fresh)


@router.get("/crm/fields", summary="Fields of the CRM's contacts", responses=responses(*_ASKING))
async def list_crm_fields(caller: AnyCaller, given: Given, *, fresh: Fresh = False) -> CrmFieldList:
    """The fields of the CRM's contacts, with type, length and whether they can be written."""
    return await given.forms.crm_fields(caller, fresh=fresh)


@router.get("/google/groups", summary="Groups of the Google account", responses=responses(*_ASKING))
async def list_groups(caller: AnyCaller, given: Given, *, fresh: Fresh = False) -> GroupList:
    """The contact groups of the connected Google account."""
    return await given.forms.groups(caller, fresh=fresh)


@router.post(
    "/google/groups",
    status_code=201,
    summary="Make a group",
    responses=responses(
        *_ASKING,
        "malformed_body",
        "unsupported_media_type",
        "body_too_large",
        "idempotency_key_reused",
        "request_under_way",
    ),
)
async def create_group(body: NewGroup, caller: AnyCaller, given: Given) -> GroupItem:
    """Make a new, empty group."""
    return await given.forms.create_group(caller, body.name)


@router.get("/google/fields", summary="Fields of Google contacts")
async def list_google_fields(_: AnyCaller, given: Given) -> GoogleFieldList:
    """The fields of Google contacts."""
    return given.forms.google_fields()


@router.get("/mappings/default", summary="The mapping to begin with", responses=responses(*_ASKING))
async def show_default_mapping(caller: AnyCaller, given: Given, *, fresh: Fresh = False) -> DefaultMapping:
    """The mapping that a new configuration begins with, and rows that can be added to it."""
    return await given.forms.default_mapping(caller, fresh=fresh)
