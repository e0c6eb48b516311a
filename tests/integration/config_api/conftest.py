"""The application over a database of the test's own, served on the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from config_api.app import create_app
from config_api.resources import Resources, open_resources
from config_api.settings import ConfigApiSettings
from contactsync.assembly.admin import serving
from tests.contract.state.worlds import KEYS
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


@pytest.fixture
async def api(resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the served application, as the local user."""
    async with (
        serving(create_app(resources), "127.0.0.1", 0) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client
