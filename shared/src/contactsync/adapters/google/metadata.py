"""What a configuration is made from: the account's groups, and how many contacts it holds. Control calls all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contactsync.adapters.google import protocol
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.google.failures import error_of
from contactsync.adapters.google.protocol import ALL_CONTACTS, MY_CONTACTS, Request
from contactsync.adapters.google.reading import understood
from contactsync.adapters.http import Answer, AuthorizedHttp
from contactsync.domain.ids import GroupId
from contactsync.errors import RecordRejectedError

MAX_CONTACTS: Final = 25_000
"""Contacts that an account can hold, its Trash included (Google Contacts Help, "Contacts limits")."""

STARRED: Final = "contactGroups/starred"
WRITABLE_SYSTEM_GROUPS: Final = (MY_CONTACTS, STARRED)
"""System groups that contacts can be added to; the others are deprecated (People API, contactGroups.members.modify)."""

_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactGroup:
    """A group of the account. `name` of a system group is its key, not what the user reads."""

    group_id: GroupId
    name: str
    label: str
    """The name as shown, in the account's language for system groups."""
    system: bool
    members: int


class GoogleAccount:
    """Questions about one account, outside any run."""

    def __init__(self, http: AuthorizedHttp, endpoints: GoogleEndpoints) -> None:
        self._http = http
        self._endpoints = endpoints

    async def groups(self) -> list[ContactGroup]:
        """The groups that contacts can be put into: `myContacts`, `starred`, "all", and the user's own by name."""
        found: list[ContactGroup] = []
        page: str | None = None
        while True:
            answer = await self._expect(protocol.list_groups(page))
            with understood(answer):
                body = answer.json_object()
                found += [_group(item) for item in body.get("contactGroups", ()) if not _is_deleted(item)]
                page = body.get("nextPageToken")
            if not page:
                break
        offered = {*WRITABLE_SYSTEM_GROUPS, ALL_CONTACTS}
        return sorted(
            (group for group in found if not group.system or group.group_id in offered),
            key=lambda group: (not group.system, group.label.casefold(), group.group_id),
        )

    async def create_group(self, name: str) -> ContactGroup:
        """A new, empty group. Raises RecordRejectedError(`group_exists`) when the account has one of that name."""
        answer = await self._send(protocol.create_group(name))
        if answer.status == _CONFLICT:
            raise RecordRejectedError("the account has a group of that name", reason="group_exists")
        if not answer.is_success:
            raise error_of(answer)
        with understood(answer):
            return _group(answer.json_object())

    async def contact_count(self) -> int:
        """How many contacts the account shows; those in its Trash, which count for the limit, are not told."""
        answer = await self._expect(protocol.count_people())
        with understood(answer):
            return int(answer.json_object().get("totalItems", 0))

    async def _expect(self, request: Request) -> Answer:
        answer = await self._send(request)
        if not answer.is_success:
            raise error_of(answer)
        return answer

    async def _send(self, request: Request) -> Answer:
        return await self._http.send(request.call, lambda _: request.outbound(self._endpoints.people_url))


def _is_deleted(item: Mapping[str, Any]) -> bool:
    return bool(item.get("metadata", {}).get("deleted"))


def _group(item: Mapping[str, Any]) -> ContactGroup:
    name = str(item["name"])
    return ContactGroup(
        group_id=GroupId(item["resourceName"]),
        name=name,
        label=str(item.get("formattedName") or name),
        system=item.get("groupType") == "SYSTEM_CONTACT_GROUP",
        members=int(item.get("memberCount", 0)),
    )
