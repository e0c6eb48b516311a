"""What only a real connection shows: lost answers, half answers, and the whole process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest

from simulators.server import running
from simulators.zoho import create_app


@pytest.fixture
async def crm() -> AsyncIterator[httpx2.AsyncClient]:
    """A client that is signed in as the owner of an organisation."""
    async with running(create_app()) as url, httpx2.AsyncClient(base_url=url, timeout=10) as client:
        org = (await client.post("/control/organisations", json={})).json()
        token = (await client.post("/control/tokens", json={"user_id": org["users"][0]["id"]})).json()
        client.headers["Authorization"] = f"Zoho-oauthtoken {token['access_token']}"
        yield client


async def insert(crm: httpx2.AsyncClient) -> httpx2.Response:
    return await crm.post("/crm/v8/Contacts", json={"data": [{"Last_Name": "Ada"}], "trigger": []})


async def count(crm: httpx2.AsyncClient) -> int:
    answer = await crm.get("/crm/v8/Contacts", params={"fields": "id,Last_Name"})
    return len(answer.json()["data"]) if answer.status_code == 200 else 0


async def fault(crm: httpx2.AsyncClient, action: str) -> None:
    await crm.post("/control/faults", json={"match": "contacts.insert", "action": action, "times": 1})


@pytest.mark.parametrize(("action", "created"), [("cut_before", 0), ("cut_after", 1), ("truncate", 1)])
async def test_a_lost_answer_leaves_the_client_unsure_and_a_repeat_may_double(
    crm: httpx2.AsyncClient, action: str, created: int
) -> None:
    await fault(crm, action)
    with pytest.raises(httpx2.TransportError):
        await insert(crm)
    assert await count(crm) == created
    assert (await insert(crm)).status_code == 201
    assert await count(crm) == created + 1


async def test_a_page_in_place_of_json_changes_nothing(crm: httpx2.AsyncClient) -> None:
    await fault(crm, "html200")
    answer = await insert(crm)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (200, "text/html")
    assert await count(crm) == 0


async def test_a_reset_forgets_customers_and_tokens(crm: httpx2.AsyncClient) -> None:
    await crm.post("/control/reset")
    assert (await crm.get("/crm/v8/users")).status_code == 401
    assert (await crm.get("/control/state")).json()["organisations"] == {}


async def test_a_reset_keeps_settings_and_applications(crm: httpx2.AsyncClient) -> None:
    await crm.post("/control/settings", json={"modified_since": "at_or_after"})
    await crm.post("/control/reset")
    assert (await crm.get("/control/settings")).json()["modified_since"] == "at_or_after"
    org = (await crm.post("/control/organisations", json={})).json()
    assert (await crm.post("/control/tokens", json={"user_id": org["users"][0]["id"]})).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/settings", {"paging": "by luck"}, "paging"),
        ("/settings", {"speed": 1}, "speed"),
        ("/organisations", {"data_centre": "moon"}, "data_centre"),
        ("/organisations", {"colour": "red"}, "colour"),
        ("/tokens", {"user_id": "1"}, "user_id"),
    ],
)
async def test_the_control_interface_names_the_wrong_field(
    crm: httpx2.AsyncClient, path: str, body: dict[str, object], field: str
) -> None:
    answer = await crm.post(f"/control{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


@pytest.mark.process
async def test_the_simulators_start_as_a_process_and_end_with_their_parent() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulators", "--exit-with-parent", "--settings", '{"zoho": {"consent": "approve"}}'),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    url = json.loads(await process.stdout.readline())["zoho"]
    async with httpx2.AsyncClient(base_url=url) as client:
        assert (await client.get("/control/settings")).json()["consent"] == "approve"
    process.stdin.close()
    assert await process.wait() == 0
