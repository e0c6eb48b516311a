"""The product in one process: private servers where none are given, both services on one foundation."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config_api.processes import EVERY_ROLE, play
from config_api.resources import resources_on
from config_api.settings import ConfigApiSettings
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.memory.queue import MemoryQueue, MemoryQueueWarning
from contactsync.adapters.sql.database import PoolSettings
from contactsync.adapters.sql.migrate import upgrade
from contactsync.assembly.foundation import job_queue, open_foundation
from contactsync.ports.clock import Clock
from contactsync.ports.queue import JobQueue
from contactsync.waiting import first_error
from standalone.postgres import private_postgres
from standalone.rabbitmq import installed_programs, private_rabbitmq
from standalone.servers import ServerUnavailableError
from sync_worker.main import work
from sync_worker.settings import SyncWorkerSettings

DATABASE_URL: Final = "CONTACTSYNC_DATABASE_URL"
DATABASE_ADMIN_URL: Final = "CONTACTSYNC_DATABASE_ADMIN_URL"
AMQP_URL: Final = "CONTACTSYNC_AMQP_URL"

_POOL: Final = PoolSettings(max_size=30)
_ORDERLY_S: Final = 20.0
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of the database and of the broker, and how a person is told about them."""

    database_url: str
    about_database: str
    amqp_url: str | None
    about_queue: str


@asynccontextmanager
async def servers(folder: Path, environ: Mapping[str, str] = os.environ) -> AsyncIterator[Servers]:
    """Database with the newest schema, and a broker where one is given or installed; stopped at the end.

    Raises ServerUnavailableError or ServerStartError when there is no database to be had.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.TaskGroup() as starting:  # side by side: each takes seconds
                database = starting.create_task(stack.enter_async_context(_database(folder / "postgres", environ)))
                broker = starting.create_task(stack.enter_async_context(_broker(folder / "rabbitmq", environ)))
        except BaseExceptionGroup as group:
            raise first_error(group) from None
        yield Servers(*database.result(), *broker.result())


@asynccontextmanager
async def _database(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[tuple[str, str]]:
    given = environ.get(DATABASE_URL)
    if given:
        admin_url = environ.get(DATABASE_ADMIN_URL)
        if not admin_url:
            raise ServerUnavailableError(f"with {DATABASE_URL} the schema's owner is needed in {DATABASE_ADMIN_URL}")
        await asyncio.to_thread(upgrade, admin_url)
        yield given, f"the one of {DATABASE_URL}"
        return
    async with private_postgres(folder, durable=True) as server:
        await asyncio.to_thread(upgrade, server.admin_url)
        yield server.url, "a private PostgreSQL server"


@asynccontextmanager
async def _broker(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[tuple[str | None, str]]:
    given = environ.get(AMQP_URL)
    programs = None if given else installed_programs(environ)
    if given:
        yield given, f"the RabbitMQ of {AMQP_URL}"
    elif programs is not None:
        async with private_rabbitmq(folder, programs) as server:
            yield server.url, "a private node of the installed RabbitMQ"
    else:
        yield None, "in memory, for this process alone: no RabbitMQ is installed"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings of both services, from the environment and from what this process knows better."""

    api: ConfigApiSettings
    worker: SyncWorkerSettings

    @classmethod
    def read(cls, **known: Any) -> ServiceSettings:  # noqa: ANN401  a value for any setting
        """Raises ConfigurationError naming every variable that is wrong."""
        return cls(ConfigApiSettings.read(**known), SyncWorkerSettings.read(**known, worker_admin_port=0))


@asynccontextmanager
async def services(settings: ServiceSettings, clock: Clock | None = None) -> AsyncIterator[None]:
    """Both services at work until the end of the block; slices under way then end in good order.

    The clock is the machine's unless one is given. A service that fails cancels the block, and its error is raised.
    """
    clock = clock or SystemClock()
    stop = asyncio.Event()
    async with open_foundation(settings.api, clock, _POOL) as foundation:
        resources = await resources_on(foundation, settings.api)
        queue = _queue(settings.api, clock)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(play(EVERY_ROLE, resources, queue, stop), name="config-api"),
                    tasks.create_task(work(foundation, queue, settings.worker, stop), name="sync-worker"),
                ]
                try:
                    await _listening(settings.api)
                    yield
                finally:
                    stop.set()
                    await asyncio.wait(running, timeout=_ORDERLY_S)
        except BaseExceptionGroup as group:
            raise first_error(group) from None


async def _listening(settings: ConfigApiSettings) -> None:
    """Return when config-api takes connections; its failure cancels the waiting."""
    while True:
        try:
            _, writer = await asyncio.open_connection(settings.api_host, settings.api_port)
        except OSError:
            await asyncio.sleep(_POLL_S)
        else:
            writer.close()
            return


def _queue(settings: ConfigApiSettings, clock: Clock) -> JobQueue:
    if settings.amqp_url is not None:
        return job_queue(settings, clock, "standalone")
    with warnings.catch_warnings():  # the banner says it
        warnings.simplefilter("ignore", MemoryQueueWarning)
        return MemoryQueue()
