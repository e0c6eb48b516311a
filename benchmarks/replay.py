"""Statements that config-api sends for a call, recorded from itself and sent again with other ids and times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg

if TYPE_CHECKING:
    from asyncpg.connection import LoggedQuery

    from contactsync.adapters.sql.database import Connection, Database

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
_COMMIT: Final = "COMMIT"


@dataclass(slots=True)
class Statement:
    """One statement, and which of its arguments each request has of its own."""

    query: str
    arguments: list[Any]
    own: list[tuple[int, object]]
    """Places and recorded values of arguments that are ids or texts of the request; None stands for the time."""


@dataclass(slots=True)
class Recording:
    """What was sent, in its order."""

    queries: list[LoggedQuery]

    def script(self, fixed: frozenset[UUID], texts: frozenset[str]) -> Script:
        """The transactions. Ids but the fixed ones, and these texts, belong to the request."""
        transactions: list[list[Statement]] = [[]]
        for logged in self.queries:
            own: list[tuple[int, object]] = [
                (place, None if isinstance(value, datetime) else value)
                for place, value in enumerate(logged.args or ())
                if isinstance(value, datetime)
                or (isinstance(value, UUID) and value not in fixed)
                or (isinstance(value, str) and value in texts)
            ]
            transactions[-1].append(Statement(logged.query, list(logged.args or ()), own))
            if logged.query == _COMMIT:
                transactions.append([])
        return Script([one for one in transactions if one])


@asynccontextmanager
async def recording(database: Database) -> AsyncIterator[Recording]:
    """Records what the pool sends meanwhile. The pool must have one connection."""
    queries: list[LoggedQuery] = []
    recorded = Recording([])
    async with database.untenanted() as connection:
        connection.add_query_logger(queries.append)
    await asyncio.sleep(0)  # the driver tells in the next turn of the loop
    queries.clear()
    yield recorded
    await asyncio.sleep(0)
    recorded.queries.extend(queries)
    async with database.untenanted() as connection:
        connection.remove_query_logger(queries.append)


@dataclass(slots=True)
class Script:
    """The transactions of one call."""

    transactions: list[list[Statement]]

    async def play(
        self, pool: asyncpg.Pool[asyncpg.Record], given: Mapping[object, object]
    ) -> Sequence[asyncpg.Record]:
        """Send them, each transaction on a connection of its own; the rows of the last statement that had any.

        `given` holds what stands for recorded ids and texts; another id is a new one in each request.
        """
        values: dict[object, object] = {None: datetime.now(UTC), **given}
        rows: Sequence[asyncpg.Record] = ()
        for transaction in self.transactions:
            async with pool.acquire() as connection:
                for statement in transaction:
                    rows = await _send(connection, statement, values) or rows
        return rows


async def _send(
    connection: Connection, statement: Statement, values: dict[object, object]
) -> Sequence[asyncpg.Record] | None:
    if not statement.arguments:
        await connection.execute(statement.query)
        return None
    arguments = list(statement.arguments)
    for place, recorded in statement.own:
        if recorded not in values:
            values[recorded] = uuid4()
        arguments[place] = values[recorded]
    return await connection.fetch(statement.query, *arguments)
