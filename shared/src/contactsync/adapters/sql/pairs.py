"""The pairs of a configuration in PostgreSQL, as its owner sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.link_rows import LINK_COLUMNS, SCOPE_COLUMNS, SELECTED, LinkCodec
from contactsync.adapters.sql.run_reports import contact_from
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.actions import Action
from contactsync.domain.contact import Identity, Side
from contactsync.domain.digests import Digester
from contactsync.domain.ids import LinkId, OrganisationId
from contactsync.ports.configurations import StoredConfiguration
from contactsync.ports.pairs import OutsideContact, Pair, PairQuery, Standing
from contactsync.ports.vault import Sealer

_LINK_WIDTH: Final = len(LINK_COLUMNS) + len(SCOPE_COLUMNS) - 1
_RUNS_LOOKED_AT: Final = 200
"""The newest row of a pair is sought in so many runs: nearly all pairs have theirs in one of the last few."""


def _by_remote(side: Side, place: int) -> str:
    """Pairs by the id of one side: each state has an index of its own."""
    found = f"FROM links WHERE organisation_id = $1 AND account_key = $3 AND {side}_id = ${place}"
    each = " UNION ALL ".join(f"SELECT link_id {found} AND {state}" for state in ("state <> 'gone'", "state = 'gone'"))
    return f"(${place}::text IS NULL OR s.link_id IN ({each}))"


_STANDS: Final = f"""CASE $9::text
    WHEN '{Standing.HELD}' THEN s.hold IS NOT NULL
    WHEN '{Standing.EXCLUDED}' THEN l.excluded
    WHEN '{Standing.WAITING}' THEN s.pending_since IS NOT NULL AND s.hold IS NULL AND NOT l.excluded
    ELSE $9 IS NULL OR $9 = CASE WHEN s.dormant AND l.state = 'linked' THEN 'dormant' ELSE l.state END END"""
_FIND: Final = f"""
SELECT {SELECTED}, a.action AS asked, k.config_id IS NOT NULL AS is_foreign, r.*
FROM link_scopes s
CROSS JOIN LATERAL (
    SELECT * FROM links WHERE organisation_id = $1 AND link_id = s.link_id AND account_key = $3 OFFSET 0
) l
LEFT JOIN sync_configs k
    ON k.organisation_id = $1 AND k.config_id = l.kept_by AND k.config_id <> $2 AND k.status = 'active'
LEFT JOIN link_answers a ON a.organisation_id = $1 AND a.link_id = s.link_id
LEFT JOIN LATERAL (
    SELECT c.run_id, c.recorded_at, c.outcome AS row_outcome, c.reason AS row_reason, c.crm_id AS row_crm_id,
        c.google_id AS row_google_id, c.sealed AS row_sealed, c.fields AS row_fields, c.sides AS row_sides,
        c.left_out AS row_left_out
    FROM (SELECT run_id, created_at FROM runs WHERE organisation_id = $1 AND config_id = $2
          ORDER BY created_at DESC LIMIT {_RUNS_LOOKED_AT}) recent
    JOIN run_contacts c ON c.organisation_id = $1 AND c.run_id = recent.run_id AND c.link_id = s.link_id
    ORDER BY recent.created_at DESC LIMIT 1
) r ON true
WHERE s.organisation_id = $1 AND s.config_id = $2 AND s.link_id > $4
  AND ($6::bytea[] IS NULL OR s.link_id IN (
        SELECT link_id FROM link_keys WHERE organisation_id = $1 AND digest = ANY($6)))
  AND {_by_remote(Side.CRM, 7)}
  AND {_by_remote(Side.GOOGLE, 8)}
  AND {_STANDS}
  AND ($10::uuid IS NULL OR s.link_id = $10)
ORDER BY s.link_id LIMIT $5
"""  # noqa: S608  our own columns and conditions
_OUTSIDE: Final = """
SELECT DISTINCT side, remote_id FROM people WHERE organisation_id = $1 AND config_id = $2 AND digest = ANY($3)
ORDER BY side, remote_id LIMIT 20
"""
_START: Final = LinkId(UUID(int=0))


class SqlPairs:
    """`Pairs`."""

    def __init__(self, database: Database, vault: SqlVault) -> None:
        self._database = database
        self._vault = vault

    async def find(
        self,
        organisation_id: OrganisationId,
        config: StoredConfiguration,
        query: PairQuery,
        after: LinkId | None,
        limit: int,
    ) -> Sequence[Pair]:
        """At most `limit` pairs, by id."""
        async with self._database.tenant(organisation_id) as connection:
            sealer = (await self._vault.organisation_in(connection, organisation_id)).sealer
            rows = await connection.fetch(
                _FIND,
                organisation_id,
                config.config_id,
                config.accounts.account,
                after or _START,
                limit,
                None if query.email is None else await self._digests(connection, organisation_id, query.email),
                query.crm_id,
                query.google_id,
                query.standing,
                query.link_id,
            )
        codec = LinkCodec(organisation_id, sealer)
        return [_pair(row, codec, sealer, organisation_id) for row in rows]

    async def outside(
        self, organisation_id: OrganisationId, config: StoredConfiguration, email: str
    ) -> Sequence[OutsideContact]:
        """Contacts with this address that the last readings saw outside the view or the group."""
        async with self._database.tenant(organisation_id) as connection:
            digests = await self._digests(connection, organisation_id, email)
            rows = await connection.fetch(_OUTSIDE, organisation_id, config.config_id, digests)
        return [OutsideContact(Side(row["side"]), row["remote_id"]) for row in rows]

    async def _digests(self, connection: Connection, organisation_id: OrganisationId, email: str) -> list[bytes]:
        keys = await self._vault.organisation_in(connection, organisation_id)
        return [key.digest for key in Digester(keys.digest_key).match_keys(Identity(strong_emails=(email,)))]


def _pair(row: asyncpg.Record, codec: LinkCodec, sealer: Sealer, organisation_id: OrganisationId) -> Pair:
    reported = row["run_id"] is not None
    return Pair(
        link=codec.link(tuple(row)[:_LINK_WIDTH], foreign=row["is_foreign"]),
        asked=None if row["asked"] is None else Action(row["asked"]),
        last_run=row["run_id"],
        last_row=contact_from(row, sealer, organisation_id, row["run_id"], "row_") if reported else None,
        last_at=row["recorded_at"],
    )
