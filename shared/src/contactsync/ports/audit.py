"""The trail: who signed in, connected, changed, approved, exported, disconnected. Rows are added and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.domain.ids import OrganisationId, UserId


class Action(StrEnum):
    """What was done; part of the interface, so names stay."""

    CONNECTION_MADE = "connection.made"
    CONNECTION_REMOVED = "connection.removed"
    CONNECTION_LOST = "connection.lost"
    CONFIGURATION_CREATED = "configuration.created"
    CONFIGURATION_CHANGED = "configuration.changed"
    CONFIGURATION_ACTIVATED = "configuration.activated"
    CONFIGURATION_DEACTIVATED = "configuration.deactivated"
    CONFIGURATION_DELETED = "configuration.deleted"
    RUN_REQUESTED = "run.requested"
    RUN_CANCELLED = "run.cancelled"
    DELETES_APPROVED = "deletes.approved"
    DELETES_REFUSED = "deletes.refused"
    CONTACT_DECIDED = "contact.decided"
    REPORT_EXPORTED = "report.exported"
    WEBHOOK_ENDPOINT_CREATED = "webhook_endpoint.created"
    WEBHOOK_ENDPOINT_ROTATED = "webhook_endpoint.rotated"
    WEBHOOK_ENDPOINT_DELETED = "webhook_endpoint.deleted"
    EMBED_SESSION_CREATED = "embed_session.created"
    SESSION_OPENED = "session.opened"
    SESSION_ENDED = "session.ended"


acting_user: ContextVar[UserId | None] = ContextVar("acting_user", default=None)
"""Whom a request was let in for. Stores record their acts as his; without one it was the product itself."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. `actor_id` is None for what the product did by itself.

    `details` hold ids, codes and names of settings; never addresses, names of people, values or secrets.
    """

    action: Action
    object_kind: str
    object_id: str
    actor_id: UserId | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act as stored."""

    event_id: UUID
    at: datetime
    entry: AuditEntry


class AuditTrail(Protocol):
    """The trail of one organisation. Writing is part of the transaction that does what is recorded, if there is one."""

    async def add(self, organisation_id: OrganisationId, now: datetime, entry: AuditEntry) -> None:
        """Add an event in a transaction of its own, for acts that change no row of the organisation."""
        ...

    async def page(
        self, organisation_id: OrganisationId, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[AuditEvent]:
        """Events, newest first; `after` is the last one of the page before."""
        ...
