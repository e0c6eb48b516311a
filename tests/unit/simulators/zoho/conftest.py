"""The caller as a fixture."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.simulators.zoho.crm import Crm


@pytest.fixture
async def crm() -> AsyncIterator[Crm]:
    found = Crm()
    await found.open()
    yield found
    await found.http.aclose()
