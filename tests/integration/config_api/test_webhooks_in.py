"""Calls from outside that ask for runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest

from config_api.resources import LOCAL_USER, Resources
from config_api.webhooks.intake import token_hash
from config_api.webhooks.signing import signed_headers
from contactsync.adapters.sql.webhooks import SqlChannels
from contactsync.domain.ids import ConfigId, GroupId
from contactsync.ports.state import RunSettings
from contactsync.ports.webhooks import Channel, Place
from tests.contract.state.worlds import SqlWorld, some_settings
from tests.integration.config_api.conftest import served
from tests.support.clock import ManualClock
from tests.support.pairs import put_pair
from tests.support.postgres import Database

pytestmark = pytest.mark.postgres

TOKEN = "a secret of fewer than fifty characters"


@dataclass
class Crm:
    """What a CRM does to the served application, for configurations in its database."""

    api: httpx2.AsyncClient
    resources: Resources
    books: SqlWorld
    clock: ManualClock

    async def configured(self, base: RunSettings, count: int = 1) -> list[RunSettings]:
        """So many active configurations of one connection."""
        made = [base, *(replace(base, config_id=ConfigId(uuid4()), group_id=GroupId(f"g{n}")) for n in range(1, count))]
        for settings in made:
            await self.books.put(settings)
            await self.books.hourly(settings)
        return made

    async def channel(self, settings: RunSettings) -> Channel:
        """An open channel of the configuration's connection."""
        channels = SqlChannels(self.resources.foundation.database, self.clock)
        key = (await self.resources.foundation.vault.installation()).hash_key
        place = Place(settings.organisation_id, settings.crm_connection_id)
        channel = await channels.begin(place, token_hash(key, TOKEN), self.clock.now())
        assert channel is not None
        await channels.opened(channel, self.clock.now() + timedelta(days=7))
        return channel

    async def notify(self, channel: UUID, **body: Any) -> httpx2.Response:  # noqa: ANN401  JSON of any shape
        return await self.api.post(f"/webhooks/zoho/{channel}", json={"token": TOKEN, **body})

    async def runs(self, settings: RunSettings) -> list[dict[str, Any]]:
        async with self.resources.foundation.database.tenant(settings.organisation_id) as connection:
            rows = await connection.fetch("SELECT * FROM runs WHERE config_id = $1", settings.config_id)
        return [dict(row) for row in rows]

    async def begin(self, settings: RunSettings) -> None:
        """A worker begins to read."""
        async with self.resources.foundation.database.tenant(settings.organisation_id) as connection:
            await connection.execute("UPDATE runs SET state = 'running', started_at = $1", self.clock.now())


@pytest.fixture
async def crm(resources: Resources, clock: ManualClock, database: Database) -> AsyncIterator[Crm]:
    async with served(resources) as api:
        books = SqlWorld(database, resources.foundation.database)
        books.vault, books.clock = resources.foundation.vault, clock
        yield Crm(api, resources, books, clock)


async def test_a_notification_asks_for_one_run_of_each_configuration(crm: Crm) -> None:
    configs = await crm.configured(some_settings(), 3)
    channel = await crm.channel(configs[0])
    answers = [await crm.notify(channel.channel_id, ids=["1"], operation="update") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {202}
    for config in configs:
        (run,) = await crm.runs(config)
        assert (run["trigger"], run["state"]) == ("webhook", "queued")


@pytest.mark.parametrize("body", [{"token": "another"}, {"token": None}, {}, {"token": TOKEN + "x"}, [], "x"])
async def test_an_unknown_channel_and_a_wrong_secret_look_the_same(crm: Crm, body: object) -> None:
    (config,) = await crm.configured(some_settings())
    channel = await crm.channel(config)
    wrong = await crm.api.post(f"/webhooks/zoho/{channel.channel_id}", json=body)
    unknown = await crm.api.post(f"/webhooks/zoho/{uuid4()}", json={"token": TOKEN})
    bodies = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in (wrong, unknown)]
    assert (wrong.status_code, bodies[0]) == (404, bodies[1])
    assert await crm.runs(config) == []


async def test_a_body_can_ask_for_nothing(crm: Crm) -> None:
    """Whatever it says beside the secret, a run of the channel's own configurations is all that comes of it."""
    ours, theirs = some_settings(), some_settings()
    await crm.configured(ours)
    await crm.configured(theirs)
    channel = await crm.channel(ours)
    told = {"configuration_id": str(theirs.config_id), "mode": "full", "ids": [1, None], "server_time": "x"}
    assert (await crm.notify(channel.channel_id, **told)).status_code == 202
    assert [run["mode"] for run in await crm.runs(ours)] == ["sync"]
    assert await crm.runs(theirs) == []


async def test_a_paused_configuration_is_left_alone(crm: Crm) -> None:
    config = some_settings()
    await crm.books.put(config, active=False)
    channel = await crm.channel(config)
    assert (await crm.notify(channel.channel_id)).status_code == 202
    assert await crm.runs(config) == []


async def test_our_own_write_is_no_news(crm: Crm) -> None:
    (config,) = await crm.configured(some_settings())
    channel = await crm.channel(config)
    written = datetime.fromisoformat("2026-03-01T09:00:07+00:00")
    database = crm.resources.foundation.database
    await put_pair(
        database, config.organisation_id, config.config_id, crm_id="5001", crm_revision="2026-03-01T09:00:07Z"
    )
    own = {"ids": ["5001"], "operation": "update"}
    instant = int(written.timestamp() * 1000)
    assert (await crm.notify(channel.channel_id, **own, server_time=instant + 412)).status_code == 202
    assert await crm.runs(config) == []
    # the same record a second later was written by somebody else, and a message with one more record is news
    for news in ({**own, "server_time": instant + 1000}, {"ids": ["5001", "5002"], "server_time": instant}):
        assert (await crm.notify(channel.channel_id, **news)).status_code == 202
        assert len(await crm.runs(config)) == 1


async def test_a_burst_loses_nothing_and_makes_two_runs_at_most(crm: Crm) -> None:
    """400 notifications for 20 configurations, while workers begin: one run is open, one more follows."""
    configs = [some_settings() for _ in range(20)]
    channels = []
    for config in configs:
        await crm.configured(config)
        channels.append((await crm.channel(config)).channel_id)

    async def burst() -> list[int]:
        answers = await asyncio.gather(*(crm.notify(channel) for channel in channels for _ in range(10)))
        return [answer.status_code for answer in answers]

    assert set(await burst()) == {202}
    for config in configs:
        await crm.begin(config)
    assert set(await burst()) == {202}
    for config in configs:
        (run,) = await crm.runs(config)
        assert orjson.loads(run["wishes"]) == [{"mode": "sync", "trigger": "webhook"}]


# --- requests of a CRM ------------------------------------------------------------------------------------------------


@pytest.fixture
def mine() -> RunSettings:
    """Settings of the local user."""
    return replace(some_settings(), organisation_id=LOCAL_USER.organisation_id, owner_id=LOCAL_USER.user_id)


async def _endpoint(crm: Crm) -> dict[str, Any]:
    answer = await crm.api.post("/v1/webhook-endpoints", json={"direction": "incoming", "name": "CRM"})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _path(endpoint: dict[str, Any]) -> str:
    return f"/webhooks/sync-requests/{endpoint['id']}"


async def _ask(crm: Crm, endpoint: dict[str, Any], secret: str, body: bytes = b"") -> httpx2.Response:
    headers = signed_headers([secret], "msg_1", crm.clock.now(), body)
    return await crm.api.post(_path(endpoint), content=body, headers=headers)


async def test_a_signed_request_asks_for_runs(crm: Crm, mine: RunSettings) -> None:
    configs = await crm.configured(mine, 2)
    endpoint = await _endpoint(crm)
    assert endpoint["url"].endswith(_path(endpoint))
    one = orjson.dumps({"configuration_id": str(configs[1].config_id), "mode": "full"})
    answer = await _ask(crm, endpoint, endpoint["secret"], one)
    assert (answer.status_code, answer.json()) == (202, {"configurations": 1})
    assert [run["mode"] for run in await crm.runs(configs[1])] == ["full"]
    assert (await _ask(crm, endpoint, endpoint["secret"])).json() == {"configurations": 2}
    wrong = await _ask(crm, endpoint, endpoint["secret"], b'{"mode": "preview"}')
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "mode")


async def test_a_caller_that_cannot_sign_shows_the_secret(crm: Crm, mine: RunSettings) -> None:
    await crm.configured(mine)
    endpoint = await _endpoint(crm)
    header = {"X-Contact-Sync-Secret": endpoint["secret"]}
    assert (await crm.api.post(_path(endpoint), headers=header)).status_code == 202
    for wrong in ({}, {"X-Contact-Sync-Secret": endpoint["secret"][:-1]}):
        assert (await crm.api.post(_path(endpoint), headers=wrong)).status_code == 404


async def test_another_organisations_configuration_is_not_asked(crm: Crm) -> None:
    (theirs,) = await crm.configured(some_settings())
    endpoint = await _endpoint(crm)
    body = orjson.dumps({"configuration_id": str(theirs.config_id)})
    answer = await _ask(crm, endpoint, endpoint["secret"], body)
    assert (answer.status_code, answer.json()) == (202, {"configurations": 0})
    assert await crm.runs(theirs) == []


async def test_a_secret_is_rotated_with_an_overlap(crm: Crm) -> None:
    endpoint = await _endpoint(crm)
    rotated = (await crm.api.post(f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret")).json()
    for secret in (endpoint["secret"], rotated["secret"]):
        assert (await _ask(crm, endpoint, secret)).status_code == 202
    crm.clock.advance(timedelta(hours=24))
    assert (await _ask(crm, endpoint, endpoint["secret"])).status_code == 404
    assert (await _ask(crm, endpoint, rotated["secret"])).status_code == 202


async def test_an_endpoint_lives_until_it_is_deleted_and_leaves_a_trail(crm: Crm) -> None:
    endpoint = await _endpoint(crm)
    (listed,) = (await crm.api.get("/v1/webhook-endpoints")).json()["items"]
    assert "secret" not in listed
    address = f"/v1/webhook-endpoints/{endpoint['id']}"
    crm.clock.advance(timedelta(seconds=1))
    assert (await crm.api.delete(address)).status_code == 204
    assert (await crm.api.delete(address)).status_code == 404
    assert (await _ask(crm, endpoint, endpoint["secret"])).status_code == 404
    trail = (await crm.api.get("/v1/audit-events")).json()["items"]
    assert [event["action"] for event in trail] == ["webhook_endpoint.deleted", "webhook_endpoint.created"]
    assert {event["object_id"] for event in trail} == {endpoint["id"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"direction": "incoming", "url": "https://example.com"}, "url"),
        ({"direction": "incoming", "events": ["run.finished"]}, "events"),
        ({"direction": "outgoing"}, "url"),
        ({"direction": "outgoing", "url": "http://example.com/hook"}, "url"),
        ({"direction": "outgoing", "url": "https://user@example.com/hook"}, "url"),
        ({"direction": "outgoing", "url": "ftp://example.com"}, "url"),
        ({"direction": "outgoing", "url": "https://[::1"}, "url"),
        ({"direction": "outgoing", "url": "https://example.com:99999/"}, "url"),
        ({"direction": "outgoing", "url": "https://exam ple.com/"}, "url"),
        ({"direction": "outgoing", "url": "https://example.com/\r\nX: y"}, "url"),
        ({"direction": "outgoing", "url": "https://example.com/\u2028"}, "url"),
        ({"direction": "outgoing", "url": "https://a..b.example/"}, "url"),
        ({"direction": "outgoing", "url": f"https://{'a' * 64}.example/"}, "url"),
        ({"direction": "outgoing", "url": "https://example.com", "events": ["run.began"]}, "events.0"),
        ({"direction": "outgoing", "url": "https://example.com", "secret": "mine"}, "secret"),
    ],
)
async def test_an_endpoint_that_makes_no_sense_is_refused(crm: Crm, body: dict[str, Any], field: str) -> None:
    answer = await crm.api.post("/v1/webhook-endpoints", json={"name": "x", **body})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
