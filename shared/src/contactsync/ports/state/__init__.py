"""What the engine keeps, through small ports, a file each.

`State.begin` opens one transaction that is fenced: it commits only while the lease's fencing number is still the
current one of its Google account, and everything written in it becomes durable together. Rows of another
organisation are invisible in it. No provider is called while a transaction is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contactsync.domain.ids import AccountKey
from contactsync.messages.hint import RunHint
from contactsync.ports.state.answers import AnswerStore
from contactsync.ports.state.credits import CreditStore
from contactsync.ports.state.effects import Effect, EffectState, EffectStore
from contactsync.ports.state.leases import Busy, Lease, LeaseStore
from contactsync.ports.state.links import Contested, LinkStore, PairCounts
from contactsync.ports.state.outbox import Outbox
from contactsync.ports.state.outsiders import Outsider, OutsiderStore
from contactsync.ports.state.runs import (
    Listing,
    PendingPosition,
    Phase,
    Run,
    RunContact,
    RunMode,
    RunSettings,
    RunState,
    RunStore,
    SyncState,
    ToldRecord,
    Watch,
)

__all__ = [
    "AnswerStore",
    "Busy",
    "Claimed",
    "Contested",
    "CreditStore",
    "Effect",
    "EffectState",
    "EffectStore",
    "Lease",
    "LeaseStore",
    "LinkStore",
    "Listing",
    "Outbox",
    "Outsider",
    "OutsiderStore",
    "PairCounts",
    "PendingPosition",
    "Phase",
    "Run",
    "RunContact",
    "RunMode",
    "RunSettings",
    "RunState",
    "RunStore",
    "State",
    "SyncState",
    "ToldRecord",
    "Transaction",
    "Watch",
]


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
    def outsiders(self) -> OutsiderStore:
        """Contacts out of scope."""
        ...

    @property
    def answers(self) -> AnswerStore:
        """What people asked of pairs."""
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

    async def slices_before(self, hint: RunHint, account: AccountKey) -> int:
        """Google accounts but this one whose slices go before the hinted one, of the same organisation.

        They are being worked; or they were put off for their fair share, have waited longer, and are not overdue for
        more than half a minute: one whose hint was lost keeps nobody waiting.
        """
        ...

    async def call_next(self, hint: RunHint) -> None:
        """Let come at once the slice of the hint's organisation that has waited longest for its fair share."""
        ...

    async def postpone(self, hint: RunHint, until: datetime, reason: str) -> None:
        """Store a date to try the slice again (busy account, fair share), with its hint in the outbox."""
        ...

    def begin(self, lease: Lease, run: Run) -> AbstractAsyncContextManager[Transaction]:
        """A fenced transaction for the run's organisation; raises LeaseLostError when the fence has moved on."""
        ...
