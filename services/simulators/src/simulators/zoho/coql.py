"""COQL carried out: `POST /coql` (Zoho CRM API v8, "COQL overview", "COQL limitations")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulators.zoho.api import Answer, ApiCall, module_named
from simulators.zoho.coql_parser import Comparison, Condition, Parser, Query, QuerySyntaxError, comparisons, tokens_of
from simulators.zoho.criteria import COMPARATORS, CriteriaError, Getter, Predicate, between, comparable, getter, negated
from simulators.zoho.errors import ZohoError, bad_body, invalid_module, limit_exceeded, no_permission
from simulators.zoho.fields import Field
from simulators.zoho.jsonvalue import Json
from simulators.zoho.organisation import permission
from simulators.zoho.reads import find_view
from simulators.zoho.records import Record
from simulators.zoho.shapes import renderer

MAX_ROWS: Final = 2000
MAX_OFFSET: Final = 100_000
MAX_COLUMNS: Final = 50
MAX_CONDITIONS: Final = 25
MAX_IN: Final = 50
MAX_ORDER: Final = 10
_LIMIT: Final = re.compile(r"limit\s+(\d+)(?:\s*,\s*(\d+))?", re.IGNORECASE)
_SIGNS: Final = {
    "=": "equal",
    "!=": "not_equal",
    ">": "greater_than",
    ">=": "greater_equal",
    "<": "less_than",
    "<=": "less_equal",
}


def credits_of(_params: Mapping[str, str], body: Json) -> int:
    """One, two or three credits, by the rows that the query asks for (200, 1,000, 2,000)."""
    text = body.get("select_query") if isinstance(body, dict) else None
    found = _LIMIT.search(text) if isinstance(text, str) else None
    rows = int(found.group(2) or found.group(1)) if found else 200
    return 1 if rows <= 200 else 2 if rows <= 1000 else 3  # noqa: PLR2004  the vendor's price list


def run_query(call: ApiCall) -> Answer:
    """`POST /coql`: rows of one module, optionally inside a view; 204 when there are none."""
    query = _parsed(call)
    module = module_named(query.module)
    call.require_scope(f"ZohoCRM.modules.{module}.READ")
    if not call.org.may(call.user, "View", module):
        raise no_permission(permission("View", module))
    _refuse_sizes(query)
    table = Table(call, module)
    columns = [(name, table.shower(name)) for name in dict.fromkeys(query.columns)]
    rows = call.shorten(_matching(table, query))
    shown = rows[query.offset : query.offset + query.limit]
    if not shown:
        return Answer(204)
    data = [{name: show(record) for name, show in columns} | {"id": record.id} for record in shown]
    more = query.offset + query.limit < len(rows)
    return Answer(200, {"data": data, "info": {"count": len(data), "more_records": more}})


def _parsed(call: ApiCall) -> Query:
    text = call.body.get("select_query") if isinstance(call.body, dict) else None
    if not isinstance(text, str):
        raise bad_body(expected_data_type="text", api_name="select_query", json_path="$.select_query")
    settings = call.settings
    try:
        return Parser(tokens_of(text), pairs=settings.coql_pairs, views=settings.coql_views).query()
    except QuerySyntaxError as error:
        details = {"near": error.near, "clause": error.clause}
        raise ZohoError(400, "SYNTAX_ERROR", "error occurred while parsing the query", details) from error


def _refuse_sizes(query: Query) -> None:
    if not 1 <= query.limit <= MAX_ROWS:
        raise limit_exceeded(limit=MAX_ROWS, clause="limit")
    if query.offset + query.limit > MAX_OFFSET:
        raise limit_exceeded(limit=MAX_OFFSET, clause="offset")
    if len(query.columns) > MAX_COLUMNS:
        raise limit_exceeded(limit=MAX_COLUMNS, clause="select")
    if len(query.order) > MAX_ORDER:
        raise limit_exceeded(limit=MAX_ORDER, clause="order by")
    leaves = comparisons(query.where)
    if len(leaves) > MAX_CONDITIONS:
        raise limit_exceeded(limit=MAX_CONDITIONS, clause="where")
    if any(isinstance(leaf.value, list) and len(leaf.value) > MAX_IN for leaf in leaves):
        raise limit_exceeded(limit=MAX_IN, operator="in")


def _matching(table: Table, query: Query) -> list[Record]:
    call = table.call
    view = None if query.view_id is None else find_view(call, query.view_id, table.module)
    wanted = table.predicate(query.where)
    order = query.order or (("id", "asc"),)
    sorts = [(table.getter(column), direction) for column, direction in order]
    if not any(column.lower() == "id" for column, _ in order):
        sorts.append((table.getter("id"), "asc"))

    def evaluate() -> list[Record]:
        rows = [one for one in call.org.rows(table.module, call.user, call.now, view) if wanted(one)]
        for get, direction in reversed(sorts):
            rows = _sorted(rows, get, descending=direction == "desc")
        return rows

    question = (call.user.id, call.org.sharing, view and (view.id, view.version), repr(query.where), order)
    return call.org.kept(table.module, call.now, question, evaluate)


def _sorted(rows: list[Record], get: Getter, *, descending: bool) -> list[Record]:
    filled = [one for one in rows if get(one) is not None]
    empty = [one for one in rows if get(one) is None]
    ordered = sorted(filled, key=get, reverse=descending)
    return [*ordered, *empty] if descending else [*empty, *ordered]


@dataclass(frozen=True, slots=True)
class Table:
    """A module as COQL sees it: columns by API name, or through one lookup as `Account_Name.Phone`."""

    call: ApiCall
    module: str

    def predicate(self, condition: Condition) -> Predicate:
        """The question that the condition asks of a record."""
        if isinstance(condition, Comparison):
            return self._compared(condition)
        parts = [self.predicate(part) for part in condition.parts]
        if condition.operator == "or":
            return lambda record: any(part(record) for part in parts)
        return lambda record: all(part(record) for part in parts)

    def getter(self, column: str) -> Getter:
        """The comparable value of the column; INVALID_QUERY when there is no such column."""
        one, through = self._column(column)
        get = getter(one)
        if through is None:
            return get
        follow = self._follow(through)
        return lambda record: get(target) if (target := follow(record)) is not None else None

    def shower(self, column: str) -> Callable[[Record], Any]:
        """The column as the answer shows it; lookups by id alone."""
        one, through = self._column(column)
        module = self.module if through is None else str(through.lookup)
        show = renderer(self.call.org, self.call.user, module, [one.api_name])
        bare = one.data_type in {"lookup", "ownerlookup"}

        def cell(record: Record) -> Json:
            value = show(record)[one.api_name]
            return {"id": value["id"]} if bare and value is not None else value

        if through is None:
            return cell
        follow = self._follow(through)
        return lambda record: cell(target) if (target := follow(record)) is not None else None

    def _column(self, column: str) -> tuple[Field, Field | None]:
        fields = self.call.org.fields
        first, _, second = column.partition(".")
        one = fields[self.module].get(first)
        if one is None or (second and one.lookup is None):
            raise _bad_column(column)
        if not second:
            return one, None
        target = fields[str(one.lookup)].get(second)
        if target is None:
            raise _bad_column(column)
        return target, one

    def _follow(self, through: Field) -> Callable[[Record], Record | None]:
        if through.lookup is None:
            raise invalid_module()
        store = self.call.org.stores[through.lookup]
        return lambda record: store.get(record.values.get(through.api_name, ""))

    def _compared(self, leaf: Comparison) -> Predicate:
        one, _ = self._column(leaf.column)
        get = self.getter(leaf.column)
        if leaf.operator == "is":
            empty = leaf.value == "null"
            return lambda record: (get(record) in {None, ""}) == empty
        if leaf.operator in {"like", "not like"}:
            ask = _like(get, str(leaf.value), one, leaf.column)
            return ask if leaf.operator == "like" else negated(ask)
        try:
            return _ask(leaf, one, get)
        except CriteriaError as exc:
            details = {"column_name": leaf.column, "operator": leaf.operator}
            raise ZohoError(400, "INVALID_QUERY", "value given seems to be invalid for the column", details) from exc


def _ask(leaf: Comparison, one: Field, get: Getter) -> Predicate:
    if leaf.operator in {"in", "not in"}:
        wanted = {comparable(one, value) for value in leaf.value}
        inside: Predicate = _member(get, wanted)
        return inside if leaf.operator == "in" else negated(inside)
    if leaf.operator in {"between", "not between"}:
        low, high = (comparable(one, value) for value in leaf.value)
        inside = between(get, low, high)
        return inside if leaf.operator == "between" else negated(inside)
    if one.data_type == "boolean" and leaf.operator not in {"=", "!="}:
        raise CriteriaError(leaf.operator)
    return COMPARATORS[_SIGNS[leaf.operator]](get, comparable(one, leaf.value))


def _member(get: Getter, wanted: set[Any]) -> Predicate:
    return lambda record: get(record) in wanted


def _like(get: Getter, pattern: str, one: Field, column: str) -> Predicate:
    """`a%`, `%a`, `%a%` on texts, and nothing else."""
    if one.json_type != "string" or one.data_type in {"date", "datetime", "bigint"}:
        details = {"column_name": column, "operator": "like"}
        raise ZohoError(400, "INVALID_QUERY", "unsupported operator for the column", details)
    ends = (pattern.startswith("%"), pattern.endswith("%"))
    text = comparable(one, pattern.strip("%"))
    kind = {(True, True): "contains", (False, True): "starts_with", (True, False): "ends_with"}.get(ends, "equal")
    return COMPARATORS[kind](get, text)


def _bad_column(column: str) -> ZohoError:
    return ZohoError(400, "INVALID_QUERY", "column given seems to be invalid", {"column_name": column})
