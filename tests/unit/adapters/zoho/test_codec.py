"""Values of every kind, from the CRM and to it."""

from __future__ import annotations

import pytest

from contactsync.adapters.zoho.codec import RecordCodec
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.ids import RowKey
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow
from tests.unit.adapters.zoho.fakes import record

MATCH = MappingRow("Email", GooglePath.parse("email_addresses[work]"), kind=ValueKind.EMAIL)


def field(kind: ValueKind, name: str = "Field") -> tuple[RecordCodec, RowKey]:
    row = MappingRow.of(CrmField(api_name=name, label=name, kind=kind), GooglePath.parse("user_defined[x]"))
    return RecordCodec(Mapping([MATCH, row])), row.key


@pytest.mark.parametrize(
    ("kind", "stored", "text"),
    [
        (ValueKind.TEXT, "as  typed ", "as  typed "),
        (ValueKind.TEXT, None, None),
        (ValueKind.TEXT, "", None),
        (ValueKind.MULTILINE, "a\r\nb", "a\r\nb"),
        (ValueKind.DATE, "1815-12-10", "1815-12-10"),
        (ValueKind.DATETIME, "2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
        (ValueKind.DATETIME, None, None),
        (ValueKind.COMPANY, {"name": "Engines", "id": "5"}, "Engines"),
        (ValueKind.PICKLIST, "Mrs.", "Mrs."),
        (ValueKind.PICKLIST, "-None-", None),
        (ValueKind.MULTI_PICKLIST, ["a", "b"], "a;b"),
        (ValueKind.MULTI_PICKLIST, [], None),
        (ValueKind.BOOLEAN, True, "true"),
        (ValueKind.BOOLEAN, False, "false"),
        (ValueKind.NUMBER, 0, "0"),
        (ValueKind.NUMBER, 12.5, "12.5"),
        (ValueKind.NUMBER, 12.0, "12"),
        (ValueKind.NUMBER, "123456789012345678", "123456789012345678"),
        (ValueKind.TEXT, {"name": "Owner", "id": "5", "email": "o@x.org"}, "Owner"),
        (ValueKind.TEXT, {"id": "5"}, None),
        (ValueKind.TEXT, [{"name": "tag one"}, {"name": "tag two"}], "tag one;tag two"),
    ],
)
def test_a_stored_value_is_shown_as_text(kind: ValueKind, stored: object, text: str | None) -> None:
    codec, key = field(kind)
    assert codec.decode(record(Field=stored), in_scope=None).values.get(key) == text


@pytest.mark.parametrize(
    ("kind", "text", "sent"),
    [
        (ValueKind.TEXT, "as  typed ", "as  typed "),
        (ValueKind.DATE, "1815-12-10", "1815-12-10"),
        (ValueKind.EMAIL, " Ada@example.org\n", "Ada@example.org"),
        (ValueKind.PHONE, "\u00a0+44 113 496 0000 ", "+44 113 496 0000"),
        (ValueKind.URL, " https://example.org", "https://example.org"),
        (ValueKind.DATETIME, "2026-03-01T09:00:00Z", "2026-03-01T09:00:00+00:00"),
        (ValueKind.BOOLEAN, "TRUE", True),
        (ValueKind.BOOLEAN, "no", False),
        (ValueKind.NUMBER, "12", 12),
        (ValueKind.NUMBER, "-12.5", -12.5),
        (ValueKind.NUMBER, "123456789012345678", "123456789012345678"),
        (ValueKind.MULTI_PICKLIST, "a; b;", ["a", "b"]),
        (ValueKind.COMPANY, "Engines", {"id": "55"}),
        (ValueKind.PICKLIST, "Mrs.", "Mrs."),
        (ValueKind.TEXT, None, None),
        (ValueKind.COMPANY, None, None),
        (ValueKind.MULTI_PICKLIST, None, None),
    ],
)
def test_a_text_is_sent_in_the_form_of_its_field(kind: ValueKind, text: str | None, sent: object) -> None:
    codec, key = field(kind)
    encoded = codec.encode({key: text}, {"Engines": "55"})
    assert (encoded.fields, encoded.left_out) == ({"Field": sent}, {})
    assert type(encoded.fields["Field"]) is type(sent)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (ValueKind.DATE, "--12-10", "value_does_not_fit"),
        (ValueKind.DATE, "1815", "value_does_not_fit"),
        (ValueKind.DATE, "1815-02-30", "value_does_not_fit"),
        (ValueKind.DATETIME, "tomorrow", "value_does_not_fit"),
        (ValueKind.BOOLEAN, "perhaps", "value_does_not_fit"),
        (ValueKind.NUMBER, "twelve", "value_does_not_fit"),
        (ValueKind.NUMBER, "nan", "value_does_not_fit"),
        (ValueKind.NUMBER, "1e999", "value_does_not_fit"),
        (ValueKind.COMPANY, "Nobody", "company_not_in_crm"),
    ],
)
def test_what_a_field_cannot_hold_is_left_out_and_never_altered(kind: ValueKind, text: str, reason: str) -> None:
    codec, key = field(kind)
    encoded = codec.encode({key: text}, {})
    assert (encoded.fields, encoded.left_out) == ({}, {key: reason})


def test_a_row_that_compares_as_a_phone_number_sends_what_its_text_field_takes() -> None:
    row = MappingRow.of(CrmField(api_name="Fax", label="Fax"), GooglePath.parse("phone_numbers[workFax]"))
    assert row.kind is ValueKind.PHONE
    assert RecordCodec(Mapping([MATCH, row])).encode({row.key: "ask Ada"}, {}).fields == {"Fax": "ask Ada"}


def test_a_record_without_an_id_or_a_time_is_not_decoded() -> None:
    codec, _ = field(ValueKind.TEXT)
    for broken in (record(id=None), record(Modified_Time=None), {"id": "1"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            codec.decode(broken, in_scope=None)
