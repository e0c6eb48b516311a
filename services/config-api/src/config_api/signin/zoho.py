"""Signing in on the page with Zoho CRM: the consent that makes the connection says who it is.

There is no identity token: who somebody is comes from the CRM's own answers to the fresh access token, by ids that
never change (organisation `zgid`, user `zuid`) and never by an address. Zoho takes no code challenge; the state is used
once and kept by the browser that began.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from config_api.oauth.returned import Returned
from config_api.oauth.service import problem_of_consent
from config_api.oauth.zoho import ZohoConsents, new_grant
from config_api.signin.service import LIFETIME, Begun
from config_api.web.callers import Caller
from config_api.web.problems import ProblemError
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.zoho.data_centres import HOME
from contactsync.adapters.zoho.identity import ZohoIdentity
from contactsync.adapters.zoho.oauth import Grant
from contactsync.domain.rights import FREE
from contactsync.errors import ConfigurationError, ContactSyncError
from contactsync.ports.callers import CallerDirectory, Identity, Profile, Role, Tickets
from contactsync.ports.clock import Clock
from contactsync.ports.connections import ConnectionState, OtherAccount, Owner, Provider
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

ISSUER: Final = "zoho-crm"
"""By whom organisations and users are named that come in this way. No address, so that no OpenID provider can be it."""
ANY_ORGANISATION: Final = "any"
_KIND: Final = "sign_in.zoho"


class UnderWay(BaseModel):
    """A sign-in that a browser has begun."""

    return_path: str
    data_centre: str
    asked_again: bool = False
    """The person was asked to consent although he had before, since no grant of his is kept here."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who came in, and where on the page the browser came from."""

    caller: Caller
    return_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZohoSignIn:
    """The way in for users of the CRM."""

    consents: ZohoConsents
    """Those that come back to the address of this sign-in."""
    directory: CallerDirectory
    store: SqlConnections
    tickets: Tickets
    clock: Clock
    organisations: frozenset[str] = field(repr=False)
    """Those of the CRM whose users may come in, by zgid; `any` for all."""
    admin_profiles: frozenset[str]
    """Profiles of the CRM, by name or id, whose users are administrators here."""

    async def begin(self, return_path: str, data_centre: str | None = None) -> Begun:
        """A fresh sign-in; `return_path` is a path of our own page. Raises an `invalid_request` problem."""
        try:
            centre = self.consents.data_centres.named(data_centre or HOME)
        except ConfigurationError as error:
            raise ProblemError("invalid_request") from error
        return await self._begin(UnderWay(return_path=return_path, data_centre=centre.name))

    async def finish(self, returned: Returned, browser_state: str | None) -> SignedIn | Begun:
        """The end of a sign-in that this browser began, or, where a consent is still needed, another beginning.

        Raises problems for anything else; a grant that is not kept is given back.
        """
        if browser_state is None or not secrets.compare_digest(returned.state.encode(), browser_state.encode()):
            raise ProblemError("state_invalid")
        content = await self.tickets.take(_KIND, returned.state)
        if content is None:
            raise ProblemError("state_invalid")
        under_way = UnderWay.model_validate_json(content)
        if returned.code is None or returned.error is not None:
            raise ProblemError("consent_refused")
        try:
            grant, owner = await self.consents.identified(returned, returned.code, offline=under_way.asked_again)
        except ContactSyncError as error:
            log.warning("sign_in.failed", reason=error.reason, details=error.details)
            raise ProblemError(problem_of_consent(error)) from error
        return await self._entered(under_way, grant, owner)

    async def _begin(self, under_way: UnderWay) -> Begun:
        """Somebody who consented before is not asked again: each consent makes a grant, of which Zoho keeps few."""
        state = await self.tickets.issue(_KIND, under_way.model_dump_json().encode(), LIFETIME)
        url = self.consents.oauth.authorization_url(state, under_way.data_centre, prompted=under_way.asked_again)
        return Begun(url, state)

    async def _entered(self, under_way: UnderWay, grant: Grant, owner: ZohoIdentity) -> SignedIn | Begun:
        identity = self._identity(owner)
        refusal = await self._refusal(identity, owner)
        if refusal:
            raise await self._refused(grant, refusal)
        known = await self.directory.known(identity)
        if known is None:  # the organisation was erased
            raise await self._refused(grant, "not_allowed")
        who = Owner(known.organisation_id, known.user_id)
        if not await self._is_connected(who, grant, owner):
            return await self._begin(under_way.model_copy(update={"asked_again": True}))
        return SignedIn(Caller(known.organisation_id, known.user_id, identity.role), under_way.return_path)

    async def _refusal(self, identity: Identity, owner: ZohoIdentity) -> str:
        """The problem that keeps this person out; empty for none."""
        zgid = owner.organisation.zgid
        if self.organisations.isdisjoint({zgid, ANY_ORGANISATION}):
            return "organisation_not_allowed"
        if not owner.user.active:
            return "crm_user_refused"
        is_ours = await self.directory.has_crm(identity, zgid)
        if is_ours is False:
            return "organisation_elsewhere"
        # One that is here already may come in: to see why nothing runs, and to disconnect.
        free = owner.organisation.edition(self.clock.now().date()) == FREE
        return "edition_free" if free and not is_ours else ""

    async def _is_connected(self, who: Owner, grant: Grant, owner: ZohoIdentity) -> bool:
        """Whether a grant is kept now: the one that this consent brought, or the one from before."""
        if not grant.refresh_token:
            stored = await self.store.of_user(who)
            return any(one.provider is Provider.ZOHO and one.state is ConnectionState.ACTIVE for one in stored)
        if isinstance(await self.store.save(who, new_grant(grant, owner)), OtherAccount):
            raise await self._refused(grant, "organisation_elsewhere")
        return True

    async def _refused(self, grant: Grant, problem: str) -> ProblemError:
        await self.consents.give_up(grant)
        return ProblemError(problem)

    def _identity(self, owner: ZohoIdentity) -> Identity:
        user = owner.user
        is_admin = not self.admin_profiles.isdisjoint({user.profile_id, user.profile_name})
        return Identity(
            issuer=ISSUER,
            organisation=owner.organisation.zgid,
            subject=user.zuid,
            role=Role.ADMIN if is_admin else Role.USER,
            profile=Profile(name=user.name, email=user.email),
        )
