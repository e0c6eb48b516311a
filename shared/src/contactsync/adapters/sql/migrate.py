"""Bringing a database to the newest schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from contactsync.errors import ConfigurationError

_SCRIPTS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = 0x636F6E74616374  # "contact"; several processes may be told to migrate at once


def upgrade(admin_url: str) -> None:
    """Bring the database to the newest schema; nothing happens when it has it.

    `admin_url` is the address of the schema's owner (`postgresql://…`). The roles `contactsync_app` and
    `contactsync_scheduler` must exist, or the owner must be allowed to create roles. Raises ConfigurationError when the
    server refuses the address or its role, OSError when none answers there.
    """
    asyncio.run(_run(admin_url, _upgrade))


def current_revision(admin_url: str) -> str | None:
    """The revision of the database's schema, None before the first."""
    revisions: list[str | None] = []
    asyncio.run(_run(admin_url, lambda c: revisions.append(MigrationContext.configure(c).get_current_revision())))
    return revisions[0]


def newest_revision() -> str | None:
    """The revision that this release brings."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def _run(admin_url: str, work: Callable[[Connection], None]) -> None:
    engine = create_async_engine(_with_driver(admin_url), poolclass=pool.NullPool)
    try:
        async with _connected(engine) as connection:
            await connection.run_sync(work)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await engine.connect()
    except DBAPIError as error:
        raise ConfigurationError(f"DATABASE_ADMIN_URL: {error.orig}") from error
    try:
        yield connection
    except DBAPIError as error:
        if isinstance(error.orig and error.orig.__cause__, asyncpg.InsufficientPrivilegeError):
            raise ConfigurationError(f"DATABASE_ADMIN_URL: not the schema's owner: {error.orig}") from error
        raise
    finally:
        await connection.close()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_AT_A_TIME})
    connection.commit()
    try:
        command.upgrade(config, "head")
    finally:
        connection.rollback()  # of what failed: its error is to be seen, and not that of the next line
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _with_driver(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg"))
