"""What is asked of the CRM and what its answers say. No I/O.

Every builder returns an `ApiRequest` with the credits that the vendor charges for it; every reader takes an answer
that is not a refusal (`refusals.refuse`). Source: Zoho CRM API v8, the page named at each function; credits from
"API limits" (the deleted list from its older table).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import orjson

from contactsync.adapters.http import JSON, Answer, OutboundRequest
from contactsync.adapters.zoho import coql
from contactsync.adapters.zoho.instants import asked_since, header_instant
from contactsync.ports.directory import Call

Item = TypeVar("Item")

PROVIDER: Final = "zoho"
BASE_PATH: Final = "/crm/v8"
PAGE: Final = 200
BATCH: Final = 100
MAX_FIELDS: Final = 50
_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304
_VIEW_CREDITS: Final = 3
_DELETED_CREDITS: Final = 2
_RECORDS_A_CREDIT: Final = 10


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request below the API's base path, and how it counts."""

    call: Call
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def to(self, api_url: str) -> OutboundRequest:
        """The request as it is sent to the API of one data centre."""
        headers = {**self.headers, "Content-Type": JSON} if self.body is not None else self.headers
        return OutboundRequest(
            operation=self.call.operation,
            method=self.method,
            url=f"{api_url.rstrip('/')}{BASE_PATH}{self.path}",
            query=self.query,
            headers=headers,
            content=self.body,
            mutates=self.call.mutates,
        )


def _call(operation: str, credits_: int, *, mutates: bool = False, control: bool = False) -> Call:
    return Call(PROVIDER, operation, {"credits": credits_}, mutates=mutates, control=control)


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


# --- reading --------------------------------------------------------------------------------------------------------


def list_view(view_id: str, fields: str, page: str | None) -> ApiRequest:
    """A page of a list view, in the view's own order ("Get records": `cvid`, `page_token`)."""
    query = (("fields", fields), ("cvid", view_id), ("per_page", str(PAGE)), *_page_token(page))
    return ApiRequest(_call("contacts.view", _VIEW_CREDITS), "GET", "/Contacts", query)


def list_changed(since: datetime, fields: str, page: str | None) -> ApiRequest:
    """A page of the module's records modified at or after `since` ("Get records": `If-Modified-Since`)."""
    query = (("fields", fields), ("per_page", str(PAGE)), *_page_token(page))
    headers = {"If-Modified-Since": asked_since(since)}
    return ApiRequest(_call("contacts.changes", 1), "GET", "/Contacts", query, headers)


def list_ids(ids: Sequence[str], fields: str) -> ApiRequest:
    """The records of these ids, at most 100 ("Get records": `ids`)."""
    query = (("fields", fields), ("ids", ",".join(ids)))
    return ApiRequest(_call("contacts.ids", 1), "GET", "/Contacts", query)


def list_deleted(since: datetime, page: int) -> ApiRequest:
    """A page of what was deleted at or after `since`, recycled and permanent ("Get deleted records")."""
    query = (("type", "all"), ("page", str(page)), ("per_page", str(PAGE)))
    headers = {"If-Modified-Since": asked_since(since)}
    return ApiRequest(_call("contacts.deleted", _DELETED_CREDITS), "GET", "/Contacts/deleted", query, headers)


def ask(query: coql.Query) -> ApiRequest:
    """A COQL query ("Get records through a COQL query")."""
    body = orjson.dumps({"select_query": query.text})
    return ApiRequest(_call("coql.query", query.credits), "POST", "/coql", body=body)


def show_view(view_id: str) -> ApiRequest:
    """One list view with its criteria ("Get custom views")."""
    path = f"/settings/custom_views/{coql.checked_id(view_id)}"
    return ApiRequest(_call("settings.view", 1, control=True), "GET", path, (("module", "Contacts"),))


def control(operation: str, path: str, *query: tuple[str, str]) -> ApiRequest:
    """A reading of metadata."""
    return ApiRequest(_call(operation, 1, control=True), "GET", path, query)


def _page_token(page: str | None) -> tuple[tuple[str, str], ...]:
    return () if page is None else (("page_token", page),)


# --- writing --------------------------------------------------------------------------------------------------------


def insert(module: str, records: Sequence[Mapping[str, Any]], *, automation: bool) -> ApiRequest:
    """New records, at most 100 ("Insert records")."""
    call = _call(f"{module.lower()}.insert", _write_credits(len(records)), mutates=True)
    return ApiRequest(call, "POST", f"/{module}", body=_write_body(records, automation=automation))


def update(records: Sequence[Mapping[str, Any]], *, unmodified_since: datetime, automation: bool) -> ApiRequest:
    """Changed fields of records, each with its id, at most 100 ("Update records").

    The header holds for the whole call and is not relied upon alone: the v8 page declares its 412, the v7 page the
    header itself.
    """
    call = _call("contacts.update", _write_credits(len(records)), mutates=True)
    headers = {"If-Unmodified-Since": header_instant(unmodified_since)}
    return ApiRequest(call, "PUT", "/Contacts", (), headers, _write_body(records, automation=automation))


def delete(ids: Sequence[str], *, automation: bool) -> ApiRequest:
    """Records into the recycle bin, at most 100 ("Delete records")."""
    query = (("ids", ",".join(ids)), *(() if automation else (("wf_trigger", "false"),)))
    return ApiRequest(_call("contacts.delete", 1, mutates=True), "DELETE", "/Contacts", query)


def _write_body(records: Sequence[Mapping[str, Any]], *, automation: bool) -> bytes:
    """The body of a write. Without a `trigger` all automation runs; `[]` stops all of it but cadences."""
    body: dict[str, Any] = {"data": records}
    if not automation:
        body["trigger"] = []
        body["skip_feature_execution"] = [{"name": "cadences"}]
    return orjson.dumps(body)


def _write_credits(records: int) -> int:
    return -(-records // _RECORDS_A_CREDIT)


# --- answers --------------------------------------------------------------------------------------------------------


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of an answer and what it says of further ones."""

    rows: Sequence[Row]
    more: bool = False
    next_token: str | None = None


def is_empty(answer: Answer) -> bool:
    """Whether the CRM answered "nothing": 204, or 304 to a question about changes, both without a body."""
    return answer.status in {_NO_CONTENT, _NOT_MODIFIED}


def read_rows(answer: Answer, key: str = "data") -> Sequence[Row]:
    """The rows under `key`, none for an empty answer. Raises ProviderContractError for another shape."""
    return [] if is_empty(answer) else _rows_under(key, answer.json_object(), answer)


def read_page(answer: Answer, key: str = "data") -> Listing:
    """The rows of one page, which must say whether it is the last: what it lacks would be taken for gone.

    Raises ProviderContractError for another shape.
    """
    if is_empty(answer):
        return Listing(())
    body = answer.json_object()
    rows, info = _rows_under(key, body, answer), body.get("info")
    more = info.get("more_records") if isinstance(info, dict) else None
    if not isinstance(info, dict) or not isinstance(more, bool):
        raise answer.unreadable("a page that does not say whether there are more")
    token = info.get("next_page_token")
    if token is not None and not isinstance(token, str):
        raise answer.unreadable("next_page_token is no text")
    return Listing(rows, more, token)


def _rows_under(key: str, body: Mapping[str, Any], answer: Answer) -> Sequence[Row]:
    rows = body.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise answer.unreadable(f"no list of objects under {key!r}")
    return rows


def read_items(answer: Answer, count: int) -> Sequence[Mapping[str, Any]] | None:
    """The outcome of each of `count` records of a write, in their order; None when the answer refuses the call.

    Statuses are not looked at: older versions answered 200 and 202 to mixed results (status codes, v2 to v8).
    """
    body = answer.json_object() if answer.is_success else answer.error_object()
    items = body.get("data")
    if isinstance(items, list) and len(items) == count and all(isinstance(item, dict) for item in items):
        return items
    if answer.is_success:
        raise answer.unreadable("not one outcome for each record")
    return None


def need_text(answer: Answer, row: Mapping[str, Any], key: str) -> str:
    """A text that must be there. Raises what `Answer.unreadable` makes."""
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise answer.unreadable(f"{key!r} is missing or no text")
    return value


def server_time(answer: Answer) -> datetime:
    """The CRM's clock. Raises ProviderContractError without one: a watermark made of our own could skip changes."""
    moment = answer.server_time
    if moment is None:
        raise answer.unreadable("no Date header")
    return moment
