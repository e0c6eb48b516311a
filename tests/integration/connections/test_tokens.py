"""Access tokens: renewed once for all processes, stored before use, lost with their grant."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest

from contactsync.errors import AuthorizationLostError, ProviderUnavailableError, RateLimitedError
from contactsync.ports.connections import ConnectionState, Provider
from tests.support.connected import ADA, Connected, connected
from tests.support.postgres import Database
from tests.support.vendors import Vendors

EXPIRED = timedelta(seconds=-1)
LIVING = timedelta(minutes=30)

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("provider", list(Provider))
async def test_fifty_concurrent_callers_in_four_processes_cause_one_refresh(
    provider: Provider, product: Connected, both: Vendors, database: Database
) -> None:
    stored = await product.connect(ADA, provider, lifetime=EXPIRED)
    await both.clear_logs()
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(connected(both, database)) for _ in range(4)]
        sources = [process.tokens for process in processes]
        tokens = await asyncio.gather(*(sources[n % 4].token(stored.connection_id) for n in range(50)))
    assert len({token.value for token in tokens}) == 1
    assert await product.token_calls(provider) == 1


async def test_fifty_callers_whose_token_was_refused_cause_one_refresh(product: Connected, both: Vendors) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=LIVING)
    tokens = product.tokens
    refused = (await tokens.token(stored.connection_id)).value
    await both.clear_logs()
    fresh = await asyncio.gather(*(tokens.token(stored.connection_id, stale=refused) for _ in range(50)))
    assert {token.value for token in fresh} != {refused}
    assert len({token.value for token in fresh}) == 1
    assert await product.token_calls(Provider.ZOHO) == 1


async def test_a_token_with_time_left_is_used_without_asking(product: Connected, both: Vendors) -> None:
    stored = await product.connect(ADA, Provider.GOOGLE, lifetime=LIVING)
    await both.clear_logs()
    await product.tokens.token(stored.connection_id)
    assert await product.token_calls(Provider.GOOGLE) == 0


async def test_a_rotated_refresh_token_is_stored_before_the_access_token_is_used(
    product: Connected, both: Vendors
) -> None:
    await both.google.control.settings(rotate_refresh_tokens=True)
    stored = await product.connect(ADA, Provider.GOOGLE, lifetime=EXPIRED)
    before = await product.connections.grant(ADA, Provider.GOOGLE)
    first = await product.tokens.token(stored.connection_id)
    after = await product.connections.grant(ADA, Provider.GOOGLE)
    assert before is not None
    assert after is not None
    assert after.refresh_token != before.refresh_token
    again = await product.tokens.token(stored.connection_id, stale=first.value)
    assert again.value != first.value


async def test_a_grant_that_is_gone_needs_its_owner_and_is_not_asked_for_again(
    product: Connected, both: Vendors
) -> None:
    stored = await product.connect(ADA, Provider.GOOGLE, lifetime=EXPIRED)
    await both.google.control.call("POST", "/grants/revoke", {"account": both.google.sub})
    await both.clear_logs()
    tokens = product.tokens
    answers = await asyncio.gather(*(tokens.token(stored.connection_id) for _ in range(5)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AuthorizationLostError}
    assert await product.token_calls(Provider.GOOGLE) == 1
    seen = await product.connections.get(ADA.organisation_id, stored.connection_id)
    assert (seen.state, seen.reason) == (ConnectionState.NEEDS_RECONNECT, "needs_reconnect")


async def test_a_throttle_is_heard_by_all_and_asked_about_once(product: Connected, both: Vendors) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=EXPIRED)
    await both.crm.control.fault("oauth.token", "rate_limit")
    await both.clear_logs()
    tokens = product.tokens
    answers = await asyncio.gather(*(tokens.token(stored.connection_id) for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {RateLimitedError}
    assert await product.token_calls(Provider.ZOHO) == 1
    with pytest.raises(RateLimitedError) as caught:
        await tokens.token(stored.connection_id)
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 500


async def test_a_provider_without_an_answer_loses_no_grant(product: Connected, both: Vendors) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=EXPIRED)
    await both.crm.control.fault("oauth.token", "cut_after", times=1)
    with pytest.raises(ProviderUnavailableError):
        await product.tokens.token(stored.connection_id)
    seen = await product.connections.get(ADA.organisation_id, stored.connection_id)
    assert seen.state is ConnectionState.ACTIVE


async def test_a_process_that_dies_while_it_renews_is_outlived(
    product: Connected, both: Vendors, database: Database
) -> None:
    stored = await product.connect(ADA, Provider.ZOHO, lifetime=EXPIRED)
    admin = await asyncpg.connect(database.admin_url)
    try:
        await admin.execute("SELECT set_config('contactsync.organisation', $1, false)", str(ADA.organisation_id))
        await admin.execute(
            "UPDATE connections SET refresh_by = gen_random_uuid(), "
            "refresh_until = clock_timestamp() + interval '0.5 seconds'"
        )
    finally:
        await admin.close()
    await both.clear_logs()
    assert (await product.tokens.token(stored.connection_id)).value
    assert await product.token_calls(Provider.ZOHO) == 1


async def test_tokens_stand_in_no_column_as_they_are(product: Connected, database: Database) -> None:
    grant = await product.google_grant(LIVING)
    await product.connections.save(ADA, grant)
    admin = await asyncpg.connect(database.admin_url)
    try:
        await admin.execute("SELECT set_config('contactsync.organisation', $1, false)", str(ADA.organisation_id))
        row = await admin.fetchrow("SELECT * FROM connections")
    finally:
        await admin.close()
    assert row is not None
    stored = b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
    for secret in (grant.refresh_token, grant.access.value, grant.profile.name, grant.profile.account_id):
        assert secret.encode() not in stored
