"""Whose consent it was: asked with the grant's first token, before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contactsync.adapters.http import HttpEdge
from contactsync.adapters.zoho.metadata import CrmOrganisation, CrmUser, ZohoMetadata
from contactsync.domain.ids import ConnectionId
from contactsync.errors import AuthorizationLostError
from contactsync.ports.directory import CallGate
from contactsync.ports.vault import AccessToken

_NOT_STORED: Final = ConnectionId(UUID(int=0))


@dataclass(frozen=True, slots=True)
class ZohoIdentity:
    """The user and his organisation; `user.zuid` and `organisation.zgid` never change and pin a connection."""

    user: CrmUser
    organisation: CrmOrganisation


@dataclass(frozen=True, slots=True)
class _FirstToken:
    """A token source that has one token and cannot renew it."""

    access: AccessToken

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """The token, whichever connection asks. Raises AuthorizationLostError once it was refused."""
        del connection_id
        if stale is not None:
            raise AuthorizationLostError("a fresh token was refused")
        return self.access


async def identify(edge: HttpEdge, access: AccessToken, gate: CallGate) -> ZohoIdentity:
    """The account behind a token: two control calls. Raises as `ZohoMetadata` does."""
    metadata = ZohoMetadata(edge, _FirstToken(access), _NOT_STORED, gate)
    return ZohoIdentity(await metadata.current_user(), await metadata.organisation())
