"""A caller of the CRM simulator without sockets: one organisation, one signed-in user, a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from simulators.clock import SimClock
from simulators.zoho import ZohoSettings, ZohoSimulator

Json = dict[str, Any]
Value = Any

START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
FIELDS = "id,Last_Name,Email,Modified_Time"
NOBODY = "4876876000009999999"


class Crm:
    """The organisation, its owner's token, and the ways to call API and control interface."""

    def __init__(self, settings: ZohoSettings | None = None) -> None:
        clock = SimClock(START)
        clock.freeze()
        clock.set(START)
        self.sim = ZohoSimulator(settings, clock)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.sim.app), base_url="http://127.0.0.1")
        self.org: Json = {}
        self.headers: dict[str, str] = {}

    async def open(self, **organisation: Value) -> None:
        """Found the organisation and sign its first user in."""
        self.org = await self.control("POST", "/organisations", organisation)
        self.headers = await self.sign_in(self.owner)

    @property
    def owner(self) -> str:
        user_id: str = self.org["users"][0]["id"]
        return user_id

    async def sign_in(self, user_id: str, **more: Value) -> dict[str, str]:
        """The header of an access token for that user."""
        tokens = await self.control("POST", "/tokens", {"user_id": user_id, **more})
        return {"Authorization": f"Zoho-oauthtoken {tokens['access_token']}"}

    async def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None, **query: Value
    ) -> httpx2.Response:
        """Any answer of the API; `path` hangs below `/crm/v8`."""
        sent = self.headers | (headers or {})
        return await self.http.request(method, f"/crm/v8{path}", json=body, headers=sent, params=dict(query))

    async def get(self, path: str, headers: dict[str, str] | None = None, **query: Value) -> httpx2.Response:
        return await self.call("GET", path, None, headers, **query)

    async def listing(self, headers: dict[str, str] | None = None, **query: Value) -> Json:
        """One page that must come."""
        response = await self.get("/Contacts", headers, **{"fields": FIELDS, **query})
        assert response.status_code == 200, response.text
        page: Json = response.json()
        return page

    async def every_id(self, **query: Value) -> list[str]:
        """All ids of a listing, page by page, in order."""
        page = await self.listing(**query)
        found = [one["id"] for one in page["data"]]
        while (token := page["info"]["next_page_token"]) is not None:
            page = await self.listing(**query, page_token=token)
            found.extend(one["id"] for one in page["data"])
        return found

    async def refused(self, method: str, path: str, body: object = None, **query: Value) -> tuple[int, str, Json]:
        """Status, code and details of a call-wide refusal."""
        response = await self.call(method, path, body, **query)
        error = response.json()
        assert error["status"] == "error", error
        return response.status_code, error["code"], error["details"]

    async def insert(self, *records: Json, **more: Value) -> list[str]:
        """Ids of records that must be accepted; without automation unless `more` says so."""
        response = await self.call("POST", "/Contacts", {"data": list(records), "trigger": [], **more})
        assert response.status_code == 201, response.text
        return [one["details"]["id"] for one in response.json()["data"]]

    async def update(self, *records: Json, headers: dict[str, str] | None = None, **more: Value) -> httpx2.Response:
        return await self.call("PUT", "/Contacts", {"data": list(records), "trigger": [], **more}, headers)

    async def item(self, record: Json, method: str = "POST", **more: Value) -> tuple[str, Json]:
        """Code and details of the answer to the write of one record."""
        response = await self.call(method, "/Contacts", {"data": [record], "trigger": [], **more})
        item = response.json()["data"][0]
        return item["code"], item["details"]

    async def record(self, record_id: str) -> Json:
        response = await self.get(f"/Contacts/{record_id}")
        assert response.status_code == 200, response.text
        shown: Json = response.json()["data"][0]
        return shown

    async def query(self, text: str) -> httpx2.Response:
        return await self.call("POST", "/coql", {"select_query": text})

    async def found(self, text: str) -> list[Json]:
        """Rows of a query that finds some."""
        response = await self.query(text)
        assert response.status_code == 200, response.text
        rows: list[Json] = response.json()["data"]
        return rows

    async def control(self, method: str, path: str, body: object = None) -> Json:
        response = await self.http.request(method, f"/control{path}", json=body)
        assert response.is_success, response.text
        answer: Json = response.json()
        return answer

    async def of_org(self, method: str, path: str, body: object = None) -> Json:
        return await self.control(method, f"/organisations/{self.org['zgid']}{path}", body)

    async def records(self, *records: Json, module: str = "Contacts", **more: Value) -> list[str]:
        """Ids of records typed in by hand."""
        answer = await self.of_org("POST", f"/records/{module}", {"records": list(records), **more})
        ids: list[str] = answer["ids"]
        return ids

    async def view(self, criteria: Json | None, **more: Value) -> str:
        answer = await self.of_org("POST", "/views", {"name": "A view", "criteria": criteria, **more})
        view_id: str = answer["id"]
        return view_id

    async def settings(self, **changes: Value) -> None:
        await self.control("POST", "/settings", changes)

    async def rights(self, profile: str, *, enable: tuple[str, ...] = (), disable: tuple[str, ...] = ()) -> None:
        await self.of_org("PATCH", f"/profiles/{profile}", {"enable": list(enable), "disable": list(disable)})

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.sim.bench.clock.advance(timedelta(seconds=seconds))


def leaf(name: str, comparator: str, value: object) -> Json:
    """One criterion of a view."""
    return {"comparator": comparator, "field": {"api_name": name}, "value": value}


def instant(seconds: float = 0) -> str:
    """The start of the test plus so many seconds, as a header wants it."""
    return (START + timedelta(seconds=seconds)).isoformat()
