"""Whether a side can hold a value. What does not fit is left out and reported: never cut, altered or invented.

Sources: Zoho CRM API v8, "Insert records" and "Field meta data" (types and lengths); People API, resource `people`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from contactsync.domain.canonical import canonical, partial_date
from contactsync.domain.catalogue import ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.mapping import MappingRow
from contactsync.domain.reasons import Reason


class Fitted(NamedTuple):
    """The text to write (None empties the field), or the reason why nothing is written."""

    text: str | None
    reason: str | None = None


_REFUSED: Final = Fitted(None, Reason.VALUE_DOES_NOT_FIT)

_CRM_EMAIL: Final = re.compile(r"[^@\s,;<>()\"]+@[^@\s,;<>()\"]+\.[^\W\d_]{2,22}")
_CRM_PHONE: Final = re.compile(r"[+(]?[0-9A-Za-z(][0-9A-Za-z \u00a0\-.();,#+]*")
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?")
_URL: Final = re.compile(r"\S+\.\S+")
_DIGIT: Final = re.compile(r"\d")


def fit(row: MappingRow, value: str, to: Side) -> Fitted:
    """The value as `to` can hold it in this row.

    Nothing but a choice of a picklist is ever written differently from how it was typed: there the list's own
    spelling of the same choice is taken.
    """
    if not canonical(row.kind, value):
        if to is Side.CRM and row.crm_mandatory:
            return _REFUSED
        return Fitted(None)
    return _fit_crm(row, value) if to is Side.CRM else _fit_google(row, value)


def _fit_google(row: MappingRow, value: str) -> Fitted:
    if len(value) > row.google_max_length:
        return _REFUSED
    match row.google_field.catalogued.kind:
        case ValueKind.DATE:
            fits = partial_date(value) is not None
        case ValueKind.EMAIL:
            fits = "@" in value
        case _:
            fits = True
    return Fitted(value) if fits else _REFUSED


def _fit_crm(row: MappingRow, value: str) -> Fitted:
    if row.crm_max_length is not None and len(value) > row.crm_max_length:
        return _REFUSED
    kind = row.crm_kind or row.kind
    if kind in {ValueKind.PICKLIST, ValueKind.MULTI_PICKLIST}:
        return _choices(row, value)
    shape = _CRM_SHAPES.get(kind)
    return Fitted(value) if shape is None or shape(value.strip()) else _REFUSED


def _choices(row: MappingRow, value: str) -> Fitted:
    """The list's spelling of each choice; a choice that it has not would be added to the organisation's list."""
    known = {canonical(ValueKind.PICKLIST, choice): choice for choice in row.picklist}
    parts = value.split(";") if (row.crm_kind or row.kind) is ValueKind.MULTI_PICKLIST else [value]
    wanted = [folded for part in parts if (folded := canonical(ValueKind.PICKLIST, part))]
    if any(folded not in known for folded in wanted):
        return _REFUSED
    return Fitted(";".join(known[folded] for folded in wanted))


def _is_day(value: str) -> bool:
    day = partial_date(value)
    return day is not None and day.complete


def _is_phone(value: str) -> bool:
    """Digits, letters, blanks and `+ - . ( ) ; , #`, and at least one digit: prose is refused."""
    return _CRM_PHONE.fullmatch(value) is not None and _DIGIT.search(value) is not None


_CRM_SHAPES: Final[Mapping[ValueKind, Callable[[str], bool]]] = MappingProxyType(
    {
        ValueKind.EMAIL: lambda value: _CRM_EMAIL.fullmatch(value) is not None,
        ValueKind.PHONE: _is_phone,
        ValueKind.DATE: _is_day,
        ValueKind.NUMBER: lambda value: _NUMBER.fullmatch(value) is not None,
        ValueKind.BOOLEAN: lambda value: canonical(ValueKind.BOOLEAN, value) in {"true", "false"},
        ValueKind.URL: lambda value: _URL.fullmatch(value) is not None,
    }
)
