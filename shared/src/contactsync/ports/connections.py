"""What is known of a user's grants, and the providers' own way of renewing and ending one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contactsync.domain.ids import AccountKey, ConnectionId, OrganisationId, UserId
from contactsync.ports.vault import AccessToken


class Provider(StrEnum):
    """Where an account is."""

    ZOHO = "zoho"
    GOOGLE = "google"


class ConnectionState(StrEnum):
    """Whether a connection can be used."""

    ACTIVE = "active"
    NEEDS_RECONNECT = "needs_reconnect"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Owner:
    """The user whose connections are meant."""

    organisation_id: OrganisationId
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProfile:
    """Whose account it is: personal data, stored sealed. `name` is what the owner recognises it by."""

    account_id: str
    """Stable id of the account at the provider."""
    name: str
    organisation_id: str = ""
    """Stable id of the CRM's organisation; empty at Google."""
    organisation_name: str = ""
    crm_user_id: str = ""

    def __repr__(self) -> str:
        return "AccountProfile(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmFacts:
    """What the CRM said about the user at the last check; nothing personal."""

    data_centre: str = ""
    edition: str = ""
    """`free`, or the edition whose limits apply; empty before the first check."""
    active: bool = True
    profile_id: str = ""
    rights: Mapping[str, bool] | None = None
    """By the names of `contactsync.domain.rights`; None: the CRM does not tell this user."""
    reads_profiles: bool = False
    """Whether this connection can answer for the profiles of others."""
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """A connection without its secrets."""

    organisation_id: OrganisationId
    connection_id: ConnectionId
    user_id: UserId
    provider: Provider
    account_key: AccountKey
    state: ConnectionState
    reason: str
    scopes: tuple[str, ...]
    profile: AccountProfile
    facts: CrmFacts
    connected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """What a consent brought, ready to be stored."""

    provider: Provider
    profile: AccountProfile
    access: AccessToken
    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...]
    facts: CrmFacts = field(default_factory=CrmFacts)
    region: str = ""
    """Country of the CRM's organisation, for phone numbers without a prefix (ISO 3166-1)."""


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """A grant that was refused, as it belongs to another account than the one that is pinned. Names for its owner."""

    pinned: str
    offered: str

    def __repr__(self) -> str:
        return "OtherAccount(…)"


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """What renewing or ending a grant needs. Secrets are hidden by repr."""

    provider: Provider
    refresh_token: str = field(repr=False)
    data_centre: str


@dataclass(frozen=True, slots=True)
class RenewedToken:
    """A new access token, and the refresh token that replaces the old one where the provider rotates them."""

    access: AccessToken
    refresh_token: str | None = field(default=None, repr=False)


class GrantKeeper(Protocol):
    """A provider's authorization server, as far as stored grants go."""

    async def renew(self, grant: StoredGrant) -> RenewedToken:
        """A new access token.

        Raises AuthorizationLostError when the grant is gone, RateLimitedError, ProviderUnavailableError,
        ProviderContractError.
        """
        ...

    async def revoke(self, grant: StoredGrant) -> None:
        """End the grant; one that is gone counts as ended. Raises as `renew` does."""
        ...
