"""What every process of the product stands on: clock, database, vault, and the edges where requests leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import SystemRandom

import httpx2
from pydantic import HttpUrl

from contactsync.adapters.amqp.queue import AmqpQueue
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import HttpEdge, HttpSettings, build_client
from contactsync.adapters.sql.database import Database, PoolSettings, open_database
from contactsync.adapters.sql.sealing import KeyRing
from contactsync.adapters.sql.vault import SqlVault
from contactsync.adapters.zoho.data_centres import DataCentres
from contactsync.assembly.settings import CommonSettings
from contactsync.errors import ConfigurationError, SealBrokenError
from contactsync.ports.clock import Clock
from contactsync.ports.queue import JobQueue
from contactsync.ports.requests import RunLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """Lives as long as the process."""

    clock: Clock
    database: Database
    vault: SqlVault
    client: httpx2.AsyncClient
    """For addresses that settings name, each through an edge of its own; the vendors have theirs below."""
    zoho: HttpEdge
    google: HttpEdge
    data_centres: DataCentres
    google_endpoints: GoogleEndpoints


@asynccontextmanager
async def open_foundation(
    settings: CommonSettings, clock: Clock, pool: PoolSettings | None = None
) -> AsyncIterator[Foundation]:
    """Build it from settings; everything is closed at the end.

    Raises ConfigurationError when the database role would see through the tenant walls, when there is no schema, when
    the keys are not those of what is stored, or a setting does not fit.
    """
    http = HttpSettings(read_timeout=settings.http_timeout, deadline=settings.http_timeout)
    data_centres = DataCentres.from_settings(_text(settings.zoho_accounts_url), _text(settings.zoho_api_url))
    endpoints = google_endpoints(settings)
    async with build_client(http) as client, open_database(str(settings.database_url), pool) as database:
        await database.check_role()
        vault = SqlVault(database, KeyRing.parse(settings.keys.get_secret_value()), clock)
        await _check_keys(vault)
        yield Foundation(
            clock=clock,
            database=database,
            vault=vault,
            client=client,
            zoho=HttpEdge(client, data_centres.guard, clock, http),
            google=HttpEdge(client, endpoints.guard(), clock, http),
            data_centres=data_centres,
            google_endpoints=endpoints,
        )


async def _check_keys(vault: SqlVault) -> None:
    """Raise ConfigurationError when nothing that is stored would open: every run and every request would fail."""
    try:
        await vault.installation()
    except SealBrokenError as error:
        version = error.details.get("version", "unknown")
        raise ConfigurationError(
            f"CONTACTSYNC_KEYS: key {version}, under which this database is sealed, is not among them"
        ) from error


def google_endpoints(settings: CommonSettings) -> GoogleEndpoints:
    """Google's own addresses, or those that the settings put in their place."""
    defaults = GoogleEndpoints()
    return GoogleEndpoints(
        people_url=_text(settings.google_people_url) or defaults.people_url,
        auth_url=_text(settings.google_auth_url) or defaults.auth_url,
        token_url=_text(settings.google_token_url) or defaults.token_url,
        revoke_url=_text(settings.google_revoke_url) or defaults.revoke_url,
        jwks_url=_text(settings.google_jwks_url) or defaults.jwks_url,
    )


def job_queue(settings: CommonSettings, clock: Clock, process_name: str) -> JobQueue:
    """The queue on RabbitMQ. Raises ConfigurationError when no broker is named."""
    if settings.amqp_url is None:
        raise ConfigurationError("CONTACTSYNC_AMQP_URL: a process of its own needs a broker")
    return AmqpQueue(AmqpSettings(url=str(settings.amqp_url), process_name=process_name), clock, SystemRandom())


def run_limits(settings: CommonSettings) -> RunLimits:
    """Contacts that runs take at most."""
    return RunLimits(initial=settings.initial_limit, incremental=settings.incremental_limit)


def _text(url: HttpUrl | None) -> str | None:
    """The address without the slash that pydantic adds to a bare host."""
    return None if url is None else str(url).rstrip("/")
