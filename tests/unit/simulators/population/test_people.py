"""Simulated people: repeatable, varied, and acceptable to both vendors."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from simulators.population import Person, people, to_google_person, to_zoho_record

CROWD = people(3000, seed=7)


def test_the_same_seed_gives_the_same_people_and_more_of_them_start_alike() -> None:
    assert people(300, seed=7) == CROWD[:300]
    assert people(300, seed=8) != CROWD[:300]


def test_with_unique_emails_everyone_has_one_and_no_two_share_one() -> None:
    crowd = people(10_000, seed=1, unique_emails=True)
    addresses = [value.casefold() for person in crowd for _, value in person.emails]
    assert all(person.emails for person in crowd)
    assert len(set(addresses)) == len(addresses)


def test_every_hundred_people_hold_the_odd_kinds() -> None:
    hundred = people(100, seed=3)
    assert sum(person == Person() for person in hundred) == 1
    assert sum(not person.emails for person in hundred) >= 11
    assert any(not person.given and not person.family and person.company for person in hundred)
    assert any(person.birthday is not None and person.birthday[1:] == (2, 29) for person in hundred)
    assert any(person.phones and person == Person(phones=person.phones) for person in hundred)


def test_a_crowd_speaks_many_scripts() -> None:
    scripts = {unicodedata.name(letter).split()[0] for person in CROWD for letter in person.given if letter.isalpha()}
    assert {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HANGUL", "THAI"} <= scripts


def test_addresses_are_shared_and_people_doubled_unless_unique() -> None:
    owners = Counter(person.emails[0][1] for person in CROWD if person.emails)
    assert any(count > 1 and address.startswith("info@") for address, count in owners.items())
    assert any(count > 1 and not address.startswith("info@") for address, count in owners.items())


@pytest.mark.parametrize(
    "trait",
    [
        lambda person: len(person.phones) > 1,
        lambda person: len(person.emails) > 1,
        lambda person: any(" x" in value for _, value in person.phones),
        lambda person: any(value.startswith("+") for _, value in person.phones),
        lambda person: any(not value.startswith("+") for _, value in person.phones),
        lambda person: "\n" in person.notes,
        lambda person: person.birthday is not None and person.birthday[0] is None,
        lambda person: person.birthday is not None and person.birthday[0] is not None,
        lambda person: person.prefix and person.custom,
        lambda person: any("\n" in one.street for one in person.addresses),
    ],
)
def test_traits_occur(trait: object) -> None:
    assert callable(trait)
    assert any(trait(person) for person in CROWD)


def test_a_crm_record_always_has_a_last_name_and_no_empty_values() -> None:
    for person in CROWD:
        record = to_zoho_record(person)
        assert record["Last_Name"]
        assert all(record.values())
        assert len(record["Last_Name"]) <= 80


def test_an_empty_person_is_an_empty_google_message() -> None:
    assert to_google_person(Person()) == {}
    birthday = to_google_person(Person(birthday=(None, 2, 29)))
    assert birthday == {"birthdays": [{"date": {"month": 2, "day": 29}}]}
