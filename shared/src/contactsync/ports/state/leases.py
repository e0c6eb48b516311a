"""The right to work on one Google account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from contactsync.domain.ids import (
    AccountKey,
)


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
