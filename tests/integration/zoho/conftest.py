"""A fresh simulated CRM for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.zoho.harness import Customer, Vendor, vendor


@pytest.fixture
async def zoho() -> AsyncIterator[Vendor]:
    """The vendor, without customers."""
    async with vendor() as running:
        yield running


@pytest.fixture
async def crm(zoho: Vendor) -> Customer:
    """An organisation whose user lives in another zone than UTC."""
    return await zoho.customer(
        users=[{"email": "owner@example.com", "first_name": "Olive", "time_zone": "Asia/Kolkata"}]
    )
