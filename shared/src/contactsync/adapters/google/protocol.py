"""Requests to the People API, and what their answers hold. No I/O.

Source: People API v1, discovery document `people:v1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from contactsync.adapters.http import FORM, JSON, OutboundRequest
from contactsync.ports.directory import Call

LIST_PAGE_SIZE: Final = 1000
READ_BATCH: Final = 200
WRITE_BATCH: Final = 200
DELETE_BATCH: Final = 500
MEMBERS_BATCH: Final = 1000
GROUPS_PAGE_SIZE: Final = 1000

MARKER_KEY: Final = "contactsync"
"""Key of the `clientData` entry that carries our link id."""
MY_CONTACTS: Final = "contactGroups/myContacts"
ALL_CONTACTS: Final = "contactGroups/all"
"""The system group that everybody is in; nobody can be put into it."""

_LISTED_ENTRIES: Final = 100
"""A listing shows so many addresses and so many numbers of a person; people.get shows all (schema `Person`)."""
_CONTACTS_ONLY: Final = "READ_SOURCE_TYPE_CONTACT"
_LONGEST_URL: Final = 2048
"""A longer GET goes as POST with `X-HTTP-Method-Override: GET` (Google API clients do the same)."""

UPDATABLE_FIELDS: Final = (
    "addresses",
    "biographies",
    "birthdays",
    "clientData",
    "emailAddresses",
    "events",
    "externalIds",
    "genders",
    "imClients",
    "interests",
    "locales",
    "locations",
    "memberships",
    "miscKeywords",
    "names",
    "nicknames",
    "occupations",
    "organizations",
    "phoneNumbers",
    "relations",
    "sipAddresses",
    "urls",
    "userDefined",
)
"""What a person is read with before it is changed or deleted: all that can be written back (without `calendarUrls`,
whose writing is reported to fail)."""
IDENTITY_FIELDS: Final = ("clientData", "emailAddresses", "memberships", "metadata", "names", "phoneNumbers")
"""What every listed person is asked for: who it is, whether it is in the group, which version it is."""

WHOLE_MASK: Final = ",".join(sorted({*UPDATABLE_FIELDS, "metadata"}))

LIST: Final = Call(provider="google", operation="people.list", units={"read": 1})
READ: Final = Call(provider="google", operation="people.batch_get", units={"read": 1})
CREATE: Final = Call(
    provider="google", operation="people.batch_create", units={"read": 6, "write": 6, "daily": 200}, mutates=True
)
UPDATE: Final = Call(
    provider="google", operation="people.batch_update", units={"read": 6, "write": 6, "daily": 200}, mutates=True
)
DELETE: Final = Call(provider="google", operation="people.batch_delete", units={"delete": 10}, mutates=True)
JOIN: Final = Call(provider="google", operation="groups.members_modify", units={"delete": 1}, mutates=True)
"""Deletes and group writes share one quota ("Contact Deletes and Contact Group Writes")."""
GROUP_GET: Final = Call(provider="google", operation="groups.get", units={"group_read": 1}, control=True)
GROUP_LIST: Final = Call(provider="google", operation="groups.list", units={"group_read": 1}, control=True)
GROUP_CREATE: Final = Call(
    provider="google", operation="groups.create", units={"delete": 1}, mutates=True, control=True
)
COUNT: Final = Call(provider="google", operation="people.count", units={"read": 1}, control=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request before it has a host."""

    call: Call
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] | None = None

    def outbound(self, base_url: str) -> OutboundRequest:
        """The request to the API at `base_url`; a long GET in its POST form."""
        url = f"{base_url.rstrip('/')}/v1/{self.path}"
        encoded = urlencode(self.query)
        if self.method == "GET" and len(url) + 1 + len(encoded) > _LONGEST_URL:
            return OutboundRequest(
                operation=self.call.operation,
                method="POST",
                url=url,
                headers={"X-HTTP-Method-Override": "GET", "Content-Type": FORM},
                content=encoded.encode(),
                mutates=self.call.mutates,
            )
        return OutboundRequest(
            operation=self.call.operation,
            method=self.method,
            url=url,
            query=self.query,
            headers={} if self.body is None else {"Content-Type": JSON},
            content=None if self.body is None else orjson.dumps(self.body),
            mutates=self.call.mutates,
        )


def list_mask(mapped: Iterable[str]) -> str:
    """The person fields of a listing: identity and what the mapping needs, in a fixed order."""
    return ",".join(sorted({*IDENTITY_FIELDS, *mapped}))


def list_people(mask: str, sync_token: str | None, page_token: str | None) -> Request:
    """A page of all contacts, or of changes since `sync_token`.

    All parameters but the tokens are the same in every call: the tokens are bound to them.
    """
    query = [
        ("personFields", mask),
        ("sources", _CONTACTS_ONLY),
        ("pageSize", str(LIST_PAGE_SIZE)),
        ("requestSyncToken", "true"),
    ]
    query += [("syncToken", sync_token)] if sync_token else []
    query += [("pageToken", page_token)] if page_token else []
    return Request(call=LIST, method="GET", path="people/me/connections", query=query)


def count_people() -> Request:
    """The smallest listing; its `totalItems` is the number of contacts."""
    query = [("personFields", "metadata"), ("sources", _CONTACTS_ONLY), ("pageSize", "1")]
    return Request(call=COUNT, method="GET", path="people/me/connections", query=query)


def read_people(names: Sequence[str]) -> Request:
    """Up to 200 people, whole."""
    query = [("resourceNames", name) for name in names]
    query += [("personFields", WHOLE_MASK), ("sources", _CONTACTS_ONLY)]
    return Request(call=READ, method="GET", path="people:batchGet", query=query)


def create_people(people: Sequence[Mapping[str, Any]], mask: str) -> Request:
    """New contacts; the answer shows them with the fields of `mask`."""
    body = {"contacts": [{"contactPerson": person} for person in people], "readMask": mask, "sources": [_CONTACTS_ONLY]}
    return Request(call=CREATE, method="POST", path="people:batchCreateContacts", body=body)


def update_people(people: Mapping[str, Mapping[str, Any]], fields: Iterable[str], mask: str) -> Request:
    """New values for `fields` of every one of `people` (by resource name): a masked field is replaced as a whole."""
    body = {
        "contacts": people,
        "updateMask": ",".join(sorted(fields)),
        "readMask": mask,
        "sources": [_CONTACTS_ONLY],
    }
    return Request(call=UPDATE, method="POST", path="people:batchUpdateContacts", body=body)


def delete_people(names: Sequence[str]) -> Request:
    """Contacts to be moved to the Trash."""
    return Request(call=DELETE, method="POST", path="people:batchDeleteContacts", body={"resourceNames": list(names)})


def join_group(group: str, names: Sequence[str]) -> Request:
    """Contacts to be put into `group`."""
    return Request(call=JOIN, method="POST", path=f"{group}/members:modify", body={"resourceNamesToAdd": list(names)})


def get_group(group: str, *, members: int = 0) -> Request:
    """One group, with the names of up to `members` of its members."""
    query = [("groupFields", "name,groupType,memberCount,metadata"), ("maxMembers", str(members))]
    return Request(call=GROUP_GET, method="GET", path=group, query=query)


def list_groups(page_token: str | None) -> Request:
    """A page of the account's groups."""
    query = [("pageSize", str(GROUPS_PAGE_SIZE)), ("groupFields", "name,groupType,memberCount,metadata")]
    query += [("pageToken", page_token)] if page_token else []
    return Request(call=GROUP_LIST, method="GET", path="contactGroups", query=query)


def create_group(name: str) -> Request:
    """A new group of the user."""
    return Request(call=GROUP_CREATE, method="POST", path="contactGroups", body={"contactGroup": {"name": name}})


def is_perhaps_cut(person: Mapping[str, Any]) -> bool:
    """Whether a listing may have left out some addresses or numbers of `person`.

    What it leaves out would look like something that the user removed.
    """
    return len(person.get("phoneNumbers", ())) >= _LISTED_ENTRIES or (
        len(person.get("emailAddresses", ())) >= _LISTED_ENTRIES
    )


def contact_source(person: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The CONTACT source of a person: its id, etag and updateTime; None for a person who is no contact."""
    sources = person.get("metadata", {}).get("sources", ())
    return next((source for source in sources if source.get("type") == "CONTACT"), None)


def memberships_of(*groups: str) -> list[dict[str, Any]]:
    """`groups` and `myContacts` as memberships of a new contact: phones show what is in `myContacts`."""
    names = dict.fromkeys((MY_CONTACTS, *(group for group in groups if group != ALL_CONTACTS)))
    return [{"contactGroupMembership": {"contactGroupResourceName": name}} for name in names]
