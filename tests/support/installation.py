"""A whole installation: config-api and sync-workers as processes, over PostgreSQL and RabbitMQ, before both vendors."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

import asyncpg
import httpx2

from simulators.google.settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from standalone.consent import agree
from standalone.customer import Customer
from standalone.ports import LOOPBACK, free_ports
from tests.contract.state.worlds import KEYS
from tests.support.connected import vendor_settings
from tests.support.postgres import Database
from tests.support.processes import ServiceProcess, service
from tests.support.vendors import Json, Vendors
from tests.support.waiting import wait_until

OPEN: Final = frozenset({"queued", "running", "waiting"})
_HOLDER: Final = "SELECT holder::text FROM google_accounts WHERE holder IS NOT NULL AND until > now()"
_WORKER_SETTINGS: Final = {
    # The simulators' quotas are lifted, so the worker's account of them is too.
    "CONTACTSYNC_GOOGLE_READ_PER_MINUTE": "0",
    "CONTACTSYNC_GOOGLE_WRITE_PER_MINUTE": "0",
    "CONTACTSYNC_GOOGLE_DELETE_PER_MINUTE": "0",
}


def outcomes(run: Json) -> dict[str, int]:
    """Contacts of a run by outcome, those with none left out."""
    return {outcome: amount for outcome, amount in run["counts"].items() if amount}


@dataclass
class Installation:
    """What a test does with it."""

    both: Vendors
    customer: Customer
    browser: httpx2.AsyncClient
    database: Database
    folder: Path
    environment: Mapping[str, str]
    numbers: itertools.count[int]

    def worker(self, **settings: str) -> AbstractAsyncContextManager[ServiceProcess]:
        """Another sync-worker, ready; its settings are variables without their prefix."""
        given = {f"CONTACTSYNC_{name.upper()}": value for name, value in settings.items()}
        log = self.folder / f"worker-{next(self.numbers)}.log"
        environment = {**self.environment, **_WORKER_SETTINGS, **given}
        return service("sync_worker", ["run"], environment, log, admin_port_variable="CONTACTSYNC_WORKER_ADMIN_PORT")

    async def connect(self) -> None:
        """Consent at both vendors, as a user gives it."""
        for provider in ("zoho", "google"):
            await agree(await self.customer.authorization_url(provider), self.browser)

    async def configure(self, **settings: object) -> Json:
        """A configuration that joins the view with the group, saved; its first run is asked for."""
        return await self.customer.save(
            {
                "crm_view_id": self.both.crm.view,
                "google_group": self.both.google.group,
                "direction": "two_way",
                "frequency": "manual",
                **settings,
            }
        )

    async def ended(self, run_id: str, *, within_s: float = 60) -> Json:
        """The run, once it has ended. Fails with the run as it stands when that takes too long."""
        try:
            await wait_until(lambda: self._has_ended(run_id), within_s=within_s, every_s=0.3)
        except TimeoutError as error:
            raise AssertionError(f"not ended: {await self.customer.run(run_id)}") from error
        return await self.customer.run(run_id)

    async def _has_ended(self, run_id: str) -> bool:
        return (await self.customer.run(run_id))["state"] not in OPEN

    async def holder(self) -> str | None:
        """The id of the worker that works now."""
        connection = await asyncpg.connect(self.database.url)
        try:
            holder: str | None = await connection.fetchval(_HOLDER)
        finally:
            await connection.close()
        return holder


@asynccontextmanager
async def installation(
    both: Vendors, database: Database, amqp_url: str, folder: Path, *, roles: Sequence[str], sweep_every: str = "1s"
) -> AsyncIterator[Installation]:
    """config-api, a process for each role (its commands), without any worker yet."""
    (port,) = free_ports(1, SystemRandom())
    public_url = f"http://{LOOPBACK}:{port}"
    callback = f"{public_url}/oauth/google/callback"
    await both.google.control.settings(
        clients={DEMO_CLIENT_ID: {"secret": DEMO_CLIENT_SECRET, "redirect_uris": [callback]}}
    )
    environment = {
        "CONTACTSYNC_DATABASE_URL": database.url,
        "CONTACTSYNC_AMQP_URL": amqp_url,
        "CONTACTSYNC_KEYS": KEYS,
        "CONTACTSYNC_API_PORT": str(port),
        "CONTACTSYNC_PUBLIC_URL": public_url,
        "CONTACTSYNC_SWEEP_EVERY": sweep_every,
        **{f"CONTACTSYNC_{name.upper()}": str(value) for name, value in vendor_settings(both).items()},
    }
    async with AsyncExitStack() as stack:
        processes = [
            service(
                "config_api", [role], environment, folder / f"{role}.log", admin_port_variable="CONTACTSYNC_ADMIN_PORT"
            )
            for role in roles
        ]
        async with asyncio.TaskGroup() as starting:
            for process in processes:
                starting.create_task(stack.enter_async_context(process))
        browser = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        yield Installation(
            both, Customer(browser, public_url), browser, database, folder, environment, itertools.count(1)
        )
