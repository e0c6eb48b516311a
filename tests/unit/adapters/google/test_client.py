"""What the client makes of answers: batches refused, answered in part or not at all; listings and readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from contactsync.adapters.google.binding import Known
from contactsync.domain.contact import Changes
from contactsync.domain.ids import LinkId, PersonId
from contactsync.errors import (
    AccountFullError,
    LeaseLostError,
    OutcomeUnknownError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
)
from contactsync.ports.directory import CreateRequest, PersonUpdate, Refused, WriteOutcome, Written
from tests.unit.adapters.google.people import (
    BIRTHDAY,
    EMAIL,
    GIVEN,
    MOBILE,
    NOTES,
    Google,
    error,
    named,
    new,
    person,
    update_of,
)

STALE = "Request person.etag is different than the current person.etag. Clear local cache and get the latest person."
STALE_SOURCE = STALE.replace("person.etag", "person.metadata.sources.etag")
BAD = error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")


def shape(outcomes: Sequence[WriteOutcome]) -> str:
    """One letter an outcome: w(ritten), s(tale), g(one), r(efused), n(ot sent)."""

    def letter(outcome: WriteOutcome) -> str:
        if isinstance(outcome, Written):
            return "w"
        if outcome.error.reason == "not_sent":
            return "n"
        return "g" if outcome.gone else "s" if outcome.stale else "r"

    return "".join(letter(outcome) for outcome in outcomes)


def created(requests: Sequence[CreateRequest], *, backwards: bool = False) -> tuple[int, dict[str, Any]]:
    """The answer to creates, each with its marker."""
    people = [
        {"person": person(number, clientData=[{"key": "contactsync", "value": str(request.link_id)}])}
        for number, request in enumerate(requests)
    ]
    return 200, {"createdPeople": people[::-1] if backwards else people}


def updated(*numbers: int) -> tuple[int, dict[str, Any]]:
    return 200, {"updateResult": {f"people/c{n}": {"person": person(n, etag="e2")} for n in numbers}}


def contact_errors(errors: Mapping[str, tuple[int, str]]) -> list[dict[str, Any]]:
    kind = "type.googleapis.com/google.people.v1.BatchUpdateContactsErrorDetails"
    return [{"@type": kind, "contactErrors": {key: {"code": code, "message": m} for key, (code, m) in errors.items()}}]


async def updates_of(count: int, changes: Changes | None = None) -> list[PersonUpdate]:
    return [await update_of(person(number), changes or {GIVEN: "Grace"}) for number in range(count)]


class TestCreates:
    async def test_who_was_made_for_whom_is_told_by_the_marker(self) -> None:
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(3)]
        outcomes = await Google([created(requests, backwards=True)]).people().create(requests)
        assert [(o.link_id, o.remote_id) for o in outcomes if isinstance(o, Written)] == [
            (request.link_id, f"people/c{number}") for number, request in enumerate(requests)
        ]

    async def test_the_body_names_both_groups_the_marker_and_the_contact_source_alone(self) -> None:
        request = new({EMAIL: "ada@example.com"})
        google = Google([created([request])])
        await google.people().create([request])
        body = google.body()
        (contact,) = body["contacts"]
        assert contact["contactPerson"] == {
            "emailAddresses": [{"type": "work", "value": "ada@example.com"}],
            "memberships": [
                {"contactGroupMembership": {"contactGroupResourceName": "contactGroups/myContacts"}},
                {"contactGroupMembership": {"contactGroupResourceName": "contactGroups/customers"}},
            ],
            "clientData": [{"key": "contactsync", "value": str(request.link_id)}],
        }
        assert body["sources"] == ["READ_SOURCE_TYPE_CONTACT"]
        assert {"clientData", "metadata", "memberships"} <= set(body["readMask"].split(","))

    async def test_named_contacts_are_taken_out_and_the_rest_is_sent_again(self) -> None:
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(4)]
        refusal = error(400, "INVALID_ARGUMENT", "x", details=contact_errors({"2": (3, "Invalid e-mail")}))
        google = Google([refusal, created([requests[0], requests[1], requests[3]])])
        outcomes = await google.people().create(requests)
        assert shape(outcomes) == "wwrw"
        assert isinstance(outcomes[2], Refused)
        assert outcomes[2].error.details == {"code": 3, "message": "Invalid e-mail"}
        assert len(google.body()["contacts"]) == 3

    async def test_a_refusal_without_names_is_halved_until_the_one_at_fault_stands_alone(self) -> None:
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(4)]
        google = Google([BAD, BAD, BAD, created(requests[1:2]), created(requests[2:])])
        outcomes = await google.people().create(requests)
        assert shape(outcomes) == "rwww"
        assert google.replies == []

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"createdPeople": []},
            {"createdPeople": [{"person": person(1)}]},
            {"createdPeople": [{"person": {"resourceName": "people/c1"}}]},
            {"createdPeople": [{"person": person(1, clientData=[{"key": "contactsync", "value": "mine"}])}]},
            {"createdPeople": "all of them"},
            [],
            "<html>",
        ],
    )
    async def test_an_answer_that_does_not_speak_of_all_leaves_the_outcome_open(self, answer: object) -> None:
        with pytest.raises(OutcomeUnknownError):
            await Google([(200, answer)]).people().create([new({EMAIL: "ada@example.com"})])

    async def test_items_refused_inside_a_success_are_refused(self) -> None:
        requests = [new({EMAIL: "ada@example.com"}), new({EMAIL: "grace@example.com"})]
        status, body = created(requests[:1])
        assert isinstance(body, dict)
        body["createdPeople"].append({"status": {"code": 3, "message": "no"}, "httpStatusCode": 400})
        assert shape(await Google([(status, body)]).people().create(requests)) == "wr"

    async def test_more_than_two_hundred_are_a_mistake_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="201"):
            await Google().people().create([new({EMAIL: "ada@example.com"})] * 201)

    async def test_nothing_asked_is_nothing_sent(self) -> None:
        google = Google()
        people = google.people()
        for outcomes in (await people.create([]), await people.update([]), await people.delete([])):
            assert list(outcomes) == []
        assert google.requests == []


class TestErrorsAmongParts:
    """A first part that was applied is never lost to what meets a later one."""

    async def test_an_error_at_once_is_raised(self) -> None:
        google = Google()
        google.gate.refusals = [RateLimitedError()]
        with pytest.raises(RateLimitedError):
            await google.people().update(await updates_of(2))
        assert google.requests == []

    async def test_what_was_applied_stands_and_the_rest_is_not_sent(self) -> None:
        google = Google([BAD, updated(0, 1)])
        google.gate.refusals = [None, None, LeaseLostError()]
        outcomes = await google.people().update(await updates_of(4))
        assert shape(outcomes) == "wwnn"
        assert all(outcome.stale for outcome in outcomes if isinstance(outcome, Refused))

    async def test_updates_whose_outcome_is_open_are_decided_again(self) -> None:
        google = Google([BAD, updated(0, 1), (503, "<html>")])
        assert shape(await google.people().update(await updates_of(4))) == "wwnn"

    async def test_creates_whose_outcome_is_open_are_looked_up(self) -> None:
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(4)]
        with pytest.raises(OutcomeUnknownError):
            await Google([BAD, created(requests[:2]), (503, "<html>")]).people().create(requests)

    async def test_a_provider_that_refuses_everything_costs_a_bounded_number_of_calls(self) -> None:
        google = Google([BAD] * 100)
        outcomes = await google.people().update(await updates_of(200))
        assert len(google.requests) == 24
        assert set(shape(outcomes)) == {"r", "n"}

    async def test_a_mask_that_google_does_not_know_is_nobodys_fault(self) -> None:
        google = Google([error(400, "INVALID_ARGUMENT", "Invalid updateMask path")])
        with pytest.raises(ProviderContractError):
            await google.people().update(await updates_of(200))


class TestUpdates:
    async def test_both_etags_of_one_reading_are_sent_and_no_memberships(self) -> None:
        google = Google([updated(0)])
        await google.people().update(await updates_of(1))
        (sent,) = google.body()["contacts"].values()
        assert sent == {
            "etag": "%e1",
            "metadata": {"sources": [{"type": "CONTACT", "id": "1", "etag": "#e1"}]},
            "names": [{"givenName": "Grace"}],
        }
        assert google.body()["updateMask"] == "names"

    async def test_a_union_mask_carries_what_did_not_change_as_it_was_read(self) -> None:
        first = person(
            0,
            names=[{"givenName": "Ada", "displayName": "Ada", "unstructuredName": "Ada"}],
            phoneNumbers=[{"value": "020", "type": "pager", "formattedType": "Pager", "canonicalForm": "+4420"}],
        )
        requests = [await update_of(first, {NOTES: "met"}), await update_of(person(1), {GIVEN: "G", MOBILE: "07"})]
        google = Google([updated(0, 1)])
        await google.people().update(requests)
        sent = google.body()["contacts"]["people/c0"]
        assert google.body()["updateMask"] == "biographies,names,phoneNumbers"
        assert sent["names"] == [{"givenName": "Ada", "unstructuredName": "Ada"}]
        assert sent["phoneNumbers"] == [{"value": "020", "type": "pager"}]
        assert sent["biographies"] == [{"value": "met", "contentType": "TEXT_PLAIN"}]

    @pytest.mark.parametrize("message", [STALE, STALE_SOURCE])
    @pytest.mark.parametrize("key", ["people/c1", "c1"])
    async def test_a_stale_person_is_named_in_either_wording(self, message: str, key: str) -> None:
        refusal = error(400, "FAILED_PRECONDITION", message, details=contact_errors({key: (9, message)}))
        outcomes = await Google([refusal, updated(0, 2)]).people().update(await updates_of(3))
        assert shape(outcomes) == "wsw"

    async def test_a_stale_person_that_is_not_named_is_found_by_halving(self) -> None:
        stale = error(400, "FAILED_PRECONDITION", STALE)
        outcomes = await Google([stale, updated(0), stale]).people().update(await updates_of(2))
        assert shape(outcomes) == "ws"

    async def test_an_unknown_person_alone_is_gone(self) -> None:
        outcomes = await Google([error(404, "NOT_FOUND", "not found")]).people().update(await updates_of(1))
        assert shape(outcomes) == "g"

    async def test_an_empty_answer_is_a_success_without_a_new_version(self) -> None:
        (outcome,) = await Google([(200, {})]).people().update(await updates_of(1))
        assert isinstance(outcome, Written)
        assert (outcome.revision, outcome.observation) == ("", None)

    async def test_a_person_missing_in_the_answer_is_read_again(self) -> None:
        assert shape(await Google([updated(0)]).people().update(await updates_of(2))) == "wn"

    async def test_each_item_of_a_success_is_looked_at(self) -> None:
        status, body = updated(0)
        assert isinstance(body, dict)
        body["updateResult"] |= {
            "people/c1": {"status": {"code": 9, "message": STALE}},
            "people/c2": {"status": {"code": 5, "message": "gone"}},
            "people/c3": {"status": {"code": 3, "message": "no"}},
        }
        assert shape(await Google([(status, body)]).people().update(await updates_of(4))) == "wsgr"

    async def test_people_with_two_entries_of_a_singleton_share_no_mask_that_has_it(self) -> None:
        double = person(0, names=[{"givenName": "Ada"}, {"givenName": "Augusta"}])
        requests = [
            await update_of(double, {GIVEN: "Grace", MOBILE: "07"}),
            await update_of(person(1), {GIVEN: "Grace"}),
            await update_of(person(2), {MOBILE: "08"}),
        ]
        google = Google([updated(0), updated(1, 2)])
        outcomes = await google.people().update(requests)
        assert shape(outcomes) == "www"
        masks = {google.body(n)["updateMask"]: sorted(google.body(n)["contacts"]) for n in range(2)}
        assert masks == {"phoneNumbers": ["people/c0"], "names,phoneNumbers": ["people/c1", "people/c2"]}
        assert isinstance(outcomes[0], Written)
        assert outcomes[0].left_out == {GIVEN: "several_entries"}

    async def test_a_birthday_in_words_is_left_alone(self) -> None:
        request = await update_of(person(0, birthdays=[{"text": "in spring"}]), {BIRTHDAY: "1815-12-10"})
        google = Google()
        (outcome,) = await google.people().update([request])
        assert isinstance(outcome, Written)
        assert outcome.left_out == {BIRTHDAY: "date_as_text"}
        assert google.requests == []

    async def test_one_value_too_long_holds_its_person_alone(self) -> None:
        requests = [await update_of(person(0), {GIVEN: "A" * 1025}), await update_of(person(1), {GIVEN: "Grace"})]
        outcomes = await Google([updated(1)]).people().update(requests)
        assert shape(outcomes) == "rw"
        assert isinstance(outcomes[0], Refused)
        assert outcomes[0].error.reason == "value_does_not_fit"
        assert outcomes[0].error.details["row"] == GIVEN

    async def test_a_person_too_large_for_google_is_held(self) -> None:
        request = await update_of(person(0, userDefined=[{"key": "k", "value": "v"}] * 500), {EMAIL: "a@example.com"})
        (outcome,) = await Google().people().update([request])
        assert shape([outcome]) == "r"
        request = await update_of(person(0), {NOTES: "n" * 131_072})
        (outcome,) = await Google().people().update([request])
        assert shape([outcome]) == "r"

    async def test_a_long_note_is_no_reason(self) -> None:
        request = await update_of(person(0), {NOTES: "n" * 20_000})
        assert shape(await Google([updated(0)]).people().update([request])) == "w"


class TestItemsRefusedForNow:
    """One item of an answer may say what otherwise a whole call says: busy, spent, full."""

    @pytest.mark.parametrize("code", [1, 2, 4, 8, 10, 13, 14])
    async def test_an_update_that_failed_for_no_fault_of_the_contact_is_decided_again(self, code: int) -> None:
        status, reply = updated(0)
        body: dict[str, Any] = {"updateResult": {**reply["updateResult"], "people/c1": {"status": {"code": code}}}}
        assert shape(await Google([(status, body)]).people().update(await updates_of(2))) == "wn"

    @pytest.mark.parametrize("code", [8, 10])
    async def test_a_create_that_was_not_begun_is_not_remembered_as_refused(self, code: int) -> None:
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(2)]
        _, reply = created(requests[:1])
        body = {"createdPeople": [*reply["createdPeople"], {"status": {"code": code, "message": "later"}}]}
        assert shape(await Google([(200, body)]).people().create(requests)) == "wn"

    @pytest.mark.parametrize("code", [1, 2, 4, 13, 14])
    async def test_a_create_that_may_have_been_carried_out_is_looked_up(self, code: int) -> None:
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(2)]
        _, reply = created(requests[:1])
        body = {"createdPeople": [*reply["createdPeople"], {"status": {"code": code}}]}
        with pytest.raises(OutcomeUnknownError):
            await Google([(200, body)]).people().create(requests)

    async def test_a_full_account_is_told_by_its_items_too(self) -> None:
        full = {"status": {"code": 8, "message": "MY_CONTACTS_OVERFLOW_COUNT"}}
        requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(2)]
        with pytest.raises(AccountFullError):
            await Google([(200, {"createdPeople": [full, full]})]).people().create(requests)
        _, reply = created(requests[:1])
        body = {"createdPeople": [*reply["createdPeople"], full]}
        assert shape(await Google([(200, body)]).people().create(requests)) == "wn"


class TestDeletes:
    async def test_one_unknown_person_is_done(self) -> None:
        outcomes = await Google([error(404, "NOT_FOUND", "not found")]).people().delete(named(1))
        assert shape(outcomes) == "w"

    async def test_a_batch_with_an_unknown_person_is_read_and_sent_again_without(self) -> None:
        there = {"requestedResourceName": "people/c2", "person": person(2)}
        gone = {"requestedResourceName": "people/c1", "status": {"code": 5}}
        google = Google([error(404, "NOT_FOUND"), (200, {"responses": [there, gone]}), (200, {})])
        assert shape(await google.people().delete(named(1, 2))) == "ww"
        assert google.body() == {"resourceNames": ["people/c2"]}


class TestReads:
    async def test_somebody_who_is_not_answered_for_makes_the_answer_unreadable(self) -> None:
        with pytest.raises(ProviderContractError):
            await Google([(200, {"responses": []})]).people().read([named(1)[0][1]])

    @pytest.mark.parametrize("code", [3, 7, 13, 14])
    async def test_somebody_of_whom_google_cannot_tell_is_not_taken_for_gone(self, code: int) -> None:
        there = {"requestedResourceName": "people/c2", "person": person(2)}
        unclear = {"requestedResourceName": "people/c1", "status": {"code": code, "message": "x"}}
        with pytest.raises(ProviderUnavailableError):
            await Google([(200, {"responses": [there, unclear]})]).people().read([one for _, one in named(1, 2)])

    @pytest.mark.parametrize(
        "broken",
        [
            {"resourceName": "people/c1"},
            {"resourceName": "people/c1", "metadata": []},
            {**person(1), "names": {"givenName": "Ada"}},
            {**person(1), "names": [{"givenName": 7}]},
            {**person(1), "emailAddresses": ["ada@example.com"]},
            {**person(1), "metadata": {"sources": [{"type": "CONTACT", "id": "1"}]}},
            "people/c1",
        ],
    )
    async def test_a_person_who_cannot_be_read_is_never_taken_for_absent(self, broken: object) -> None:
        body = {"connections": [person(2), broken], "nextSyncToken": "t"}
        with pytest.raises(ProviderContractError):
            await Google([(200, body)]).people().list_page(None, None)

    @pytest.mark.parametrize("body", [{}, {"connections": []}, {"connections": {}, "nextSyncToken": "t"}])
    async def test_a_page_without_a_way_on_is_no_end(self, body: object) -> None:
        with pytest.raises(ProviderContractError):
            await Google([(200, body)]).people().list_page(None, None)

    async def test_values_of_the_public_profile_are_not_the_users_own(self) -> None:
        profile = {"metadata": {"source": {"type": "PROFILE", "id": "9"}, "primary": True}}
        shown = person(1, names=[{"givenName": "Ada"}], emailAddresses=[{"value": "own@example.com"}])
        shown["names"].insert(0, {**profile, "givenName": "The Countess"})
        shown["emailAddresses"].insert(0, {**profile, "value": "public@example.com", "type": "work"})
        page = await Google([(200, {"connections": [shown], "nextSyncToken": "t"})]).people().list_page(None, None)
        (seen,) = page.people
        assert seen.values == {GIVEN: "Ada", EMAIL: "own@example.com"}
        assert seen.identity.strong_emails == ("own@example.com",)
        assert seen.identity.name == "Ada"

    @pytest.mark.parametrize("name", ["phoneNumbers", "emailAddresses"])
    async def test_who_has_more_entries_than_a_listing_shows_is_read_by_name(self, name: str) -> None:
        """What a page leaves out would look like something that the user removed."""
        entries = [{"value": f"+4470000{n:05}", "type": "other"} for n in range(100)]
        last = {"value": "+447700900123", "type": "mobile"}
        listed, whole = person(1), person(1, etag="e2")
        listed[name] = whole[name] = entries
        whole["phoneNumbers"] = [*entries, last]
        google = Google(
            [
                (200, {"connections": [listed, person(2, phoneNumbers=[last])], "nextSyncToken": "t"}),
                (200, {"responses": [{"requestedResourceName": "people/c1", "person": whole}]}),
            ]
        )
        page = await google.people().list_page(None, None)
        assert [seen.values[MOBILE] for seen in page.people] == ["+447700900123"] * 2
        assert page.people[0].revision == "#e2"
        assert [call.operation for call in google.gate.calls] == ["people.list", "people.batch_get"]

    async def test_who_is_gone_before_he_can_be_read_by_name_is_shown_as_listed(self) -> None:
        listed = person(1, phoneNumbers=[{"value": f"+4470000{n:05}", "type": "other"} for n in range(100)])
        gone = {"requestedResourceName": "people/c1", "status": {"code": 5}}
        google = Google([(200, {"connections": [listed], "nextSyncToken": "t"}), (200, {"responses": [gone]})])
        assert [one.remote_id for one in (await google.people().list_page(None, None)).people] == ["people/c1"]

    async def test_a_profile_without_a_contact_is_passed_over(self) -> None:
        profile = person(1)
        profile["metadata"]["sources"][0]["type"] = "PROFILE"
        body = {"connections": [profile, person(2)], "nextSyncToken": "t"}
        page = await Google([(200, body)]).people().list_page(None, None)
        assert [seen.remote_id for seen in page.people] == ["people/c2"]

    async def test_the_parameters_of_a_listing_never_change(self) -> None:
        empty = (200, {"nextSyncToken": "t"})
        google = Google([empty] * 3)
        people = google.people()
        await people.list_page(None, None)
        await people.list_page("token", None)
        await people.list_page("token", "page")
        tokens = {"syncToken", "pageToken"}
        fixed = [{k: v for k, v in r.url.params.items() if k not in tokens} for r in google.requests]
        assert fixed[0] == fixed[1] == fixed[2]
        assert fixed[0]["requestSyncToken"] == "true"
        assert fixed[0]["sources"] == "READ_SOURCE_TYPE_CONTACT"
        assert fixed[0]["pageSize"] == "1000"


@dataclass
class Bases:
    """Bases of linked people by CRM field, and who was asked for."""

    of: Mapping[str, Mapping[str, str]]
    asked: list[str] = field(default_factory=list)

    async def known(self, people: Sequence[PersonId]) -> Mapping[PersonId, Known]:
        self.asked += people
        return {name: self._known(self.of[name]) for name in people if name in self.of}

    @staticmethod
    def _known(base: Mapping[str, str]) -> Known:
        return lambda row, text: base.get(row.partition("=")[0]) == text


class TestBases:
    """Where a person leaves a choice among entries, the base of the pair decides."""

    TWO = ({"value": "1", "type": "mobile"}, {"value": "2", "type": "mobile"})

    async def test_a_listing_asks_for_the_bases_of_those_alone_who_leave_a_choice(self) -> None:
        shown = [
            person(1, phoneNumbers=self.TWO),
            person(2, phoneNumbers=self.TWO[:1]),
            person(3, emailAddresses=[{"value": "a@example.com", "type": "home"}]),
            person(4, phoneNumbers=self.TWO, groups=()),
            person(5, phoneNumbers=self.TWO),
        ]
        bases = Bases({"people/c1": {"Mobile": "2"}, "people/c3": {"Email": "a@example.com"}})
        google = Google([(200, {"connections": shown, "nextSyncToken": "t"})])
        page = await google.people(bindings=bases).list_page(None, None)
        assert bases.asked == ["people/c1", "people/c3", "people/c5"]
        assert [dict(seen.values) for seen in page.people] == [
            {MOBILE: "2"},
            {MOBILE: "1"},
            {EMAIL: "a@example.com"},
            {},
            {MOBILE: "1"},
        ]

    async def test_an_update_changes_the_entry_that_was_read_and_the_answer_shows_it(self) -> None:
        bases = Bases({"people/c1": {"Mobile": "2"}})
        raw = person(1, phoneNumbers=self.TWO)
        after = person(1, etag="e2", phoneNumbers=[self.TWO[0], {"value": "3", "type": "mobile"}])
        google = Google(
            [
                (200, {"responses": [{"requestedResourceName": "people/c1", "person": raw}]}),
                (200, {"updateResult": {"people/c1": {"person": after}}}),
            ]
        )
        people = google.people(bindings=bases)
        (snapshot,) = await people.read([PersonId("people/c1")])
        assert snapshot.observation.values == {MOBILE: "2"}
        (outcome,) = await people.update([PersonUpdate(LinkId(uuid4()), snapshot, {MOBILE: "3"})])
        sent = google.body()["contacts"]["people/c1"]["phoneNumbers"]
        assert [entry["value"] for entry in sent] == ["1", "3"]
        assert isinstance(outcome, Written)
        assert outcome.observation is not None
        assert outcome.observation.values == {MOBILE: "3"}

    async def test_without_bases_every_reading_chooses_alike(self) -> None:
        """Else the answer to an update and the next listing would differ, and look like an edit."""
        raw = person(1, phoneNumbers=self.TWO)
        after = person(1, etag="e2", phoneNumbers=[{"value": "3", "type": "mobile"}, self.TWO[1]])
        google = Google(
            [
                (200, {"updateResult": {"people/c1": {"person": after}}}),
                (200, {"connections": [after], "nextSyncToken": "t"}),
            ]
        )
        people = google.people()
        (outcome,) = await people.update([await update_of(raw, {MOBILE: "3"})])
        page = await people.list_page(None, None)
        assert isinstance(outcome, Written)
        assert outcome.observation is not None
        assert outcome.observation.values == page.people[0].values == {MOBILE: "2"}
