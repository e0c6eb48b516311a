"""The outbox: hints written with the data that they speak of, and the relay that publishes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from contactsync.adapters.sql.database import Connection, Database, driver_url
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Lane, OutboundHint
from contactsync.ports.requests import TAKEN_FOR

CHANNEL = "contactsync_outbox"
"""Notified, with the lane and nothing else, when a hint was committed."""

NewId = Callable[[], UUID]

_ADD = f"""
WITH added AS (
    INSERT INTO outbox (organisation_id, message_id, lane, run_id, config_id, slice, trace, created_at, not_before)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::timestamptz, coalesce($9, $8::timestamptz)) RETURNING lane
) SELECT pg_notify('{CHANNEL}', lane) FROM added
"""  # noqa: S608 # the name of our own channel
_HASTEN = f"""
WITH hastened AS (
    UPDATE outbox SET not_before = $3
    WHERE organisation_id = $1 AND run_id = $2 AND published_at IS NULL AND not_before > $3 RETURNING lane
) SELECT pg_notify('{CHANNEL}', lane) FROM hastened
"""  # noqa: S608 # the name of our own channel
_TAKE = """
UPDATE outbox SET taken_until = $2::timestamptz WHERE message_id IN (
    SELECT message_id FROM outbox WHERE published_at IS NULL AND not_before <= $1 AND taken_until <= $1
    ORDER BY not_before, ordinal LIMIT $3 FOR UPDATE SKIP LOCKED
) RETURNING organisation_id, message_id, ordinal, lane, run_id, config_id, slice, trace, not_before
"""
_MARK = "UPDATE outbox SET published_at = $2 WHERE message_id = ANY($1::uuid[])"
_NEXT = "SELECT min(greatest(not_before, taken_until)) FROM outbox WHERE published_at IS NULL"
_OLDEST = "SELECT min(not_before) FROM outbox WHERE published_at IS NULL AND not_before <= $1"
_PURGE = """
DELETE FROM outbox WHERE message_id IN (
    SELECT message_id FROM outbox WHERE published_at < $1 ORDER BY published_at LIMIT $2
)
"""
_PURGE_BATCH = 1000


class SqlOutbox:
    """`Outbox` in one transaction of an organisation."""

    def __init__(self, connection: Connection, clock: Clock, new_id: NewId) -> None:
        self._connection = connection
        self._clock = clock
        self._new_id = new_id

    async def add(self, lane: Lane, hint: RunHint, *, not_before: datetime | None = None) -> None:
        """Add a row; the relay publishes it after the commit and not before the given instant."""
        await self._connection.execute(
            _ADD,
            hint.organisation,
            self._new_id(),
            lane.value,
            hint.run,
            hint.configuration,
            hint.slice,
            hint.trace,
            self._clock.now(),
            not_before,
        )


async def hasten(connection: Connection, organisation: UUID, run_id: UUID, now: datetime) -> None:
    """Let the dated hint of a run be published at once, within an open transaction of its organisation."""
    await connection.execute(_HASTEN, organisation, run_id, now)


class SqlOutboxRelayStore:
    """`OutboxRelayStore`: the outbox of all organisations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, limit: int) -> Sequence[OutboundHint]:
        """Hints that are due and that no other relay has taken in the last half minute, oldest first."""
        now = self._clock.now()
        async with self._database.scheduler() as connection:
            rows = await connection.fetch(_TAKE, now, now + TAKEN_FOR, limit)
        rows.sort(key=lambda row: (row["not_before"], row["ordinal"]))
        return [_outbound(row) for row in rows]

    async def mark_published(self, message_ids: Sequence[UUID]) -> None:
        """These were confirmed by the broker; the others come again when their half minute is over."""
        async with self._database.scheduler() as connection:
            await connection.execute(_MARK, list(message_ids), self._clock.now())

    async def next_due(self) -> datetime | None:
        """When the next unpublished hint may be taken; None when there is none."""
        async with self._database.scheduler() as connection:
            due: datetime | None = await connection.fetchval(_NEXT)
        return due

    async def oldest_due(self) -> datetime | None:
        """Since when the oldest unpublished hint is due, taken or not; None when none is."""
        async with self._database.scheduler() as connection:
            since: datetime | None = await connection.fetchval(_OLDEST, self._clock.now())
        return since

    async def purge(self, older_than: timedelta) -> int:
        """Delete hints that were published longer ago than that, in small batches; how many."""
        before = self._clock.now() - older_than
        purged = 0
        while True:
            async with self._database.scheduler() as connection:
                deleted = int((await connection.execute(_PURGE, before, _PURGE_BATCH)).split()[-1])
            purged += deleted
            if deleted < _PURGE_BATCH:
                return purged


def _outbound(row: asyncpg.Record) -> OutboundHint:
    hint = RunHint(
        run=row["run_id"],
        slice=row["slice"],
        organisation=row["organisation_id"],
        configuration=row["config_id"],
        trace=row["trace"],
    )
    return OutboundHint(row["message_id"], Lane(row["lane"]), hint)


@asynccontextmanager
async def outbox_wake_up(direct_url: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set when hints were committed, and when the connection is lost (poll then, and open it anew).

    Notifications are lost while nobody listens, so that the relay polls beside it. `direct_url` must not lead through a
    pooler that shares sessions.
    """
    wake = asyncio.Event()
    connection = await asyncpg.connect(driver_url(direct_url), server_settings={"application_name": "contactsync-wake"})
    try:  # whoever is cancelled from here on leaves no session behind
        connection.add_termination_listener(lambda *_: wake.set())
        await connection.add_listener(CHANNEL, lambda *_: wake.set())
        yield wake
    finally:
        await connection.close(timeout=5)
