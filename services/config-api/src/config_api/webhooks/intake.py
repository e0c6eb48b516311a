"""Calls from outside become requests for runs."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson

from config_api.webhooks.gathering import Gathering
from contactsync.domain.ids import ConfigId, OrganisationId
from contactsync.errors import NotActiveError, UnknownRowError
from contactsync.ports.clock import Clock
from contactsync.ports.requests import BY_CALL, RunRequests
from contactsync.ports.state import RunMode
from contactsync.ports.webhooks import Channel, Channels, Told

_KEPT_FOR: Final = timedelta(seconds=60)
_MOST_KEPT: Final = 10_000
_MOST_IDS: Final = 1000


class RunAsker:
    """Asks for runs of several configurations."""

    def __init__(self, requests: RunRequests, clock: Clock) -> None:
        self._requests = requests
        self._clock = clock

    async def ask(
        self, organisation_id: OrganisationId, configurations: Sequence[ConfigId], mode: RunMode = RunMode.SYNC
    ) -> int:
        """A run of each, or the open one that stands for it; how many of them are active."""
        asked = 0
        for config_id in configurations:
            try:
                await self._requests.request(organisation_id, config_id, mode, BY_CALL, self._clock.now())
            except (NotActiveError, UnknownRowError):
                continue  # paused or deleted since
            asked += 1
        return asked


@dataclass(slots=True)
class _Call:
    """A notification that carried its channel's secret."""

    channel: Channel
    told: Told
    concerned: Sequence[ConfigId] = ()


class ChannelIntake:
    """Notifications of the CRM. They are not signed: the secret that they carry is all that is believed.

    A body can say which records changed at which second, which shows our own writes; it can never say what to do.
    """

    def __init__(self, channels: Channels, asker: RunAsker, token_key: bytes, clock: Clock) -> None:
        self._channels = channels
        self._asker = asker
        self._token_key = token_key
        self._clock = clock
        self._kept: OrderedDict[UUID, tuple[Channel | None, datetime]] = OrderedDict()
        # All calls that come while others are looked at are looked at together, whatever their channel. Asking for a
        # run, which seldom remains to be done, is a matter of one configuration: nobody waits for another's.
        self._looking: Gathering[None, _Call] = Gathering(self._look)
        self._asking: Gathering[tuple[OrganisationId, ConfigId], None] = Gathering(self._ask)

    async def take(self, channel_id: UUID, body: bytes) -> bool:
        """Return when the runs are asked for; False for an unknown channel or a wrong secret, alike."""
        message = _message(body)
        channel = await self._believed(channel_id, token_hash(self._token_key, str(message.get("token", ""))))
        if channel is None:
            return False
        call = _Call(channel, _told(message))
        await self._looking.add(None, call)
        for config_id in call.concerned:
            await self._asking.add((channel.organisation_id, config_id), None)
        return True

    async def _believed(self, channel_id: UUID, given: bytes) -> Channel | None:
        """The channel, if this is its secret; the comparison takes as long for one that does not exist."""
        channel = await self._known(channel_id)
        if not hmac.compare_digest(given, b"\0" * len(given) if channel is None else channel.token_hash):
            self._kept.pop(channel_id, None)  # it may have been opened anew with another secret
            channel = await self._known(channel_id)
            if channel is None or not hmac.compare_digest(given, channel.token_hash):
                return None
        return channel

    async def _look(self, _: None, calls: Sequence[_Call]) -> None:
        told: dict[Channel, list[Told]] = {}
        for call in calls:
            told.setdefault(call.channel, []).append(call.told)
        concerned = await self._channels.concerned(told)
        for call in calls:
            call.concerned = concerned.get(call.channel, ())

    async def _ask(self, place: tuple[OrganisationId, ConfigId], _: Sequence[None]) -> None:
        organisation_id, config_id = place
        await self._asker.ask(organisation_id, [config_id])

    async def _known(self, channel_id: UUID) -> Channel | None:
        now = self._clock.now()
        channel, until = self._kept.get(channel_id, (None, now))
        if until > now:
            return channel
        channel = await self._channels.find(channel_id)
        self._kept[channel_id] = (channel, now + _KEPT_FOR)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return channel


def token_hash(key: bytes, token: str) -> bytes:
    """The form in which a channel's secret is kept."""
    return blake2b(token.encode(), key=key, digest_size=32, person=b"channel").digest()


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def _told(message: dict[str, Any]) -> Told:
    ids, instant = message.get("ids"), message.get("server_time")
    if not isinstance(ids, list) or not isinstance(instant, int) or not 0 < instant < 10**14:
        return Told()
    known = tuple(one for one in ids[:_MOST_IDS] if isinstance(one, str) and one.isascii() and one.isdigit())
    complete = len(known) == len(ids)
    return Told(known, datetime.fromtimestamp(instant // 1000, UTC)) if complete else Told()
