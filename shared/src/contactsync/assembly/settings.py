"""Settings that both services read, from variables with the prefix `CONTACTSYNC_` (a file for each secret works too).

A service's own class derives from `CommonSettings`, is read once in its `main`, and is handed down.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AmqpDsn, BeforeValidator, Field, HttpUrl, PostgresDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contactsync.errors import ConfigurationError

PREFIX = "CONTACTSYNC_"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: object) -> object:
    """`15`, `15s`, `15m`, `24h`, `30d`: seconds unless a unit is given."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return timedelta(seconds=float(match[1]) * _UNITS[match[2] or "s"]) if match else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class PrefixedSettings(BaseSettings):
    """Settings under our prefix, read once at the start of a process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def read(cls, **known: Any) -> Self:  # noqa: ANN401  a value for any setting
        """The settings of this process; what is `known` beforehand wins over the environment.

        Raises ConfigurationError naming every variable that is missing or wrong.
        """
        try:
            return cls(_secrets_dir=_secrets_dir(), **known)
        except ValidationError as error:
            problems = [(f"{PREFIX}{'_'.join(map(str, item['loc'])).upper()}: ", item) for item in error.errors()]
            # What concerns several settings names them itself.
            told = (f"{place if item['loc'] else ''}{item['msg']}" for place, item in problems)
            raise ConfigurationError("; ".join(told)) from None


class CommonSettings(PrefixedSettings):
    """Where the database, the broker and the providers are, and with which secrets they are used."""

    database_url: PostgresDsn = Field(description="PostgreSQL, as the application role", repr=False)
    database_direct_url: PostgresDsn | None = Field(
        None,
        description="The same database past any pooler, for a worker's sign of life and the relay's wake-up call",
        repr=False,
    )
    amqp_url: AmqpDsn | None = Field(
        None, description="RabbitMQ; without it only the standalone process can run", repr=False
    )
    keys: SecretStr = Field(description="Key-encryption keys, newest first: v2:<base64>,v1:<base64> (32 bytes each)")

    zoho_client_id: str = Field("", description="OAuth client of the Zoho API console")
    zoho_client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret; or one for each data centre: eu=…,us=…"
    )
    zoho_accounts_url: HttpUrl | None = Field(None, description="Replaces Zoho's accounts servers")
    zoho_api_url: HttpUrl | None = Field(None, description="Replaces Zoho's API domains")

    google_client_id: str = Field("", description="OAuth client of the Google Cloud project")
    google_client_secret: SecretStr = Field(SecretStr(""), description="Its secret")
    google_auth_url: HttpUrl | None = Field(None, description="Replaces Google's authorization endpoint")
    google_token_url: HttpUrl | None = Field(None, description="Replaces Google's token endpoint")
    google_revoke_url: HttpUrl | None = Field(None, description="Replaces Google's revocation endpoint")
    google_jwks_url: HttpUrl | None = Field(None, description="Replaces Google's signing keys")
    google_people_url: HttpUrl | None = Field(None, description="Replaces the People API")

    initial_limit: int = Field(10_000, ge=1, description="Contacts that a first run takes at most")
    incremental_limit: int = Field(500, ge=1, description="Contacts that each later run takes at most")
    visibility_wait: Duration = Field(timedelta(minutes=15), description="How long a listing may lag behind our writes")
    catch_up_pause: Duration = Field(timedelta(minutes=1), description="Pause between runs while a backlog waits")
    delete_brake_percent: int = Field(
        10, ge=0, le=100, description="More deletes than this share of the pairs need approval"
    )
    delete_brake_min: int = Field(5, ge=0, description="So many deletes never need approval")
    delete_brake_max: int = Field(50, ge=0, description="More deletes than this always need approval")

    http_timeout: Duration = Field(timedelta(seconds=20), description="Deadline of one call to a provider")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level that is logged")

    @property
    def direct_url(self) -> str:
        """The database past any pooler: locks and notifications belong to a session that nobody shares."""
        return str(self.database_direct_url or self.database_url)


def _secrets_dir() -> str | None:
    """Mounted secrets: one file a variable, where the directory exists (Docker and Kubernetes put them there)."""
    path = Path("/run/secrets/contactsync")
    return str(path) if path.is_dir() else None


def secrets_by_data_centre(secret: SecretStr) -> dict[str, str]:
    """`eu=abc,us=def` as a mapping; a plain secret under the empty name, for every data centre."""
    text = secret.get_secret_value()
    parts = [part.split("=", 1) for part in text.split(",")] if "=" in text else []
    if parts and all(len(part) == 2 and len(part[0].strip()) <= 2 for part in parts):  # noqa: PLR2004  `us`, `eu`, …
        return {name.strip(): value.strip() for name, value in parts}
    return {"": text}
