"""People as the API shows them, and a Google that answers from a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson

from contactsync.adapters.google.bases import Bindings
from contactsync.adapters.google.client import GooglePeople
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import AuthorizedHttp, HttpEdge, HttpSettings, build_client
from contactsync.domain.catalogue import STANDARD_CRM_FIELDS, CrmField
from contactsync.domain.contact import Changes
from contactsync.domain.ids import ConnectionId, GroupId, LinkId, PersonId, RowKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import default_mapping
from contactsync.errors import ContactSyncError
from contactsync.ports.directory import Call, CreateRequest, PersonSnapshot, PersonUpdate
from contactsync.ports.vault import AccessToken
from tests.support.clock import EPOCH, ManualClock

GROUP = GroupId("contactGroups/customers")
LINK = LinkId(UUID(int=7))
DATE = "Sun, 01 Mar 2026 09:00:00 GMT"
CONTACT = {"source": {"type": "CONTACT", "id": "1"}}

EMAIL = RowKey("Email=email_addresses[work]")
SECOND_EMAIL = RowKey("Secondary_Email=email_addresses[home]")
WORK_PHONE = RowKey("Phone=phone_numbers[work]")
MOBILE = RowKey("Mobile=phone_numbers[mobile]")
GIVEN = RowKey("First_Name=names.given_name")
FAMILY = RowKey("Last_Name=names.family_name")
COMPANY = RowKey("Account_Name=organizations.name")
TITLE = RowKey("Title=organizations.title")
CITY = RowKey("Mailing_City=addresses[work].city")
COUNTRY = RowKey("Mailing_Country=addresses[work].country")
NOTES = RowKey("Description=biographies")
BIRTHDAY = RowKey("Date_of_Birth=birthdays")
ASSISTANT = RowKey("Assistant=relations[assistant]")
SKYPE = RowKey("Skype_ID=im_clients[skype]")
LIKES = RowKey("Likes=user_defined[Likes]")

_FIELDS = {**STANDARD_CRM_FIELDS, "Likes": CrmField(api_name="Likes", label="Likes", custom=True)}
_MORE = [
    ("Description", "biographies"),
    ("Date_of_Birth", "birthdays"),
    ("Assistant", "relations[assistant]"),
    ("Skype_ID", "im_clients[skype]"),
    ("Twitter", "urls[profile]"),
    ("Likes", "user_defined[Likes]"),
]


def wide_mapping() -> FieldMapping:
    """The standard mapping and every row of "map more fields", a custom field among them."""
    rows = [{"crm_field": row.crm_field, "google_field": str(row.google_field)} for row in default_mapping().rows]
    more = [{"crm_field": crm, "google_field": google} for crm, google in _MORE]
    return FieldMapping.build([*rows, *more], _FIELDS)


def person(number: int = 1, *, etag: str = "e1", groups: Iterable[str] = (GROUP,), **fields: Any) -> dict[str, Any]:  # noqa: ANN401  JSON of any shape
    """A contact as a listing shows it; entries get their source."""
    shown = {name: [{"metadata": CONTACT, **entry} for entry in entries] for name, entries in fields.items()}
    return {
        "resourceName": f"people/c{number}",
        "etag": f"%{etag}",
        "metadata": {
            "sources": [
                {"type": "CONTACT", "id": "1", "etag": f"#{etag}", "updateTime": "2026-03-01T08:00:00.123456Z"}
            ],
            "objectType": "PERSON",
        },
        "memberships": [{"contactGroupMembership": {"contactGroupResourceName": group}} for group in groups],
        **shown,
    }


@dataclass
class Gate:
    """Admits every call and remembers it; `refusals` are raised first, one by one, None admits."""

    calls: list[Call] = field(default_factory=list)
    refusals: list[ContactSyncError | None] = field(default_factory=list)

    async def admit(self, call: Call) -> None:
        self.calls.append(call)
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal


class _Tokens:
    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        return AccessToken("token", EPOCH, "https://people.googleapis.com")


Reply = tuple[int, object]
"""Status and body; a string is sent as HTML."""


@dataclass
class Google:
    """Answers with `replies` in order and remembers what it was asked."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)

    def body(self, number: int = -1) -> dict[str, Any]:
        """The JSON of a request."""
        found: dict[str, Any] = orjson.loads(self.requests[number].content)
        return found

    def people(
        self, *, mapping: FieldMapping | None = None, group: GroupId = GROUP, bindings: Bindings | None = None
    ) -> GooglePeople:
        """A connector in front of it."""
        endpoints, settings = GoogleEndpoints(), HttpSettings()
        client = build_client(settings, transport=httpx2.MockTransport(self._answer))
        edge = HttpEdge(client, endpoints.guard(), ManualClock(), settings)
        http = AuthorizedHttp(edge, _Tokens(), ConnectionId(UUID(int=1)), self.gate)
        return GooglePeople(
            http, endpoints, group=group, mapping=mapping or wide_mapping(), region="GB", bindings=bindings
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        status, body = self.replies.pop(0)
        content = body.encode() if isinstance(body, str) else orjson.dumps(body)
        return httpx2.Response(status, content=content, headers={"date": DATE})


def new(values: Mapping[RowKey, str]) -> CreateRequest:
    """A request for a new contact."""
    return CreateRequest(LinkId(uuid4()), values)


def named(*numbers: int) -> list[tuple[LinkId, PersonId]]:
    """Pairs for deletes and joins."""
    return [(LinkId(uuid4()), PersonId(f"people/c{number}")) for number in numbers]


async def update_of(raw: Mapping[str, Any], changes: Changes) -> PersonUpdate:
    """The update of a person as it was read."""
    reply = {"responses": [{"requestedResourceName": raw["resourceName"], "person": raw}]}
    (snapshot,) = await Google([(200, reply)]).people().read([PersonId(str(raw["resourceName"]))])
    return PersonUpdate(LinkId(uuid4()), PersonSnapshot(snapshot.observation, raw), changes)


def error(
    code: int,
    status: str,
    message: str = "",
    *,
    details: Iterable[Mapping[str, object]] = (),
    reasons: Iterable[str] = (),
) -> Reply:
    """An error in the API's envelope; `reasons` go into the older block."""
    body: dict[str, Any] = {"code": code, "status": status, "message": message, "details": list(details)}
    body["errors"] = [{"reason": reason, "message": message, "domain": "global"} for reason in reasons]
    return code, {"error": {name: value for name, value in body.items() if value}}
