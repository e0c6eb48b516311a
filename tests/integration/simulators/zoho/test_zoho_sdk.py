"""The CRM simulator is driven by Zoho's own SDK: it understands every answer, errors included."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from simulators.server import running
from simulators.zoho import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, ZohoSettings, create_app
from simulators.zoho.control import ALL_SCOPES

DRIVER = Path(__file__).with_name("sdk_driver.py")
REDIRECT = "http://127.0.0.1:9/callback"


async def consent(client: httpx2.AsyncClient) -> str:
    """A grant code, by the browser's way with automatic approval."""
    asked = {
        "response_type": "code",
        "client_id": DEMO_CLIENT_ID,
        "scope": ",".join(ALL_SCOPES),
        "redirect_uri": REDIRECT,
        "access_type": "offline",
        "prompt": "consent",
    }
    answer = await client.get("/oauth/v2/auth", params=asked)
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def drive(*arguments: str) -> dict[str, Any]:
    """What the SDK said; its process must end well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(DRIVER), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    said: dict[str, Any] = json.loads(output)
    return said


@pytest.fixture
async def said(tmp_path: Path) -> dict[str, Any]:
    settings = ZohoSettings(consent="approve")
    async with running(create_app(settings)) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
        org = (await client.post("/control/organisations", json={})).json()
        people = f"/control/organisations/{org['zgid']}/records/Contacts"
        long_ago = {"at": "2020-05-01T10:00:00+00:00"}
        await client.post(f"{people}/populate", json={"count": 450, "unique_emails": True, **long_ago})
        criteria = {"comparator": "starts_with", "field": {"api_name": "Email"}, "value": "a"}
        view = {"name": "A to A", "criteria": criteria}
        view_id = (await client.post(f"/control/organisations/{org['zgid']}/views", json=view)).json()["id"]
        code = await consent(client)
        heard = await drive(url, code, DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, REDIRECT, view_id, str(tmp_path))
        return heard | {"org": org}


async def test_zohos_own_sdk_understands_every_answer(said: dict[str, Any]) -> None:
    """One conversation, looked at from all sides; the SDK is slow to start."""
    org = said["org"]
    assert said["about"]["user"] == org["users"][0]["email"]
    assert said["about"]["zgid"] == org["zgid"]
    assert said["about"]["paid_type"] == "enterprise"
    assert said["about"]["fields"]["Date_of_Birth"] == "date"
    assert set(said["about"]["views"]) == {"All Contacts", "My Contacts", "A to A"}
    assert "Crm_Implied_Gcontact_Sync" in said["about"]["rights"]

    assert (said["all"]["rows"], said["all"]["ids"], said["all"]["pages"]) == (450, 450, 3)
    assert 0 < said["view"]["rows"] < 450
    assert said["view"]["first"]["Email"].lower().startswith("a")

    assert said["created"]["status"] == 207
    made, refused = said["created"]["items"]
    assert made["ok"]
    assert (refused["code"], refused["api_name"]) == ("MULTIPLE_OR_MULTI_ERRORS", None)
    assert [one["code"] for one in said["updated"]["items"]] == ["SUCCESS", "INVALID_DATA"]
    assert said["upserted"]["items"][0]["id"] == made["id"]
    assert (said["one"]["Title"], said["one"]["Phone"]) == ("CEO", "+49 89 123456")

    assert [str(one["id"]) for one in said["changes"]["rows"]] == [made["id"]]
    assert said["no_changes"] == 304
    assert [str(one["id"]) for one in said["query"]] == [made["id"]]
    assert said["wrong_query"][0]["error"] == "SYNTAX_ERROR"
    assert said["removed"] == {"status": 200, "items": [{"ok": True, "code": "SUCCESS", "id": made["id"]}]}
    assert said["deleted"] == [{"id": made["id"], "type": "recycle"}]
    assert said["gone"] == 204
    assert said["no_fields"] == [{"error": "REQUIRED_PARAM_MISSING", "details": {"param_name": "fields"}}]
