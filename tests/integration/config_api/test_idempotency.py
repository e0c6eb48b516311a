"""`Idempotency-Key` on every POST of a caller: done once, answered alike, and nothing is kept in the clear."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from config_api.app import interface
from config_api.description import OPERATIONS
from config_api.examples import BODIES
from config_api.resources import Resources
from config_api.settings import ConfigApiSettings
from config_api.web.rates import RequestRates
from tests.contract.state.worlds import KEYS
from tests.integration.config_api.conftest import body
from tests.integration.config_api.town import Town, inhabited
from tests.support.accounts import OTHER_GROUP
from tests.support.clock import ManualClock
from tests.support.postgres import Database

pytestmark = pytest.mark.postgres

KEY = {"Idempotency-Key": "the only one"}
NEEDS_GOOGLE = "create_google_group"
"""Asked of a simulated account in tests/integration/connections/test_forms.py."""
POSTS = [
    pytest.param(path, OPERATIONS[f"POST {path}"], id=OPERATIONS[f"POST {path}"])
    for path, operations in interface().openapi()["paths"].items()
    if "post" in operations and path.startswith("/v1/") and OPERATIONS[f"POST {path}"] != NEEDS_GOOGLE
]
_OWN_BODIES = {"create_sync_config": body(google_group=OTHER_GROUP)}
ANSWER_A_RUN = {"approve_deletes", "refuse_deletes"}


@pytest.fixture
def settings(database: Database) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate(
        {
            "database_url": database.url,
            "keys": KEYS,
            "frame_ancestors": "https://crm.example.com",
            "return_origins": "https://crm.example.com",
            "google_client_id": "one",
            "google_client_secret": "its secret",
        }
    )


@pytest.fixture
async def town(resources: Resources, clock: ManualClock) -> AsyncIterator[Town]:
    async with inhabited(resources, clock) as town:
        yield town


async def ask(town: Town, path: str, name: str) -> httpx2.Response:
    """The call about something that exists, with the example's body."""
    content = _OWN_BODIES.get(name, BODIES.get(name))
    return await town.api.post(_address(town, path), json=content, headers={**town.ours.headers, **KEY})


def _address(town: Town, path: str) -> str:
    return path.format(provider="google", **{known: str(value) for known, value in town.ours.ids.items()})


def texts(value: object) -> Iterator[str]:
    """Every text in an answer that is long enough to be a secret."""
    if isinstance(value, str) and len(value) > 20:
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


@pytest.mark.parametrize(("path", "name"), POSTS)
async def test_the_same_request_is_done_once_and_answered_alike(town: Town, path: str, name: str) -> None:
    if name in ANSWER_A_RUN:
        async with town.resources.foundation.database.tenant(town.ours.organisation_id) as connection:
            await connection.execute("UPDATE runs SET state = 'needs_approval', finished_at = now()")
    first = await ask(town, path, name)
    assert first.status_code < 300, first.text
    assert "idempotent-replayed" not in first.headers
    before = await town.fingerprint(town.ours)

    again = await ask(town, path, name)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers.get("location") == first.headers.get("location")
    await _is_refused(town, "/v1/webhook-endpoints", {"direction": "incoming", "name": "another call"})
    if name in BODIES:
        await _is_refused(town, path, {**BODIES[name], "another": "value"})
    assert await town.fingerprint(town.ours) == before
    await _is_kept_sealed(town, first)


async def _is_refused(town: Town, path: str, content: object) -> None:
    """Another request under the key."""
    other = await town.api.post(_address(town, path), json=content, headers={**town.ours.headers, **KEY})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def _is_kept_sealed(town: Town, answer: httpx2.Response) -> None:
    """No text of the answer that could be a secret stands in the row."""
    async with town.resources.foundation.database.tenant(town.ours.organisation_id) as connection:
        (kept,) = await connection.fetch("SELECT t::text AS row, response FROM idempotency_keys t")
    assert kept["response"] is not None
    for text in texts(answer.json() if answer.content else {}):
        assert text.encode() not in kept["response"]
        assert text not in kept["row"]


async def test_a_refused_request_may_be_sent_again_under_its_key(town: Town) -> None:
    path = "/v1/embed-sessions"
    headers = {**town.ours.headers, **KEY}
    refused = await town.api.post(path, json={"return_path": 1}, headers=headers)
    assert refused.status_code == 422
    assert (await town.api.post(path, json={}, headers=headers)).status_code == 201


async def test_a_request_with_a_key_counts_once(resources: Resources, clock: ManualClock) -> None:
    """The route class asks who calls, and so does the route."""
    async with inhabited(resources, clock, RequestRates(4, 100, clock)) as town:  # two of them made what there is
        for _ in range(2):
            assert (await ask(town, "/v1/embed-sessions", "create_embed_session")).status_code == 201
        assert (await ask(town, "/v1/embed-sessions", "create_embed_session")).status_code == 429
