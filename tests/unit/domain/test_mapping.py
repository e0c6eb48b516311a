"""Rows, paths and mappings."""

from __future__ import annotations

import pytest

from contactsync.domain.catalogue import GOOGLE_FIELDS, STANDARD_CRM_FIELDS, CrmField, ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.mapping import (
    MAX_ROWS,
    GooglePath,
    InvalidMappingError,
    Mapping,
    MappingRow,
    RowDirection,
    crm_field_of,
    crm_only_key,
    default_mapping,
    google_kind,
    mappable,
    row_kind,
)
from contactsync.domain.policy import Direction
from contactsync.errors import MappingError


@pytest.mark.parametrize(
    "text",
    [
        "names.given_name",
        "email_addresses[work]",
        "phone_numbers[workFax]",
        "addresses[work].city",
        "birthdays",
        "biographies",
        "user_defined[Plan [old]. v2]",
        "im_clients[skype]",
        "organizations.title",
    ],
)
def test_a_path_is_written_as_it_was_read(text: str) -> None:
    assert str(GooglePath.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "names", "names.nose", "phone_numbers", "phone_numbers[]", "phone_numbers[ ]", "birthdays[work]"),
        *("photos", "memberships", "addresses[work]", "addresses.city", "names[work].given_name", "Names.given_name"),
        f"user_defined[{'x' * 101}]",
    ],
)
def test_a_path_that_google_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Google field|path|types?"):
        GooglePath.parse(text)


def test_the_catalogue_names_every_field_once() -> None:
    patterns = [field.pattern for field in GOOGLE_FIELDS]
    assert len(patterns) == len(set(patterns))
    assert {"addresses[*].city", "user_defined[*]", "birthdays", "names.given_name"} <= set(patterns)


def test_a_row_key_names_both_fields() -> None:
    row = MappingRow("Mobile", GooglePath.parse("phone_numbers[mobile]"))
    assert row.key == "Mobile=phone_numbers[mobile]"
    assert crm_field_of(row.key) == crm_field_of(crm_only_key("Mobile")) == "Mobile"
    assert len(row.hash) == 4


def test_rows_of_other_fields_have_other_hashes() -> None:
    rows = [*default_mapping(), *mappable()]
    assert len({row.hash for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("direction", "narrowed", "writable", "to_crm", "to_google"),
    [
        (Direction.TWO_WAY, None, True, True, True),
        (Direction.TWO_WAY, None, False, False, True),
        (Direction.TWO_WAY, RowDirection.CRM_TO_GOOGLE, True, False, True),
        (Direction.TWO_WAY, RowDirection.GOOGLE_TO_CRM, True, True, False),
        (Direction.CRM_TO_GOOGLE, None, True, False, True),
        (Direction.CRM_TO_GOOGLE, RowDirection.GOOGLE_TO_CRM, True, False, False),
        (Direction.GOOGLE_TO_CRM, None, True, True, False),
        (Direction.GOOGLE_TO_CRM, None, False, False, False),
        (Direction.GOOGLE_TO_CRM, RowDirection.CRM_TO_GOOGLE, True, False, False),
    ],
)
def test_a_value_flows_where_configuration_row_and_field_allow(
    direction: Direction, narrowed: RowDirection | None, *, writable: bool, to_crm: bool, to_google: bool
) -> None:
    row = MappingRow("Title", GooglePath.parse("organizations.title"), narrowed, crm_writable=writable)
    assert row.flows_to(Side.CRM, direction) is to_crm
    assert row.flows_to(Side.GOOGLE, direction) is to_google


@pytest.mark.parametrize(
    ("crm", "google", "kind"),
    [
        (ValueKind.TEXT, ValueKind.PHONE, ValueKind.PHONE),
        (ValueKind.TEXT, ValueKind.MULTILINE, ValueKind.MULTILINE),
        (ValueKind.MULTILINE, ValueKind.TEXT, ValueKind.MULTILINE),
        (ValueKind.NUMBER, ValueKind.TEXT, ValueKind.NUMBER),
        (ValueKind.PICKLIST, ValueKind.MULTILINE, ValueKind.PICKLIST),
        (ValueKind.DATE, ValueKind.DATE, ValueKind.DATE),
        (ValueKind.BOOLEAN, ValueKind.EMAIL, None),
        (ValueKind.DATE, ValueKind.PHONE, None),
    ],
)
def test_the_stricter_kind_of_the_two_fields_compares(
    crm: ValueKind, google: ValueKind, kind: ValueKind | None
) -> None:
    assert row_kind(crm, google) is kind


def test_the_default_mapping_holds_names_addresses_and_the_match_pair() -> None:
    mapping = default_mapping()
    assert len(mapping) == 23
    email = mapping.by_crm("Email")
    assert email is not None
    assert str(email.google_field) == "email_addresses[work]"
    assert mapping.by_google("addresses[home].postal_code") is mapping.by_crm("Other_Zip")
    fax = mapping.by_crm("Fax")
    assert fax is not None
    assert (fax.kind, fax.crm_kind) == (ValueKind.PHONE, ValueKind.TEXT)
    assert all(mapping.by_key[row.key] is row and mapping.by_hash(row.hash) is row for row in mapping)


def test_more_fields_are_proposed_beside_the_default_ones() -> None:
    fields = {
        **STANDARD_CRM_FIELDS,
        "Plan": CrmField(api_name="Plan", label="Plan level", custom=True, kind=ValueKind.PICKLIST, picklist=("A",)),
    }
    proposed = {row.crm_field: str(row.google_field) for row in mappable(fields)}
    assert proposed["Plan"] == "user_defined[Plan level]"
    assert proposed["Date_of_Birth"] == "birthdays"
    assert not proposed.keys() & {row.crm_field for row in default_mapping()}
    Mapping([*default_mapping(), *mappable(fields)])


def test_the_default_mapping_follows_the_fields_that_the_organisation_has() -> None:
    fields = {"Last_Name": CrmField(api_name="Last_Name", label="Name", max_length=200, mandatory=True)}
    mapping = default_mapping(fields)
    assert [row.crm_field for row in mapping] == ["Last_Name", "Email"]
    last = mapping.by_crm("Last_Name")
    assert last is not None
    assert last.crm_max_length == 200


def test_a_mapping_survives_json() -> None:
    narrowed = MappingRow.of(
        CrmField(api_name="Owner", label="Owner", writable=False),
        GooglePath.parse("user_defined[Owner]"),
        RowDirection.CRM_TO_GOOGLE,
    )
    mapping = Mapping([*default_mapping(), *mappable(), narrowed])
    again = Mapping.from_json(mapping.to_json())
    assert again == mapping
    assert hash(again) == hash(mapping)
    assert again.rows[-1].key == narrowed.key
    assert not again.rows[-1].open_to_crm


def test_a_person_writes_names_and_the_needed_rows_are_added() -> None:
    mapping = Mapping.build(
        [{"crm_field": "Title", "google_field": "organizations.title", "direction": "crm_to_google"}],
        STANDARD_CRM_FIELDS,
    )
    assert [row.crm_field for row in mapping] == ["Title", "Email", "Last_Name"]
    assert mapping.rows[0].direction is RowDirection.CRM_TO_GOOGLE
    assert mapping.rows[2].crm_mandatory


def test_every_problem_is_listed_by_row() -> None:
    rows = [
        {"crm_field": "Nose", "google_field": "names.given_name"},
        {"crm_field": "Title", "google_field": "organizations.title"},
        {"crm_field": "Date_of_Birth", "google_field": "phone_numbers[work]"},
        {"crm_field": "Mobile", "google_field": "phone_numbers"},
        {"crm_field": "Phone", "google_field": "phone_numbers[work]", "direction": "sideways"},
    ]
    with pytest.raises(InvalidMappingError) as caught:
        Mapping.build(rows, STANDARD_CRM_FIELDS)
    assert [problem.row for problem in caught.value.problems] == [0, 2, 3, 4]
    assert isinstance(caught.value, MappingError)
    assert caught.value.reason == "invalid_mapping"
    assert "'Nose'" in caught.value.problems[0].message


def _codes(rows: list[MappingRow]) -> list[tuple[int | None, str]]:
    with pytest.raises(InvalidMappingError) as caught:
        Mapping(rows)
    return [(problem.row, problem.code) for problem in caught.value.problems]


def _row(crm: str, google: str, **facts: bool) -> MappingRow:
    return MappingRow(crm, GooglePath.parse(google), **facts)  # type: ignore[arg-type]  # flags alone


_EMAIL = _row("Email", "email_addresses[work]")


def test_a_field_cannot_be_mapped_twice() -> None:
    doubled = [_EMAIL, _row("Title", "organizations.title"), _row("Title", "occupations")]
    assert _codes(doubled) == [(2, "crm_field_twice")]
    doubled = [_EMAIL, _row("Title", "organizations.title"), _row("Job", "organizations.title")]
    assert _codes(doubled) == [(2, "google_field_twice")]


def test_the_match_pair_must_be_there() -> None:
    assert _codes([_row("Email", "email_addresses[home]")]) == [(None, "match_pair_missing")]
    assert _codes([]) == [(None, "match_pair_missing")]


def test_there_are_at_most_45_rows() -> None:
    rows = [_EMAIL, *(_row(f"Field{n}", f"user_defined[{n}]") for n in range(MAX_ROWS))]
    assert _codes(rows) == [(None, "too_many_rows")]
    assert len(Mapping(rows[:MAX_ROWS])) == 45


def test_a_read_only_field_that_may_only_flow_to_the_crm_is_refused() -> None:
    row = MappingRow("Owner", GooglePath.parse("user_defined[Owner]"), RowDirection.GOOGLE_TO_CRM, crm_writable=False)
    assert _codes([_EMAIL, row]) == [(1, "no_direction")]


@pytest.mark.parametrize("name", ["", "1st", "a b", "x=y", "Ünïcode", "a" * 101])
def test_a_name_that_the_crm_cannot_have_is_refused(name: str) -> None:
    assert (1, "unknown_crm_field") in _codes([_EMAIL, _row(name, "occupations")])


def test_google_tells_the_kind_of_a_path() -> None:
    assert google_kind(GooglePath.parse("addresses[home].street_address")) is ValueKind.MULTILINE
    assert google_kind(GooglePath.parse("events[anniversary]")) is ValueKind.DATE
