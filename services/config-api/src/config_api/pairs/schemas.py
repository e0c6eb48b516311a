"""What travels about single contacts of a configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState, Presence
from contactsync.domain.outcome import Outcome


class ContactSide(BaseModel):
    """What is known of one side's contact."""

    id: str | None = Field(examples=["5545974000000412001"])
    presence: Presence
    in_scope: bool = Field(description="In the view; in the group")
    written_at: datetime | None = Field(description="Our last write")


class Doubt(BaseModel):
    """Why nothing is written to the contact for now."""

    reason: str = Field(examples=["possible_duplicate"])
    reason_text: str
    since: datetime
    retry_at: datetime | None = Field(description="Absent: until somebody answers or the reason changes")
    provider_message: str = ""
    may_be: list[str] = Field(description="Ids of the contacts that it may be one with, the likeliest first")


class LastOutcome(BaseModel):
    """What the last run that dealt with the contact did."""

    run_id: UUID
    at: datetime
    outcome: Outcome
    reason: str = ""
    reason_text: str = ""
    fields: list[str]


class ContactStatus(BaseModel):
    """A contact's state now, and why."""

    link_id: UUID
    name: str = Field("", description="As the last report shows it; for 30 days")
    state: PairState
    reason: str = ""
    reason_text: str = ""
    crm: ContactSide
    google: ContactSide
    waiting_since: datetime | None = None
    held: Doubt | None = None
    excluded: bool
    diverged: list[str] = Field(description="CRM fields that differ on purpose", examples=[["Phone"]])
    last: LastOutcome | None = None
    asked: Action | None = Field(None, description="What somebody asked for and the next run carries out")
    actions: list[Action] = Field(description="What may be asked for now", examples=[["exclude"]])


class Outside(BaseModel):
    """A contact with the address that was asked for, outside the view or the group."""

    side: Side
    id: str


class ContactStatusPage(BaseModel):
    """Contacts of a configuration."""

    items: list[ContactStatus]
    outside: list[Outside] = Field(default=[], description="In answer to `email`: contacts that are out of scope")
    next_cursor: str | None = None


class ActionRequest(BaseModel):
    """Asks something of one contact."""

    model_config = ConfigDict(extra="forbid")

    action: Literal[
        Action.RETRY, Action.SAME_PERSON, Action.KEEP_APART, Action.BRING_BACK, Action.EXCLUDE, Action.RESTORE
    ]


class ActionAnswer(BaseModel):
    """The contact, and the run that carries the action out."""

    contact: ContactStatus
    run_id: UUID
