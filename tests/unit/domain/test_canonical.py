"""When two values count as equal."""

from __future__ import annotations

import phonenumbers
import pytest

from contactsync.domain.canonical import canonical, canonical_phone, partial_date
from contactsync.domain.catalogue import ValueKind

K = ValueKind


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (K.TEXT, "Jürgen", "Ju\u0308rgen"),
        (K.TEXT, "  Ada   Lovelace ", "Ada Lovelace"),
        (K.TEXT, "Ada\u00a0Lovelace", "Ada Lovelace"),
        (K.MULTILINE, "a\r\nb", "a\nb"),
        (K.MULTILINE, "a\rb\n", "a\nb"),
        (K.EMAIL, " Ada@Example.ORG ", "ada@example.org"),
        (K.EMAIL, "STRASSE@x.de", "straße@x.de"),
        (K.PHONE, "+1 (415) 555-0100", "+14155550100"),
        (K.PHONE, "(415) 555-0100", "+1 415.555.0100"),
        (K.PHONE, "1-415-555-0100", "+14155550100"),
        (K.PHONE, "+44 (0)20 7946 0958", "+442079460958"),
        (K.PHONE, "0043 1 234567", "+43 1 234567"),
        (K.PHONE, "+1 415 555 0100 ext. 12", "(415) 555-0100 x12"),
        (K.PHONE, "\uff0b\uff11 415 555 0100", "+14155550100"),
        (K.DATE, "1975-6-2", "1975-06-02"),
        (K.DATE, "--6-20", "--06-20"),
        (K.DATETIME, "2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"),
        (K.COMPANY, "ACME  Ltd", "acme ltd"),
        (K.PICKLIST, "MR.", "Mr."),
        (K.PICKLIST, "-None-", ""),
        (K.MULTI_PICKLIST, "b; A", "a;B;b"),
        (K.BOOLEAN, "Yes", "true"),
        (K.NUMBER, "7.50", "+7.5"),
        (K.NUMBER, "-0", "0"),
        (K.URL, "HTTPS://Example.org/", "https://example.org"),
    ],
)
def test_these_count_as_equal(kind: ValueKind, one: str, other: str) -> None:
    region = "AT" if one.startswith("0043") else "US"
    assert canonical(kind, one, region) == canonical(kind, other, region)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (K.TEXT, "ada", "Ada"),
        (K.TEXT, "José", "Jose"),
        (K.MULTILINE, "a  b", "a b"),
        (K.MULTILINE, "a\n\nb", "a\nb"),
        (K.EMAIL, "a.da@example.org", "ada@example.org"),
        (K.PHONE, "+14155550100", "+14155550101"),
        (K.PHONE, "+14155550100", "+14155550100 x1"),
        (K.PHONE, "*#06#", "06"),
        (K.PHONE, "ask reception", "ask the boss"),
        (K.DATE, "--06-20", "1604-06-20"),
        (K.DATE, "--05-17", "--17-05"),
        (K.NUMBER, "75", "7.5"),
        (K.URL, "https://example.org/A", "https://example.org/a"),
        (K.BOOLEAN, "true", "false"),
    ],
)
def test_these_are_different(kind: ValueKind, one: str, other: str) -> None:
    assert canonical(kind, one, "US") != canonical(kind, other, "US")


@pytest.mark.parametrize("kind", list(ValueKind))
@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0"])
def test_blank_values_are_empty(kind: ValueKind, blank: str) -> None:
    assert canonical(kind, blank) == ""


def test_a_number_without_country_code_or_region_stays_its_digits() -> None:
    assert canonical_phone("06 12345678") == "0612345678"
    assert canonical_phone("06 12345678", "NL") == "+31612345678"


def test_a_number_written_with_plus_reads_the_same_with_and_without_the_shortcut() -> None:
    """Numbers of every region and kind: the shortcut for international numbers agrees with the full reading."""
    checked = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (0, 1, 3, 4, 6, 8):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            full = phonenumbers.format_number(phonenumbers.parse(written, None), phonenumbers.PhoneNumberFormat.E164)
            assert canonical_phone(written) == full, region
            checked += 1
    assert checked > 600


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("1975-06-20", "1975-06-20"),
        ("--02-29", "--02-29"),
        ("1975-06", "1975-06"),
        ("1975", "1975"),
        ("2000-02-29", "2000-02-29"),
        (" 1975-6-2 ", "1975-06-02"),
    ],
)
def test_dates_are_known_as_far_as_they_go(text: str, date: str) -> None:
    assert partial_date(text) == date


@pytest.mark.parametrize(
    "text",
    ["1975-13-01", "--02-30", "2001-02-29", "--06", "0000", "summer", "20/06/1975", "19750620", "", "1975-00-01"],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert partial_date(text) is None
