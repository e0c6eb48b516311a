"""The private servers that `make run` and `make test` start."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from standalone.postgres import PostgresServer, private_postgres
from standalone.servers import ServerUnavailableError
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

_HOLD_POSTGRES = """
import asyncio, sys
from pathlib import Path
from standalone.postgres import private_postgres

async def main():
    async with private_postgres(Path(sys.argv[1]), durable=False) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""

_HOLD_RABBITMQ = """
import asyncio, sys
from pathlib import Path
from standalone.rabbitmq import find_rabbitmq, private_rabbitmq

async def main():
    async with private_rabbitmq(Path(sys.argv[1]), await find_rabbitmq(Path(sys.argv[2]))) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
_CACHED_PACKAGES = Path(__file__).resolve().parents[3] / ".cache" / "rabbitmq"


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_neither_role_is_one_that_row_level_security_lets_pass(tmp_path: Path) -> None:
    async with private_postgres(tmp_path, durable=False) as server:
        for url in (server.url, server.admin_url):
            question = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            assert await _ask(url, question) is False


async def test_the_application_role_can_make_no_table(tmp_path: Path) -> None:
    async with private_postgres(tmp_path, durable=False) as server:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _ask(server.url, "CREATE TABLE mine (id int)")


async def test_the_application_role_has_the_scheduler_s_rights_only_while_it_steps_into_it(tmp_path: Path) -> None:
    async with private_postgres(tmp_path, durable=False) as server:
        rights = "pg_has_role('contactsync_app', 'contactsync_scheduler', '{}')"
        assert await _ask(server.url, f"SELECT {rights.format('MEMBER')} AND NOT {rights.format('USAGE')}") is True


async def test_nobody_comes_in_without_the_password(tmp_path: Path) -> None:
    async with private_postgres(tmp_path, durable=False) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _ask(server.url.replace("contactsync_app:", "contactsync_app:x"), "SELECT 1")


async def test_a_second_start_finds_the_data_of_the_first_in_a_long_path_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / ("a folder whose name is longer than the path of a socket may be " * 3)
    async with private_postgres(folder, durable=True) as server:
        await _ask(server.admin_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    async with private_postgres(folder, durable=True) as server:
        assert await _ask(server.admin_url, "SELECT answer FROM kept") == 42


async def test_programs_that_do_not_exist_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailableError, match="PG_BIN=/nowhere"):
        async with private_postgres(tmp_path, durable=False, environ={"PG_BIN": "/nowhere"}):
            pytest.fail("it started")


async def test_data_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with private_postgres(tmp_path, durable=False):
        pass
    version = tmp_path / "cluster" / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(ServerUnavailableError, match="is of PostgreSQL 9"):
        async with private_postgres(tmp_path, durable=False):
            pytest.fail("it started")
    assert version.read_text() == "9\n"


@pytest.mark.parametrize(
    ("script", "program", "number"),
    [
        (_HOLD_POSTGRES, "postgres", signal.SIGKILL),
        (_HOLD_POSTGRES, "postgres", signal.SIGTERM),
        (_HOLD_POSTGRES, "postgres", signal.SIGINT),
        (_HOLD_RABBITMQ, "epmd", signal.SIGKILL),  # which detaches itself from the node that started it
    ],
)
async def test_no_process_outlives_the_one_that_started_the_server(
    tmp_path: Path, script: str, program: str, number: signal.Signals
) -> None:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(tmp_path), str(_CACHED_PACKAGES)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert owner.stdout is not None
    await owner.stdout.readline()
    family = psutil.Process(owner.pid).children(recursive=True)
    assert any(process.name() == program for process in family)
    owner.send_signal(number)
    await owner.wait()
    await wait_until(lambda: not any(process.is_running() for process in family), within_s=20)


async def test_two_servers_run_beside_each_other(tmp_path: Path) -> None:
    async def use(folder: Path) -> PostgresServer:
        async with private_postgres(folder, durable=False) as server:
            assert await _ask(server.url, "SELECT 1") == 1
            return server

    servers = await asyncio.gather(use(tmp_path / "one"), use(tmp_path / "two"))
    assert len({server.url for server in servers}) == 2


async def test_the_machine_s_own_settings_do_not_reach_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    assert os.environ["PGPORT"] == "1"
    async with private_postgres(tmp_path, durable=False) as server:
        assert await _ask(server.url, "SELECT 1") == 1
