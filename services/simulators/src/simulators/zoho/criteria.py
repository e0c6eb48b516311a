"""What a custom view selects: its stored criteria turned into a question to a record.

The stored form is the one that `GET /settings/custom_views/{id}` shows: a leaf
`{comparator, field: {api_name}, value}` or a group `{group_operator: and | or, group: [...]}`.
Texts are compared without regard to case, as the CRM's database does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.fields import Field, FieldSet
from simulators.zoho.jsonvalue import Json
from simulators.zoho.records import Record, fold

Predicate = Callable[[Record], bool]
Getter = Callable[[Record], Any]

EMPTY: Final = "${EMPTY}"
NOT_EMPTY: Final = "${NOTEMPTY}"
CURRENT_USER: Final = "${CURRENTUSER}"


class CriteriaError(ValueError):
    """A criterion names a field, comparator or value that makes no sense."""


def getter(one: Field) -> Getter:
    """A function that gives the comparable value of that field of a record; None when empty."""
    name = one.api_name
    special: dict[str, Getter] = {
        "id": lambda record: int(record.id),
        "Owner": lambda record: record.owner,
        "Created_By": lambda record: record.created_by,
        "Modified_By": lambda record: record.modified_by,
        "Created_Time": lambda record: record.created,
        "Modified_Time": lambda record: record.modified,
        "Locked__s": lambda record: record.locked,
        "Record_Status__s": lambda _record: "available",
        "Full_Name": lambda record: fold(full_name(record)) or None,
    }
    if name in special:
        return special[name]
    if one.data_type in {"text", "textarea", "email", "phone", "website", "picklist"}:
        return lambda record: fold(record.values[name]) if name in record.values else None
    if one.data_type == "boolean":
        return lambda record: record.values.get(name, False)
    if one.data_type == "multiselectpicklist":
        return lambda record: fold(";".join(record.values[name])) if name in record.values else None
    return lambda record: record.values.get(name)


def full_name(record: Record) -> str:
    """The computed name: given and family name, as the CRM joins them."""
    return " ".join(part for key in ("First_Name", "Last_Name") if (part := record.values.get(key)))


def comparable(one: Field, value: object) -> Json:
    """The value of a question in the form of `getter`; CriteriaError when it does not fit the field."""
    text = str(value)
    if one.data_type == "datetime":
        moment = times.parse(text)
        if moment is None:
            raise CriteriaError(one.api_name)
        return moment
    if one.data_type == "boolean":
        if fold(text) not in {"true", "false"}:
            raise CriteriaError(one.api_name)
        return fold(text) == "true"
    if one.api_name == "id" or one.data_type in {"integer", "double", "currency", "percent"}:
        return _number(one, text)
    if one.data_type in {"lookup", "ownerlookup", "date", "bigint"}:
        return text
    return fold(text)


def _number(one: Field, text: str) -> int | float:
    try:
        return float(text) if one.data_type in {"double", "currency", "percent"} else int(text)
    except ValueError as exc:
        raise CriteriaError(one.api_name) from exc


def contains(get: Getter, value: Json) -> Predicate:
    """Whether the text occurs in the field."""

    def ask(record: Record) -> bool:
        held = get(record)
        return held is not None and str(value) in str(held)

    return ask


def _starts(get: Getter, value: Json) -> Predicate:
    return lambda record: (held := get(record)) is not None and str(held).startswith(value)


def _ends(get: Getter, value: Json) -> Predicate:
    return lambda record: (held := get(record)) is not None and str(held).endswith(value)


def _greater(get: Getter, value: Json) -> Predicate:
    return lambda record: (held := get(record)) is not None and held > value


def _less(get: Getter, value: Json) -> Predicate:
    return lambda record: (held := get(record)) is not None and held < value


def _at_least(get: Getter, value: Json) -> Predicate:
    return lambda record: (held := get(record)) is not None and held >= value


def _at_most(get: Getter, value: Json) -> Predicate:
    return lambda record: (held := get(record)) is not None and held <= value


def _equal(get: Getter, value: Json) -> Predicate:
    return lambda record: get(record) == value


def between(get: Getter, low: Json, high: Json) -> Predicate:
    """Whether the field lies between the two, both included."""
    return lambda record: (held := get(record)) is not None and low <= held <= high


def negated(ask: Predicate) -> Predicate:
    """The opposite question."""
    return lambda record: not ask(record)


COMPARATORS: Final[dict[str, Callable[[Getter, Any], Predicate]]] = {
    "equal": _equal,
    "not_equal": lambda get, value: negated(_equal(get, value)),
    "contains": contains,
    "not_contains": lambda get, value: negated(contains(get, value)),
    "starts_with": _starts,
    "ends_with": _ends,
    "greater_than": _greater,
    "greater_equal": _at_least,
    "less_than": _less,
    "less_equal": _at_most,
}


@dataclass(frozen=True, slots=True)
class Compiler:
    """Turns stored criteria into a predicate for one user."""

    fields: FieldSet
    user_id: str

    def predicate(self, criteria: dict[str, Any] | None) -> Predicate:
        """The question that the criteria ask; without criteria every record is selected."""
        if not criteria:
            return lambda _record: True
        if "group" in criteria:
            parts = [self.predicate(part) for part in criteria["group"]]
            if str(criteria.get("group_operator")).lower() == "or":
                return lambda record: any(part(record) for part in parts)
            return lambda record: all(part(record) for part in parts)
        return self._leaf(criteria)

    def _leaf(self, leaf: dict[str, Any]) -> Predicate:
        one = self.fields.get(str(leaf["field"]["api_name"]))
        if one is None:
            raise CriteriaError(str(leaf["field"]["api_name"]))
        comparator, value, get = str(leaf["comparator"]), leaf.get("value"), getter(one)
        if value in (EMPTY, NOT_EMPTY) or comparator in {"is_empty", "is_not_empty"}:
            wants_empty = (value != NOT_EMPTY and comparator != "is_not_empty") != (comparator == "not_equal")
            return lambda record: (get(record) in {None, ""}) == wants_empty
        values = value if isinstance(value, list) else [value]
        wanted = [comparable(one, self.user_id if entry == CURRENT_USER else entry) for entry in values]
        return _ask(comparator, get, wanted)


def _ask(comparator: str, get: Getter, wanted: list[Any]) -> Predicate:
    if comparator in {"between", "not_between"}:
        inside = between(get, wanted[0], wanted[1])
        return inside if comparator == "between" else negated(inside)
    if comparator not in COMPARATORS:
        raise CriteriaError(comparator)
    if len(wanted) == 1:
        return COMPARATORS[comparator](get, wanted[0])
    parts = [COMPARATORS[comparator](get, entry) for entry in wanted]
    if comparator.startswith("not_"):
        return lambda record: all(part(record) for part in parts)
    return lambda record: any(part(record) for part in parts)
