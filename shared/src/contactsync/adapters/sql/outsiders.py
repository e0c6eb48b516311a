"""Contacts out of scope in PostgreSQL: a row for each of their keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import asyncpg

from contactsync.adapters.sql.codec import columns
from contactsync.adapters.sql.database import Connection
from contactsync.domain.contact import Side
from contactsync.domain.link import KeyKind, MatchKey
from contactsync.ports.state import Outsider, RunSettings


class SqlOutsiders:
    """`OutsiderStore` in one transaction of one run."""

    def __init__(self, connection: Connection, settings: RunSettings) -> None:
        self._connection = connection
        self._organisation = settings.organisation_id
        self._config = settings.config_id

    async def save(self, side: Side, listing: int, people: Sequence[Outsider]) -> None:
        """Insert or replace outsiders of one side; one without a key can never be asked for and is not kept."""
        await self.remove(side, [person.remote_id for person in people])
        rows = [
            (key.digest, person.remote_id, key.kind.value, place)
            for person in {person.remote_id: person for person in people}.values()
            for place, key in enumerate(dict.fromkeys(person.keys))
        ]
        if rows:
            arrays = columns(rows)
            await self._connection.execute(_SAVE_PEOPLE, self._organisation, self._config, side.value, listing, *arrays)

    async def remove(self, side: Side, remote_ids: Sequence[str]) -> None:
        """Forget outsiders that are gone or came into scope."""
        if remote_ids:
            await self._connection.execute(_REMOVE_PEOPLE, self._organisation, self._config, side.value, remote_ids)

    async def drop(self, side: Side, before_listing: int) -> None:
        """Forget outsiders that the full listing with this number did not show."""
        await self._connection.execute(_DROP_PEOPLE, self._organisation, self._config, side.value, before_listing)

    async def unseen(self, side: Side, listing: int, limit: int) -> Sequence[str]:
        """Remote ids of outsiders that the full listing with this number did not show, in order."""
        rows = await self._connection.fetch(
            _UNSEEN_PEOPLE, self._organisation, self._config, side.value, listing, limit
        )
        return [_remote_id(row) for row in rows]

    async def by_keys(self, side: Side, keys: Sequence[MatchKey]) -> Sequence[Outsider]:
        """Outsiders of one side that have one of these keys, whatever its kind, by remote id."""
        digests = list({key.digest for key in keys})
        rows = await self._connection.fetch(_PEOPLE, self._organisation, self._config, side.value, digests)
        return [
            Outsider(remote_id, tuple(MatchKey(KeyKind(row["kind"]), row["digest"]) for row in group))
            for remote_id, group in groupby(rows, key=_remote_id)
        ]


def _remote_id(row: asyncpg.Record) -> str:
    remote_id: str = row["remote_id"]
    return remote_id


_SAVE_PEOPLE: Final = """
INSERT INTO people (organisation_id, config_id, side, listing, digest, remote_id, kind, place)
SELECT $1, $2::uuid, $3::text, $4::integer, t.* FROM unnest($5::bytea[], $6::text[], $7::text[], $8::smallint[]) AS t
"""
_REMOVE_PEOPLE: Final = """
DELETE FROM people WHERE organisation_id = $1 AND config_id = $2 AND side = $3 AND remote_id = ANY($4::text[])
"""
_DROP_PEOPLE: Final = """
DELETE FROM people WHERE organisation_id = $1 AND config_id = $2 AND side = $3 AND listing <> $4
"""
_UNSEEN_PEOPLE: Final = """
SELECT DISTINCT remote_id FROM people
WHERE organisation_id = $1 AND config_id = $2 AND side = $3 AND listing <> $4 ORDER BY remote_id LIMIT $5
"""
_PEOPLE: Final = """
SELECT remote_id, kind, digest FROM people
WHERE organisation_id = $1 AND config_id = $2 AND side = $3 AND remote_id IN (
    SELECT remote_id FROM people
    WHERE organisation_id = $1 AND config_id = $2 AND side = $3 AND digest = ANY($4::bytea[])
) ORDER BY remote_id, place
"""
