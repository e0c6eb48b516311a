"""Grants of users: stored sealed under a key of their own, pinned to one account, erased when they end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from pydantic import TypeAdapter

from contactsync.adapters.sql.audit import record_in
from contactsync.adapters.sql.database import Connection, Database, savepoint
from contactsync.adapters.sql.sealing import DataSealer, KeyRing, derived
from contactsync.adapters.sql.vault import InstallationKeys, OrganisationKeys, SqlVault, connection_context
from contactsync.domain.ids import ConnectionId, OrganisationId, UserId
from contactsync.domain.reasons import Reason
from contactsync.errors import UnknownRowError
from contactsync.ports.audit import Action, AuditEntry
from contactsync.ports.clock import Clock
from contactsync.ports.connections import (
    AccountProfile,
    ConnectionState,
    CrmFacts,
    NewGrant,
    OtherAccount,
    Owner,
    Provider,
    StoredConnection,
    StoredGrant,
)
from contactsync.ports.vault import SealContext

RECONNECTING_HELPS: Final = (
    Reason.NEEDS_RECONNECT,
    Reason.DISCONNECTED,
    Reason.MISSING_SCOPE,
    Reason.WRONG_DATA_CENTRE,
    Reason.HOST_NOT_ALLOWED,
    Reason.SERVICE_DISABLED,
    Reason.USER_INACTIVE,
)
"""Reasons of a pause that end when the same account is connected again."""

PROFILE: Final = TypeAdapter(AccountProfile)
FACTS: Final = TypeAdapter(CrmFacts)

_COLUMNS: Final = """organisation_id, connection_id, user_id, provider, account_key, state, reason, scopes, profile,
facts, connected_at"""
_OF_USER: Final = f"""
SELECT {_COLUMNS} FROM connections WHERE organisation_id = $1 AND user_id = $2 AND state <> 'disconnected'
ORDER BY provider DESC
"""  # noqa: S608  names of our own columns
_ONE: Final = f"SELECT {_COLUMNS} FROM connections WHERE organisation_id = $1 AND connection_id = $2"  # noqa: S608
_PROFILE_READERS: Final = f"""
SELECT {_COLUMNS} FROM connections
WHERE organisation_id = $1 AND provider = 'zoho' AND state = 'active' AND (facts ->> 'reads_profiles')::boolean
ORDER BY connected_at DESC
"""  # noqa: S608
_LOCK_ORGANISATION: Final = "SELECT crm_key FROM organisations WHERE organisation_id = $1 FOR UPDATE"
_PIN_ORGANISATION: Final = "UPDATE organisations SET crm_key = $2, region = $3 WHERE organisation_id = $1"
_SOME_OF_PROVIDER: Final = f"""
SELECT {_COLUMNS} FROM connections WHERE organisation_id = $1 AND provider = $2 AND profile IS NOT NULL LIMIT 1
"""  # noqa: S608
# What pins the account: a living connection, else one that configurations still speak of.
_PINNED: Final = f"""
SELECT {_COLUMNS} FROM connections c WHERE organisation_id = $1 AND user_id = $2 AND provider = $3
  AND (state <> 'disconnected' OR EXISTS (
        SELECT FROM sync_configs s WHERE s.organisation_id = c.organisation_id AND s.status <> 'deleted'
        AND c.connection_id IN (s.crm_connection_id, s.google_connection_id)))
ORDER BY state = 'disconnected', connected_at DESC LIMIT 1
"""  # noqa: S608
_FORMER: Final = """
SELECT connection_id FROM connections
WHERE organisation_id = $1 AND user_id = $2 AND provider = $3 AND account_key = $4 ORDER BY connected_at DESC LIMIT 1
"""
_SAVE: Final = f"""
INSERT INTO connections (organisation_id, connection_id, user_id, provider, account_key, state, scopes, api_base_url,
    profile, facts, wrapped_key, refresh_token, access_token, access_expires_at, created_at, connected_at, updated_at)
VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14, $14, $14)
ON CONFLICT (organisation_id, connection_id) DO UPDATE SET state = 'active', reason = '', scopes = excluded.scopes,
    api_base_url = excluded.api_base_url, profile = excluded.profile, facts = excluded.facts,
    wrapped_key = excluded.wrapped_key, refresh_token = excluded.refresh_token, access_token = excluded.access_token,
    access_expires_at = excluded.access_expires_at, token_version = connections.token_version + 1,
    refresh_by = NULL, refresh_until = NULL, refresh_reason = '', connected_at = excluded.connected_at,
    updated_at = excluded.updated_at
RETURNING {_COLUMNS}
"""  # noqa: S608
_SAVE_FACTS: Final = """
UPDATE connections SET facts = $3::jsonb, updated_at = $4 WHERE organisation_id = $1 AND connection_id = $2
"""
_GRANT: Final = """
SELECT connection_id, provider, wrapped_key, refresh_token, facts FROM connections
WHERE organisation_id = $1 AND user_id = $2 AND provider = $3 AND state <> 'disconnected' FOR UPDATE
"""
_ERASE: Final = """
UPDATE connections SET state = 'disconnected', reason = $3, wrapped_key = NULL, refresh_token = NULL,
    access_token = NULL, access_expires_at = NULL, scopes = '{}', token_version = token_version + 1,
    refresh_by = NULL, refresh_until = NULL, refresh_reason = '', updated_at = $4
WHERE organisation_id = $1 AND connection_id = $2
"""
_REFUSED: Final = """
UPDATE connections SET state = 'needs_reconnect', reason = $3, access_token = NULL, access_expires_at = NULL,
    updated_at = $4
WHERE organisation_id = $1 AND connection_id = $2 AND state = 'active' RETURNING provider
"""
_PAUSE: Final = """
UPDATE sync_configs SET status = 'paused', paused_reason = $3, updated_at = $4
WHERE organisation_id = $1 AND status = 'active' AND $2 IN (crm_connection_id, google_connection_id)
"""
_RESUME: Final = """
UPDATE sync_configs s SET status = 'active', paused_reason = '', next_due = $3, updated_at = $3
WHERE organisation_id = $1 AND status = 'paused' AND paused_reason = ANY($4::text[])
  AND $2 IN (crm_connection_id, google_connection_id)
  AND 2 = (SELECT count(*) FROM connections c WHERE c.organisation_id = s.organisation_id AND c.state = 'active'
           AND c.connection_id IN (s.crm_connection_id, s.google_connection_id))
"""


@dataclass(frozen=True, slots=True)
class TokenSealer:
    """Seals the tokens of one connection."""

    organisation_id: OrganisationId
    connection_id: ConnectionId
    _sealer: DataSealer

    @classmethod
    def unwrapped(
        cls, ring: KeyRing, wrapped: bytes, organisation_id: OrganisationId, connection_id: ConnectionId
    ) -> TokenSealer:
        """The sealer behind a stored key. Raises SealBrokenError when the key does not open."""
        key = ring.unwrap(wrapped, connection_context(organisation_id, connection_id))
        return cls(organisation_id, connection_id, DataSealer(derived(key, "tokens")))

    def seal(self, token: str, column: str) -> bytes:
        """The token, bound to its row and column."""
        return self._sealer.seal(token.encode(), self._context(column))

    def open(self, sealed: bytes, column: str) -> str:
        """The token again. Raises SealBrokenError."""
        return self._sealer.open(sealed, self._context(column)).decode()

    def _context(self, column: str) -> SealContext:
        return SealContext(self.organisation_id, str(self.connection_id), f"connections.{column}")


class SqlConnections:
    """The store of connections; every change of state pauses or resumes the configurations that depend on it."""

    def __init__(self, database: Database, vault: SqlVault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def of_user(self, who: Owner) -> list[StoredConnection]:
        """The user's connections that are not disconnected, Zoho's first."""
        async with self._database.tenant(who.organisation_id) as connection:
            keys = await self._vault.organisation_in(connection, who.organisation_id)
            rows = await connection.fetch(_OF_USER, who.organisation_id, who.user_id)
        return [_connection_from(row, keys) for row in rows]

    async def get(self, organisation_id: OrganisationId, connection_id: ConnectionId) -> StoredConnection:
        """One connection. Raises UnknownRowError."""
        async with self._database.tenant(organisation_id) as connection:
            keys = await self._vault.organisation_in(connection, organisation_id)
            row = await connection.fetchrow(_ONE, organisation_id, connection_id)
        if row is None:
            raise UnknownRowError(details={"connection": str(connection_id)})
        return _connection_from(row, keys)

    async def profile_readers(self, organisation_id: OrganisationId) -> list[StoredConnection]:
        """Active connections of administrators, who may read the profiles of the organisation's other users."""
        async with self._database.tenant(organisation_id) as connection:
            keys = await self._vault.organisation_in(connection, organisation_id)
            rows = await connection.fetch(_PROFILE_READERS, organisation_id)
        return [_connection_from(row, keys) for row in rows]

    async def save(self, who: Owner, grant: NewGrant) -> StoredConnection | OtherAccount:
        """The stored connection, new or the former one of the same account; or why the account is refused.

        The first Zoho connection pins the organisation; a user's account stays pinned while a connection or a
        configuration speaks of it. Configurations that waited for this account go on.
        """
        account = await self._vault.account_key(grant.provider, grant.profile.account_id)
        async with self._database.tenant(who.organisation_id) as connection:
            keys = await self._vault.organisation_in(connection, who.organisation_id)
            refused = await self._refused(connection, keys, who, grant)
            if refused is not None:
                return refused
            owner = (who.organisation_id, who.user_id, grant.provider.value)
            former = await connection.fetchval(_FORMER, *owner, account)
            connection_id = ConnectionId(former or uuid4())
            values = self._sealed(who.organisation_id, connection_id, grant, keys)
            row = await connection.fetchrow(
                _SAVE, who.organisation_id, connection_id, *owner[1:], account, *values, self._clock.now()
            )
            await self._connected(connection, who, connection_id, grant.provider)
        if row is None:
            raise UnknownRowError(details={"connection": str(connection_id)})
        return _connection_from(row, keys)

    async def _refused(
        self, connection: Connection, keys: OrganisationKeys, who: Owner, grant: NewGrant
    ) -> OtherAccount | None:
        if grant.provider is Provider.ZOHO:
            other = await self._pin(connection, keys, who.organisation_id, grant)
            if other is not None:
                return other
        owner = (who.organisation_id, who.user_id, grant.provider.value)
        row = await connection.fetchrow(_PINNED, *owner)
        pinned = None if row is None else _connection_from(row, keys).profile
        if pinned is None or pinned.account_id == grant.profile.account_id:
            return None
        return OtherAccount(pinned.name, grant.profile.name)

    async def _pin(
        self, connection: Connection, keys: OrganisationKeys, organisation_id: OrganisationId, grant: NewGrant
    ) -> OtherAccount | None:
        """Bind our organisation to the CRM's; None when it is bound to this one."""
        wanted = crm_key(await self._vault.installation(), grant.profile.organisation_id)
        pinned = await connection.fetchval(_LOCK_ORGANISATION, organisation_id)
        if pinned == wanted:
            return None
        if pinned is None:
            try:
                async with savepoint(connection):  # another of our organisations may have it
                    await connection.execute(_PIN_ORGANISATION, organisation_id, wanted, grant.region)
            except asyncpg.UniqueViolationError:
                return OtherAccount("", grant.profile.organisation_name)
            return None
        row = await connection.fetchrow(_SOME_OF_PROVIDER, organisation_id, Provider.ZOHO.value)
        name = "" if row is None else _connection_from(row, keys).profile.organisation_name
        return OtherAccount(name, grant.profile.organisation_name)

    def _sealed(
        self, organisation_id: OrganisationId, connection_id: ConnectionId, grant: NewGrant, keys: OrganisationKeys
    ) -> tuple[object, ...]:
        """The columns from `scopes` to `access_expires_at`, under a fresh key."""
        ring = self._vault.ring
        wrapped = ring.wrap(ring.new_key(), connection_context(organisation_id, connection_id))
        sealer = TokenSealer.unwrapped(ring, wrapped, organisation_id, connection_id)
        profile = keys.sealer.seal(PROFILE.dump_json(grant.profile), _profile_context(organisation_id, connection_id))
        return (
            list(grant.scopes),
            grant.access.api_base_url,
            profile,
            FACTS.dump_json(grant.facts).decode(),
            wrapped,
            sealer.seal(grant.refresh_token, "refresh_token"),
            sealer.seal(grant.access.value, "access_token"),
            grant.access.expires_at,
        )

    async def _connected(
        self, connection: Connection, who: Owner, connection_id: ConnectionId, provider: Provider
    ) -> None:
        now = self._clock.now()
        helped = [reason.value for reason in RECONNECTING_HELPS]
        await connection.execute(_RESUME, who.organisation_id, connection_id, now, helped)
        entry = AuditEntry(
            Action.CONNECTION_MADE, "connection", str(connection_id), who.user_id, {"provider": provider.value}
        )
        await record_in(connection, who.organisation_id, now, entry)

    async def save_facts(self, organisation_id: OrganisationId, connection_id: ConnectionId, facts: CrmFacts) -> None:
        """Keep what the CRM said at a check."""
        async with self._database.tenant(organisation_id) as connection:
            stored = FACTS.dump_json(facts).decode()
            await connection.execute(_SAVE_FACTS, organisation_id, connection_id, stored, self._clock.now())

    async def lost(self, organisation_id: OrganisationId, connection_id: ConnectionId, reason: str) -> bool:
        """Mark a connection whose tokens the provider refuses, and pause what uses it; False when it is not active."""
        now = self._clock.now()
        async with self._database.tenant(organisation_id) as connection:
            provider = await connection.fetchval(_REFUSED, organisation_id, connection_id, reason, now)
            if provider is None:
                return False
            await pause_dependants(connection, organisation_id, connection_id, reason, now)
            facts = {"provider": provider, "reason": reason}
            entry = AuditEntry(Action.CONNECTION_LOST, "connection", str(connection_id), None, facts)
            await record_in(connection, organisation_id, now, entry)
            return True

    async def grant(self, who: Owner, provider: Provider) -> StoredGrant | None:
        """What revoking the user's grant needs; None without a connection."""
        async with self._database.tenant(who.organisation_id) as connection:
            row = await connection.fetchrow(_GRANT, who.organisation_id, who.user_id, provider.value)
        if row is None:
            return None
        return grant_from(row, self._vault.ring, who.organisation_id)

    async def disconnect(
        self, who: Owner, provider: Provider, *, reason: Reason = Reason.DISCONNECTED, actor: UserId | None
    ) -> bool:
        """Erase the user's tokens with their key and pause what used them; False without a connection."""
        now = self._clock.now()
        async with self._database.tenant(who.organisation_id) as connection:
            row = await connection.fetchrow(_GRANT, who.organisation_id, who.user_id, provider.value)
            if row is None:
                return False
            place = (who.organisation_id, ConnectionId(row["connection_id"]))
            await connection.execute(_ERASE, *place, reason.value, now)
            await pause_dependants(connection, *place, reason, now)
            facts = {"provider": provider.value, "reason": reason.value}
            entry = AuditEntry(Action.CONNECTION_REMOVED, "connection", str(place[1]), actor, facts)
            await record_in(connection, who.organisation_id, now, entry)
            return True


def crm_key(keys: InstallationKeys, organisation: str) -> bytes:
    """The keyed hash by which an organisation of the CRM is pinned; `organisation` is its stable id."""
    return keys.account_key("zoho-organisation", organisation)


def grant_from(row: asyncpg.Record, ring: KeyRing, organisation_id: OrganisationId) -> StoredGrant:
    """The grant in a row that has its sealed tokens. Raises SealBrokenError."""
    sealer = TokenSealer.unwrapped(ring, row["wrapped_key"], organisation_id, row["connection_id"])
    return StoredGrant(
        Provider(row["provider"]),
        sealer.open(row["refresh_token"], "refresh_token"),
        FACTS.validate_json(row["facts"]).data_centre,
    )


async def pause_dependants(
    connection: Connection, organisation_id: OrganisationId, connection_id: ConnectionId, reason: str, now: datetime
) -> None:
    """Pause the active configurations that use a connection, within an open transaction."""
    await connection.execute(_PAUSE, organisation_id, connection_id, str(reason), now)


def _connection_from(row: asyncpg.Record, keys: OrganisationKeys) -> StoredConnection:
    context = _profile_context(row["organisation_id"], row["connection_id"])
    return StoredConnection(
        organisation_id=row["organisation_id"],
        connection_id=row["connection_id"],
        user_id=row["user_id"],
        provider=Provider(row["provider"]),
        account_key=row["account_key"],
        state=ConnectionState(row["state"]),
        reason=row["reason"],
        scopes=tuple(row["scopes"]),
        profile=PROFILE.validate_json(keys.sealer.open(row["profile"], context)),
        facts=FACTS.validate_json(row["facts"]),
        connected_at=row["connected_at"],
    )


def _profile_context(organisation_id: OrganisationId, connection_id: UUID) -> SealContext:
    return SealContext(organisation_id, str(connection_id), "connections.profile")
