"""What travels about webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from config_api.web.texts import Text
from contactsync.ports.notices import Event, State
from contactsync.ports.webhooks import Direction


class WebhookEndpointBody(BaseModel):
    """Creates an endpoint: `incoming` for a CRM that asks for runs, `outgoing` for an address that we call."""

    model_config = ConfigDict(extra="forbid")

    direction: Direction
    name: Text = Field(min_length=1, max_length=100, examples=["CRM production"])
    url: Text | None = Field(None, max_length=2000, description="Where news goes; for `outgoing` alone")
    events: list[Event] = Field(default_factory=list, description="For `outgoing` alone; none: every event")


class WebhookEndpoint(BaseModel):
    """An endpoint as it stands. Its secret is shown once, when it is made."""

    id: UUID
    direction: Direction
    name: str
    url: str | None = Field(description="`incoming`: the address to call. `outgoing`: the address that is called")
    events: list[str]
    created_at: datetime
    disabled_at: datetime | None = Field(None, description="Since when an outgoing address is gone (it answered 410)")


class CreatedWebhookEndpoint(WebhookEndpoint):
    """The endpoint and its secret, which is not shown again."""

    secret: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class WebhookEndpointList(BaseModel):
    """All endpoints of the organisation, newest first."""

    items: list[WebhookEndpoint]


class WebhookDelivery(BaseModel):
    """One piece of news, and what became of it."""

    id: UUID = Field(description="Sent as `webhook-id`, the same at every attempt")
    event: Event
    occurred_at: datetime
    state: State = Field(description="`dead`: given up after three days, or at once for an address that is not public")
    attempts: int
    status: int = Field(description="The last answer; 0 without one", examples=[503])


class WebhookDeliveryPage(BaseModel):
    """News of an endpoint, newest first."""

    items: list[WebhookDelivery]
    next_cursor: str | None = None


class SyncRequest(BaseModel):
    """Asks for runs."""

    model_config = ConfigDict(extra="forbid")

    configuration_id: UUID | None = Field(None, description="Absent: every active configuration of the organisation")
    mode: Literal["sync", "full"] = "sync"


class Accepted(BaseModel):
    """How many configurations a run was asked for."""

    configurations: int
