"""The deleted list, the recycle bin, and merging."""

from __future__ import annotations

import pytest

from tests.unit.simulators.zoho.crm import Crm, instant

DAY = 86_400


async def refreshed(crm: Crm) -> None:
    """Sign in anew after days have passed."""
    crm.headers = await crm.sign_in(crm.owner)


async def test_a_deleted_record_is_told_with_its_time_and_people(crm: Crm) -> None:
    (record_id,) = await crm.insert({"First_Name": "Ada", "Last_Name": "Lovelace"})
    crm.wait(5)
    await crm.call("DELETE", "/Contacts", ids=record_id)
    answer = (await crm.get("/Contacts/deleted")).json()
    assert set(answer["info"]) == {"per_page", "count", "page", "more_records"}
    (entry,) = answer["data"]
    assert (entry["id"], entry["type"], entry["display_name"]) == (record_id, "recycle", "Ada Lovelace")
    assert (entry["deleted_time"], entry["deleted_by"]["id"]) == (instant(5), crm.owner)


async def test_a_purged_record_has_lost_its_name(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    await crm.call("DELETE", "/Contacts", ids=record_id)
    await crm.of_org("POST", "/records/Contacts/purge", {"ids": [record_id]})
    (entry,) = (await crm.get("/Contacts/deleted", type="permanent")).json()["data"]
    assert (entry["type"], entry["display_name"], entry["deleted_by"]) == ("permanent", None, None)
    assert (await crm.get("/Contacts/deleted", type="recycle")).status_code == 204


async def test_the_list_forgets_after_sixty_days_and_purged_ones_after_a_hundred_and_twenty(crm: Crm) -> None:
    kept, purged = await crm.insert({"Last_Name": "A"}, {"Last_Name": "B"})
    await crm.call("DELETE", "/Contacts", ids=f"{kept},{purged}")
    await crm.of_org("POST", "/records/Contacts/purge", {"ids": [purged]})
    crm.wait(61 * DAY)
    await refreshed(crm)
    assert [one["id"] for one in (await crm.get("/Contacts/deleted")).json()["data"]] == [purged]
    crm.wait(60 * DAY)
    await refreshed(crm)
    assert (await crm.get("/Contacts/deleted")).status_code == 204


async def test_if_modified_since_narrows_by_the_time_of_deletion(crm: Crm) -> None:
    one, two = await crm.insert({"Last_Name": "A"}, {"Last_Name": "B"})
    await crm.call("DELETE", "/Contacts", ids=one)
    crm.wait(10)
    await crm.call("DELETE", "/Contacts", ids=two)
    answer = await crm.get("/Contacts/deleted", {"If-Modified-Since": instant(5)})
    assert [entry["id"] for entry in answer.json()["data"]] == [two]
    assert (await crm.get("/Contacts/deleted", {"If-Modified-Since": instant(50)})).status_code == 304


async def test_pages_of_the_list_end(crm: Crm) -> None:
    made = await crm.records(*({"Last_Name": f"N{number}"} for number in range(250)))
    await crm.of_org("POST", "/records/Contacts/delete", {"ids": made})
    pages = [(await crm.get("/Contacts/deleted", page=page)).json() for page in (1, 2)]
    assert [page["info"]["more_records"] for page in pages] == [True, False]
    assert {entry["id"] for page in pages for entry in page["data"]} == set(made)


async def test_an_unknown_type_does_not_match(crm: Crm) -> None:
    assert (await crm.refused("GET", "/Contacts/deleted", type="trash"))[1] == "PATTERN_NOT_MATCHED"


async def test_a_restored_record_comes_back_with_its_id_and_leaves_the_list(crm: Crm) -> None:
    (record_id,) = await crm.insert({"Last_Name": "A"})
    await crm.call("DELETE", "/Contacts", ids=record_id)
    crm.wait(10)
    await crm.of_org("POST", "/records/Contacts/restore", {"ids": [record_id]})
    record = await crm.record(record_id)
    assert (record["Last_Name"], record["Modified_Time"]) == ("A", instant(10))
    assert (await crm.get("/Contacts/deleted")).status_code == 204


async def test_a_record_deleted_for_good_cannot_be_restored(crm: Crm) -> None:
    (record_id,) = await crm.records({"Last_Name": "A"})
    await crm.of_org("POST", "/records/Contacts/delete", {"ids": [record_id], "kind": "permanent"})
    path = f"/control/organisations/{crm.org['zgid']}/records/Contacts/restore"
    answer = await crm.http.post(path, json={"ids": [record_id]})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "ids")


@pytest.mark.parametrize(("appear", "told"), [("recycle", 1), ("permanent", 1), ("nothing", 0)])
async def test_a_merge_keeps_and_fills_the_winner_and_tells_of_the_loser_as_set(
    crm: Crm, appear: str, told: int
) -> None:
    await crm.settings(merged_appear_as=appear)
    one, two = await crm.records({"Last_Name": "A"}, {"Last_Name": "B", "Phone": "112"})
    await crm.of_org("POST", "/records/Contacts/merge", {"winner": one, "losers": [two]})
    record = await crm.record(one)
    assert (record["Last_Name"], record["Phone"]) == ("A", "112")
    assert (await crm.get(f"/Contacts/{two}")).status_code == 204
    answer = await crm.get("/Contacts/deleted")
    assert len(answer.json()["data"] if told else []) == told
    assert (answer.status_code == 204) == (not told)
