"""What a side can hold: never cut, never altered, never invented."""

from __future__ import annotations

import pytest

from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.fit import Fitted, fit
from contactsync.domain.mapping import GooglePath, MappingRow
from tests.unit.domain.pairs import WIDE_MAPPING

K = ValueKind
REFUSED = Fitted(None, "value_does_not_fit")


def _row(crm_field: str) -> MappingRow:
    row = WIDE_MAPPING.by_crm(crm_field)
    assert row is not None
    return row


def _custom(kind: ValueKind, **facts: object) -> MappingRow:
    field = CrmField(api_name="Custom", label="Custom", kind=kind, custom=True, **facts)  # type: ignore[arg-type]
    return MappingRow.of(field, GooglePath.parse("user_defined[Custom]"))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Title", "x" * 100),
        ("Description", "line\n" * 6_000),
        ("Email", "ada.lovelace+x@analytical.example.co"),
        ("Email", "jürgen@bücher.example"),
        ("Phone", "+43 1 234"),
        ("Phone", "0043 (1) 234-5;12,3#"),
        ("Phone", "(415) 555-0100 ext. 12"),
        ("Fax", "ask reception / 12"),
        ("Date_of_Birth", "1975-06-20"),
        ("Mailing_Street", "1 Main St\nApt 4"),
    ],
)
def test_the_crm_takes_these_as_typed(field: str, text: str) -> None:
    assert fit(_row(field), text, Side.CRM) == Fitted(text)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Title", "x" * 101),
        ("Description", "x" * 32_001),
        ("Email", "ada at example.org"),
        ("Email", "ada@localhost"),
        ("Email", "a@b@c.org"),
        ("Phone", "() Not provided."),
        ("Phone", "ask reception"),
        ("Phone", "*#06#"),
        ("Phone", "+1 415 555 0100 / 0101"),
        ("Date_of_Birth", "--06-20"),
        ("Date_of_Birth", "1975-06"),
        ("Date_of_Birth", "summer"),
        ("Salutation", "Sir"),
    ],
)
def test_the_crm_cannot_hold_these(field: str, text: str) -> None:
    assert fit(_row(field), text, Side.CRM) == REFUSED


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Date_of_Birth", "--06-20"),
        ("Date_of_Birth", "1975"),
        ("Phone", "*#06#"),
        ("Title", "x" * 1024),
        ("Description", "x" * 32_000),
        ("Email", "ada@localhost"),
    ],
)
def test_google_takes_these_as_typed(field: str, text: str) -> None:
    assert fit(_row(field), text, Side.GOOGLE) == Fitted(text)


@pytest.mark.parametrize(
    ("field", "text"),
    [("Title", "x" * 1025), ("Date_of_Birth", "20 June"), ("Email", "nobody"), ("Description", "x" * 65_537)],
)
def test_google_cannot_hold_these(field: str, text: str) -> None:
    assert fit(_row(field), text, Side.GOOGLE) == REFUSED


def test_a_choice_takes_the_spelling_of_the_list() -> None:
    assert fit(_row("Salutation"), "DR.", Side.CRM) == Fitted("Dr.")
    many = _custom(K.MULTI_PICKLIST, picklist=("Red", "Green"))
    assert fit(many, "green; RED", Side.CRM) == Fitted("Green;Red")
    assert fit(many, "green;blue", Side.CRM) == REFUSED


@pytest.mark.parametrize(
    ("kind", "text", "fits"),
    [
        (K.NUMBER, "12.50", True),
        (K.NUMBER, "a dozen", False),
        (K.NUMBER, "1,200", False),
        (K.BOOLEAN, "yes", True),
        (K.BOOLEAN, "maybe", False),
        (K.URL, "example.org/a", True),
        (K.URL, "my site", False),
        (K.TEXT, "anything", True),
    ],
)
def test_custom_fields_are_held_to_their_kind(kind: ValueKind, text: str, *, fits: bool) -> None:
    assert fit(_custom(kind), text, Side.CRM) == (Fitted(text) if fits else REFUSED)
    assert fit(_custom(kind), text, Side.GOOGLE) == Fitted(text)


def test_blank_empties_a_field_but_not_a_mandatory_one() -> None:
    assert fit(_row("Title"), " ", Side.CRM) == Fitted(None)
    assert fit(_row("Last_Name"), "", Side.CRM) == REFUSED
    assert fit(_row("Last_Name"), "", Side.GOOGLE) == Fitted(None)
    assert fit(_custom(K.TEXT, mandatory=True), "", Side.CRM) == REFUSED
