"""What travels about embed sessions."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from config_api.web.texts import Text


class EmbedSessionBody(BaseModel):
    """Asks for an address."""

    model_config = ConfigDict(extra="forbid")

    return_path: Text = Field("/", max_length=500, description="The path of the page to show", examples=["/"])


class EmbedSession(BaseModel):
    """The address to put into the frame. It opens once, within five minutes."""

    url: str = Field(examples=["https://sync.example.com/embed/f3kW…"])
    expires_at: datetime
