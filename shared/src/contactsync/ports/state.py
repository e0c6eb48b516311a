"""What the engine keeps, through five small ports: leases, runs, links, effects, outbox.

`State.begin` opens one transaction that is fenced: it commits only while the lease's fencing number is still the
current one of its Google account, and everything written in it becomes durable together. Rows of another
organisation are invisible in it. No provider is called while a transaction is open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.domain.actions import Answer, Overwritten
from contactsync.domain.contact import Changes, Side, Values
from contactsync.domain.credits import Shares
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import (
    AccountKey,
    ConfigId,
    ConnectionId,
    EffectId,
    GroupId,
    LinkId,
    OrganisationId,
    RecordId,
    RunId,
    UserId,
    ViewId,
)
from contactsync.domain.link import Link, MatchKey
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Policy
from contactsync.domain.sharing import Contender
from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Lane

# --- leases ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one Google account until an instant of the database clock.

    `fence` grows with each acquisition. `bucket` is the account's quota state, stored with the lease.
    """

    account: AccountKey
    holder: UUID
    fence: int
    until: datetime
    bucket: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else holds the lease, at the latest until this instant."""

    until: datetime


class LeaseStore(Protocol):
    """Leases by the database clock.

    Each worker also holds a session lock on its own id, so that the lease of a dead holder may be taken at once while
    that of a frozen one is waited out.
    """

    async def acquire(self, account: AccountKey, holder: UUID, ttl: timedelta) -> Lease | Busy:
        """The lease with the next fence, if it is free, expired, or its holder is dead."""
        ...

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """The same fence with a later end. Raises LeaseLostError when the fence has moved on."""
        ...

    async def release(self, lease: Lease, bucket: Mapping[str, float]) -> None:
        """Give the lease back and keep the quota bucket; nothing happens when it was lost."""
        ...


# --- runs -----------------------------------------------------------------------------------------------------------


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


# --- links ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outsider:
    """A contact outside of the scope of which only id and match keys are kept."""

    remote_id: str
    keys: tuple[MatchKey, ...]


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs of one configuration."""

    by_state: Mapping[str, int]
    pending: int
    held: int
    in_scope: int
    """Pairs with a side in scope that are this configuration's to synchronise: dormant ones do not count."""
    shown: Mapping[Side, int] = field(default_factory=dict)
    """Contacts that exist in scope, by side."""


@dataclass(frozen=True, slots=True)
class Contested:
    """A pair that another configuration keeps so far."""

    link: Link
    before: ConfigId
    contenders: Sequence[Contender]
    """All active configurations of the account that know the pair, this one among them."""


class LinkStore(Protocol):
    """Links of the run's organisation, Google account and configuration, inside a fenced transaction.

    A link is read as `foreign` when another configuration keeps it and this one is not the account's only active one.
    Values that another run stored are not read: they are of other fields.

    All methods are bulk: one or two statements for a page, never a statement for a row.
    """

    async def by_remote(self, side: Side, remote_ids: Sequence[str]) -> Mapping[str, Link]:
        """Links by the id of one side (also under names that a person had before)."""
        ...

    async def by_ids(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Link]:
        """Links by id."""
        ...

    async def by_keys(
        self, side: Side, keys: Sequence[MatchKey], *, besides: Collection[LinkId] = ()
    ) -> Sequence[Link]:
        """Links whose given side has one of these keys, of any state but `gone`, by id; but these."""
        ...

    async def save(self, links: Sequence[Link]) -> None:
        """Insert or replace these links with their scope in this configuration; values are sealed for the run.

        From then on this configuration keeps those that do not stand alone. Of `foreign` ones, which another keeps,
        this one's marks alone are stored, and when the person was last written.
        """
        ...

    async def contested(self, after: LinkId | None, limit: int) -> Sequence[Contested]:
        """Pairs, by id, that this configuration has in scope on a side that exists and another one keeps so far.

        Those that stand alone or are gone are kept by nobody.
        """
        ...

    async def remove(self, link_ids: Sequence[LinkId]) -> None:
        """Delete links that were absorbed by another or have nothing left on either side."""
        ...

    async def pending(self, run_id: RunId, after: PendingPosition | None, limit: int) -> Sequence[Link]:
        """Pairs with something to do that this run has not taken, in order, holds that are not due left out."""
        ...

    async def let_go(self, reason: str, limit: int) -> int:
        """Take this reason's hold from so many pending pairs, the first in order; how many there were.

        What was held for want of something is due as soon as there is some of it.
        """
        ...

    async def unseen(self, side: Side, listing: int, after: LinkId | None, limit: int) -> Sequence[Link]:
        """Pairs in scope on that side which the full listing with this number did not show, by id."""
        ...

    async def standing(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Pairs of the configuration without a row in this run's report, by what they count as.

        With a hold `held` (`failed` when the provider refused it), pending `waiting`, linked `unchanged`, all others
        but `gone` ones (dormant, released, alone by a rule) `skipped`.
        """
        ...

    async def counts(self, now: datetime) -> PairCounts:
        """How many pairs stand where."""
        ...

    async def to_seek(
        self, side: Side, run_id: RunId, after: PendingPosition | None, limit: int
    ) -> tuple[Sequence[Link], PendingPosition | None]:
        """Of the next `limit` pending pairs those that are to be sought on this side, and the place of the last one.

        The other side's contact stands alone, and shares no e-mail with a contact of this side that stands alone too
        (these two will find each other, unless one of them was told apart from somebody); or that of this side was
        deleted, and may be made again. The place is None when no pair is left.
        """
        ...

    async def drop_values(self, run_id: RunId) -> None:
        """Erase the values that this run stored."""
        ...

    async def save_outsiders(self, side: Side, listing: int, people: Sequence[Outsider]) -> None:
        """Insert or replace outsiders of one side."""
        ...

    async def remove_outsiders(self, side: Side, remote_ids: Sequence[str]) -> None:
        """Forget outsiders that are gone or came into scope."""
        ...

    async def drop_outsiders(self, side: Side, before_listing: int) -> None:
        """Forget outsiders that the full listing with this number did not show."""
        ...

    async def outsiders(self, side: Side, keys: Sequence[MatchKey]) -> Sequence[Outsider]:
        """Outsiders of one side that have one of these keys."""
        ...

    async def claim(self, digests: Mapping[LinkId, bytes], until: datetime) -> frozenset[LinkId]:
        """Links whose e-mail digest is now claimed for a create in this organisation; the others must wait."""
        ...

    async def answers(self) -> Sequence[Answer]:
        """What people asked of this configuration's pairs and no run has carried out; they keep until `answered`."""
        ...

    async def hand_on(self, link_ids: Sequence[LinkId]) -> None:
        """What was asked of these pairs through this configuration becomes an answer to their keepers."""
        ...

    async def answered(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers, as read in this transaction, are carried out."""
        ...


# --- effects --------------------------------------------------------------------------------------------------------


class EffectState(StrEnum):
    """Life of an effect."""

    PLANNED = "planned"
    """A delete that awaits approval."""
    SENDING = "sending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One intended change to one remote contact: ledger, history and journal. Values are stored encrypted, 30 days."""

    effect_id: EffectId
    run_id: RunId
    link_id: LinkId
    side: Side
    kind: EffectKind
    batch: UUID
    state: EffectState = EffectState.SENDING
    remote_id: str | None = None
    changes: Changes = field(default_factory=dict)
    before: Values = field(default_factory=dict)
    """Values that this effect overwrites or deletes, for restoring."""
    after_base: bytes = b""
    """The other side's digests at the decision, which become its base when the effect is confirmed."""
    sent_at: datetime | None = None
    attempt: int = 1
    reason: str = ""
    revision: str = ""

    def overwritten(self) -> Overwritten | None:
        """What it replaced, if it was sent."""
        if self.sent_at is None:
            return None
        return Overwritten(
            effect_id=self.effect_id,
            side=self.side,
            kind=self.kind,
            at=self.sent_at,
            changes=self.changes,
            before=self.before,
        )


class EffectStore(Protocol):
    """The ledger, inside a fenced transaction."""

    async def add(self, effects: Sequence[Effect]) -> None:
        """Insert effects (a batch is one transition with one batch id)."""
        ...

    async def settle(self, effects: Sequence[Effect]) -> None:
        """Store the state, remote id, revision, attempt and reason of effects that were added before."""
        ...

    async def unsettled(self) -> Sequence[Effect]:
        """Effects of this configuration that are `sending` or `unknown`, oldest first, with their values."""
        ...

    async def under_way(self, since: datetime) -> frozenset[LinkId]:
        """Links of which other configurations sent creates since then that are `sending` or `unknown`."""
        ...

    async def begun(self, run_id: RunId) -> frozenset[LinkId]:
        """Links with effects of this run that the run has not settled (`taken_by` is not this run): already counted."""
        ...

    async def planned(self, run_id: RunId) -> Sequence[Effect]:
        """The deletes of a run that await approval."""
        ...

    async def awaiting(self) -> Sequence[Effect]:
        """The deletes of this configuration that await approval, whichever run asked about them, oldest first."""
        ...

    async def by_ids(self, effect_ids: Sequence[EffectId]) -> Mapping[EffectId, Effect]:
        """Effects by id, of any configuration of the organisation, with the values that are still kept."""
        ...

    async def last_of(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Effect]:
        """The newest confirmed update or delete of each pair: what can be restored.

        A delete without an answer counts too: if it was not carried out, its contact is there, and nothing is made.
        """
        ...

    async def updates_since(self, link_ids: Sequence[LinkId], since: datetime) -> Mapping[LinkId, Sequence[Effect]]:
        """Confirmed updates of these pairs that were sent since then, oldest first; pairs without any left out."""
        ...


# --- outbox ---------------------------------------------------------------------------------------------------------


class Outbox(Protocol):
    """Hints to publish, written with the data that they speak of."""

    async def add(self, lane: Lane, hint: RunHint, *, not_before: datetime | None = None) -> None:
        """Add a row; the relay publishes it after the commit and not before the given instant."""
        ...


# --- together -------------------------------------------------------------------------------------------------------


class Transaction(Protocol):
    """The ports inside one fenced transaction."""

    @property
    def runs(self) -> RunStore:
        """Runs."""
        ...

    @property
    def links(self) -> LinkStore:
        """Links."""
        ...

    @property
    def effects(self) -> EffectStore:
        """The ledger."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Hints to publish."""
        ...

    async def give_back(self, bucket: Mapping[str, float]) -> None:
        """Give the lease back, with the quota bucket, by this commit; nothing more may be done under it.

        Whoever is told of the commit (a hint of the next slice or run) finds the account free.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claimed:
    """A slice that may be worked: the run with its attempt counted."""

    run: Run
    suspect: bool
    """Began twice and never ended: work on it belongs to the lane that isolates it."""


class CreditStore(Protocol):
    """CRM credits that the syncs of an organisation have reserved in the last 24 hours, by our own clock."""

    async def reserve(self, run: Run, amount: int, shares: Shares, now: datetime) -> datetime | None:
        """None when so many credits are reserved now for the organisation of this run.

        The run's row then says that it holds as many as `run` does (`credits_reserved`, these included).

        Otherwise nothing is reserved, and the answer is the date to ask again. Together with what counts already they
        would exceed the share of what its CRM grants in a day, or they are kept for runs that wait for credits and
        were asked for earlier (`Credits.turn`): those who wait get dates in that order, and are served in it.
        """
        ...

    async def give_back(self, run: Run, amount: int, shares: Shares, now: datetime) -> None:
        """Free what was reserved and not used; a row of the run that says that it holds what `run` does now says none.

        Runs that wait for credits and for which there is room now go on at once, the earliest ones first.
        """
        ...


class State(Protocol):
    """Everything durable that a worker needs."""

    @property
    def credits(self) -> CreditStore:
        """The organisation's CRM credits."""
        ...

    @property
    def leases(self) -> LeaseStore:
        """The right to work on an account."""
        ...

    async def account_of(self, hint: RunHint) -> AccountKey | None:
        """The Google account that the hinted run works on, or None when the slice is not due any more.

        It ended, was cancelled, has another number, or waits until later: the hint is then done with.
        """
        ...

    async def claim(self, hint: RunHint, lease: Lease, now: datetime) -> Claimed | None:
        """Count the attempt of the slice and return the run, in one commit, before its work begins."""
        ...

    async def slices_under_way(self, hint: RunHint, account: AccountKey) -> int:
        """Google accounts but this one on which slices of the hint's organisation are being worked."""
        ...

    async def postpone(self, hint: RunHint, until: datetime, reason: str) -> None:
        """Store a date to try the slice again (busy account, fair share), with its hint in the outbox."""
        ...

    def begin(self, lease: Lease, run: Run) -> AbstractAsyncContextManager[Transaction]:
        """A fenced transaction for the run's organisation; raises LeaseLostError when the fence has moved on."""
        ...
