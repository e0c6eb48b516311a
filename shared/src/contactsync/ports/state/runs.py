"""Runs, what a configuration remembers between them, and what they report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from contactsync.domain.contact import Side
from contactsync.domain.ids import (
    AccountKey,
    ConfigId,
    ConnectionId,
    GroupId,
    LinkId,
    OrganisationId,
    RecordId,
    RunId,
    UserId,
    ViewId,
)
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Policy


class RunState(StrEnum):
    """States of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    NEEDS_APPROVAL = "needs_approval"
    PLANNED = "planned"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether the run still occupies its configuration."""
        return self in {RunState.QUEUED, RunState.RUNNING, RunState.WAITING}


class RunMode(StrEnum):
    """What a run does."""

    SYNC = "sync"
    FULL = "full"
    APPROVED_DELETES = "approved_deletes"


class Phase(StrEnum):
    """Steps of a run, in order."""

    OBSERVE = "observe"
    SEARCH = "search"
    APPLY = "apply"
    DELETE = "delete"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, order=True)
class PendingPosition:
    """Place in the order of pending pairs: pending since, the source's modification time, link id."""

    pending_since: datetime
    pending_order: datetime
    link_id: LinkId


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Progress of one side's reading in one run; stored with each page."""

    full: bool
    number: int
    """Number of this listing for its configuration and side; links keep the last full one that showed them."""
    started_at: datetime
    step: str = "start"
    """The engine's name for the part of the reading under way."""
    page: str | None = None
    done: bool = False
    seen: int = 0
    people: int = 0
    """Google: contacts shown, those outside the group included."""
    stated: int = 0
    """Google: contacts that the listing says it has."""
    made: int = 0
    """Google: `SyncState.google_made` as it was when the reading began."""
    left: int = 0
    """Contacts of pairs that were shown outside the view or group and were inside before."""
    news: bool = False
    """A later reading brought a state that no link holds yet."""
    next_token: str | None = None
    """Google: the sync token of the last page. CRM: the next watermark, RFC 3339."""
    expected: int | None = None
    """Contacts in scope at the last full listing that was believed."""
    shown: int | None = None
    """Contacts in scope once both sides were read, before anything was written; None: nothing is to be deleted."""
    sought_to: PendingPosition | None = None
    """Google: people up to this place in the order were sought in the CRM before any was made there; None: all."""
    why: str = ""
    """Why it is a full one: `first`, `settings`, `daily`, `asked`, `doubted`, `token_expired`, `view_refused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """What a configuration remembers between runs about its two listings."""

    google_sync_token: str | None = None
    google_full_at: datetime | None = None
    """Start of the last complete full listing of the account (a sync token lives seven days from it)."""
    google_listing: int = 0
    google_count: int = 0
    """Members of the group at the last full listing that was believed."""
    google_doubted: int | None = None
    """Members that a complete full listing showed which was too short to be believed; None: the last one was believed.

    While it is set, the configuration has no right to delete, whatever happens between: only a full listing that agrees
    with this number, or is back at the old size, ends it.
    """
    google_people: int = 0
    """At least so many contacts are in the account: those of the last complete full listing and those made since, but
    for those deleted since.

    What its Trash holds counts against the account's limit too, and no listing shows it.
    """
    google_made: int = 0
    """How many people syncs had made in the account when that was last counted in."""
    google_full: bool = False
    """Contacts are held because the account has no room for them."""
    crm_watermark: datetime | None = None
    crm_read_at: datetime | None = None
    """Start of the last complete reading of the CRM, by our clock."""
    crm_clock_offset_s: float = 0.0
    """The CRM's clock minus ours, from the `Date` of its last answer to a listing."""
    crm_full_at: datetime | None = None
    crm_listing: int = 0
    crm_count: int = 0
    crm_doubted: int | None = None
    """The same of the view."""
    view_question: bool | None = None
    """Whether the CRM answers COQL questions for a view; None: not asked yet."""
    read_version: int = 0
    """The configuration version for which both sides were last read in full."""

    def doubted(self, side: Side) -> int | None:
        """Contacts of the side's last full listing, when that was too short to be believed."""
        return self.crm_doubted if side is Side.CRM else self.google_doubted


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run works with, fixed when it began."""

    organisation_id: OrganisationId
    config_id: ConfigId
    owner_id: UserId
    crm_connection_id: ConnectionId
    google_connection_id: ConnectionId
    account: AccountKey
    view_id: ViewId
    group_id: GroupId
    policy: Policy
    region: str = ""
    """ISO 3166 region for phone numbers without a country code."""
    catch_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution and its progress: a value, changed by `dataclasses.replace` and saved in fenced transactions."""

    run_id: RunId
    settings: RunSettings
    mode: RunMode
    trigger: str
    state: RunState
    created_at: datetime
    first: bool
    limit: int
    phase: Phase = Phase.OBSERVE
    slice: int = 0
    attempt: int = 0
    started_at: datetime | None = None
    taken: int = 0
    pairs: int | None = None
    """Pairs in sync once both sides were read, before anything was written; None: nothing is to be deleted."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Outcome -> contacts, in the end; `writes.<side>.<kind>` and `calls.<provider>.<operation>` as it goes."""
    listings: Mapping[Side, Listing] = field(default_factory=dict)
    sync: SyncState = SyncState()
    """The configuration's state as this run will leave it."""
    search_page: str | None = None
    """Place of the search for contacts that exist outside the scope."""
    wait_until: datetime | None = None
    retries: int = 0
    """Slices in a row that ended in waiting for a provider."""
    credits_reserved: int = 0
    """CRM credits that the slice has reserved and, as far as stored, not used: a killed worker leaves them behind."""
    reason: str = ""
    provider_message: str = ""
    """The provider's own words about why the run failed; stored at its end, encrypted, for its owner."""
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContact:
    """One contact's row in a run's report. `name` and `values` are stored encrypted, for 30 days."""

    link_id: LinkId
    outcome: Outcome
    reason: str = ""
    crm_id: str | None = None
    google_id: str | None = None
    name: str = ""
    fields: Sequence[str] = ()
    sides: Sequence[Side] = ()
    """Sides that were written."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    provider_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How changes become known beside by reading: the configuration's ticks, and the CRM's notification channel."""

    interval: timedelta | None
    """Between two ticks; None: there are none."""
    told_until: datetime | None
    """Until when the channel lives; None without one, and while it is not known whether it could be renewed."""
    asked: bool
    """A run was made since that somebody else than the clock asked for."""


@dataclass(frozen=True, slots=True)
class ToldRecord:
    """A record that the CRM said had changed: a hint of what to read, and nothing more."""

    record_id: RecordId
    second: datetime
    """When it changed, by the CRM's clock."""
    told_at: datetime


class RunStore(Protocol):
    """Runs, inside a fenced transaction."""

    async def save(self, run: Run) -> None:
        """Store the run's progress (all but identity, settings and cancel mark)."""
        ...

    async def record(self, run_id: RunId, contacts: Sequence[RunContact]) -> None:
        """Add or replace rows of the report, one for a pair."""
        ...

    async def tally(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Contacts in the report so far, by outcome."""
        ...

    async def cancelled(self, run_id: RunId) -> bool:
        """Whether somebody asked the run to stop, or its configuration is no longer active."""
        ...

    async def watch(self, since: datetime) -> Watch:
        """The ticks and the channel of the run's configuration, and whether it was asked for after that instant."""
        ...

    async def told(self) -> Sequence[ToldRecord]:
        """Records that the CRM said had changed, and that no reading of the configuration has shown since."""
        ...

    async def heard(self, told: Sequence[ToldRecord]) -> None:
        """Nothing more is to be learnt from these; what was told of the same records since stays."""

    async def people_made(self, amount: int) -> int:
        """Count so many people more that were made in the Google account; how many all syncs ever made in it."""
        ...

    async def paused(self) -> str:
        """Why the run's configuration is paused; empty while it is not."""
        ...

    async def pause(self, reason: str) -> None:
        """Pause the run's configuration with this reason; its open request mark is dropped."""
        ...

    async def failed_alike(self, run: Run, reason: str) -> int:
        """How many runs of the configuration failed for this reason since the last one that ended otherwise.

        The given run itself does not count.
        """
        ...

    async def finish(self, run: Run, *, next_due: datetime | None) -> None:
        """Store the end of the run and the configuration's state and times; erase the run's values.

        When a request came meanwhile, one further run is queued with its hint. Earlier runs that asked about deletes
        ask (`needs_approval`) exactly as long as one of these is planned and no open run is to carry it out: so one
        whose approved deletes were left over asks again, and one whose deletes were all settled asks no more.
        """
        ...
