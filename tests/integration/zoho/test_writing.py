"""What the connector writes, and what it makes of the CRM's objections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from contactsync.adapters.zoho.instants import parse_instant, revision_of
from contactsync.domain.ids import RecordId, RowKey
from contactsync.errors import PermissionMissingError
from contactsync.ports.directory import CreateRequest, RecordUpdate, Refused, WriteOutcome, Written
from tests.integration.zoho.harness import Customer, Vendor
from tests.unit.adapters.zoho.fakes import link

LAST = RowKey("Last_Name=names.family_name")
FIRST = RowKey("First_Name=names.given_name")
EMAIL = RowKey("Email=email_addresses[work]")
MOBILE = RowKey("Mobile=phone_numbers[mobile]")
PHONE = RowKey("Phone=phone_numbers[work]")
COMPANY = RowKey("Account_Name=organizations.name")
NEVER = datetime(2020, 1, 1, tzinfo=UTC)


async def create(
    crm: Customer, *contacts: dict[RowKey, str], companies: dict[str, str] | None = None
) -> Sequence[WriteOutcome]:
    return await crm.contacts.create([CreateRequest(link(), one) for one in contacts], companies=companies or {})


async def update(
    crm: Customer,
    changes: Mapping[RecordId, Mapping[RowKey, str | None]],
    since: datetime | None = None,
    companies: dict[str, str] | None = None,
) -> Sequence[WriteOutcome]:
    requests = [RecordUpdate(link(), record_id, one) for record_id, one in changes.items()]
    moment = since or datetime.now(UTC) + timedelta(seconds=5)
    return await crm.contacts.update(requests, unmodified_since=moment, companies=companies or {})


def written(outcome: WriteOutcome) -> Written:
    assert isinstance(outcome, Written), outcome
    return outcome


def refused(outcome: WriteOutcome) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


class TestCreating:
    async def test_a_hundred_records_are_made_in_one_call_and_answered_in_order(self, crm: Customer) -> None:
        outcomes = await create(crm, *[{LAST: f"Name {n}", EMAIL: f"n{n}@x.org"} for n in range(100)])
        held = {one["id"]: one for one in await crm.records()}
        assert [held[written(one).remote_id]["Last_Name"] for one in outcomes] == [f"Name {n}" for n in range(100)]
        first = written(outcomes[0])
        assert first.revision == revision_of(parse_instant(held[first.remote_id]["Modified_Time"]))
        assert (await crm.state())["credits_spent"] == crm.gate.credits == 10

    async def test_what_was_written_is_what_is_read(self, crm: Customer) -> None:
        made = await crm.contacts.create_companies(["Engines"])
        values = {LAST: "Lovelace", FIRST: "Ada", EMAIL: "ada@x.org", MOBILE: "+44 20 7946 0000", COMPANY: "Engines"}
        (outcome,) = await create(crm, values, companies=dict(made))
        (found,) = await crm.contacts.read([RecordId(written(outcome).remote_id)])
        assert found.values == values
        assert (found.revision, found.modified_at) == (written(outcome).revision, written(outcome).modified_at)

    async def test_no_workflow_and_no_cadence_runs_unless_they_are_wanted(self, crm: Customer) -> None:
        (outcome,) = await create(crm, {LAST: "Quiet"})
        record_id = RecordId(written(outcome).remote_id)
        await update(crm, {record_id: {FIRST: "A"}})
        await crm.contacts.delete([(link(), record_id)])
        state = await crm.state()
        assert (state["workflow_starts"], state["cadence_starts"]) == (0, 0)
        loud = crm.with_automation()
        (outcome,) = await create(loud, {LAST: "Loud"})
        await update(loud, {RecordId(written(outcome).remote_id): {FIRST: "A"}})
        assert (await crm.state())["workflow_starts"] == 2

    async def test_a_value_that_the_crm_refuses_is_left_out_and_the_rest_is_made(self, crm: Customer) -> None:
        outcomes = await create(
            crm,
            {LAST: "Good", MOBILE: "+1 555 0100"},
            {LAST: "Bad", MOBILE: "ask the porter", PHONE: "+1 555 0101", EMAIL: "nobody at home"},
        )
        assert written(outcomes[0]).left_out == {}
        assert written(outcomes[1]).left_out == {MOBILE: "value_does_not_fit", EMAIL: "value_does_not_fit"}
        held = await crm.record(written(outcomes[1]).remote_id)
        assert (held["Phone"], "Mobile" in held, "Email" in held) == ("+1 555 0101", False, False)
        assert len(await crm.records()) == 2

    async def test_a_record_without_its_mandatory_fields_is_refused_by_name(self, crm: Customer) -> None:
        await crm.hand("fields", label="Region", mandatory=True)
        (outcome,) = await create(crm, {LAST: "A"})
        assert refused(outcome).error.reason == "crm_field_required"
        assert refused(outcome).error.details["fields"] == ("Region",)
        (preset,) = await create(crm, {LAST: "A", RowKey("Region="): "North"})
        assert (await crm.record(written(preset).remote_id))["Region"] == "North"

    async def test_preset_values_reach_fields_of_every_type(self, crm: Customer) -> None:
        await crm.hand("fields", label="Score", data_type="integer", mandatory=True)
        await crm.hand("fields", label="Vip", data_type="boolean")
        await crm.hand("fields", label="Interests", data_type="multiselectpicklist", choices=["Sailing", "Maths"])
        preset = {RowKey("Score="): "12", RowKey("Vip="): "true", RowKey("Interests="): "Maths;Sailing"}
        contacts = crm.contacts
        for calls in (2, 3):
            outcomes = await contacts.create([CreateRequest(link(), {LAST: "A", **preset})], companies={})
            held = await crm.record(written(outcomes[0]).remote_id)
            assert (held["Score"], held["Vip"], held["Interests"]) == (12, True, ["Maths", "Sailing"])
            assert len(crm.gate.calls) - 1 == calls

    async def test_a_unique_value_leads_to_the_record_that_has_it(self, crm: Customer) -> None:
        await crm.change("fields/Contacts/Email", unique=True)
        (existing,) = await crm.add({"Last_Name": "A", "Email": "a@x.org"})
        outcomes = await create(crm, {LAST: "B", EMAIL: "a@x.org"}, {LAST: "C", EMAIL: "c@x.org"})
        assert (refused(outcomes[0]).duplicate_of, refused(outcomes[0]).error.reason) == (existing, "duplicate_in_crm")
        assert written(outcomes[1]).remote_id


class TestUpdating:
    async def test_sent_fields_change_null_empties_and_the_rest_stays(self, crm: Customer) -> None:
        (record_id,) = await crm.add(
            {"Last_Name": "A", "Mobile": "1", "Phone": "2", "Account_Name": "Engines", "Skype_ID": "kept"}
        )
        (outcome,) = await update(crm, {record_id: {FIRST: "Ada", MOBILE: None, COMPANY: None}})
        held = await crm.record(record_id)
        assert (held["First_Name"], held["Phone"], held["Skype_ID"]) == ("Ada", "2", "kept")
        assert not {"Mobile", "Account_Name"} & set(held)
        assert written(outcome).revision == revision_of(parse_instant(held["Modified_Time"]))

    async def test_a_record_that_changed_meanwhile_is_not_overwritten(self, crm: Customer) -> None:
        old, fresh = await crm.add(
            {"Last_Name": "A", "Modified_Time": "2026-01-01T09:00:00+00:00"},
            {"Last_Name": "B", "Modified_Time": "2026-03-01T09:00:00+00:00"},
        )
        observed = datetime(2026, 2, 1, tzinfo=UTC)
        outcomes = await update(crm, {old: {FIRST: "x"}, fresh: {FIRST: "x"}}, observed)
        assert (written(outcomes[0]).remote_id, refused(outcomes[1]).stale) == (old, True)
        (alone,) = await update(crm, {fresh: {FIRST: "x"}}, observed)
        assert refused(alone).stale
        assert "First_Name" not in await crm.record(fresh)

    async def test_a_batch_refused_for_one_record_is_read_again_whole(self, crm: Customer) -> None:
        await crm.vendor.settings(unmodified_since="call")
        old, fresh = await crm.add(
            {"Last_Name": "A", "Modified_Time": "2026-01-01T09:00:00+00:00"},
            {"Last_Name": "B", "Modified_Time": "2026-03-01T09:00:00+00:00"},
        )
        outcomes = await update(crm, {old: {FIRST: "x"}, fresh: {FIRST: "x"}}, datetime(2026, 2, 1, tzinfo=UTC))
        assert [refused(outcome).stale for outcome in outcomes] == [True, True]
        assert not any("First_Name" in one for one in await crm.records())
        outcomes = await update(crm, {old: {FIRST: "x"}, fresh: {FIRST: "x"}}, datetime(2026, 3, 2, tzinfo=UTC))
        assert [written(outcome).remote_id for outcome in outcomes] == [old, fresh]

    async def test_a_record_that_was_deleted_is_gone(self, crm: Customer) -> None:
        gone, stays = await crm.add({"Last_Name": "A"}, {"Last_Name": "B"})
        await crm.hand("records/Contacts/delete", ids=[gone])
        outcomes = await update(crm, {gone: {FIRST: "x"}, stays: {FIRST: "y"}})
        assert (refused(outcomes[0]).gone, written(outcomes[1]).remote_id) == (True, stays)

    @pytest.mark.parametrize(
        ("mark", "reason"),
        [({"locked": True}, "locked"), ({"approved": False}, "not_approved"), ({"read_only_for": 1}, "no_permission")],
    )
    async def test_a_record_that_may_not_be_written_now_is_refused_with_its_reason(
        self, crm: Customer, mark: dict[str, object], reason: str
    ) -> None:
        barred, free = await crm.add({"Last_Name": "A"}, {"Last_Name": "B"})
        body = {"read_only_for": [crm.user_id]} if "read_only_for" in mark else mark
        await crm.hand("records/Contacts/mark", ids=[barred], **body)
        outcomes = await update(crm, {barred: {FIRST: "x"}, free: {FIRST: "y"}})
        assert (refused(outcomes[0]).error.reason, written(outcomes[1]).remote_id) == (reason, free)
        deleted = await crm.contacts.delete([(link(), barred), (link(), free)])
        assert (refused(deleted[0]).error.reason, written(deleted[1]).remote_id) == (reason, free)

    async def test_a_locked_record_says_so_when_it_is_read(self, crm: Customer) -> None:
        (record_id,) = await crm.add({"Last_Name": "A"})
        await crm.hand("records/Contacts/mark", ids=[record_id], locked=True)
        assert [one.read_only for one in await crm.contacts.read([record_id])] == ["locked"]

    async def test_too_long_a_value_is_left_out_and_never_cut(self, crm: Customer) -> None:
        (record_id,) = await crm.add({"Last_Name": "A", "First_Name": "Old"})
        (outcome,) = await update(crm, {record_id: {FIRST: "x" * 41, PHONE: "+1 555 0100"}})
        assert written(outcome).left_out == {FIRST: "value_does_not_fit"}
        held = await crm.record(record_id)
        assert (held["First_Name"], held["Phone"]) == ("Old", "+1 555 0100")

    async def test_a_company_that_was_deleted_meanwhile_is_left_out(self, crm: Customer) -> None:
        (account,) = await crm.add({"Account_Name": "Engines"}, module="Accounts")
        (record_id,) = await crm.add({"Last_Name": "A"})
        await crm.hand("records/Accounts/delete", ids=[account])
        (outcome,) = await update(crm, {record_id: {COMPANY: "Engines", FIRST: "x"}}, companies={"Engines": account})
        assert written(outcome).left_out == {COMPANY: "value_does_not_fit"}


class TestDeleting:
    async def test_records_go_to_the_recycle_bin_and_twice_is_once(self, crm: Customer) -> None:
        ids = await crm.populate(3)
        requests = [(link(), record_id) for record_id in ids]
        for _ in range(2):
            assert [written(one).remote_id for one in await crm.contacts.delete(requests)] == ids
        assert await crm.records() == []
        assert {one["type"] for one in (await crm.state())["deleted"]["Contacts"]} == {"recycle"}

    async def test_a_record_that_came_back_is_read_again(self, crm: Customer) -> None:
        (record_id,) = await crm.add({"Last_Name": "A"})
        await crm.contacts.delete([(link(), record_id)])
        await crm.hand("records/Contacts/restore", ids=[record_id])
        assert [one.remote_id for one in await crm.contacts.read([record_id])] == [record_id]


@pytest.mark.parametrize("right", ["Create", "Edit", "Delete"])
async def test_a_right_that_is_missing_is_named_and_nothing_is_written(zoho: Vendor, crm: Customer, right: str) -> None:
    (record_id,) = await crm.add({"Last_Name": "A"})
    await crm.change("profiles/Administrator", disable=[f"Crm_Implied_{right}_Contacts"])
    writes = {
        "Create": create(crm, {LAST: "B"}),
        "Edit": update(crm, {record_id: {LAST: "B"}}),
        "Delete": crm.contacts.delete([(link(), record_id)]),
    }
    for name, write in writes.items():
        if name != right:
            await write
            continue
        with pytest.raises(PermissionMissingError) as caught:
            await write
        assert caught.value.details["permissions"] == [f"Crm_Implied_{right}_Contacts"]
