"""Connections to PostgreSQL, and the three kinds of transaction: of one tenant, across tenants, outside of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
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
_BEGIN = "BEGIN"
_ENTER = "BEGIN; SET LOCAL contactsync.organisation = '{}'"
_STEP_INTO = f"BEGIN; SET LOCAL ROLE {SCHEDULER_ROLE}"
_CHECK_ROLE = """
SELECT r.rolsuper OR r.rolbypassrls AS passes_walls,
       pg_has_role(current_user, $1, 'USAGE') AS inherits,
       pg_has_role(current_user, $1, 'MEMBER') AS may_step, to_regclass('installation') IS NOT NULL AS migrated,
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


class _Transaction(AbstractAsyncContextManager[Connection]):
    """A transaction on a connection of the pool; commits at the end, rolls back on any error.

    What it begins with travels with its BEGIN: the driver's own transactions take a round trip for each of the two.
    """

    __slots__ = ("_begin", "_connection", "_pool")

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], begin: str) -> None:
        self._pool = pool
        self._begin = begin

    async def __aenter__(self) -> Connection:
        began = time.perf_counter()
        self._connection = await self._pool.acquire()
        metrics.POOL_WAIT.observe(time.perf_counter() - began)
        try:
            await self._connection.execute(self._begin)
        except BaseException:  # a cancellation too must give the connection back
            await self._give_up()
            raise
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await self._give_up()
            return
        try:
            await self._connection.execute("COMMIT")
        finally:
            await self._pool.release(self._connection)

    async def _give_up(self) -> None:
        try:
            with suppress(asyncpg.InterfaceError):  # a connection that is lost has nothing to roll back
                await self._connection.execute("ROLLBACK")
        finally:
            # One that is lost at this moment has left the pool by itself; what went wrong before is what counts.
            with suppress(asyncpg.InternalClientError):
                await self._pool.release(self._connection)


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """A part of a transaction: when it fails, it alone is undone, and the transaction may go on."""
    await connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:  # whatever it was, and it goes on: the transaction is left as it stood before
        await connection.execute("ROLLBACK TO SAVEPOINT part")
        raise
    await connection.execute("RELEASE SAVEPOINT part")


class Database:
    """A pool of connections of the application's role.

    Every setting is local to its transaction, so that nothing leaks through a pooler and no reset is needed.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    def tenant(self, organisation_id: OrganisationId) -> AbstractAsyncContextManager[Connection]:
        """A transaction that sees the rows of one organisation; commits at the end, rolls back on any error."""
        return _Transaction(self._pool, _ENTER.format(organisation_id.hex))  # of a UUID alone: it becomes a statement

    def scheduler(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction that sees ids and times of all organisations, and nothing else."""
        return _Transaction(self._pool, _STEP_INTO)

    def untenanted(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction that sees the tables outside the tenant walls alone."""
        return _Transaction(self._pool, _BEGIN)

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
        """Raise ConfigurationError when the address's role would see through the tenant walls, or sees no schema."""
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(_CHECK_ROLE, SCHEDULER_ROLE)
        if row is None or row["passes_walls"] or row["owns"] or row["inherits"]:
            raise ConfigurationError(
                "DATABASE_URL: the role must own no table, must not bypass row security, and must not inherit "
                f"{SCHEDULER_ROLE} (make it NOINHERIT)"
            )
        if not row["may_step"]:
            raise ConfigurationError(f"DATABASE_URL: the role must be a member of {SCHEDULER_ROLE}")
        if not row["migrated"]:
            raise ConfigurationError("DATABASE_URL: the database has no schema yet: run `migrate` first")


@asynccontextmanager
async def open_database(url: str, settings: PoolSettings | None = None) -> AsyncIterator[Database]:
    """A pool on this address, closed at the end. Raises ConfigurationError when the server refuses the address."""
    pool = connection_pool(url, settings or PoolSettings())
    try:
        await pool
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise ConfigurationError(f"DATABASE_URL: {error}") from error
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
