"""Calls from outside that ask for runs: channels of the CRM, and endpoints of an organisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.domain.ids import ConfigId, ConnectionId, OrganisationId, UserId

OVERLAP = timedelta(hours=24)
"""How long the secret before the newest one holds."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A notification channel of one connection."""

    organisation_id: OrganisationId
    channel_id: UUID
    connection_id: ConnectionId
    provider_key: str
    expires_at: datetime
    token_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """What one notification says that is looked at: which records changed, and at which second of the CRM's clock.

    It can make a run unnecessary (the change is our own write), and name records to be read.
    """

    record_ids: tuple[str, ...] = ()
    second: datetime | None = None


class Channels(Protocol):
    """Notification channels as stored."""

    async def find(self, channel_id: UUID) -> Channel | None:
        """The channel of that id, of whatever organisation."""
        ...

    async def concerned(self, told: Mapping[Channel, Sequence[Told]]) -> Mapping[Channel, Sequence[ConfigId]]:
        """Active configurations that need a run to learn what these notifications tell; channels without any left out.

        None is needed where a run is to come that will read the CRM anyway, and for what is no news: our own write,
        whose second is that of the last confirmed write to the record, or which is under way. The next runs are told
        which records to look at (`RunStore.told`), as far as there are not too many.
        """
        ...

    async def due(self, now: datetime, renew_before: datetime, limit: int) -> Sequence[Place]:
        """Connections with an active configuration whose channel is missing or ends before that instant."""
        ...

    async def idle(self, limit: int) -> Sequence[Channel]:
        """Channels that no active configuration needs."""
        ...

    async def begin(self, place: Place, token_hash: bytes, now: datetime) -> Channel | None:
        """Take the opening or renewal of a connection's channel upon oneself; None when another process has it.

        A channel that has ended gets the new token; one that lives keeps its own.
        """
        ...

    async def replace_token(self, channel: Channel, token_hash: bytes) -> None:
        """The channel is opened anew, since the CRM has forgotten it."""
        ...

    async def opened(self, channel: Channel, expires_at: datetime) -> None:
        """The channel lives until then."""
        ...

    async def remove(self, channel: Channel) -> None:
        """Forget the channel."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A connection, with its organisation."""

    organisation_id: OrganisationId
    connection_id: ConnectionId


class Direction(StrEnum):
    """Who calls whom."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret of an endpoint, and the one before it while that still holds."""

    current: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None

    def valid(self, now: datetime) -> tuple[str, ...]:
        """What a caller may use now, and what we sign with: the newest first."""
        overlaps = self.previous is not None and self.previous_until is not None and now < self.previous_until
        return (self.current, self.previous) if overlaps and self.previous is not None else (self.current,)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a CRM calls for runs, or that we call with news."""

    endpoint_id: UUID
    direction: Direction
    name: str
    url: str | None
    events: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """An incoming endpoint found by its id alone."""

    organisation_id: OrganisationId
    endpoint_id: UUID
    secrets: Secrets


class Endpoints(Protocol):
    """Endpoints of organisations."""

    async def add(self, organisation_id: OrganisationId, actor: UserId, endpoint: Endpoint, secret: str) -> None:
        """Store a new endpoint with its first secret."""
        ...

    async def page(self, organisation_id: OrganisationId) -> Sequence[Endpoint]:
        """All of the organisation, newest first."""
        ...

    async def rotate(
        self, organisation_id: OrganisationId, actor: UserId, endpoint_id: UUID, secret: str, now: datetime
    ) -> Endpoint:
        """A new secret; the one before it holds on for the overlap. Raises UnknownRowError."""
        ...

    async def remove(self, organisation_id: OrganisationId, actor: UserId, endpoint_id: UUID, now: datetime) -> None:
        """Delete the endpoint. Raises UnknownRowError."""
        ...

    async def find_incoming(self, endpoint_id: UUID) -> Target | None:
        """The incoming endpoint of that id, of whatever organisation."""
        ...

    async def active_configurations(self, organisation_id: OrganisationId) -> Sequence[ConfigId]:
        """What a request without a configuration asks for."""
        ...
