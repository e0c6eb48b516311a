"""Leases of Google accounts by the database's clock, and the sign of life of their holders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson

from contactsync.adapters.sql.codec import dump
from contactsync.adapters.sql.database import Connection, Database, driver_url
from contactsync.domain.ids import AccountKey, OrganisationId
from contactsync.errors import LeaseLostError
from contactsync.ports.state import Busy, Lease
from contactsync.telemetry import metrics

_ENSURE = "INSERT INTO google_accounts (account_key) VALUES ($1) ON CONFLICT DO NOTHING"
_LOCK = """
SELECT holder, until, until > clock_timestamp() AS alive FROM google_accounts WHERE account_key = $1
FOR NO KEY UPDATE SKIP LOCKED
"""
_IN_USE = """
SELECT greatest(coalesce(until, clock_timestamp()), clock_timestamp() + interval '1 second')
FROM google_accounts WHERE account_key = $1
"""
_TAKE = """
UPDATE google_accounts SET fence = fence + 1, holder = $2, until = clock_timestamp() + $3::interval
WHERE account_key = $1 RETURNING fence, until, bucket
"""
_RENEW = """
UPDATE google_accounts SET until = clock_timestamp() + $4::interval
WHERE account_key = $1 AND holder = $2 AND fence = $3 RETURNING until
"""
_RELEASE = """
UPDATE google_accounts SET holder = NULL, until = NULL, bucket = $4::jsonb
WHERE account_key = $1 AND holder = $2 AND fence = $3
"""
# One round trip: the tenant is set for the row that proves the lease, or not at all.
_FENCE = """
SELECT set_config('contactsync.organisation', $4, true) FROM google_accounts
WHERE account_key = $1 AND holder = $2 AND fence = $3 AND until > clock_timestamp()
FOR SHARE
"""
_PROBE = "SELECT pg_try_advisory_xact_lock($1)"
_HOLD = "SELECT pg_advisory_lock($1)"
_BEAT_S = 5.0


class SqlLeases:
    """`LeaseStore` over `google_accounts`, a table outside the tenant walls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, account: AccountKey, holder: UUID, ttl: timedelta) -> Lease | Busy:
        """The lease with the next fence, if it is free, expired, or its holder is dead."""
        async with self._database.untenanted() as connection:
            await connection.execute(_ENSURE, account)
            row = await connection.fetchrow(_LOCK, account)
            if row is None:  # a fenced transaction is open, or somebody takes it now
                return Busy(await connection.fetchval(_IN_USE, account))
            if row["alive"] and not await _is_dead(connection, row["holder"]):
                return Busy(row["until"])
            taken = await connection.fetchrow(_TAKE, account, holder, ttl)
        if taken is None:
            raise LeaseLostError
        return Lease(account, holder, taken["fence"], taken["until"], orjson.loads(taken["bucket"]))

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """The same fence with a later end. Raises LeaseLostError when the fence has moved on."""
        async with self._database.untenanted() as connection:
            until = await connection.fetchval(_RENEW, lease.account, lease.holder, lease.fence, ttl)
        if until is None:
            raise LeaseLostError(details={"fence": lease.fence})
        return replace(lease, until=until)

    async def release(self, lease: Lease, bucket: Mapping[str, float]) -> None:
        """Give the lease back and keep the quota bucket; nothing happens when it was lost."""
        async with self._database.untenanted() as connection:
            await release_in(connection, lease, bucket)


async def release_in(connection: Connection, lease: Lease, bucket: Mapping[str, float]) -> None:
    """The same within an open transaction."""
    await connection.execute(_RELEASE, lease.account, lease.holder, lease.fence, dump(dict(bucket)))


async def enter_fenced(connection: Connection, lease: Lease, organisation_id: OrganisationId) -> None:
    """Make the open transaction one of this organisation, under this lease until it ends.

    The lease's row stays share-locked, so that no other holder can take it before the transaction has ended.
    Raises LeaseLostError when the lease has expired or its fence has moved on.
    """
    entered = await connection.fetchval(_FENCE, lease.account, lease.holder, lease.fence, str(organisation_id))
    if entered is None:
        metrics.FENCE_REJECTS.inc()
        raise LeaseLostError(details={"fence": lease.fence})


async def _is_dead(connection: Connection, holder: UUID | None) -> bool:
    """Whether the holder's own lock is free; its probe ends with the transaction."""
    return holder is None or bool(await connection.fetchval(_PROBE, presence_key(holder)))


def presence_key(holder: UUID) -> int:
    """The advisory lock that a living worker holds: the first 64 bits of its random id."""
    return int.from_bytes(holder.bytes[:8], signed=True)


@asynccontextmanager
async def worker_presence(direct_url: str, holder: UUID) -> AsyncIterator[asyncio.Event]:
    """While open and connected, this holder counts as alive; the event is set when the connection is lost.

    `direct_url` must not lead through a pooler that shares sessions. A worker that lost its presence may lose its
    leases at any time (its writes are fenced all the same) and should start anew.
    """
    lost = asyncio.Event()
    connection = await asyncpg.connect(driver_url(direct_url), server_settings={"application_name": "contactsync-life"})
    connection.add_termination_listener(lambda _connection: lost.set())
    try:
        await connection.execute(_HOLD, presence_key(holder))
        # Not a task group: it would wrap the errors of whoever works while this is open.
        beat = asyncio.create_task(_beat(connection, lost), name="worker presence")
        try:
            yield lost
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
    finally:
        await connection.close(timeout=_BEAT_S)


async def _beat(connection: asyncpg.Connection[asyncpg.Record], lost: asyncio.Event) -> None:
    """Notice a connection that died without a word."""
    while not lost.is_set():
        try:
            await connection.execute("SELECT 1", timeout=_BEAT_S)
            await asyncio.sleep(_BEAT_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            lost.set()
