"""Choosing among contacts that share a key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.matching import (
    Candidate,
    Doubt,
    NoMatch,
    Same,
    choose,
    first_in_order,
    names_conflict,
    peer_reason,
    same_name,
)
from tests.unit.domain.pairs import NOW, pair, shown


def _crm(record_id: str, name: str, age_days: int = 0) -> Candidate:
    return Candidate(record_id, name, created_at=NOW - timedelta(days=age_days))


def test_nobody_there_is_no_match() -> None:
    assert choose("Ada Lovelace", [], Side.CRM) == NoMatch()


def test_one_candidate_is_the_person_when_the_names_do_not_contradict() -> None:
    assert choose("Ada Lovelace", [_crm("1", "A. King-Lovelace")], Side.CRM) == Same("1")
    assert choose("Ada Lovelace", [_crm("1", "")], Side.CRM) == Same("1")
    assert choose("", [_crm("1", "Bob Miller")], Side.CRM) == Same("1")


def test_two_people_with_one_address_and_different_names_are_never_one() -> None:
    assert choose("Eve Miller", [_crm("1", "Bob Jones")], Side.CRM) == Doubt("1")
    assert choose("Eve Miller", [_crm("1", "Bob Jones"), _crm("2", "Tom Smith", 1)], Side.CRM) == Doubt("2", ("1",))


def test_among_several_the_same_name_goes_first() -> None:
    candidates = [_crm("1", "Ada", 9), _crm("2", "Lovelace, Ada", 1), _crm("3", "Bob", 99)]
    assert choose("Ada Lovelace", candidates, Side.CRM) == Same("2", ("1", "3"))


def test_among_several_in_the_crm_the_oldest_is_taken() -> None:
    candidates = [_crm("3", "Ada", 1), _crm("10", "Ada", 5), _crm("9", "Ada", 5)]
    assert choose("Ada", candidates, Side.CRM) == Same("9", ("10", "3"))


def test_among_several_on_google_a_member_and_then_the_least_id_is_taken() -> None:
    people = [
        Candidate("people/c10", "Ada"),
        Candidate("people/c9", "Ada"),
        Candidate("people/c99", "Ada", in_scope=True),
    ]
    assert choose("Ada", people, Side.GOOGLE) == Same("people/c99", ("people/c9", "people/c10"))


def test_a_contact_declared_to_be_somebody_else_is_no_candidate() -> None:
    assert choose("Ada", [_crm("1", "Ada")], Side.CRM, keep_apart=frozenset({"1"})) == NoMatch()
    assert choose("Ada", [_crm("1", "Ada"), _crm("2", "Ada")], Side.CRM, frozenset({"1"})) == Same("2")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Ada Lovelace", "Charles Babbage"),
        ("J. Smith", "J. Jones"),
        ("Dr. Ada Lovelace", "Dr. Charles Babbage"),
        ("Jan van Dam", "Piet van Os"),
        ("李明", "王芳"),
        ("Иван Петров", "Иванна Сидорова"),
        ("Müller", "Schmidt"),
    ],
)
def test_names_without_a_word_in_common_conflict(a: str, b: str) -> None:
    assert names_conflict(a, b)
    assert names_conflict(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Ada Lovelace", "Countess Lovelace"),
        ("José García", "JOSE GARCIA"),
        ("山田 太郎", "山田太郎"),
        ("山田 花子", "山田太郎"),
        ("Ada", ""),
        ("", ""),
        ("Van", "van"),
        ("J.", "J."),
        ("สมชาย ใจดี", "สมชายใจดี"),
    ],
)
def test_names_with_a_word_in_common_do_not_conflict(a: str, b: str) -> None:
    assert not names_conflict(a, b)
    assert not names_conflict(b, a)


def test_the_same_name_has_the_same_words_in_any_order() -> None:
    assert same_name("Lovelace, Ada", "ada LOVELACE")
    assert same_name("Zoë", "Zoe")
    assert not same_name("Ada", "Ada Lovelace")
    assert not same_name("", "")


def test_a_peer_of_the_same_name_is_ambiguous_and_any_other_a_possible_duplicate() -> None:
    assert peer_reason("Ada Lovelace", "ada lovelace") == "ambiguous_match"
    assert peer_reason("Eve Miller", "Bob Miller") == "possible_duplicate"


def test_a_linked_contact_goes_before_its_peers_and_then_who_waited_longest() -> None:
    early = pair(shown({"Email": "a@x.org"}), pending_since=NOW - timedelta(days=1))
    late = pair(shown({"Email": "a@x.org"}), pending_order=NOW + timedelta(seconds=1))
    older_edit = pair(shown({"Email": "a@x.org"}))
    linked = pair(shown({}), shown({}), pending_since=None, state=PairState.DORMANT)
    assert first_in_order([late, older_edit, early], Side.CRM) is early
    assert first_in_order([late, older_edit], Side.CRM) is older_edit
    assert first_in_order([early, linked], Side.CRM) is linked
    twin = replace(older_edit, link_id=late.link_id)
    assert first_in_order([older_edit, twin], Side.CRM) is min(older_edit, twin, key=lambda link: link.link_id)
