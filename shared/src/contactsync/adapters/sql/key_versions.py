"""Changing the key-encryption key while everything runs: which versions are in use, and wrapping by the newest."""

from __future__ import annotations

from collections import Counter
from typing import Final

from contactsync.adapters.sql.database import Database
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.ids import OrganisationId
from contactsync.errors import ConfigurationError, SealBrokenError

_IN_USE: Final = """
SELECT key_version, count(*) AS keys FROM (
    SELECT key_version FROM organisations UNION ALL SELECT key_version FROM connections
) wrapped WHERE key_version IS NOT NULL GROUP BY key_version
"""
_BEHIND: Final = """
SELECT organisation_id FROM organisations WHERE key_version <> $1
UNION SELECT organisation_id FROM connections WHERE key_version <> $1
"""


class SqlKeyRotation:
    """Works through all organisations, each in a transaction of its own; may be stopped and begun again."""

    def __init__(self, database: Database, vault: SqlVault) -> None:
        self._database = database
        self._vault = vault

    async def in_use(self) -> Counter[str]:
        """How many data keys each version wraps, the installation's included."""
        async with self._database.scheduler() as connection:
            found = Counter({row["key_version"]: row["keys"] for row in await connection.fetch(_IN_USE)})
        async with self._database.untenanted() as connection:
            wrapped = await connection.fetchval("SELECT wrapped_key FROM installation")
        if wrapped is not None:
            found[self._vault.ring.version_of(wrapped)] += 1
        return found

    async def versions_behind(self) -> int:
        """How far the oldest version in use is behind the newest: 0 when one key wraps everything."""
        known = self._vault.ring.versions
        places = [known.index(version) if version in known else len(known) for version in await self.in_use()]
        return max(places, default=0)

    async def rewrap(self) -> int:
        """Wrap everything by the newest key; how many keys were changed.

        Raises ConfigurationError naming a version that is in use and not among the keys.
        """
        try:
            changed = int(await self._vault.rewrap_installation())
            for organisation_id in await self._behind():
                changed += await self._vault.rewrap(organisation_id)
        except SealBrokenError as error:
            version = error.details.get("version")
            raise ConfigurationError(
                f"CONTACTSYNC_KEYS: the version {version!r} does not open what it wraps"
            ) from error
        return changed

    async def _behind(self) -> list[OrganisationId]:
        async with self._database.scheduler() as connection:
            rows = await connection.fetch(_BEHIND, self._vault.ring.newest)
        return [OrganisationId(row["organisation_id"]) for row in rows]
