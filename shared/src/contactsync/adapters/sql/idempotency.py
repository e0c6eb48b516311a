"""Answers to requests that carried an idempotency key: the same request again is answered, and not done again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

from contactsync.adapters.sql.database import Database
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.ports.clock import Clock
from contactsync.ports.vault import SealContext

KEPT_FOR: Final = timedelta(hours=24)
_GIVEN_UP_AFTER: Final = timedelta(minutes=2)
"""A request that was begun this long ago and has no answer died with its process."""

# A key that is free, too old, or of a request that died, is taken; any other is only looked at.
_BEGIN: Final = """
INSERT INTO idempotency_keys AS known (organisation_id, user_id, key, request_digest, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (organisation_id, user_id, key) DO UPDATE
SET request_digest = excluded.request_digest, status = NULL, response = NULL, created_at = excluded.created_at
WHERE known.created_at < $6 OR (known.status IS NULL AND known.created_at < $7)
RETURNING true
"""
_LOOK: Final = """
SELECT request_digest, status, response FROM idempotency_keys WHERE organisation_id = $1 AND user_id = $2 AND key = $3
"""
_KEEP: Final = """
UPDATE idempotency_keys SET status = $4, response = $5
WHERE organisation_id = $1 AND user_id = $2 AND key = $3 AND status IS NULL
"""
_FORGET: Final = """
DELETE FROM idempotency_keys WHERE organisation_id = $1 AND user_id = $2 AND key = $3 AND status IS NULL
"""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Whose request, and under which key."""

    organisation_id: OrganisationId
    user_id: UserId
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was given: status and what else the caller packed."""

    status: int
    packed: bytes = field(repr=False)


class Refusal(Enum):
    """Why a request is neither done nor answered from memory."""

    OTHER_REQUEST = "other_request"
    UNDER_WAY = "under_way"


class SqlIdempotency:
    """Keeps answers for a day, sealed: they may hold what a caller must keep secret."""

    def __init__(self, database: Database, vault: SqlVault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def begin(self, key: RequestKey, digest: bytes) -> KeptAnswer | Refusal | None:
        """None when the request is new and to be done now; else what it is answered with."""
        now = self._clock.now()
        place = (key.organisation_id, key.user_id, key.key)
        async with self._database.tenant(key.organisation_id) as connection:
            limits = (now - KEPT_FOR, now - _GIVEN_UP_AFTER)
            if await connection.fetchval(_BEGIN, *place, digest, now, *limits):
                return None
            row = await connection.fetchrow(_LOOK, *place)
        if row is None or row["status"] is None:
            return Refusal.UNDER_WAY
        if row["request_digest"] != digest:
            return Refusal.OTHER_REQUEST
        sealer = (await self._vault.organisation(key.organisation_id)).sealer
        return KeptAnswer(row["status"], sealer.open(row["response"], _context(key)))

    async def keep(self, key: RequestKey, answer: KeptAnswer) -> None:
        """The request was done, and answered so."""
        sealer = (await self._vault.organisation(key.organisation_id)).sealer
        sealed = sealer.seal(answer.packed, _context(key))
        async with self._database.tenant(key.organisation_id) as connection:
            await connection.execute(_KEEP, key.organisation_id, key.user_id, key.key, answer.status, sealed)

    async def forget(self, key: RequestKey) -> None:
        """The request was not done: it may be sent again under its key."""
        async with self._database.tenant(key.organisation_id) as connection:
            await connection.execute(_FORGET, key.organisation_id, key.user_id, key.key)


def _context(key: RequestKey) -> SealContext:
    return SealContext(key.organisation_id, f"{key.user_id}/{key.key}", "idempotency_keys.response")
