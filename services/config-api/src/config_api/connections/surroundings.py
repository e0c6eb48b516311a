"""What the accounts of a caller offer, asked of both vendors through his own connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from config_api.configurations.surroundings import Group
from config_api.me.service import MeService
from config_api.web.callers import Caller
from config_api.web.problems import ProblemError
from contactsync.adapters.google.metadata import GoogleAccount
from contactsync.adapters.http import AuthorizedHttp, OpenGate
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.zoho.metadata import ZohoMetadata
from contactsync.assembly.foundation import Foundation
from contactsync.assembly.rights import access_of
from contactsync.domain.catalogue import CrmField
from contactsync.domain.ids import GroupId, ViewId
from contactsync.domain.policy import Direction
from contactsync.ports.configurations import Accounts
from contactsync.ports.connections import ConnectionState, Owner, Provider, StoredConnection
from contactsync.ports.vault import TokenSource


@dataclass(frozen=True, slots=True)
class ConnectedAccounts:
    """`Surroundings` over the stored connections."""

    foundation: Foundation
    connections: SqlConnections
    tokens: TokenSource
    me: MeService

    async def unconnected(self, caller: Caller) -> Mapping[Provider, str]:
        """What the caller must connect first, each with why."""
        stored = {one.provider: one.state for one in await self._stored(caller)}
        problems: dict[Provider, str] = {}
        for provider in Provider:
            if provider not in stored:
                problems[provider] = "not_connected"
            elif stored[provider] is not ConnectionState.ACTIVE:
                problems[provider] = "needs_reconnect"
        return problems

    async def accounts(self, caller: Caller) -> Accounts:
        """The caller's two connections. Raises a `not_connected` or `needs_reconnect` problem."""
        crm, google = await self._active(caller, Provider.ZOHO), await self._active(caller, Provider.GOOGLE)
        return Accounts(crm.connection_id, google.connection_id, google.account_key)

    async def directions(self, caller: Caller) -> frozenset[Direction]:
        """What the caller's rights in the CRM allow. Raises a `permission_missing` problem when that is nothing."""
        found = access_of(await self.me.facts(caller, afresh=True))
        if found.reason:
            raise ProblemError("permission_missing", found.reason)
        return found.allowed

    async def fields(self, caller: Caller) -> Mapping[str, CrmField]:
        """The fields of the CRM's contacts by API name."""
        metadata = await self._metadata(caller)
        return {crm.api_name: crm for crm in await metadata.fields()}

    async def has_view(self, caller: Caller, view_id: ViewId) -> bool:
        """Whether the caller may use this list view."""
        metadata = await self._metadata(caller)
        return any(view.id == view_id for view in await metadata.views())

    async def group(self, caller: Caller, group_id: GroupId) -> Group | None:
        """The group, if the account has it."""
        google = await self._active(caller, Provider.GOOGLE)
        http = AuthorizedHttp(self.foundation.google, self.tokens, google.connection_id, OpenGate())
        groups = await GoogleAccount(http, self.foundation.google_endpoints).groups()
        return next((Group(one.group_id, one.system, one.members) for one in groups if one.group_id == group_id), None)

    async def _metadata(self, caller: Caller) -> ZohoMetadata:
        crm = await self._active(caller, Provider.ZOHO)
        return ZohoMetadata(self.foundation.zoho, self.tokens, crm.connection_id, OpenGate())

    async def _active(self, caller: Caller, provider: Provider) -> StoredConnection:
        found = next((one for one in await self._stored(caller) if one.provider is provider), None)
        if found is None:
            raise ProblemError("not_connected")
        if found.state is not ConnectionState.ACTIVE:
            raise ProblemError("needs_reconnect")
        return found

    async def _stored(self, caller: Caller) -> list[StoredConnection]:
        return await self.connections.of_user(Owner(caller.organisation_id, caller.user_id))
