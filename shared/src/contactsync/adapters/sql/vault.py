"""Keys at rest: the installation's, and one data key for each organisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.sealing import DataSealer, KeyRing, account_hash, derived
from contactsync.domain.ids import AccountKey, OrganisationId
from contactsync.errors import SealBrokenError, UnknownRowError
from contactsync.ports.clock import Clock
from contactsync.ports.vault import SealContext

NOBODY = OrganisationId(UUID(int=0))
"""Stands for the organisation in contexts outside the tenant walls."""

_KEPT_FOR = timedelta(minutes=5)
_INSTALLATION = SealContext(NOBODY, "installation", "installation.wrapped_key")


@dataclass(frozen=True, slots=True)
class OrganisationKeys:
    """What one organisation's data is sealed and digested with."""

    sealer: DataSealer
    digest_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InstallationKeys:
    """What is outside the tenant walls: keyed hashes of accounts, sign-in states."""

    sealer: DataSealer
    hash_key: bytes = field(repr=False)

    def account_key(self, provider: str, account_id: str) -> AccountKey:
        """The key of a provider account's lease and links, the same for all organisations."""
        return account_hash(self.hash_key, provider, account_id)


def organisation_context(organisation_id: OrganisationId) -> SealContext:
    """What an organisation's wrapped data key is bound to."""
    return SealContext(organisation_id, str(organisation_id), "organisations.wrapped_key")


def connection_context(organisation_id: OrganisationId, connection_id: UUID) -> SealContext:
    """What a connection's wrapped data key is bound to."""
    return SealContext(organisation_id, str(connection_id), "connections.wrapped_key")


class SqlVault:
    """Unwraps data keys and keeps them for five minutes, so that an erased key is forgotten soon."""

    def __init__(self, database: Database, ring: KeyRing, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._kept: dict[OrganisationId, tuple[OrganisationKeys, datetime]] = {}
        self._installation: InstallationKeys | None = None

    @property
    def ring(self) -> KeyRing:
        """The key-encryption keys."""
        return self._ring

    async def installation(self) -> InstallationKeys:
        """The installation's keys, made when there are none."""
        if self._installation is None:
            fresh = self._ring.wrap(self._ring.new_key(), _INSTALLATION)
            async with self._database.untenanted() as connection:
                await connection.execute(
                    "INSERT INTO installation (wrapped_key) VALUES ($1) ON CONFLICT DO NOTHING", fresh
                )
                wrapped = await connection.fetchval("SELECT wrapped_key FROM installation")
            key = self._ring.unwrap(wrapped, _INSTALLATION)
            self._installation = InstallationKeys(DataSealer(derived(key, "states")), derived(key, "accounts"))
        return self._installation

    def new_organisation_key(self, organisation_id: OrganisationId) -> bytes:
        """A wrapped data key for a new organisation."""
        return self._ring.wrap(self._ring.new_key(), organisation_context(organisation_id))

    async def organisation(self, organisation_id: OrganisationId) -> OrganisationKeys:
        """The organisation's keys. Raises UnknownRowError, or SealBrokenError when they were shredded."""
        known = self._known(organisation_id)
        if known is not None:
            return known
        async with self._database.tenant(organisation_id) as connection:
            return await self.organisation_in(connection, organisation_id)

    async def organisation_in(self, connection: Connection, organisation_id: OrganisationId) -> OrganisationKeys:
        """The same within an open transaction of that organisation."""
        known = self._known(organisation_id)
        if known is not None:
            return known
        row = await connection.fetchrow(
            "SELECT wrapped_key FROM organisations WHERE organisation_id = $1", organisation_id
        )
        if row is None:
            raise UnknownRowError(details={"organisation": str(organisation_id)})
        if row["wrapped_key"] is None:
            raise SealBrokenError("the organisation's key was erased", details={"organisation": str(organisation_id)})
        key = self._ring.unwrap(row["wrapped_key"], organisation_context(organisation_id))
        keys = OrganisationKeys(DataSealer(derived(key, "values")), derived(key, "digests"))
        self._kept[organisation_id] = (keys, self._clock.now() + _KEPT_FOR)
        return keys

    async def organisation_digest_key(self, organisation_id: OrganisationId) -> bytes:
        """The key of the organisation's digests."""
        return (await self.organisation(organisation_id)).digest_key

    async def account_key(self, provider: str, account_id: str) -> AccountKey:
        """The keyed hash of a provider account's stable id."""
        return (await self.installation()).account_key(provider, account_id)

    def _known(self, organisation_id: OrganisationId) -> OrganisationKeys | None:
        keys, until = self._kept.get(organisation_id, (None, self._clock.now()))
        return keys if keys is not None and until > self._clock.now() else None

    # --- changing the key-encryption key ---

    async def rewrap(self, organisation_id: OrganisationId) -> int:
        """Wrap the organisation's and its connections' data keys by the newest key; how many were changed."""
        changed = 0
        async with self._database.tenant(organisation_id) as connection:
            rows = await connection.fetch(_WRAPPED)
            for row in rows:
                context = (
                    organisation_context(organisation_id)
                    if row["connection_id"] is None
                    else connection_context(organisation_id, row["connection_id"])
                )
                wrapped = self._ring.rewrapped(row["wrapped_key"], context)
                if wrapped is not None:
                    statement = _REWRAP_ORGANISATION if row["connection_id"] is None else _REWRAP_CONNECTION
                    place = row["connection_id"] or organisation_id
                    done = await connection.fetchval(statement, place, wrapped, row["wrapped_key"])
                    changed += bool(done)
        return changed

    async def rewrap_installation(self) -> bool:
        """Wrap the installation's key by the newest key; False when it was so already."""
        async with self._database.untenanted() as connection:
            wrapped = await connection.fetchval("SELECT wrapped_key FROM installation FOR UPDATE")
            fresh = None if wrapped is None else self._ring.rewrapped(wrapped, _INSTALLATION)
            if fresh is not None:
                await connection.execute("UPDATE installation SET wrapped_key = $1", fresh)
            return fresh is not None


_WRAPPED = """
SELECT NULL::uuid AS connection_id, wrapped_key FROM organisations WHERE wrapped_key IS NOT NULL
UNION ALL
SELECT connection_id, wrapped_key FROM connections WHERE wrapped_key IS NOT NULL
"""
# A connection that is made anew meanwhile brings a key of its own, wrapped by the newest already.
_REWRAP_ORGANISATION = (
    "UPDATE organisations SET wrapped_key = $2 WHERE organisation_id = $1 AND wrapped_key = $3 RETURNING true"
)
_REWRAP_CONNECTION = (
    "UPDATE connections SET wrapped_key = $2 WHERE connection_id = $1 AND wrapped_key = $3 RETURNING true"
)
