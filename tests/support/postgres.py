"""Fresh, migrated databases on the PostgreSQL server of this run."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import anyio
import asyncpg
import pytest

from tests.support.addresses import DATABASE_ADMIN_URL, DATABASE_URL, address
from tests.support.waiting import wait_until

_DROPPED_WITHIN_S = 45
"""A server that many tests use at once may take long over its checkpoints."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database: `url` for the application's role, which owns nothing, `admin_url` for the owner of the schema."""

    url: str
    admin_url: str

    def named(self, name: str) -> "Database":
        """The same server and roles, another database."""
        return Database(_with_path(self.url, name), _with_path(self.admin_url, name))


@pytest.fixture(scope="session")
def postgres_server() -> Database:
    """The server of the run, by its maintenance database."""
    return Database(address(DATABASE_URL), address(DATABASE_ADMIN_URL))


@pytest.fixture
async def empty_database(postgres_server: Database) -> AsyncIterator[Database]:
    """A database of this test alone, without any table."""
    async with _temporary(postgres_server, template="template1") as database:
        yield database


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Database) -> Iterator[str]:
    """Name of a database with the newest schema, to copy: 0.1 s instead of a migration for each test."""
    # Imported here so that suites without a database do not load the database adapter.
    from contactsync.adapters.sql.migrate import upgrade  # noqa: PLC0415

    name = _fresh_name("template")
    anyio.run(_execute, postgres_server, f"CREATE DATABASE {name}")
    upgrade(postgres_server.named(name).admin_url)
    yield name
    anyio.run(_execute, postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(postgres_server: Database, migrated_template: str) -> AsyncIterator[Database]:
    """A database of this test alone, with the newest schema and no rows."""
    async with _temporary(postgres_server, template=migrated_template) as database:
        yield database


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes databases, which are dropped at the end of the test."""

    server: Database
    template: str
    made: AsyncExitStack

    async def fresh(self) -> Database:
        """One with the newest schema and no rows."""
        return await self.made.enter_async_context(_temporary(self.server, self.template))

    async def copy_of(self, database: Database) -> Database:
        """One with all that is in this one, to which nobody may be connected."""
        name = urlsplit(database.url).path.removeprefix("/")
        return await self.made.enter_async_context(_temporary(self.server, name))


@pytest.fixture
async def databases(postgres_server: Database, migrated_template: str) -> AsyncIterator[Databases]:
    """As many databases of this test alone as it asks for."""
    async with AsyncExitStack() as made:
        yield Databases(postgres_server, migrated_template, made)


@pytest.fixture
def postgres_url(database: Database) -> str:
    """Address of this test's database for the application's role."""
    return database.url


@asynccontextmanager
async def _temporary(server: Database, template: str) -> AsyncIterator[Database]:
    name = _fresh_name("test")
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.named(name)
    finally:
        await wait_until(lambda: _dropped(server, name), within_s=_DROPPED_WITHIN_S)


async def _dropped(server: Database, name: str) -> bool:
    """Whether the database could be dropped; not while the server's own vacuum is in it, which only it may end."""
    try:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def _execute(server: Database, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _fresh_name(kind: str) -> str:
    return f"contactsync_{kind}_{secrets.token_hex(6)}"


def _with_path(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
