"""Settings of config-api; every variable has the prefix `CONTACTSYNC_`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import NoDecode

from config_api.callers.algorithms import ASYMMETRIC
from contactsync.assembly.settings import CommonSettings, Duration

_ISSUER: Final = "issuer"
_ZOHO: Final = "zoho"


def _words(value: object) -> object:
    """`a, b c` as a list."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _names(value: object) -> object:
    """`Sales Manager, CEO` as a list."""
    return [name for part in value.split(",") if (name := part.strip())] if isinstance(value, str) else value


def _address(value: str) -> str:
    """An http(s) address kept letter by letter: issuers are compared, not parsed (OpenID Connect Core, 3.1.3.7)."""
    parts = urlsplit(value)
    if value and (parts.scheme not in {"https", "http"} or not parts.netloc):
        raise ValueError("not an http address")
    return value


Address = Annotated[str, AfterValidator(_address)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class ConfigApiSettings(CommonSettings):
    """What config-api needs beside what both services need."""

    api_host: str = Field("127.0.0.1", description="Where the HTTP interface is served")
    api_port: int = Field(8080, ge=0, le=65535, description="Its port; 0 takes a free one")
    admin_host: str = Field("127.0.0.1", description="Where /livez, /readyz and /metrics are served")
    admin_port: int = Field(8082, ge=0, le=65535, description="Their port")
    public_url: HttpUrl = Field(HttpUrl("http://127.0.0.1:8080"), description="How browsers reach config-api")
    return_origins: Words = Field((), description="Origins to which a browser may return after a consent")
    frame_ancestors: Words = Field((), description="Sites that may show the page in a frame")
    cors_origins: Words = Field((), description="Origins whose pages may call the API with a token")
    oidc_issuer: Address = Field(
        "", description="OpenID provider of callers, as it names itself; no way to sign in at all: one local user"
    )
    oidc_audience: str = Field("", description="Audience that tokens for this API name")
    oidc_client_id: str = Field("", description="Client of the settings page; empty: the page cannot be signed in to")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret; empty for a public client")
    oidc_jwks_url: Address = Field("", description="Key set, where the issuer publishes no metadata")
    oidc_algorithms: Words = Field(("RS256", "PS256", "ES256"), description="Algorithms that issuers may sign with")
    oidc_scopes: Words = Field(("openid", "profile", "email"), description="Scopes that the page asks for")
    oidc_organisation_claim: str = Field("organisation", description="Claim that names the caller's organisation")
    oidc_role_claim: str = Field("role", description="Claim with the caller's role or roles")
    oidc_admin_roles: Names = Field(
        ("admin",), description="Its values that stand for an administrator, parted by commas"
    )
    crm_issuer: Address = Field("", description="A CRM that signs tokens itself, beside the issuer or instead of it")
    crm_jwks_url: Address = Field("", description="Its key set")
    sign_in: Words = Field(
        (), description="Ways to sign in to the page: issuer, zoho; empty: the issuer where OIDC_CLIENT_ID is set"
    )
    zoho_organisations: Words = Field(
        (), description="Organisations of the CRM (zgid) whose users may sign in with Zoho; `any` for all"
    )
    zoho_admin_profiles: Names = Field(
        (), description="CRM profiles, by name or id, parted by commas, whose users sign in as administrators"
    )
    session_lifetime: Duration = Field(timedelta(hours=8), description="How long a browser stays signed in")
    embed_session_lifetime: Duration = Field(timedelta(hours=1), description="The same in a frame of another site")
    requests_per_user: int = Field(300, ge=1, description="Requests of a user a minute, for each process")
    requests_per_organisation: int = Field(3000, ge=1, description="Requests of an organisation a minute, likewise")
    smtp_url: SecretStr = Field(
        SecretStr(""), description="smtp:// or smtps:// with user and password; else no letters"
    )
    smtp_from: str = Field("contact-sync@localhost", description="Sender of letters")
    webhook_hosts: Words = Field((), description="Hosts of outgoing webhooks that may be private and without TLS")
    consent_lifetime: Duration = Field(timedelta(minutes=10), description="How long a consent may take")
    sweep_every: Duration = Field(timedelta(seconds=15), description="How often due and stuck runs are looked for")
    max_body_bytes: int = Field(256 * 1024, ge=1024, description="Larger request bodies are refused")

    @property
    def is_local(self) -> bool:
        """One local user, on the loopback alone."""
        return not (self.oidc_issuer or self.crm_issuer or self.signs_in_with_zoho)

    @property
    def signs_in_with_zoho(self) -> bool:
        """Whether users of the CRM may sign in to the page."""
        return _ZOHO in self.sign_in

    @property
    def signs_in_with_issuer(self) -> bool:
        """Whether users of the issuer may."""
        return bool(self.oidc_issuer and self.oidc_client_id) and (not self.sign_in or _ISSUER in self.sign_in)

    @property
    def public_address(self) -> str:
        """The public address without a slash at its end."""
        return str(self.public_url).rstrip("/")

    @property
    def can_be_called(self) -> bool:
        """Whether the CRM takes our address for its notifications: https alone, but for a server in its place."""
        return self.public_url.scheme == "https" or self.zoho_api_url is not None

    @model_validator(mode="after")
    def _local_means_loopback(self) -> Self:
        if self.is_local and not _is_loopback(self.api_host):
            raise ValueError("without OIDC_ISSUER, CRM_ISSUER or SIGN_IN=zoho, API_HOST must be a loopback address")
        return self

    @model_validator(mode="after")
    def _trust_is_whole(self) -> Self:
        if bool(self.crm_issuer) != bool(self.crm_jwks_url):
            raise ValueError("CRM_ISSUER and CRM_JWKS_URL belong together")
        if self.oidc_jwks_url and not self.oidc_issuer:
            raise ValueError("OIDC_JWKS_URL needs OIDC_ISSUER")
        if (self.oidc_issuer or self.crm_issuer) and not self.oidc_audience:
            raise ValueError("OIDC_AUDIENCE: tokens must name whom they are for")
        if not ASYMMETRIC.issuperset(self.oidc_algorithms) or not self.oidc_algorithms:
            raise ValueError("OIDC_ALGORITHMS: asymmetric algorithms alone")
        return self

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        if problems := [*self._sign_in_problems()]:
            raise ValueError("; ".join(problems))
        return self

    def _sign_in_problems(self) -> Iterator[str]:
        if unknown := set(self.sign_in) - {_ISSUER, _ZOHO}:
            yield f"SIGN_IN knows issuer and zoho, not {', '.join(sorted(unknown))}"
        if _ISSUER in self.sign_in and not self.signs_in_with_issuer:
            yield "SIGN_IN=issuer needs OIDC_ISSUER and OIDC_CLIENT_ID"
        if self.sign_in and _ISSUER not in self.sign_in and self.oidc_client_id:
            yield "OIDC_CLIENT_ID is of no use where SIGN_IN leaves the issuer out"
        if not self.signs_in_with_zoho:
            if self.zoho_organisations or self.zoho_admin_profiles:
                yield "ZOHO_ORGANISATIONS and ZOHO_ADMIN_PROFILES are of use with SIGN_IN=zoho alone"
            return
        if not (self.zoho_client_id and self.zoho_client_secret.get_secret_value()):
            yield "SIGN_IN=zoho needs ZOHO_CLIENT_ID and ZOHO_CLIENT_SECRET"
        if not self.zoho_organisations:
            yield "SIGN_IN=zoho needs ZOHO_ORGANISATIONS: who may sign in, or `any`"
        if self.public_url.scheme != "https" and not _is_loopback(self.public_url.host or ""):
            yield "SIGN_IN=zoho needs an https PUBLIC_URL: browsers send the session's cookie over TLS alone"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
