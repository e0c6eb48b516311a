"""Consents (RFC 6749, 4.1; RFC 7636; RFC 9700): begun for one caller, ended once, stored for that caller alone."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from config_api.connections.schemas import AuthorizeRequest
from config_api.web.callers import Caller
from config_api.web.problems import FieldError, ProblemError
from contactsync.adapters.google.oauth import GoogleOAuth
from contactsync.adapters.http import HttpEdge, OpenGate
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.zoho.data_centres import HOME, DataCentres
from contactsync.adapters.zoho.identity import identify
from contactsync.adapters.zoho.oauth import Grant, ZohoOAuth
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.domain.reasons import Reason
from contactsync.errors import (
    AuthorizationLostError,
    ConfigurationError,
    ContactSyncError,
    ProviderContractError,
    TemporaryError,
)
from contactsync.ports.callers import Tickets
from contactsync.ports.clock import Clock
from contactsync.ports.connections import AccountProfile, CrmFacts, NewGrant, OtherAccount, Owner, Provider
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_KIND: Final = "consent"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_VERIFIER_BYTES: Final = 48
_NONCE_BYTES: Final = 24


class UnderWay(BaseModel):
    """A consent that began: for whom, from which browser, where it ends. Stored sealed under a hash of its state."""

    organisation_id: OrganisationId
    user_id: UserId
    verifier: str = Field(repr=False)
    nonce: str = Field(repr=False)
    browser: str | None
    """Hash of what the browser keeps; None when a program asked on the user's behalf."""
    return_url: str | None
    display: Literal["page", "popup"]

    @property
    def owner(self) -> Owner:
        """Whose connection it will be."""
        return Owner(self.organisation_id, self.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What the provider's redirect carries."""

    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    error: str | None = None
    accounts_server: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a consent ended: `problem` is empty when the account is connected."""

    consent: UnderWay
    problem: str = ""
    other: OtherAccount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consents:
    """Both providers' consents."""

    google: GoogleOAuth
    zoho: ZohoOAuth
    zoho_edge: HttpEdge
    data_centres: DataCentres
    store: SqlConnections
    tickets: Tickets
    clock: Clock
    public_url: str
    return_origins: frozenset[str]
    lifetime: timedelta

    async def begin(self, caller: Caller, provider: Provider, request: AuthorizeRequest, browser: str | None) -> str:
        """Where the browser goes. `browser` is the secret that it keeps, where it is one that can.

        Raises an `invalid_request` problem for a return address off the list or an unknown data centre.
        """
        self._check_return(request.return_url)
        consent = UnderWay(
            organisation_id=caller.organisation_id,
            user_id=caller.user_id,
            verifier=secrets.token_urlsafe(_VERIFIER_BYTES),
            nonce=secrets.token_urlsafe(_NONCE_BYTES),
            browser=None if browser is None else _hashed(browser),
            return_url=request.return_url,
            display=request.display,
        )
        content = consent.model_dump_json().encode()
        state = await self.tickets.issue(f"{_KIND}.{provider.value}", content, self.lifetime)
        if provider is Provider.GOOGLE:
            return self.google.authorize_url(
                redirect_uri=self.callback(provider),
                state=state,
                code_verifier=consent.verifier,
                nonce=consent.nonce,
            )
        return self.zoho.authorization_url(state, self._data_centre(request.data_centre))

    async def end(self, provider: Provider, returned: Returned, browser: str | None) -> Ended:
        """Store what the consent brought, or say why not.

        Raises a `state_invalid` problem when no consent of this provider and browser is under way under this state:
        then nothing that the redirect says is believed.
        """
        content = await self.tickets.take(f"{_KIND}.{provider.value}", returned.state)
        if content is None:
            raise ProblemError("state_invalid")
        consent = UnderWay.model_validate_json(content)
        if consent.browser is not None and (browser is None or _hashed(browser) != consent.browser):
            raise ProblemError("state_invalid")
        if returned.code is None or returned.error is not None:
            return Ended(consent, "consent_refused")
        try:
            grant = await self._grant(provider, consent, returned, returned.code)
        except ContactSyncError as error:
            log.warning("consent.failed", provider=provider.value, reason=error.reason, details=error.details)
            return Ended(consent, _problem_of(error))
        return await self._stored(consent, grant)

    def callback(self, provider: Provider) -> str:
        """The address that is registered with the provider."""
        return f"{self.public_url}/oauth/{provider.value}/callback"

    def _check_return(self, url: str | None) -> None:
        if url is not None and _origin(url) not in self.return_origins:
            error = FieldError("return_url", "origin_not_allowed", "The origin is not on the list RETURN_ORIGINS")
            raise ProblemError("invalid_request", errors=[error])

    def _data_centre(self, name: str | None) -> str:
        if name is None:
            return HOME
        try:
            return self.data_centres.named(name).name
        except ConfigurationError as error:
            problem = FieldError("data_centre", "unknown", "There is no data centre of this name")
            raise ProblemError("invalid_request", errors=[problem]) from error

    async def _grant(self, provider: Provider, consent: UnderWay, returned: Returned, code: str) -> NewGrant:
        if provider is Provider.GOOGLE:
            return await self._google_grant(consent, code)
        grant = await self.zoho.exchange(code, self._accounts_server(returned), OpenGate())
        if grant.missing_scopes():
            await self._give_up(grant)
            raise AuthorizationLostError("not all scopes were granted", reason=Reason.MISSING_SCOPE)
        try:
            return await self._zoho_grant(grant)
        except ContactSyncError:  # nobody knows whose it is
            await self._give_up(grant)
            raise

    async def _google_grant(self, consent: UnderWay, code: str) -> NewGrant:
        grant = await self.google.exchange(
            code=code,
            code_verifier=consent.verifier,
            redirect_uri=self.callback(Provider.GOOGLE),
            nonce=consent.nonce,
        )
        tokens, identity = grant.tokens, grant.identity
        return NewGrant(
            provider=Provider.GOOGLE,
            profile=AccountProfile(account_id=identity.subject, name=identity.email),
            access=tokens.access,
            refresh_token=tokens.refresh_token or "",  # `exchange` refuses an answer without one
            scopes=tuple(sorted(tokens.scopes)),
        )

    async def _zoho_grant(self, grant: Grant) -> NewGrant:
        found = await identify(self.zoho_edge, grant.access, OpenGate())
        user, organisation = found.user, found.organisation
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

    def _accounts_server(self, returned: Returned) -> str | None:
        """The server that the redirect names, itself or by its region; only those on the list are ever asked."""
        if returned.accounts_server is not None or returned.location is None:
            return returned.accounts_server
        try:
            return self.data_centres.named(returned.location).accounts_url
        except ConfigurationError as error:
            raise AuthorizationLostError("an unknown data centre", reason=Reason.HOST_NOT_ALLOWED) from error

    async def _stored(self, consent: UnderWay, grant: NewGrant) -> Ended:
        stored = await self.store.save(consent.owner, grant)
        if not isinstance(stored, OtherAccount):
            return Ended(consent)
        # Zoho ends this one grant. Google would end every grant of that account with us, other users' included.
        if grant.provider is Provider.ZOHO:
            await self._revoke(grant.refresh_token, grant.facts.data_centre)
        return Ended(consent, "other_account", stored)

    async def _give_up(self, grant: Grant) -> None:
        await self._revoke(grant.refresh_token, grant.data_centre)

    async def _revoke(self, refresh_token: str, data_centre: str) -> None:
        """End a grant that is not kept; that it could not be ended is no reason to keep it."""
        try:
            await self.zoho.revoke(refresh_token, data_centre, OpenGate())
        except ContactSyncError as error:
            log.warning("consent.revoke.failed", reason=error.reason)


def _problem_of(error: ContactSyncError) -> str:
    """The problem that tells the user why his consent brought nothing."""
    match error:
        case AuthorizationLostError(reason=Reason.MISSING_SCOPE):
            return "missing_scope"
        case TemporaryError():
            return "provider_unavailable"
        case AuthorizationLostError() | ProviderContractError():
            return "consent_failed"
        case _:
            raise error


def _hashed(secret: str) -> str:
    """Nothing slower is needed: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _origin(url: str) -> str | None:
    """The origin of an absolute address, as browsers write it; None for anything that is not plainly one."""
    # Browsers read a backslash as a slash and drop control characters: what they make of it is not what we check.
    if any(character <= " " or character == "\\" for character in url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port in {None, _DEFAULT_PORTS[parts.scheme]} else f':{port}'}"


def allowed_origins(public_url: str, configured: tuple[str, ...]) -> frozenset[str]:
    """Our own origin and the configured ones. Raises ConfigurationError for one that is none."""
    origins = {url: _origin(url) for url in (public_url, *configured)}
    wrong = [url for url, origin in origins.items() if origin is None]
    if wrong:
        raise ConfigurationError(f"CONTACTSYNC_RETURN_ORIGINS: not an origin: {', '.join(wrong)}")
    return frozenset(origin for origin in origins.values() if origin is not None)
