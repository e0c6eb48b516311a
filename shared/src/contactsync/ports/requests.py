"""How runs come to be and stay alive: asking for them, publishing their hints, reviving what got stuck.

These are the ports of config-api; the worker's own are in `contactsync.ports.state`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.domain.actions import Answer, Overwritten
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId, RunId
from contactsync.ports.queue import OutboundHint
from contactsync.ports.state import RunMode

SUSPECT_AFTER = 2
"""Begins of one slice without an end, after which its run belongs to the lane that isolates it."""


BY_HAND = "user"
"""The trigger of a run that a person asked for."""

BY_CALL = "webhook"
"""The trigger of a run for which a CRM called."""

BY_CLOCK = "schedule"
"""The trigger of a run whose time had come."""

APPROVAL = "approval:"
"""Before the id of the run whose deletes a person approved, in the trigger of the run that carries them out."""


def is_by_hand(trigger: str) -> bool:
    """Whether a person asked for it."""
    return trigger == BY_HAND or trigger.startswith(APPROVAL)


LOST_AFTER = timedelta(seconds=30)
"""A slice that waits and did not come by so long after its date keeps no other waiting: its hint may be lost."""
TAKEN_FOR = timedelta(seconds=30)
"""How long a relay has hints to itself before another may take them."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Contacts that a run takes at most."""

    initial: int = 10_000
    """Shared by a first run and its repeats after a failure or cancel."""
    incremental: int = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for. `trigger` says who asked: `schedule`, `user`, `webhook`, `approval:<run id>`."""

    mode: RunMode
    trigger: str


def joins(open_run: Wish, wish: Wish) -> bool:
    """Whether a run that has not begun answers the wish as well."""
    if RunMode.APPROVED_DELETES in {open_run.mode, wish.mode}:
        return open_run == wish
    return True


def joined(open_run: Wish, wish: Wish) -> Wish:
    """What a run stands for when the wish has joined it: full when one of them is, and by whom it matters most.

    A run for which the clock alone asked may leave the CRM unread; what a person asked for may use a larger share of
    its credits.
    """
    mode = RunMode.FULL if RunMode.FULL in {open_run.mode, wish.mode} else open_run.mode
    return Wish(mode, max(open_run.trigger, wish.trigger, key=_weight))


def _weight(trigger: str) -> int:
    return {BY_CLOCK: 0, BY_HAND: 2}.get(trigger, 1)


def with_wish(waiting: Sequence[Wish], wish: Wish) -> tuple[Wish, ...]:
    """The wishes that wait for the end of a run, one more included: the next run first.

    Approved deletes go first, each its own run; all others become one, full when one of them is.
    """
    if wish.mode is RunMode.APPROVED_DELETES:
        return tuple(dict.fromkeys((*_approved(waiting), wish))) + _ordinary(waiting)
    ordinary = _ordinary(waiting)
    return (*_approved(waiting), joined(ordinary[0], wish) if ordinary else wish)


def _approved(wishes: Sequence[Wish]) -> tuple[Wish, ...]:
    return tuple(wish for wish in wishes if wish.mode is RunMode.APPROVED_DELETES)


def _ordinary(wishes: Sequence[Wish]) -> tuple[Wish, ...]:
    return tuple(wish for wish in wishes if wish.mode is not RunMode.APPROVED_DELETES)


class Coalesced(StrEnum):
    """What became of a request that met an open run."""

    JOINED = "joined"
    """The open run has not begun to read: it will see everything that the request is about."""
    QUEUED_NEXT = "queued_next"
    """One further run follows when the open one ends."""


@dataclass(frozen=True, slots=True)
class Requested:
    """The answer to a request: the new run, or the open one that it met."""

    run_id: RunId
    created: bool
    coalesced: Coalesced | None = None


class RunRequests(Protocol):
    """Asking for runs; run and hint are written together."""

    async def request(
        self, organisation_id: OrganisationId, config_id: ConfigId, mode: RunMode, trigger: str, now: datetime
    ) -> Requested:
        """A run of this configuration, or the open one that stands for it.

        A configuration has at most one open run. Synchronising requests join it while it has not begun to read (as
        `joined` says); later ones set one mark, and its end queues one further run. A request to carry out approved
        deletes joins nothing but the same request. Raises UnknownRowError for a configuration that this organisation
        does not have, NotActiveError for one that is not active.
        """
        ...

    async def cancel(self, organisation_id: OrganisationId, run_id: RunId, now: datetime) -> bool:
        """Ask an open run to stop; False when it had ended.

        One that never began is cancelled at once; one that waits is hinted again, so that a worker ends it.
        """
        ...


class PairAnswers(Protocol):
    """What people ask of single pairs (`contactsync.domain.actions`); the next run carries it out."""

    async def ask(
        self, organisation_id: OrganisationId, config_id: ConfigId, answers: Sequence[Answer], now: datetime
    ) -> None:
        """Store answers for the next run of whoever keeps the pairs then; a later one for a pair replaces an earlier.

        Raises UnknownRowError, with nothing stored, when the configuration does not have one of the pairs.
        """
        ...

    async def last_overwritten(self, organisation_id: OrganisationId, link_id: LinkId) -> Overwritten | None:
        """The newest write of the pair that can be restored; None when its journal holds none."""
        ...


class OutboxRelayStore(Protocol):
    """The relay's view of the outbox, across organisations: hints and times, nothing else."""

    async def take(self, limit: int) -> Sequence[OutboundHint]:
        """Hints that are due and that no other relay has taken in the last half minute, oldest first."""
        ...

    async def mark_published(self, message_ids: Sequence[UUID]) -> None:
        """These were confirmed by the broker; the others come again when their half minute is over."""
        ...

    async def next_due(self) -> datetime | None:
        """When the next unpublished hint may be taken; None when there is none."""
        ...

    async def oldest_due(self) -> datetime | None:
        """Since when the oldest unpublished hint is due, taken or not; None when none is."""
        ...

    async def purge(self, older_than: timedelta) -> int:
        """Delete hints that were published longer ago than that; how many."""
        ...


class RunSweeper(Protocol):
    """What a periodic task of config-api does across organisations, with ids and times alone."""

    async def start_due(self, now: datetime, limit: int) -> int:
        """Ask for a run of each active configuration whose time has come; how many were due.

        The date moves on to the next tick; one that meets an open run is left out.
        """
        ...

    async def oldest_due(self, now: datetime) -> datetime | None:
        """When the active configuration was due that has waited longest; None when none is due."""
        ...

    async def revive(self, now: datetime, idle: timedelta, limit: int) -> int:
        """New hints for open runs that nobody works on; how many.

        Such a run has made no progress for `idle`, its waiting date is past by as much, and its account has no
        living lease.
        """
        ...
