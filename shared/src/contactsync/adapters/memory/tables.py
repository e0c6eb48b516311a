"""The rows of the memory adapter, and the journal that takes a failed transaction back."""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from contactsync.domain.actions import Answer
from contactsync.domain.contact import Side
from contactsync.domain.ids import AccountKey, ConfigId, EffectId, LinkId, OrganisationId, RecordId, RunId
from contactsync.domain.link import Hold, Link
from contactsync.ports.queue import OutboundHint
from contactsync.ports.requests import Wish
from contactsync.ports.state import Effect, Outsider, Run, RunContact, RunSettings, SyncState, ToldRecord

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Realm = tuple[OrganisationId, AccountKey]
"""Whose links: one organisation and one Google account."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A Google account's lease."""

    fence: int = 0
    holder: UUID | None = None
    until: datetime | None = None
    bucket: dict[str, float] = field(default_factory=dict)
    made: int = 0
    """People that syncs have made in it."""


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """A sync configuration."""

    settings: RunSettings
    created_at: datetime
    active: bool = True
    paused_reason: str = ""
    first_done: bool = False
    """A run has ended succeeded or partial (or with deletes that await approval)."""
    first_taken: int = 0
    """Contacts that first runs took which then failed or were cancelled."""
    sync: SyncState = field(default_factory=SyncState)
    last_sync_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_reason: str = ""
    next_due: datetime | None = None
    interval: timedelta | None = None
    told_until: datetime | None = None
    """Until when the CRM's notification channel lives."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with what the engine does not see of it."""

    run: Run
    waiting: tuple[Wish, ...] = ()
    """Wishes that came too late to join the run."""
    updated_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SideMarks:
    """One configuration's view of one side of a link."""

    in_scope: bool = False
    seen_in_scope: bool = False
    listing: int = 0


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One configuration's view of a link."""

    crm: SideMarks = SideMarks()
    google: SideMarks = SideMarks()
    dormant: bool = False
    pending_since: datetime | None = None
    pending_order: datetime | None = None
    taken_by: RunId | None = None
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link without any configuration's marks; `values_run` is the run whose values it holds."""

    realm: Realm
    link: Link
    values_run: RunId | None
    kept_by: ConfigId | None = None
    """The configuration that keeps it; None while it stands alone."""


@dataclass(frozen=True, slots=True)
class OutsiderRow:
    """An outsider of one configuration's listing."""

    person: Outsider
    listing: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A hint to publish."""

    hint: OutboundHint
    created_at: datetime
    not_before: datetime
    taken_until: datetime | None = None
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """An e-mail digest that an open create holds."""

    link_id: LinkId
    until: datetime


@dataclass(slots=True)
class Tables:
    """All rows."""

    accounts: dict[AccountKey, AccountRow] = field(default_factory=dict)
    configs: dict[ConfigId, ConfigRow] = field(default_factory=dict)
    runs: dict[RunId, RunRow] = field(default_factory=dict)
    run_contacts: dict[RunId, dict[LinkId, RunContact]] = field(default_factory=dict)
    links: dict[LinkId, LinkRow] = field(default_factory=dict)
    scopes: dict[ConfigId, dict[LinkId, ScopeRow]] = field(default_factory=dict)
    remotes: dict[tuple[Realm, Side, str], LinkId] = field(default_factory=dict)
    """Which live link has this contact."""
    buried: dict[tuple[Realm, Side, str], LinkId] = field(default_factory=dict)
    """Which link that is gone had it."""
    aliases: dict[tuple[Realm, str], LinkId] = field(default_factory=dict)
    """Names that a Google person had before."""
    keys: dict[tuple[Realm, Side, bytes], frozenset[LinkId]] = field(default_factory=dict)
    outsiders: dict[tuple[ConfigId, Side], dict[str, OutsiderRow]] = field(default_factory=dict)
    claims: dict[tuple[OrganisationId, bytes], Claim] = field(default_factory=dict)
    effects: dict[EffectId, Effect] = field(default_factory=dict)
    told: dict[tuple[ConfigId, RecordId], ToldRecord] = field(default_factory=dict)
    answers: dict[LinkId, Answer] = field(default_factory=dict)
    outbox: dict[UUID, OutboxRow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for a row that was not there."""


MISSING = Missing()


class Journal:
    """Changes rows and remembers what they were, so that a transaction that fails leaves no trace."""

    def __init__(self) -> None:
        self._undo: list[tuple[MutableMapping[Hashable, object], Hashable, object]] = []

    def put(self, table: MutableMapping[K, V], key: K, row: V) -> None:
        """Insert or replace a row."""
        self._remember(table, key)
        table[key] = row

    def drop(self, table: MutableMapping[K, V], key: K) -> None:
        """Delete a row, if it is there."""
        if key in table:
            self._remember(table, key)
            del table[key]

    def _remember(self, table: MutableMapping[K, V], key: K) -> None:
        self._undo.append((table, key, table.get(key, MISSING)))  # type: ignore[arg-type] # undo is blind to row types

    def rollback(self) -> None:
        """Put every row back as it was before the transaction."""
        for table, key, row in reversed(self._undo):
            if isinstance(row, Missing):
                table.pop(key, None)
            else:
                table[key] = row
        self._undo.clear()
