"""The OAuth clients of both vendors, and the access tokens of stored connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from contactsync.adapters.google.oauth import GoogleOAuth, GoogleOAuthClient
from contactsync.adapters.http import OpenGate
from contactsync.adapters.sql.tokens import SqlTokens
from contactsync.adapters.zoho.oauth import ZohoOAuth, ZohoOAuthSettings
from contactsync.assembly.foundation import Foundation
from contactsync.assembly.settings import CommonSettings, secrets_by_data_centre
from contactsync.ports.connections import GrantKeeper, Provider, RenewedToken, StoredGrant

_EVERYWHERE: Final = ""


@dataclass(frozen=True, slots=True)
class GoogleGrants:
    """`GrantKeeper` at Google."""

    oauth: GoogleOAuth

    async def renew(self, grant: StoredGrant) -> RenewedToken:
        """A new access token; Google seldom replaces the refresh token, but may."""
        tokens = await self.oauth.refresh(grant.refresh_token)
        return RenewedToken(tokens.access, tokens.refresh_token)

    async def revoke(self, grant: StoredGrant) -> None:
        """End all that the user granted to this client."""
        await self.oauth.revoke(grant.refresh_token)


@dataclass(frozen=True, slots=True)
class ZohoGrants:
    """`GrantKeeper` at Zoho, in whichever data centre the grant was made."""

    oauth: ZohoOAuth

    async def renew(self, grant: StoredGrant) -> RenewedToken:
        """A new access token; the refresh token stays."""
        return RenewedToken(await self.oauth.refresh(grant.refresh_token, grant.data_centre, OpenGate()))

    async def revoke(self, grant: StoredGrant) -> None:
        """End this grant; others of the same user stay."""
        await self.oauth.revoke(grant.refresh_token, grant.data_centre, OpenGate())


def google_oauth(foundation: Foundation, settings: CommonSettings) -> GoogleOAuth:
    """Google's authorization server for the registered client."""
    client = GoogleOAuthClient(settings.google_client_id, settings.google_client_secret.get_secret_value())
    return GoogleOAuth(foundation.google, foundation.google_endpoints, client, foundation.clock)


def zoho_oauth(foundation: Foundation, settings: CommonSettings, redirect_uri: str = "") -> ZohoOAuth:
    """Zoho's accounts servers for the registered application; consent alone needs the address of the callback."""
    ids = secrets_by_data_centre(SecretStr(settings.zoho_client_id))
    secrets = secrets_by_data_centre(settings.zoho_client_secret)
    application = ZohoOAuthSettings(
        client_id=ids.get(_EVERYWHERE, ""),
        client_secret=secrets.get(_EVERYWHERE, ""),
        redirect_uri=redirect_uri,
        secrets=secrets,
        client_ids=ids,
    )
    return ZohoOAuth(foundation.zoho, application, foundation.data_centres, foundation.clock)


def grant_keepers(foundation: Foundation, settings: CommonSettings) -> dict[Provider, GrantKeeper]:
    """Both authorization servers, as far as stored grants go."""
    return {
        Provider.ZOHO: ZohoGrants(zoho_oauth(foundation, settings)),
        Provider.GOOGLE: GoogleGrants(google_oauth(foundation, settings)),
    }


def token_source(foundation: Foundation, settings: CommonSettings) -> SqlTokens:
    """Access tokens of stored connections, renewed once for all processes."""
    keepers = grant_keepers(foundation, settings)
    return SqlTokens(foundation.database, foundation.vault, keepers, foundation.clock)
