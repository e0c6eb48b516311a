"""What every store of CRM credits must do."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.contract.state.worlds import InMemory, OnPostgres, World, some_settings
from tests.support.clock import EPOCH

DAY = timedelta(hours=25)


class CreditStoreContract:
    """A quarter of 50,000 is 12,500."""

    async def test_no_more_than_the_share_is_reserved_in_a_day(self, world: World) -> None:
        settings = some_settings()
        await world.put(settings)
        store = world.state.credits

        assert await store.reserve(settings, 12_000, 25, EPOCH) is None
        assert await store.reserve(settings, 500, 25, EPOCH) is None
        until = await store.reserve(settings, 1, 25, EPOCH)

        assert until == EPOCH + DAY
        assert await store.reserve(settings, 1, 40, EPOCH) is None
        assert await store.reserve(settings, 12_500, 25, until) is None

    async def test_what_is_given_back_can_be_reserved_again(self, world: World) -> None:
        settings = some_settings()
        await world.put(settings)
        store = world.state.credits
        await store.reserve(settings, 12_500, 25, EPOCH)
        await store.give_back(settings, 300, EPOCH)

        assert await store.reserve(settings, 300, 25, EPOCH) is None
        assert await store.reserve(settings, 1, 25, EPOCH) is not None

    async def test_organisations_do_not_share(self, world: World) -> None:
        mine, theirs = some_settings(), some_settings()
        await world.put(mine)
        await world.put(theirs)
        await world.state.credits.reserve(mine, 12_500, 25, EPOCH)

        assert await world.state.credits.reserve(theirs, 12_500, 25, EPOCH) is None

    async def test_many_who_reserve_at_once_stay_within_the_share(self, world: World) -> None:
        settings = some_settings()
        await world.put(settings)

        answers = await asyncio.gather(*(world.state.credits.reserve(settings, 1_000, 25, EPOCH) for _ in range(20)))

        assert sum(answer is None for answer in answers) == 12


class TestMemoryCredits(InMemory, CreditStoreContract):
    """Dictionaries."""


@pytest.mark.postgres
class TestSqlCredits(OnPostgres, CreditStoreContract):
    """PostgreSQL."""
