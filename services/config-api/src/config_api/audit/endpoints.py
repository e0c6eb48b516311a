"""Reading the trail."""

from __future__ import annotations

from fastapi import APIRouter

from config_api.audit.schemas import AuditEvent, AuditEventPage
from config_api.resources import Given
from config_api.web.callers import AdminCaller
from config_api.web.paging import Cursor, Limit, dated_place, encode_cursor
from config_api.web.problems import responses
from contactsync.ports import audit

router = APIRouter(tags=["audit"], responses=responses("rate_limited", "internal_error"))


@router.get(
    "/v1/audit-events",
    summary="Who did what",
    responses=responses("not_authenticated", "not_allowed", "invalid_request", "rate_limited"),
)
async def list_audit_events(
    caller: AdminCaller, given: Given, limit: Limit = 50, cursor: Cursor = None
) -> AuditEventPage:
    """The trail of the caller's organisation, newest first. Administrators alone."""
    events = await given.audit.page(caller.organisation_id, limit=limit + 1, after=dated_place(cursor))
    shown = events[:limit]
    more = encode_cursor(shown[-1].at.isoformat(), str(shown[-1].event_id)) if len(events) > limit else None
    return AuditEventPage(items=[_body(event) for event in shown], next_cursor=more)


def _body(event: audit.AuditEvent) -> AuditEvent:
    entry = event.entry
    return AuditEvent(
        id=event.event_id,
        at=event.at,
        actor_id=entry.actor_id,
        action=entry.action,
        object_kind=entry.object_kind,
        object_id=entry.object_id,
        details=dict(entry.details),
    )
