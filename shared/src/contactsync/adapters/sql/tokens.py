"""Access tokens of stored connections, renewed once for all processes.

Who renews is decided by a short lease in the connection's own row (`refresh_by`, `refresh_until`), taken in one
statement and committed before the provider is asked. So no transaction and no pooled connection is held while a call
is under way, as an advisory lock would need, a pooler in transaction mode is no hindrance, and a holder that dies is
outlived by the database's clock. The others read the row again until it holds the new token. A refusal that passes
(a throttle, no answer) is left in the row for them too: they raise it without asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from contactsync.adapters.sql.audit import record_in
from contactsync.adapters.sql.connections import TokenSealer, grant_from, pause_dependants
from contactsync.adapters.sql.database import Database
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.ids import ConnectionId, OrganisationId
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    ProviderUnavailableError,
    RateLimitedError,
    TemporaryError,
    UnknownRowError,
)
from contactsync.ports.audit import Action, AuditEntry
from contactsync.ports.clock import Clock
from contactsync.ports.connections import ConnectionState, GrantKeeper, Provider, RenewedToken, StoredGrant
from contactsync.ports.vault import AccessToken
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

LEAST_LIFE: Final = timedelta(minutes=5)
_LEASE: Final = timedelta(seconds=30)
"""Longer than a provider call may take."""
_PAUSE_AFTER_FAILURE_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.1

_FIND: Final = "SELECT organisation_id FROM connections WHERE connection_id = $1"
_READ: Final = """
SELECT connection_id, provider, state, reason, api_base_url, facts, wrapped_key, refresh_token, access_token,
    access_expires_at, token_version, refresh_until > clock_timestamp() AS busy, refresh_reason,
    extract(epoch FROM refresh_until - clock_timestamp())::float8 AS busy_s
FROM connections WHERE organisation_id = $1 AND connection_id = $2
"""
_TAKE: Final = """
UPDATE connections SET refresh_by = $4, refresh_until = clock_timestamp() + $5::interval, refresh_reason = ''
WHERE organisation_id = $1 AND connection_id = $2 AND token_version = $3 AND state = 'active'
  AND (refresh_until IS NULL OR refresh_until <= clock_timestamp()) RETURNING true
"""
_STORE: Final = """
UPDATE connections SET access_token = $4, access_expires_at = $5, refresh_token = coalesce($6, refresh_token),
    api_base_url = $7, token_version = token_version + 1, refresh_by = NULL, refresh_until = NULL, updated_at = $8
WHERE organisation_id = $1 AND connection_id = $2 AND refresh_by = $3 AND state = 'active' RETURNING true
"""
_GIVE_BACK: Final = """
UPDATE connections SET refresh_by = NULL, refresh_until = clock_timestamp() + $4::interval, refresh_reason = $5
WHERE organisation_id = $1 AND connection_id = $2 AND refresh_by = $3
"""
_LOST: Final = """
UPDATE connections SET state = 'needs_reconnect', reason = $4, access_token = NULL, access_expires_at = NULL,
    refresh_by = NULL, refresh_until = NULL, updated_at = $5
WHERE organisation_id = $1 AND connection_id = $2 AND refresh_by = $3 AND state = 'active' RETURNING true
"""


@dataclass(frozen=True, slots=True)
class _Held:
    """A connection as its row stands."""

    organisation_id: OrganisationId
    connection_id: ConnectionId
    version: int
    access: AccessToken | None
    grant: StoredGrant = field(repr=False)
    sealer: TokenSealer = field(repr=False)
    busy: bool

    def usable(self, stale: str | None, now: datetime) -> AccessToken | None:
        """The token, when it is not the refused one and lives long enough."""
        access = self.access
        fresh = access is not None and access.value != stale and access.expires_at >= now + LEAST_LIFE
        return access if fresh else None

    @property
    def place(self) -> tuple[OrganisationId, ConnectionId]:
        return self.organisation_id, self.connection_id


class SqlTokens:
    """`TokenSource` over PostgreSQL."""

    def __init__(
        self, database: Database, vault: SqlVault, keepers: Mapping[Provider, GrantKeeper], clock: Clock
    ) -> None:
        self._database = database
        self._vault = vault
        self._keepers = keepers
        self._clock = clock
        self._owners: dict[ConnectionId, OrganisationId] = {}
        self._turns: WeakValueDictionary[ConnectionId, asyncio.Lock] = WeakValueDictionary()

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """A token with at least five minutes to live; `stale` is a token value that was refused with 401."""
        held = await self._read(connection_id)
        usable = held.usable(stale, self._clock.now())
        if usable is not None:
            return usable
        async with self._turns.setdefault(connection_id, asyncio.Lock()):  # one of this process waits for the others
            while True:
                held = await self._read(connection_id)
                usable = held.usable(stale, self._clock.now())
                if usable is not None:
                    return usable
                holder = uuid4()
                if not held.busy and await self._take(held, holder):
                    renewed = await self._renew(held, holder)
                    if renewed is not None:
                        return renewed
                else:
                    await self._clock.sleep(_LOOK_AGAIN_S)

    async def _read(self, connection_id: ConnectionId) -> _Held:
        """The row. Raises AuthorizationLostError for a connection without a grant, TemporaryError while it rests."""
        organisation_id = await self._owner(connection_id)
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_READ, organisation_id, connection_id)
        if row is None:
            raise UnknownRowError(details={"connection": str(connection_id)})
        if row["state"] != ConnectionState.ACTIVE:
            raise AuthorizationLostError(reason=row["reason"], details={"connection": str(connection_id)})
        sealer = TokenSealer.unwrapped(self._vault.ring, row["wrapped_key"], organisation_id, connection_id)
        access = None
        if row["access_token"] is not None:
            value = sealer.open(row["access_token"], "access_token")
            access = AccessToken(value, row["access_expires_at"], row["api_base_url"])
        held = _Held(
            organisation_id,
            connection_id,
            row["token_version"],
            access,
            grant_from(row, self._vault.ring, organisation_id),
            sealer,
            bool(row["busy"]),
        )
        if held.busy and row["refresh_reason"]:
            raise _again(row["refresh_reason"], row["busy_s"])
        return held

    async def _owner(self, connection_id: ConnectionId) -> OrganisationId:
        if connection_id not in self._owners:
            async with self._database.scheduler() as connection:
                found = await connection.fetchval(_FIND, connection_id)
            if found is None:
                raise UnknownRowError(details={"connection": str(connection_id)})
            self._owners[connection_id] = OrganisationId(found)
        return self._owners[connection_id]

    async def _take(self, held: _Held, holder: UUID) -> bool:
        async with self._database.tenant(held.organisation_id) as connection:
            return bool(await connection.fetchval(_TAKE, *held.place, held.version, holder, _LEASE))

    async def _renew(self, held: _Held, holder: UUID) -> AccessToken | None:
        """The new token, stored before anybody uses it; None when the connection was made anew meanwhile."""
        try:
            renewed = await self._keepers[held.grant.provider].renew(held.grant)
        except AuthorizationLostError as error:
            self._count(held, "lost")
            await self._lost(held, holder, error.reason)
            raise
        except TemporaryError as error:
            self._count(held, "failed")
            rest = _PAUSE_AFTER_FAILURE_S if error.retry_after_s is None else error.retry_after_s
            await self._give_back(held, holder, rest, error.reason)
            raise
        except (ContactSyncError, asyncio.CancelledError):
            self._count(held, "failed")
            await asyncio.shield(self._give_back(held, holder, 0, ""))
            raise
        self._count(held, "renewed")
        stored = await asyncio.shield(self._store(held, holder, renewed))
        return renewed.access if stored else None

    @staticmethod
    def _count(held: _Held, outcome: str) -> None:
        metrics.TOKEN_REFRESH.labels(held.grant.provider.value, outcome).inc()

    async def _store(self, held: _Held, holder: UUID, renewed: RenewedToken) -> bool:
        access, refresh = renewed.access, renewed.refresh_token
        sealed = None if refresh is None else held.sealer.seal(refresh, "refresh_token")
        async with self._database.tenant(held.organisation_id) as connection:
            stored = await connection.fetchval(
                _STORE,
                *held.place,
                holder,
                held.sealer.seal(access.value, "access_token"),
                access.expires_at,
                sealed,
                access.api_base_url,
                self._clock.now(),
            )
        return bool(stored)

    async def _give_back(self, held: _Held, holder: UUID, rest_s: float, reason: str) -> None:
        async with self._database.tenant(held.organisation_id) as connection:
            await connection.execute(_GIVE_BACK, *held.place, holder, timedelta(seconds=rest_s), reason)

    async def _lost(self, held: _Held, holder: UUID, reason: str) -> None:
        """The grant is gone: only its owner can bring it back, so what depends on it pauses."""
        now = self._clock.now()
        async with self._database.tenant(held.organisation_id) as connection:
            if not await connection.fetchval(_LOST, *held.place, holder, reason, now):
                return  # connected anew, or disconnected, while we asked
            await pause_dependants(connection, *held.place, reason, now)
            facts = {"provider": held.grant.provider.value, "reason": reason}
            entry = AuditEntry(Action.CONNECTION_LOST, "connection", str(held.connection_id), None, facts)
            await record_in(connection, held.organisation_id, now, entry)
        log.warning("connection.lost", connection_id=str(held.connection_id), reason=reason)


def _again(reason: str, rest_s: float) -> TemporaryError:
    """What the renewing process met a moment ago."""
    if reason == ProviderUnavailableError.reason:
        return ProviderUnavailableError(retry_after_s=rest_s)
    return RateLimitedError(reason=reason, retry_after_s=rest_s)
