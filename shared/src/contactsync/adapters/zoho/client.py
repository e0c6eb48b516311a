"""The CRM's contacts, as the engine sees them: `contactsync.ports.directory.CrmDirectory` over the REST API v8."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from contactsync.adapters.http import Answer, HttpEdge
from contactsync.adapters.zoho import companies as accounts
from contactsync.adapters.zoho import protocol, refusals, writes
from contactsync.adapters.zoho.api import ZohoApi
from contactsync.adapters.zoho.codec import RecordCodec
from contactsync.adapters.zoho.instants import parse_instant
from contactsync.adapters.zoho.lookups import Lookups
from contactsync.adapters.zoho.protocol import BATCH, ApiRequest, Row
from contactsync.adapters.zoho.shown import ShownFields
from contactsync.adapters.zoho.writes import Draft
from contactsync.domain.contact import Observation
from contactsync.domain.ids import ConnectionId, LinkId, RecordId, ViewId
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.errors import ContactSyncError, OutcomeUnknownError
from contactsync.ports.directory import (
    CallGate,
    CreateRequest,
    Deletion,
    DeletionPage,
    RecordAddress,
    RecordPage,
    RecordUpdate,
    WriteOutcome,
)
from contactsync.ports.vault import TokenSource

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class ZohoContacts:
    """A `CrmDirectory` for one connection and one mapping; holds one page at a time.

    `automation` lets the organisation's workflows run on our writes. `shown` tells whether mapped fields that are empty
    everywhere are still there, which without it is taken for granted. No request is repeated here, but for a refused
    access token and for records of which the CRM could not hold a field; `edge` belongs to whoever built it.
    """

    def __init__(  # noqa: PLR0913  each part comes from whoever owns it
        self,
        edge: HttpEdge,
        tokens: TokenSource,
        connection_id: ConnectionId,
        mapping: FieldMapping,
        gate: CallGate,
        *,
        automation: bool = False,
        shown: ShownFields | None = None,
    ) -> None:
        self._api = ZohoApi(edge, tokens, connection_id, gate)
        self._lookups = Lookups(self._api)
        self._codec = RecordCodec(mapping)
        self._automation = automation
        self._shown = shown

    @property
    def credits_remaining(self) -> int | None:
        """The organisation's daily credits left, as last told; None before half of them is used."""
        return self._api.credits_remaining

    # --- reading ----------------------------------------------------------------------------------------------------

    async def view_page(self, view: ViewId, page: str | None) -> RecordPage:
        """A page of the list view, 3 credits. See `CrmDirectory`."""
        return await self._page(protocol.list_view(view, self._codec.fields, page), in_scope=True)

    async def changed_page(self, since: datetime, page: str | None) -> RecordPage:
        """A page of the module's changes, 1 credit. `since` must be the same for all pages of one listing."""
        return await self._page(protocol.list_changed(since, self._codec.fields, page), in_scope=None)

    async def deleted_page(self, since: datetime, page: str | None) -> DeletionPage:
        """A page of the deleted list, 2 credits; `page` is a number, since the CRM gives no token here."""
        number = int(page) if page is not None else 1
        answer = await self._api.get(protocol.list_deleted(since, number))
        listing = protocol.read_page(answer)
        try:
            deletions = [Deletion(RecordId(row["id"]), parse_instant(row["deleted_time"])) for row in listing.rows]
        except (KeyError, TypeError, ValueError) as error:
            raise answer.unreadable("a deletion without id or time") from error
        return DeletionPage(deletions, str(number + 1) if listing.more else None)

    async def members_since(self, view: ViewId, since: datetime) -> frozenset[RecordId] | None:
        """Ids of the view's records modified since; None when this CRM does not answer questions about a view."""
        return await self._lookups.members_since(view, since)

    async def read(self, ids: Sequence[RecordId], *, held: Collection[str] | None = None) -> Sequence[Observation]:
        """The records with these ids, 1 credit for each 100. See `CrmDirectory`."""
        found: list[Observation] = []
        for batch in protocol.chunks(list(dict.fromkeys(ids)), BATCH):
            answer = await self._api.get(protocol.list_ids(batch, self._codec.fields))
            found += await self._decoded(answer, protocol.read_rows(answer), in_scope=None, held=held)
        return found

    async def find_addresses(self, addresses: Sequence[str]) -> Sequence[RecordAddress]:
        """Records anywhere in the module with one of these e-mail addresses, 1 credit for each 50."""
        return await self._lookups.addresses(addresses)

    async def addresses_page(self, after: RecordId | None) -> tuple[Sequence[RecordAddress], RecordId | None]:
        """2,000 records of the module by ascending id, 3 credits."""
        return await self._lookups.addresses_page(after)

    async def find_last_names(self, names: Sequence[str]) -> Sequence[Observation]:
        """Records with one of these last names: ids by COQL, 1 credit for each 50 names, then read by id.

        COQL shows lookups by id alone, so that reading by id is what shows the mapped fields as everywhere else.
        """
        return await self.read(await self._lookups.with_last_names(names))

    async def companies(self, names: Sequence[str]) -> Mapping[str, str]:
        """Account ids by name, 1 credit for each 50; none for a user who may not see accounts."""
        return await self._lookups.companies(names)

    async def view_exists(self, view: ViewId) -> bool:
        """Whether the view can still be asked for; a control call."""
        answer = await self._api.ask(protocol.show_view(view))
        if protocol.is_empty(answer) or refusals.is_unknown_view(answer):
            return False
        refusals.refuse(answer)
        return bool(protocol.read_rows(answer, "custom_views"))

    # --- writing ----------------------------------------------------------------------------------------------------

    async def create_companies(self, names: Sequence[str]) -> Mapping[str, str]:
        """Account ids by name, 1 credit for each 10; a name whose account exists already gets that one.

        Names that the CRM refuses, and all of them for a user who may not create accounts, are absent.
        """
        made: dict[str, str] = {}
        for batch in protocol.chunks(accounts.distinct(names), BATCH):
            records = [{"Account_Name": name} for name in batch]
            answer = await self._api.ask(protocol.insert("Accounts", records, automation=self._automation))
            items = protocol.read_items(answer, len(batch))
            if items is None:
                if refusals.is_missing_right(answer):
                    break
                raise refusals.call_error(answer)
            made |= {name: found for name, item in zip(batch, items, strict=True) if (found := _account_id(item))}
        return accounts.by_asked_name(names, made)

    async def create(
        self, requests: Sequence[CreateRequest], *, companies: Mapping[str, str]
    ) -> Sequence[WriteOutcome]:
        """One outcome a request, in order; 1 credit for each 10."""
        drafts = [writes.draft(self._codec, one.link_id, None, one.values, companies) for one in requests]
        return await self._write(drafts, unmodified_since=None)

    async def update(
        self, requests: Sequence[RecordUpdate], *, unmodified_since: datetime, companies: Mapping[str, str]
    ) -> Sequence[WriteOutcome]:
        """One outcome a request, in order; 1 credit for each 10. Only the fields that changed are sent."""
        drafts = [writes.draft(self._codec, one.link_id, one.record_id, one.changes, companies) for one in requests]
        return await self._write(drafts, unmodified_since=unmodified_since)

    async def delete(self, requests: Sequence[tuple[LinkId, RecordId]]) -> Sequence[WriteOutcome]:
        """One outcome a request, in order; the records go into the CRM's recycle bin."""
        _check_size(requests)
        if not requests:
            return []
        ids = [record_id for _, record_id in requests]
        answer = await self._api.ask(protocol.delete(ids, automation=self._automation))
        return writes.delete_outcomes(answer, requests)

    async def _write(self, drafts: Sequence[Draft], *, unmodified_since: datetime | None) -> Sequence[WriteOutcome]:
        """Send the drafts, then once more those of which a field did not fit."""
        _check_size(drafts)
        outcomes: dict[LinkId, WriteOutcome] = {
            one.link_id: refused for one in drafts if (refused := writes.nothing_to_send(one)) is not None
        }
        sent = [one for one in drafts if one.link_id not in outcomes]
        again: list[Draft] = []
        if sent:
            answer = await self._send(sent, unmodified_since)
            for one, result in zip(sent, writes.results_of(answer, sent), strict=True):
                outcomes[one.link_id] = writes.outcome_of(answer, one, result)
                second = writes.second_attempt(one, result, self._codec)
                again += [] if second is None else [second]
        outcomes |= await self._write_again(again, unmodified_since)
        return [outcomes[one.link_id] for one in drafts]

    async def _write_again(
        self, drafts: Sequence[Draft], unmodified_since: datetime | None
    ) -> Mapping[LinkId, WriteOutcome]:
        """The outcomes of the second attempt; none when it was not carried out, so that the first refusals stand.

        What the first call confirmed must not be lost to a lease or quota that ran out before the second one. Only
        a second create without an answer has to be told: those records may exist.
        """
        if not drafts:
            return {}
        try:
            answer = await self._send(drafts, unmodified_since)
            results = writes.results_of(answer, drafts)
        except OutcomeUnknownError:
            if unmodified_since is None:
                raise
            return {one.link_id: writes.unsettled(one) for one in drafts}
        except ContactSyncError as error:
            log.warning("zoho.second_attempt.skipped", reason=error.reason, records=len(drafts))
            return {}
        return {
            one.link_id: writes.outcome_of(answer, one, result) for one, result in zip(drafts, results, strict=True)
        }

    async def _send(self, drafts: Sequence[Draft], unmodified_since: datetime | None) -> Answer:
        records = [one.payload for one in drafts]
        if unmodified_since is None:
            request = protocol.insert("Contacts", records, automation=self._automation)
        else:
            request = protocol.update(records, unmodified_since=unmodified_since, automation=self._automation)
        return await self._api.ask(request)

    # --- common -----------------------------------------------------------------------------------------------------

    async def _page(self, request: ApiRequest, *, in_scope: bool | None) -> RecordPage:
        answer = await self._api.ask(request)
        if not answer.is_success and not protocol.is_empty(answer):
            raise refusals.listing_error(answer)
        listing = protocol.read_page(answer)
        if listing.more and listing.next_token is None:
            raise answer.unreadable("more records without a page token")
        records = await self._decoded(answer, listing.rows, in_scope=in_scope)
        return RecordPage(records, listing.next_token if listing.more else None, protocol.server_time(answer))

    async def _decoded(
        self, answer: Answer, rows: Sequence[Row], *, in_scope: bool | None, held: Collection[str] | None = None
    ) -> list[Observation]:
        if self._shown is not None:
            doubtful = [name for name in self._codec.mapped if held is None or name in held]
            await self._shown.check(rows, doubtful)
        decode = self._codec.decode
        try:
            return [decode(row, in_scope=in_scope) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise answer.unreadable("a record without id or Modified_Time") from error


def _account_id(item: Mapping[str, Any]) -> str | None:
    """The account that an insert made, or the one that holds the unique name already."""
    if item.get("status") != "success":
        return refusals.item_problem(item).duplicate_of
    details = item.get("details")
    return str(details["id"]) if isinstance(details, dict) and "id" in details else None


def _check_size(batch: Sequence[object]) -> None:
    if len(batch) > BATCH:
        raise ValueError(f"at most {BATCH} records a call, not {len(batch)}")
