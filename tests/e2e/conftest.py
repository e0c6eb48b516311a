"""An installation for each test, in front of vendors of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, installation
from tests.support.postgres import Database
from tests.support.vendors import Vendors, vendors


@pytest.fixture
async def both() -> AsyncIterator[Vendors]:
    async with vendors() as started:
        yield started


@pytest.fixture
def roles() -> tuple[str, ...]:
    """The roles of config-api, a process each."""
    return ("serve",)


@pytest.fixture
async def product(
    both: Vendors, database: Database, amqp_url: str, tmp_path: Path, roles: tuple[str, ...]
) -> AsyncIterator[Installation]:
    """config-api, both accounts connected, no worker yet."""
    async with installation(both, database, amqp_url, tmp_path, roles=roles) as running:
        await running.connect()
        yield running
