"""What travels about runs and their reports."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contactsync.domain.contact import Side
from contactsync.domain.outcome import Outcome
from contactsync.ports.state import Phase, RunState


class RunRequest(BaseModel):
    """Asks for a run."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["sync", "full"] = Field("sync", description="`full` reads both sides in full; `preview` is reserved")


class SideProgress(BaseModel):
    """How far one side has been read and written."""

    read: int
    complete: bool
    written: int


class Progress(BaseModel):
    """How far a run is. `percent` never goes back."""

    phase: Phase
    percent: int = Field(ge=0, le=100)
    crm: SideProgress
    google: SideProgress
    to_write: int = Field(description="Pairs still to be written, as far as known")


class Run(BaseModel):
    """One execution of a configuration."""

    id: UUID
    configuration_id: UUID
    state: RunState
    mode: str
    trigger: str
    first: bool
    reason: str = ""
    reason_text: str = ""
    provider_message: str = Field("", description="The provider's own words about why the run failed; for 30 days")
    wait_until: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress
    counts: dict[Outcome, int] = Field(description="Contacts by outcome; in the end they add up to `selected`")
    selected: int
    writes: dict[str, int] = Field(description="`<side>.<kind>` -> contacts", examples=[{"google.create": 8}])
    calls: dict[str, int] = Field(
        description="Data calls, `<vendor>.<operation>`", examples=[{"google.people.list": 1}]
    )
    control_calls: dict[str, int] = Field(description="Calls about rights, metadata and tokens")
    deletes_to_approve: int = Field(0, description="Contacts that are deleted only if somebody approves")


class RequestedRun(BaseModel):
    """The run that answers a request."""

    run: Run
    coalesced: Literal["joined", "queued_next"] | None = Field(
        None, description="`joined`: an open run that has not begun to read; `queued_next`: one further run follows"
    )


class RunPage(BaseModel):
    """Runs of a configuration, newest first."""

    items: list[Run]
    next_cursor: str | None = None


class RunContact(BaseModel):
    """What became of one contact."""

    link_id: UUID
    crm_id: str | None
    google_id: str | None
    name: str
    outcome: Outcome
    reason: str = ""
    reason_text: str = ""
    fields: list[str] = Field(description="CRM names of the fields that were written")
    written: list[Side]
    left_out: dict[str, str] = Field(
        description="CRM names of the fields that the other side cannot hold, with the reason"
    )
    provider_message: str = ""


class RunContactPage(BaseModel):
    """Rows of a report."""

    items: list[RunContact]
    next_cursor: str | None = None


class EventsTicket(BaseModel):
    """A ticket for one request of a run's events."""

    ticket: str
    events_url: str = Field(examples=["/v1/runs/8c2a…/events?ticket=…"])
    expires_in: int = Field(description="Seconds", examples=[60])
