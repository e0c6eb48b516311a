"""The trail of an organisation. The application's role may add and read rows, and neither change nor delete any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson

from contactsync.adapters.sql.database import Connection, Database
from contactsync.domain.ids import OrganisationId
from contactsync.ports.audit import Action, AuditEntry, AuditEvent, acting_user

_ADD: Final = """
INSERT INTO audit_events (organisation_id, event_id, at, actor_id, action, object_kind, object_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)
"""
_PAGE: Final = """
SELECT event_id, at, actor_id, action, object_kind, object_id, details FROM audit_events
WHERE organisation_id = $1 AND ($2::timestamptz IS NULL OR (at, event_id) < ($2, $3::uuid))
ORDER BY at DESC, event_id DESC LIMIT $4
"""


async def record_in(connection: Connection, organisation_id: OrganisationId, now: datetime, entry: AuditEntry) -> None:
    """Add an event within an open transaction of that organisation: it stands if and only if the act does."""
    await connection.execute(
        _ADD,
        organisation_id,
        uuid4(),
        now,
        entry.actor_id,
        entry.action.value,
        entry.object_kind,
        entry.object_id,
        orjson.dumps(dict(entry.details), default=str).decode(),
    )


async def record_act_in(
    connection: Connection,
    organisation_id: OrganisationId,
    now: datetime,
    action: Action,
    object_kind: str,
    object_id: object,
    **details: object,
) -> None:
    """Add an event for whoever the request at hand was let in for."""
    entry = AuditEntry(action, object_kind, str(object_id), acting_user.get(), details)
    await record_in(connection, organisation_id, now, entry)


class SqlAuditTrail:
    """`AuditTrail`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, organisation_id: OrganisationId, now: datetime, entry: AuditEntry) -> None:
        """Add an event in a transaction of its own, for acts that change no row of the organisation."""
        async with self._database.tenant(organisation_id) as connection:
            await record_in(connection, organisation_id, now, entry)

    async def page(
        self, organisation_id: OrganisationId, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[AuditEvent]:
        """Events, newest first."""
        at, event_id = after or (None, None)
        async with self._database.tenant(organisation_id) as connection:
            rows = await connection.fetch(_PAGE, organisation_id, at, event_id, limit)
        return [_event(row) for row in rows]


def _event(row: asyncpg.Record) -> AuditEvent:
    entry = AuditEntry(
        Action(row["action"]), row["object_kind"], row["object_id"], row["actor_id"], orjson.loads(row["details"])
    )
    return AuditEvent(row["event_id"], row["at"], entry)
