"""A caller of the simulator without sockets."""

from __future__ import annotations

from typing import Any

import httpx2

from simulators.google import GoogleSettings, GoogleSimulator, create_app
from simulators.google.addressbook import AddressBook, Owner
from simulators.google.methods import CONTACTS

Json = dict[str, Any]

SUB = "1001"
MASK = "names,emailAddresses,memberships,metadata"
CONTACT_SOURCE = "READ_SOURCE_TYPE_CONTACT"


class Api:
    """One account and an HTTP client with a token for it; the clock stands still."""

    def __init__(self, settings: GoogleSettings) -> None:
        app = create_app(settings)
        self.sim: GoogleSimulator = app.state.simulator
        self.sim.bench.clock.freeze()
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://google.test")
        self.book = self.add_account(SUB)
        self.http.headers["Authorization"] = f"Bearer {self.token(SUB)}"

    def add_account(self, sub: str, region: str = "FR") -> AddressBook:
        return self.sim.add_account(Owner(sub, f"user{sub}@example.com", region, "Ada", "Lovelace"))

    def token(self, sub: str, scope: str = CONTACTS) -> str:
        return self.sim.authorization.issue("client", sub, frozenset({scope}), offline=False).access.token

    async def call(self, method: str, path: str, body: object = None, **query: Any) -> httpx2.Response:  # noqa: ANN401
        """A request; `query` are its parameters."""
        return await self.http.request(method, path, params=query, json=body)

    async def ok(self, method: str, path: str, body: object = None, **query: Any) -> Json:  # noqa: ANN401
        """The answer of a request that must succeed."""
        response = await self.call(method, path, body, **query)
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer

    async def refused(self, method: str, path: str, body: object = None, **query: Any) -> tuple[int, str, str]:  # noqa: ANN401
        """HTTP status, rpc status and message of a request that must fail."""
        response = await self.call(method, path, body, **query)
        error = response.json()["error"]
        assert error["code"] == response.status_code >= 400
        return response.status_code, error["status"], error["message"]

    async def control(self, method: str, path: str, body: object = None) -> Json:
        response = await self.http.request(method, "/control" + path, json=body)
        assert response.is_success, response.text
        answer: Json = response.json()
        return answer

    async def create(self, person: Json | None = None, mask: str = MASK) -> Json:
        return await self.ok("POST", "/v1/people:createContact", person or named("Ada"), personFields=mask)

    async def update(self, person: Json, fields: str, **changes: Any) -> httpx2.Response:  # noqa: ANN401
        body = {"etag": person["etag"]} | changes
        path = f"/v1/{person['resourceName']}:updateContact"
        return await self.call("PATCH", path, body, updatePersonFields=fields, personFields=MASK)

    async def listing(self, **query: Any) -> Json:  # noqa: ANN401
        """One page of connections."""
        parameters = {"personFields": MASK, "requestSyncToken": "true", "sources": CONTACT_SOURCE} | query
        return await self.ok("GET", "/v1/people/me/connections", **parameters)

    async def delta(self, token: str) -> list[Json]:
        people: list[Json] = (await self.listing(syncToken=token)).get("connections", [])
        return people


def named(name: str, **fields: object) -> Json:
    return {"names": [{"givenName": name}]} | fields


def email(address: str) -> list[Json]:
    return [{"value": address, "type": "work"}]


def member_of(*groups: str) -> list[Json]:
    return [{"contactGroupMembership": {"contactGroupResourceName": group}} for group in groups]


def groups_of(person: Json) -> list[str]:
    return [each["contactGroupMembership"]["contactGroupResourceName"] for each in person["memberships"]]
