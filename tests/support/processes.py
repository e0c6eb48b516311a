"""The product's processes as an operator starts them: from environment variables, asked on their admin port."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom

import httpx2

from standalone.ports import LOOPBACK, free_ports
from tests.support.waiting import wait_until

_START_WITHIN_S = 60
_END_WITHIN_S = 60


class ServiceProcess:
    """One process of a service."""

    def __init__(self, process: asyncio.subprocess.Process, admin_url: str, log: Path) -> None:
        self._process = process
        self._admin_url = admin_url
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def ready(self) -> bool:
        """Whether it says that it is ready. Fails when the process has ended."""
        assert self._process.returncode is None, f"ended with code {self._process.returncode}: {self.log[-2000:]}"
        async with httpx2.AsyncClient() as client:
            try:
                answer = await client.get(f"{self._admin_url}/readyz")
            except httpx2.TransportError:
                return False
        return answer.is_success

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code, as a shell tells it."""
        self._process.send_signal(number)
        return await self.exit_code()

    async def exit_code(self) -> int:
        """The exit code, once it has ended."""
        async with asyncio.timeout(_END_WITHIN_S):
            return await self._process.wait()


@asynccontextmanager
async def service(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, admin_port_variable: str
) -> AsyncIterator[ServiceProcess]:
    """`python -m MODULE ARGUMENTS`, ready; killed at the end when it still runs."""
    (port,) = free_ports(1, SystemRandom())
    given = {name: value for name, value in os.environ.items() if not name.startswith("CONTACTSYNC_")}
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            env={**given, **environment, admin_port_variable: str(port)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    started = ServiceProcess(process, f"http://{LOOPBACK}:{port}", log)
    try:
        await wait_until(started.ready, within_s=_START_WITHIN_S)
        yield started
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
