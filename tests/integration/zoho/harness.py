"""The connector against the simulated CRM over HTTP, and the hand that edits the CRM behind its back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from contactsync.adapters.http import HttpEdge, HttpSettings, build_client
from contactsync.adapters.zoho.client import ZohoContacts
from contactsync.adapters.zoho.data_centres import DataCentre, DataCentres
from contactsync.adapters.zoho.metadata import ZohoMetadata
from contactsync.adapters.zoho.oauth import ZohoOAuth, ZohoOAuthSettings
from contactsync.domain.ids import ConnectionId, RecordId, ViewId
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import default_mapping
from contactsync.ports.vault import AccessToken
from simulators.server import running
from simulators.zoho import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, ZohoSettings, create_app
from tests.unit.adapters.zoho.fakes import CONNECTION, Gate

Json = Any
"""JSON of any shape."""
CALLBACK = "http://127.0.0.1:9/oauth/zoho/callback"
OTHER_CENTRES = ("eu", "in", "cn")


class SystemClock:
    """The time of this machine; the simulator's clock begins with it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class RefreshedTokens:
    """A token source that keeps one token and refreshes it when it is said to be stale."""

    oauth: ZohoOAuth
    gate: Gate
    refresh_token: str
    data_centre: str
    held: AccessToken | None = None
    refreshes: int = 0

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        if self.held is None or stale is not None:
            self.held = await self.oauth.refresh(self.refresh_token, self.data_centre, self.gate)
            self.refreshes += 1
        return self.held


@dataclass
class Customer:
    """An organisation of the simulated vendor, and one user's connection to it."""

    vendor: Vendor
    described: Mapping[str, Any]
    refresh_token: str
    tokens: RefreshedTokens
    gate: Gate = field(default_factory=Gate)
    mapping: FieldMapping = field(default_factory=default_mapping)
    automation: bool = False

    @property
    def zgid(self) -> str:
        return str(self.described["zgid"])

    @property
    def user_id(self) -> str:
        return str(self.described["users"][0]["id"])

    @property
    def all_contacts(self) -> ViewId:
        return ViewId(self.described["views"]["Contacts"]["All Contacts"])

    @property
    def contacts(self) -> ZohoContacts:
        return ZohoContacts(
            self.vendor.edge, self.tokens, CONNECTION, self.mapping, self.gate, automation=self.automation
        )

    @property
    def metadata(self) -> ZohoMetadata:
        return ZohoMetadata(self.vendor.edge, self.tokens, CONNECTION, self.gate)

    def with_automation(self) -> Customer:
        """The same connection, whose writes let workflows run."""
        return replace(self, automation=True)

    async def add(self, *records: Mapping[str, Any], module: str = "Contacts", **hand: object) -> list[RecordId]:
        """Records made by hand; their ids."""
        answer = await self.hand(f"records/{module}", records=list(records), **hand)
        return [RecordId(one) for one in answer["ids"]]

    async def populate(self, count: int) -> list[RecordId]:
        """So many realistic contacts."""
        answer = await self.hand("records/Contacts/populate", count=count)
        return [RecordId(one) for one in answer["ids"]]

    async def edit(self, record_id: str, **values: object) -> None:
        """One record changed by hand."""
        await self.vendor.control("PATCH", f"organisations/{self.zgid}/records/Contacts/{record_id}", values=values)

    async def hand(self, path: str, **body: object) -> Json:
        """Whatever else a person or an administrator does."""
        return await self.vendor.control("POST", f"organisations/{self.zgid}/{path}", **body)

    async def change(self, path: str, **body: object) -> Json:
        """A change of a setting of the organisation."""
        return await self.vendor.control("PATCH", f"organisations/{self.zgid}/{path}", **body)

    async def record(self, record_id: str) -> dict[str, Any]:
        """The record as the CRM holds it; empty fields are absent."""
        found: dict[str, Any] = await self.vendor.control(
            "GET", f"organisations/{self.zgid}/records/Contacts/{record_id}"
        )
        return found

    async def records(self, module: str = "Contacts") -> list[dict[str, Any]]:
        """All records."""
        answer = await self.vendor.control("GET", f"organisations/{self.zgid}/records/{module}")
        rows: list[dict[str, Any]] = answer["records"]
        return rows

    async def state(self) -> dict[str, Any]:
        """Counters and settings."""
        found: dict[str, Any] = await self.vendor.control("GET", f"organisations/{self.zgid}")
        return found


@dataclass
class Vendor:
    """One running simulator."""

    url: str
    client: httpx2.AsyncClient
    centres: DataCentres
    edge: HttpEdge
    oauth: ZohoOAuth
    gate: Gate = field(default_factory=Gate)

    async def control(self, method: str, path: str, **body: object) -> Json:
        """A call of the simulator's control interface; a refusal fails the test."""
        answer = await self.client.request(method, f"{self.url}/control/{path}", json=None if method == "GET" else body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def customer(self, *, scopes: Sequence[str] | None = None, **organisation: object) -> Customer:
        """A new organisation with one user and a grant of his."""
        described = await self.control("POST", "organisations", **organisation)
        asked = {} if scopes is None else {"scopes": list(scopes)}
        issued = await self.control("POST", "tokens", user_id=described["users"][0]["id"], **asked)
        gate = Gate()
        tokens = RefreshedTokens(self.oauth, gate, issued["refresh_token"], described["data_centre"])
        return Customer(self, described, issued["refresh_token"], tokens, gate)

    async def move_clock(self, by: timedelta) -> None:
        """Let time pass for the vendor."""
        await self.control("POST", "clock", advance_s=by.total_seconds())

    async def fault(self, **fault: object) -> None:
        """What goes wrong from now on."""
        await self.control("POST", "faults", **fault)

    async def settings(self, **changes: object) -> None:
        """How the vendor behaves from now on."""
        await self.control("POST", "settings", **changes)

    async def calls(self) -> list[dict[str, Any]]:
        """What the vendor was asked, without the control interface."""
        entries: list[dict[str, Any]] = (await self.control("GET", "log"))["entries"]
        return entries

    async def consent(self, url: str) -> dict[str, str]:
        """The parameters with which a browser comes back after consent."""
        answer = await self.client.get(url)
        assert answer.status_code == 302, answer.text
        returned = parse_qs(urlsplit(answer.headers["location"]).query)
        return {name: values[0] for name, values in returned.items()}


@asynccontextmanager
async def vendor(**settings: object) -> AsyncIterator[Vendor]:
    """A simulator on a free port, and a client that takes it for every data centre."""
    async with running(create_app(ZohoSettings(**settings))) as url, build_client(HttpSettings()) as client:
        homes = [DataCentre("us", url, (url,))]
        homes += [DataCentre(name, f"{url}/{name}", (f"{url}/{name}",)) for name in OTHER_CENTRES]
        centres = DataCentres(homes)
        edge = HttpEdge(client, centres.guard, SystemClock(), HttpSettings(deadline=timedelta(seconds=5)))
        application = ZohoOAuthSettings(
            client_id=DEMO_CLIENT_ID, client_secret=DEMO_CLIENT_SECRET, redirect_uri=CALLBACK
        )
        yield Vendor(url, client, centres, edge, ZohoOAuth(edge, application, centres, SystemClock()))
