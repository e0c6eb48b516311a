"""Runs pytest against private servers and stops them: `python -m tests.support.run [PYTEST ARGUMENT...]`.

The exit code is pytest's, and pytest's closing summary is the last thing that is printed. Servers that
CONTACTSYNC_DATABASE_URL and CONTACTSYNC_AMQP_URL name are used instead of private ones. All files, the tests' temporary
ones too, are under .cache/ and deleted at the end; whatever the tests leave running is killed, also after Ctrl-C.
"""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil

from standalone.postgres import PostgresServer, private_postgres
from standalone.rabbitmq import RabbitServer, find_rabbitmq, private_rabbitmq
from standalone.servers import ServerCommand, ServerStartError, ServerUnavailableError, supervised
from tests.support.addresses import AMQP_MANAGEMENT_URL, AMQP_URL, DATABASE_ADMIN_URL, DATABASE_URL

_ROOT = Path(__file__).resolve().parents[2]
_CACHE = _ROOT / ".cache"
_TWO_WORKERS = ("-n", "2", "--dist", "loadgroup")
_INTERRUPT_GRACE_S = 30.0
_COULD_NOT_START = 3  # pytest's own "internal error"


def main(arguments: Sequence[str]) -> int:
    """Exit code of pytest, or 3 when the servers could not be started."""
    logging.basicConfig(format="%(message)s")
    try:
        return asyncio.run(_run(arguments))
    except (ServerUnavailableError, ServerStartError) as error:
        print(f"tests: {error}", file=sys.stderr)
        return _COULD_NOT_START
    except KeyboardInterrupt:
        return 130


async def _run(arguments: Sequence[str]) -> int:
    _remove_abandoned()
    data_dir = _CACHE / f"servers-{os.getpid()}"
    try:
        async with AsyncExitStack() as stack:
            data_dir.mkdir(parents=True)
            postgres, rabbit = await _both(stack, data_dir)
            print("tests: PostgreSQL and RabbitMQ are ready", flush=True)
            temporary = data_dir / "tmp"
            temporary.mkdir()
            environment = {**os.environ, **_addresses(postgres, rabbit), "TMPDIR": str(temporary)}
            return await _pytest(arguments, environment)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _remove_abandoned() -> None:
    """Delete what runs have left that were killed before they could."""
    for folder in _CACHE.glob("servers-*"):
        if not psutil.pid_exists(int(folder.name.removeprefix("servers-"))):
            shutil.rmtree(folder, ignore_errors=True)


async def _both(stack: AsyncExitStack, data_dir: Path) -> tuple[PostgresServer, RabbitServer]:
    postgres = await stack.enter_async_context(_postgres(data_dir / "postgres"))
    return postgres, await stack.enter_async_context(_rabbitmq(data_dir / "rabbitmq"))


@asynccontextmanager
async def _postgres(data_dir: Path) -> AsyncIterator[PostgresServer]:
    given = os.environ.get("CONTACTSYNC_DATABASE_URL")
    if given:
        yield PostgresServer(given, _required("CONTACTSYNC_DATABASE_ADMIN_URL", "CONTACTSYNC_DATABASE_URL"))
        return
    async with private_postgres(data_dir, durable=False) as server:
        yield server


@asynccontextmanager
async def _rabbitmq(data_dir: Path) -> AsyncIterator[RabbitServer]:
    given = os.environ.get("CONTACTSYNC_AMQP_URL")
    if given:
        yield RabbitServer(given, _required("CONTACTSYNC_AMQP_MANAGEMENT_URL", "CONTACTSYNC_AMQP_URL"))
        return
    async with private_rabbitmq(data_dir, await find_rabbitmq(_CACHE / "rabbitmq")) as server:
        yield server


def _required(variable: str, given: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ServerUnavailableError(f"with {given} the tests need {variable} too")
    return value


def _addresses(postgres: PostgresServer, rabbit: RabbitServer) -> Mapping[str, str]:
    return {
        DATABASE_URL: postgres.url,
        DATABASE_ADMIN_URL: postgres.admin_url,
        AMQP_URL: rabbit.url,
        AMQP_MANAGEMENT_URL: rabbit.management_url,
    }


async def _pytest(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    command = ServerCommand(
        arguments=[sys.executable, "-m", "pytest", *_TWO_WORKERS, *arguments],
        environment=environment,
        folder=_ROOT,
        log=None,
        stop_signal="SIGINT",
        grace_s=_INTERRUPT_GRACE_S,
    )
    async with supervised(command) as pytest:
        return await pytest.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
