"""Digest sets and match keys."""

from __future__ import annotations

import pytest

from contactsync.domain.canonical import CANONICAL_VERSION
from contactsync.domain.contact import Identity
from contactsync.domain.digests import EMPTY_DIGESTS, Digester, DigestSet
from contactsync.domain.keys import KeyKind
from contactsync.domain.mapping import Mapping
from tests.unit.domain.pairs import DIGESTER, MAPPING, digests, keyed


def test_every_row_has_an_entry_and_an_empty_field_is_known_to_be_empty() -> None:
    made = digests({"Title": "Countess"})
    assert len(made) == len(MAPPING)
    department = MAPPING.by_crm("Department")
    assert department is not None
    assert made.get(department.key) == DIGESTER.empty
    assert EMPTY_DIGESTS.get(department.key) is None


def test_equal_values_have_equal_digests_whatever_the_row() -> None:
    made = digests({"Title": "Countess", "Department": " Countess "})
    title, department = MAPPING.by_crm("Title"), MAPPING.by_crm("Department")
    assert title is not None
    assert department is not None
    assert made.get(title.key) == made.get(department.key) == DIGESTER.field(title, "Countess") != DIGESTER.empty


def test_another_key_makes_other_digests() -> None:
    other = Digester(b"another key of this length")
    values = keyed({"Title": "Countess"})
    assert other.digest_set(MAPPING, values) != DIGESTER.digest_set(MAPPING, values)
    assert other.empty != DIGESTER.empty


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Digester(b"short")


def test_a_set_is_stored_as_one_version_byte_and_twelve_bytes_a_row() -> None:
    packed = digests({"Title": "Countess"}).pack()
    assert packed[0] == CANONICAL_VERSION
    assert len(packed) == 1 + 12 * len(MAPPING)
    entries = [packed[at : at + 4] for at in range(1, len(packed), 12)]
    assert entries == sorted(entries)
    assert DigestSet.unpack(packed) == digests({"Title": "Countess"})


@pytest.mark.parametrize("packed", [b"", bytes([CANONICAL_VERSION]), bytes([0])])
def test_nothing_stored_is_the_empty_set(packed: bytes) -> None:
    assert DigestSet.unpack(packed) is EMPTY_DIGESTS
    assert not EMPTY_DIGESTS


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="14 bytes"):
        DigestSet.unpack(bytes(14))


def test_entries_of_an_older_normalisation_answer_nothing_and_are_still_there() -> None:
    packed = digests({"Title": "Countess"}).pack()
    older = DigestSet.unpack(bytes([CANONICAL_VERSION - 1]) + packed[1:])
    assert older
    assert len(older) == len(MAPPING)
    assert not older.current
    assert older.get(MAPPING.rows[0].key) is None
    assert older.pack()[1:] == packed[1:]


def test_a_row_that_is_removed_takes_its_entry_along() -> None:
    fewer = Mapping(row for row in MAPPING if row.crm_field != "Title")
    made = digests({"Title": "Countess"}).restricted(fewer)
    assert len(made) == len(fewer)
    assert made.restricted(fewer) is made


# --- match keys -----------------------------------------------------------------------------------------------------


def test_an_address_has_one_digest_whatever_its_kind_and_writing() -> None:
    strong = DIGESTER.match_keys(Identity(strong_emails=("Ada@Example.org ",)))
    weak = DIGESTER.match_keys(Identity(weak_emails=("ada@example.ORG",)))
    assert [key.kind for key in strong + weak] == [KeyKind.STRONG_EMAIL, KeyKind.WEAK_EMAIL]
    assert strong[0].digest == weak[0].digest
    assert len(strong[0].digest) == 16


def test_each_phone_makes_a_key_together_with_the_name() -> None:
    ada = DIGESTER.match_keys(Identity(name="Ada  Lovelace", phones=("+1 415 555 0100", "(415) 555-0101")))
    again = DIGESTER.match_keys(Identity(name="ada lovelace", phones=("415-555-0101",)))
    assert [key.kind for key in ada] == [KeyKind.NAME_PHONE, KeyKind.NAME_PHONE]
    assert set(again) <= set(ada)
    bob = DIGESTER.match_keys(Identity(name="Bob Miller", phones=("415-555-0101",)))
    assert not set(bob) & set(ada)


def test_keys_come_strong_first_and_once() -> None:
    identity = Identity(
        name="Ada", strong_emails=("a@x.org", "A@x.org"), weak_emails=("b@x.org",), phones=("4155550100",)
    )
    assert [key.kind for key in DIGESTER.match_keys(identity)] == [
        KeyKind.STRONG_EMAIL,
        KeyKind.WEAK_EMAIL,
        KeyKind.NAME_PHONE,
    ]


@pytest.mark.parametrize(
    "identity",
    [
        Identity(strong_emails=("n/a",)),
        Identity(strong_emails=("none", "@", "a@", "@x.org", "a b@x.org")),
        Identity(name="Ada", phones=("112", "call me")),
        Identity(phones=("+14155550100",)),
        Identity(name="Ada Lovelace"),
        Identity(),
    ],
)
def test_what_many_people_share_identifies_nobody(identity: Identity) -> None:
    assert DIGESTER.match_keys(identity) == ()
