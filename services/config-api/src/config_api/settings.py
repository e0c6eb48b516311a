"""Settings of config-api; every variable has the prefix `CONTACTSYNC_`."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import NoDecode

from config_api.callers.algorithms import ASYMMETRIC
from contactsync.assembly.settings import CommonSettings, Duration


def _words(value: object) -> object:
    """`a, b c` as a list."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _address(value: str) -> str:
    """An http(s) address kept letter by letter: issuers are compared, not parsed (OpenID Connect Core, 3.1.3.7)."""
    parts = urlsplit(value)
    if value and (parts.scheme not in {"https", "http"} or not parts.netloc):
        raise ValueError("not an http address")
    return value


Address = Annotated[str, AfterValidator(_address)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


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
        "", description="OpenID provider of callers, as it names itself; empty: one local user"
    )
    oidc_audience: str = Field("", description="Audience that tokens for this API name")
    oidc_client_id: str = Field("", description="Client of the settings page; empty: the page cannot be signed in to")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret; empty for a public client")
    oidc_jwks_url: Address = Field("", description="Key set, where the issuer publishes no metadata")
    oidc_algorithms: Words = Field(("RS256", "PS256", "ES256"), description="Algorithms that issuers may sign with")
    oidc_scopes: Words = Field(("openid", "profile", "email"), description="Scopes that the page asks for")
    oidc_organisation_claim: str = Field("organisation", description="Claim that names the caller's organisation")
    oidc_role_claim: str = Field("role", description="Claim with the caller's role or roles")
    oidc_admin_roles: Words = Field(("admin",), description="Its values that stand for an administrator")
    crm_issuer: Address = Field("", description="A CRM that signs tokens itself, beside the issuer or instead of it")
    crm_jwks_url: Address = Field("", description="Its key set")
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
        return not (self.oidc_issuer or self.crm_issuer)

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
            raise ValueError("without OIDC_ISSUER or CRM_ISSUER, API_HOST must be a loopback address")
        return self

    @model_validator(mode="after")
    def _trust_is_whole(self) -> Self:
        if bool(self.crm_issuer) != bool(self.crm_jwks_url):
            raise ValueError("CRM_ISSUER and CRM_JWKS_URL belong together")
        if self.oidc_jwks_url and not self.oidc_issuer:
            raise ValueError("OIDC_JWKS_URL needs OIDC_ISSUER")
        if not self.is_local and not self.oidc_audience:
            raise ValueError("OIDC_AUDIENCE: tokens must name whom they are for")
        if not ASYMMETRIC.issuperset(self.oidc_algorithms) or not self.oidc_algorithms:
            raise ValueError("OIDC_ALGORITHMS: asymmetric algorithms alone")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
