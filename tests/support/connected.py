"""A product's foundation in front of both simulated vendors, and grants that need no browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.sql.members import Member, SqlMembers
from contactsync.adapters.sql.tokens import SqlTokens
from contactsync.assembly.foundation import Foundation, open_foundation
from contactsync.assembly.grants import token_source
from contactsync.assembly.settings import CommonSettings
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.ports.connections import AccountProfile, CrmFacts, NewGrant, Owner, Provider, StoredConnection
from contactsync.ports.vault import AccessToken
from simulators.google.settings import DEMO_CLIENT_ID as GOOGLE_CLIENT_ID
from simulators.google.settings import DEMO_CLIENT_SECRET as GOOGLE_CLIENT_SECRET
from simulators.zoho import DEMO_CLIENT_ID as ZOHO_CLIENT_ID
from simulators.zoho import DEMO_CLIENT_SECRET as ZOHO_CLIENT_SECRET
from tests.contract.state.worlds import KEYS
from tests.support.postgres import Database
from tests.support.vendors import Json, Vendors

ADA = Owner(OrganisationId(UUID(int=0xA)), UserId(UUID(int=0xADA)))
BOB = Owner(OrganisationId(UUID(int=0xA)), UserId(UUID(int=0xB0B)))
EVE = Owner(OrganisationId(UUID(int=0xE)), UserId(UUID(int=0xE7E)))
"""Ada and Bob are colleagues; Eve belongs to another organisation."""


def vendor_settings(both: Vendors) -> Json:
    """Settings that put the simulators in the vendors' place."""
    google, zoho = both.google.control.base_url, both.crm.control.base_url
    return {
        "zoho_client_id": ZOHO_CLIENT_ID,
        "zoho_client_secret": ZOHO_CLIENT_SECRET,
        "zoho_accounts_url": zoho,
        "zoho_api_url": zoho,
        "google_client_id": GOOGLE_CLIENT_ID,
        "google_client_secret": GOOGLE_CLIENT_SECRET,
        "google_auth_url": f"{google}/o/oauth2/v2/auth",
        "google_token_url": f"{google}/token",
        "google_revoke_url": f"{google}/revoke",
        "google_jwks_url": f"{google}/oauth2/v3/certs",
        "google_people_url": google,
    }


@dataclass
class Connected:
    """One process of the product."""

    both: Vendors
    foundation: Foundation
    settings: CommonSettings

    @property
    def connections(self) -> SqlConnections:
        return SqlConnections(self.foundation.database, self.foundation.vault, self.foundation.clock)

    @property
    def tokens(self) -> SqlTokens:
        return token_source(self.foundation, self.settings)

    async def join(self, *people: Owner) -> None:
        """Make these users and their organisations known."""
        await joined(self.foundation, *people)

    async def connect(self, who: Owner, provider: Provider, *, lifetime: timedelta) -> StoredConnection:
        """The simulated user's grant, stored as a consent would store it."""
        grant = await (self.zoho_grant(lifetime) if provider is Provider.ZOHO else self.google_grant(lifetime))
        stored = await self.connections.save(who, grant)
        assert isinstance(stored, StoredConnection)
        return stored

    async def zoho_grant(self, lifetime: timedelta) -> NewGrant:
        """What the CRM's user would grant; the access token is said to live so long."""
        crm = self.both.crm
        issued = await crm.control.call("POST", "/tokens", {"user_id": crm.user_id})
        return NewGrant(
            provider=Provider.ZOHO,
            profile=AccountProfile(
                account_id=crm.user_id,
                name="owner@example.com",
                organisation_id=crm.zgid,
                organisation_name="Analytical Ltd",
                crm_user_id=crm.user_id,
            ),
            access=self._access(issued, crm.control.base_url, lifetime),
            refresh_token=issued["refresh_token"],
            scopes=(),
            facts=CrmFacts(data_centre="us"),
            region="GB",
        )

    async def google_grant(self, lifetime: timedelta) -> NewGrant:
        """What the owner of the Google account would grant."""
        book = self.both.google
        body = {"account": book.sub, "offline": True, "client_id": GOOGLE_CLIENT_ID}
        issued = await book.control.call("POST", "/tokens", body)
        return NewGrant(
            provider=Provider.GOOGLE,
            profile=AccountProfile(account_id=book.sub, name="ada@example.com"),
            access=self._access(issued, book.control.base_url, lifetime),
            refresh_token=issued["refresh_token"],
            scopes=("openid",),
        )

    def _access(self, issued: Json, base_url: str, lifetime: timedelta) -> AccessToken:
        return AccessToken(issued["access_token"], self.foundation.clock.now() + lifetime, base_url)

    async def token_calls(self, provider: Provider) -> int:
        """How often the provider's token endpoint was asked since its log was cleared."""
        control = self.both.crm.control if provider is Provider.ZOHO else self.both.google.control
        return (await control.calls())["oauth.token"]


async def joined(foundation: Foundation, *people: Owner) -> None:
    """Make these users and their organisations known."""
    members = SqlMembers(foundation.database, foundation.vault, foundation.clock)
    for who in people:
        await members.ensure(
            Member(
                organisation_id=who.organisation_id,
                user_id=who.user_id,
                subject_key=who.user_id.bytes,
                role="user",
            )
        )


@asynccontextmanager
async def connected(both: Vendors, database: Database) -> AsyncIterator[Connected]:
    """A process of the product on this database, in front of these vendors."""
    settings = CommonSettings.model_validate({"database_url": database.url, "keys": KEYS, **vendor_settings(both)})
    async with open_foundation(settings, SystemClock()) as foundation:
        yield Connected(both, foundation, settings)
