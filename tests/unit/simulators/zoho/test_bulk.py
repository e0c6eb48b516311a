"""Bulk read: states, the ZIP, and its limits."""

from __future__ import annotations

import csv
import io
import zipfile

from tests.unit.simulators.zoho.crm import NOBODY, Crm, Value, leaf

PATH = "/crm/bulk/v8/read"


async def asked(crm: Crm, **query: Value) -> str:
    """Id of a new job."""
    body = {"query": {"module": {"api_name": "Contacts"}, **query}}
    answer = await crm.http.post(PATH, json=body, headers=crm.headers)
    assert answer.status_code == 201, answer.text
    (item,) = answer.json()["data"]
    assert item["code"] == "ADDED_SUCCESSFULLY"
    job_id: str = item["details"]["id"]
    return job_id


async def rows_of(crm: Crm, job_id: str) -> list[dict[str, str]]:
    """The lines of a finished export."""
    answer = await crm.http.get(f"{PATH}/{job_id}/result", headers=crm.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (name,) = archive.namelist()
        return list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline="")))


async def test_a_job_passes_its_states_and_tells_its_result(crm: Crm) -> None:
    await crm.records({"Last_Name": "A"})
    await crm.settings(bulk_duration_s=6)
    job_id = await asked(crm)
    jobs: list[dict[str, Value]] = []
    for _ in range(4):
        jobs.extend((await crm.http.get(f"{PATH}/{job_id}", headers=crm.headers)).json()["data"])
        crm.wait(2)
    assert [job["state"] for job in jobs] == ["ADDED", "QUEUED", "IN PROGRESS", "COMPLETED"]
    assert (jobs[-1]["result"]["count"], jobs[-1]["result"]["per_page"]) == (1, 200_000)


async def test_the_export_holds_the_asked_fields_lookups_as_ids_and_only_chosen_rows(crm: Crm) -> None:
    ada, _ = await crm.records(
        {"Last_Name": "Ada", "Account_Name": "Acme", "Description": "one\ntwo"}, {"Last_Name": "Bob"}
    )
    fields = ["Last_Name", "Account_Name", "Account_Name.Account_Name", "Description", "Phone"]
    job_id = await asked(crm, fields=fields, criteria=leaf("Last_Name", "equal", "ada"))
    crm.wait(4)
    (row,) = await rows_of(crm, job_id)
    assert list(row) == ["Id", *fields]
    assert (row["Id"], row["Account_Name.Account_Name"], row["Phone"]) == (ada, "Acme", "")
    assert row["Account_Name"].isdigit()
    assert row["Description"] == "one\ntwo"


async def test_a_view_narrows_the_export(crm: Crm) -> None:
    await crm.records({"Last_Name": "Ada"}, {"Last_Name": "Bob"})
    job_id = await asked(crm, fields=["Last_Name"], cvid=await crm.view(leaf("Last_Name", "equal", "bob")))
    crm.wait(4)
    assert [row["Last_Name"] for row in await rows_of(crm, job_id)] == ["Bob"]


async def test_unfinished_and_unknown_jobs_give_no_file(crm: Crm) -> None:
    job_id = await asked(crm)
    assert (await crm.http.get(f"{PATH}/{job_id}/result", headers=crm.headers)).status_code == 400
    unknown = await crm.http.get(f"{PATH}/{NOBODY}", headers=crm.headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_ten_downloads_a_minute(crm: Crm) -> None:
    job_id = await asked(crm)
    crm.wait(4)
    answers = [await crm.http.get(f"{PATH}/{job_id}/result", headers=crm.headers) for _ in range(11)]
    assert [one.status_code for one in answers] == [200] * 10 + [429]
    crm.wait(60)
    assert (await crm.http.get(f"{PATH}/{job_id}/result", headers=crm.headers)).status_code == 200


async def test_an_export_costs_fifty_credits(crm: Crm) -> None:
    await asked(crm)
    assert (await crm.of_org("GET", ""))["credits_spent"] == 50


async def test_queries_and_exports_need_the_scope_of_the_module(crm: Crm) -> None:
    crm.headers = await crm.sign_in(crm.owner, scopes=["ZohoCRM.coql.READ", "ZohoCRM.modules.accounts.READ"])
    text = "select id from {} where id is not null"
    assert (await crm.query(text.format("Accounts"))).status_code == 204
    assert (await crm.query(text.format("Contacts"))).json()["code"] == "OAUTH_SCOPE_MISMATCH"
