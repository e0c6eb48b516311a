"""Organisations and users by what issuers call them, and short-lived secrets."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from hashlib import blake2b
from typing import Final
from uuid import UUID, uuid4

import orjson

from contactsync.adapters.sql.connections import crm_key
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.vault import NOBODY, SqlVault
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.errors import TicketEndedError
from contactsync.ports.callers import Identity, KnownCaller, Profile
from contactsync.ports.clock import Clock
from contactsync.ports.vault import SealContext

_FIND: Final = "SELECT organisation_id, erased_at IS NOT NULL AS erased FROM organisations WHERE claim_key = $1"
_OF_CRM: Final = "SELECT claim_key FROM organisations WHERE crm_key = $1"
_ADD_ORGANISATION: Final = """
INSERT INTO organisations (organisation_id, claim_key, wrapped_key, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_SAVE_USER: Final = """
INSERT INTO users (organisation_id, user_id, subject_key, role, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (organisation_id, subject_key) DO UPDATE SET role = excluded.role RETURNING user_id
"""
_SAVE_PROFILE: Final = "UPDATE users SET profile = $3 WHERE organisation_id = $1 AND user_id = $2"
_PROFILE: Final = "SELECT profile FROM users WHERE organisation_id = $1 AND user_id = $2"
_ISSUE: Final = "INSERT INTO tickets (ticket_hash, kind, sealed, holder, expires_at) VALUES ($1, $2, $3, $4, $5)"
_VALID: Final = "ticket_hash = $1 AND kind = $2 AND expires_at > $3"
_READ: Final = f"SELECT sealed, ended FROM tickets WHERE {_VALID}"  # noqa: S608  our own condition
_TAKE: Final = f"DELETE FROM tickets WHERE {_VALID} RETURNING sealed, ended"  # noqa: S608  likewise


class SqlCallerDirectory:
    """`CallerDirectory`."""

    def __init__(
        self, database: Database, vault: SqlVault, clock: Clock, *, new_id: Callable[[], UUID] = uuid4
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._new_id = new_id

    async def known(self, identity: Identity) -> KnownCaller | None:
        """The ids of this person, made when he is new; None when the organisation was erased."""
        claim_key = await self._key(b"organisation", identity.issuer, identity.organisation)
        organisation_id = await self._organisation(claim_key)
        if organisation_id is None:
            return None
        subject_key = await self._key(b"user", identity.issuer, identity.subject)
        async with self._database.tenant(organisation_id) as connection:
            user_id: UserId = await connection.fetchval(
                _SAVE_USER, organisation_id, self._new_id(), subject_key, identity.role.value, self._clock.now()
            )
            if identity.profile != Profile():  # a token without a name does not take the name away
                await self._save_profile(connection, organisation_id, user_id, identity.profile)
        return KnownCaller(organisation_id, user_id)

    async def has_crm(self, identity: Identity, crm_organisation: str) -> bool | None:
        """Whether the identity's organisation is pinned to that of the CRM; None when none is."""
        wanted = crm_key(await self._vault.installation(), crm_organisation)
        async with self._database.scheduler() as connection:
            row = await connection.fetchrow(_OF_CRM, wanted)
        if row is None:
            return None
        own: bytes = await self._key(b"organisation", identity.issuer, identity.organisation)
        return bool(row["claim_key"] == own)

    async def profile(self, organisation_id: OrganisationId, user_id: UserId) -> Profile:
        """How to reach a user."""
        async with self._database.tenant(organisation_id) as connection:
            return await profile_of(connection, self._vault, organisation_id, user_id)

    async def _organisation(self, claim_key: bytes) -> OrganisationId | None:
        """The organisation of that key, made when there is none; None when it was erased."""
        while True:
            async with self._database.scheduler() as connection:
                row = await connection.fetchrow(_FIND, claim_key)
            if row is not None:
                return None if row["erased"] else OrganisationId(row["organisation_id"])
            fresh = OrganisationId(self._new_id())
            wrapped = self._vault.new_organisation_key(fresh)
            async with self._database.tenant(fresh) as connection:  # somebody else may be quicker: then it is found
                await connection.execute(_ADD_ORGANISATION, fresh, claim_key, wrapped, self._clock.now())

    async def _save_profile(
        self, connection: Connection, organisation_id: OrganisationId, user_id: UserId, profile: Profile
    ) -> None:
        sealer = (await self._vault.organisation_in(connection, organisation_id)).sealer
        content = orjson.dumps({"name": profile.name, "email": profile.email, "language": profile.language})
        sealed = sealer.seal(content, _profile_context(organisation_id, user_id))
        await connection.execute(_SAVE_PROFILE, organisation_id, user_id, sealed)

    async def _key(self, kind: bytes, issuer: str, name: str) -> bytes:
        """The keyed hash under which an issuer's id is stored; kinds do not meet, nor do two issuers."""
        key = (await self._vault.installation()).hash_key
        return blake2b(orjson.dumps([issuer, name]), key=key, digest_size=32, person=kind).digest()


async def profile_of(
    connection: Connection, vault: SqlVault, organisation_id: OrganisationId, user_id: UserId
) -> Profile:
    """How to reach a user, within an open transaction of his organisation; empty when nothing is known."""
    sealed = await connection.fetchval(_PROFILE, organisation_id, user_id)
    if sealed is None:
        return Profile()
    sealer = (await vault.organisation_in(connection, organisation_id)).sealer
    return Profile(**orjson.loads(sealer.open(sealed, _profile_context(organisation_id, user_id))))


def _profile_context(organisation_id: OrganisationId, user_id: UserId) -> SealContext:
    return SealContext(organisation_id, str(user_id), "users.profile")


class SqlTickets:
    """`Tickets`, outside the tenant walls: whoever shows one is not known yet."""

    def __init__(self, database: Database, vault: SqlVault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def issue(self, kind: str, content: bytes, lifetime: timedelta, holder: UserId | None = None) -> str:
        """A new secret; a hash of it alone is stored."""
        secret = secrets.token_urlsafe(32)
        hashed = _hashed(secret)
        sealed = (await self._vault.installation()).sealer.seal(content, _ticket_context(kind, hashed))
        async with self._database.untenanted() as connection:
            await connection.execute(_ISSUE, hashed, kind, sealed, holder, self._clock.now() + lifetime)
        return secret

    async def read(self, kind: str, secret: str) -> bytes | None:
        """What it stands for. Raises TicketEndedError when it was ended."""
        return await self._opened(_READ, kind, secret)

    async def take(self, kind: str, secret: str) -> bytes | None:
        """What it stands for, once. Raises as `read` does."""
        return await self._opened(_TAKE, kind, secret)

    async def end(self, holder: UserId) -> None:
        """Whatever was issued for this user until now opens nothing any more."""
        async with self._database.untenanted() as connection:
            await connection.execute("UPDATE tickets SET ended = true WHERE holder = $1", holder)

    async def _opened(self, statement: str, kind: str, secret: str) -> bytes | None:
        hashed = _hashed(secret)
        async with self._database.untenanted() as connection:
            row = await connection.fetchrow(statement, hashed, kind, self._clock.now())
        if row is None:
            return None
        if row["ended"]:
            raise TicketEndedError
        return (await self._vault.installation()).sealer.open(row["sealed"], _ticket_context(kind, hashed))


def _hashed(secret: str) -> bytes:
    """Nothing slower is needed: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def _ticket_context(kind: str, hashed: bytes) -> SealContext:
    return SealContext(NOBODY, hashed.hex(), f"tickets.{kind}")
