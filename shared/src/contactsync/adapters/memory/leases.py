"""Leases in memory: the same answers as PostgreSQL gives, by the clock that is passed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from contactsync.adapters.memory.tables import AccountRow, Tables
from contactsync.domain.ids import AccountKey
from contactsync.errors import LeaseLostError
from contactsync.ports.clock import Clock
from contactsync.ports.state import Busy, Lease


class MemoryLeases:
    """`LeaseStore` over a dictionary; `presence` stands for the session lock of a living worker."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._present: set[UUID] = set()

    @asynccontextmanager
    async def presence(self, holder: UUID) -> AsyncIterator[None]:
        """While open, this holder counts as alive."""
        self._present.add(holder)
        try:
            yield
        finally:
            self._present.discard(holder)

    async def acquire(self, account: AccountKey, holder: UUID, ttl: timedelta) -> Lease | Busy:
        """The lease with the next fence, if it is free, expired, or its holder is dead."""
        row = self._tables.accounts.get(account, AccountRow())
        now = self._clock.now()
        if row.holder in self._present and row.until is not None and row.until > now:
            return Busy(row.until)
        row = replace(row, fence=row.fence + 1, holder=holder, until=now + ttl)
        self._tables.accounts[account] = row
        return Lease(account, holder, row.fence, now + ttl, dict(row.bucket))

    async def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """The same fence with a later end. Raises LeaseLostError when the fence has moved on."""
        row = self._tables.accounts.get(lease.account, AccountRow())
        if row.holder != lease.holder or row.fence != lease.fence:
            raise LeaseLostError(details={"fence": lease.fence})
        until = self._clock.now() + ttl
        self._tables.accounts[lease.account] = replace(row, until=until)
        return replace(lease, until=until)

    async def release(self, lease: Lease, bucket: Mapping[str, float]) -> None:
        """Give the lease back and keep the quota bucket; nothing happens when it was lost."""
        row = self._tables.accounts.get(lease.account, AccountRow())
        if row.holder == lease.holder and row.fence == lease.fence:
            self._tables.accounts[lease.account] = replace(row, holder=None, until=None, bucket=dict(bucket))

    def check(self, lease: Lease) -> None:
        """Raise LeaseLostError unless the lease is the account's current one and has not expired."""
        row = self._tables.accounts.get(lease.account, AccountRow())
        alive = row.until is not None and row.until > self._clock.now()
        if not alive or row.holder != lease.holder or row.fence != lease.fence:
            raise LeaseLostError(details={"fence": lease.fence})
