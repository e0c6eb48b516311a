"""What a caller's connected accounts offer to a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from config_api.web.callers import Caller
from contactsync.domain.catalogue import CrmField
from contactsync.domain.ids import GroupId, ViewId
from contactsync.domain.policy import Direction
from contactsync.ports.configurations import Accounts
from contactsync.ports.connections import Provider


@dataclass(frozen=True, slots=True)
class Group:
    """A Google group; a system group (`My Contacts`, `Starred`, all) holds people whom nobody chose for the CRM."""

    group_id: GroupId
    system: bool
    members: int


class Surroundings(Protocol):
    """Asked at each save. May answer from a cache of some minutes."""

    async def unconnected(self, caller: Caller) -> Mapping[Provider, str]:
        """What the caller must connect first, each with why: `not_connected` or `needs_reconnect`."""
        ...

    async def accounts(self, caller: Caller) -> Accounts:
        """The caller's two connections. Raises a `not_connected` or `needs_reconnect` problem."""
        ...

    async def directions(self, caller: Caller) -> frozenset[Direction]:
        """What the caller's rights in the CRM allow. Raises a `permission_missing` problem when that is nothing."""
        ...

    async def fields(self, caller: Caller) -> Mapping[str, CrmField]:
        """The fields of the CRM's contacts by API name."""
        ...

    async def has_view(self, caller: Caller, view_id: ViewId) -> bool:
        """Whether the caller may use this list view."""
        ...

    async def group(self, caller: Caller, group_id: GroupId) -> Group | None:
        """The group, if the account has it."""
        ...
