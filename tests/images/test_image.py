"""The image, built and run (`make image-check`): roles start hardened, with secrets from files, and end in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import SystemRandom

import httpx2
import pytest

from contactsync.adapters.sql.migrate import current_revision, newest_revision
from standalone.ports import LOOPBACK, free_ports
from tests.contract.state.worlds import KEYS
from tests.images.engine import Container, build, container, once
from tests.support.installation import installation, outcomes
from tests.support.postgres import Database
from tests.support.rabbitmq import VirtualHost
from tests.support.vendors import vendors
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.image,
    pytest.mark.postgres,
    pytest.mark.rabbitmq,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("image"),
]
_WITHIN_S = 60
PROCESSES = {
    "config-api": "ADMIN_PORT",
    "relay": "ADMIN_PORT",
    "scheduler": "ADMIN_PORT",
    "sync-worker": "WORKER_ADMIN_PORT",
}
"""The roles that stay, and the setting of their admin port."""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    build()


def folder_of(tmp_path: Path, secrets: Mapping[str, str]) -> Path:
    """The secrets as files that the image's user may read."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, value in secrets.items():
        (folder / f"CONTACTSYNC_{name}").write_text(f"{value}\n", encoding="utf-8")
    return folder


async def ready(running: Container, port: int) -> bool:
    """Whether the role says so on its admin port."""
    assert running.running, running.log
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"http://{LOOPBACK}:{port}/readyz")).is_success
        except httpx2.TransportError:
            return False


def test_roles_run_as_a_user_without_name_or_rights() -> None:
    assert once("-c", "id -u; id -g; grep CapEff /proc/self/status", entrypoint="sh").stdout.split() == [
        "10001",
        "10001",
        "CapEff:",
        "0000000000000000",
    ]


def test_nothing_in_the_image_installs_or_builds() -> None:
    looked_for = "pip pip3 uv gcc cc make git curl wget"
    assert once("-c", f"command -v {looked_for}", entrypoint="sh").stdout == ""
    assert once("-c", "import pip", entrypoint="python").returncode == 1


def test_the_product_is_in_the_image_and_its_trials_are_not() -> None:
    names = "contactsync config_api sync_worker"
    assert once("-c", f"import {names.replace(' ', ', ')}", entrypoint="python").returncode == 0
    for trial in ("standalone", "simulators", "tests"):
        assert once("-c", f"import {trial}", entrypoint="python").returncode == 1


def test_a_role_without_its_settings_names_them_and_ends() -> None:
    done = once("config-api")
    assert done.returncode == 2
    assert "CONTACTSYNC_DATABASE_URL" in done.stderr


async def test_migrate_brings_the_schema_and_may_be_repeated(empty_database: Database, tmp_path: Path) -> None:
    secrets = folder_of(tmp_path, {"DATABASE_ADMIN_URL": empty_database.admin_url})
    for attempt in ("first", "second"):
        async with container(["migrate"], {}, secrets, tmp_path / attempt) as running:
            assert await running.exit_code() == 0, running.log
    assert await asyncio.to_thread(current_revision, empty_database.admin_url) == newest_revision()


async def test_the_roles_of_the_image_carry_out_a_sync_together(
    empty_database: Database, virtual_host: VirtualHost, tmp_path: Path
) -> None:
    """From an empty database to the contact group; what the first run left waiting, the scheduler asks for."""
    secrets = folder_of(tmp_path, {"DATABASE_ADMIN_URL": empty_database.admin_url})
    async with container(["migrate"], {}, secrets, tmp_path / "migrate") as running:
        assert await running.exit_code() == 0, running.log
    async with (
        vendors() as both,
        installation(both, empty_database, virtual_host.url, tmp_path, roles=()) as product,
        AsyncExitStack() as roles,
    ):
        few = {"CONTACTSYNC_INITIAL_LIMIT": "10", "CONTACTSYNC_CATCH_UP_PAUSE": "1s"}
        for role, port_variable in PROCESSES.items():
            (admin_port,) = free_ports(1, SystemRandom())
            settings = {**product.environment, **few, f"CONTACTSYNC_{port_variable}": str(admin_port)}
            running = await roles.enter_async_context(container([role], settings, secrets, tmp_path / role))
            await wait_until(partial(ready, running, admin_port), within_s=_WITHIN_S)
        await both.crm.populate(15)
        await product.connect()
        first = await product.ended((await product.configure(direction="crm_to_google"))["run_id"])
        assert (first["state"], outcomes(first)) == ("succeeded", {"created": 10, "waiting": 5})

        async def everybody() -> bool:
            return len(await both.google.people(in_group=True)) == 15

        await wait_until(everybody, within_s=_WITHIN_S)


@pytest.mark.parametrize(("role", "port_variable"), PROCESSES.items())
async def test_a_role_becomes_ready_and_ends_in_order(
    role: str, port_variable: str, database: Database, virtual_host: VirtualHost, tmp_path: Path
) -> None:
    admin_port, api_port = free_ports(2, SystemRandom())
    secrets = folder_of(tmp_path, {"DATABASE_URL": database.url, "AMQP_URL": virtual_host.url, "KEYS": KEYS})
    settings = {f"CONTACTSYNC_{port_variable}": str(admin_port), "CONTACTSYNC_API_PORT": str(api_port)}
    async with container([role], settings, secrets, tmp_path / "log") as running:
        await wait_until(lambda: ready(running, admin_port), within_s=_WITHIN_S)
        assert await running.end() == 0, running.log
    for secret in secrets.iterdir():
        assert secret.read_text(encoding="utf-8").strip() not in running.log
