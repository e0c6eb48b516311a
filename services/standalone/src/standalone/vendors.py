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
from random import SystemRandom
from typing import Any, Final, TypeAlias

import httpx2
import orjson

from standalone.kept import Kept, KeptStateError
from standalone.ports import LOOPBACK, free_ports, is_free
from standalone.servers import RunningServer, ServerCommand, ServerStartError, supervised

Json: TypeAlias = dict[str, Any]

_START_WITHIN_S: Final = 60
_POLL_S: Final = 0.02
_GRACE_S: Final = 20.0
"""Time to write the state into a file."""
_START_ATTEMPTS: Final = 3  # another process may take a port between probe and start
_LOG: Final = "simulators.log"
_STATE: Final = "simulators.state"
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

    zoho_port: int
    google_port: int

    @property
    def zoho(self) -> str:
        """Base URL of the CRM and its accounts server."""
        return f"http://{LOOPBACK}:{self.zoho_port}"

    @property
    def google(self) -> str:
        """Base URL of Google."""
        return f"http://{LOOPBACK}:{self.google_port}"


@asynccontextmanager
async def simulated_vendors(
    folder: Path, *, zoho: OAuthClient, google: OAuthClient, real: bool, kept: Kept | None
) -> AsyncIterator[VendorUrls]:
    """Both simulators, until the end of the block; `real` keeps the vendors' quotas and latencies.

    Their state goes into `folder` at the end. With `kept` they go on with the one that is there, on the same ports.

    Raises ServerStartError when they end while they start, KeptStateError when they cannot go on.
    """
    behaviour: Json = {"quotas_enabled": real, "latency_scale": 1.0 if real else 0.0}
    settings = {
        "zoho": {**behaviour, "clients": zoho.registered()},
        "google": {**behaviour, "clients": google.registered()},
    }
    for attempt in range(1, _START_ATTEMPTS + 1):
        urls = _free_urls() if kept is None else _kept_urls(kept, folder)
        async with supervised(_command(folder, settings, urls)) as server:
            try:
                await _listening(server, folder / _LOG)
            except ServerStartError as error:
                if kept is not None:
                    raise KeptStateError(str(error)) from error
                if attempt == _START_ATTEMPTS:
                    raise
                continue
            yield urls
            return


def _free_urls() -> VendorUrls:
    return VendorUrls(*free_ports(2, SystemRandom()))


def _kept_urls(kept: Kept, folder: Path) -> VendorUrls:
    """The addresses of the last start, which the database holds. Raises KeptStateError when they cannot be had."""
    if not (folder / _STATE).exists():
        raise KeptStateError("the simulators were killed, and their last state is lost")
    for port in (kept.zoho_port, kept.google_port):
        if not is_free(port):
            raise KeptStateError(f"port {port}, on which the last state has a simulator, is taken")
    return VendorUrls(kept.zoho_port, kept.google_port)


def _command(folder: Path, settings: Json, urls: VendorUrls) -> ServerCommand:
    ports = ["--zoho-port", str(urls.zoho_port), "--google-port", str(urls.google_port)]
    given = ["--settings", orjson.dumps(settings).decode(), "--state", str(folder)]
    return ServerCommand(
        arguments=[sys.executable, "-m", "simulators", *ports, *given],
        environment=os.environ,
        folder=folder,
        log=folder / _LOG,
        stop_signal="SIGTERM",
        grace_s=_GRACE_S,
    )


async def _listening(server: RunningServer, log: Path) -> None:
    """Return when the process has printed its line of JSON, which it does once it listens."""
    async with asyncio.timeout(_START_WITHIN_S):
        while True:
            server.check_alive()
            if log.read_bytes().endswith(b"}\n"):
                return
            await asyncio.sleep(_POLL_S)


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


def kept_customer(urls: VendorUrls, client: httpx2.AsyncClient, kept: Kept) -> Vendors:
    """The customer of both whom an earlier start made."""
    crm, google = Control(urls.zoho, client), Control(urls.google, client)
    return Vendors(CrmOffice(crm, kept.zgid, kept.view_name), GoogleAccount(google, kept.sub))


async def furnish(urls: VendorUrls, client: httpx2.AsyncClient) -> Vendors:
    """A customer of both: an organisation with a list view, and an empty Google account."""
    crm, google = Control(urls.zoho, client), Control(urls.google, client)
    ada = {"email": "ada@analytical.example", "first_name": "Ada", "last_name": "Lovelace"}
    org = await crm.call("POST", "/organisations", {"name": "Analytical Engines Ltd", "users": [ada]})
    view = {"name": "My customers", "owner": org["users"][0]["id"]}
    await crm.call("POST", f"/organisations/{org['zgid']}/views", view)
    account = await google.call("POST", "/accounts", {"email": "ada.lovelace@gmail.example", "region": "GB"})
    return Vendors(CrmOffice(crm, org["zgid"], view["name"]), GoogleAccount(google, account["sub"]))
