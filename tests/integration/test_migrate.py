"""Migrations that cannot be done: what an operator is told."""

from __future__ import annotations

import asyncio

import pytest

from contactsync.adapters.sql.migrate import upgrade
from contactsync.errors import ConfigurationError
from tests.support.postgres import Database

pytestmark = pytest.mark.postgres


async def test_an_address_that_the_server_refuses_is_named(empty_database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"DATABASE_ADMIN_URL: .*does not exist"):
        await asyncio.to_thread(upgrade, f"{empty_database.admin_url}-of-nobody")


async def test_a_role_that_does_not_own_the_schema_is_told_so(empty_database: Database) -> None:
    """And not that a transaction was aborted, which hides why."""
    with pytest.raises(ConfigurationError, match=r"DATABASE_ADMIN_URL: not the schema's owner: .*permission denied"):
        await asyncio.to_thread(upgrade, empty_database.url)
