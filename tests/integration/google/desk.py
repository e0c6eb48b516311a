"""The connector at work on a simulated Google account."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from contactsync.adapters.google.bases import Bindings
from contactsync.adapters.google.client import GooglePeople
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.google.metadata import GoogleAccount
from contactsync.adapters.http import AuthorizedHttp, HttpEdge, HttpSettings, build_client
from contactsync.domain.contact import Changes, Values
from contactsync.domain.ids import ConnectionId, GroupId, LinkId, PersonId, RowKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import default_mapping
from contactsync.ports.directory import Call, CreateRequest, PeoplePage, PersonUpdate
from contactsync.ports.vault import AccessToken
from simulators.google.app import create_app
from simulators.google.settings import GoogleSettings
from simulators.server import running
from tests.support.clock import ManualClock
from tests.support.vendors import Control, GoogleBook

CONNECTION = ConnectionId(UUID(int=1))
EMAIL = RowKey("Email=email_addresses[work]")
MOBILE = RowKey("Mobile=phone_numbers[mobile]")
GIVEN = RowKey("First_Name=names.given_name")
FAMILY = RowKey("Last_Name=names.family_name")


@dataclass
class CountingGate:
    """Admits every call and adds up what each costs."""

    calls: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)

    async def admit(self, call: Call) -> None:
        self.calls[call.operation] += 1
        self.units.update(call.units)


@dataclass
class SimulatedTokens:
    """Access tokens that the simulator issues on request."""

    book: GoogleBook
    clock: ManualClock
    refreshes: int = 0

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        if stale == self.book.token:
            self.refreshes += 1
            answer = await self.book.control.call("POST", "/tokens", {"account": self.book.sub, "lifetime_s": 1e9})
            self.book.token = answer["access_token"]
        return AccessToken(self.book.token, self.clock.now() + timedelta(hours=1), self.book.control.base_url)


@dataclass
class Desk:
    """One account, one group, one connector."""

    book: GoogleBook
    edge: HttpEdge
    gate: CountingGate
    tokens: SimulatedTokens
    endpoints: GoogleEndpoints
    clock: ManualClock

    @property
    def control(self) -> Control:
        return self.book.control

    @property
    def http(self) -> AuthorizedHttp:
        return AuthorizedHttp(self.edge, self.tokens, CONNECTION, self.gate)

    @property
    def account(self) -> GoogleAccount:
        return GoogleAccount(self.http, self.endpoints)

    def people(
        self,
        *,
        group: str | None = None,
        mapping: FieldMapping | None = None,
        bindings: Bindings | None = None,
    ) -> GooglePeople:
        """A connector for the account, by default for its group and the standard mapping."""
        return GooglePeople(
            self.http,
            self.endpoints,
            group=GroupId(group or self.book.group),
            mapping=mapping or default_mapping(),
            region="GB",
            bindings=bindings,
        )

    async def true_person(self, name: str) -> dict[str, Any]:
        """The contact as the simulator holds it."""
        found: dict[str, Any] = await self.control.call("GET", f"/accounts/{self.book.sub}/{name}")
        return found


async def whole_listing(people: GooglePeople, sync_token: str | None = None) -> tuple[list[PeoplePage], str]:
    """Every page of a listing, and its sync token."""
    pages = [await people.list_page(sync_token, None)]
    while pages[-1].next_page:
        pages.append(await people.list_page(sync_token, pages[-1].next_page))
    token = pages[-1].next_sync_token
    assert token is not None
    return pages, token


def new(values: Values | Mapping[str, str]) -> CreateRequest:
    """A request for a new contact."""
    return CreateRequest(LinkId(uuid4()), {RowKey(key): text for key, text in values.items()})


async def updates(people: GooglePeople, changes: Mapping[str, Changes]) -> list[PersonUpdate]:
    """Updates of people as they are now, in the order of `changes`."""
    snapshots = await people.read([PersonId(name) for name in changes])
    by_name = {snapshot.observation.remote_id: snapshot for snapshot in snapshots}
    return [PersonUpdate(LinkId(uuid4()), by_name[name], change) for name, change in changes.items()]


def named(names: Sequence[str]) -> list[tuple[LinkId, PersonId]]:
    """Pairs of a link and a person, for deletes and joins."""
    return [(LinkId(uuid4()), PersonId(name)) for name in names]


@asynccontextmanager
async def desk(**settings: object) -> AsyncIterator[Desk]:
    """A simulator with one account and one group, quotas lifted unless asked for, and a connector to it."""
    clock = ManualClock()
    app = create_app(GoogleSettings.model_validate({"quotas_enabled": False, **settings}))
    async with running(app) as url, httpx2.AsyncClient() as control_client, build_client(HttpSettings()) as client:
        control = Control(url, control_client)
        account = await control.call("POST", "/accounts", {"email": "ada@example.com", "region": "GB"})
        group = await control.call("POST", f"/accounts/{account['sub']}/groups", {"name": "Customers"})
        token = await control.call("POST", "/tokens", {"account": account["sub"], "lifetime_s": 1e9})
        book = GoogleBook(control, account["sub"], group["resourceName"], token["access_token"])
        endpoints = GoogleEndpoints(
            people_url=url,
            auth_url=f"{url}/o/oauth2/v2/auth",
            token_url=f"{url}/token",
            revoke_url=f"{url}/revoke",
            jwks_url=f"{url}/oauth2/v3/certs",
        )
        edge = HttpEdge(client, endpoints.guard(), clock)
        yield Desk(book, edge, CountingGate(), SimulatedTokens(book, clock), endpoints, clock)
