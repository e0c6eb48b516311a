"""Notification channels of the CRM: it calls an address of ours when contacts change. Control calls.

Source: Zoho CRM API v8, "Notifications". A channel lives for a week at most; a longer or missing expiry silently
becomes one hour, so the expiry that counts is the one in the answer. Times must not have milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from contactsync.adapters.http import Answer, HttpEdge
from contactsync.adapters.zoho import refusals
from contactsync.adapters.zoho.api import ZohoApi
from contactsync.adapters.zoho.instants import header_instant, parse_instant
from contactsync.adapters.zoho.protocol import PROVIDER, ApiRequest
from contactsync.domain.ids import ConnectionId
from contactsync.ports.directory import Call, CallGate
from contactsync.ports.vault import TokenSource

LONGEST_LIFE: Final = timedelta(days=7) - timedelta(minutes=5)
"""Under the week that the vendor allows, so that clocks which differ do not make it an hour."""
_PATH: Final = "/actions/watch"
_EVENTS: Final = ("Contacts.all",)


class ZohoNotifications:
    """Channels of one connection. `channel` is a number that we choose, unique for the user."""

    def __init__(self, edge: HttpEdge, tokens: TokenSource, connection_id: ConnectionId, gate: CallGate) -> None:
        self._api = ZohoApi(edge, tokens, connection_id, gate)

    async def subscribe(self, channel: str, url: str, token: str, expires_at: datetime) -> datetime:
        """Open the channel; until when it lives. Calls carry `token`, which has at most 50 characters."""
        item = {
            "channel_id": channel,
            "events": list(_EVENTS),
            "notify_url": url,
            "token": token,
            "channel_expiry": header_instant(expires_at),
            "notify_on_related_action": False,
        }
        return _expiry(await self._send("POST", "watch.subscribe", item))

    async def renew(self, channel: str, expires_at: datetime) -> datetime | None:
        """Keep the channel open; until when it lives, None when the CRM does not know it any more."""
        item = {"channel_id": channel, "events": list(_EVENTS), "channel_expiry": header_instant(expires_at)}
        answer = await self._send("PATCH", "watch.renew", item)
        refused = _item(answer).get("details", {}) if _item(answer).get("status") == "error" else {}
        return None if refused.get("api_name") == "channel_id" else _expiry(answer)

    async def unsubscribe(self, channel: str) -> None:
        """Close the channel; one that the CRM does not know is closed."""
        call = Call(PROVIDER, "watch.unsubscribe", {"credits": 1}, mutates=False, control=True)
        await self._api.ask(ApiRequest(call, "DELETE", _PATH, (("channel_ids", channel),)))

    async def _send(self, method: str, operation: str, item: Mapping[str, object]) -> Answer:
        # Not a write of data: repeating it does no harm, so that silence is no unknown outcome.
        call = Call(PROVIDER, operation, {"credits": 1}, mutates=False, control=True)
        return await self._api.ask(ApiRequest(call, method, _PATH, body=orjson.dumps({"watch": [item]})))


def _item(answer: Answer) -> Mapping[str, Any]:
    rows = answer.error_object().get("watch")
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}


def _expiry(answer: Answer) -> datetime:
    if _item(answer).get("status") != "success":
        raise refusals.call_error(answer)
    try:
        return parse_instant(_item(answer)["details"]["events"][0]["channel_expiry"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise answer.unreadable("a channel without an expiry") from error
