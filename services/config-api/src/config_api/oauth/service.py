"""Consents (RFC 6749, 4.1; RFC 7636; RFC 9700): begun for one caller, ended once, stored for that caller alone."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from config_api.connections.schemas import AuthorizeRequest
from config_api.oauth.returned import Returned
from config_api.oauth.zoho import UserRefusedError, ZohoConsents, new_grant
from config_api.web.callers import Caller
from config_api.web.fields import FieldError
from config_api.web.problems import ProblemError
from contactsync.adapters.google.oauth import GoogleOAuth
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.zoho.data_centres import HOME
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.domain.reasons import Reason
from contactsync.errors import (
    AuthorizationLostError,
    ConfigurationError,
    ContactSyncError,
    PermissionMissingError,
    ProviderContractError,
    TemporaryError,
)
from contactsync.ports.callers import CallerDirectory, Tickets
from contactsync.ports.connections import AccountProfile, NewGrant, OtherAccount, Owner, Provider
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_VERIFIER_BYTES: Final = 48
_NONCE_BYTES: Final = 24


class Wanted(BaseModel):
    """A consent that was asked for: for whom, and where it ends. Stored sealed under a hash of its address's secret."""

    organisation_id: OrganisationId
    user_id: UserId
    return_url: str | None
    display: Literal["page", "popup"]
    data_centre: str = HOME

    @property
    def owner(self) -> Owner:
        """Whose connection it will be."""
        return Owner(self.organisation_id, self.user_id)


class UnderWay(Wanted):
    """A consent that a browser has begun. Stored sealed under a hash of its state."""

    verifier: str = Field(repr=False)
    nonce: str = Field(repr=False)
    browser: str
    """Hash of what that browser keeps."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for a consent, as far as known; shown to whoever opens its address."""

    name: str
    email: str
    organisation: str

    def __repr__(self) -> str:
        return "Asker(…)"


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
    zoho: ZohoConsents
    store: SqlConnections
    callers: CallerDirectory
    tickets: Tickets
    public_url: str
    return_origins: frozenset[str]
    lifetime: timedelta

    async def begin(self, caller: Caller, provider: Provider, request: AuthorizeRequest) -> str:
        """The address of ours where the caller's browser begins; good once.

        Raises an `invalid_request` problem for a return address off the list or an unknown data centre.
        """
        self._check_return(request.return_url)
        wanted = Wanted(
            organisation_id=caller.organisation_id,
            user_id=caller.user_id,
            return_url=request.return_url,
            display=request.display,
            data_centre=self._data_centre(request.data_centre),
        )
        secret = await self.tickets.issue(_wanted(provider), wanted.model_dump_json().encode(), self.lifetime)
        return f"{self.public_url}/oauth/{provider.value}/start/{secret}"

    async def wanted(self, provider: Provider, secret: str) -> Wanted:
        """What the address stands for, which stays good. Raises a `state_invalid` problem."""
        return _opened(Wanted, await self.tickets.read(_wanted(provider), secret))

    async def asker(self, wanted: Wanted) -> Asker:
        """Who asked for it."""
        profile = await self.callers.profile(wanted.organisation_id, wanted.user_id)
        stored = {one.provider: one.profile for one in await self.store.of_user(wanted.owner)}
        crm = stored.get(Provider.ZOHO)
        if crm is None:
            return Asker(profile.name, profile.email, "")
        return Asker(profile.name, profile.email or crm.name, crm.organisation_name)

    async def onward(self, provider: Provider, secret: str, browser: str) -> str:
        """Where the browser goes to consent; `browser` is the secret that it keeps until it comes back.

        The address is used up. Raises a `state_invalid` problem.
        """
        wanted = _opened(Wanted, await self.tickets.take(_wanted(provider), secret))
        consent = UnderWay(
            **wanted.model_dump(),
            verifier=secrets.token_urlsafe(_VERIFIER_BYTES),
            nonce=secrets.token_urlsafe(_NONCE_BYTES),
            browser=_hashed(browser),
        )
        state = await self.tickets.issue(_under_way(provider), consent.model_dump_json().encode(), self.lifetime)
        if provider is Provider.ZOHO:
            return self.zoho.oauth.authorization_url(state, consent.data_centre)
        return self.google.authorize_url(
            redirect_uri=self.callback(provider),
            state=state,
            code_verifier=consent.verifier,
            nonce=consent.nonce,
        )

    async def end(self, provider: Provider, returned: Returned, browser: str | None) -> Ended:
        """Store what the consent brought, or say why not.

        Raises a `state_invalid` problem when no consent of this provider and browser is under way under this state:
        then nothing that the redirect says is believed.
        """
        consent = _opened(UnderWay, await self.tickets.take(_under_way(provider), returned.state))
        if browser is None or not secrets.compare_digest(_hashed(browser), consent.browser):
            raise ProblemError("state_invalid")
        if returned.code is None or returned.error is not None:
            return Ended(consent, "consent_refused")
        try:
            grant = await self._grant(provider, consent, returned, returned.code)
        except ContactSyncError as error:
            log.warning("consent.failed", provider=provider.value, reason=error.reason, details=error.details)
            return Ended(consent, problem_of_consent(error))
        return await self._stored(consent, grant)

    def callback(self, provider: Provider) -> str:
        """The address that is registered with the provider."""
        return f"{self.public_url}/oauth/{provider.value}/callback"

    def _check_return(self, url: str | None) -> None:
        if url is not None and _origin(url) not in self.return_origins:
            error = FieldError("return_url", "origin_not_allowed")
            raise ProblemError("invalid_request", errors=[error])

    def _data_centre(self, name: str | None) -> str:
        if name is None:
            return HOME
        try:
            return self.zoho.data_centres.named(name).name
        except ConfigurationError as error:
            problem = FieldError("data_centre", "unknown_data_centre")
            raise ProblemError("invalid_request", errors=[problem]) from error

    async def _grant(self, provider: Provider, consent: UnderWay, returned: Returned, code: str) -> NewGrant:
        if provider is Provider.GOOGLE:
            return await self._google_grant(consent, code)
        return new_grant(*await self.zoho.identified(returned, code))

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

    async def _stored(self, consent: UnderWay, grant: NewGrant) -> Ended:
        stored = await self.store.save(consent.owner, grant)
        if not isinstance(stored, OtherAccount):
            return Ended(consent)
        # Zoho ends this one grant. Google would end every grant of that account with us, other users' included.
        if grant.provider is Provider.ZOHO:
            await self.zoho.revoke(grant.refresh_token, grant.facts.data_centre)
        return Ended(consent, "other_account", stored)


def problem_of_consent(error: ContactSyncError) -> str:
    """The problem that tells the user why his consent brought nothing."""
    match error:
        case AuthorizationLostError(reason=Reason.MISSING_SCOPE):
            return "missing_scope"
        case UserRefusedError():
            return "crm_user_refused"
        case PermissionMissingError():
            return "permission_missing"
        case TemporaryError():
            return "provider_unavailable"
        case AuthorizationLostError() | ProviderContractError():
            return "consent_failed"
        case _:
            raise error


def _wanted(provider: Provider) -> str:
    return f"consent_wanted.{provider.value}"


def _under_way(provider: Provider) -> str:
    return f"consent.{provider.value}"


Stored = TypeVar("Stored", bound=Wanted)


def _opened(kind: type[Stored], content: bytes | None) -> Stored:
    """What a ticket holds. Raises a `state_invalid` problem for one that is used, unknown or too old."""
    if content is None:
        raise ProblemError("state_invalid")
    return kind.model_validate_json(content)


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
