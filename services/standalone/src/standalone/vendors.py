"""The simulated vendors as a child process, and what people do there by hand.

They are spoken to over HTTP alone: the product through the vendors' own interfaces, this module through `/control`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import orjson

from standalone.servers import RunningServer, ServerCommand, supervised

Json: TypeAlias = dict[str, Any]

_START_WITHIN_S: Final = 60
_POLL_S: Final = 0.02
_GRACE_S: Final = 5.0
_CALL_WITHIN_S: Final = 120.0
MY_CONTACTS: Final = "contactGroups/myContacts"


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An application as it is registered with a vendor."""

    client_id: str
    secret: str
    redirect_uri: str

    def registered(self) -> Json:
        """As the simulators' settings take it."""
        return {self.client_id: {"secret": self.secret, "redirect_uris": [self.redirect_uri]}}


@dataclass(frozen=True, slots=True)
class VendorUrls:
    """Where the simulated vendors listen."""

    zoho: str
    google: str


@asynccontextmanager
async def simulated_vendors(
    folder: Path, *, zoho: OAuthClient, google: OAuthClient, real: bool
) -> AsyncIterator[VendorUrls]:
    """Both simulators, until the end of the block; `real` keeps the vendors' quotas and latencies.

    Raises ServerStartError when they end while they start.
    """
    behaviour: Json = {"quotas_enabled": real, "latency_scale": 1.0 if real else 0.0}
    settings = {
        "zoho": {**behaviour, "clients": zoho.registered()},
        "google": {**behaviour, "clients": google.registered()},
    }
    log = folder / "simulators.log"
    command = ServerCommand(
        arguments=[sys.executable, "-m", "simulators", "--settings", orjson.dumps(settings).decode()],
        environment=os.environ,
        folder=folder,
        log=log,
        stop_signal="SIGTERM",
        grace_s=_GRACE_S,
    )
    async with supervised(command) as server:
        yield await _urls(server, log)


async def _urls(server: RunningServer, log: Path) -> VendorUrls:
    """What the process prints once it listens: one line of JSON."""
    async with asyncio.timeout(_START_WITHIN_S):
        while not (printed := log.read_bytes()).endswith(b"\n"):
            server.check_alive()
            await asyncio.sleep(_POLL_S)
    return VendorUrls(**orjson.loads(printed.splitlines()[-1]))


class Control:
    """The control interface of one simulator."""

    def __init__(self, base_url: str, client: httpx2.AsyncClient) -> None:
        self._base_url = base_url
        self._client = client

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  JSON of any shape
        """The JSON answer. Raises httpx2.HTTPStatusError with the simulator's refusal."""
        url = f"{self._base_url}/control{path}"
        answer = await self._client.request(method, url, json=body, timeout=_CALL_WITHIN_S)
        answer.raise_for_status()
        return answer.json()

    async def advance(self, seconds: float) -> None:
        """Move the vendor's clock."""
        await self.call("POST", "/clock", {"advance_s": seconds})

    async def calls(self) -> Counter[str]:
        """Calls so far, by operation."""
        counters = await self.call("GET", "/counters")
        return Counter({name: int(numbers["calls"]) for name, numbers in counters["operations"].items()})


@dataclass(frozen=True, slots=True)
class CrmOffice:
    """One customer of the CRM: an organisation, a user, a list view."""

    control: Control
    zgid: str
    view_name: str

    @property
    def _contacts(self) -> str:
        return f"/organisations/{self.zgid}/records/Contacts"

    async def populate(self, count: int, *, until: str, spread_s: int) -> None:
        """So many realistic contacts, of whom no two share an address, last edited before `until`."""
        await self.control.call(
            "POST",
            f"{self._contacts}/populate",
            {"count": count, "seed": 1, "unique_emails": True, "spread_s": spread_s, "at": until},
        )

    async def edit(self, values: Mapping[str, Json]) -> None:
        """Change fields of records, as colleagues would."""
        edits = [{"id": record_id, "values": fields} for record_id, fields in values.items()]
        await self.control.call("POST", f"{self._contacts}/edit", {"edits": edits})


@dataclass(frozen=True, slots=True)
class GoogleAccount:
    """One Google account."""

    control: Control
    sub: str

    async def people(self, names: Sequence[str]) -> dict[str, Json]:
        """These contacts as they are."""
        answer = await self.control.call("GET", f"/accounts/{self.sub}/people")
        wanted = set(names)
        return {person["resourceName"]: person for person in answer["people"] if person["resourceName"] in wanted}

    async def edit(self, values: Mapping[str, Json]) -> None:
        """Change fields of contacts, as their owner would on a phone."""
        edits = [{"resource_name": name, "fields": fields} for name, fields in values.items()]
        await self.control.call("POST", f"/accounts/{self.sub}/people/edits", edits)


@dataclass(frozen=True, slots=True)
class Vendors:
    """Both, each with a customer."""

    crm: CrmOffice
    google: GoogleAccount

    async def advance(self, seconds: float) -> None:
        """Move both vendors' clocks; the product's stays."""
        await self.crm.control.advance(seconds)
        await self.google.control.advance(seconds)


async def furnish(urls: VendorUrls, client: httpx2.AsyncClient) -> Vendors:
    """A customer of both: an organisation with a list view, and an empty Google account."""
    crm, google = Control(urls.zoho, client), Control(urls.google, client)
    ada = {"email": "ada@analytical.example", "first_name": "Ada", "last_name": "Lovelace"}
    org = await crm.call("POST", "/organisations", {"name": "Analytical Engines Ltd", "users": [ada]})
    view = {"name": "My customers", "owner": org["users"][0]["id"]}
    await crm.call("POST", f"/organisations/{org['zgid']}/views", view)
    account = await google.call("POST", "/accounts", {"email": "ada.lovelace@gmail.example", "region": "GB"})
    return Vendors(CrmOffice(crm, org["zgid"], view["name"]), GoogleAccount(google, account["sub"]))
