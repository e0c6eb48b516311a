"""The sync-worker as a process: it starts from settings, says when it is ready, and ends as it is told."""

from __future__ import annotations

import asyncio
import base64
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.postgres import Database
from tests.support.processes import ServiceProcess, service

_END_SIGN_OF_LIFE = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'contactsync-life' AND datname = current_database()
"""

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.process]


@pytest.fixture
def environment(database: Database, amqp_url: str) -> dict[str, str]:
    return {
        "CONTACTSYNC_DATABASE_URL": database.url,
        "CONTACTSYNC_AMQP_URL": amqp_url,
        "CONTACTSYNC_KEYS": f"v1:{base64.b64encode(bytes(32)).decode()}",
    }


def _worker(environment: dict[str, str], folder: Path) -> AbstractAsyncContextManager[ServiceProcess]:
    return service(
        "sync_worker", ["run"], environment, folder / "log", admin_port_variable="CONTACTSYNC_WORKER_ADMIN_PORT"
    )


@pytest.fixture
async def worker(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with _worker(environment, tmp_path) as process:
        yield process


async def test_an_idle_worker_ends_with_code_0_when_it_is_asked_to(worker: ServiceProcess) -> None:
    assert await worker.end(signal.SIGTERM) == 0
    assert "worker.stopped" in worker.log


async def test_a_worker_that_others_may_take_for_dead_ends_to_be_started_anew(
    worker: ServiceProcess, database: Database
) -> None:
    connection = await asyncpg.connect(database.url)
    ended = await connection.fetchval(_END_SIGN_OF_LIFE)
    await connection.close()
    assert ended == 1
    assert await worker.exit_code() == 1
    assert '"reason":"presence_lost"' in worker.log


async def test_a_worker_with_too_few_slots_is_told_so_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="sync-worker: CONTACTSYNC_WORKER_SLOTS: "):
        async with _worker(environment | {"CONTACTSYNC_WORKER_SLOTS": "2"}, tmp_path):
            pass


async def test_a_worker_without_settings_names_each_that_is_missing() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sync_worker", "run", env={}, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert told.decode().startswith("sync-worker: CONTACTSYNC_DATABASE_URL: Field required; CONTACTSYNC_KEYS: ")


async def test_a_worker_whom_the_database_refuses_says_why_and_shows_no_password(
    environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    for wrong in (database.url.replace("@", "!@"), f"{database.url}-of-nobody"):
        with pytest.raises(AssertionError, match="sync-worker: DATABASE_URL: ") as told:
            async with _worker(environment | {"CONTACTSYNC_DATABASE_URL": wrong}, tmp_path):
                pass
        assert str(urlsplit(wrong).password) not in str(told.value)


async def test_a_worker_before_the_first_migration_says_so(
    environment: dict[str, str], empty_database: Database, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="no schema yet: run `migrate` first"):
        async with _worker(environment | {"CONTACTSYNC_DATABASE_URL": empty_database.url}, tmp_path):
            pass


@pytest.mark.parametrize(
    "keys", ["v1:" + base64.b64encode(b"o" * 32).decode(), "v2:" + base64.b64encode(bytes(32)).decode()]
)
async def test_a_worker_with_other_keys_than_the_database_does_not_start(
    environment: dict[str, str], keys: str, tmp_path: Path
) -> None:
    """It would fail every run that it is given."""
    async with _worker(environment, tmp_path):
        pass
    with pytest.raises(AssertionError, match="CONTACTSYNC_KEYS: key v1, under which this database is sealed, is not"):
        async with _worker(environment | {"CONTACTSYNC_KEYS": keys}, tmp_path):
            pass


async def test_a_worker_whose_role_sees_through_the_tenant_walls_does_not_start(
    environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="the role must own no table"):
        async with _worker(environment | {"CONTACTSYNC_DATABASE_URL": database.admin_url}, tmp_path):
            pass
