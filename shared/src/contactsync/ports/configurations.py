"""Sync configurations as their owners see and change them; the engine's view of one is `RunSettings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from contactsync.domain.frequency import Frequency
from contactsync.domain.ids import AccountKey, ConfigId, ConnectionId, GroupId, OrganisationId, RunId, UserId, ViewId
from contactsync.domain.policy import Policy
from contactsync.errors import ContactSyncError


class ConfigStatus(StrEnum):
    """Whether a configuration runs. One that was deleted is found by nobody."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a person chose."""

    name: str
    view_id: ViewId
    group_id: GroupId
    policy: Policy
    frequency: Frequency
    catch_up: bool

    def changed_from(self, before: Chosen) -> Mapping[str, Sequence[str] | None]:
        """Settings that differ, by their name in the interface, for the trail.

        Of a choice among few both values are told, the one before first; of all else the name alone.
        """
        told, mine = before.settings(), self.settings()
        return {
            name: [value.value, mine[name].value] if isinstance(value, Enum) else None
            for name, value in told.items()
            if mine[name] != value
        }

    def settings(self) -> Mapping[str, Any]:
        """Every setting by its name in the interface."""
        policy = self.policy
        return {
            "name": self.name,
            "crm_view_id": self.view_id,
            "google_group": self.group_id,
            "direction": policy.direction,
            "conflict_winner": policy.conflict_winner,
            "frequency": self.frequency,
            "mapping": [(row.key, row.direction) for row in policy.mapping],
            "deletions": policy.deletions,
            "no_email": policy.no_email,
            "crm_values": dict(policy.crm_values),
            "companies": policy.companies,
            "crm_automation": policy.crm_automation,
            "catch_up": self.catch_up,
        }


@dataclass(frozen=True, slots=True)
class Accounts:
    """The two connections that a configuration uses, and the Google account behind the second."""

    crm_connection_id: ConnectionId
    google_connection_id: ConnectionId
    account: AccountKey


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConfiguration:
    """A configuration as it stands."""

    config_id: ConfigId
    owner_id: UserId
    chosen: Chosen
    accounts: Accounts
    version: int
    """Raised when both sides must be read in full."""
    etag: int
    """Raised by every change of the settings."""
    status: ConfigStatus
    paused_reason: str
    backlog: int
    last_sync_at: datetime | None
    last_attempt_at: datetime | None
    last_reason: str
    later_run_s: float | None
    """How long runs after the first take from request to end, by the last three that took contacts; None without any,
    or where nothing waits."""
    open_run_from: datetime | None
    """When the open run goes on, or was asked for; None without one, or where nothing waits."""
    next_due: datetime | None
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A configuration that lacks something still, a value or an account: nothing runs."""

    config_id: ConfigId
    owner_id: UserId
    settings: Mapping[str, Any]
    """As they were given; not complete, and to be checked when they are."""
    etag: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Saved:
    """A configuration after a change, and the run that the change asked for."""

    configuration: StoredConfiguration
    run_id: RunId | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of configurations begins: after this one, newest first."""

    created_at: datetime
    config_id: UUID


class SameScopeError(ContactSyncError):
    """The user has a configuration of this view and this group."""

    reason = "same_scope_exists"


MOST_DRAFTS: Final = 50
"""Of one user. What is complete is bounded by itself: one configuration for a view and a group."""


class TooManyDraftsError(ContactSyncError):
    """The user has as many drafts as anybody may have."""

    reason = "too_many"


class StaleVersionError(ContactSyncError):
    """The configuration was changed since it was read."""

    reason = "stale_version"


class Configurations(Protocol):
    """Configurations of one organisation; `owner` narrows to one user's, None stands for an administrator.

    Every method but `page` and `add` raises UnknownRowError for a configuration that is not there for this owner.
    """

    async def add(
        self, organisation_id: OrganisationId, owner: UserId, chosen: Chosen, accounts: Accounts, now: datetime
    ) -> Saved:
        """A new configuration, active, with its first run asked for. Raises SameScopeError."""
        ...

    async def page(
        self, organisation_id: OrganisationId, owner: UserId | None, after: Place | None, limit: int
    ) -> Sequence[StoredConfiguration | Draft]:
        """At most `limit` configurations after that place, newest first."""
        ...

    async def one(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId
    ) -> StoredConfiguration | Draft:
        """The configuration."""
        ...

    async def add_draft(
        self, organisation_id: OrganisationId, owner: UserId, name: str, settings: Mapping[str, Any], now: datetime
    ) -> Draft:
        """A new draft. Raises TooManyDraftsError."""
        ...

    async def replace_draft(
        self, organisation_id: OrganisationId, current: Draft, name: str, settings: Mapping[str, Any], now: datetime
    ) -> Draft:
        """Put these settings in the place of those that were read as `current`. Raises StaleVersionError."""
        ...

    async def complete(
        self, organisation_id: OrganisationId, current: Draft, chosen: Chosen, accounts: Accounts, now: datetime
    ) -> Saved:
        """Make a draft an active configuration, and ask for its first run. Raises StaleVersionError, SameScopeError."""
        ...

    async def replace(
        self,
        organisation_id: OrganisationId,
        current: StoredConfiguration,
        chosen: Chosen,
        accounts: Accounts,
        now: datetime,
    ) -> Saved:
        """Put these settings in the place of those that were read as `current`.

        - Raises StaleVersionError when they were changed since, SameScopeError.
        - Another view, group, account, direction or mapping raises the version; the first three start anew.
        - A paused configuration becomes active. A run is asked for when it becomes so, or the version was raised
          while it is active.
        """
        ...

    async def activate(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId, now: datetime
    ) -> Saved:
        """Let it run, from now on, and ask for a run; one that is active stays as it is. A draft is not there."""
        ...

    async def deactivate(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId, now: datetime
    ) -> StoredConfiguration:
        """Let it run no more; a run under way stops before its next write. A draft is not there."""
        ...

    async def delete(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId, now: datetime
    ) -> None:
        """Deactivate it and let nobody find it; its pairs stay for 180 days, so that making it again finds them."""
        ...
