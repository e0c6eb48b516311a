"""The pairs of a configuration as its owner sees them: one contact's state now, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.ids import LinkId, OrganisationId, RunId
from contactsync.domain.link import Link
from contactsync.ports.configurations import StoredConfiguration
from contactsync.ports.state import RunContact


class Standing(StrEnum):
    """By what pairs can be listed: their state, or a mark on them."""

    SINGLE = "single"
    LINKED = "linked"
    DORMANT = "dormant"
    RELEASED = "released"
    GONE = "gone"
    HELD = "held"
    WAITING = "waiting"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairQuery:
    """Which pairs: each given part narrows."""

    email: str | None = None
    crm_id: str | None = None
    google_id: str | None = None
    standing: Standing | None = None
    link_id: LinkId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A pair, what a person asked of it that no run has carried out, and its newest row in a report."""

    link: Link
    asked: Action | None
    last_run: RunId | None
    last_row: RunContact | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class OutsideContact:
    """A contact that is there, but outside the view or the group."""

    side: Side
    remote_id: str


class Pairs(Protocol):
    """Pairs of configurations of one organisation."""

    async def find(
        self,
        organisation_id: OrganisationId,
        config: StoredConfiguration,
        query: PairQuery,
        after: LinkId | None,
        limit: int,
    ) -> Sequence[Pair]:
        """At most `limit` pairs, by id."""
        ...

    async def outside(
        self, organisation_id: OrganisationId, config: StoredConfiguration, email: str
    ) -> Sequence[OutsideContact]:
        """Contacts with this address that the last readings saw outside the view or the group."""
        ...
