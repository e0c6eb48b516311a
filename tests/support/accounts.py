"""Accounts that config-api's tests connect without any provider: what they offer is said by the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from config_api.configurations.surroundings import Group
from config_api.web.callers import Caller
from config_api.web.problems import ProblemError
from contactsync.adapters.sql.database import Database
from contactsync.domain.catalogue import STANDARD_CRM_FIELDS, CrmField
from contactsync.domain.ids import AccountKey, ConnectionId, GroupId, ViewId
from contactsync.domain.policy import Direction
from contactsync.ports.clock import Clock
from contactsync.ports.configurations import Accounts
from contactsync.ports.connections import Provider

VIEW = "5545974000000087501"
OTHER_VIEW = "5545974000000087502"
GROUP = "contactGroups/63f8c1a20c8e3a5b"
OTHER_GROUP = "contactGroups/63f8c1a20c8e3a5c"
MY_CONTACTS = "contactGroups/myContacts"


@dataclass
class OfferedAccounts:
    """`Surroundings` of a test: two views, two groups and `My Contacts`, the standard fields, every direction."""

    database: Database
    clock: Clock
    known: dict[object, Accounts] = field(default_factory=dict)
    allowed: frozenset[Direction] = frozenset(Direction)
    away: set[Provider] = field(default_factory=set)
    """Accounts that are not connected although `known`."""
    crm_fields: dict[str, CrmField] = field(default_factory=lambda: dict(STANDARD_CRM_FIELDS))

    async def connect(self, caller: Caller) -> Accounts:
        """Store two connections of the caller, to accounts of their own; without tokens, so that nothing uses them."""
        accounts = Accounts(ConnectionId(uuid4()), ConnectionId(uuid4()), AccountKey(uuid4().bytes))
        async with self.database.tenant(caller.organisation_id) as connection:
            for provider, connection_id in (
                ("zoho", accounts.crm_connection_id),
                ("google", accounts.google_connection_id),
            ):
                await connection.execute(
                    "INSERT INTO connections (organisation_id, connection_id, user_id, provider, account_key, state, "
                    "api_base_url, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'disconnected', '', $6, $6)",
                    caller.organisation_id,
                    connection_id,
                    caller.user_id,
                    provider,
                    accounts.account,
                    self.clock.now(),
                )
        self.known[caller.user_id] = accounts
        return accounts

    async def unconnected(self, caller: Caller) -> Mapping[Provider, str]:
        missing = set(Provider) if caller.user_id not in self.known else self.away
        return dict.fromkeys(sorted(missing, reverse=True), "not_connected")

    async def accounts(self, caller: Caller) -> Accounts:
        if caller.user_id not in self.known:
            raise ProblemError("not_connected")
        return self.known[caller.user_id]

    async def directions(self, caller: Caller) -> frozenset[Direction]:
        if not self.allowed:
            raise ProblemError("permission_missing")
        return self.allowed

    async def fields(self, caller: Caller) -> Mapping[str, CrmField]:
        return self.crm_fields

    async def has_view(self, caller: Caller, view_id: ViewId) -> bool:
        return view_id in {VIEW, OTHER_VIEW}

    async def group(self, caller: Caller, group_id: GroupId) -> Group | None:
        groups = (Group(GroupId(GROUP), False, 3), Group(GroupId(OTHER_GROUP), False, 0))  # noqa: FBT003
        system = Group(GroupId(MY_CONTACTS), True, 412)  # noqa: FBT003
        return next((group for group in (*groups, system) if group.group_id == group_id), None)
