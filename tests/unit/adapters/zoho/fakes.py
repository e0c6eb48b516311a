"""A CRM that answers from a list, and what a connector needs beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson

from contactsync.adapters.http import HttpEdge, HttpSettings, build_client
from contactsync.adapters.zoho.client import ZohoContacts
from contactsync.adapters.zoho.data_centres import DataCentres
from contactsync.adapters.zoho.metadata import ZohoMetadata
from contactsync.domain.ids import ConnectionId, LinkId
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import default_mapping
from contactsync.errors import ContactSyncError
from contactsync.ports.directory import Call, CrmDirectory
from contactsync.ports.vault import AccessToken
from tests.support.clock import EPOCH, ManualClock

CONNECTION = ConnectionId(UUID(int=1))
API = "https://www.zohoapis.com"
DATE = "Sun, 01 Mar 2026 09:00:00 GMT"
TIME = "2026-03-01T10:00:00+01:00"
REVISION = "2026-03-01T09:00:00Z"


def link() -> LinkId:
    """A link id of its own."""
    return LinkId(uuid4())


@dataclass
class Gate:
    """Admits and remembers every call; `refusals` are raised one by one, None admits."""

    calls: list[Call] = field(default_factory=list)
    refusals: list[ContactSyncError | None] = field(default_factory=list)

    async def admit(self, call: Call) -> None:
        self.calls.append(call)
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal

    @property
    def credits(self) -> int:
        return sum(call.units.get("credits", 0) for call in self.calls)


@dataclass
class Tokens:
    """Access tokens of one connection, numbered; a stale one is replaced by the next."""

    number: int = 1
    stale: list[str] = field(default_factory=list)
    api_url: str = API

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        if stale is not None:
            self.stale.append(stale)
            self.number += 1
        return AccessToken(f"token-{self.number}", EPOCH + timedelta(hours=1), self.api_url)


IS_A_DIRECTORY: type[CrmDirectory] = ZohoContacts
"""The type checker compares every method with the port."""

Reply = Callable[[httpx2.Request], httpx2.Response]


def reply(body: object = None, status: int = 200, **headers: str) -> Reply:
    """An answer with that JSON body, or none, and the CRM's clock."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        del request
        content = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"Date": DATE} | {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.Response(status, headers=sent, content=content)

    return answer


def problem(code: str, status: int = 400, message: str = "refused", **details: object) -> Reply:
    """A refusal of a whole call."""
    return reply({"code": code, "details": details, "message": message, "status": "error"}, status)


def failure(code: str, message: str = "refused", **details: object) -> dict[str, Any]:
    """A refusal of one record."""
    return {"code": code, "details": details, "message": message, "status": "error"}


def success(record_id: str, modified: str = TIME) -> dict[str, Any]:
    """The outcome of one record that was written."""
    details = {"id": record_id, "Modified_Time": modified, "Created_Time": modified}
    return {"code": "SUCCESS", "details": details, "message": "done", "status": "success"}


def breaks(error: type[httpx2.RequestError]) -> Reply:
    """A connection that fails that way."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error("broken", request=request)

    return answer


class Crm:
    """Answers requests from a list, in order, and remembers them."""

    def __init__(self, *replies: Reply, mapping: FieldMapping | None = None, automation: bool = False) -> None:
        self.replies = list(replies)
        self.requests: list[httpx2.Request] = []
        self.gate = Gate()
        self.tokens = Tokens()
        self.mapping = mapping or default_mapping()
        client = build_client(HttpSettings(), transport=httpx2.MockTransport(self._answer))
        self.edge = HttpEdge(client, DataCentres().guard, ManualClock())
        self.contacts = ZohoContacts(self.edge, self.tokens, CONNECTION, self.mapping, self.gate, automation=automation)
        self.metadata = ZohoMetadata(self.edge, self.tokens, CONNECTION, self.gate)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.replies.pop(0)(request)

    def body(self, number: int = -1) -> Any:  # noqa: ANN401  JSON of any shape
        """The JSON body of a request."""
        return orjson.loads(self.requests[number].content)

    def query(self, number: int = -1) -> dict[str, str]:
        """The query parameters of a request."""
        return dict(self.requests[number].url.params)

    def coql(self, number: int = -1) -> str:
        """The query text of a COQL request."""
        text: str = self.body(number)["select_query"]
        return text


def record(record_id: str = "1000000000000000001", **fields: object) -> dict[str, Any]:
    """A record as listings show it."""
    return {"id": record_id, "Modified_Time": TIME, "Last_Name": "Lovelace", **fields}


def page(records: Iterable[Mapping[str, Any]], token: str | None = None) -> Reply:
    """A page of a listing."""
    return reply({"data": list(records), "info": {"more_records": token is not None, "next_page_token": token}})


def instant(text: str) -> datetime:
    """The instant of an ISO text."""
    return datetime.fromisoformat(text)
