"""Connections to PostgreSQL, and the three kinds of transaction: of one tenant, across tenants, outside of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from contactsync.domain.ids import OrganisationId
from contactsync.errors import ConfigurationError
from contactsync.telemetry import metrics

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""A connection of the pool, inside a transaction."""

SCHEDULER_ROLE = "contactsync_scheduler"
_ENTER = "SELECT set_config('contactsync.organisation', $1, true)"
_STEP_INTO = f"SET LOCAL ROLE {SCHEDULER_ROLE}"
_CHECK_ROLE = """
SELECT r.rolsuper OR r.rolbypassrls AS passes_walls,
       pg_has_role(current_user, $1, 'USAGE') AS inherits,
       pg_has_role(current_user, $1, 'MEMBER') AS may_step,
       EXISTS (SELECT FROM pg_class c WHERE c.relrowsecurity AND c.relowner = r.oid) AS owns
FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many connections a process holds, and how patient they are.

    `statement_cache` must be 0 behind a pooler that does not keep prepared statements apart (PgBouncer before 1.21).
    """

    min_size: int = 1
    max_size: int = 10
    statement_cache: int = 200
    command_timeout_s: float = 30.0
    idle_in_transaction_s: float = 20.0


class Database:
    """A pool of connections of the application's role.

    Every setting is local to its transaction, so that nothing leaks through a pooler and no reset is needed.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        began = time.perf_counter()
        async with self._pool.acquire() as connection:
            metrics.POOL_WAIT.observe(time.perf_counter() - began)
            yield connection

    @asynccontextmanager
    async def tenant(self, organisation_id: OrganisationId) -> AsyncIterator[Connection]:
        """A transaction that sees the rows of one organisation; commits at the end, rolls back on any error."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_ENTER, str(organisation_id))
            yield connection

    @asynccontextmanager
    async def scheduler(self) -> AsyncIterator[Connection]:
        """A transaction that sees ids and times of all organisations, and nothing else."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_STEP_INTO)
            yield connection

    @asynccontextmanager
    async def untenanted(self) -> AsyncIterator[Connection]:
        """A transaction that sees the tables outside the tenant walls alone."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    async def fetch_as_tenants(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """The rows of one statement that enters the tenants that it names by itself, in a transaction of its own."""
        async with self._pool.acquire() as connection:
            return await connection.fetch(statement, *values)

    async def ping(self) -> None:
        """Return when the database answers."""
        async with self._pool.acquire() as connection:
            await connection.execute("SELECT 1")

    async def answers(self, within_s: float = 3.0) -> bool:
        """Whether the database answers now."""
        try:
            async with asyncio.timeout(within_s):
                await self.ping()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # TimeoutError is an OSError
            return False
        return True

    async def check_role(self) -> None:
        """Raise ConfigurationError when the role of the address would see through the tenant walls."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(_CHECK_ROLE, SCHEDULER_ROLE)
        if row is None or row["passes_walls"] or row["owns"] or row["inherits"]:
            raise ConfigurationError(
                "DATABASE_URL: the role must own no table, must not bypass row security, and must not inherit "
                f"{SCHEDULER_ROLE} (make it NOINHERIT)"
            )
        if not row["may_step"]:
            raise ConfigurationError(f"DATABASE_URL: the role must be a member of {SCHEDULER_ROLE}")


@asynccontextmanager
async def open_database(url: str, settings: PoolSettings | None = None) -> AsyncIterator[Database]:
    """A pool on this address, closed at the end."""
    pool = connection_pool(url, settings or PoolSettings())
    async with pool:
        metrics.POOL_SIZE.set_function(pool.get_size)
        metrics.POOL_IN_USE.set_function(lambda: pool.get_size() - pool.get_idle_size())
        try:
            yield Database(pool)
        finally:
            for gauge in (metrics.POOL_SIZE, metrics.POOL_IN_USE):
                gauge.set_function(lambda: 0)


def connection_pool(url: str, settings: PoolSettings) -> asyncpg.Pool[asyncpg.Record]:
    """The driver's pool on this address, to be opened by `async with`."""
    return asyncpg.create_pool(
        driver_url(url),
        min_size=settings.min_size,
        max_size=settings.max_size,
        statement_cache_size=settings.statement_cache,
        command_timeout=settings.command_timeout_s,
        reset=_no_reset,
        server_settings={
            "application_name": "contactsync",
            # A frozen worker must not keep the row of its lease locked for ever.
            "idle_in_transaction_session_timeout": f"{settings.idle_in_transaction_s * 1000:.0f}",
        },
    )


def driver_url(url: str) -> str:
    """The address as asyncpg takes it: without a driver's name in its scheme."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql"))


async def _no_reset(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Nothing to put back: see Database."""
