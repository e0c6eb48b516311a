"""Creates, updates and deletes: what is sent, and what becomes of each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import pytest

from contactsync.adapters.zoho.refusals import ITEM_REASONS
from contactsync.domain.ids import RecordId, RowKey
from contactsync.domain.reasons import SENTENCES
from contactsync.errors import (
    ContactSyncError,
    LeaseLostError,
    OutcomeUnknownError,
    PermissionMissingError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
)
from contactsync.ports.directory import CreateRequest, RecordUpdate, Refused, WriteOutcome, Written
from tests.unit.adapters.zoho.fakes import REVISION, Crm, Reply, breaks, failure, instant, link, problem, reply, success

LAST = RowKey("Last_Name=names.family_name")
FIRST = RowKey("First_Name=names.given_name")
EMAIL = RowKey("Email=email_addresses[work]")
MOBILE = RowKey("Mobile=phone_numbers[mobile]")
COMPANY = RowKey("Account_Name=organizations.name")
SINCE = instant("2026-03-01T10:00:00.900+01:00")


async def create(
    crm: Crm, *contacts: dict[RowKey, str], companies: dict[str, str] | None = None
) -> Sequence[WriteOutcome]:
    return await crm.contacts.create([CreateRequest(link(), one) for one in contacts], companies=companies or {})


async def update(
    crm: Crm, *changes: Mapping[RowKey, str | None], companies: dict[str, str] | None = None
) -> Sequence[WriteOutcome]:
    requests = [RecordUpdate(link(), RecordId(str(n)), one) for n, one in enumerate(changes)]
    return await crm.contacts.update(requests, unmodified_since=SINCE, companies=companies or {})


def refused(outcome: WriteOutcome) -> Refused:
    assert isinstance(outcome, Refused)
    return outcome


def written(outcome: WriteOutcome) -> Written:
    assert isinstance(outcome, Written)
    return outcome


class TestWhatIsSent:
    async def test_a_create_stops_all_automation_and_names_no_layout(self) -> None:
        crm = Crm(reply({"data": [success("7")]}, 201))
        (outcome,) = await create(crm, {LAST: "Lovelace", COMPANY: "Engines"}, companies={"Engines": "55"})
        assert crm.body() == {
            "data": [{"Last_Name": "Lovelace", "Account_Name": {"id": "55"}}],
            "trigger": [],
            "skip_feature_execution": [{"name": "cadences"}],
        }
        assert (crm.requests[0].method, crm.requests[0].url.path) == ("POST", "/crm/v8/Contacts")
        assert (crm.gate.calls[0].mutates, crm.gate.credits) == (True, 1)
        assert (written(outcome).remote_id, written(outcome).revision, written(outcome).modified_at) == (
            "7",
            REVISION,
            instant(REVISION),
        )
        assert written(outcome).observation is None

    async def test_automation_runs_when_it_is_asked_for(self) -> None:
        crm = Crm(reply({"data": [success("7")]}, 201), reply({"data": [success("7")]}), automation=True)
        await create(crm, {LAST: "Lovelace"})
        assert crm.body() == {"data": [{"Last_Name": "Lovelace"}]}
        await crm.contacts.delete([(link(), RecordId("7"))])
        assert crm.query() == {"ids": "7"}

    async def test_an_update_carries_the_changed_fields_alone_and_null_empties(self) -> None:
        crm = Crm(reply({"data": [success("0"), success("1")]}))
        await update(crm, {FIRST: "Ada", MOBILE: None}, {COMPANY: None})
        assert crm.body()["data"] == [
            {"id": "0", "First_Name": "Ada", "Mobile": None},
            {"id": "1", "Account_Name": None},
        ]
        assert crm.requests[0].method == "PUT"
        assert crm.requests[0].headers["If-Unmodified-Since"] == "2026-03-01T09:00:00+00:00"

    async def test_a_delete_runs_no_workflow(self) -> None:
        crm = Crm(reply({"data": [success("1"), success("2")]}))
        outcomes = await crm.contacts.delete([(link(), RecordId("1")), (link(), RecordId("2"))])
        assert crm.query() == {"ids": "1,2", "wf_trigger": "false"}
        assert (crm.requests[0].method, crm.requests[0].content) == ("DELETE", b"")
        assert [written(one).remote_id for one in outcomes] == ["1", "2"]

    @pytest.mark.parametrize(("count", "cost"), [(1, 1), (10, 1), (11, 2), (100, 10)])
    async def test_a_write_costs_a_credit_for_each_ten_records(self, count: int, cost: int) -> None:
        crm = Crm(reply({"data": [success(str(n)) for n in range(count)]}))
        await update(crm, *[{FIRST: "Ada"}] * count)
        assert crm.gate.credits == cost

    async def test_101_records_are_a_mistake_of_ours(self) -> None:
        crm = Crm()
        with pytest.raises(ValueError, match="at most 100"):
            await update(crm, *[{FIRST: "Ada"}] * 101)
        with pytest.raises(ValueError, match="at most 100"):
            await crm.contacts.delete([(link(), RecordId("1"))] * 101)

    async def test_nothing_to_write_asks_nothing(self) -> None:
        crm = Crm()
        assert await create(crm) == []
        assert await crm.contacts.delete([]) == []
        assert crm.gate.calls == []

    async def test_a_preset_value_outside_the_mapping_is_sent_under_its_field(self) -> None:
        crm = Crm(reply({"data": [success("7")]}, 201))
        await create(crm, {LAST: "Lovelace", RowKey("Lead_Source="): "Partner"})
        assert crm.body()["data"] == [{"Last_Name": "Lovelace", "Lead_Source": "Partner"}]


class TestOutcomes:
    @pytest.mark.parametrize("status", [200, 201, 202, 207])
    async def test_each_record_is_decided_by_its_own_item_whatever_the_status(self, status: int) -> None:
        crm = Crm(reply({"data": [success("0"), failure("RECORD_LOCKED"), success("2")]}, status))
        outcomes = await update(crm, {FIRST: "A"}, {FIRST: "B"}, {FIRST: "C"})
        assert [type(one) for one in outcomes] == [Written, Refused, Written]

    @pytest.mark.parametrize(
        ("item", "reason"),
        [
            (failure("MANDATORY_NOT_FOUND", api_name="Region"), "crm_field_required"),
            (failure("RECORD_LOCKED", api_name="id", action="record_locking"), "locked"),
            (failure("NOT_APPROVED"), "not_approved"),
            (failure("NOT_REVIEWED"), "not_approved"),
            (failure("DEPENDENT_FIELD_MISSING", dependee={"api_name": "State"}), "dependent_field"),
            (failure("DEPENDENT_MISMATCH"), "dependent_field"),
            (failure("EXPECTED_FIELD_MISSING"), "dependent_field"),
            (failure("DEPENDENT_SERVICE_ERROR", dependency_error="PROCESSING_ERROR"), "provider_unavailable"),
            (failure("AUTHORIZATION_FAILED"), "no_permission"),
            (failure("SOMETHING_NEW"), "rejected_by_provider"),
            (failure("INVALID_DATA"), "value_does_not_fit"),
        ],
    )
    async def test_a_refused_record_has_a_reason_and_the_crms_own_words(
        self, item: dict[str, Any], reason: str
    ) -> None:
        crm = Crm(reply({"data": [item]}, 400))
        (outcome,) = await update(crm, {FIRST: "A"})
        found = refused(outcome)
        assert (found.error.reason, found.error.details["message"]) == (reason, "refused")
        assert (found.gone, found.stale, found.duplicate_of) == (False, False, None)

    async def test_a_record_that_is_not_there_any_more_is_gone(self) -> None:
        item = failure("INVALID_DATA", "the id given seems to be invalid", api_name="id", json_path="$.data[0].id")
        crm = Crm(reply({"data": [item]}, 400))
        (outcome,) = await update(crm, {FIRST: "A"})
        assert (refused(outcome).gone, refused(outcome).error.reason) == (True, "gone")

    async def test_a_unique_value_that_another_record_has_names_that_record(self) -> None:
        direct = failure("DUPLICATE_DATA", api_name="Email", id="99", duplicate_record={"id": "99"})
        nested = failure("DUPLICATE_DATA", api_name="Email", duplicate_record={"id": "98"})
        hidden = failure("DUPLICATE_DATA", api_name="Email")
        crm = Crm(reply({"data": [direct, nested, hidden]}, 400))
        outcomes = await create(crm, {LAST: "A"}, {LAST: "B"}, {LAST: "C"})
        assert [refused(one).duplicate_of for one in outcomes] == ["99", "98", None]
        assert {refused(one).error.reason for one in outcomes} == {"duplicate_in_crm"}

    async def test_a_record_changed_since_is_stale(self) -> None:
        crm = Crm(reply({"data": [success("0"), failure("ALREADY_MODIFIED", id="1")]}, 207))
        outcomes = await update(crm, {FIRST: "A"}, {FIRST: "B"})
        assert (type(outcomes[0]), refused(outcomes[1]).stale) == (Written, True)

    async def test_a_whole_call_refused_with_412_is_read_again_whole(self) -> None:
        crm = Crm(reply({"data": [failure("ALREADY_MODIFIED", id="1")]}, 412))
        outcomes = await update(crm, {FIRST: "A"}, {FIRST: "B"})
        assert [refused(one).stale for one in outcomes] == [True, True]

    async def test_deleting_what_is_gone_counts_as_deleted(self) -> None:
        crm = Crm(reply({"data": [success("1"), failure("INVALID_DATA", "record not deleted", id="2")]}, 207))
        outcomes = await crm.contacts.delete([(link(), RecordId("1")), (link(), RecordId("2"))])
        assert [written(one).remote_id for one in outcomes] == ["1", "2"]

    async def test_deletions_in_another_order_are_not_believed(self) -> None:
        crm = Crm(reply({"data": [success("2"), success("1")]}))
        with pytest.raises(OutcomeUnknownError):
            await crm.contacts.delete([(link(), RecordId("1")), (link(), RecordId("2"))])

    async def test_a_record_that_may_not_be_deleted_is_refused(self) -> None:
        crm = Crm(reply({"data": [failure("RECORD_LOCKED"), failure("NOT_APPROVED")]}, 400))
        outcomes = await crm.contacts.delete([(link(), RecordId("1")), (link(), RecordId("2"))])
        assert [refused(one).error.reason for one in outcomes] == ["locked", "not_approved"]

    async def test_a_missing_right_is_not_a_refusal_of_records(self) -> None:
        answers = [problem("NO_PERMISSION", 403, permissions=["Crm_Implied_Edit_Contacts"])] * 3
        crm = Crm(*answers)
        for write in (
            update(crm, {FIRST: "A"}),
            create(crm, {LAST: "A"}),
            crm.contacts.delete([(link(), RecordId("1"))]),
        ):
            with pytest.raises(PermissionMissingError) as caught:
                await write
            assert caught.value.details["permissions"] == ["Crm_Implied_Edit_Contacts"]

    async def test_a_write_beyond_a_limit_was_not_applied(self) -> None:
        crm = Crm(problem("TOO_MANY_REQUESTS", 429))
        with pytest.raises(RateLimitedError):
            await create(crm, {LAST: "A"})

    async def test_a_call_that_we_shaped_wrongly_fails_loudly(self) -> None:
        crm = Crm(problem("LIMIT_EXCEEDED", 400, maximum_length=100, api_name="data"))
        with pytest.raises(ProviderContractError):
            await create(crm, {LAST: "A"})


def test_every_reason_that_a_record_is_refused_for_has_a_sentence() -> None:
    assert set(ITEM_REASONS.values()) <= set(SENTENCES)


class TestUnknownOutcomes:
    @pytest.mark.parametrize(
        "answer",
        [
            breaks(httpx2.ReadError),
            breaks(httpx2.RemoteProtocolError),
            breaks(httpx2.ReadTimeout),
            breaks(httpx2.WriteError),
            problem("INTERNAL_ERROR", 500),
            problem("X", 502),
            reply(b"<html></html>"),
            reply({"data": []}),
            reply({"data": [success("0"), success("1")]}),
            reply({"data": [{"status": "success", "details": {"id": "0"}}]}),
            reply({"data": [{"status": "success", "details": {"Modified_Time": REVISION}}]}),
            reply({"data": [success("0", "soon")]}),
            reply({"data": [success("somebody else")]}),
        ],
    )
    async def test_a_write_without_a_clear_answer_may_have_been_applied(self, answer: Reply) -> None:
        crm = Crm(answer)
        with pytest.raises(OutcomeUnknownError):
            await update(crm, {FIRST: "A"})

    async def test_a_write_that_never_left_was_not_applied(self) -> None:
        crm = Crm(breaks(httpx2.ConnectError))
        with pytest.raises(ProviderUnavailableError):
            await create(crm, {LAST: "A"})


class TestValuesThatDoNotFit:
    TOO_LONG = failure("INVALID_DATA", api_name="Mobile", json_path="$.data[1].Mobile", maximum_length=30)

    async def test_a_record_is_sent_once_more_without_the_field_that_the_crm_refused(self) -> None:
        crm = Crm(
            reply({"data": [success("0"), self.TOO_LONG, failure("NOT_APPROVED")]}, 207),
            reply({"data": [success("1")]}),
        )
        outcomes = await update(crm, {FIRST: "A"}, {FIRST: "B", MOBILE: "call me"}, {FIRST: "C"})
        assert crm.body(1)["data"] == [{"id": "1", "First_Name": "B"}]
        assert crm.requests[1].headers["If-Unmodified-Since"] == "2026-03-01T09:00:00+00:00"
        assert written(outcomes[1]).left_out == {MOBILE: "value_does_not_fit"}
        assert (written(outcomes[0]).left_out, refused(outcomes[2]).error.reason) == ({}, "not_approved")

    async def test_all_such_records_of_a_batch_share_one_further_call(self) -> None:
        bad = failure("INVALID_DATA", api_name="Email", expected_data_type="email")
        crm = Crm(reply({"data": [bad] * 3}, 400), reply({"data": [success(str(n)) for n in range(3)]}, 201))
        outcomes = await create(crm, *[{LAST: f"N{n}", EMAIL: "no address"} for n in range(3)])
        assert len(crm.requests) == 2
        assert [written(one).left_out for one in outcomes] == [{EMAIL: "value_does_not_fit"}] * 3

    async def test_several_bad_fields_of_a_record_are_left_out_together(self) -> None:
        both = failure(
            "MULTIPLE_OR_MULTI_ERRORS",
            errors=[
                failure("INVALID_DATA", api_name="Mobile"),
                failure("INVALID_DATA", api_name="id", json_path="$.data[0].Account_Name.id"),
            ],
        )
        crm = Crm(reply({"data": [both]}, 400), reply({"data": [success("0")]}))
        (outcome,) = await update(crm, {FIRST: "A", MOBILE: "x", COMPANY: "Engines"}, companies={"Engines": "55"})
        assert crm.body(1)["data"] == [{"id": "0", "First_Name": "A"}]
        assert set(written(outcome).left_out) == {MOBILE, COMPANY}

    async def test_one_more_try_is_all_there_is(self) -> None:
        crm = Crm(
            reply({"data": [self.TOO_LONG]}, 400),
            reply({"data": [failure("INVALID_DATA", api_name="First_Name")]}, 400),
        )
        (outcome,) = await update(crm, {FIRST: "B", MOBILE: "x"})
        assert refused(outcome).error.reason == "value_does_not_fit"
        assert len(crm.requests) == 2

    async def test_a_problem_of_another_kind_beside_it_is_not_tried_again(self) -> None:
        mixed = failure(
            "MULTIPLE_OR_MULTI_ERRORS",
            errors=[failure("INVALID_DATA", api_name="Mobile"), failure("MANDATORY_NOT_FOUND", api_name="Region")],
        )
        crm = Crm(reply({"data": [mixed]}, 400))
        (outcome,) = await update(crm, {FIRST: "B", MOBILE: "x"})
        assert refused(outcome).error.reason == "crm_field_required"
        assert refused(outcome).error.details["fields"] == ("Mobile", "Region")

    async def test_the_mandatory_name_of_a_new_record_is_not_left_out(self) -> None:
        crm = Crm(reply({"data": [failure("INVALID_DATA", api_name="Last_Name", maximum_length=80)]}, 400))
        (outcome,) = await create(crm, {LAST: "L" * 81, FIRST: "A"})
        assert refused(outcome).error.reason == "value_does_not_fit"

    async def test_the_only_changed_field_has_nothing_left_to_send(self) -> None:
        crm = Crm(reply({"data": [self.TOO_LONG]}, 400))
        (outcome,) = await update(crm, {MOBILE: "x"})
        assert refused(outcome).error.reason == "value_does_not_fit"

    @pytest.mark.parametrize("error", [LeaseLostError(), RateLimitedError(), PermissionMissingError()])
    async def test_what_the_first_call_confirmed_survives_a_second_one_that_is_not_made(
        self, error: ContactSyncError
    ) -> None:
        crm = Crm(reply({"data": [success("0"), self.TOO_LONG]}, 207))
        crm.gate.refusals = [None, error]
        outcomes = await update(crm, {FIRST: "A"}, {FIRST: "B", MOBILE: "x"})
        assert written(outcomes[0]).remote_id == "0"
        assert refused(outcomes[1]).error.reason == "value_does_not_fit"

    async def test_a_second_update_without_an_answer_is_read_again(self) -> None:
        crm = Crm(reply({"data": [success("0"), self.TOO_LONG]}, 207), breaks(httpx2.ReadError))
        outcomes = await update(crm, {FIRST: "A"}, {FIRST: "B", MOBILE: "x"})
        assert (written(outcomes[0]).remote_id, refused(outcomes[1]).stale) == ("0", True)

    async def test_a_second_create_without_an_answer_is_looked_up(self) -> None:
        crm = Crm(reply({"data": [failure("INVALID_DATA", api_name="Email")]}, 400), breaks(httpx2.ReadError))
        with pytest.raises(OutcomeUnknownError):
            await create(crm, {LAST: "A", EMAIL: "x"})

    async def test_a_preset_value_is_sent_in_the_type_that_the_crm_names_and_remembered(self) -> None:
        """New records may be given values of fields that are not mapped, whose types nobody told."""
        preset = {"Score": "12", "Vip": "yes", "Tags": "a;b", "Region": "North"}
        values = {LAST: "A"} | {RowKey(f"{name}="): text for name, text in preset.items()}
        refusals = [
            failure("INVALID_DATA", api_name="Score", expected_data_type="integer"),
            failure("INVALID_DATA", api_name="Vip", expected_data_type="boolean"),
            failure("INVALID_DATA", api_name="Tags", expected_data_type="jsonarray"),
        ]
        crm = Crm(
            reply({"data": [failure("MULTIPLE_OR_MULTI_ERRORS", errors=refusals)]}, 400),
            reply({"data": [success("7")]}, 201),
            reply({"data": [success("8")]}, 201),
        )
        typed = {"Last_Name": "A", "Score": 12, "Vip": True, "Tags": ["a", "b"], "Region": "North"}
        for number in (1, 2):
            (outcome,) = await create(crm, values)
            assert crm.body(number)["data"] == [typed]
            assert written(outcome).left_out == {}

    async def test_a_preset_value_that_has_no_such_form_is_left_out(self) -> None:
        bad = failure("INVALID_DATA", api_name="Score", expected_data_type="integer")
        crm = Crm(reply({"data": [bad]}, 400), reply({"data": [success("7")]}, 201))
        (outcome,) = await create(crm, {LAST: "A", RowKey("Score="): "twelve"})
        assert written(outcome).left_out == {"Score=": "value_does_not_fit"}

    async def test_a_company_that_the_crm_does_not_know_is_left_out(self) -> None:
        crm = Crm(reply({"data": [success("7")]}, 201))
        (outcome,) = await create(crm, {LAST: "A", COMPANY: "Nobody Ltd"})
        assert crm.body()["data"] == [{"Last_Name": "A"}]
        assert written(outcome).left_out == {COMPANY: "company_not_in_crm"}

    async def test_an_update_of_which_nothing_can_be_sent_is_refused_without_a_call(self) -> None:
        crm = Crm(reply({"data": [success("1")]}))
        outcomes = await update(crm, {COMPANY: "Nobody Ltd"}, {FIRST: "A"})
        assert refused(outcomes[0]).error.reason == "company_not_in_crm"
        assert [one["id"] for one in crm.body()["data"]] == ["1"]
