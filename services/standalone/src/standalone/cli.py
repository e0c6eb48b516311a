"""The command line: `python -m standalone run|demo`."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from contactsync.errors import ContactSyncError
from standalone.accounts import UnansweredError, are_given
from standalone.consent import ConsentError
from standalone.customer import RefusedError
from standalone.folder import FolderError, prepared
from standalone.kept import is_kept
from standalone.options import Options
from standalone.ports import NoFreePortError
from standalone.run import run
from standalone.screen import Screen
from standalone.servers import ServerStartError, ServerUnavailableError
from standalone.story import StoryError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_INTERRUPTED: Final = 130
_PLAIN_WIDTH: Final = 200
_TOLD: Final = (
    ContactSyncError,
    ConsentError,
    FolderError,
    NoFreePortError,
    OSError,  # a port that is taken, a full disk
    RefusedError,
    ServerStartError,
    ServerUnavailableError,
    StoryError,
    UnansweredError,
)
"""What ends a start with one line instead of a traceback."""

Contacts = Annotated[int, typer.Option(min=1, max=10_000, help="Contacts of the simulated CRM")]
Folder = Annotated[Path, typer.Option(help="Where all files go")]
Keep = Annotated[bool, typer.Option(envvar="KEEP", help="Go on with the state of the last start, where there is one")]
Real = Annotated[bool, typer.Option(envvar="REAL", help="The simulators keep the vendors' quotas and latencies")]


@app.callback()
def standalone() -> None:
    """Contact Sync in one process, with a private database."""


@app.command("run")
def run_command(
    contacts: Contacts = 10_000, folder: Folder = Path(".run"), *, real: Real = False, keep: Keep = False
) -> None:
    """Perform a first and a later sync against simulated vendors, then serve until stopped."""
    _start(replace(_options(contacts, folder, keep=keep), real=real))


@app.command("demo")
def demo_command(
    contacts: Contacts = 10_000, folder: Folder = Path(".run"), *, real: Real = False, keep: Keep = False
) -> None:
    """The same, and end after the reports."""
    _start(replace(_options(contacts, folder, keep=keep), real=real, serve=False))


def _options(contacts: int, folder: Path, *, keep: bool) -> Options:
    """Real accounts have a folder of their own: what belongs to them outlives every start with simulators."""
    accounts = are_given(os.environ)
    place = (folder / "accounts" if accounts else folder / "simulated").resolve()
    going_on = keep and not accounts and is_kept(place)
    return Options(folder=place, contacts=contacts, accounts=accounts, keep=going_on)


def _start(options: Options) -> None:
    console = Console(highlight=False)
    # Where nobody looks, a line is as long as it is.
    screen = Screen(console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH))
    try:
        with (
            prepared(options.folder, keep=options.accounts or options.keep),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            ended_itself = runner.run(_until_stopped(options, screen))
    except _TOLD as error:
        screen.failed(f"contact-sync: {error}")
        raise typer.Exit(1) from error
    if not ended_itself:
        raise typer.Exit(_INTERRUPTED)


async def _until_stopped(options: Options, screen: Screen) -> bool:
    """Run to the end; False when a signal came before the demonstration was over."""
    stop, serving = asyncio.Event(), asyncio.Event()
    running = asyncio.ensure_future(run(options, screen, stop, serving))

    def on_signal() -> None:
        stop.set()
        if not serving.is_set():
            running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    try:
        await running
    except asyncio.CancelledError:
        screen.say("\nstopped")
        return False
    return True
