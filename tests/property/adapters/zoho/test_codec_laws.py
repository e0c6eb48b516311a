"""Laws of the codec: what it sends is what it reads, and it never invents a field or shortens a value."""

from __future__ import annotations

import os
import string
from datetime import date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contactsync.adapters.zoho import coql
from contactsync.adapters.zoho.codec import RecordCodec
from contactsync.domain.canonical import canonical
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.ids import RowKey
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow

CASES = int(os.environ.get("CASES", "100"))
KINDS = tuple(ValueKind)
COMPANIES = {"Engines Ltd": "55", "Ünïque & Söhne": "66"}


def field_of(kind: ValueKind) -> str:
    return f"Field_{kind}"


ROWS = {
    kind: MappingRow.of(
        CrmField(api_name=field_of(kind), label=field_of(kind), kind=kind), GooglePath.parse(f"user_defined[{kind}]")
    )
    for kind in KINDS
}
KEY_KINDS: dict[RowKey, ValueKind] = {row.key: row.kind for row in ROWS.values()}
MATCH = MappingRow("Email", GooglePath.parse("email_addresses[work]"), kind=ValueKind.EMAIL)
CODEC = RecordCodec(Mapping([MATCH, *ROWS.values()]))

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
choices = st.text(string.ascii_letters + "éü ", min_size=1).filter(lambda text: text == text.strip())
values_by_kind: dict[ValueKind, st.SearchStrategy[str]] = {
    ValueKind.DATE: st.dates(date(1000, 1, 1)).map(date.isoformat),
    ValueKind.DATETIME: st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001  the zone is added
        lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z"
    ),
    ValueKind.COMPANY: st.sampled_from(sorted(COMPANIES)),
    ValueKind.MULTI_PICKLIST: st.lists(choices, min_size=1, unique=True).map(";".join),
    ValueKind.PICKLIST: choices.filter(lambda text: text != "-None-"),
    ValueKind.BOOLEAN: st.sampled_from(["true", "false"]),
    ValueKind.NUMBER: st.integers(-(10**17), 10**17).map(str) | st.decimals(-1000, 1000, places=2).map(str),
}
STRIPPED = (ValueKind.EMAIL, ValueKind.PHONE, ValueKind.URL)
trimmed = texts.map(str.strip).filter(bool)
contacts = st.fixed_dictionaries(
    {}, optional={kind: trimmed if kind in STRIPPED else values_by_kind.get(kind, texts) for kind in KINDS}
)


def stored(sent: dict[str, Any]) -> dict[str, Any]:
    """A record as the CRM would show it after this write: a lookup by name, an empty field as null."""
    names = {account: name for name, account in COMPANIES.items()}
    shown = {
        name: {"name": names[value["id"]], "id": value["id"]} if isinstance(value, dict) else value
        for name, value in sent.items()
    }
    return {"id": "1", "Modified_Time": "2026-03-01T09:00:00+00:00", **shown}


@settings(max_examples=CASES, deadline=None)
@given(contacts)
def test_what_is_sent_is_what_is_read(contact: dict[ValueKind, str]) -> None:
    values = {ROWS[kind].key: text for kind, text in contact.items()}
    encoded = CODEC.encode(values, COMPANIES)
    read = CODEC.decode(stored(dict(encoded.fields)), in_scope=None).values
    assert encoded.left_out == {}
    assert {key: canonical(KEY_KINDS[key], text) for key, text in read.items()} == {
        key: canonical(KEY_KINDS[key], text) for key, text in values.items()
    }
    kept_as_typed = {key for key in values if KEY_KINDS[key] not in values_by_kind}
    assert {key: read[key] for key in kept_as_typed} == {key: values[key] for key in kept_as_typed}


@settings(max_examples=CASES, deadline=None)
@given(st.dictionaries(st.sampled_from(STRIPPED), texts))
def test_addresses_numbers_and_links_are_sent_without_the_white_space_around_them(
    contact: dict[ValueKind, str],
) -> None:
    encoded = CODEC.encode({ROWS[kind].key: text for kind, text in contact.items()}, COMPANIES)
    read = CODEC.decode(stored(dict(encoded.fields)), in_scope=None).values
    assert encoded.left_out == {}
    assert read == {ROWS[kind].key: text.strip() for kind, text in contact.items() if text.strip()}


@settings(max_examples=CASES, deadline=None)
@given(st.dictionaries(st.sampled_from(KINDS), st.none() | st.text(max_size=40)))
def test_every_change_is_sent_whole_or_left_out_with_a_reason(changes: dict[ValueKind, str | None]) -> None:
    encoded = CODEC.encode({ROWS[kind].key: text for kind, text in changes.items()}, COMPANIES)
    sent = {kind for kind in changes if field_of(kind) in encoded.fields}
    left_out = {kind for kind in changes if ROWS[kind].key in encoded.left_out}
    assert sent | left_out == set(changes)
    assert not sent & left_out
    assert set(encoded.fields) == {field_of(kind) for kind in sent}
    assert all(encoded.fields[field_of(kind)] is None for kind, text in changes.items() if text is None)


@settings(max_examples=CASES, deadline=None)
@given(st.text())
def test_a_literal_ends_where_its_value_ends(text: str) -> None:
    """Read as the CRM reads it, quote by quote, the literal is one token and holds the value."""
    literal = coql.quoted(text)
    inner, read, position = literal[1:-1], "", 0
    while position < len(inner):
        assert inner[position] not in "'\\" or inner[position : position + 2] in ("''", "\\\\")
        position += 2 if inner[position] in "'\\" else 1
        read += inner[position - 1]
    assert (literal[0], literal[-1], read) == ("'", "'", text)
