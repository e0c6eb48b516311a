"""The command line: one command for each role of a process."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Coroutine
from typing import Any

import typer
import uvloop
from pydantic import Field, PostgresDsn

from config_api.app import interface
from config_api.processes import EVERY_ROLE, Role, play
from config_api.resources import open_resources
from config_api.settings import ConfigApiSettings
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.key_versions import SqlKeyRotation
from contactsync.adapters.sql.migrate import upgrade
from contactsync.assembly.admin import admin_app, serving
from contactsync.assembly.foundation import job_queue, open_foundation
from contactsync.assembly.garbage import collect_less_often
from contactsync.assembly.settings import PrefixedSettings
from contactsync.errors import ConfigurationError
from contactsync.telemetry.logs import configure_logging

app = typer.Typer(
    name="config-api",
    help="Connections, sync configurations and runs of Contact Sync.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class MigrationSettings(PrefixedSettings):
    """What the migration needs."""

    database_admin_url: PostgresDsn = Field(description="PostgreSQL, as the owner of the schema", repr=False)


@app.command()
def serve() -> None:
    """Everything in one process: the HTTP interface, the relay and the scheduler."""
    _run(_process(EVERY_ROLE))


@app.command()
def api() -> None:
    """The HTTP interface alone."""
    _run(_process(frozenset({Role.API})))


@app.command()
def relay() -> None:
    """The outbox relay with the watch over its age."""
    _run(_process(frozenset({Role.RELAY})))


@app.command()
def scheduler() -> None:
    """Starts due runs and revives stuck ones."""
    _run(_process(frozenset({Role.SCHEDULER})))


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema, then end."""
    try:
        _run(asyncio.to_thread(lambda: upgrade(str(MigrationSettings.read().database_admin_url))))
    except OSError as error:  # whoever waits for this job reads one line, not a hundred
        typer.echo(f"config-api: CONTACTSYNC_DATABASE_ADMIN_URL: no database answers there: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def rewrap_keys() -> None:
    """Wrap every stored data key by the newest of CONTACTSYNC_KEYS; everything else goes on meanwhile."""
    _run(_rewrap_keys())


@app.command()
def openapi() -> None:
    """Print the description of the HTTP interface (OpenAPI 3.1); no setting and no server is needed."""
    typer.echo(json.dumps(interface().openapi(), indent=2, sort_keys=True))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run it; a wrong setting ends the process with one clear line."""
    try:
        uvloop.run(work)
    except ConfigurationError as error:
        typer.echo(f"config-api: {error}", err=True)
        raise typer.Exit(2) from None


async def _rewrap_keys() -> None:
    settings = ConfigApiSettings.read()
    async with open_foundation(settings, SystemClock()) as foundation:
        rotation = SqlKeyRotation(foundation.database, foundation.vault)
        changed = await rotation.rewrap()
        typer.echo(f"{changed} keys wrapped anew; in use: {', '.join(sorted(await rotation.in_use()))}")


async def _process(roles: frozenset[Role]) -> None:
    settings = ConfigApiSettings.read()
    configure_logging("config-api", level=settings.log_level)
    clock = SystemClock()
    queue = job_queue(settings, clock, "config-api") if Role.RELAY in roles else None
    stop = _stop_signal()
    async with open_resources(settings, clock) as resources:
        served = asyncio.Event()

        async def is_ready() -> bool:
            # A broker that is away never makes config-api unready.
            return (served.is_set() or Role.API not in roles) and await resources.foundation.database.answers()

        async with serving(admin_app(is_ready), settings.admin_host, settings.admin_port):
            collect_less_often()
            await play(roles, resources, queue, stop, served)


def _stop_signal() -> asyncio.Event:
    """Set when the process is told to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
