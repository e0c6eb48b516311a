"""What is kept for a time and then erased: values of reports and of the journal, answers, links of what was deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from contactsync.adapters.sql.database import Connection, Database
from contactsync.domain.ids import OrganisationId

_BATCH: Final = 5000
_ORGANISATIONS: Final = """
SELECT organisation_id FROM organisations WHERE $1::uuid IS NULL OR organisation_id > $1
ORDER BY organisation_id LIMIT 500
"""
_ANSWERS: Final = "DELETE FROM idempotency_keys WHERE organisation_id = $1 AND created_at < $2"
_REPORT_VALUES: Final = """
UPDATE run_contacts SET sealed = NULL WHERE (organisation_id, run_id, link_id) IN (
    SELECT organisation_id, run_id, link_id FROM run_contacts
    WHERE organisation_id = $1 AND recorded_at < $2 AND sealed IS NOT NULL LIMIT $3
)
"""
_MESSAGES: Final = """
UPDATE runs SET sealed = NULL WHERE organisation_id = $1 AND finished_at < $2 AND sealed IS NOT NULL
"""
_JOURNAL_VALUES: Final = """
UPDATE effects SET sealed = NULL WHERE (organisation_id, effect_id) IN (
    SELECT organisation_id, effect_id FROM effects
    WHERE organisation_id = $1 AND recorded_at < $2 AND sealed IS NOT NULL
      AND state NOT IN ('sending', 'unknown') LIMIT $3
)
"""
_DELETED_CONFIGS: Final = """
SELECT config_id FROM sync_configs c WHERE organisation_id = $1 AND status = 'deleted' AND deleted_at < $2 AND EXISTS (
    SELECT FROM link_scopes s WHERE s.organisation_id = c.organisation_id AND s.config_id = c.config_id
)
"""
_SCOPES: Final = """
DELETE FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND link_id IN (
    SELECT link_id FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 LIMIT $3
) RETURNING link_id
"""
_PEOPLE: Final = "DELETE FROM people WHERE organisation_id = $1 AND config_id = $2"
_ORPHANS: Final = """
DELETE FROM links l WHERE organisation_id = $1 AND link_id = ANY($2::uuid[]) AND NOT EXISTS (
    SELECT FROM sync_configs c JOIN link_scopes s
      ON s.organisation_id = c.organisation_id AND s.config_id = c.config_id AND s.link_id = l.link_id
    WHERE c.organisation_id = $1
) RETURNING link_id
"""
_BURIED: Final = """
DELETE FROM links WHERE (organisation_id, link_id) IN (
    SELECT organisation_id, link_id FROM links
    WHERE organisation_id = $1 AND state = 'gone' AND touched_at < $2 LIMIT $3
) RETURNING link_id
"""
_OF_LINKS: Final = (
    "DELETE FROM link_keys WHERE organisation_id = $1 AND link_id = ANY($2::uuid[])",
    "DELETE FROM link_aliases WHERE organisation_id = $1 AND link_id = ANY($2::uuid[])",
    "DELETE FROM link_scopes WHERE organisation_id = $1 AND link_id = ANY($2::uuid[])",
    "DELETE FROM claims WHERE organisation_id = $1 AND link_id = ANY($2::uuid[])",
    "DELETE FROM link_answers WHERE organisation_id = $1 AND link_id = ANY($2::uuid[])",
)
_CLAIMS: Final = "DELETE FROM claims WHERE organisation_id = $1 AND until < $2"
_NEWS: Final = "DELETE FROM deliveries WHERE organisation_id = $1 AND created_at < $2 AND state <> 'waiting'"
_TICKETS: Final = "DELETE FROM tickets WHERE expires_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How long what is kept."""

    values: timedelta = timedelta(days=30)
    """Values of contacts in reports and in the journal, and news that was told."""
    answers: timedelta = timedelta(hours=24)
    links: timedelta = timedelta(days=180)
    """Links of a deleted configuration, and of pairs of which both sides are gone."""


class SqlRetention:
    """Erases in small batches, one organisation after another; safe beside others of its kind and beside runs."""

    def __init__(self, database: Database, periods: Periods | None = None) -> None:
        self._database = database
        self._periods = periods or Periods()

    async def organisations(self, after: OrganisationId | None) -> list[OrganisationId]:
        """The next few organisations."""
        async with self._database.scheduler() as connection:
            rows = await connection.fetch(_ORGANISATIONS, after)
        return [OrganisationId(row["organisation_id"]) for row in rows]

    async def erase_outside(self, now: datetime) -> None:
        """Short-lived secrets that have expired."""
        async with self._database.untenanted() as connection:
            await connection.execute(_TICKETS, now)

    async def erase(self, organisation_id: OrganisationId, now: datetime) -> Mapping[str, int]:
        """What is over its time in one organisation; how many rows of each kind."""
        values, links = now - self._periods.values, now - self._periods.links
        async with self._database.tenant(organisation_id) as connection:
            answers = _count(await connection.execute(_ANSWERS, organisation_id, now - self._periods.answers))
            await connection.execute(_CLAIMS, organisation_id, values)
            await connection.execute(_MESSAGES, organisation_id, values)
            news = _count(await connection.execute(_NEWS, organisation_id, values))
        return {
            "answers": answers,
            "news": news,
            "reports": await self._in_batches(organisation_id, _REPORT_VALUES, values),
            "journal": await self._in_batches(organisation_id, _JOURNAL_VALUES, values),
            "links": await self._links(organisation_id, links),
        }

    async def _in_batches(self, organisation_id: OrganisationId, statement: str, before: datetime) -> int:
        erased = 0
        while True:
            async with self._database.tenant(organisation_id) as connection:
                count = _count(await connection.execute(statement, organisation_id, before, _BATCH))
            erased += count
            if count < _BATCH:
                return erased

    async def _links(self, organisation_id: OrganisationId, before: datetime) -> int:
        async with self._database.tenant(organisation_id) as connection:
            configs = await connection.fetch(_DELETED_CONFIGS, organisation_id, before)
        erased = 0
        for config in configs:
            erased += await self._links_of(organisation_id, config["config_id"])
        while True:
            async with self._database.tenant(organisation_id) as connection:
                rows = await connection.fetch(_BURIED, organisation_id, before, _BATCH)
                await self._with_them(connection, organisation_id, rows)
            erased += len(rows)
            if len(rows) < _BATCH:
                return erased

    async def _links_of(self, organisation_id: OrganisationId, config_id: object) -> int:
        """Links that no other configuration has in its scope."""
        erased = 0
        while True:
            async with self._database.tenant(organisation_id) as connection:
                await connection.execute(_PEOPLE, organisation_id, config_id)
                scopes = await connection.fetch(_SCOPES, organisation_id, config_id, _BATCH)
                rows = await connection.fetch(_ORPHANS, organisation_id, [row["link_id"] for row in scopes])
                await self._with_them(connection, organisation_id, rows)
            erased += len(rows)
            if len(scopes) < _BATCH:
                return erased

    @staticmethod
    async def _with_them(connection: Connection, organisation_id: OrganisationId, rows: list[asyncpg.Record]) -> None:
        """What hangs on erased links."""
        links = [row["link_id"] for row in rows]
        if links:
            for statement in _OF_LINKS:
                await connection.execute(statement, organisation_id, links)


def _count(status: str) -> int:
    return int(status.rsplit(maxsplit=1)[-1])
