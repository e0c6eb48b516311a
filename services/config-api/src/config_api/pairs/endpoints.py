"""`/v1/sync-configs/{id}/contacts`: "why is Ada not on my phone?"."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request

from config_api.pairs.schemas import (
    ActionAnswer,
    ActionRequest,
    ContactSide,
    ContactStatus,
    ContactStatusPage,
    Doubt,
    LastOutcome,
    Outside,
)
from config_api.pairs.service import Explained
from config_api.resources import Given
from config_api.web.callers import AnyCaller
from config_api.web.idempotency import IdempotentRoute
from config_api.web.language import Language, language_of
from config_api.web.paging import Cursor, Limit, encode_cursor, id_place
from config_api.web.problems import responses
from config_api.web.texts import Text
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Hold, Link, LinkSide
from contactsync.domain.mapping import crm_field_of
from contactsync.domain.reasons import Reason, sentence
from contactsync.ports.pairs import Pair, PairQuery, Standing

router = APIRouter(
    prefix="/v1/sync-configs/{config_id}/contacts",
    tags=["contacts"],
    route_class=IdempotentRoute,
    responses=responses("not_authenticated", "not_found", "invalid_request", "rate_limited", "internal_error"),
)

Email = Annotated[Text | None, Query(min_length=3, max_length=320, description="Any of the contact's addresses")]
RemoteId = Annotated[Text | None, Query(min_length=1, max_length=200)]
_ASKED: Final = (
    *("malformed_body", "unsupported_media_type", "body_too_large", "not_active", "action_not_possible"),
    *("idempotency_key_reused", "request_under_way"),
)


@router.get("", summary="Contacts with their state and why")
async def find(  # noqa: PLR0913  each is one part of the request
    config_id: UUID,
    caller: AnyCaller,
    given: Given,
    request: Request,
    *,
    email: Email = None,
    crm_id: RemoteId = None,
    google_id: RemoteId = None,
    state: Annotated[Standing | None, Query(description="Their state, or a mark on them")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ContactStatusPage:
    """Contacts of the configuration with their state now and why; each given parameter narrows."""
    query = PairQuery(email=email, crm_id=crm_id, google_id=google_id, standing=state)
    after = id_place(cursor)
    found, outside = await given.pairs.find(caller, config_id, query, LinkId(after) if after else None, limit + 1)
    language = language_of(request)
    return ContactStatusPage(
        items=[_status(one, language) for one in found[:limit]],
        outside=[Outside(side=one.side, id=one.remote_id) for one in outside],
        next_cursor=encode_cursor(str(found[limit - 1].pair.link.link_id)) if len(found) > limit else None,
    )


@router.post(
    "/{link_id}/actions", status_code=202, summary="Ask something of one contact", responses=responses(*_ASKED)
)
async def act(
    config_id: UUID,
    link_id: UUID,
    body: ActionRequest,
    caller: AnyCaller,
    given: Given,
    request: Request,
) -> ActionAnswer:
    """Ask something of one contact; the next run, which is asked for as well, carries it out."""
    explained, run_id = await given.pairs.ask(caller, config_id, link_id, body.action)
    return ActionAnswer(contact=_status(explained, language_of(request)), run_id=run_id)


def _status(explained: Explained, language: Language) -> ContactStatus:
    pair, link = explained.pair, explained.pair.link
    reason = Reason.OWNED_BY_ANOTHER if link.foreign else link.reason
    return ContactStatus(
        link_id=link.link_id,
        name=pair.last_row.name if pair.last_row else "",
        state=link.state,
        reason=reason,
        reason_text=sentence(reason, language),
        crm=_side(link.crm),
        google=_side(link.google),
        waiting_since=_waiting_since(link),
        held=_doubt(link.hold, language) if link.hold else None,
        excluded=link.excluded,
        diverged=sorted(crm_field_of(key) for key in link.diverged),
        last=_last(pair, language),
        asked=pair.asked,
        actions=sorted(explained.actions),
    )


def _waiting_since(link: Link) -> datetime | None:
    return None if link.hold or link.excluded else link.pending_since


def _side(side: LinkSide) -> ContactSide:
    return ContactSide(id=side.remote_id, presence=side.presence, in_scope=side.in_scope, written_at=side.written_at)


def _doubt(hold: Hold, language: Language) -> Doubt:
    return Doubt(
        reason=hold.reason,
        reason_text=sentence(hold.reason, language),
        since=hold.since,
        retry_at=hold.retry_at,
        provider_message=hold.provider_message,
        may_be=list(hold.rivals),
    )


def _last(pair: Pair, language: Language) -> LastOutcome | None:
    row = pair.last_row
    if row is None or pair.last_run is None or pair.last_at is None:
        return None
    return LastOutcome(
        run_id=pair.last_run,
        at=pair.last_at,
        outcome=row.outcome,
        reason=row.reason,
        reason_text=sentence(row.reason, language),
        fields=list(row.fields),
    )
