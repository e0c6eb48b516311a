"""The methods of the People API that the simulator offers: address, scopes, cost, parameters and handler of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.google import groups, quota, reads, writes
from simulators.google.addressbook import AddressBook
from simulators.google.request import ApiRequest
from simulators.google.schema import BODIES, Json

if TYPE_CHECKING:
    from simulators.google.simulator import GoogleSimulator

Handler = Callable[["GoogleSimulator", AddressBook, ApiRequest], Json]

_AUTH = "https://www.googleapis.com/auth/"
CONTACTS = _AUTH + "contacts"
READONLY = _AUTH + "contacts.readonly"
PROFILE_SCOPES = frozenset({_AUTH + "userinfo.profile", _AUTH + "userinfo.email", "profile", "email"})
WRITE_SCOPES = frozenset({CONTACTS})
READ_SCOPES = frozenset({CONTACTS, READONLY})
GET_SCOPES = READ_SCOPES | PROFILE_SCOPES

_READ_PERSON = "personFields requestMask.includeField sources"


@dataclass(frozen=True, slots=True)
class Method:
    """One method; `query` names its parameters beside those of every method."""

    operation: str
    http: str
    pattern: re.Pattern[str]
    handler: Handler
    scopes: frozenset[str]
    units: dict[str, int]
    query: frozenset[str]

    @property
    def mutation(self) -> bool:
        """Whether it writes."""
        return self.http != "GET"

    @property
    def has_body(self) -> bool:
        """Whether it takes a JSON message."""
        return self.operation in BODIES


def _method(operation: str, http: str, path: str, handler: Handler, units: dict[str, int], query: str = "") -> Method:
    pattern = re.compile("/v1/" + path.replace("{id}", "(?P<id>[^/:]+)"))
    scopes = READ_SCOPES if http == "GET" else WRITE_SCOPES
    if operation in {"people.get", "people.getBatchGet"}:
        scopes = GET_SCOPES
    return Method(operation, http, pattern, handler, scopes, units, frozenset(query.split()))


_PAGING = "pageSize pageToken syncToken"
METHODS: tuple[Method, ...] = (
    _method(
        "people.connections.list",
        "GET",
        "people/{id}/connections",
        reads.list_connections,
        quota.READ,
        f"{_READ_PERSON} {_PAGING} requestSyncToken sortOrder",
    ),
    _method(
        "people.getBatchGet", "GET", "people:batchGet", reads.batch_get, quota.READ, f"{_READ_PERSON} resourceNames"
    ),
    _method(
        "people.searchContacts",
        "GET",
        "people:searchContacts",
        reads.search_contacts,
        quota.READ,
        "query readMask pageSize sources",
    ),
    _method("people.get", "GET", "people/{id}", reads.get_person, quota.READ, _READ_PERSON),
    _method(
        "people.createContact",
        "POST",
        "people:createContact",
        writes.create_contact,
        quota.WRITE,
        "personFields sources",
    ),
    _method(
        "people.updateContact",
        "PATCH",
        "people/{id}:updateContact",
        writes.update_contact,
        quota.WRITE,
        "updatePersonFields personFields sources",
    ),
    _method("people.deleteContact", "DELETE", "people/{id}:deleteContact", writes.delete_contact, quota.DELETE),
    _method("people.batchCreateContacts", "POST", "people:batchCreateContacts", writes.batch_create, quota.BATCH_WRITE),
    _method("people.batchUpdateContacts", "POST", "people:batchUpdateContacts", writes.batch_update, quota.BATCH_WRITE),
    _method(
        "people.batchDeleteContacts", "POST", "people:batchDeleteContacts", writes.batch_delete, quota.BATCH_DELETE
    ),
    _method(
        "contactGroups.list", "GET", "contactGroups", groups.list_groups, quota.GROUP_READ, f"{_PAGING} groupFields"
    ),
    _method(
        "contactGroups.batchGet",
        "GET",
        "contactGroups:batchGet",
        groups.batch_get_groups,
        quota.GROUP_READ,
        "resourceNames maxMembers groupFields",
    ),
    _method(
        "contactGroups.get", "GET", "contactGroups/{id}", groups.get_group, quota.GROUP_READ, "maxMembers groupFields"
    ),
    _method("contactGroups.create", "POST", "contactGroups", groups.create_group, quota.GROUP_WRITE),
    _method("contactGroups.update", "PUT", "contactGroups/{id}", groups.update_group, quota.GROUP_WRITE),
    _method(
        "contactGroups.delete", "DELETE", "contactGroups/{id}", groups.delete_group, quota.GROUP_WRITE, "deleteContacts"
    ),
    _method(
        "contactGroups.members.modify",
        "POST",
        "contactGroups/{id}/members:modify",
        groups.modify_members,
        quota.GROUP_WRITE,
    ),
)

NOT_OFFERED = re.compile(
    r"/v1/(otherContacts.*|people:(listDirectoryPeople|searchDirectoryPeople)"
    r"|people/[^/:]+:(updateContactPhoto|deleteContactPhoto))"
)
"""Methods of the real API that the simulator answers with 501, so that nobody takes them for unknown paths."""


def find_method(http: str, path: str, methods: Iterable[Method] = METHODS) -> tuple[Method, dict[str, str]] | None:
    """The method at an address with the parameters of its path; None where there is none."""
    for method in methods:
        if method.http == http and (match := method.pattern.fullmatch(path)):
            return method, match.groupdict()
    return None
