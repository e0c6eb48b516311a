"""The CRM's notification channels, kept by themselves, against the simulated CRM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import HttpUrl

from config_api.resources import Resources
from config_api.settings import ConfigApiSettings
from config_api.webhooks.assembly import webhooks_on
from config_api.webhooks.channels import ChannelKeeper
from contactsync.adapters.sql.webhooks import SqlChannels
from contactsync.ports.state import RunSettings
from tests.contract.state.worlds import KEYS, SqlWorld, some_settings
from tests.integration.config_api.conftest import served
from tests.support.clock import ManualClock
from tests.support.postgres import Database
from tests.support.sync_world import FixedTokens
from tests.support.vendors import CrmBook, Vendors, vendors
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres


@pytest.fixture
async def both() -> AsyncIterator[Vendors]:
    async with vendors() as running:
        yield running


@pytest.fixture
def settings(database: Database, both: Vendors) -> ConfigApiSettings:
    url = both.crm.control.base_url
    return ConfigApiSettings.model_validate(
        {"database_url": database.url, "keys": KEYS, "zoho_api_url": url, "zoho_accounts_url": url}
    )


@dataclass
class Desk:
    """One configuration, its channel's keeper, and the simulated CRM."""

    resources: Resources
    books: SqlWorld
    crm: CrmBook
    config: RunSettings = field(default_factory=some_settings)

    async def keeper(self, address: str, *, by_hand: bool = False) -> ChannelKeeper:
        """The keeper of an application that is served there; the configuration is active."""
        tokens = FixedTokens(self.books.clock, {self.config.crm_connection_id: self.crm})
        settings = self.resources.settings.model_copy(update={"public_url": HttpUrl(address)})
        foundation = self.resources.foundation
        await self.books.put(self.config)
        if not by_hand:
            await self.books.hourly(self.config)
        return (await webhooks_on(foundation, settings, self.resources.requests, tokens)).keeper

    async def channels(self) -> list[dict[str, Any]]:
        """What the CRM knows."""
        headers = {"Authorization": f"Zoho-oauthtoken {self.crm.token}"}
        async with httpx2.AsyncClient(base_url=self.crm.control.base_url, trust_env=False) as client:
            answer = await client.get("/crm/v8/actions/watch", headers=headers)
        return [] if answer.status_code == 204 else list(answer.json()["watch"])

    async def runs(self) -> list[str]:
        async with self.resources.foundation.database.tenant(self.config.organisation_id) as connection:
            rows = await connection.fetch("SELECT trigger FROM runs")
        return [row["trigger"] for row in rows]

    async def pass_time(self, by: timedelta) -> None:
        """On our clock and the CRM's. A token lives an hour there: a new one is issued."""
        self.books.clock.advance(by)
        await self.crm.control.advance(by.total_seconds())
        issued = await self.crm.control.call("POST", "/tokens", {"user_id": self.crm.user_id})
        self.crm.token = issued["access_token"]


@pytest.fixture
async def desk(resources: Resources, clock: ManualClock, database: Database, both: Vendors) -> Desk:
    books = SqlWorld(database, resources.foundation.database)
    books.vault, books.clock = resources.foundation.vault, clock
    now = datetime.fromisoformat((await both.crm.control.call("GET", "/clock"))["now"])
    clock.advance_to(now)
    return Desk(resources, books, both.crm)


async def test_an_edit_in_the_crm_asks_for_a_run(desk: Desk) -> None:
    async with served(desk.resources) as api:
        await (await desk.keeper(str(api.base_url).rstrip("/"))).look()
        (channel,) = await desk.channels()
        assert channel["events"] == ["Contacts.all"]
        await desk.crm.add([{"Last_Name": "Lovelace"}])

        async def asked() -> bool:
            return await desk.runs() == ["webhook"]

        await wait_until(asked)


async def test_a_channel_is_renewed_before_its_end_and_opened_anew_after_it(desk: Desk) -> None:
    first = await desk.keeper("http://127.0.0.1:1")
    await first.look()
    (opened,) = await desk.channels()
    await first.look()
    assert await desk.channels() == [opened]
    await desk.pass_time(timedelta(days=1, hours=1))
    await (await desk.keeper("http://127.0.0.1:1")).look()
    (renewed,) = await desk.channels()
    assert (renewed["channel_id"], renewed["token"]) == (opened["channel_id"], opened["token"])
    assert renewed["channel_expiry"] > opened["channel_expiry"]
    await desk.pass_time(timedelta(days=8))
    assert await desk.channels() == []
    await (await desk.keeper("http://127.0.0.1:1")).look()
    (anew,) = await desk.channels()
    assert (anew["channel_id"], anew["token"] == opened["token"]) == (opened["channel_id"], False)


async def test_a_configuration_that_is_run_by_hand_alone_has_no_channel(desk: Desk) -> None:
    await (await desk.keeper("http://127.0.0.1:1", by_hand=True)).look()
    assert await desk.channels() == []


async def test_a_channel_goes_with_its_configuration(desk: Desk) -> None:
    keeper = await desk.keeper("http://127.0.0.1:1")
    await keeper.look()
    await desk.books.put(desk.config, active=False)
    await keeper.look()
    assert await desk.channels() == []
    assert await SqlChannels(desk.resources.foundation.database, desk.books.clock).idle(10) == []


async def test_keepers_of_several_processes_open_one_channel(desk: Desk) -> None:
    keepers = [await desk.keeper("http://127.0.0.1:1") for _ in range(4)]
    await asyncio.gather(*(keeper.look() for keeper in keepers))
    assert len(await desk.channels()) == 1
    assert (await desk.crm.control.calls())["watch.subscribe"] <= 1
