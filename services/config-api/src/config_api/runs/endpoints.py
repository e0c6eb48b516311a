"""`/v1/sync-configs/{id}/runs` and `/v1/runs`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from config_api.resources import Given
from config_api.runs.events import EVENT, EXAMPLE, MEDIA_TYPE, events
from config_api.runs.report import as_csv, row, shown
from config_api.runs.schemas import EventsTicket, RequestedRun, Run, RunContactPage, RunPage, RunRequest
from config_api.runs.service import TICKET_LIFETIME
from config_api.web.callers import AnyCaller, Caller, current_caller
from config_api.web.idempotency import IdempotentRoute
from config_api.web.language import language_of
from config_api.web.paging import Cursor, Limit, dated_place, encode_cursor, id_place
from config_api.web.problems import ProblemError, responses
from config_api.web.rates import AtOnce
from contactsync.domain.ids import LinkId, UserId
from contactsync.domain.outcome import Outcome
from contactsync.ports.audit import Action, AuditEntry
from contactsync.ports.reports import RunPlace, RunReport
from contactsync.ports.state import RunMode

router = APIRouter(
    prefix="/v1",
    tags=["runs"],
    route_class=IdempotentRoute,
    responses=responses("not_authenticated", "not_found", "invalid_request", "rate_limited", "internal_error"),
)

_POSTED: Final = ("idempotency_key_reused", "request_under_way")
_CSV: Final = "text/csv"


@router.post(
    "/sync-configs/{config_id}/runs",
    status_code=202,
    summary="Ask for a run",
    responses={
        200: {"model": RequestedRun, "description": "An open run answers the request"},
        **responses("malformed_body", "unsupported_media_type", "body_too_large", "not_active", *_POSTED),
    },
)
async def ask(
    config_id: UUID,
    caller: AnyCaller,
    given: Given,
    request: Request,
    response: Response,
    body: RunRequest | None = None,
) -> RequestedRun:
    """Ask for a run. 202 with a new one; 200 when an open run stands for the request."""
    mode = RunMode((body or RunRequest()).mode)
    asked, report = await given.runs.ask(caller, config_id, mode)
    response.headers["Location"] = f"/v1/runs/{report.run_id}"
    if not asked.created:
        response.status_code = 200
    return RequestedRun(run=shown(report, language_of(request)), coalesced=asked.coalesced)


@router.get("/sync-configs/{config_id}/runs", summary="Runs of a configuration")
async def list_all(
    config_id: UUID, caller: AnyCaller, given: Given, request: Request, cursor: Cursor = None, limit: Limit = 50
) -> RunPage:
    """Runs of a configuration, newest first."""
    place = dated_place(cursor)
    reports = await given.runs.page(caller, config_id, RunPlace(*place) if place else None, limit + 1)
    last = reports[limit - 1] if len(reports) > limit else None
    return RunPage(
        items=[shown(report, language_of(request)) for report in reports[:limit]],
        next_cursor=encode_cursor(last.created_at.isoformat(), str(last.run_id)) if last else None,
    )


@router.get("/runs/{run_id}", summary="One run")
async def read(run_id: UUID, caller: AnyCaller, given: Given, request: Request) -> Run:
    """A run as it stands: state, phase, percent, counts, reason, times."""
    return shown(await given.runs.one(caller, run_id), language_of(request))


_CONTACTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Rows, as JSON or as CSV",
        "content": {_CSV: {"schema": {"type": "string"}, "example": "outcome,name\r\ncreated,Ada\r\n"}},
    }
}


@router.get(
    "/runs/{run_id}/contacts", summary="The report of a run", response_model=RunContactPage, responses=_CONTACTS
)
async def contacts(  # noqa: PLR0913  each is one part of the request
    run_id: UUID,
    caller: AnyCaller,
    given: Given,
    request: Request,
    *,
    outcome: Annotated[Outcome | None, Query(description="Only these")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    accept: Annotated[str, Header(description="`application/json` (pages) or `text/csv` (all rows)")] = "",
) -> RunContactPage | Response:
    """One row for each contact: both ids, name, outcome, fields, reason, the provider's message.

    Contacts that wait or are unchanged are listed when asked for by `outcome`, as they stand now.
    """
    report = await given.runs.one(caller, run_id)
    language = language_of(request)
    if _CSV in accept.lower():
        entry = AuditEntry(Action.REPORT_EXPORTED, "run", str(report.run_id), caller.user_id)
        await given.audit.add(caller.organisation_id, given.foundation.clock.now(), entry)
        pages = given.runs.reports.all_contacts(caller.organisation_id, report, outcome)
        headers = {"Content-Disposition": f'attachment; filename="run-{report.run_id}.csv"'}
        return StreamingResponse(as_csv(pages, language), media_type=f"{_CSV}; charset=utf-8", headers=headers)
    after = id_place(cursor)
    rows = await given.runs.reports.contacts(
        caller.organisation_id, report, outcome, LinkId(after) if after else None, limit + 1
    )
    return RunContactPage(
        items=[row(contact, language) for contact in rows[:limit]],
        next_cursor=encode_cursor(str(rows[limit - 1].link_id)) if len(rows) > limit else None,
    )


@router.post("/runs/{run_id}/cancel", summary="Stop a run", responses=responses("run_not_open", *_POSTED))
async def cancel(run_id: UUID, caller: AnyCaller, given: Given, request: Request) -> Run:
    """Stop the run before its next write; what was done stays."""
    return shown(await given.runs.cancel(caller, run_id), language_of(request))


@router.post(
    "/runs/{run_id}/approve",
    status_code=202,
    summary="Approve deletes",
    responses=responses("nothing_to_approve", "not_active", *_POSTED),
)
async def approve(run_id: UUID, caller: AnyCaller, given: Given, request: Request, response: Response) -> Run:
    """Approve the deletes that this run listed: a run of its own checks each again and carries it out."""
    report = await given.runs.answer_deletes(caller, run_id, approved=True)
    return _answering(report, request, response)


@router.post(
    "/runs/{run_id}/refuse",
    status_code=202,
    summary="Refuse deletes",
    responses=responses("nothing_to_approve", "not_active", *_POSTED),
)
async def refuse(run_id: UUID, caller: AnyCaller, given: Given, request: Request, response: Response) -> Run:
    """Refuse the deletes that this run listed: its contacts stay, and are no longer synchronised."""
    report = await given.runs.answer_deletes(caller, run_id, approved=False)
    return _answering(report, request, response)


@router.post(
    "/runs/{run_id}/events-ticket", status_code=201, summary="A ticket for the events", responses=responses(*_POSTED)
)
async def events_ticket(run_id: UUID, caller: AnyCaller, given: Given) -> EventsTicket:
    """A ticket for one request of the events, for browsers, whose EventSource sends no headers."""
    ticket = await given.runs.ticket(caller, run_id)
    seconds = int(TICKET_LIFETIME.total_seconds())
    return EventsTicket(ticket=ticket, events_url=f"/v1/runs/{run_id}/events?ticket={ticket}", expires_in=seconds)


@router.get(
    "/runs/{run_id}/events",
    summary="Watch a run",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`progress` at each change and `end` at the end; the data is the run",
            "content": {MEDIA_TYPE: {"schema": EVENT, "example": EXAMPLE}},
        }
    },
)
async def watch(
    run_id: UUID,
    given: Given,
    request: Request,
    ticket: Annotated[str | None, Query(max_length=100, description="Instead of a token")] = None,
    last_event_id: Annotated[str | None, Header(max_length=100, description="The last event that was seen")] = None,
) -> StreamingResponse:
    """The run as server-sent events, until it ends."""
    caller = await _watcher(request, given, ticket, run_id)
    given.watching.check(caller.user_id)
    await given.runs.one(caller, run_id)
    stream = events(
        lambda: given.runs.one(caller, run_id),
        last_event_id,
        language_of(request),
        given.foundation.clock,
        request.app.state.stopping,
    )
    counted = _counted(stream, given.watching, caller.user_id)
    return StreamingResponse(counted, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})


async def _counted(stream: AsyncIterator[bytes], watching: AtOnce, user_id: UserId) -> AsyncIterator[bytes]:
    with watching.held(user_id):
        async for part in stream:
            yield part


async def _watcher(request: Request, given: Given, ticket: str | None, run_id: UUID) -> Caller:
    if ticket is None:
        return await current_caller(request)
    caller = await given.runs.caller_of(ticket, run_id)
    if caller is None:
        raise ProblemError("not_authenticated")
    return caller


def _answering(report: RunReport, request: Request, response: Response) -> Run:
    response.headers["Location"] = f"/v1/runs/{report.run_id}"
    return shown(report, language_of(request))
