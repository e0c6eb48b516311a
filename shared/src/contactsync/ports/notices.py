"""News that leaves: to addresses of an organisation, and by mail to the owner of a configuration.

What happened stands in the rows of runs and configurations; telling it is marked there, in the transaction that writes
what is to be sent. So nothing is told that was rolled back, and nothing is forgotten that was committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.domain.ids import OrganisationId
from contactsync.ports.callers import Profile


class Event(StrEnum):
    """What is told; part of the interface, so names stay."""

    RUN_FINISHED = "run.finished"
    APPROVAL_NEEDED = "run.approval_needed"
    CONFIGURATION_PAUSED = "configuration.paused"


MAILED = frozenset({Event.APPROVAL_NEEDED, Event.CONFIGURATION_PAUSED})
"""What needs a person. Runs that ended are no reason for a letter."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be sent once; `attempt` counts from 1."""

    organisation_id: OrganisationId
    delivery_id: UUID
    event: Event
    facts: Mapping[str, object]
    """Ids, codes, counts and times; never values of contacts."""
    occurred_at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Call(Delivery):
    """To an address, signed with each of the secrets."""

    endpoint_id: UUID
    url: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter(Delivery):
    """To a person, in his language."""

    recipient: Profile = field(repr=False)


class State(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery as an administrator sees it. `status` is the last answer, 0 without one."""

    delivery_id: UUID
    event: Event
    occurred_at: datetime
    created_at: datetime
    state: State
    attempts: int
    status: int


class Deliveries(Protocol):
    """What was told to an endpoint of an organisation."""

    async def page(
        self,
        organisation_id: OrganisationId,
        endpoint_id: UUID,
        *,
        state: State | None,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> Sequence[Sent]:
        """Newest first; `after` is the last one of the page before. Raises UnknownRowError for an unknown endpoint."""
        ...

    async def revive(
        self, organisation_id: OrganisationId, endpoint_id: UUID, delivery_id: UUID, now: datetime
    ) -> None:
        """Send a dead delivery again, from its first attempt on. Raises UnknownRowError when there is none."""
        ...


class Notices(Protocol):
    """The outbox of news."""

    async def gather(self, now: datetime, limit: int) -> int:
        """Turn what has happened and was not told into deliveries; how many happenings there were."""
        ...

    async def take(self, now: datetime, limit: int) -> Sequence[Call | Letter]:
        """Deliveries that are due, to oneself for a minute."""
        ...

    async def done(self, delivery: Delivery, status: int) -> None:
        """It arrived."""
        ...

    async def again(self, delivery: Delivery, not_before: datetime, status: int) -> None:
        """It did not arrive and is sent again later."""
        ...

    async def dead(self, delivery: Delivery, status: int) -> None:
        """It is given up; it stays in the list of the dead."""
        ...

    async def gone(self, call: Call, now: datetime) -> None:
        """The address wants nothing any more: it is disabled, and what waits for it is dead."""
        ...
