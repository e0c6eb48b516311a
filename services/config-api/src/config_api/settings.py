"""Settings of config-api; every variable has the prefix `CONTACTSYNC_`."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import NoDecode

from contactsync.assembly.settings import CommonSettings, Duration


def _words(value: object) -> object:
    """`a, b c` as a list."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


class ConfigApiSettings(CommonSettings):
    """What config-api needs beside what both services need."""

    api_host: str = Field("127.0.0.1", description="Where the HTTP interface is served")
    api_port: int = Field(8080, ge=0, le=65535)
    admin_host: str = Field("127.0.0.1", description="Where /livez, /readyz and /metrics are served")
    admin_port: int = Field(8082, ge=0, le=65535)
    public_url: HttpUrl = Field(HttpUrl("http://127.0.0.1:8080"), description="How browsers reach config-api")
    return_origins: Words = Field((), description="Origins to which a browser may return after a consent")
    oidc_issuer: HttpUrl | None = Field(None, description="OpenID provider of callers; without it: one local user")
    oidc_audience: str = Field("", description="Audience that tokens must name")
    oidc_client_id: str = Field("", description="Client of the settings page")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret")
    oidc_jwks_url: HttpUrl | None = Field(None, description="Key set, where the issuer publishes no metadata")
    consent_lifetime: Duration = Field(timedelta(minutes=10), description="How long a consent may take")
    sweep_every: Duration = Field(timedelta(seconds=15), description="How often due and stuck runs are looked for")
    max_body_bytes: int = Field(256 * 1024, ge=1024, description="Larger request bodies are refused")

    @property
    def is_local(self) -> bool:
        """One local user, on the loopback alone."""
        return self.oidc_issuer is None and self.oidc_jwks_url is None

    @model_validator(mode="after")
    def _local_means_loopback(self) -> Self:
        if self.is_local and not _is_loopback(self.api_host):
            raise ValueError("without OIDC_ISSUER or OIDC_JWKS_URL, API_HOST must be a loopback address")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
