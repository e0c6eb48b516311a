"""Inserting, updating, upserting and deleting, with the answer for every single record."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulators.zoho.crm import NOBODY, START, Crm, instant


async def test_inserts_keep_the_order_and_tell_id_times_and_people(crm: Crm) -> None:
    response = await crm.call("POST", "/Contacts", {"data": [{"Last_Name": "A"}, {"Last_Name": "B"}], "trigger": []})
    assert response.status_code == 201
    first, second = response.json()["data"]
    assert (first["code"], first["status"], first["message"]) == ("SUCCESS", "success", "record added")
    assert first["details"]["Modified_Time"] == START.isoformat()
    assert first["details"]["Created_By"]["id"] == crm.owner
    assert (await crm.record(second["details"]["id"]))["Last_Name"] == "B"


async def test_a_repeated_insert_creates_a_second_record(crm: Crm) -> None:
    one, two = [await crm.insert({"Last_Name": "Ada", "Email": "ada@example.com"}) for _ in range(2)]
    assert one != two


async def test_statuses_tell_all_good_mixed_and_all_failed(crm: Crm) -> None:
    async def status(*records: dict[str, object]) -> int:
        return (await crm.call("POST", "/Contacts", {"data": list(records), "trigger": []})).status_code

    good: dict[str, object] = {"Last_Name": "A"}
    assert await status(good) == 201
    assert await status(good, {}) == 207
    assert await status({}) == 400


async def test_more_than_a_hundred_records_are_refused_as_a_whole(crm: Crm) -> None:
    body = {"data": [{"Last_Name": "A"}] * 101}
    status, code, details = await crm.refused("POST", "/Contacts", body)
    assert (status, code, details["maximum_length"]) == (400, "LIMIT_EXCEEDED", 100)
    assert (await crm.get("/Contacts", fields="id,Email")).status_code == 204


@pytest.mark.parametrize(
    ("record", "code", "detail"),
    [
        ({"Email": "a@example.com"}, "MANDATORY_NOT_FOUND", {"json_path": "$.data[0].Last_Name"}),
        ({"Last_Name": "A" * 81}, "INVALID_DATA", {"maximum_length": 80, "json_path": "$.data[0].Last_Name"}),
        ({"Last_Name": "A", "Phone": "() Not provided."}, "INVALID_DATA", {"expected_data_type": "phone"}),
        ({"Last_Name": "A", "Mobile": "+1 " + "5" * 28}, "INVALID_DATA", {"maximum_length": 30}),
        ({"Last_Name": "A", "Email": "no address"}, "INVALID_DATA", {"expected_data_type": "email"}),
        ({"Last_Name": "A", "Date_of_Birth": "--03-01"}, "INVALID_DATA", {"expected_data_type": "date"}),
        ({"Last_Name": "A", "Date_of_Birth": "2023-02-29"}, "INVALID_DATA", {"expected_data_type": "date"}),
        ({"Last_Name": "A", "Salutation": "Sir"}, "INVALID_DATA", {"api_name": "Salutation"}),
        ({"Last_Name": "A", "Email_Opt_Out": "yes"}, "INVALID_DATA", {"expected_data_type": "boolean"}),
        (
            {"Last_Name": "A", "Account_Name": {"id": NOBODY}},
            "INVALID_DATA",
            {"json_path": "$.data[0].Account_Name.id"},
        ),
        ({"Last_Name": "A", "Account_Name": "Acme"}, "INVALID_DATA", {"expected_data_type": "jsonobject"}),
        ({"Last_Name": "A", "Owner": {"id": NOBODY}}, "INVALID_DATA", {"json_path": "$.data[0].Owner.id"}),
        ({"Last_Name": "A", "Nickname": "B"}, "INVALID_DATA", {"api_name": "Nickname"}),
        ({"Last_Name": 1}, "INVALID_DATA", {"expected_data_type": "text"}),
    ],
)
async def test_a_bad_value_is_named_by_field_and_path(
    crm: Crm, record: dict[str, object], code: str, detail: dict[str, object]
) -> None:
    found, details = await crm.item(record)
    assert found == code
    assert detail.items() <= details.items()


@pytest.mark.parametrize(
    "number", ["+49 (89) 123-456", "0891234567", "+1 512 555 0100 x23", "(512) 555-0100", "+1.512.555.0100;12", "112"]
)
async def test_usual_telephone_numbers_are_taken(crm: Crm, number: str) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A", "Phone": number})
    assert (await crm.record(record_id))["Phone"] == number


async def test_several_problems_of_a_record_come_together(crm: Crm) -> None:
    code, details = await crm.item({"Email": "no", "Phone": "none"})
    assert code == "MULTIPLE_OR_MULTI_ERRORS"
    assert {one["details"]["api_name"] for one in details["errors"]} == {"Email", "Phone", "Last_Name"}


async def test_unknown_fields_are_dropped_when_told_to(crm: Crm) -> None:
    await crm.settings(unknown_fields="ignore")
    (record_id,) = await crm.insert({"Last_Name": "A", "Nickname": "B"})
    assert "Nickname" not in await crm.record(record_id)


async def test_null_clears_unsent_fields_stay_and_every_write_moves_the_time(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A", "Email": "a@example.com", "Phone": "112"})
    crm.wait(5)
    response = await crm.update({"id": record_id, "Phone": None})
    assert response.status_code == 200
    assert response.json()["data"][0]["details"]["Modified_Time"] == instant(5)
    record = await crm.record(record_id)
    assert (record["Phone"], record["Email"]) == (None, "a@example.com")
    crm.wait(5)
    await crm.update({"id": record_id, "Email": "a@example.com"})
    assert (await crm.record(record_id))["Modified_Time"] == instant(10)


async def test_a_mandatory_field_cannot_be_emptied(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    assert (await crm.item({"id": record_id, "Last_Name": None}, "PUT"))[0] == "MANDATORY_NOT_FOUND"
    assert (await crm.record(record_id))["Last_Name"] == "A"


async def test_an_update_needs_a_known_id(crm: Crm) -> None:
    assert (await crm.item({"Last_Name": "A"}, "PUT"))[0] == "MANDATORY_NOT_FOUND"
    code, details = await crm.item({"id": NOBODY, "Last_Name": "A"}, "PUT")
    assert (code, details["json_path"]) == ("INVALID_DATA", "$.data[0].id")


async def test_modified_by_is_the_user_of_the_token(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    other = await crm.of_org("POST", "/users", {"email": "b@example.com"})
    crm.headers = await crm.sign_in(other["id"])
    await crm.update({"id": record_id, "Phone": "112"})
    record = await crm.record(record_id)
    assert (record["Modified_By"]["id"], record["Created_By"]["id"]) == (other["id"], crm.owner)


async def test_if_unmodified_since_refuses_a_record_that_moved(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    crm.wait(10)
    await crm.update({"id": record_id, "Phone": "112"})
    response = await crm.update({"id": record_id, "Phone": "113"}, headers={"If-Unmodified-Since": instant(5)})
    assert response.status_code == 412
    (item,) = response.json()["data"]
    assert (item["code"], item["details"]["Modified_Time"]) == ("ALREADY_MODIFIED", instant(10))
    assert (await crm.record(record_id))["Phone"] == "112"
    response = await crm.update({"id": record_id, "Phone": "113"}, headers={"If-Unmodified-Since": instant(10)})
    assert response.status_code == 200


async def test_if_unmodified_since_takes_only_the_moved_record_out_of_a_batch(crm: Crm) -> None:
    one, two = await crm.insert({"Last_Name": "A"}, {"Last_Name": "B"})
    crm.wait(10)
    await crm.update({"id": one, "Phone": "112"})
    changes = [{"id": one, "Phone": "113"}, {"id": two, "Phone": "113"}]
    response = await crm.update(*changes, headers={"If-Unmodified-Since": instant(5)})
    assert response.status_code == 207
    assert [item["code"] for item in response.json()["data"]] == ["ALREADY_MODIFIED", "SUCCESS"]


async def test_if_unmodified_since_can_refuse_a_whole_batch_naming_the_moved_record(crm: Crm) -> None:
    await crm.settings(unmodified_since="call")
    one, two = await crm.insert({"Last_Name": "A"}, {"Last_Name": "B"})
    crm.wait(10)
    await crm.update({"id": two, "Phone": "112"})
    changes = [{"id": one, "Phone": "113"}, {"id": two, "Phone": "113"}]
    response = await crm.update(*changes, headers={"If-Unmodified-Since": instant(5)})
    (item,) = response.json()["data"]
    assert (response.status_code, item["code"], item["details"]["id"]) == (412, "ALREADY_MODIFIED", two)
    assert [(await crm.record(record_id))["Phone"] for record_id in (one, two)] == [None, "112"]
    assert (await crm.update(*changes, headers={"If-Unmodified-Since": instant(10)})).status_code == 200


async def test_a_unique_field_refuses_a_second_holder_and_names_the_first(crm: Crm) -> None:
    await crm.of_org("PATCH", "/fields/Contacts/Email", {"unique": True})
    (first,) = await crm.insert({"Last_Name": "A", "Email": "a@example.com"})
    code, details = await crm.item({"Last_Name": "B", "Email": "A@Example.com"})
    assert code == "DUPLICATE_DATA"
    assert (details["id"], details["duplicate_record"]["id"], details["api_name"]) == (first, first, "Email")
    assert (await crm.update({"id": first, "Email": "a@example.com"})).status_code == 200


async def test_two_records_of_one_call_may_not_share_a_unique_value(crm: Crm) -> None:
    await crm.of_org("PATCH", "/fields/Contacts/Email", {"unique": True})
    records = [{"Last_Name": "A", "Email": "a@example.com"}, {"Last_Name": "B", "Email": "a@example.com"}]
    assert (await crm.call("POST", "/Contacts", {"data": records})).status_code == 207


async def test_mandatory_custom_fields_are_wanted_on_create_alone(crm: Crm) -> None:
    (before,) = await crm.insert({"Last_Name": "A"})
    field = await crm.of_org("POST", "/fields", {"label": "Customer number", "mandatory": True, "length": 5})
    assert field["api_name"] == "Customer_number"
    assert (await crm.item({"Last_Name": "B"}))[1]["api_name"] == "Customer_number"
    assert (await crm.update({"id": before, "Phone": "112"})).status_code == 200


@pytest.mark.parametrize(
    ("data_type", "good", "bad"),
    [
        ("integer", 12, "12"),
        ("double", 1.5, True),
        ("bigint", "123456789012345678", "12a"),
        ("datetime", "2026-03-01T12:00:00+02:00", "2026-03-01T12:00:00.000+02:00"),
        ("multiselectpicklist", ["a", "b"], "a"),
        ("website", "https://example.com", 5),
    ],
)
async def test_custom_types_keep_good_values_and_refuse_bad_ones(
    crm: Crm, data_type: str, good: object, bad: object
) -> None:
    await crm.of_org("POST", "/fields", {"label": "Extra", "data_type": data_type, "choices": ["a", "b"]})
    (record_id,) = await crm.insert({"Last_Name": "A", "Extra": good})
    kept = (await crm.record(record_id))["Extra"]
    assert kept == ("2026-03-01T10:00:00+00:00" if data_type == "datetime" else good)
    assert (await crm.item({"Last_Name": "A", "Extra": bad}))[0] == "INVALID_DATA"


async def test_append_values_adds_to_a_multi_select(crm: Crm) -> None:
    await crm.of_org("POST", "/fields", {"label": "Extra", "data_type": "multiselectpicklist", "choices": ["a", "b"]})
    (record_id,) = await crm.insert({"Last_Name": "A", "Extra": ["a"]})
    await crm.update({"id": record_id, "Extra": ["b"], "$append_values": {"Extra": True}})
    assert (await crm.record(record_id))["Extra"] == ["a", "b"]


async def upserted(crm: Crm, record: dict[str, object], **more: object) -> dict[str, Any]:
    response = await crm.call("POST", "/Contacts/upsert", {"data": [record], "trigger": [], **more})
    item: dict[str, Any] = response.json()["data"][0]
    return item


async def test_upsert_finds_by_email_and_says_so(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A", "Email": "a@example.com"})
    item = await upserted(crm, {"Last_Name": "B", "Email": "A@EXAMPLE.COM"})
    assert (item["action"], item["duplicate_field"], item["details"]["id"]) == ("update", "Email", record_id)
    item = await upserted(crm, {"Last_Name": "B"})
    assert (item["action"], item["duplicate_field"], item["message"]) == ("insert", None, "record added")


async def test_upsert_with_other_fields_named_does_not_look_at_the_email(crm: Crm) -> None:
    await crm.of_org("POST", "/fields", {"label": "Code", "unique": True})
    await crm.insert({"Last_Name": "A", "Email": "a@example.com", "Code": "1"})
    item = await upserted(crm, {"Last_Name": "B", "Email": "a@example.com"}, duplicate_check_fields=["Code"])
    assert item["action"] == "insert"
    item = await upserted(crm, {"Last_Name": "B", "Code": "1"}, duplicate_check_fields=["Code"])
    assert (item["action"], item["duplicate_field"]) == ("update", "Code")


async def test_accounts_are_upserted_by_name(crm: Crm) -> None:
    body = {"data": [{"Account_Name": "Acme"}], "trigger": [], "duplicate_check_fields": ["Account_Name"]}
    one, two = [(await crm.call("POST", "/Accounts/upsert", body)).json()["data"][0] for _ in range(2)]
    assert (one["action"], two["action"]) == ("insert", "update")
    assert one["details"]["id"] == two["details"]["id"]


async def test_deletes_answer_one_by_one(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    response = await crm.call("DELETE", "/Contacts", ids=f"{record_id},{NOBODY}")
    assert response.status_code == 207
    good, bad = response.json()["data"]
    assert (good["code"], good["details"]) == ("SUCCESS", {"id": record_id})
    assert (bad["code"], bad["message"]) == ("INVALID_DATA", "record not deleted")
    assert (await crm.get(f"/Contacts/{record_id}")).status_code == 204


async def test_deletes_without_or_with_malformed_ids_are_refused(crm: Crm) -> None:
    assert await crm.refused("DELETE", "/Contacts") == (400, "REQUIRED_PARAM_MISSING", {"param_name": "ids"})
    assert (await crm.refused("DELETE", "/Contacts", ids="a,b"))[1] == "UNABLE_TO_PARSE_DATA_TYPE"


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ({"locked": True}, "RECORD_LOCKED"),
        ({"approved": False}, "NOT_APPROVED"),
        ({"read_only_for": "owner"}, "AUTHORIZATION_FAILED"),
        ({"hidden_from": "owner"}, "INVALID_DATA"),
    ],
)
async def test_records_out_of_reach_refuse_update_and_delete(crm: Crm, mark: dict[str, Any], code: str) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    told = {name: [crm.owner] if value == "owner" else value for name, value in mark.items()}
    await crm.of_org("POST", "/records/Contacts/mark", {"ids": [record_id], **told})
    assert (await crm.item({"id": record_id, "Phone": "112"}, "PUT"))[0] == code
    response = await crm.call("DELETE", "/Contacts", ids=record_id)
    assert (response.status_code, response.json()["data"][0]["code"]) == (400, code)


async def test_without_trigger_the_rule_touches_the_record_and_is_counted(crm: Crm) -> None:
    await crm.call("POST", "/Contacts", {"data": [{"Last_Name": "A"}]})
    (row,) = (await crm.listing(fields="id,Lead_Source"))["data"]
    assert row["Lead_Source"] == "Web Download"
    state = await crm.of_org("GET", "")
    assert (state["workflow_starts"], state["cadence_starts"]) == (1, 1)


async def test_with_an_empty_trigger_and_cadences_skipped_nothing_starts(crm: Crm) -> None:
    quiet: dict[str, Any] = {"trigger": [], "skip_feature_execution": [{"name": "cadences"}]}
    (record_id,) = await crm.insert({"Last_Name": "A"}, **quiet)
    await crm.update({"id": record_id, "Phone": "112"}, **quiet)
    await crm.call("DELETE", "/Contacts", ids=record_id, wf_trigger="false")
    state = await crm.of_org("GET", "")
    assert (state["workflow_starts"], state["cadence_starts"]) == (0, 0)
    body = {"data": [{"Last_Name": "A"}], "trigger": ["nonsense"]}
    assert (await crm.call("POST", "/Contacts", body)).status_code == 400


async def test_a_delete_starts_the_rule_unless_told_not_to(crm: Crm) -> None:
    one, _ = await crm.insert({"Last_Name": "A"}, {"Last_Name": "B"}, skip_feature_execution=[{"name": "cadences"}])
    await crm.call("DELETE", "/Contacts", ids=one)
    assert (await crm.of_org("GET", ""))["workflow_starts"] == 1


async def test_a_body_that_is_no_json_object_is_refused(crm: Crm) -> None:
    assert (await crm.refused("POST", "/Contacts", [1]))[1] == "INVALID_DATA"
    assert (await crm.refused("POST", "/Contacts", {"data": []}))[1] == "INVALID_DATA"
