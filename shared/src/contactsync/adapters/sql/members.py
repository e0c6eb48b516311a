"""Organisations and their users, as callers bring them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contactsync.adapters.sql.database import Database
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.ports.clock import Clock

_ADD_ORGANISATION: Final = """
INSERT INTO organisations (organisation_id, wrapped_key, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_ADD_USER: Final = """
INSERT INTO users (organisation_id, user_id, subject_key, role, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (organisation_id, user_id) DO UPDATE SET role = excluded.role WHERE users.role <> excluded.role
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user of an organisation; `subject_key` is the keyed hash of issuer and subject."""

    organisation_id: OrganisationId
    user_id: UserId
    subject_key: bytes
    role: str


class SqlMembers:
    """Makes the rows of organisations and users when they are first seen."""

    def __init__(self, database: Database, vault: SqlVault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def ensure(self, member: Member) -> None:
        """The organisation and the user exist, the user with this role. Safe to repeat, and beside others."""
        now = self._clock.now()
        fresh_key = self._vault.new_organisation_key(member.organisation_id)
        async with self._database.tenant(member.organisation_id) as connection:
            await connection.execute(_ADD_ORGANISATION, member.organisation_id, fresh_key, now)
            await connection.execute(
                _ADD_USER, member.organisation_id, member.user_id, member.subject_key, member.role, now
            )
