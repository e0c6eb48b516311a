"""Every reason code has a sentence that a person can read, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from contactsync.domain.reasons import SENTENCES, USERS_RULES, Reason, sentence
from contactsync.errors import ContactSyncError

_ASKED_FOR = (
    *("possible_duplicate", "in_crm_outside_view", "ambiguous_match", "kept_after_deletion", "adopted"),
    *("company_not_in_crm", "google_account_full", "crm_credits", "google_quota", "awaiting_approval"),
    *("another_program_writes", "value_does_not_fit", "no_permission", "edition_free", "view_gone", "group_gone"),
    *("needs_reconnect", "locked", "not_approved", "missing_scope", "service_disabled", "crm_concurrency"),
)


def _errors(root: type[ContactSyncError]) -> Iterator[type[ContactSyncError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == "contactsync.errors":
            yield from _errors(child)


def test_every_reason_has_two_sentences_that_differ() -> None:
    assert SENTENCES.keys() == {reason.value for reason in Reason}
    for code, text in SENTENCES.items():
        if code:
            assert text.en[0].isupper()
            assert text.en[-1] in ".?"
            assert text.fr[-1] in ".?"
            assert text.en != text.fr


@pytest.mark.parametrize("code", _ASKED_FOR)
def test_the_codes_of_the_interface_are_there(code: str) -> None:
    assert sentence(code) != code


@pytest.mark.parametrize("error", list(_errors(ContactSyncError)), ids=lambda error: error.__name__)
def test_the_reason_of_every_error_can_be_read(error: type[ContactSyncError]) -> None:
    assert sentence(error.reason, "fr") != error.reason


def test_french_spaces_before_signs_do_not_break() -> None:
    for text in SENTENCES.values():
        assert re.search(r" [;:?!»]|« ", text.fr) is None
    assert "\u00a0?" in sentence("possible_duplicate", "fr-CA")


def test_any_other_language_is_english_and_an_unknown_code_is_its_own_text() -> None:
    assert sentence("adopted", "de") == sentence("adopted", "en")
    assert sentence("never_heard_of") == "never_heard_of"


def test_rules_of_the_user_are_known_from_needs() -> None:
    assert "kept_after_deletion" in USERS_RULES
    assert "nothing_identifies" not in USERS_RULES
