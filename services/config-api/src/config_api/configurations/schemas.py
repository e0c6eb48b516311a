"""What travels about sync configurations: the settings, and what has become of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from config_api.web.problems import FieldErrorBody
from config_api.web.texts import Text
from contactsync.domain.contact import Side
from contactsync.domain.frequency import Frequency
from contactsync.domain.mapping import MAX_ROWS, RowDirection
from contactsync.domain.policy import CompanyRule, DeletePolicy, Direction, NoEmailRule

MAX_VALUES = 45


class Switch(StrEnum):
    """Whether the CRM's automation runs on our writes."""

    OFF = "off"
    ON = "on"


class CatchUp(StrEnum):
    """When a backlog is worked off."""

    NOW = "now"
    SCHEDULE = "schedule"


class Status(StrEnum):
    """Whether a configuration runs."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    DEACTIVATED = "deactivated"


class MappingRowBody(BaseModel):
    """One pair of fields; `direction` narrows it to one way."""

    model_config = ConfigDict(extra="forbid")

    crm_field: Text = Field(max_length=100, examples=["Mobile"])
    google_field: Text = Field(max_length=200, examples=["phone_numbers[mobile]"])
    direction: RowDirection | None = None


class ConfigurationBody(BaseModel):
    """The settings of a sync configuration. Only what is given here is changed from the defaults."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field("Contacts", min_length=1, max_length=100)
    crm_view_id: Text | None = Field(None, min_length=1, max_length=40, examples=["5545974000000087501"])
    google_group: Text | None = Field(None, min_length=1, max_length=200, examples=["contactGroups/63f8c1a20c8e3a5b"])
    direction: Direction | None = Field(
        None, description="There is no default: without a choice of who may write where it stays a draft"
    )
    conflict_winner: Side = Side.CRM
    frequency: Frequency = Frequency.HOURLY
    mapping: list[MappingRowBody] | None = Field(None, max_length=MAX_ROWS, description="Absent: the default mapping")
    deletions: DeletePolicy = DeletePolicy.KEEP
    no_email: NoEmailRule = NoEmailRule.MATCH
    crm_values: dict[
        Annotated[Text, Field(min_length=1, max_length=100)], Annotated[Text, Field(max_length=32_000)]
    ] = Field(default_factory=dict, max_length=MAX_VALUES, description="Values for records that the sync creates")
    companies: CompanyRule = CompanyRule.LEAVE
    crm_automation: Switch = Switch.OFF
    catch_up: CatchUp = CatchUp.NOW
    confirm_scope: bool = Field(default=False, description="Everybody of a system group may become visible in the CRM")


class Backlog(BaseModel):
    """Contacts that wait for later runs."""

    contacts: int = Field(examples=[1240])
    runs: int = Field(examples=[3])
    seconds: int | None = Field(
        description="How long it takes until none waits, about; null while no run is to come by itself", examples=[270]
    )
    finishes_at: datetime | None = Field(
        None, description="The instant at which that is", examples=["2026-03-01T10:04:30Z"]
    )


class Limits(BaseModel):
    """Contacts that a run takes at most."""

    first_run: int = Field(examples=[10_000])
    later_runs: int = Field(examples=[500])


class Configuration(BaseModel):
    """A sync configuration as it stands."""

    id: UUID
    version: int = Field(description="Raised by each change; also in the ETag")
    status: Status
    paused_reason: str = ""
    missing: list[FieldErrorBody] = Field(
        [], description="What a draft lacks, by field: a value, or a connection (`connections.google`)"
    )
    name: str
    crm_view_id: str | None = Field(description="null: not chosen yet, as in the next two; in drafts alone")
    google_group: str | None
    direction: Direction | None
    conflict_winner: Side
    frequency: Frequency
    mapping: list[MappingRowBody]
    deletions: DeletePolicy
    no_email: NoEmailRule
    crm_values: dict[str, str]
    companies: CompanyRule
    crm_automation: Switch
    catch_up: CatchUp
    last_sync_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_attempt_reason: str = ""
    next_sync_at: datetime | None = None
    backlog: Backlog
    limits: Limits
    created_at: datetime
    run_id: UUID | None = Field(None, description="The first run, in the answer to a save that asked for it")


class ConfigurationPage(BaseModel):
    """Configurations, newest first."""

    items: list[Configuration]
    next_cursor: str | None = None
