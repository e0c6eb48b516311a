"""The caller as a fixture."""

from collections.abc import AsyncIterator

import pytest

from simulators.google import GoogleSettings
from tests.unit.simulators.google.api import Api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    found = Api(GoogleSettings())
    yield found
    await found.http.aclose()
