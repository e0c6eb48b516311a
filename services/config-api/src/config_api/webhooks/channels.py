"""Keeps the CRM's notification channels: opened, renewed before they end, closed when no configuration needs them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from config_api.periodic import at_intervals
from config_api.webhooks.intake import token_hash
from contactsync.adapters.zoho.notifications import LONGEST_LIFE, ZohoNotifications
from contactsync.domain.ids import ConnectionId
from contactsync.errors import ContactSyncError
from contactsync.ports.clock import Clock
from contactsync.ports.webhooks import Channel, Channels, Place
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

NotificationsOf = Callable[[ConnectionId], ZohoNotifications]
_EVERY: Final = timedelta(minutes=1)
_RENEW_BEFORE: Final = timedelta(days=6)
"""Renewed each day of its week: a channel that the CRM has lost is found out within a day, and opened anew."""
_BATCH: Final = 100


class ChannelKeeper:
    """A periodic task that compares what there is with what there should be. Any number may run.

    Whatever happens to a configuration elsewhere (saved, paused, deleted, disconnected), its channel follows.
    """

    def __init__(
        self, channels: Channels, notifications_of: NotificationsOf, token_key: bytes, address: str, clock: Clock
    ) -> None:
        self._channels = channels
        self._notifications_of = notifications_of
        self._token_key = token_key
        self._address = address
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(self.look, _EVERY, self._clock, stop, failed="webhooks.channels.look_failed")

    async def look(self) -> None:
        """Open and renew what is due, close what is idle."""
        now = self._clock.now()
        for place in await self._channels.due(now, now + _RENEW_BEFORE, _BATCH):
            await self._guarded("open", place.connection_id, self._keep(place))
        for channel in await self._channels.idle(_BATCH):
            await self._close(channel)

    async def _keep(self, place: Place) -> None:
        token, now = secrets.token_urlsafe(32), self._clock.now()
        hashed = token_hash(self._token_key, token)
        channel = await self._channels.begin(place, hashed, now)
        if channel is None:
            return
        notifications, until = self._notifications_of(channel.connection_id), now + LONGEST_LIFE
        if channel.expires_at > now:
            renewed = await notifications.renew(channel.provider_key, until)
            if renewed is not None:
                await self._channels.opened(channel, renewed)
                return
            await self._channels.replace_token(channel, hashed)
        url = f"{self._address}/webhooks/zoho/{channel.channel_id}"
        await self._channels.opened(channel, await notifications.subscribe(channel.provider_key, url, token, until))

    async def _close(self, channel: Channel) -> None:
        """Close it at the CRM if that can be reached; else it ends by itself, and its calls are refused until then."""
        unsubscribe = self._notifications_of(channel.connection_id).unsubscribe(channel.provider_key)
        await self._guarded("close", channel.connection_id, unsubscribe)
        await self._channels.remove(channel)

    @staticmethod
    async def _guarded(step: str, connection_id: ConnectionId, work: Awaitable[None]) -> None:
        """One connection's trouble is not the others'; it is tried again at a later look."""
        try:
            await work
        except ContactSyncError as error:
            log.warning("webhooks.channel.failed", operation=step, connection_id=connection_id, reason=error.reason)
