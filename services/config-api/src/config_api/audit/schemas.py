"""What travels about the trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from contactsync.ports.audit import Action


class AuditEvent(BaseModel):
    """One act."""

    id: UUID
    at: datetime
    actor_id: UUID | None = Field(None, description="The user who did it; absent for what the product did by itself")
    action: Action
    object_kind: str = Field(examples=["configuration"])
    object_id: str
    details: dict[str, Any] = Field(
        description="Ids, codes and names of settings; `changed`: settings by name, a choice among few with the value "
        "before and after, of all else the name alone (null)",
        examples=[{"provider": "google"}],
    )


class AuditEventPage(BaseModel):
    """Acts, newest first."""

    items: list[AuditEvent]
    next_cursor: str | None = None
