"""The three kinds of transaction, on a pool of one connection: what one of them did is nothing to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from contactsync.adapters.sql.database import Connection, Database, PoolSettings, open_database, savepoint
from contactsync.domain.ids import OrganisationId
from tests.support.postgres import Database as Address
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres

_WHERE = "SELECT current_user::text AS role, current_setting('contactsync.organisation', true) AS organisation"
_HELD = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_SLEEPING = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')
"""


@pytest.fixture
async def narrow(database: Address) -> AsyncIterator[Database]:
    async with open_database(database.url, PoolSettings(max_size=1)) as opened:
        yield opened


async def is_nowhere(narrow: Database) -> bool:
    """Whether the connection has left every tenant and every role, and holds nothing."""
    async with narrow.untenanted() as connection:
        row = await connection.fetchrow(_WHERE)
        held = await connection.fetchval(_HELD)
    assert row is not None
    return not row["organisation"] and row["role"] != "contactsync_scheduler" and held == 0


class Transactions:
    """Transactions that take a lock and go on, and what became of them."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    async def play(
        self, transaction: AbstractAsyncContextManager[Connection], then: Callable[[Connection], Awaitable[object]]
    ) -> None:
        async with transaction as connection:
            self._ids.append(await connection.fetchval("SELECT pg_current_xact_id()::text"))
            await connection.execute("SELECT pg_advisory_xact_lock(7)")
            await then(connection)

    async def fates(self, narrow: Database) -> list[str]:
        async with narrow.untenanted() as connection:
            return [await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", one) for one in self._ids]


async def test_a_transaction_stands_where_it_was_begun_and_leaves_nothing_behind(narrow: Database) -> None:
    played = Transactions()

    organisation = OrganisationId(uuid4())

    async def look(connection: Connection) -> None:
        assert await connection.fetchval("SELECT current_setting('contactsync.organisation')") == organisation.hex

    await played.play(narrow.tenant(organisation), look)
    assert await is_nowhere(narrow)

    async def look_across(connection: Connection) -> None:
        assert await connection.fetchval("SELECT current_user::text") == "contactsync_scheduler"

    await played.play(narrow.scheduler(), look_across)
    assert await is_nowhere(narrow)
    assert await played.fates(narrow) == ["committed", "committed"]


async def test_one_that_fails_is_rolled_back(narrow: Database) -> None:
    played = Transactions()

    async def fail(_: Connection) -> None:
        raise RuntimeError("on purpose")

    async def divide(connection: Connection) -> None:
        await connection.fetchval("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="on purpose"):
        await played.play(narrow.tenant(OrganisationId(uuid4())), fail)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await played.play(narrow.scheduler(), divide)
    assert await is_nowhere(narrow)
    assert await played.fates(narrow) == ["aborted", "aborted"]


async def test_one_that_is_cancelled_is_rolled_back(narrow: Database, database: Address) -> None:
    played = Transactions()

    async def endless(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(600)")

    async def under_way() -> bool:
        """The server has it: a cancellation that comes before a statement cancels nothing there."""
        watcher = await asyncpg.connect(database.url)
        try:
            return bool(await watcher.fetchval(_SLEEPING))
        finally:
            await watcher.close()

    task = asyncio.create_task(played.play(narrow.tenant(OrganisationId(uuid4())), endless))
    await wait_until(under_way)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_nowhere(narrow)
    assert await played.fates(narrow) == ["aborted"]


async def test_one_whose_connection_is_lost_fails_and_the_next_has_another(narrow: Database) -> None:
    played = Transactions()

    async def lose(connection: Connection) -> None:
        connection.terminate()

    async def lose_and_fail(connection: Connection) -> None:
        connection.terminate()
        raise RuntimeError("on purpose")

    with pytest.raises(asyncpg.InterfaceError):  # a commit that cannot be sent is none
        await played.play(narrow.tenant(OrganisationId(uuid4())), lose)
    with pytest.raises(RuntimeError, match="on purpose"):
        await played.play(narrow.tenant(OrganisationId(uuid4())), lose_and_fail)
    await wait_until(lambda: is_nowhere(narrow))  # the server learns of it in its own time
    assert await played.fates(narrow) == ["aborted", "aborted"]


async def test_a_part_that_fails_is_undone_alone(narrow: Database) -> None:
    async def part(connection: Connection, name: str, statement: str) -> None:
        async with savepoint(connection):
            await connection.execute("SELECT set_config($1, 'yes', true)", f"contactsync.{name}")
            await connection.fetchval(statement)

    async with narrow.tenant(OrganisationId(uuid4())) as connection:
        await part(connection, "before", "SELECT 1")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await part(connection, "failed", "SELECT 1 / 0")
        await part(connection, "after", "SELECT 1")
        told = [
            await connection.fetchval("SELECT current_setting($1, true)", f"contactsync.{name}")
            for name in ("before", "failed", "after")
        ]
    assert [one == "yes" for one in told] == [True, False, True]


async def test_what_is_no_id_opens_no_tenant(narrow: Database) -> None:
    with pytest.raises(AttributeError):
        narrow.tenant(cast("OrganisationId", "'; RESET ROLE; --"))
