"""What a consent at Zoho brings: tokens, and whose they are by the CRM's own answers."""

from __future__ import annotations

from dataclasses import dataclass

from config_api.oauth.returned import Returned
from contactsync.adapters.http import HttpEdge, OpenGate
from contactsync.adapters.zoho.data_centres import DataCentres
from contactsync.adapters.zoho.identity import ZohoIdentity, identify
from contactsync.adapters.zoho.oauth import Grant, ZohoOAuth
from contactsync.domain.reasons import Reason
from contactsync.errors import (
    AuthorizationLostError,
    ConfigurationError,
    ContactSyncError,
    PermissionMissingError,
)
from contactsync.ports.connections import AccountProfile, CrmFacts, NewGrant, Provider
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)


class UserRefusedError(AuthorizationLostError):
    """The CRM does not let in the owner of a token that is fresh: he is not active there, or no user at all."""


@dataclass(frozen=True, slots=True)
class ZohoConsents:
    """Consents that come back to one address of ours."""

    oauth: ZohoOAuth
    edge: HttpEdge
    data_centres: DataCentres

    async def identified(self, returned: Returned, code: str, *, offline: bool = True) -> tuple[Grant, ZohoIdentity]:
        """The tokens and their owner; a grant without all scopes, or of nobody known, is given back to Zoho.

        Without `offline`, the grant may lack a refresh token. Raises AuthorizationLostError (also for an accounts
        server or region off the list, which is never asked, and for a missing scope), UserRefusedError, and as
        `identify` does.
        """
        grant = await self.oauth.exchange(code, self._accounts_server(returned), OpenGate(), offline=offline)
        if grant.missing_scopes():
            await self.give_up(grant)
            raise AuthorizationLostError("not all scopes were granted", reason=Reason.MISSING_SCOPE)
        try:
            return grant, await identify(self.edge, grant.access, OpenGate())
        except ContactSyncError as error:  # nobody knows whose it is
            await self.give_up(grant)
            if isinstance(error, AuthorizationLostError) and not isinstance(error, PermissionMissingError):
                raise UserRefusedError(str(error), reason=error.reason, details=error.details) from error
            raise

    async def give_up(self, grant: Grant) -> None:
        """End a grant that is not kept; that it could not be ended is no reason to keep it."""
        await self.revoke(grant.refresh_token or grant.access.value, grant.data_centre)

    async def revoke(self, token: str, data_centre: str) -> None:
        """The same by its parts."""
        try:
            await self.oauth.revoke(token, data_centre, OpenGate())
        except ContactSyncError as error:
            log.warning("consent.revoke.failed", reason=error.reason)

    def _accounts_server(self, returned: Returned) -> str | None:
        """The server that the redirect names, itself or by its region; only those on the list are ever asked."""
        if returned.accounts_server is not None or returned.location is None:
            return returned.accounts_server
        try:
            return self.data_centres.named(returned.location).accounts_url
        except ConfigurationError as error:
            raise AuthorizationLostError("an unknown data centre", reason=Reason.HOST_NOT_ALLOWED) from error


def new_grant(grant: Grant, owner: ZohoIdentity) -> NewGrant:
    """The consent's outcome, ready to be stored."""
    user, organisation = owner.user, owner.organisation
    return NewGrant(
        provider=Provider.ZOHO,
        profile=AccountProfile(
            account_id=user.zuid,
            name=user.email or user.name,
            organisation_id=organisation.zgid,
            organisation_name=organisation.name,
            crm_user_id=user.id,
        ),
        access=grant.access,
        refresh_token=grant.refresh_token,
        scopes=grant.scopes,
        facts=CrmFacts(data_centre=grant.data_centre, profile_id=user.profile_id, active=user.active),
        region=organisation.country,
    )
