"""Creates, updates, deletes and joins on a simulated account."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from contactsync.domain.ids import PersonId, RowKey
from contactsync.errors import (
    AccountFullError,
    MappingError,
    OutcomeUnknownError,
    ProviderUnavailableError,
    RateLimitedError,
    ScopeGoneError,
)
from contactsync.ports.directory import PersonSnapshot, PersonUpdate, Refused, WriteOutcome, Written
from tests.integration.google.desk import EMAIL, FAMILY, GIVEN, MOBILE, Desk, desk, named, new, updates, whole_listing
from tests.support.vendors import google_people

CREATE, UPDATE, DELETE = "people.batchCreateContacts", "people.batchUpdateContacts", "people.batchDeleteContacts"
MY_CONTACTS = "contactGroups/myContacts"


def written(outcomes: Sequence[WriteOutcome]) -> list[Written]:
    return [outcome for outcome in outcomes if isinstance(outcome, Written)]


def the_refused(outcomes: Sequence[WriteOutcome]) -> list[Refused]:
    return [outcome for outcome in outcomes if isinstance(outcome, Refused)]


def adas(count: int) -> list[dict[str, Any]]:
    return [
        {
            "names": [{"givenName": "Ada", "familyName": f"Number {number}"}],
            "emailAddresses": [{"value": f"ada{number}@example.com", "type": "work"}],
        }
        for number in range(count)
    ]


async def groups_of(bench: Desk, name: str) -> set[str]:
    person = await bench.true_person(name)
    return {item["contactGroupMembership"]["contactGroupResourceName"] for item in person["memberships"]}


class TestCreating:
    async def test_new_contacts_are_in_the_group_and_in_my_contacts_with_one_call(self) -> None:
        async with desk(shuffle_results=True) as bench:
            requests = [new({EMAIL: f"ada{n}@example.com", GIVEN: "Ada", FAMILY: f"Number {n}"}) for n in range(200)]
            outcomes = await bench.people().create(requests)
            assert [outcome.link_id for outcome in outcomes] == [request.link_id for request in requests]
            for request, outcome in zip(requests, outcomes, strict=True):
                assert isinstance(outcome, Written)
                assert outcome.observation is not None
                assert outcome.observation.values == request.values
                assert outcome.observation.in_scope
                assert outcome.revision == outcome.observation.revision
            assert bench.gate.calls == {"people.batch_create": 1}
            assert bench.gate.units == {"read": 6, "write": 6, "daily": 200}
            assert await groups_of(bench, written(outcomes)[0].remote_id) == {bench.book.group, MY_CONTACTS}

    async def test_the_revision_of_the_answer_is_the_one_that_a_listing_shows(self) -> None:
        async with desk() as bench:
            people = bench.people()
            (outcome,) = written(await people.create([new({EMAIL: "ada@example.com"})]))
            page = await people.list_page(None, None)
            assert [person.revision for person in page.people] == [outcome.revision]

    async def test_a_value_that_google_cannot_hold_is_refused_before_anything_is_sent(self) -> None:
        async with desk() as bench:
            good, bad = new({EMAIL: "ada@example.com"}), new({GIVEN: "A" * 1025})
            outcomes = await bench.people().create([bad, good])
            assert isinstance(outcomes[0], Refused)
            assert isinstance(outcomes[0].error, MappingError)
            assert isinstance(outcomes[1], Written)
            assert bench.gate.calls == {"people.batch_create": 1}

    @pytest.mark.parametrize("action", ["cut_after", "truncate", "html200"])
    async def test_a_lost_answer_leaves_the_outcome_open(self, action: str) -> None:
        async with desk() as bench:
            await bench.control.fault(CREATE, action, times=1)
            with pytest.raises(OutcomeUnknownError):
                await bench.people().create([new({EMAIL: "ada@example.com"})])
            assert len(await bench.book.people()) == (0 if action == "html200" else 1)

    async def test_trouble_at_google_leaves_the_outcome_of_a_create_open(self) -> None:
        async with desk() as bench:
            await bench.control.fault(CREATE, "status", status=503)
            with pytest.raises(OutcomeUnknownError):
                await bench.people().create([new({EMAIL: "ada@example.com"})])

    @pytest.mark.parametrize("failures", ["whole", "per_item"])
    async def test_one_contact_that_google_refuses_does_not_keep_the_others(self, failures: str) -> None:
        async with desk(batch_failures=failures, max_field_characters=40) as bench:
            requests = [new({EMAIL: f"ada{n}@example.com"}) for n in range(5)]
            requests.insert(2, new({GIVEN: "longer than this server takes by a word or two"}))
            outcomes = await bench.people().create(requests)
            assert [isinstance(outcome, Written) for outcome in outcomes] == [True, True, False, True, True, True]
            assert the_refused(outcomes)[0].error.reason == "rejected_by_provider"
            assert len(await bench.book.people()) == 5

    async def test_a_full_account_takes_none(self) -> None:
        async with desk(max_contacts=3) as bench:
            await bench.book.add(adas(3))
            with pytest.raises(AccountFullError):
                await bench.people().create([new({EMAIL: "grace@example.com"})])

    async def test_the_quota_of_the_account_itself_is_told_apart(self) -> None:
        async with desk() as bench:
            await bench.control.fault(CREATE, "rate_limit", variant="account")
            with pytest.raises(RateLimitedError) as caught:
                await bench.people().create([new({EMAIL: "grace@example.com"})])
            assert caught.value.reason == "google_account_quota"
            assert caught.value.retry_after_s == 300

    @pytest.mark.parametrize("failures", ["whole", "per_item"])
    async def test_a_group_that_is_gone_is_named_as_the_reason(self, failures: str) -> None:
        async with desk(batch_failures=failures) as bench:
            with pytest.raises(ScopeGoneError) as caught:
                await bench.people(group="contactGroups/abc123").create([new({EMAIL: "grace@example.com"})])
            assert caught.value.reason == "group_gone"
            assert await bench.book.people() == []

    async def test_a_group_too_new_to_be_named_is_waited_for(self) -> None:
        async with desk(group_visibility_delay_s=5) as bench:
            group = await bench.account.create_group("Brand new")
            with pytest.raises(ProviderUnavailableError):
                await bench.people(group=group.group_id).create([new({EMAIL: "grace@example.com"})])


class TestUpdating:
    async def test_only_the_mapped_fields_that_change_are_sent(self) -> None:
        async with desk() as bench:
            (name,) = await bench.book.add(
                [
                    {
                        **adas(1)[0],
                        "phoneNumbers": [
                            {"value": "+44 20 7946 0000", "type": "mobile"},
                            {"value": "+44 20 7946 0001", "type": "pager"},
                        ],
                        "nicknames": [{"value": "Countess"}],
                        "userDefined": [{"key": "Likes", "value": "engines"}],
                    }
                ]
            )
            before = await bench.true_person(name)
            people = bench.people()
            (outcome,) = await people.update(await updates(people, {name: {MOBILE: "+44 20 7946 0999"}}))
            assert isinstance(outcome, Written)
            after = await bench.true_person(name)
            assert {p["type"]: p["value"] for p in after["phoneNumbers"]} == {
                "mobile": "+44 20 7946 0999",
                "pager": "+44 20 7946 0001",
            }
            for untouched in ("names", "nicknames", "userDefined", "emailAddresses", "memberships"):
                assert after[untouched] == before[untouched]
            assert outcome.observation is not None
            assert outcome.observation.values[MOBILE] == "+44 20 7946 0999"

    async def test_different_changes_share_one_call_by_a_union_mask(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(adas(3))
            people = bench.people()
            changes: dict[str, Mapping[RowKey, str | None]] = {
                names[0]: {GIVEN: "Grace"},
                names[1]: {MOBILE: "+44 20 7946 0999"},
                names[2]: {EMAIL: None},
            }
            requests = await updates(people, changes)
            outcomes = written(await people.update(requests))
            assert bench.gate.calls == {"people.batch_get": 1, "people.batch_update": 1}
            seen = [outcome.observation.values for outcome in outcomes if outcome.observation]
            assert seen == [
                {GIVEN: "Grace", FAMILY: "Number 0", EMAIL: "ada0@example.com"},
                {GIVEN: "Ada", FAMILY: "Number 1", EMAIL: "ada1@example.com", MOBILE: "+44 20 7946 0999"},
                {GIVEN: "Ada", FAMILY: "Number 2"},
            ]

    async def test_stale_people_are_taken_out_and_the_rest_is_sent_again(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(adas(5))
            people = bench.people()
            requests = await updates(people, {name: {GIVEN: "Grace"} for name in names})
            await bench.book.edit(names[1], nicknames=[{"value": "edited meanwhile"}])
            await bench.book.delete(names[3])
            outcomes = await people.update(requests)
            assert [isinstance(outcome, Written) for outcome in outcomes] == [True, False, True, False, True]
            stale, gone = the_refused(outcomes)
            assert (stale.stale, stale.gone) == (True, False)
            assert (gone.stale, gone.gone) == (False, True)
            assert bench.gate.calls["people.batch_update"] == 2

    @pytest.mark.parametrize("keys", ["resource_name", "contact_id"])
    @pytest.mark.parametrize("failures", ["whole", "per_item"])
    async def test_whatever_the_form_of_the_refusal_the_stale_one_is_found(self, keys: str, failures: str) -> None:
        async with desk(contact_error_keys=keys, batch_failures=failures) as bench:
            names = await bench.book.add(adas(3))
            people = bench.people()
            requests = await updates(people, {name: {GIVEN: "Grace"} for name in names})
            await bench.book.edit(names[1], nicknames=[{"value": "edited meanwhile"}])
            outcomes = await people.update(requests)
            assert [isinstance(outcome, Written) for outcome in outcomes] == [True, False, True]
            assert the_refused(outcomes)[0].stale

    async def test_joining_a_group_makes_a_person_stale(self) -> None:
        async with desk() as bench:
            (name,) = await bench.book.add(adas(1), in_group=False)
            people = bench.people()
            requests = await updates(people, {name: {GIVEN: "Grace"}})
            await people.join_group(named([name]))
            (outcome,) = await people.update(requests)
            assert isinstance(outcome, Refused)
            assert outcome.stale

    async def test_a_lost_answer_to_an_update_leaves_its_outcome_open(self) -> None:
        async with desk() as bench:
            (name,) = await bench.book.add(adas(1))
            people = bench.people()
            requests = await updates(people, {name: {GIVEN: "Grace"}})
            await bench.control.fault(UPDATE, "cut_after", times=1)
            with pytest.raises(OutcomeUnknownError):
                await people.update(requests)
            assert (await bench.true_person(name))["names"][0]["givenName"] == "Grace"

    async def test_what_is_there_already_is_not_sent(self) -> None:
        async with desk() as bench:
            (name,) = await bench.book.add(adas(1))
            people = bench.people()
            requests = await updates(people, {name: {GIVEN: "Ada", MOBILE: None}})
            (outcome,) = await people.update(requests)
            assert isinstance(outcome, Written)
            assert outcome.revision == requests[0].snapshot.observation.revision
            assert "people.batch_update" not in bench.gate.calls

    async def test_reading_an_old_copy_of_a_person_is_found_out_by_its_etag(self) -> None:
        async with desk(visibility_delay_s=60, stale_reads=True) as bench:
            (name,) = await bench.book.add(adas(1))
            await bench.control.advance(120)
            people = bench.people()
            first = await updates(people, {name: {GIVEN: "Grace"}})
            await people.update(first)
            (outcome,) = await people.update(await updates(people, {name: {GIVEN: "Rosalind"}}))
            assert isinstance(outcome, Refused)
            assert outcome.stale


class TestReading:
    async def test_long_lists_of_names_go_as_post_and_those_who_are_gone_are_absent(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(google_people(450))
            await bench.book.delete(names[7])
            snapshots = await bench.people().read([PersonId(name) for name in names])
            assert {snapshot.observation.remote_id for snapshot in snapshots} == {*names} - {names[7]}
            assert bench.gate.calls == {"people.batch_get": 3}

    async def test_people_outside_the_group_are_read_with_their_values(self) -> None:
        async with desk() as bench:
            (name,) = await bench.book.add(adas(1), in_group=False)
            (snapshot,) = await bench.people().read([PersonId(name)])
            assert snapshot.observation.in_scope is False
            assert snapshot.observation.values[EMAIL] == "ada0@example.com"

    async def test_a_renamed_person_is_found_under_the_old_name(self) -> None:
        async with desk() as bench:
            (name,) = await bench.book.add(adas(1))
            await bench.control.call("POST", f"/accounts/{bench.book.sub}/{name}/rename", {})
            (snapshot,) = await bench.people().read([PersonId(name)])
            assert snapshot.observation.remote_id != name
            assert name in snapshot.observation.previous_ids


class TestDeleting:
    async def test_five_hundred_go_in_one_call(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(google_people(500))
            outcomes = await bench.people().delete(named(names))
            assert len(written(outcomes)) == 500
            assert await bench.book.people() == []
            assert bench.gate.units == {"delete": 10}

    async def test_those_who_are_gone_already_count_as_deleted(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(adas(9))
            for name in names[:2]:
                await bench.book.delete(name)
            outcomes = await bench.people().delete(named(names))
            assert len(written(outcomes)) == 9
            assert await bench.book.people() == []
            assert bench.gate.calls == {"people.batch_delete": 2, "people.batch_get": 1}

    async def test_a_reading_that_lags_does_not_keep_the_others_from_being_deleted(self) -> None:
        async with desk(visibility_delay_s=600, stale_reads=True) as bench:
            names = await bench.book.add(adas(9))
            await bench.control.advance(700)
            await bench.book.delete(names[4])
            outcomes = await bench.people().delete(named(names))
            assert len(written(outcomes)) == 9
            await bench.control.advance(700)
            assert await bench.book.people() == []

    async def test_a_lost_answer_to_a_delete_leaves_its_outcome_open(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(adas(1))
            await bench.control.fault(DELETE, "cut_after", times=1)
            with pytest.raises(OutcomeUnknownError):
                await bench.people().delete(named(names))


class TestJoining:
    async def test_more_than_a_thousand_go_in_several_calls(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(google_people(1001), in_group=False)
            people = bench.people()
            outcomes = await people.join_group(named(names))
            assert len(written(outcomes)) == 1001
            assert bench.gate.calls == {"groups.members_modify": 2}
            assert len(await bench.book.people(in_group=True)) == 1001

    async def test_those_who_are_gone_are_named(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(adas(3), in_group=False)
            await bench.book.delete(names[1])
            outcomes = await bench.people().join_group(named(names))
            assert [isinstance(outcome, Written) for outcome in outcomes] == [True, False, True]
            assert the_refused(outcomes)[0].gone

    async def test_a_group_that_is_gone_pauses_the_configuration(self) -> None:
        async with desk() as bench:
            names = await bench.book.add(adas(1))
            with pytest.raises(ScopeGoneError):
                await bench.people(group="contactGroups/abc123").join_group(named(names))


async def test_a_token_that_was_refused_is_renewed_once() -> None:
    async with desk() as bench:
        bench.book.token = "worn out"
        await bench.book.control.call("GET", "/accounts")
        outcomes = await bench.people().create([new({EMAIL: "ada@example.com"})])
        assert len(written(outcomes)) == 1
        assert bench.tokens.refreshes == 1
        assert bench.gate.calls == {"people.batch_create": 2}


async def test_a_second_run_over_realistic_people_reads_what_the_first_wrote() -> None:
    """Everything that is written is read back as it was written, whoever it is about."""
    async with desk(shuffle_items=True, shuffle_results=True) as bench:
        people = bench.people()
        await bench.book.add(google_people(400))
        pages, _ = await whole_listing(people)
        originals = [person.values for page in pages for person in page.people]
        requests = [new(values) for values in originals]
        outcomes = [*await people.create(requests[:200]), *await people.create(requests[200:])]
        shown = [outcome.observation.values for outcome in written(outcomes) if outcome.observation]
        assert shown == originals
        again, _ = await whole_listing(people)
        by_marker = {person.marker: person.values for page in again for person in page.people if person.marker}
        assert [by_marker[str(request.link_id)] for request in requests] == originals


async def test_a_person_with_two_names_shares_no_mask_with_others() -> None:
    """Google answers two names with a refusal, and one of them alone would be a loss."""
    async with desk() as bench:
        plain, double = await bench.book.add(adas(2))
        people = bench.people()
        requests = await updates(
            people, {plain: {GIVEN: "Grace"}, double: {GIVEN: "Rosalind", MOBILE: "+447946000999"}}
        )
        requests[1] = with_second_name(requests[1])
        outcomes = written(await people.update(requests))
        assert outcomes[1].left_out == {GIVEN: "several_entries"}
        assert (await bench.true_person(plain))["names"][0]["givenName"] == "Grace"
        after = await bench.true_person(double)
        assert after["names"][0]["givenName"] == "Ada"
        assert after["phoneNumbers"][0]["value"] == "+447946000999"


def with_second_name(request: PersonUpdate) -> PersonUpdate:
    """The update of a person who holds two names, as old accounts may; the simulator makes none."""
    raw = dict(request.snapshot.raw)
    raw["names"] = [*raw["names"], {"givenName": "Augusta"}]  # type: ignore[misc]  # a list, as the API promises
    return PersonUpdate(request.link_id, PersonSnapshot(request.snapshot.observation, raw), request.changes)
