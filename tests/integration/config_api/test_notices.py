"""News that leaves: signed calls with retries and a dead list, letters once for each incident."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx2
import orjson
import pytest
import standardwebhooks

from config_api.notices.egress import Egress
from config_api.notices.mail import Mailer, mail_server
from config_api.notices.sender import NoticeSender
from config_api.resources import LOCAL_USER, Resources
from config_api.settings import ConfigApiSettings
from contactsync.adapters.sql.callers import SqlCallerDirectory
from contactsync.adapters.sql.notices import SqlNotices
from contactsync.ports.callers import Identity, Profile, Role
from contactsync.ports.state import RunMode, RunSettings
from tests.contract.state.worlds import KEYS, SqlWorld, some_settings
from tests.integration.config_api.conftest import served
from tests.support import postbox
from tests.support.clock import ManualClock
from tests.support.postbox import Postbox
from tests.support.postgres import Database

pytestmark = pytest.mark.postgres

URL = "http://hook.internal/in"


@pytest.fixture
def settings(database: Database) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate(
        {"database_url": database.url, "keys": KEYS, "webhook_hosts": "hook.internal"}
    )


@dataclass
class Hook:
    """The customer's server."""

    status: int = 204
    headers: httpx2.Headers | dict[str, str] = field(default_factory=dict)
    broken: str = ""
    calls: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == self.broken:
            raise RuntimeError("nobody foresaw this")
        self.calls.append(request)
        return httpx2.Response(self.status, headers=self.headers)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [orjson.loads(call.content) for call in self.calls]


@dataclass
class Desk:
    api: httpx2.AsyncClient
    resources: Resources
    books: SqlWorld
    clock: ManualClock
    config: RunSettings
    hook: Hook = field(default_factory=Hook)
    mailer: Mailer | None = None

    def sender(self) -> NoticeSender:
        foundation = self.resources.foundation
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self.hook))
        notices = SqlNotices(foundation.database, foundation.vault, mails=self.mailer is not None)
        return NoticeSender(notices, Egress(client, ["hook.internal"]), self.mailer, self.clock, Random(1))

    async def endpoint(self, **changes: object) -> dict[str, Any]:
        body = {"direction": "outgoing", "name": "CRM", "url": URL, **changes}
        answer = await self.api.post("/v1/webhook-endpoints", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def leads_to(self, url: str) -> None:
        """The endpoint at hook.example has this address, which no save would take."""
        await self._execute("UPDATE webhook_endpoints SET url = $1 WHERE url LIKE 'https://hook.example/%'", url)

    async def run_ends(self, state: str = "succeeded", reason: str = "") -> str:
        asked = await self.books.requests.request(
            self.config.organisation_id, self.config.config_id, RunMode.SYNC, "user", self.clock.now()
        )
        await self._execute(
            "UPDATE runs SET state = $1, reason = $2, finished_at = $3 WHERE run_id = $4",
            state,
            reason,
            self.clock.now(),
            asked.run_id,
        )
        return str(asked.run_id)

    async def asks_about_a_delete(self) -> str:
        """A run that ended with one delete to be approved."""
        run_id = await self.run_ends("needs_approval", "awaiting_approval")
        await self._execute(
            "INSERT INTO effects (organisation_id, effect_id, config_id, run_id, link_id, side, kind, state, batch, "
            "fence, recorded_at) VALUES ($1, gen_random_uuid(), $2, $3, gen_random_uuid(), 'google', 'delete', "
            "'planned', gen_random_uuid(), 1, $4)",
            self.config.organisation_id,
            self.config.config_id,
            UUID(run_id),
            self.clock.now(),
        )
        return run_id

    async def pause(self, reason: str = "google_account_lost") -> None:
        await self._execute("UPDATE sync_configs SET status = 'paused', paused_reason = $1", reason)

    async def resume(self) -> None:
        await self._execute("UPDATE sync_configs SET status = 'active', paused_reason = ''")

    async def deliveries(self) -> list[tuple[str, int, int]]:
        async with self.resources.foundation.database.tenant(self.config.organisation_id) as connection:
            rows = await connection.fetch("SELECT state, attempt, status FROM deliveries ORDER BY created_at")
        return [(row["state"], row["attempt"], row["status"]) for row in rows]

    async def _execute(self, statement: str, *values: object) -> None:
        async with self.resources.foundation.database.tenant(self.config.organisation_id) as connection:
            await connection.execute(statement, *values)


@pytest.fixture
async def desk(resources: Resources, clock: ManualClock, database: Database) -> AsyncIterator[Desk]:
    config = replace(some_settings(), organisation_id=LOCAL_USER.organisation_id, owner_id=LOCAL_USER.user_id)
    books = SqlWorld(database, resources.foundation.database)
    books.vault, books.clock = resources.foundation.vault, clock
    await books.put(config)
    async with served(resources) as api:
        yield Desk(api, resources, books, clock, config)


async def test_the_end_of_a_run_is_told_once_signed_with_the_endpoints_secret(desk: Desk) -> None:
    endpoint = await desk.endpoint()
    run_id = await desk.run_ends("partial", "over_limit")
    await asyncio.gather(*(desk.sender().look() for _ in range(3)))
    await desk.sender().look()
    (call,) = desk.hook.calls
    (told,) = desk.hook.told
    assert told["type"] == "run.finished"
    data = told["data"]
    assert (data["run_id"], data["configuration_id"]) == (run_id, str(desk.config.config_id))
    assert (data["state"], data["reason"], data["trigger"]) == ("partial", "over_limit", "user")
    # The library compares with the real time of day, ours stands still: the signature alone is compared.
    sent = call.headers["webhook-timestamp"]
    assert int(sent) == int(desk.clock.now().timestamp())
    expected = standardwebhooks.Webhook(endpoint["secret"]).sign(
        call.headers["webhook-id"], desk.clock.now(), call.content.decode()
    )
    assert call.headers["webhook-signature"] == expected


async def test_while_a_secret_changes_messages_are_signed_with_both(desk: Desk) -> None:
    endpoint = await desk.endpoint()
    await desk.api.post(f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret")
    await desk.run_ends()
    await desk.sender().look()
    assert len(desk.hook.calls[0].headers["webhook-signature"].split()) == 2
    desk.clock.advance(timedelta(hours=24))
    await desk.run_ends()
    await desk.sender().look()
    assert len(desk.hook.calls[1].headers["webhook-signature"].split()) == 1


async def test_pauses_and_approvals_are_told_and_an_endpoint_hears_what_it_asked_for(desk: Desk) -> None:
    await desk.endpoint(events=["configuration.paused", "run.approval_needed"])
    await desk.run_ends()
    await desk.sender().look()
    assert desk.hook.told == []
    await desk.run_ends("needs_approval", "awaiting_approval")
    await desk.pause()
    await desk.sender().look()
    assert sorted(told["type"] for told in desk.hook.told) == ["configuration.paused", "run.approval_needed"]
    for _ in range(2):  # the same pause is no second piece of news
        await desk.sender().look()
    assert len(desk.hook.told) == 2
    await desk.resume()
    await desk.sender().look()
    await desk.pause()
    await desk.sender().look()
    assert len(desk.hook.told) == 3


async def test_of_a_pause_that_ends_and_begins_between_two_looks_another_reason_is_news_and_the_same_is_not(
    desk: Desk,
) -> None:
    """Who reconnected his account, and is stopped at once by something else, must hear of that."""
    await desk.endpoint(events=["configuration.paused"])
    await desk.pause("needs_reconnect")
    await desk.sender().look()
    for again in ("needs_reconnect", "view_gone"):
        await desk.resume()
        await desk.pause(again)
        await desk.sender().look()
    assert [told["data"]["reason"] for told in desk.hook.told] == ["needs_reconnect", "view_gone"]


async def test_a_list_that_is_asked_about_again_is_no_second_piece_of_news(desk: Desk) -> None:
    await desk.endpoint(events=["run.approval_needed"])
    asking = await desk.asks_about_a_delete()
    for _ in range(2):
        await desk.sender().look()
        answering = (await desk.api.post(f"/v1/runs/{asking}/approve")).json()
        await desk.api.post(f"/v1/runs/{answering['id']}/cancel")
        assert (await desk.api.get(f"/v1/runs/{asking}")).json()["state"] == "needs_approval"
    await desk.sender().look()
    assert [told["data"]["run_id"] for told in desk.hook.told] == [asking]


async def test_a_silent_address_is_tried_for_three_days_and_then_given_up(desk: Desk) -> None:
    endpoint = await desk.endpoint()
    await desk.run_ends()
    desk.hook.status = 500
    began = desk.clock.now()
    for _ in range(9):
        await desk.sender().look()
        await desk.sender().look()  # nothing is sent before its time
        desk.clock.advance(timedelta(hours=30))
    await desk.sender().look()
    assert [(state, status) for state, _, status in await desk.deliveries()] == [("dead", 500)]
    assert len(desk.hook.calls) == 10
    assert len({call.headers["webhook-id"] for call in desk.hook.calls}) == 1
    assert desk.clock.now() - began > timedelta(days=3)
    desk.hook.status = 204
    desk.clock.advance(timedelta(days=10))
    await desk.sender().look()
    assert len(desk.hook.calls) == 10
    address = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"
    (dead,) = (await desk.api.get(f"{address}?state=dead")).json()["items"]
    assert (dead["event"], dead["attempts"], dead["status"]) == ("run.finished", 10, 500)
    assert (await desk.api.post(f"{address}/{dead['id']}/retry")).status_code == 202
    await desk.sender().look()
    assert len(desk.hook.calls) == 11
    (told,) = (await desk.api.get(address)).json()["items"]
    assert (told["state"], told["status"]) == ("done", 204)
    assert (await desk.api.post(f"{address}/{dead['id']}/retry")).status_code == 404


async def test_an_address_that_says_when_is_not_asked_before(desk: Desk) -> None:
    await desk.endpoint()
    await desk.run_ends()
    desk.hook.status, desk.hook.headers = 429, {"Retry-After": "3600"}
    await desk.sender().look()
    desk.clock.advance(timedelta(seconds=3599))
    await desk.sender().look()
    assert len(desk.hook.calls) == 1
    desk.hook.status = 204
    desk.clock.advance(timedelta(seconds=1))
    await desk.sender().look()
    assert await desk.deliveries() == [("done", 3, 204)]


async def test_an_address_that_is_gone_is_not_asked_again(desk: Desk) -> None:
    await desk.endpoint()
    await desk.run_ends()
    await desk.run_ends()
    desk.hook.status = 410
    await desk.sender().look()
    await desk.run_ends()
    desk.clock.advance(timedelta(days=1))
    calls = len(desk.hook.calls)
    await desk.sender().look()
    assert len(desk.hook.calls) == calls <= 2
    (listed,) = (await desk.api.get("/v1/webhook-endpoints")).json()["items"]
    assert listed["disabled_at"] is not None


async def test_an_address_inside_is_never_called(desk: Desk) -> None:
    await desk.endpoint(url="https://127.0.0.1:9/in")
    await desk.run_ends()
    await desk.sender().look()
    assert desk.hook.calls == []
    assert [state for state, _, _ in await desk.deliveries()] == ["dead"]


async def test_what_one_endpoint_brings_about_keeps_no_other_from_the_news(desk: Desk) -> None:
    """Names that cannot be looked up, and answers that no interpreter can read, are a customer's own."""
    for place in ("https://a..b.example/in", f"https://{'a' * 64}.example/in"):
        await desk.endpoint(url="https://hook.example/in")
        await desk.leads_to(place)
    await desk.endpoint()
    await desk.run_ends()
    await desk.sender().look()
    assert len(desk.hook.calls) == 1
    assert sorted(state for state, _, _ in await desk.deliveries()) == ["dead", "dead", "done"]


@pytest.mark.parametrize("seconds", ["9" * 18, "9" * 5000, "0" * 5000, "\u0663"])
async def test_an_address_that_says_when_by_a_number_without_sense_is_asked_again(desk: Desk, seconds: str) -> None:
    await desk.endpoint()
    await desk.run_ends()
    desk.hook.status, desk.hook.headers = 503, httpx2.Headers([(b"Retry-After", seconds.encode())])
    await desk.sender().look()
    assert await desk.deliveries() == [("waiting", 2, 503)]
    desk.hook.status = 204
    desk.clock.advance(timedelta(days=1))
    await desk.sender().look()
    assert await desk.deliveries() == [("done", 3, 204)]


async def test_a_delivery_that_fails_as_nobody_foresaw_is_tried_again_and_keeps_no_other(desk: Desk) -> None:
    await desk.endpoint(url="http://hook.internal/broken")
    await desk.endpoint()
    await desk.run_ends()
    desk.hook.broken = "/broken"
    await desk.sender().look()
    assert sorted(await desk.deliveries()) == [("done", 2, 204), ("waiting", 2, 0)]


# --- letters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def post() -> Iterator[tuple[Postbox, str]]:
    with postbox.mail_server() as served_box:
        yield served_box


async def _owner(desk: Desk, url: str, language: str, email: str = "ada@example.com") -> None:
    """The configuration belongs to somebody whose address the issuer told."""
    foundation = desk.resources.foundation
    directory = SqlCallerDirectory(foundation.database, foundation.vault, desk.clock)
    profile = Profile("Ada", email, language)
    known = await directory.known(Identity("https://issuer.example.com", "1", "ada", Role.USER, profile))
    assert known is not None
    desk.config = replace(some_settings(), organisation_id=known.organisation_id, owner_id=known.user_id)
    await desk.books.put(desk.config)
    desk.mailer = Mailer(mail_server(url), "sync@example.com", "https://sync.example.com")


@pytest.mark.parametrize(
    ("language", "subject", "text"),
    [
        ("en", "Contact Sync is paused", "Nothing was lost."),
        ("fr-CA", "Contact Sync est en pause", "Rien n’est perdu."),
        ("de", "Contact Sync is paused", "Nothing was lost."),
    ],
)
async def test_the_owner_gets_one_letter_for_a_pause_in_his_language(
    desk: Desk, post: tuple[Postbox, str], language: str, subject: str, text: str
) -> None:
    box, url = post
    await _owner(desk, url, language)
    await desk.pause()
    for _ in range(3):
        await desk.sender().look()
    (letter,) = box.letters
    assert (letter["To"], letter["From"], letter["Subject"]) == ("ada@example.com", "sync@example.com", subject)
    assert letter["Auto-Submitted"] == "auto-generated"
    content = letter.get_content()
    assert text in content
    link = f"https://sync.example.com/?configuration={desk.config.config_id}"
    assert content.count("https://") == 1
    assert link in content


async def test_a_run_that_ended_is_no_reason_for_a_letter_and_approval_is(
    desk: Desk, post: tuple[Postbox, str]
) -> None:
    box, url = post
    await _owner(desk, url, "en")
    await desk.run_ends()
    await desk.run_ends("needs_approval", "awaiting_approval")
    await desk.sender().look()
    (letter,) = box.letters
    assert letter["Subject"] == "Contact Sync: deletions wait for your answer"


async def test_a_letter_that_cannot_be_handed_in_is_tried_again_later(desk: Desk, post: tuple[Postbox, str]) -> None:
    box, url = post
    await _owner(desk, url, "en")
    await desk.pause()
    box.answer = "451 later"
    await desk.sender().look()
    assert [(state, attempt) for state, attempt, _ in await desk.deliveries()] == [("waiting", 2)]
    box.answer = "250 OK"
    desk.clock.advance(timedelta(seconds=6))
    await desk.sender().look()
    assert len(box.letters) == 1
    assert [state for state, _, _ in await desk.deliveries()] == ["done"]


async def test_an_owner_without_an_address_is_no_trouble(desk: Desk, post: tuple[Postbox, str]) -> None:
    box, url = post
    desk.mailer = Mailer(mail_server(url), "sync@example.com", "https://sync.example.com")
    await desk.pause()
    await desk.sender().look()
    assert box.letters == []
    assert [state for state, _, _ in await desk.deliveries()] == ["done"]


@pytest.mark.parametrize(
    "email",
    ["ada@example.com\nBcc: all@example.com", "a@[", "ada@x.org, bob@x.org", "ada", "a\0@b.org"],
)
async def test_an_address_that_is_not_one_address_gets_no_letter_and_keeps_no_news_from_others(
    desk: Desk, post: tuple[Postbox, str], email: str
) -> None:
    box, url = post
    await _owner(desk, url, "en", email)
    await desk.pause()
    await desk.sender().look()
    assert box.letters == []
    assert [state for state, _, _ in await desk.deliveries()] == ["dead"]
