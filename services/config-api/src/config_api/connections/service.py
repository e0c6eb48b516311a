"""Connections of callers: listed, and ended on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from config_api.connections.schemas import Connection, ConnectionList, ConnectionState, Disconnected
from config_api.web.callers import Caller
from config_api.web.problems import ProblemError
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.errors import ContactSyncError
from contactsync.ports.connections import GrantKeeper, Owner, Provider, StoredConnection
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)


def owner_of(caller: Caller) -> Owner:
    """The caller as the owner of connections."""
    return Owner(caller.organisation_id, caller.user_id)


@dataclass(frozen=True, slots=True)
class ConnectionService:
    """What a caller may do with his own connections."""

    store: SqlConnections
    keepers: Mapping[Provider, GrantKeeper]

    async def all(self, caller: Caller) -> ConnectionList:
        """The caller's connections."""
        return ConnectionList(items=[_shown(one) for one in await self.store.of_user(owner_of(caller))])

    async def disconnect(self, caller: Caller, provider: Provider) -> Disconnected:
        """Revoke the grant at the provider, then erase it here. Raises a 404 problem without a connection.

        A provider that does not answer keeps nothing here: what it did not confirm is said.
        """
        owner = owner_of(caller)
        try:
            grant = await self.store.grant(owner, provider)
            if grant is None:
                raise ProblemError("not_found")
            await self.keepers[provider].revoke(grant)
            revoked = True
        except ContactSyncError as error:  # no answer, a refusal, or a sealed token that does not open
            log.warning("connection.revoke.failed", provider=provider.value, reason=error.reason)
            revoked = False
        await self.store.disconnect(owner, provider, actor=caller.user_id)
        return Disconnected(revoked=revoked)


def _shown(stored: StoredConnection) -> Connection:
    return Connection(
        provider=stored.provider,
        state=ConnectionState(stored.state.value),
        reason=stored.reason,
        account_name=stored.profile.name,
        organisation_name=stored.profile.organisation_name,
        data_centre=stored.facts.data_centre,
        connected_at=stored.connected_at,
    )
