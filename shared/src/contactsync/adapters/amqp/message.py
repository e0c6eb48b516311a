"""The one place where messages are made."""

from __future__ import annotations

from datetime import datetime

from aio_pika import DeliveryMode, Message

from contactsync.messages.hint import SCHEMA_VERSION
from contactsync.ports.queue import OutboundHint

APP_ID = "contactsync"
MESSAGE_TYPE = f"sync.run_hint.v{SCHEMA_VERSION}"


def to_message(hint: OutboundHint, now: datetime) -> Message:
    """The hint as a persistent message; without a mode the client would send a transient one."""
    return Message(
        hint.hint.to_bytes(),
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=str(hint.message_id),
        correlation_id=str(hint.hint.run),
        type=MESSAGE_TYPE,
        timestamp=now,
        app_id=APP_ID,
    )
