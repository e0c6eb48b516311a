"""One process of the product in front of both vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.connected import ADA, BOB, EVE, Connected, connected
from tests.support.postgres import Database
from tests.support.vendors import Vendors, vendors


@pytest.fixture
async def both() -> AsyncIterator[Vendors]:
    async with vendors() as started:
        yield started


@pytest.fixture
async def product(both: Vendors, database: Database) -> AsyncIterator[Connected]:
    async with connected(both, database) as process:
        await process.join(ADA, BOB, EVE)
        yield process
