"""Reading records: lists, one record, and the list of deleted ones (Zoho CRM API v8, "Get records")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.api import PAGE, Answer, ApiCall
from simulators.zoho.criteria import CriteriaError
from simulators.zoho.errors import (
    ZohoError,
    ambiguous,
    invalid_param,
    limit_exceeded,
    missing_param,
)
from simulators.zoho.organisation import CustomView, Order
from simulators.zoho.paging import CHAIN_LIMIT, Position, start_of
from simulators.zoho.records import DAY, Deleted, Record
from simulators.zoho.shapes import SPECIAL, display_name, renderer

MAX_FIELDS: Final = 50
MAX_BY_PAGE: Final = 2000
MAX_IDS: Final = 100
SORTABLE: Final = ("id", "Created_Time", "Modified_Time")
_UNBOUND: Final = frozenset({"page_token", "page"})


def list_records(call: ApiCall) -> Answer:
    """`GET /{module}`: by page, by token, by view, by ids, and by If-Modified-Since."""
    call.require("View")
    names = field_names(call)
    _refuse_contradictions(call.params)
    view = view_of(call)
    order = _order(call, view)
    rows = _selected(call, view, order)
    per_page = call.number("per_page", PAGE, most=PAGE)
    chain = _resumed(call)
    if chain is None:
        start = (_page(call, per_page) - 1) * per_page
        shortened = call.shorten(rows) if start == 0 else rows
        cut_at = len(shortened) if len(shortened) < len(rows) else None
    else:
        start = start_of(chain, rows, keyset=call.settings.paging == "keyset", by_id=order is None)
        cut_at = chain.cut_at
    rows = rows[:cut_at]
    page = rows[start : start + per_page]
    if not page:
        return Answer(304 if call.since() is not None else 204)
    render = renderer(call.org, call.user, call.module, names, listed=True)
    info = _info(per_page, start, len(page), order)
    if start + len(page) < len(rows):
        info |= _token(call, start + len(page), page[-1].id, cut_at)
    return Answer(200, {"data": [render(one) for one in page], "info": info})


def field_names(call: ApiCall) -> list[str]:
    """The asked fields; the parameter is mandatory and names at most fifty."""
    text = call.params.get("fields", "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise missing_param("fields")
    if len(names) > MAX_FIELDS:
        raise limit_exceeded(limit=MAX_FIELDS, param_name="fields")
    if names == ["id"] and not call.settings.id_alone:
        raise invalid_param("fields")
    return names


def view_of(call: ApiCall) -> CustomView | None:
    """The view that `cvid` names; INVALID_DATA when the user has none such in this module."""
    view_id = call.params.get("cvid")
    if view_id is None:
        return None
    return find_view(call, view_id)


def find_view(call: ApiCall, view_id: str, module: str | None = None) -> CustomView:
    """The view of that id, if the user may use it and its criteria still make sense."""
    view = call.org.views.get(view_id)
    if view is None or view.module != (module or call.module) or not view.visible_to(call.user):
        raise invalid_param("cvid")
    try:
        call.org.selector(view.module, call.user, view)
    except CriteriaError as exc:
        raise invalid_param("cvid") from exc
    return view


def _refuse_contradictions(params: Mapping[str, str]) -> None:
    for pair in (("page", "page_token"), ("cvid", "sort_by")):
        if all(name in params for name in pair):
            raise ambiguous(*pair)


def _order(call: ApiCall, view: CustomView | None) -> Order | None:
    """How the rows are sorted; None stands for the default, the highest id first."""
    if view is not None:
        return (view.sort_by, view.sort_order) if view.sort_by else None
    sort_by, direction = call.params.get("sort_by", "id"), call.params.get("sort_order", "desc")
    if sort_by not in SORTABLE:
        raise invalid_param("sort_by", supported_values=list(SORTABLE))
    if direction not in {"asc", "desc"}:
        raise invalid_param("sort_order", supported_values=["asc", "desc"])
    if (sort_by, direction) == ("id", "desc"):
        return None
    return (sort_by, "asc" if direction == "asc" else "desc")


def _selected(call: ApiCall, view: CustomView | None, order: Order | None) -> list[Record]:
    org, module, now = call.org, call.module, call.now
    if "ids" in call.params:
        return _by_ids(call)
    since = call.since()
    if since is None:
        return org.rows(module, call.user, now, view, order)
    counts = call.counts(since)
    if view is not None or order is not None:
        return [one for one in org.rows(module, call.user, now, view, order) if counts(one.modified)]
    return org.visible(call.user, call.store.listed_since(now, counts))


def _by_ids(call: ApiCall) -> list[Record]:
    ids = [one.strip() for one in call.params["ids"].split(",") if one.strip()]
    if not all(one.isdigit() for one in ids):
        raise invalid_param("ids", expected_data_type="bigint")
    if len(ids) > MAX_IDS:
        raise limit_exceeded(limit=MAX_IDS, param_name="ids")
    since = call.since()
    found = [record for one in dict.fromkeys(ids) if (record := call.store.get(one)) is not None]
    if since is not None:
        counts = call.counts(since)
        found = [one for one in found if counts(one.modified)]
    return call.org.visible(call.user, sorted(found, key=lambda one: one.id, reverse=True))


def _resumed(call: ApiCall) -> Position | None:
    token = call.params.get("page_token")
    if token is None:
        return None
    return call.world.page_tokens.resume(token, call.user.id, _question(call), call.now)


def _page(call: ApiCall, per_page: int) -> int:
    page = call.number("page", 1)
    if page * per_page > MAX_BY_PAGE:
        message = "records beyond the limit can be read by page_token alone"
        raise ZohoError(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, {"limit": MAX_BY_PAGE})
    return page


def _question(call: ApiCall) -> dict[str, str]:
    """What a page token is bound to: module, parameters and the header that narrows the list."""
    question = {name: value for name, value in call.params.items() if name not in _UNBOUND}
    since = call.headers.get("if-modified-since")
    bound = {"module": call.module} | ({"If-Modified-Since": since} if since is not None else {})
    return question | bound


def _info(per_page: int, start: int, shown: int, order: Order | None) -> dict[str, Any]:
    sort_by, direction = order or ("id", "desc")
    return {
        "call": False,
        "per_page": per_page,
        "next_page_token": None,
        "count": shown,
        "sort_by": sort_by,
        "page": start // per_page + 1,
        "previous_page_token": None,
        "page_token_expiry": None,
        "sort_order": direction,
        "email": False,
        "more_records": False,
    }


def _token(call: ApiCall, offset: int, last_id: str, cut_at: int | None) -> dict[str, Any]:
    expires = call.now + DAY
    position = Position(call.user.id, _question(call), offset, last_id, expires, cut_at)
    token = call.world.page_tokens.issue(position, call.now)
    expiry = times.show(expires, call.user.time_zone)
    return {"more_records": True, "next_page_token": token, "page_token_expiry": expiry}


def get_record(call: ApiCall) -> Answer:
    """`GET /{module}/{id}`: all fields unless some are asked; 204 when the user cannot reach it."""
    call.require("View")
    record_id = call.path["id"]
    if not record_id.isdigit():
        message = "the id given seems to be invalid"
        raise ZohoError(400, "INVALID_DATA", message, {"resource_path_index": 1, "expected_data_type": "bigint"})
    record = call.store.get(record_id)
    if record is None or not call.org.sees(call.user, record):
        return Answer(204)
    names = [*call.fields.by_name, *SPECIAL]
    if "fields" in call.params:
        names = field_names(call)
    return Answer(200, {"data": [renderer(call.org, call.user, call.module, names)(record)]})


def list_deleted(call: ApiCall) -> Answer:
    """`GET /{module}/deleted`: within the retention, latest first, by page number alone."""
    call.require("View")
    kind = call.params.get("type", "all")
    if kind not in {"all", "recycle", "permanent"}:
        details = {"param_name": "type", "supported_values": ["all", "recycle", "permanent"]}
        raise ZohoError(400, "PATTERN_NOT_MATCHED", "the type given seems to be invalid", details)
    per_page, page = call.number("per_page", PAGE, most=PAGE), call.number("page", 1)
    if page * per_page > CHAIN_LIMIT:
        raise limit_exceeded(limit=CHAIN_LIMIT, param_name="page")
    since = call.since()
    hidden_until = call.now - call.settings.visibility_delay_s
    entries = [
        one
        for one in call.store.deleted(call.now)
        if (kind in {"all", one.kind}) and one.at <= hidden_until and call.org.sees(call.user, one.record)
    ]
    if since is not None:
        counts = call.counts(since)
        entries = [one for one in entries if counts(one.at)]
    entries = call.shorten(entries)
    shown = entries[(page - 1) * per_page : page * per_page]
    if not shown:
        return Answer(304 if since is not None else 204)
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": page * per_page < len(entries)}
    return Answer(200, {"data": [_tombstone(call, one) for one in shown], "info": info})


def _tombstone(call: ApiCall, one: Deleted) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "deleted_by": None,
        "id": one.record.id,
        "display_name": None,
        "type": one.kind,
        "created_by": None,
        "deleted_time": times.show(one.at, call.user.time_zone),
    }
    if one.kind == "recycle":
        shown["deleted_by"] = call.org.user_ref(one.by)
        shown["created_by"] = call.org.user_ref(one.record.created_by)
        shown["display_name"] = display_name(call.module, one.record)
    return shown
