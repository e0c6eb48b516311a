"""Where a scenario is played: simulators and worker as processes, a fresh database, both address books."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import orjson

from benchmarks.worker import Assignment
from contactsync.adapters.sql.database import open_database
from contactsync.adapters.sql.migrate import upgrade
from contactsync.domain.ids import (
    AccountKey,
    ConfigId,
    ConnectionId,
    GroupId,
    OrganisationId,
    UserId,
    ViewId,
)
from contactsync.domain.mapping import default_mapping
from contactsync.domain.policy import DeletePolicy, Direction, Policy
from contactsync.ports.requests import APPROVAL, BY_HAND, RunLimits
from contactsync.ports.state import RunMode, RunSettings
from tests.contract.state.worlds import KEYS, SqlWorld
from tests.support.postgres import Database
from tests.support.vendors import Vendors, furnish

_LINE_BYTES = 8 * 1024 * 1024


class Program:
    """A Python program that answers lines with lines."""

    def __init__(self, process: Process, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self._process = process
        self._stdin = stdin
        self._stdout = stdout

    async def ask(self, line: str) -> dict[str, Any]:
        """The answer to one line."""
        self._stdin.write(line.encode() + b"\n")
        await self._stdin.drain()
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """The next line."""
        line = await self._stdout.readline()
        if not line:
            raise RuntimeError(f"the program ended with {await self._process.wait()}")
        read: dict[str, Any] = orjson.loads(line)
        return read


class Worker:
    """The measured process."""

    def __init__(self, program: Program, idle_rss_mib: float) -> None:
        self._program = program
        self.idle_rss_mib = idle_rss_mib

    async def run(self, mode: RunMode = RunMode.SYNC, trigger: str = BY_HAND) -> dict[str, Any]:
        """One run, worked to its end, with what it took."""
        return await self._program.ask(f"{mode.value} {trigger}")

    async def approve(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The run that carries out the deletes for which that one asked."""
        return await self.run(RunMode.APPROVED_DELETES, f"{APPROVAL}{asked['run']}")


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[Program]:
    """A Python program that ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES, env=dict(os.environ)
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a program without pipes")
    try:
        yield Program(process, process.stdin, process.stdout)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass(slots=True)
class Stage:
    """Both books; a configuration that joins them is made by `join`."""

    server: Database
    vendors: Vendors
    urls: Mapping[str, str]
    quota: Mapping[str, int]
    stack: AsyncExitStack

    async def join(
        self,
        direction: Direction,
        *,
        deletions: DeletePolicy = DeletePolicy.KEEP,
        limits: RunLimits | None = None,
    ) -> Worker:
        """A configuration in a database of its own, and a worker for it: nothing of earlier ones is known to it."""
        limits = limits or RunLimits()
        name = f"bench_{secrets.token_hex(6)}"
        database = self.server.named(name)
        await _execute(self.server.admin_url, f"CREATE DATABASE {name}")
        self.stack.push_async_callback(_execute, self.server.admin_url, f"DROP DATABASE {name} WITH (FORCE)")
        await asyncio.to_thread(upgrade, database.admin_url)
        settings = self._settings(direction, deletions)
        async with open_database(database.url) as opened:
            await SqlWorld(database, opened).put(settings)
        assignment = Assignment(
            database_url=database.url,
            keys=KEYS,
            google_url=self.urls["google"],
            zoho_url=self.urls["zoho"],
            google_token=self.vendors.google.token,
            zoho_token=self.vendors.crm.token,
            organisation=settings.organisation_id,
            config=settings.config_id,
            zoho_connection=settings.crm_connection_id,
            google_connection=settings.google_connection_id,
            initial_limit=limits.initial,
            incremental_limit=limits.incremental,
            quota=dict(self.quota),
        )
        worker = await self.stack.enter_async_context(program("-m", "benchmarks.worker"))
        ready = await worker.ask(orjson.dumps(asdict(assignment), default=str).decode())
        return Worker(worker, ready["idle_rss_mib"])

    def _settings(self, direction: Direction, deletions: DeletePolicy) -> RunSettings:
        return RunSettings(
            organisation_id=OrganisationId(uuid4()),
            config_id=ConfigId(uuid4()),
            owner_id=UserId(uuid4()),
            crm_connection_id=ConnectionId(uuid4()),
            google_connection_id=ConnectionId(uuid4()),
            account=AccountKey(uuid4().bytes),
            view_id=ViewId(self.vendors.crm.view),
            group_id=GroupId(self.vendors.google.group),
            policy=Policy(direction=direction, mapping=default_mapping(), deletions=deletions),
            region="GB",
        )


@asynccontextmanager
async def stage(server: Database, simulators: Mapping[str, Any], quota: Mapping[str, int]) -> AsyncIterator[Stage]:
    """Both simulators with these settings and empty books; everything that was started ends with the block."""
    async with AsyncExitStack() as stack:
        vendors = await stack.enter_async_context(
            program("-m", "simulators", "--exit-with-parent", "--settings", orjson.dumps(dict(simulators)).decode())
        )
        urls = await vendors.answer()
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=300))
        both = await furnish(urls["google"], urls["zoho"], client)
        yield Stage(server, both, urls, quota, stack)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
