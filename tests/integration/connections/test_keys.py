"""Key-encryption keys are changed while everything runs, and no token is lost by it."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import pytest

from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.sql.key_versions import SqlKeyRotation
from contactsync.adapters.sql.sealing import KeyRing
from contactsync.adapters.sql.vault import SqlVault
from contactsync.errors import ConfigurationError
from contactsync.ports.connections import Provider, StoredConnection
from tests.contract.state.worlds import KEYS
from tests.support.connected import ADA, BOB, Connected

LIVING = timedelta(minutes=30)
NEW = "v2:" + base64.b64encode(b"n" * 32).decode()

pytestmark = pytest.mark.postgres


def vault_of(product: Connected, keys: str) -> SqlVault:
    """What a process with these keys opens."""
    return SqlVault(product.foundation.database, KeyRing.parse(keys), product.foundation.clock)


def rotation_of(product: Connected, keys: str) -> SqlKeyRotation:
    return SqlKeyRotation(product.foundation.database, vault_of(product, keys))


async def test_after_a_rewrap_the_old_key_can_go(product: Connected) -> None:
    await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    before = await product.connections.grant(ADA, Provider.GOOGLE)
    rotation = rotation_of(product, f"{NEW},{KEYS}")
    assert set(await rotation.in_use()) == {"v1"}
    assert await rotation.versions_behind() == 1
    assert await rotation.rewrap() == 4  # the installation, two organisations, one connection
    assert set(await rotation.in_use()) == {"v2"}
    assert await rotation.versions_behind() == 0
    assert await rotation.rewrap() == 0
    alone = SqlConnections(product.foundation.database, vault_of(product, NEW), product.foundation.clock)
    assert await alone.grant(ADA, Provider.GOOGLE) == before


async def test_a_version_that_is_missing_is_named(product: Connected) -> None:
    rotation = rotation_of(product, NEW)
    assert await rotation.versions_behind() == 1
    with pytest.raises(ConfigurationError, match="'v1'"):
        await rotation.rewrap()


async def test_a_rewrap_beside_reconnecting_users_spoils_no_token(product: Connected) -> None:
    grants = {owner: await product.google_grant(LIVING) for owner in (ADA, BOB)}
    for owner, grant in grants.items():
        assert isinstance(await product.connections.save(owner, grant), StoredConnection)
    rotation = rotation_of(product, f"{NEW},{KEYS}")
    saves = [product.connections.save(owner, grants[owner]) for owner in (ADA, BOB) for _ in range(10)]
    rewraps = [rotation.rewrap() for _ in range(10)]
    await asyncio.gather(
        *(work for pair in zip(saves, [*rewraps, *[asyncio.sleep(0)] * 10], strict=True) for work in pair)
    )
    both = vault_of(product, f"{NEW},{KEYS}")
    store = SqlConnections(product.foundation.database, both, product.foundation.clock)
    for owner, grant in grants.items():
        stored = await store.grant(owner, Provider.GOOGLE)
        assert stored is not None
        assert stored.refresh_token == grant.refresh_token
