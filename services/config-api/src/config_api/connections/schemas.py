"""What travels about connections."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from config_api.web.texts import Text
from contactsync.ports.connections import Provider


class AuthorizeRequest(BaseModel):
    """Begins a consent."""

    model_config = ConfigDict(extra="forbid")

    return_url: Text | None = Field(
        None, max_length=2000, description="Where the browser goes afterwards; on the allow-list"
    )
    display: Literal["page", "popup"] = Field(
        "page", description="`popup`: the window tells its opener how it ended, then closes"
    )
    data_centre: str | None = Field(
        None,
        pattern="^[a-z]{2}$",
        description="Zoho alone: the data centre where consent begins. Needed for `cn`, which stands alone",
    )


class AuthorizeAnswer(BaseModel):
    """Where to send the browser."""

    authorization_url: str = Field(examples=["https://sync.example.com/oauth/google/start/f3kW…"])


class ConnectionState(StrEnum):
    """Whether a connection can be used."""

    ACTIVE = "active"
    NEEDS_RECONNECT = "needs_reconnect"


class Connection(BaseModel):
    """One user's grant to one account of one provider."""

    provider: Provider
    state: ConnectionState
    reason: str = ""
    account_name: str = Field(
        description="Who is connected, as the provider names the account", examples=["ada@example.org"]
    )
    organisation_name: str = Field("", description="The CRM's organisation", examples=["Analytical Ltd"])
    data_centre: str = Field("", examples=["eu"])
    connected_at: datetime


class ConnectionList(BaseModel):
    """All connections of the caller."""

    items: list[Connection]


class Disconnected(BaseModel):
    """What became of the grant. Our copy of it is erased in any case."""

    revoked: bool = Field(description="Whether the provider confirmed the end of the grant; else its owner can end it")
