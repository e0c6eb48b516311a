"""Which entry a row speaks of, and what a change does to a person."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from contactsync.adapters.google.binding import Known
from contactsync.adapters.google.codec import PersonCodec, identity_of
from contactsync.domain.contact import Changes
from contactsync.domain.ids import RowKey
from contactsync.errors import MappingError
from tests.unit.adapters.google.people import (
    ASSISTANT,
    BIRTHDAY,
    CITY,
    COMPANY,
    COUNTRY,
    EMAIL,
    FAMILY,
    GIVEN,
    LIKES,
    MOBILE,
    NOTES,
    SECOND_EMAIL,
    SKYPE,
    TITLE,
    WORK_PHONE,
    person,
    wide_mapping,
)

CODEC = PersonCodec(wide_mapping(), "GB")
PRIMARY: dict[str, Any] = {"metadata": {"primary": True, "source": {"type": "CONTACT", "id": "1"}}}


def values(known: Known | None = None, **fields: Any) -> dict[RowKey, str]:  # noqa: ANN401  JSON of any shape
    return CODEC.values(person(1, **fields), known)[0]


def is_base(**texts: str) -> Known:
    """The question whether a text is the base of a row; rows are named by their CRM field."""
    return lambda row, text: texts.get(row.partition("=")[0]) == text


def changed(changes: Changes, known: Known | None = None, **fields: Any) -> Mapping[str, Any]:  # noqa: ANN401  JSON of any shape
    return CODEC.patch(person(1, **fields), changes, known).fields


class TestEntries:
    def test_an_entry_of_the_type_is_the_one(self) -> None:
        phones = [{"value": "1", "type": "mobile"}, {"value": "2", "type": "work"}, {"value": "3", "type": "pager"}]
        assert values(phoneNumbers=phones) == {MOBILE: "1", WORK_PHONE: "2"}

    def test_among_several_the_base_then_the_primary_then_the_least_never_the_first(self) -> None:
        plain = [{"value": text, "type": "mobile"} for text in ("+442079460003", "+442079460001", "+442079460002")]
        primary = [*plain[:2], {**plain[2], **PRIMARY}]
        for order in permutations(range(3)):
            assert values(phoneNumbers=[plain[i] for i in order])[MOBILE] == "+442079460001"
            assert values(phoneNumbers=[primary[i] for i in order])[MOBILE] == "+442079460002"
            known = is_base(Mobile="+442079460003")
            assert values(known, phoneNumbers=[primary[i] for i in order])[MOBILE] == "+442079460003"

    def test_an_address_without_a_type_counts_as_work(self) -> None:
        assert values(emailAddresses=[{"value": "a@example.com"}]) == {EMAIL: "a@example.com"}

    def test_without_a_work_address_the_one_that_the_pair_was_matched_by_is_bound(self) -> None:
        emails = [{"value": "b@example.com", "type": "home"}, {"value": "a@example.com", "type": "other"}]
        assert values(emailAddresses=emails) == {SECOND_EMAIL: "b@example.com"}
        assert values(is_base(Email="a@example.com"), emailAddresses=emails) == {
            EMAIL: "a@example.com",
            SECOND_EMAIL: "b@example.com",
        }

    def test_no_two_rows_share_an_entry(self) -> None:
        emails = [{"value": "a@example.com", "type": "home"}]
        assert values(is_base(Email="a@example.com"), emailAddresses=emails) == {EMAIL: "a@example.com"}

    def test_parts_of_an_address_come_from_one_entry(self) -> None:
        addresses = [
            {"type": "work", "city": "Paris", "country": "France"},
            {"type": "work", "city": "Berlin", "country": "Germany", **PRIMARY},
        ]
        assert values(addresses=addresses) == {CITY: "Berlin", COUNTRY: "Germany"}
        known = is_base(Mailing_City="Paris", Mailing_Country="Belgium")
        assert values(known, addresses=addresses) == {CITY: "Paris", COUNTRY: "France"}

    def test_company_and_title_come_from_one_entry(self) -> None:
        organizations = [{"name": "Analytical", "title": "Countess"}, {"name": "Zeta"}]
        assert values(organizations=organizations) == {COMPANY: "Analytical", TITLE: "Countess"}

    def test_custom_fields_messengers_and_relations_have_their_own_names(self) -> None:
        assert values(
            userDefined=[{"key": "Likes", "value": "engines"}, {"key": "Hates", "value": "noise"}],
            imClients=[{"username": "ada", "protocol": "skype"}],
            relations=[{"person": "Mary", "type": "assistant"}, {"person": "Anne", "type": "child"}],
        ) == {LIKES: "engines", SKYPE: "ada", ASSISTANT: "Mary"}

    @pytest.mark.parametrize(
        ("date", "text"),
        [
            ({"year": 1815, "month": 12, "day": 10}, "1815-12-10"),
            ({"month": 12, "day": 10}, "--12-10"),
            ({"year": 0, "month": 2, "day": 29}, "--02-29"),
            ({"year": 1815}, "1815"),
            ({"year": 1815, "month": 12}, "1815-12"),
        ],
    )
    def test_dates_have_four_forms(self, date: Mapping[str, int], text: str) -> None:
        assert values(birthdays=[{"date": date}]) == {BIRTHDAY: text}
        shown = {name: number for name, number in date.items() if number}
        assert changed({BIRTHDAY: text}) == {"birthdays": [{"date": shown}]}

    @pytest.mark.parametrize("text", ["1815-13-01", "1815-02-29", "--02-30", "10.12.1815", "1815-1-", "", "+815-01-01"])
    def test_what_is_no_date_is_not_written(self, text: str) -> None:
        if not text:
            assert changed({BIRTHDAY: text}) == {}
            return
        with pytest.raises(MappingError):
            changed({BIRTHDAY: text})

    def test_blanks_are_no_value(self) -> None:
        assert values(names=[{"givenName": " ", "familyName": "Lovelace"}]) == {FAMILY: "Lovelace"}


class TestIdentity:
    def test_addresses_of_work_or_no_type_are_strong(self) -> None:
        emails = [
            {"value": "h@example.com", "type": "home"},
            {"value": "w@example.com", "type": "work"},
            {"value": "n@example.com"},
            {"value": "c@example.com", "type": "Boat"},
        ]
        seen = identity_of(person(1, emailAddresses=emails, phoneNumbers=[{"value": "1", "type": "pager"}]))
        assert seen.strong_emails == ("w@example.com", "n@example.com")
        assert seen.weak_emails == ("h@example.com", "c@example.com")
        assert seen.phones == ("1",)

    def test_a_name_is_what_the_crm_would_call_it(self) -> None:
        name = {"givenName": "Ada", "familyName": "Lovelace", "displayName": "Lady Ada Lovelace"}
        assert identity_of(person(1, names=[name])).name == "Ada Lovelace"
        assert identity_of(person(1, names=[{"displayName": "Ada"}])).name == "Ada"
        assert identity_of(person(1)).name == ""


class TestChanges:
    def test_a_change_keeps_label_and_whatever_else_the_entry_holds(self) -> None:
        emails = [{"value": "old@example.com", "type": "work", "displayName": "Ada at work", "formattedType": "Work"}]
        assert changed({EMAIL: "new@example.com"}, emailAddresses=emails) == {
            "emailAddresses": [{"value": "new@example.com", "type": "work", "displayName": "Ada at work"}]
        }

    def test_an_untyped_address_stays_untyped(self) -> None:
        assert changed({EMAIL: "new@example.com"}, emailAddresses=[{"value": "old@example.com"}]) == {
            "emailAddresses": [{"value": "new@example.com"}]
        }

    def test_without_an_entry_of_the_type_one_is_appended(self) -> None:
        phones = [{"value": "1", "type": "pager"}]
        assert changed({MOBILE: "2"}, phoneNumbers=phones) == {
            "phoneNumbers": [{"value": "1", "type": "pager"}, {"type": "mobile", "value": "2"}]
        }

    def test_a_value_held_under_another_type_is_not_added_again(self) -> None:
        phones = [{"value": "020 7946 0000", "type": "pager"}]
        assert changed({MOBILE: "+44 20 7946 0000"}, phoneNumbers=phones) == {}
        emails = [{"value": "ADA@example.com", "type": "other"}]
        assert changed({EMAIL: "ada@example.com"}, emailAddresses=emails) == {}

    def test_a_value_that_gives_way_in_the_same_change_is_no_reason(self) -> None:
        phones = [{"value": "1", "type": "work"}]
        assert changed({WORK_PHONE: "2", MOBILE: "1"}, phoneNumbers=phones) == {
            "phoneNumbers": [{"value": "2", "type": "work"}, {"type": "mobile", "value": "1"}]
        }

    def test_another_entry_of_the_type_that_has_the_value_already_is_enough(self) -> None:
        emails = [{"value": "a@example.com", "type": "work"}, {"value": "b@example.com", "type": "work"}]
        assert changed({EMAIL: "b@example.com"}, emailAddresses=emails) == {}

    def test_of_two_equal_values_that_come_together_the_first_is_added(self) -> None:
        once = {"phoneNumbers": [{"type": "work", "value": "020 7946 0000"}]}
        twice: dict[RowKey, str | None] = {WORK_PHONE: "020 7946 0000", MOBILE: "+44 20 7946 0000"}
        assert changed(twice) == once
        assert CODEC.person_of({key: text for key, text in twice.items() if text}) == once
        assert CODEC.person_of({WORK_PHONE: "1", MOBILE: "2"}) == {
            "phoneNumbers": [{"type": "work", "value": "1"}, {"type": "mobile", "value": "2"}]
        }

    def test_an_emptied_value_takes_its_entry_along_and_no_other(self) -> None:
        phones = [{"value": "1", "type": "mobile"}, {"value": "2", "type": "mobile", **PRIMARY}]
        assert changed({MOBILE: None}, phoneNumbers=phones) == {"phoneNumbers": [{"value": "1", "type": "mobile"}]}
        assert changed({MOBILE: None}, phoneNumbers=[{"value": "1", "type": "pager"}]) == {}

    def test_a_part_that_is_emptied_leaves_the_others(self) -> None:
        addresses = [{"type": "work", "city": "Paris", "country": "France", "poBox": "7"}]
        assert changed({CITY: None}, addresses=addresses) == {
            "addresses": [{"type": "work", "country": "France", "poBox": "7"}]
        }
        assert changed({CITY: None, COUNTRY: None}, addresses=[addresses[0] | {"poBox": ""}])["addresses"] == []

    def test_what_google_computes_from_a_part_is_not_sent_with_another_part(self) -> None:
        address = {"type": "work", "city": "Paris", "country": "France", "countryCode": "FR", "formattedValue": "Paris"}
        assert changed({CITY: "Lyon"}, addresses=[address]) == {
            "addresses": [{"type": "work", "city": "Lyon", "country": "France", "countryCode": "FR"}]
        }
        assert changed({COUNTRY: "Belgium"}, addresses=[address]) == {
            "addresses": [{"type": "work", "city": "Paris", "country": "Belgium"}]
        }

    def test_an_address_next_to_a_changed_one_goes_back_whole(self) -> None:
        addresses = [
            {"type": "work", "city": "Paris", "formattedValue": "Paris"},
            {"type": "boat", "formattedValue": "Quai 7", "formattedType": "Boat"},
        ]
        assert changed({CITY: "Lyon"}, addresses=addresses)["addresses"][1] == {
            "type": "boat",
            "formattedValue": "Quai 7",
        }

    def test_an_address_written_as_one_text_is_not_replaced_by_a_part(self) -> None:
        addresses = [{"type": "work", "formattedValue": "Behind the church, Ockham"}]
        assert changed({CITY: "Ockham"}, addresses=addresses) == {
            "addresses": [
                {"type": "work", "formattedValue": "Behind the church, Ockham"},
                {"type": "work", "city": "Ockham"},
            ]
        }

    def test_a_changed_name_sends_components_alone(self) -> None:
        name = {
            "givenName": "Ada",
            "familyName": "Byron",
            "middleName": "King",
            "displayName": "Ada King Byron",
            "displayNameLastFirst": "Byron, Ada King",
            "unstructuredName": "Ada King Byron",
            "metadata": {"primary": True, "sourcePrimary": True, "source": {"type": "CONTACT", "id": "1"}},
        }
        assert changed({FAMILY: "Lovelace"}, names=[name]) == {
            "names": [
                {
                    "givenName": "Ada",
                    "familyName": "Lovelace",
                    "middleName": "King",
                    "metadata": {"sourcePrimary": True},
                }
            ]
        }

    def test_a_title_lives_in_the_entry_of_the_company(self) -> None:
        organizations = [{"name": "Analytical", "costCenter": "7", "current": True}]
        assert changed({TITLE: "Countess"}, organizations=organizations) == {
            "organizations": [{"name": "Analytical", "costCenter": "7", "current": True, "title": "Countess"}]
        }
        assert changed({COMPANY: None}, organizations=[{"name": "Analytical", "current": True}]) == {
            "organizations": []
        }

    def test_a_note_becomes_plain_text_when_it_is_written(self) -> None:
        notes = [{"value": "<b>old</b>", "contentType": "TEXT_HTML"}]
        assert changed({NOTES: "new"}, biographies=notes) == {
            "biographies": [{"value": "new", "contentType": "TEXT_PLAIN"}]
        }

    def test_a_birthday_loses_the_words_that_said_it(self) -> None:
        birthdays = [{"date": {"year": 1815, "month": 12, "day": 10}, "text": "10 December 1815"}]
        assert changed({BIRTHDAY: "1815-12-11"}, birthdays=birthdays) == {
            "birthdays": [{"date": {"year": 1815, "month": 12, "day": 11}}]
        }

    def test_a_value_that_is_there_already_is_no_change(self) -> None:
        name = {"givenName": "Ada", "unstructuredName": "Ada"}
        assert changed({GIVEN: "Ada"}, names=[name]) == {}

    def test_the_entry_that_was_bound_is_the_one_that_changes(self) -> None:
        phones = [{"value": "1", "type": "mobile", **PRIMARY}, {"value": "2", "type": "mobile"}]
        assert changed({MOBILE: "3"}, is_base(Mobile="2"), phoneNumbers=phones) == {
            "phoneNumbers": [{"value": "1", "type": "mobile"}, {"value": "3", "type": "mobile"}]
        }

    def test_texts_of_1024_characters_fit_and_longer_ones_do_not(self) -> None:
        assert changed({GIVEN: "A" * 1024})
        with pytest.raises(MappingError) as caught:
            changed({GIVEN: "A" * 1025})
        assert caught.value.details == {"row": GIVEN, "characters": 1025, "limit": 1024}
