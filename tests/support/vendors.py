"""Both vendors as strict local servers, and what people do to their address books there."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from simulators.google.app import create_app as google_app
from simulators.google.settings import GoogleSettings
from simulators.population import people as population
from simulators.population import to_google_person
from simulators.server import running
from simulators.zoho.app import ZohoSimulator
from simulators.zoho.settings import ZohoSettings

Json = dict[str, Any]


class Control:
    """The control interface of one simulator."""

    def __init__(self, base_url: str, client: httpx2.AsyncClient) -> None:
        self.base_url = base_url
        self._client = client

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  JSON of any shape
        """The JSON answer; a refusal fails the test with its reason."""
        answer = await self._client.request(method, f"{self.base_url}/control{path}", json=body, timeout=300)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def advance(self, seconds: float) -> None:
        """Move the simulator's clock."""
        await self.call("POST", "/clock", {"advance_s": seconds})

    async def settings(self, **values: object) -> None:
        """Change how the simulator behaves."""
        await self.call("POST", "/settings", values)

    async def fault(self, match: str, action: str, **more: object) -> None:
        """Inject a fault into the calls of an operation."""
        await self.call("POST", "/faults", {"match": match, "action": action, **more})

    async def clear_faults(self) -> None:
        """Let every call succeed again."""
        await self.call("DELETE", "/faults")

    async def calls(self) -> Counter[str]:
        """Calls since the log was cleared, by operation; control calls of the product included."""
        counters = await self.call("GET", "/counters")
        return Counter({name: int(n["calls"]) for name, n in counters["operations"].items()})

    async def log(self, since: int = 0) -> list[Json]:
        """What was asked of the simulator, after the entry of that number."""
        return list((await self.call("GET", f"/log?since={since}"))["entries"])

    async def clear_log(self) -> None:
        """Begin counting anew."""
        await self.call("DELETE", "/log")


@dataclass(slots=True)
class GoogleBook:
    """One Google account."""

    control: Control
    sub: str
    group: str
    token: str = ""

    async def renew_token(self) -> None:
        """Have a new access token."""
        body = {"account": self.sub, "lifetime_s": 1e9}
        self.token = (await self.control.call("POST", "/tokens", body))["access_token"]

    async def add(self, people: Sequence[Json], *, in_group: bool = True) -> list[str]:
        """Resource names of new contacts, in order."""
        groups = ["contactGroups/myContacts", *([self.group] if in_group else [])]
        body = {"people": list(people), "groups": groups}
        answer = await self.control.call("POST", f"/accounts/{self.sub}/people", body)
        return [person["resourceName"] for person in answer["people"]]

    async def people(self, *, in_group: bool = False) -> list[Json]:
        """The contacts as they truly are."""
        query = f"?group={self.group}" if in_group else ""
        answer = await self.control.call("GET", f"/accounts/{self.sub}/people{query}")
        return list(answer["people"])

    async def edit(self, name: str, **fields: object) -> None:
        """Change fields of one contact as its owner would."""
        await self.control.call("PATCH", f"/accounts/{self.sub}/{name}", {"fields": fields})

    async def edit_many(self, edits: Mapping[str, Mapping[str, object]]) -> None:
        """Change fields of many contacts."""
        body = [{"resource_name": name, "fields": dict(fields)} for name, fields in edits.items()]
        await self.control.call("POST", f"/accounts/{self.sub}/people/edits", body)

    async def delete(self, *names: str) -> None:
        """Move contacts to the trash."""
        for name in names:
            await self.control.call("DELETE", f"/accounts/{self.sub}/{name}")

    async def empty_trash(self) -> None:
        """Remove for good what is in the trash."""
        await self.control.call("DELETE", f"/accounts/{self.sub}/trash")

    async def restore(self, name: str) -> None:
        """Take a contact out of the trash."""
        await self.control.call("POST", f"/accounts/{self.sub}/{name}/restore")

    async def touch(self, name: str) -> None:
        """Move a contact's etag and time without any visible change."""
        await self.control.call("POST", f"/accounts/{self.sub}/{name}/touch")

    async def rename(self, name: str) -> str:
        """Give a contact a new resource name, as the provider does now and then."""
        answer = await self.control.call("POST", f"/accounts/{self.sub}/{name}/rename")
        return str(answer["resourceName"])

    async def merge(self, kept: str, gone: str) -> None:
        """Make two contacts one."""
        await self.control.call("POST", f"/accounts/{self.sub}/people/merge", {"kept": kept, "gone": gone})

    async def delete_group(self) -> None:
        """Delete the group; its members stay."""
        await self.control.call("DELETE", f"/accounts/{self.sub}/groups/{self.group.removeprefix('contactGroups/')}")

    async def rename_group(self, name: str) -> None:
        """Give the group another name."""
        path = f"/accounts/{self.sub}/groups/{self.group.removeprefix('contactGroups/')}"
        await self.control.call("PATCH", path, {"name": name})

    async def move(self, name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Put a contact into groups and take it out of others."""
        body = {"add": list(add), "remove": list(remove)}
        await self.control.call("POST", f"/accounts/{self.sub}/{name}/groups", body)


@dataclass(slots=True)
class CrmBook:
    """One CRM organisation with its first user and one list view."""

    control: Control
    zgid: str
    user_id: str
    view: str
    token: str = ""

    async def renew_token(self) -> None:
        """Have a new access token."""
        self.token = (await self.control.call("POST", "/tokens", {"user_id": self.user_id}))["access_token"]

    @property
    def _contacts(self) -> str:
        return f"/organisations/{self.zgid}/records/Contacts"

    async def add(self, records: Sequence[Json], *, at: str | None = None) -> list[str]:
        """Ids of new records, in order."""
        body: Json = {"records": list(records), **({"at": at} if at else {})}
        answer = await self.control.call("POST", self._contacts, body)
        return list(answer["ids"])

    async def populate(self, count: int, *, seed: int = 1, spread_s: int = 0, at: str | None = None) -> list[str]:
        """Realistic contacts of whom no two share an address."""
        body: Json = {"count": count, "seed": seed, "unique_emails": True, "spread_s": spread_s}
        answer = await self.control.call("POST", f"{self._contacts}/populate", body | ({"at": at} if at else {}))
        return list(answer["ids"])

    async def records(self) -> list[Json]:
        """Every live record."""
        answer = await self.control.call("GET", self._contacts)
        return list(answer["records"])

    async def edit(self, record_id: str, **values: object) -> None:
        """Change fields of one record as a colleague would."""
        await self.control.call("PATCH", f"{self._contacts}/{record_id}", {"values": values})

    async def edit_many(self, edits: Mapping[str, Mapping[str, object]]) -> None:
        """Change fields of many records."""
        body = {"edits": [{"id": one, "values": dict(values)} for one, values in edits.items()]}
        await self.control.call("POST", f"{self._contacts}/edit", body)

    async def delete(self, *record_ids: str) -> None:
        """Move records to the recycle bin."""
        await self.control.call("POST", f"{self._contacts}/delete", {"ids": list(record_ids)})

    async def restore(self, *record_ids: str) -> None:
        """Take records out of the bin."""
        await self.control.call("POST", f"{self._contacts}/restore", {"ids": list(record_ids)})

    async def merge(self, winner: str, *losers: str) -> None:
        """Merge records into one."""
        await self.control.call("POST", f"{self._contacts}/merge", {"winner": winner, "losers": list(losers)})

    async def mark(self, record_id: str, **marks: object) -> None:
        """Lock a record, withdraw its approval, hide it from users or make it read-only for them."""
        await self.control.call("POST", f"{self._contacts}/mark", {"ids": [record_id], **marks})

    async def change_view(self, **changes: object) -> None:
        """Change the list view as its owner would."""
        await self.control.call("PATCH", f"/organisations/{self.zgid}/views/{self.view}", changes)

    async def delete_view(self) -> None:
        """Delete the list view; its records stay."""
        await self.control.call("DELETE", f"/organisations/{self.zgid}/views/{self.view}")

    async def add_field(self, label: str, **field: object) -> str:
        """The API name of a new field of contacts."""
        answer = await self.control.call("POST", f"/organisations/{self.zgid}/fields", {"label": label, **field})
        return str(answer["api_name"])

    async def change_field(self, api_name: str, **field: object) -> None:
        """What an administrator changes on a field of contacts, `read_only` for instance."""
        await self.control.call("PATCH", f"/organisations/{self.zgid}/fields/Contacts/{api_name}", field)


@dataclass(slots=True)
class Vendors:
    """Both simulators, each with one empty address book."""

    google: GoogleBook
    crm: CrmBook

    async def advance(self, seconds: float) -> None:
        """Move both vendors' clocks; ours stays."""
        await self.google.control.advance(seconds)
        await self.crm.control.advance(seconds)

    async def clear_logs(self) -> None:
        """Begin counting calls anew."""
        await self.google.control.clear_log()
        await self.crm.control.clear_log()

    async def calls(self) -> Counter[str]:
        """Calls of both vendors since the logs were cleared."""
        return await self.google.control.calls() + await self.crm.control.calls()


@asynccontextmanager
async def vendors(*, view_criteria: Json | None = None) -> AsyncIterator[Vendors]:
    """Start both simulators on the loopback, quotas lifted, with one account, one organisation, tokens for both."""
    google = google_app(GoogleSettings(quotas_enabled=False))
    zoho = ZohoSimulator(ZohoSettings(quotas_enabled=False))
    async with running(google) as google_url, running(zoho.app) as zoho_url, httpx2.AsyncClient() as client:
        yield await furnish(google_url, zoho_url, client, view_criteria=view_criteria)


async def furnish(
    google_url: str, zoho_url: str, client: httpx2.AsyncClient, *, view_criteria: Json | None = None
) -> Vendors:
    """One account and one organisation, with tokens, in simulators that run already."""
    return Vendors(
        await google_book(Control(google_url, client)), await crm_book(Control(zoho_url, client), view_criteria)
    )


async def google_book(control: Control, email: str = "ada@example.com") -> GoogleBook:
    """A new account with one empty group."""
    account = await control.call("POST", "/accounts", {"email": email, "region": "GB"})
    group = await control.call("POST", f"/accounts/{account['sub']}/groups", {"name": "Customers"})
    book = GoogleBook(control, account["sub"], group["resourceName"])
    await book.renew_token()
    return book


async def crm_book(control: Control, criteria: Json | None = None) -> CrmBook:
    """A new organisation with one user, who has a list view."""
    org = await control.call("POST", "/organisations", {"name": "Analytical Ltd", "country": "GB"})
    user = org["users"][0]["id"]
    view = await control.call(
        "POST", f"/organisations/{org['zgid']}/views", {"name": "Customers", "criteria": criteria, "owner": user}
    )
    book = CrmBook(control, org["zgid"], user, view["id"])
    await book.renew_token()
    return book


def google_people(count: int, *, seed: int = 1, unique_emails: bool = True) -> list[Json]:
    """Realistic People API bodies."""
    return [to_google_person(person) for person in population(count, seed=seed, unique_emails=unique_emails)]
