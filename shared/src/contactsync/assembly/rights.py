"""The rights that a user's grant stands on: asked of the CRM when due, kept with the connection.

Where the CRM does not let a user read his own profile, an administrator's connection of the same organisation is asked
for it. A user who is not active in the CRM any more loses his grants on both sides and his sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NoReturn

from contactsync.adapters.http import HttpEdge, OpenGate
from contactsync.adapters.sql.callers import SqlTickets
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.zoho.metadata import CrmRights, CrmUser, ZohoMetadata
from contactsync.assembly.foundation import Foundation
from contactsync.assembly.grants import grant_keepers
from contactsync.assembly.settings import CommonSettings
from contactsync.domain.ids import ConnectionId, OrganisationId
from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason
from contactsync.domain.rights import Access, Right, access
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    PermissionMissingError,
    UserInactiveError,
)
from contactsync.ports.callers import Tickets
from contactsync.ports.clock import Clock
from contactsync.ports.connections import CrmFacts, GrantKeeper, Owner, Provider, StoredConnection
from contactsync.ports.directory import CallGate
from contactsync.ports.vault import TokenSource
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

CHECKED_EVERY: Final = timedelta(hours=1)
NOW: Final = timedelta()
"""An age that no check has: the CRM is asked in any case."""


@dataclass(frozen=True, slots=True)
class CrmRightsCheck:
    """Asks the CRM; all are control calls."""

    store: SqlConnections
    tokens: TokenSource
    zoho: HttpEdge
    keepers: Mapping[Provider, GrantKeeper]
    tickets: Tickets
    clock: Clock

    async def facts(
        self, connection: StoredConnection, gate: CallGate | None = None, *, within: timedelta = CHECKED_EVERY
    ) -> CrmFacts:
        """What the CRM says about the user of a Zoho connection, no older than `within`.

        Raises UserInactiveError for a user who was switched off, and as `ZohoMetadata` does.
        """
        known = connection.facts
        if known.checked_at is not None and self.clock.now() - known.checked_at < within:
            return known
        gate = gate or OpenGate()
        metadata = self._metadata(connection, gate)
        user = await self._user(connection, metadata, gate)
        organisation = await metadata.organisation()
        own = await metadata.rights(user.profile_id)
        rights = own or await self._told_by_administrators(connection, user.profile_id, gate)
        facts = replace(
            known,
            edition=organisation.edition(self.clock.now().date()),
            active=True,
            profile_id=user.profile_id,
            rights=None if rights is None else _by_name(rights),
            reads_profiles=own is not None,
            checked_at=self.clock.now(),
        )
        await self.store.save_facts(connection.organisation_id, connection.connection_id, facts)
        return facts

    async def require(
        self,
        organisation_id: OrganisationId,
        connection_id: ConnectionId,
        direction: Direction,
        gate: CallGate,
        *,
        within: timedelta = CHECKED_EVERY,
    ) -> None:
        """Return when a run in this direction may begin; `within=NOW` after a call was refused.

        Raises PermissionMissingError, whose reason names the missing right or the edition, and as `facts` does.
        """
        connection = await self.store.get(organisation_id, connection_id)
        found = access_of(await self.facts(connection, gate, within=within))
        reason = found.directions[direction]
        if reason:
            details = {"permissions": [right.value for right in found.missing]}
            raise PermissionMissingError(reason=reason, details=details)

    async def _user(self, connection: StoredConnection, metadata: ZohoMetadata, gate: CallGate) -> CrmUser:
        """The active user of the connection. A user who was switched off is refused, or told to be inactive."""
        try:
            user = await metadata.current_user()
        except PermissionMissingError:
            raise
        except AuthorizationLostError as error:
            if await self._is_switched_off(connection, gate):
                await self._switched_off(connection)
            await self.store.lost(connection.organisation_id, connection.connection_id, error.reason)
            raise
        if not user.active:
            await self._switched_off(connection)
        return user

    async def _switched_off(self, connection: StoredConnection) -> NoReturn:
        """End what the user has here, the connection by which this was learnt last: half of it is done again."""
        await self.tickets.end(connection.user_id)
        await self._end_grants(Owner(connection.organisation_id, connection.user_id))
        raise UserInactiveError("the user is not active in the CRM")

    async def _is_switched_off(self, connection: StoredConnection, gate: CallGate) -> bool:
        """Whether an administrator's connection sees the user inactive; the user's own is refused either way."""
        for reader in await self._readers(connection):
            try:
                active = await self._metadata(reader, gate).is_active(connection.profile.crm_user_id)
            except AuthorizationLostError as error:  # his grant is gone, which says nothing about this user
                log.info("rights.reader.lost", connection_id=str(reader.connection_id), reason=error.reason)
                continue
            if active is not None:
                return not active
        return False

    async def _readers(self, connection: StoredConnection) -> list[StoredConnection]:
        """Administrators' connections of the same organisation."""
        readers = await self.store.profile_readers(connection.organisation_id)
        return [one for one in readers if one.connection_id != connection.connection_id]

    def _metadata(self, connection: StoredConnection, gate: CallGate) -> ZohoMetadata:
        return ZohoMetadata(self.zoho, self.tokens, connection.connection_id, gate)

    async def _told_by_administrators(
        self, connection: StoredConnection, profile_id: str, gate: CallGate
    ) -> CrmRights | None:
        for reader in await self._readers(connection):
            try:
                rights = await self._metadata(reader, gate).rights(profile_id)
            except AuthorizationLostError as error:  # his grant is gone, not this user's
                log.info("rights.reader.lost", connection_id=str(reader.connection_id), reason=error.reason)
                continue
            if rights is not None:
                return rights
        return None

    async def _end_grants(self, owner: Owner) -> None:
        for provider in (Provider.GOOGLE, Provider.ZOHO):
            grant = await self.store.grant(owner, provider)
            if grant is None:
                continue
            try:
                await self.keepers[provider].revoke(grant)
            except ContactSyncError as error:  # our copy is erased all the same
                log.warning("connection.revoke.failed", provider=provider.value, reason=error.reason)
            await self.store.disconnect(owner, provider, reason=Reason.USER_INACTIVE, actor=None)


def rights_check(foundation: Foundation, settings: CommonSettings, tokens: TokenSource) -> CrmRightsCheck:
    """The check of a process."""
    return CrmRightsCheck(
        store=SqlConnections(foundation.database, foundation.vault, foundation.clock),
        tokens=tokens,
        zoho=foundation.zoho,
        keepers=grant_keepers(foundation, settings),
        tickets=SqlTickets(foundation.database, foundation.vault, foundation.clock),
        clock=foundation.clock,
    )


def access_of(facts: CrmFacts) -> Access:
    """The directions that these facts open."""
    return access(facts.edition, facts.rights)


def _by_name(rights: CrmRights) -> dict[str, bool]:
    return {
        Right.GOOGLE_SYNC: rights.google_sync,
        Right.VIEW_CONTACTS: rights.view,
        Right.CREATE_CONTACTS: rights.create,
        Right.EDIT_CONTACTS: rights.edit,
        Right.DELETE_CONTACTS: rights.delete,
    }
