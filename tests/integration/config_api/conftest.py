"""The application over a database of the test's own, served on the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

from config_api.app import create_app
from config_api.resources import LOCAL_USER, Resources, open_resources
from config_api.settings import ConfigApiSettings
from contactsync.assembly.admin import serving
from tests.contract.state.worlds import KEYS
from tests.support.accounts import GROUP, VIEW, OfferedAccounts
from tests.support.clock import ManualClock
from tests.support.postgres import Database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings(database: Database) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate({"database_url": database.url, "keys": KEYS, "api_port": 0})


@pytest.fixture
async def resources(settings: ConfigApiSettings, clock: ManualClock) -> AsyncIterator[Resources]:
    async with open_resources(settings, clock) as opened:
        yield opened


@asynccontextmanager
async def served(resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the served application, as the local user."""
    async with (
        serving(create_app(resources), "127.0.0.1", 0) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client,
    ):
        yield client


@pytest.fixture
async def api(resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(resources) as client:
        yield client


@dataclass
class Desk:
    """The local user at the served application, with both accounts connected."""

    api: httpx2.AsyncClient
    resources: Resources
    accounts: OfferedAccounts
    clock: ManualClock

    async def save(self, **settings: object) -> dict[str, Any]:
        """A saved configuration, two-way unless said otherwise."""
        answer = await self.api.post("/v1/sync-configs", json=body(**settings))
        assert answer.status_code == 201, answer.text
        saved: dict[str, Any] = answer.json()
        return saved

    async def get(self, address: str) -> dict[str, Any]:
        answer = await self.api.get(address)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def body(**settings: object) -> dict[str, Any]:
    """Settings that are complete; None takes a field away."""
    complete = {"crm_view_id": VIEW, "google_group": GROUP, "direction": "two_way", **settings}
    return {name: value for name, value in complete.items() if value is not None}


@pytest.fixture
async def desk(resources: Resources, clock: ManualClock) -> AsyncIterator[Desk]:
    accounts = OfferedAccounts(resources.foundation.database, clock)
    await accounts.connect(LOCAL_USER)
    offered = replace(resources, configurations=replace(resources.configurations, surroundings=accounts))
    async with served(offered) as client:
        yield Desk(client, offered, accounts, clock)
