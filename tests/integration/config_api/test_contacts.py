"""One contact's state and why, and what a person may ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from config_api.resources import LOCAL_USER
from contactsync.domain.contact import Identity, Side
from contactsync.domain.digests import Digester
from contactsync.domain.link import Hold, Link, LinkSide, PairState
from contactsync.domain.outcome import Outcome
from contactsync.ports.state import Outsider, RunContact, RunState
from tests.integration.config_api.conftest import Desk
from tests.integration.config_api.working import AtWork, pair, working
from tests.support.clock import EPOCH

pytestmark = pytest.mark.postgres

ADA = "ada@example.org"


@asynccontextmanager
async def with_pairs(desk: Desk, *links: Link) -> AsyncIterator[tuple[str, AtWork]]:
    """The contacts' address, and the first run, which has these pairs."""
    saved = await desk.save()
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, saved["id"], saved["run_id"], account) as work:
        async with work.begin() as tx:
            await tx.links.save(links)
        yield f"/v1/sync-configs/{saved['id']}/contacts", work


async def digester(desk: Desk) -> Digester:
    key = await desk.resources.foundation.vault.organisation_digest_key(LOCAL_USER.organisation_id)
    return Digester(key)


async def known_by(desk: Desk, link: Link, email: str) -> Link:
    keys = (await digester(desk)).match_keys(Identity(strong_emails=(email,)))
    return replace(link, crm=replace(link.crm, keys=keys))


def doubted(number: int) -> Link:
    hold = Hold(reason="possible_duplicate", since=EPOCH, rivals=("people/c99",))
    alone = replace(pair(number, PairState.SINGLE), google=LinkSide())
    return replace(alone, hold=hold, pending_since=EPOCH)


async def states(desk: Desk, address: str) -> list[Any]:
    return [item["google"]["id"] for item in (await desk.get(address))["items"]]


async def test_why_ada_is_not_on_the_phone(desk: Desk) -> None:
    ada = await known_by(desk, doubted(1), ADA)
    async with with_pairs(desk, ada, pair(2)) as (address, work):
        row = RunContact(link_id=ada.link_id, outcome=Outcome.HELD, reason="possible_duplicate", name="Ada Lovelace")
        async with work.begin() as tx:
            await tx.runs.record(work.run.run_id, [row])
        (found,) = (await desk.get(f"{address}?email=ADA@example.org"))["items"]
    assert (found["name"], found["state"], found["actions"]) == (
        "Ada Lovelace",
        "single",
        ["exclude", "keep_apart", "retry", "same_person"],
    )
    assert (found["held"]["reason"], found["held"]["may_be"]) == ("possible_duplicate", ["people/c99"])
    assert found["last"]["outcome"] == "held"
    assert found["waiting_since"] is None


async def test_contacts_are_found_by_either_id_and_by_their_state(desk: Desk) -> None:
    gone = pair(3, PairState.GONE)
    waiting = replace(pair(4), pending_since=EPOCH)
    async with with_pairs(desk, pair(1), doubted(2), gone, waiting) as (address, _):
        assert await states(desk, f"{address}?crm_id={pair(1).crm.remote_id}") == ["people/c1"]
        assert await states(desk, f"{address}?google_id=people/c3") == ["people/c3"]
        assert await states(desk, f"{address}?state=linked") == ["people/c1", "people/c4"]
        assert await states(desk, f"{address}?state=held") == [None]
        assert await states(desk, f"{address}?state=waiting") == ["people/c4"]
        assert await states(desk, f"{address}?state=waiting&google_id=people/c1") == []
        assert len(await states(desk, address)) == 4


async def test_an_address_outside_the_group_is_told(desk: Desk) -> None:
    keys = (await digester(desk)).match_keys(Identity(strong_emails=(ADA,)))
    async with with_pairs(desk) as (address, work):
        async with work.begin() as tx:
            await tx.outsiders.save(Side.GOOGLE, 1, [Outsider("people/c7", keys)])
        found = await desk.get(f"{address}?email={ADA}")
    assert (found["items"], found["outside"]) == ([], [{"side": "google", "id": "people/c7"}])


async def test_pages_of_contacts_follow_one_another(desk: Desk) -> None:
    async with with_pairs(desk, *(pair(n) for n in range(1, 6))) as (address, _):
        first = await desk.get(f"{address}?limit=3")
        second = await desk.get(f"{address}?limit=3&cursor={first['next_cursor']}")
    assert [len(first["items"]), len(second["items"]), second["next_cursor"]] == [3, 2, None]


async def test_an_action_is_kept_for_the_next_run_which_is_asked_for(desk: Desk) -> None:
    async with with_pairs(desk, doubted(1)) as (address, work):
        async with work.begin() as tx:
            await tx.runs.finish(replace(work.run, state=RunState.PARTIAL), next_due=None)
        answer = await desk.api.post(f"{address}/{pair(1).link_id}/actions", json={"action": "keep_apart"})
        assert answer.status_code == 202
        assert answer.json()["contact"]["asked"] == "keep_apart"
        assert answer.json()["run_id"] != str(work.run.run_id)
        assert (await desk.get(f"/v1/runs/{answer.json()['run_id']}"))["state"] == "queued"


async def test_what_makes_no_sense_is_refused_with_what_does(desk: Desk) -> None:
    async with with_pairs(desk, pair(1)) as (address, _):
        answer = await desk.api.post(f"{address}/{pair(1).link_id}/actions", json={"action": "bring_back"})
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_possible")
    assert answer.json()["possible"] == ["exclude"]


async def test_a_pair_of_nobody_is_not_found(desk: Desk) -> None:
    async with with_pairs(desk, pair(1)) as (address, _):
        answer = await desk.api.post(f"{address}/{uuid4()}/actions", json={"action": "exclude"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        release = await desk.api.post(f"{address}/{pair(1).link_id}/actions", json={"action": "release"})
        assert release.status_code == 422
