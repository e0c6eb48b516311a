"""Notification channels and webhook endpoints in PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson

from contactsync.adapters.sql.audit import record_in
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.ids import ConfigId, ConnectionId, OrganisationId, UserId
from contactsync.errors import UnknownRowError
from contactsync.ports.audit import Action, AuditEntry
from contactsync.ports.clock import Clock
from contactsync.ports.vault import SealContext
from contactsync.ports.webhooks import OVERLAP, Channel, Direction, Endpoint, Place, Secrets, Target, Told

_COLUMNS: Final = "organisation_id, channel_id, connection_id, provider_key, expires_at, token_hash"
_TAKEN_FOR: Final = "interval '2 minutes'"

_OWNER: Final = "SELECT organisation_id FROM webhook_channels WHERE channel_id = $1"
_FIND: Final = f"SELECT {_COLUMNS} FROM webhook_channels WHERE channel_id = $1"  # noqa: S608  our own columns
_MOST_TOLD: Final = 300
"""Records that a configuration's next run is told of; of more, the CRM's list of changes tells soon enough."""
_CONCERNED: Final = f"SELECT channel, config FROM concerned_by_calls($1, $2, $3, $4, $5, $6, $7, $8, {_MOST_TOLD})"  # noqa: S608  our own number
_DUE: Final = f"""
SELECT DISTINCT c.organisation_id, c.crm_connection_id FROM sync_configs c
LEFT JOIN webhook_channels w ON w.organisation_id = c.organisation_id AND w.connection_id = c.crm_connection_id
WHERE c.status = 'active' AND c.frequency <> 'manual'
  AND (w.channel_id IS NULL OR (w.expires_at < $2 AND w.tried_at < $1::timestamptz - {_TAKEN_FOR}))
LIMIT $3
"""  # noqa: S608  our own interval
_IDLE: Final = """
SELECT w.organisation_id, w.channel_id FROM webhook_channels w WHERE NOT EXISTS (
    SELECT FROM sync_configs c
    WHERE c.organisation_id = w.organisation_id AND c.crm_connection_id = w.connection_id AND c.status = 'active'
      AND c.frequency <> 'manual'
) LIMIT $1
"""
_BEGIN: Final = f"""
INSERT INTO webhook_channels AS w
    (organisation_id, channel_id, connection_id, provider_key, token_hash, expires_at, tried_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $6, $6)
ON CONFLICT (organisation_id, connection_id) DO UPDATE SET tried_at = excluded.tried_at,
    token_hash = CASE WHEN w.expires_at <= excluded.tried_at THEN excluded.token_hash ELSE w.token_hash END
WHERE w.tried_at < excluded.tried_at - {_TAKEN_FOR}
RETURNING {_COLUMNS}
"""  # noqa: S608  our own columns
_OPENED_ANEW: Final = "UPDATE webhook_channels SET token_hash = $3 WHERE organisation_id = $1 AND channel_id = $2"
_OPENED: Final = """
UPDATE webhook_channels SET expires_at = $3, opened_at = tried_at WHERE organisation_id = $1 AND channel_id = $2
"""
_REMOVE: Final = "DELETE FROM webhook_channels WHERE organisation_id = $1 AND channel_id = $2"


class SqlChannels:
    """`Channels`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, channel_id: UUID) -> Channel | None:
        """The channel of that id, of whatever organisation."""
        async with self._database.scheduler() as connection:
            owner = await connection.fetchval(_OWNER, channel_id)
        if owner is None:
            return None
        async with self._database.tenant(owner) as connection:
            row = await connection.fetchrow(_FIND, channel_id)
        return None if row is None else _channel(row)

    async def concerned(self, told: Mapping[Channel, Sequence[Told]]) -> Mapping[Channel, Sequence[ConfigId]]:
        """Configurations that need a run to learn what these notifications tell, by channel; one round trip for all."""
        # Always in the same order, so that two processes that keep the same records do not wait in a circle.
        channels = sorted(told, key=lambda channel: channel.channel_id)
        pairs = [
            (place, record_id, _revision(one.second), one.second)
            for place, channel in enumerate(channels, start=1)
            for one in told[channel]
            if one.second is not None
            for record_id in one.record_ids
        ]
        rows = await self._database.fetch_as_tenants(
            _CONCERNED,
            [channel.organisation_id for channel in channels],
            [channel.connection_id for channel in channels],
            [any(one.second is None or not one.record_ids for one in told[channel]) for channel in channels],
            *(zip(*pairs, strict=True) if pairs else ((), (), (), ())),
            self._clock.now(),
        )
        found: dict[Channel, list[ConfigId]] = {}
        for row in rows:
            found.setdefault(channels[row["channel"] - 1], []).append(ConfigId(row["config"]))
        return found

    async def due(self, now: datetime, renew_before: datetime, limit: int) -> Sequence[Place]:
        """Connections with an active configuration whose channel is missing or ends before that instant."""
        async with self._database.scheduler() as connection:
            rows = await connection.fetch(_DUE, now, renew_before, limit)
        return [Place(row["organisation_id"], row["crm_connection_id"]) for row in rows]

    async def idle(self, limit: int) -> Sequence[Channel]:
        """Channels that no active configuration needs."""
        async with self._database.scheduler() as connection:
            rows = await connection.fetch(_IDLE, limit)
        found = [await self.find(row["channel_id"]) for row in rows]
        return [channel for channel in found if channel is not None]

    async def begin(self, place: Place, token_hash: bytes, now: datetime) -> Channel | None:
        """Take the opening or renewal of a connection's channel upon oneself; None when another process has it."""
        number = str(secrets.randbelow(9 * 10**17) + 10**17)  # a bigint that the CRM takes, unguessable too
        async with self._database.tenant(place.organisation_id) as connection:
            row = await connection.fetchrow(
                _BEGIN, place.organisation_id, uuid4(), place.connection_id, number, token_hash, now
            )
        return None if row is None else _channel(row)

    async def replace_token(self, channel: Channel, token_hash: bytes) -> None:
        """The channel is opened anew, since the CRM has forgotten it."""
        await self._execute(channel, _OPENED_ANEW, token_hash)

    async def opened(self, channel: Channel, expires_at: datetime) -> None:
        """The channel lives until then."""
        await self._execute(channel, _OPENED, expires_at)

    async def remove(self, channel: Channel) -> None:
        """Forget the channel."""
        await self._execute(channel, _REMOVE)

    async def _execute(self, channel: Channel, statement: str, *values: object) -> None:
        async with self._database.tenant(channel.organisation_id) as connection:
            await connection.execute(statement, channel.organisation_id, channel.channel_id, *values)


def _revision(second: datetime) -> str:
    """A second of the CRM's clock in the form in which links keep revisions of records."""
    return second.strftime("%Y-%m-%dT%H:%M:%SZ")


def _channel(row: asyncpg.Record) -> Channel:
    return Channel(
        OrganisationId(row["organisation_id"]),
        row["channel_id"],
        ConnectionId(row["connection_id"]),
        row["provider_key"],
        row["expires_at"],
        row["token_hash"],
    )


# --- endpoints --------------------------------------------------------------------------------------------------------

_ADD: Final = """
INSERT INTO webhook_endpoints
    (organisation_id, endpoint_id, direction, name, url, events, secrets, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_SHOWN: Final = "endpoint_id, direction, name, url, events, created_at, disabled_at"
_ALL: Final = f"""
SELECT {_SHOWN} FROM webhook_endpoints WHERE organisation_id = $1 ORDER BY created_at DESC, endpoint_id
"""  # noqa: S608  our own columns
_LOCK: Final = f"""
SELECT {_SHOWN}, secrets FROM webhook_endpoints WHERE organisation_id = $1 AND endpoint_id = $2 FOR UPDATE
"""  # noqa: S608  our own columns
_ROTATE: Final = "UPDATE webhook_endpoints SET secrets = $3 WHERE organisation_id = $1 AND endpoint_id = $2"
_DELETE: Final = "DELETE FROM webhook_endpoints WHERE organisation_id = $1 AND endpoint_id = $2"
_OWNER_OF_ENDPOINT: Final = "SELECT organisation_id FROM webhook_endpoints WHERE endpoint_id = $1"
_INCOMING: Final = """
SELECT secrets FROM webhook_endpoints WHERE organisation_id = $1 AND endpoint_id = $2 AND direction = 'incoming'
"""
_ACTIVE: Final = """
SELECT config_id FROM sync_configs WHERE organisation_id = $1 AND status = 'active' ORDER BY config_id
"""


class SqlEndpoints:
    """`Endpoints`."""

    def __init__(self, database: Database, vault: SqlVault) -> None:
        self._database = database
        self._vault = vault

    async def add(self, organisation_id: OrganisationId, actor: UserId, endpoint: Endpoint, secret: str) -> None:
        """Store a new endpoint with its first secret."""
        async with self._database.tenant(organisation_id) as connection:
            sealed = await self._sealed(connection, organisation_id, endpoint.endpoint_id, Secrets(secret))
            await connection.execute(
                _ADD,
                organisation_id,
                endpoint.endpoint_id,
                endpoint.direction.value,
                endpoint.name,
                endpoint.url,
                list(endpoint.events),
                sealed,
                actor,
                endpoint.created_at,
            )
            details = {"direction": endpoint.direction.value}
            entry = _entry(Action.WEBHOOK_ENDPOINT_CREATED, endpoint.endpoint_id, actor, details)
            await record_in(connection, organisation_id, endpoint.created_at, entry)

    async def page(self, organisation_id: OrganisationId) -> Sequence[Endpoint]:
        """All of the organisation, newest first."""
        async with self._database.tenant(organisation_id) as connection:
            rows = await connection.fetch(_ALL, organisation_id)
        return [_endpoint(row) for row in rows]

    async def rotate(
        self, organisation_id: OrganisationId, actor: UserId, endpoint_id: UUID, secret: str, now: datetime
    ) -> Endpoint:
        """A new secret; the one before it holds on for the overlap."""
        async with self._database.tenant(organisation_id) as connection:
            row = await connection.fetchrow(_LOCK, organisation_id, endpoint_id)
            if row is None:
                raise UnknownRowError(details={"endpoint": str(endpoint_id)})
            old = await opened_secrets(connection, self._vault, organisation_id, endpoint_id, row["secrets"])
            fresh = Secrets(secret, old.current, now + OVERLAP)
            sealed = await self._sealed(connection, organisation_id, endpoint_id, fresh)
            await connection.execute(_ROTATE, organisation_id, endpoint_id, sealed)
            entry = _entry(Action.WEBHOOK_ENDPOINT_ROTATED, endpoint_id, actor)
            await record_in(connection, organisation_id, now, entry)
        return _endpoint(row)

    async def remove(self, organisation_id: OrganisationId, actor: UserId, endpoint_id: UUID, now: datetime) -> None:
        """Delete the endpoint."""
        async with self._database.tenant(organisation_id) as connection:
            if await connection.execute(_DELETE, organisation_id, endpoint_id) == "DELETE 0":
                raise UnknownRowError(details={"endpoint": str(endpoint_id)})
            entry = _entry(Action.WEBHOOK_ENDPOINT_DELETED, endpoint_id, actor)
            await record_in(connection, organisation_id, now, entry)

    async def find_incoming(self, endpoint_id: UUID) -> Target | None:
        """The incoming endpoint of that id, of whatever organisation."""
        async with self._database.scheduler() as connection:
            owner = await connection.fetchval(_OWNER_OF_ENDPOINT, endpoint_id)
        if owner is None:
            return None
        async with self._database.tenant(owner) as connection:
            sealed = await connection.fetchval(_INCOMING, owner, endpoint_id)
            if sealed is None:
                return None
            return Target(owner, endpoint_id, await opened_secrets(connection, self._vault, owner, endpoint_id, sealed))

    async def active_configurations(self, organisation_id: OrganisationId) -> Sequence[ConfigId]:
        """What a request without a configuration asks for."""
        async with self._database.tenant(organisation_id) as connection:
            rows = await connection.fetch(_ACTIVE, organisation_id)
        return [ConfigId(row["config_id"]) for row in rows]

    async def _sealed(
        self, connection: Connection, organisation_id: OrganisationId, endpoint_id: UUID, held: Secrets
    ) -> bytes:
        until = None if held.previous_until is None else held.previous_until.isoformat()
        sealer = (await self._vault.organisation_in(connection, organisation_id)).sealer
        content = orjson.dumps([held.current, held.previous, until])
        return sealer.seal(content, _secrets_context(organisation_id, endpoint_id))


async def opened_secrets(
    connection: Connection, vault: SqlVault, organisation_id: OrganisationId, endpoint_id: UUID, sealed: bytes
) -> Secrets:
    """The secrets of an endpoint, within an open transaction of its organisation."""
    sealer = (await vault.organisation_in(connection, organisation_id)).sealer
    current, previous, until = orjson.loads(sealer.open(sealed, _secrets_context(organisation_id, endpoint_id)))
    return Secrets(current, previous, None if until is None else datetime.fromisoformat(until))


def _secrets_context(organisation_id: OrganisationId, endpoint_id: UUID) -> SealContext:
    return SealContext(organisation_id, str(endpoint_id), "webhook_endpoints.secrets")


def _entry(action: Action, endpoint_id: UUID, actor: UserId, details: Mapping[str, object] | None = None) -> AuditEntry:
    return AuditEntry(action, "webhook_endpoint", str(endpoint_id), actor, details or {})


def _endpoint(row: asyncpg.Record) -> Endpoint:
    return Endpoint(
        row["endpoint_id"],
        Direction(row["direction"]),
        row["name"],
        row["url"],
        tuple(row["events"]),
        row["created_at"],
        row["disabled_at"],
    )
