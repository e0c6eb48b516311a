"""Making runs with their first hint: at a request, and at the end of a run that others waited for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from contactsync.adapters.sql.codec import dump
from contactsync.adapters.sql.database import Connection
from contactsync.adapters.sql.outbox import NewId, SqlOutbox
from contactsync.domain.ids import ConfigId, OrganisationId, RunId
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Lane
from contactsync.ports.requests import SUSPECT_AFTER, RunLimits, Wish

_CONFIG: Final = """
SELECT status, account_key, first_done, first_taken, sync FROM sync_configs
WHERE organisation_id = $1 AND config_id = $2
"""
_INSERT: Final = """
INSERT INTO runs (organisation_id, run_id, config_id, account_key, mode, trigger, state, first, contact_limit, sync,
                  wishes, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $9::jsonb, $10::jsonb, $11, $11)
ON CONFLICT (organisation_id, config_id) WHERE state IN ('queued', 'running', 'waiting') DO NOTHING
RETURNING true
"""


class RunFactory:
    """Inserts queued runs and their hints in one transaction of an organisation."""

    def __init__(
        self, connection: Connection, organisation_id: OrganisationId, limits: RunLimits, clock: Clock, new_id: NewId
    ) -> None:
        self._connection = connection
        self._organisation = organisation_id
        self._limits = limits
        self._outbox = SqlOutbox(connection, clock, new_id)
        self._new_id = new_id

    async def configuration(self, config_id: ConfigId) -> asyncpg.Record | None:
        """What a new run needs of its configuration."""
        return await self._connection.fetchrow(_CONFIG, self._organisation, config_id)

    async def follow(self, config_id: ConfigId, wishes: Sequence[Wish], now: datetime) -> None:
        """A run for the first of the wishes that waited, when the configuration is active still."""
        config = await self.configuration(config_id) if wishes else None
        if config is None or config["status"] != "active":
            return
        if await self.create(config_id, config, wishes, now) is None:
            raise RuntimeError("a run that ends leaves no other one open")

    async def create(
        self, config_id: ConfigId, config: asyncpg.Record, wishes: Sequence[Wish], now: datetime
    ) -> RunId | None:
        """A queued run for the first wish, with its hint; the other wishes wait for its end.

        None where a run is open: somebody else inserted it first, and it is there to be read now.
        """
        wish, *waiting = wishes
        run_id = RunId(self._new_id())
        first = not config["first_done"]
        inserted = await self._connection.fetchval(
            _INSERT,
            self._organisation,
            run_id,
            config_id,
            config["account_key"],
            wish.mode.value,
            wish.trigger,
            first,
            contact_limit(config, self._limits),
            config["sync"],
            dump(waiting),
            now,
        )
        if not inserted:
            return None
        await self.hint(config_id, run_id, slice_number=0, lane=lane_of(first=first, attempt=0))
        return run_id

    async def hint(
        self, config_id: ConfigId, run_id: RunId, *, slice_number: int, lane: Lane, not_before: datetime | None = None
    ) -> None:
        """A hint of that slice in the outbox."""
        hint = RunHint(run=run_id, slice=slice_number, organisation=self._organisation, configuration=config_id)
        await self._outbox.add(lane, hint, not_before=not_before)


def contact_limit(config: asyncpg.Record, limits: RunLimits) -> int:
    """Contacts that the configuration's next run may take; first runs that failed share theirs."""
    return limits.incremental if config["first_done"] else max(0, limits.initial - int(config["first_taken"]))


def lane_of(*, first: bool, attempt: int) -> Lane:
    """The lane of a run's next hint."""
    if attempt >= SUSPECT_AFTER:
        return Lane.SUSPECT
    return Lane.INITIAL if first else Lane.INCREMENTAL
