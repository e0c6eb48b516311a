"""Looking people and companies up by COQL, anywhere in the module. See `coql` for how values are quoted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from contactsync.adapters.http import Answer
from contactsync.adapters.zoho import companies, coql, protocol, refusals
from contactsync.adapters.zoho.api import ZohoApi
from contactsync.adapters.zoho.codec import full_name
from contactsync.adapters.zoho.coql import MAX_ROWS, MAX_VALUES, Query
from contactsync.adapters.zoho.instants import parse_instant
from contactsync.adapters.zoho.protocol import Row
from contactsync.domain.ids import RecordId, ViewId
from contactsync.ports.directory import RecordAddress

Result = TypeVar("Result")

_ADDRESS: Final = ("id", "Email", "First_Name", "Last_Name", "Created_Time")
_SECONDARY: Final = "Secondary_Email"
_FEW_ROWS: Final = 200
"""A page of the cheapest price."""


class Lookups:
    """Questions of one connection.

    An organisation may have given up the field `Secondary_Email`: the first refusal that names it is remembered, and
    `Email` alone is asked from then on.
    """

    def __init__(self, api: ZohoApi) -> None:
        self._api = api
        self._has_secondary = True

    async def members_since(self, view: ViewId, since: datetime) -> frozenset[RecordId] | None:
        """Ids of the view's records modified at or after `since`; None when the CRM does not take the question."""
        members: list[RecordId] = []
        after: RecordId | None = None
        while True:
            changed = coql.modified_from(since)
            condition = changed if after is None else coql.both(changed, coql.after_id(after))
            query = Query(("id",), coql.in_view(view), condition, rows=MAX_ROWS)
            answer = await self._api.ask(protocol.ask(query))
            if refusals.is_unanswerable_query(answer):
                return None
            refusals.refuse(answer)
            listing = protocol.read_page(answer)
            members += _ids(answer, listing.rows)
            if not listing.more:
                return frozenset(members)
            after = _next_after(answer, members, after)

    async def addresses(self, addresses: Sequence[str]) -> Sequence[RecordAddress]:
        """Records with one of these e-mail addresses, 50 addresses a call, each record once."""
        found: dict[RecordId, RecordAddress] = {}
        for some in protocol.chunks(_askable(addresses), MAX_VALUES):
            found |= await self._asking_addresses(partial(self._holders, some))
        return list(found.values())

    async def addresses_page(self, after: RecordId | None) -> tuple[Sequence[RecordAddress], RecordId | None]:
        """2,000 records by ascending id, and the id to go on after."""
        return await self._asking_addresses(partial(self._addresses_after, after))

    async def with_last_names(self, names: Sequence[str]) -> Sequence[RecordId]:
        """Ids of the records with one of these last names, 50 names a call."""
        ids: dict[RecordId, None] = {}
        for some in protocol.chunks(_askable(names), MAX_VALUES):
            async for answer, rows in self._rows(("id",), "Contacts", coql.among("Last_Name", some)):
                ids |= dict.fromkeys(_ids(answer, rows))
        return list(ids)

    async def companies(self, names: Sequence[str]) -> Mapping[str, str]:
        """Account ids by the asked name, 50 names a call; none for a user who may not see accounts."""
        accounts: list[Row] = []
        columns = ("id", "Account_Name")
        for some in companies.questions(names):
            try:
                async for answer, rows in self._rows(columns, "Accounts", coql.among("Account_Name", some)):
                    _ids(answer, rows)
                    accounts += rows
            except _HiddenModuleError:
                return {}
        return companies.by_asked_name(names, companies.oldest(accounts))

    async def _holders(self, addresses: Sequence[str]) -> Mapping[RecordId, RecordAddress]:
        condition = coql.among("Email", addresses)
        if self._has_secondary:
            condition = coql.either(condition, coql.among(_SECONDARY, addresses))
        found: dict[RecordId, RecordAddress] = {}
        async for answer, rows in self._rows(self._columns, "Contacts", condition):
            found |= {one.record_id: one for one in _addresses(answer, rows)}
        return found

    async def _addresses_after(self, after: RecordId | None) -> tuple[Sequence[RecordAddress], RecordId | None]:
        condition = "id is not null" if after is None else coql.after_id(after)
        answer, listing = await self._listing(Query(self._columns, "Contacts", condition, rows=MAX_ROWS))
        page = _addresses(answer, listing.rows)
        return page, _next_after(answer, [one.record_id for one in page], after) if listing.more else None

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*_ADDRESS, _SECONDARY) if self._has_secondary else _ADDRESS

    async def _asking_addresses(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """The answer to a question about addresses, without the secondary one where the CRM has no such field."""
        try:
            return await ask()
        except _NoSecondaryError:
            self._has_secondary = False
            return await ask()

    async def _rows(
        self, columns: tuple[str, ...], source: str, condition: str
    ) -> AsyncIterator[tuple[Answer, Sequence[Row]]]:
        """The rows of a query, 200 a call."""
        offset = 0
        while True:
            answer, listing = await self._listing(Query(columns, source, condition, rows=_FEW_ROWS, offset=offset))
            yield answer, listing.rows
            if not listing.more:
                return
            offset += _FEW_ROWS

    async def _listing(self, query: Query) -> tuple[Answer, protocol.Listing]:
        """One page of a query. Raises _HiddenModuleError, _NoSecondaryError, and the error of any other refusal."""
        answer = await self._api.ask(protocol.ask(query))
        if query.source == "Accounts" and refusals.is_missing_right(answer):
            raise _HiddenModuleError
        if _SECONDARY in query.select and refusals.is_unknown_column(answer, _SECONDARY):
            raise _NoSecondaryError
        refusals.refuse(answer)
        return answer, protocol.read_page(answer)


class _HiddenModuleError(Exception):
    """The user's profile does not show the module."""


class _NoSecondaryError(Exception):
    """The organisation's contacts have no secondary address."""


def _addresses(answer: Answer, rows: Sequence[Row]) -> list[RecordAddress]:
    try:
        return [
            RecordAddress(
                RecordId(protocol.need_text(answer, row, "id")),
                row.get("Email") or "",
                row.get("Secondary_Email") or "",
                full_name(row),
                parse_instant(row["Created_Time"]),
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise answer.unreadable("a record without Created_Time") from error


def _ids(answer: Answer, rows: Sequence[Row]) -> list[RecordId]:
    return [RecordId(protocol.need_text(answer, row, "id")) for row in rows]


def _next_after(answer: Answer, ids: Sequence[RecordId], after: RecordId | None) -> RecordId:
    """The last id of a page, which must move on. Raises ProviderContractError when it does not."""
    if not ids or ids[-1] == after:
        raise answer.unreadable("more records, but none after the last")
    return ids[-1]


def _askable(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(one.strip() for one in texts) if coql.askable(text)]
