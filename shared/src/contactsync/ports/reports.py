"""Runs and their reports as their owners see them; the engine's view of a run is `ports.state.Run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contactsync.domain.contact import Side
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId, RunId, UserId
from contactsync.domain.outcome import Outcome
from contactsync.ports.state import Listing, Phase, RunContact, RunMode, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run as it stands."""

    run_id: RunId
    config_id: ConfigId
    mode: RunMode
    trigger: str
    state: RunState
    first: bool
    phase: Phase
    percent: int
    """Never goes back."""
    to_write: int
    listings: Mapping[Side, Listing]
    counts: Mapping[str, int]
    """As `Run.counts`."""
    outcomes: Mapping[Outcome, int]
    """Contacts by outcome: of an open run those with a row so far, in the end all."""
    awaiting: int
    """Deletes that await an answer."""
    reason: str
    provider_message: str
    """The provider's own words about why the run failed; for 30 days."""
    wait_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a page of runs begins: after this one, newest first."""

    created_at: datetime
    run_id: UUID


class RunReports(Protocol):
    """Runs of one organisation; `owner` narrows to one user's configurations, None stands for an administrator."""

    async def one(self, organisation_id: OrganisationId, owner: UserId | None, run_id: RunId) -> RunReport:
        """The run. Raises UnknownRowError when it is not there for this owner."""
        ...

    async def page(
        self, organisation_id: OrganisationId, config_id: ConfigId, after: RunPlace | None, limit: int
    ) -> Sequence[RunReport]:
        """At most `limit` runs of a configuration after that place, newest first."""
        ...

    async def contacts(
        self, organisation_id: OrganisationId, run: RunReport, outcome: Outcome | None, after: LinkId | None, limit: int
    ) -> Sequence[RunContact]:
        """At most `limit` rows of the run's report, by pair; without an outcome all but the unchanged and the waiting.

        Contacts that the run left as it found them (unchanged, waiting, still skipped, held or failed) have no rows of
        their own: they are listed as the pairs stand now.
        """
        ...

    def all_contacts(
        self, organisation_id: OrganisationId, run: RunReport, outcome: Outcome | None
    ) -> AsyncIterator[Sequence[RunContact]]:
        """The same rows in pages, to the last."""
        ...

    async def answer_deletes(
        self, organisation_id: OrganisationId, run: RunReport, *, approved: bool, now: datetime
    ) -> RunId | None:
        """Answer for the deletes that the run asked about: the run that carries the answer out.

        Approved ones are deleted by a run of their own; refused ones are released by the next run. None when nothing
        awaits an answer. Raises NotActiveError.
        """
        ...
