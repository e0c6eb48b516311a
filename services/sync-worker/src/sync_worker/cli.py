"""The command line of the sync-worker."""

from __future__ import annotations

import asyncio
import signal

import typer
import uvloop

from contactsync.errors import ConfigurationError, ContactSyncError
from contactsync.telemetry.logs import configure_logging, get_logger
from sync_worker.main import run
from sync_worker.settings import SyncWorkerSettings

log = get_logger(__name__)

MISCONFIGURED = 2

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def sync_worker() -> None:
    """Takes run hints from the queue and carries them out."""


@app.command("run")
def run_worker() -> None:
    """Work until SIGTERM or SIGINT; slices under way end in good order (exit code 0)."""
    try:
        settings = SyncWorkerSettings.read()
        configure_logging("sync-worker", level=settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(settings))
    except ConfigurationError as error:
        typer.echo(f"sync-worker: {error}", err=True)
        raise typer.Exit(MISCONFIGURED) from error
    except ContactSyncError as error:
        log.error("worker.ended", reason=error.reason, exc_info=error)  # noqa: TRY400  the process edge says it once
        raise typer.Exit(1) from error


async def _until_signalled(settings: SyncWorkerSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)
