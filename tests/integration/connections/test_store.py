"""Connections at rest: pinned to one account, walled off by tenant, erased when they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from contactsync.errors import AuthorizationLostError, UnknownRowError
from contactsync.ports.connections import ConnectionState, NewGrant, OtherAccount, Provider, StoredConnection
from tests.support.connected import ADA, BOB, EVE, Connected
from tests.support.postgres import Database

LIVING = timedelta(minutes=30)

pytestmark = pytest.mark.postgres


def of_account(grant: NewGrant, account_id: str, name: str) -> NewGrant:
    """The same grant by another account."""
    return replace(grant, profile=replace(grant.profile, account_id=account_id, name=name))


async def test_a_connection_is_listed_with_whose_account_it_is(product: Connected) -> None:
    await product.connect(ADA, Provider.ZOHO, lifetime=LIVING)
    await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    zoho, google = await product.connections.of_user(ADA)
    assert (zoho.provider, zoho.profile.organisation_name) == (Provider.ZOHO, "Analytical Ltd")
    assert (google.provider, google.profile.name) == (Provider.GOOGLE, "ada@example.com")
    assert "ada@example.com" not in repr(google)
    assert await product.connections.of_user(BOB) == []


async def test_the_same_account_reconnects_as_the_same_connection(product: Connected) -> None:
    first = await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    assert await product.connections.disconnect(ADA, Provider.GOOGLE, actor=ADA.user_id)
    second = await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    assert (second.connection_id, second.state) == (first.connection_id, ConnectionState.ACTIVE)


async def test_another_account_is_refused_with_both_names_and_nothing_changes(product: Connected) -> None:
    first = await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    other = of_account(await product.google_grant(LIVING), "999", "charles@example.com")
    refused = await product.connections.save(ADA, other)
    assert refused == OtherAccount("ada@example.com", "charles@example.com")
    assert "charles" not in repr(refused)
    assert await product.connections.get(ADA.organisation_id, first.connection_id) == first


async def test_after_a_disconnect_another_account_is_welcome_when_nothing_depends_on_the_first(
    product: Connected,
) -> None:
    await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    await product.connections.disconnect(ADA, Provider.GOOGLE, actor=ADA.user_id)
    other = of_account(await product.google_grant(LIVING), "999", "charles@example.com")
    assert isinstance(await product.connections.save(ADA, other), StoredConnection)


async def test_the_first_zoho_connection_pins_the_organisation_for_all_its_users(product: Connected) -> None:
    await product.connect(ADA, Provider.ZOHO, lifetime=LIVING)
    grant = of_account(await product.zoho_grant(LIVING), "999", "bob@example.com")
    foreign = replace(
        grant, profile=replace(grant.profile, organisation_id="666", organisation_name="Difference Engines")
    )
    assert await product.connections.save(BOB, foreign) == OtherAccount("Analytical Ltd", "Difference Engines")
    assert isinstance(await product.connections.save(BOB, grant), StoredConnection)


async def test_one_organisation_of_the_crm_belongs_to_one_tenant(product: Connected) -> None:
    await product.connect(ADA, Provider.ZOHO, lifetime=LIVING)
    refused = await product.connections.save(EVE, await product.zoho_grant(LIVING))
    assert refused == OtherAccount("", "Analytical Ltd")
    assert await product.connections.of_user(EVE) == []


async def test_a_connection_of_another_tenant_cannot_be_told_from_a_missing_one(product: Connected) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=LIVING)
    with pytest.raises(UnknownRowError):
        await product.connections.get(EVE.organisation_id, stored.connection_id)
    assert await product.connections.grant(EVE, Provider.ZOHO) is None
    assert not await product.connections.disconnect(EVE, Provider.ZOHO, actor=EVE.user_id)


async def test_disconnecting_erases_tokens_and_their_key(product: Connected, database: Database) -> None:
    stored = await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    await product.connections.disconnect(ADA, Provider.GOOGLE, actor=ADA.user_id)
    with pytest.raises(AuthorizationLostError) as caught:
        await product.tokens.token(stored.connection_id)
    assert caught.value.reason == "disconnected"
    admin = await asyncpg.connect(database.admin_url)
    try:
        await admin.execute("SELECT set_config('contactsync.organisation', $1, false)", str(ADA.organisation_id))
        row = await admin.fetchrow("SELECT wrapped_key, refresh_token, access_token FROM connections")
        trail = await admin.fetch("SELECT action FROM audit_events ORDER BY at, action")
    finally:
        await admin.close()
    assert row is not None
    assert list(row.values()) == [None, None, None]
    assert [event["action"] for event in trail] == ["connection.made", "connection.removed"]
