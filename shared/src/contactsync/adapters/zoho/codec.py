"""Records of the CRM to mapped values and back. Compiled once for a mapping, since a first run decodes 10,000 of them.

A value is kept as typed; a lookup is shown by its name, several choices are joined by `;`. What the CRM cannot hold
is left out with a reason, never cut and never altered. Source: Zoho CRM API v8, "Insert records" (values by data type).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from contactsync.adapters.zoho.instants import header_instant, parse_instant, revision_of
from contactsync.adapters.zoho.protocol import MAX_FIELDS
from contactsync.domain.canonical import canonical, partial_date
from contactsync.domain.catalogue import ValueKind
from contactsync.domain.contact import Changes, Identity, Observation
from contactsync.domain.ids import RowKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import MappingRow, crm_field_of, crm_only_key
from contactsync.domain.reasons import Reason

NO_CHOICE: Final = "-None-"
"""What an empty picklist shows."""

# Beside at most 45 mapped fields: together no more than the CRM lists at once.
_NEEDED: Final = ("Modified_Time", "First_Name", "Last_Name", "Secondary_Email", "Locked__s")
_PHONES: Final = ("Phone", "Mobile", "Home_Phone", "Other_Phone")
"""By which a contact without e-mail is recognised, as far as the 50 fields reach."""
_NOT_HIS_OWN: Final = frozenset({"Asst_Phone", "Fax"})
"""Numbers that several people share."""
_WHOLE: Final = re.compile(r"[+-]?\d{1,9}")
_LONG: Final = re.compile(r"[+-]?\d{10,18}")
_BOOLEANS: Final = {"true": True, "false": False}

Json = Any
Decoder = Callable[[Json], str]
Encoder = Callable[[str], Json]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is sent for one contact, and the mapped fields that are not, each with its reason code."""

    fields: Mapping[str, Json]
    left_out: Mapping[str, str]


class RecordCodec:
    """Translates between records and the values of one mapping."""

    def __init__(self, mapping: FieldMapping) -> None:
        self._rows: dict[RowKey, MappingRow] = {row.key: row for row in mapping.rows}
        self._key_of_field = {row.crm_field: row.key for row in mapping.rows}
        self._learned: dict[str, Encoder] = {}
        readers = [(row.crm_field, row.key, _DECODERS.get(crm_kind(row))) for row in mapping.rows]
        self._plain = tuple([(name, key) for name, key, read in readers if read is None])
        self._special = tuple([(name, key, read) for name, key, read in readers if read is not None])
        self.mapped: Final = tuple(self._key_of_field)
        """The CRM's fields that the mapping names."""
        names = tuple(dict.fromkeys(chain(self._key_of_field, _NEEDED, _PHONES)))[:MAX_FIELDS]
        self._phones = _phone_fields(mapping.rows, names)
        self.fields: Final = ",".join(names)
        """The `fields` parameter of every listing."""

    def decode(self, record: Mapping[str, Json], *, in_scope: bool | None) -> Observation:
        """The record as an observation. Raises KeyError, TypeError or ValueError for one without id or times."""
        modified_at, revision = _instant(record["Modified_Time"])
        values: dict[RowKey, str] = {}
        get = record.get
        for name, key in self._plain:
            value = get(name)
            if value is None:
                continue
            text = value if value.__class__ is str else text_of(value)
            if text:
                values[key] = text
        for name, key, read in self._special:
            text = read(get(name))
            if text:
                values[key] = text
        return Observation(
            remote_id=_record_id(record["id"]),
            revision=revision,
            modified_at=modified_at,
            values=values,
            identity=self._identity(record),
            in_scope=in_scope,
            read_only=Reason.LOCKED if get("Locked__s") is True else None,
        )

    def encode(self, changes: Changes, companies: Mapping[str, str]) -> Encoded:
        """The record fields for `changes`; None empties. `companies` holds account ids by name.

        A key that is no row of the mapping names its CRM field before the `=` (values for new records).
        """
        fields: dict[str, Json] = {}
        left_out: dict[str, str] = {}
        for key, text in changes.items():
            row = self._rows.get(key)
            name = row.crm_field if row is not None else crm_field_of(key)
            kind = crm_kind(row) if row is not None else ValueKind.TEXT
            if text is None:
                fields[name] = None
            elif kind is not ValueKind.COMPANY:
                try:
                    fields[name] = (self._learned.get(name) or _ENCODERS.get(kind, str))(text)
                except ValueError:
                    left_out[key] = Reason.VALUE_DOES_NOT_FIT
            elif text in companies:
                fields[name] = {"id": companies[text]}
            else:
                left_out[key] = Reason.COMPANY_NOT_IN_CRM
        return Encoded(fields, left_out)

    def learn(self, crm_field: str, expected_type: str, sent: Json) -> Json | None:
        """The value sent for a field in the type that the CRM then said it expects; None when there is no such form.

        No metadata is at hand for preset values of new records, and a long number does not tell whether its field
        takes texts ("bigint") or numbers ("double"). What one refusal teaches holds for all later ones.
        """
        mapped = crm_field in self._key_of_field
        encoder = (_EXPECTED_DECIMALS if mapped else _EXPECTED).get(expected_type)
        if encoder is None or not isinstance(sent, str):
            return None
        try:
            value = encoder(sent)
        except ValueError:
            return None
        self._learned[crm_field] = encoder
        return value

    def key_of(self, crm_field: str) -> RowKey:
        """The row of a CRM field; for one outside the mapping, the key that names it alone."""
        return self._key_of_field.get(crm_field) or crm_only_key(crm_field)

    def _identity(self, record: Mapping[str, Json]) -> Identity:
        email, secondary = record.get("Email"), record.get("Secondary_Email")
        return Identity(
            name=full_name(record),
            strong_emails=(email,) if email else (),
            weak_emails=(secondary,) if secondary else (),
            phones=tuple([phone for name in self._phones if (phone := record.get(name))]),
        )


def crm_kind(row: MappingRow) -> ValueKind:
    """What the CRM's own field holds: a row may compare by a stricter kind (a fax number is text to the CRM)."""
    return row.crm_kind or row.kind


def full_name(record: Mapping[str, Json]) -> str:
    """Given and family name, as far as there are any."""
    given, family = record.get("First_Name"), record.get("Last_Name")
    return f"{given} {family}" if given and family else given or family or ""


def text_of(value: Json) -> str:
    """A JSON value of a field as text; empty for one that holds nothing to show."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case {"name": str(name)}:
            return name
        case list():
            return ";".join(text for one in value if (text := text_of(one)))
        case _:
            return ""


def _phone_fields(rows: Sequence[MappingRow], asked: Sequence[str]) -> tuple[str, ...]:
    mapped = {row.crm_field for row in rows if row.kind is ValueKind.PHONE} - _NOT_HIS_OWN
    return tuple(name for name in asked if name in _PHONES or name in mapped)


def _record_id(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("an id is a text")
    return value


@lru_cache(maxsize=4096)
def _instant(text: str) -> tuple[datetime, str]:
    moment = parse_instant(text)
    return moment, revision_of(moment)


def _choice_text(value: Json) -> str:
    return "" if value is None or value == NO_CHOICE else text_of(value)


def _instant_text(value: Json) -> str:
    return "" if value is None else _instant(value)[1]


def _as_boolean(text: str) -> bool:
    folded = canonical(ValueKind.BOOLEAN, text)
    if folded not in _BOOLEANS:
        raise ValueError("neither true nor false")
    return _BOOLEANS[folded]


def _as_number(text: str) -> Json:
    """Whole numbers of up to nine digits and decimals as numbers; longer ones travel as text ("bigint")."""
    stripped = text.strip()
    if _WHOLE.fullmatch(stripped):
        return int(stripped)
    return stripped if _LONG.fullmatch(stripped) else _as_decimal(stripped)


def _as_decimal(text: str) -> float:
    """The number; one that JSON's numbers cannot hold as it is written is refused."""
    number = float(text)
    if number in {float("inf"), float("-inf")} or Decimal(repr(number)) != Decimal(text.strip()):
        raise ValueError("no such number")
    return number


def _as_date(text: str) -> str:
    """A day with its year; the CRM knows no other."""
    day = partial_date(text)
    if day is None or not day.complete:
        raise ValueError("no whole date")
    return str(day)


def _as_choices(text: str) -> list[str]:
    return [one for part in text.split(";") if (one := part.strip())]


def _as_instant(text: str) -> str:
    return header_instant(parse_instant(text))


_DECODERS: Final[Mapping[ValueKind, Decoder]] = {
    ValueKind.PICKLIST: _choice_text,
    ValueKind.DATETIME: _instant_text,
}
_ENCODERS: Final[Mapping[ValueKind, Encoder]] = {
    # The CRM refuses them with the white space that a person left around them; nobody sees it.
    ValueKind.EMAIL: str.strip,
    ValueKind.PHONE: str.strip,
    ValueKind.URL: str.strip,
    ValueKind.BOOLEAN: _as_boolean,
    ValueKind.NUMBER: _as_number,
    ValueKind.DATE: _as_date,
    ValueKind.DATETIME: _as_instant,
    ValueKind.MULTI_PICKLIST: _as_choices,
}
_EXPECTED_DECIMALS: Final[Mapping[str, Encoder]] = {
    "double": _as_decimal,
    "currency": _as_decimal,
    "percent": _as_decimal,
}
_EXPECTED: Final[Mapping[str, Encoder]] = {
    **_EXPECTED_DECIMALS,
    "boolean": _as_boolean,
    "integer": _as_number,
    "bigint": _as_number,
    "jsonarray": _as_choices,
}
"""The types that a refusal names, as far as a text can be given in them."""
