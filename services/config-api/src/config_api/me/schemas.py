"""What travels about the caller's own rights."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from contactsync.domain.policy import Direction
from contactsync.domain.rights import Right


class Permission(BaseModel):
    """A right of the CRM profile."""

    name: Right
    granted: bool | None = Field(description="null: the CRM does not tell this user")
    reason: str = Field("", description="Code; empty when it is granted", examples=["no_right_delete"])
    message: str = Field("", description="The same as a sentence in the caller's language")


class AllowedDirection(BaseModel):
    """A direction, and whether it may be chosen."""

    direction: Direction
    allowed: bool
    reason: str = Field("", description="Code; empty when it is allowed", examples=["edition_free"])
    message: str = Field("", description="The same as a sentence in the caller's language")


class Me(BaseModel):
    """Edition, permissions and directions as of the last check."""

    edition: str = Field(description="`free`, or the edition whose limits apply", examples=["enterprise"])
    edition_allows_sync: bool
    permissions: list[Permission]
    directions: list[AllowedDirection]
    checked_at: datetime
