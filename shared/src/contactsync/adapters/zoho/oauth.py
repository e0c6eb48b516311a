"""Consent and tokens at Zoho's accounts servers.

The token endpoint answers 200 to refusals too, with an `error` in the body: a token is there, or the call failed.
Source: Zoho CRM API v8, "Authorization request", "Generating tokens", "Refreshing", "Revoking", "Token validity",
"Multi DC support"; the throttle's wording from a staff post (Kaizen 43).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from contactsync.adapters.http import FORM, Answer, HttpEdge, OutboundRequest, form_content
from contactsync.adapters.zoho.data_centres import HOME, DataCentre, DataCentres
from contactsync.domain.reasons import Reason
from contactsync.errors import AuthorizationLostError, ContactSyncError, ProviderContractError, RateLimitedError
from contactsync.ports.clock import Clock
from contactsync.ports.directory import Call, CallGate
from contactsync.ports.vault import AccessToken

SCOPES: Final = (
    "ZohoCRM.modules.contacts.ALL",
    "ZohoCRM.modules.accounts.READ",
    "ZohoCRM.modules.accounts.CREATE",
    "ZohoCRM.coql.READ",
    "ZohoCRM.settings.fields.READ",
    "ZohoCRM.settings.custom_views.READ",
    "ZohoCRM.settings.profiles.READ",
    "ZohoCRM.users.READ",
    "ZohoCRM.org.READ",
    "ZohoCRM.notifications.ALL",
)
"""What the product asks for: contacts, reading and making their companies, the metadata that its page shows, and calls
when contacts change."""

THROTTLED_S: Final = 600.0
"""More than ten tokens in ten minutes are refused for as long."""
_LIFE_S: Final = 3600.0
_LONGEST_LIFE_S: Final = 86_400.0
_THROTTLES: Final = frozenset({"access denied", "access_denied"})
_OUR_FAULT: Final = frozenset({"invalid_client", "invalid_client_secret", "invalid_redirect_uri"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ZohoOAuthSettings:
    """The application as registered in Zoho's API console; `secrets` by data centre where it has several."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_ids: Mapping[str, str] = field(default_factory=dict)
    """Other client ids by data centre: China has applications of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a consent brought. Neither token is shown by repr."""

    refresh_token: str = field(repr=False)
    """Empty where none was needed and none came."""
    access: AccessToken
    data_centre: str
    accounts_url: str
    scopes: tuple[str, ...] = ()
    """As the answer tells them; empty where it does not."""

    def missing_scopes(self) -> tuple[str, ...]:
        """Scopes that were asked for and not granted; none when the answer does not tell."""
        granted = {scope.lower() for scope in self.scopes}
        return tuple(scope for scope in SCOPES if scope.lower() not in granted) if granted else ()


class ZohoOAuth:
    """The OAuth client of one installation.

    `edge` must be guarded by `data_centres.guard`. The gate of each method is asked before its request; all are
    control calls.
    """

    def __init__(self, edge: HttpEdge, settings: ZohoOAuthSettings, data_centres: DataCentres, clock: Clock) -> None:
        self._edge = edge
        self._settings = settings
        self._clock = clock
        self._data_centres = data_centres

    def authorization_url(self, state: str, data_centre: str = HOME, *, prompted: bool = True) -> str:
        """Where the user consents. `prompt=consent` makes a refresh token on every consent.

        Unprompted, somebody who consented before comes back at once, without a refresh token. Consent begins at the
        home data centre, which sends the user on to his own; China's stands alone.
        """
        centre = self._data_centres.named(data_centre)
        query = {
            "response_type": "code",
            "client_id": self._client_id(centre),
            "scope": ",".join(SCOPES),
            "redirect_uri": self._settings.redirect_uri,
            "access_type": "offline",
            **({"prompt": "consent"} if prompted else {}),
            "state": state,
        }
        return f"{centre.accounts_url}/oauth/v2/auth?{urlencode(query)}"

    async def exchange(self, code: str, accounts_server: str | None, gate: CallGate, *, offline: bool = True) -> Grant:
        """The grant for a callback's code, asked of the accounts server that the callback names.

        Raises AuthorizationLostError for a server off the list, a code that is used, old or another server's, and
        an answer without a refresh token where one is needed (`offline`);
        ProviderContractError(reason="oauth_client_refused") for a wrong client id, secret or redirect address;
        RateLimitedError.
        """
        centre = self._data_centres.of_accounts_server(accounts_server) if accounts_server else self._home()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._settings.redirect_uri}
        answer, body = await self._token_call(centre, form, gate)
        refresh_token = body.get("refresh_token")
        if not isinstance(refresh_token, str) or not refresh_token:
            if offline:
                raise AuthorizationLostError("the consent brought no refresh token")
            refresh_token = ""
        return Grant(
            refresh_token=refresh_token,
            access=self._access_token(answer, body, centre),
            data_centre=centre.name,
            accounts_url=centre.accounts_url,
            scopes=tuple(str(body.get("scope", "")).replace(",", " ").split()),
        )

    async def refresh(self, refresh_token: str, data_centre: str, gate: CallGate) -> AccessToken:
        """A new access token; the refresh token stays.

        Raises AuthorizationLostError when the grant is gone, RateLimitedError beyond ten in ten minutes,
        ProviderContractError(reason="oauth_client_refused") for a wrong client id or secret, ProviderUnavailableError.
        """
        centre = self._data_centres.named(data_centre)
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer, body = await self._token_call(centre, form, gate)
        return self._access_token(answer, body, centre)

    async def revoke(self, refresh_token: str, data_centre: str, gate: CallGate) -> bool:
        """End the grant with all access tokens made from it; False when the provider does not know it any more."""
        centre = self._data_centres.named(data_centre)
        url = f"{centre.accounts_url}/oauth/v2/token/revoke"
        answer = await self._post(url, {"token": refresh_token}, "oauth.revoke", gate)
        if answer.is_success:
            body = answer.json_object()
            return body.get("status") == "success" and "error" not in body
        if answer.status == 400:  # noqa: PLR2004  an unknown token
            return False
        raise answer.unreadable("revoking was refused")

    async def _token_call(
        self, centre: DataCentre, form: Mapping[str, str], gate: CallGate
    ) -> tuple[Answer, Mapping[str, Any]]:
        """An answer that holds an access token. Raises the error of any other."""
        secret = self._settings.secrets.get(centre.name, self._settings.client_secret)
        whole = {**form, "client_id": self._client_id(centre), "client_secret": secret}
        answer = await self._post(f"{centre.accounts_url}/oauth/v2/token", whole, "oauth.token", gate)
        body = answer.json_object() if answer.is_success else answer.error_object()
        token = body.get("access_token")
        if answer.is_success and isinstance(token, str) and token:
            return answer, body
        raise _token_error(answer, body)

    async def _post(self, url: str, form: Mapping[str, str], operation: str, gate: CallGate) -> Answer:
        await gate.admit(Call("zoho", operation, control=True))
        request = OutboundRequest(
            operation=operation,
            method="POST",
            url=url,
            headers={"Content-Type": FORM},
            content=form_content(form),
        )
        return await self._edge.send(request)

    def _access_token(self, answer: Answer, body: Mapping[str, Any], centre: DataCentre) -> AccessToken:
        """The token with the API it belongs to, which must be one of that accounts server's own."""
        api_url = str(body.get("api_domain") or centre.api_urls[0]).rstrip("/")
        if api_url not in centre.api_urls:
            raise AuthorizationLostError("an API host that is not on the list", reason=Reason.HOST_NOT_ALLOWED)
        try:
            expires_at = self._clock.now() + timedelta(seconds=life_s(body))
        except (TypeError, ValueError) as error:
            raise answer.unreadable("expires_in is no number") from error
        return AccessToken(str(body["access_token"]), expires_at, api_url)

    def _client_id(self, centre: DataCentre) -> str:
        return self._settings.client_ids.get(centre.name, self._settings.client_id)

    def _home(self) -> DataCentre:
        return self._data_centres.named(HOME)


def life_s(body: Mapping[str, Any]) -> float:
    """Seconds that a token lives. Older answers tell them in `expires_in_sec`, and milliseconds in `expires_in`."""
    told = body.get("expires_in_sec", body.get("expires_in", _LIFE_S))
    seconds = float(told)
    return seconds / 1000 if seconds > _LONGEST_LIFE_S else seconds


def _token_error(answer: Answer, body: Mapping[str, Any]) -> ContactSyncError:
    error = str(body.get("error", ""))
    details = {"operation": answer.operation, "status": answer.status, "error": error}
    if error.lower() in _THROTTLES or answer.status == 429:  # noqa: PLR2004  RFC 6585, 4
        wait = max(THROTTLED_S, answer.retry_after_s or 0.0)
        return RateLimitedError("too many tokens", reason=Reason.TOKEN_THROTTLE, details=details, retry_after_s=wait)
    if error in _OUR_FAULT:
        # Not a reason to stop the process: the secret of one data centre may be wrong while the others work.
        return ProviderContractError(
            f"Zoho refuses the application: {error}", reason=Reason.OAUTH_CLIENT_REFUSED, details=details
        )
    if error:
        return AuthorizationLostError(error, details=details)
    return answer.unreadable("neither a token nor an error")
