"""`GET /{module}/search`: answers from an index that trails the records (Zoho CRM API v8, "Search records")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from simulators.zoho.api import PAGE, Answer, ApiCall
from simulators.zoho.criteria import (
    COMPARATORS,
    CriteriaError,
    Predicate,
    between,
    comparable,
    contains,
    getter,
    negated,
)
from simulators.zoho.errors import ZohoError, missing_param
from simulators.zoho.fields import Field
from simulators.zoho.reads import MAX_BY_PAGE
from simulators.zoho.records import Record, fold
from simulators.zoho.shapes import renderer

MAX_TERMS: Final = 10
_TERM: Final = re.compile(r"\(?\s*(\w+):(\w+):((?:\\.|[^\\()])*)\)?")
_JOINT: Final = re.compile(r"\)\s*(and|or)\s*\(", re.IGNORECASE)
_NUMBERED: Final = frozenset({"greater_than", "greater_equal", "less_than", "less_equal"})


def search(call: ApiCall) -> Answer:
    """By `criteria`, `email`, `phone` or `word`, in this precedence; 204 without a hit."""
    call.require("View")
    wanted = _question(call)
    per_page, page = call.number("per_page", PAGE, most=PAGE), call.number("page", 1)
    if page * per_page > MAX_BY_PAGE:
        message = "records beyond the limit cannot be searched"
        raise ZohoError(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, {"limit": MAX_BY_PAGE})
    indexed_until = call.now - call.settings.index_delay_s
    rows = call.org.rows(call.module, call.user, call.now)
    found = [one for one in rows if one.approved and one.modified <= indexed_until and wanted(one)][:MAX_BY_PAGE]
    shown = found[(page - 1) * per_page : page * per_page]
    if not shown:
        return Answer(204)
    names = [name.strip() for name in call.params.get("fields", "").split(",") if name.strip()]
    render = renderer(call.org, call.user, call.module, names or list(call.fields.by_name))
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": page * per_page < len(found)}
    return Answer(200, {"data": [render(one) for one in shown], "info": info})


def _question(call: ApiCall) -> Predicate:
    params = call.params
    if "criteria" in params:
        return _criteria(call, params["criteria"])
    for parameter in ("email", "phone"):
        if parameter in params:
            return _any_field(call, _of_type(parameter), params[parameter])
    if "word" in params:
        return _any_field(call, _of_type("text", "email", "phone", "textarea"), params["word"])
    raise missing_param("criteria")


def _of_type(*data_types: str) -> Callable[[Field], bool]:
    return lambda one: one.data_type in data_types


def _any_field(call: ApiCall, fits: Callable[[Field], bool], text: str) -> Predicate:
    asks = [contains(getter(one), fold(text)) for one in call.fields.by_name.values() if fits(one)]
    return lambda record: any(ask(record) for ask in asks)


def _criteria(call: ApiCall, text: str) -> Predicate:
    terms = _TERM.findall(text)
    joints = {joint.lower() for joint in _JOINT.findall(text)}
    if not terms or len(terms) > MAX_TERMS or len(joints) > 1:
        raise _invalid(text)
    asks: list[Predicate] = []
    for name, operator, value in terms:
        one = call.fields.get(name)
        if one is None:
            raise _invalid(name)
        try:
            asks.append(_term(one, operator, re.sub(r"\\(.)", r"\1", value)))
        except CriteriaError as exc:
            raise _invalid(name) from exc
    if joints == {"or"}:
        return lambda record: any(ask(record) for ask in asks)
    return lambda record: all(ask(record) for ask in asks)


def _term(one: Field, operator: str, value: str) -> Predicate:
    get = getter(one)
    if operator == "in":
        wanted = {comparable(one, part.strip()) for part in value.split(",")}
        return lambda record: get(record) in wanted
    if operator == "between":
        low, high = (comparable(one, part.strip()) for part in value.split(",", 1))
        return between(get, low, high)
    asked = comparable(one, value)
    if operator == "starts_with" or operator in _NUMBERED:
        return COMPARATORS[operator](get, asked)
    if operator in {"equals", "not_equal"}:
        # On texts `equals` answers like `contains`: callers have to look at what they get.
        like = contains(get, asked) if one.json_type == "string" else _same(get, asked)
        return like if operator == "equals" else negated(like)
    raise CriteriaError(operator)


def _same(get: Callable[[Record], object], asked: object) -> Predicate:
    return lambda record: get(record) == asked


def _invalid(what: str) -> ZohoError:
    details = {"param_name": "criteria", "near": what[:50]}
    return ZohoError(400, "INVALID_QUERY", "Invalid query formed", details)
