"""A container engine: docker, else podman, whichever is there; options of this machine come from the environment.

CONTAINER_ENGINE      the command with its own options, such as `podman --cgroup-manager cgroupfs`
IMAGE_BUILD_OPTIONS   of `build`, such as `--isolation chroot --pull-never` or mounts that reach a private package index
IMAGE_RUN_OPTIONS     of `run`
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/contactsync:check"
_END_WITHIN_S = 60
_HARDENED = ("--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def engine() -> list[str]:
    """The engine's command. Raises RuntimeError when there is none."""
    given = os.environ.get("CONTAINER_ENGINE")
    if given:
        return shlex.split(given)
    for name in ("docker", "podman"):
        program = shutil.which(name)
        if program and subprocess.run([program, "info"], check=False, capture_output=True).returncode == 0:
            return [program]
    raise RuntimeError("no container engine answers: install podman or docker, or name one in CONTAINER_ENGINE")


def build() -> None:
    """Build the image under the name IMAGE, as the recipe's first lines say."""
    options = shlex.split(os.environ.get("IMAGE_BUILD_OPTIONS", ""))
    recipe = ROOT / "deploy/images/Dockerfile"
    subprocess.run([*engine(), "build", *options, "--file", recipe, "--tag", IMAGE, ROOT], check=True)


def once(*arguments: str, entrypoint: str | None = None) -> subprocess.CompletedProcess[str]:
    """What a container did that ends by itself."""
    replaced = () if entrypoint is None else (f"--entrypoint={entrypoint}",)
    command = [*_run_command(), *replaced, IMAGE, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


class Container:
    """A container that runs."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def log(self) -> str:
        """Everything that it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def end(self) -> int:
        """Ask it to end and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self.exit_code()

    async def exit_code(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(_END_WITHIN_S):
            return await self._process.wait()


@asynccontextmanager
async def container(
    arguments: Sequence[str], settings: Mapping[str, str], secret_files: Path, log: Path
) -> AsyncIterator[Container]:
    """A container with these settings and this folder of secrets, hardened as in production; gone at the end."""
    name = f"contactsync-check-{secrets.token_hex(4)}"
    environment = [f"--env={variable}={value}" for variable, value in settings.items()]
    mount = f"--volume={secret_files}:/run/secrets/contactsync:ro"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *_run_command(), f"--name={name}", *environment, mount, IMAGE, *arguments, stdout=stream, stderr=stream
        )
    try:
        yield Container(process, log)
    finally:
        if process.returncode is None:
            removal = await asyncio.create_subprocess_exec(
                *engine(), "rm", "--force", name, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            await removal.wait()
            await process.wait()


def _run_command() -> list[str]:
    return [*engine(), "run", "--rm", *_HARDENED, *shlex.split(os.environ.get("IMAGE_RUN_OPTIONS", ""))]
