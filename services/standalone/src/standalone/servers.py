"""Starting and stopping a server that belongs to this process and ends with it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_LOG_TAIL_LINES = 5


class ServerUnavailableError(RuntimeError):
    """No private server can be had here; the message is one line that says what to do."""


class ServerStartError(RuntimeError):
    """A private server ended while it was starting; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """A server program and how it is to be run.

    It starts in `folder`. Its output goes to `log`, which is overwritten, or without one to where ours goes.
    `stop_signal` is the name of the signal that ends it in good order; `grace_s` seconds later it is killed.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path | None
    stop_signal: str
    grace_s: float


class RunningServer:
    """A server under supervision: alive until `stop`, or until this process ends in any way."""

    def __init__(self, supervisor: asyncio.subprocess.Process, command: ServerCommand) -> None:
        self._supervisor = supervisor
        self._command = command

    def check_alive(self) -> None:
        """Raise ServerStartError when the server has ended by itself."""
        if self._supervisor.returncode is not None:
            code = self._supervisor.returncode
            raise ServerStartError(f"{self._command.arguments[0]} ended with code {code}: {self._last_words()}")

    async def wait(self) -> int:
        """The exit code of the server, when it ends by itself or is stopped."""
        return await self._supervisor.wait()

    async def stop(self) -> None:
        """Return when the server and all that it started are gone."""
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()
        await self._supervisor.wait()

    def _last_words(self) -> str:
        if self._command.log is None:
            return "see above"
        lines = self._command.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " | ".join(lines[-_LOG_TAIL_LINES:])


async def output_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and standard output of a short command; 127, as in a shell, when it cannot be executed here."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return 127, ""
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


@asynccontextmanager
async def supervised(command: ServerCommand) -> AsyncIterator[RunningServer]:
    """The server, started; stopped at the end, also when the end is a cancellation."""
    supervisor_arguments = ["-m", "standalone.supervise", command.stop_signal, str(command.grace_s)]
    with ExitStack() as files:
        log = files.enter_context(command.log.open("wb")) if command.log else None
        supervisor = await asyncio.create_subprocess_exec(
            sys.executable,
            *supervisor_arguments,
            *command.arguments,
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the server in order
        )
    server = RunningServer(supervisor, command)
    try:
        yield server
    finally:
        await asyncio.shield(server.stop())
