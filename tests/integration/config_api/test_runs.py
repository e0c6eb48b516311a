"""Runs over HTTP: asked for, watched, reported, stopped, answered."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

import orjson
import pytest

from config_api.resources import LOCAL_USER, MOST_WATCHED
from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId, LinkId
from contactsync.domain.outcome import Outcome
from contactsync.domain.reasons import Reason
from contactsync.ports.state import Effect, EffectState, Listing, Phase, Run, RunContact, RunState
from tests.integration.config_api.conftest import Desk
from tests.integration.config_api.working import AtWork, pair, working
from tests.support.clock import EPOCH
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres


@dataclass
class Started:
    """A saved configuration whose first run is under way."""

    config: str
    run: str
    work: AtWork


@asynccontextmanager
async def started(desk: Desk) -> AsyncIterator[Started]:
    saved = await desk.save()
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, saved["id"], saved["run_id"], account) as work:
        yield Started(saved["id"], saved["run_id"], work)


def changed(run: Run, **changes: object) -> Run:
    return replace(run, **changes)  # type: ignore[arg-type]  # names are checked by the dataclass


async def end(
    work: AtWork, state: RunState = RunState.SUCCEEDED, *, next_due: datetime | None = None, **changes: object
) -> None:
    async with work.begin() as tx:
        await tx.runs.finish(changed(work.run, state=state, **changes), next_due=next_due)


async def progress(work: AtWork, **changes: object) -> None:
    async with work.begin() as tx:
        work.run = changed(work.run, **changes)
        await tx.runs.save(work.run)


def listing(seen: int, expected: int) -> Listing:
    return Listing(full=True, number=1, started_at=EPOCH, seen=seen, expected=expected)


# --- asking -----------------------------------------------------------------------------------------------------------


async def test_a_request_joins_the_run_that_has_not_begun(desk: Desk) -> None:
    saved = await desk.save()
    answer = await desk.api.post(f"/v1/sync-configs/{saved['id']}/runs", json={"mode": "full"})
    assert answer.status_code == 200
    assert (answer.json()["coalesced"], answer.json()["run"]["mode"]) == ("joined", "full")
    assert answer.headers["location"] == f"/v1/runs/{saved['run_id']}"


async def test_requests_during_a_run_are_answered_by_one_more(desk: Desk) -> None:
    async with started(desk) as begun:
        for _ in range(3):
            answer = await desk.api.post(f"/v1/sync-configs/{begun.config}/runs")
            assert (answer.status_code, answer.json()["coalesced"]) == (200, "queued_next")
        desk.clock.advance(timedelta(seconds=1))
        await end(begun.work)
    runs = (await desk.get(f"/v1/sync-configs/{begun.config}/runs"))["items"]
    assert [run["state"] for run in runs] == ["queued", "succeeded"]
    answer = await desk.api.post(f"/v1/sync-configs/{begun.config}/runs", json={})
    assert (answer.status_code, answer.json()["run"]["id"]) == (200, runs[0]["id"])


async def test_a_request_without_an_open_run_makes_one(desk: Desk) -> None:
    async with started(desk) as begun:
        await end(begun.work)
    answer = await desk.api.post(f"/v1/sync-configs/{begun.config}/runs", json={})
    assert (answer.status_code, answer.json()["coalesced"]) == (202, None)
    assert answer.json()["run"]["first"] is False


async def test_a_preview_is_reserved(desk: Desk) -> None:
    saved = await desk.save()
    answer = await desk.api.post(f"/v1/sync-configs/{saved['id']}/runs", json={"mode": "preview"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "mode")


# --- progress ---------------------------------------------------------------------------------------------------------


async def test_progress_is_told_and_never_goes_back(desk: Desk) -> None:
    async with started(desk) as begun:
        seen = []

        async def look() -> None:
            seen.append((await desk.get(f"/v1/runs/{begun.run}"))["progress"]["percent"])

        await look()
        for crm in (200, 400, 0, 100):  # a listing that had to start again
            await progress(begun.work, listings={Side.CRM: listing(crm, 400)})
            await look()
        await progress(begun.work, phase=Phase.SEARCH)
        await look()
        async with begun.work.begin() as tx:
            pairs = [replace(pair(n), pending_since=desk.clock.now()) for n in range(1, 5)]
            await tx.links.save(pairs)
        await progress(begun.work, phase=Phase.APPLY)
        await look()
        async with begun.work.begin() as tx:
            await tx.links.save([replace(pairs[0], pending_since=None, taken_by=begun.work.run.run_id)])
        await progress(begun.work, taken=1)
        run = await desk.get(f"/v1/runs/{begun.run}")
        assert run["progress"]["to_write"] == 3
        await look()
        await progress(begun.work, phase=Phase.OBSERVE)
        await look()
        await end(begun.work)
        await look()
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 100)
    assert 45 < seen[-3] < 95


async def test_counts_add_up_and_calls_are_told_apart(desk: Desk) -> None:
    counts = {
        "created": 8,
        "unchanged": 2,
        "selected": 10,
        "writes.google.create": 8,
        "calls.google.people.list": 2,
        "calls.control.zoho.users.current": 1,
        "reasons.held.possible_duplicate": 1,
    }
    async with started(desk) as begun:
        await end(begun.work, counts=counts)
    run = await desk.get(f"/v1/runs/{begun.run}")
    assert (run["selected"], run["counts"]["created"], run["counts"]["failed"]) == (10, 8, 0)
    assert run["writes"] == {"google.create": 8}
    assert run["calls"] == {"google.people.list": 2}
    assert run["control_calls"] == {"zoho.users.current": 1}
    config = await desk.get(f"/v1/sync-configs/{begun.config}")
    assert config["last_sync_at"] == run["finished_at"]


async def test_what_waits_is_told_with_runs_and_time(desk: Desk) -> None:
    async with started(desk) as begun:
        desk.clock.advance(timedelta(seconds=30))
        next_due = desk.clock.now() + timedelta(minutes=1)
        await end(begun.work, counts={"waiting": 1240}, next_due=next_due)
    ends = next_due + timedelta(minutes=2 * 1, seconds=3 * 30)
    told = {"contacts": 1240, "runs": 3, "seconds": 270, "finishes_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert (await desk.get(f"/v1/sync-configs/{begun.config}"))["backlog"] == told

    desk.clock.advance(timedelta(seconds=50))
    assert (await desk.get(f"/v1/sync-configs/{begun.config}"))["backlog"] == {**told, "seconds": 220}


async def test_what_waits_has_no_time_while_nothing_runs_by_itself(desk: Desk) -> None:
    async with started(desk) as begun:
        await end(begun.work, counts={"waiting": 1240})
    await desk.api.post(f"/v1/sync-configs/{begun.config}/deactivate")
    told = (await desk.get(f"/v1/sync-configs/{begun.config}"))["backlog"]
    assert told == {"contacts": 1240, "runs": 3, "seconds": None, "finishes_at": None}


async def test_what_waits_takes_as_long_as_later_runs_do_and_as_the_open_one_waits(desk: Desk) -> None:
    """Its later run took ten minutes; the next waits for two hours: 2 h + 2 x 1 min + 3 x 10 min."""
    async with started(desk) as begun:
        await end(begun.work, counts={"waiting": 1240})
    account = desk.accounts.known[LOCAL_USER.user_id].account
    path = f"/v1/sync-configs/{begun.config}"

    async def asked() -> str:
        desk.clock.advance(timedelta(seconds=1))
        return str((await desk.api.post(f"{path}/runs", json={})).json()["run"]["id"])

    async with working(desk.resources, begun.config, await asked(), account) as work:
        desk.clock.advance(timedelta(minutes=10))
        await end(work, counts={"waiting": 1240}, taken=500)
    async with working(desk.resources, begun.config, await asked(), account) as work:
        until = desk.clock.now() + timedelta(hours=2)
        await progress(work, state=RunState.WAITING, wait_until=until, reason=Reason.CRM_CREDITS, slice=1)

    left = timedelta(hours=2, minutes=2 + 30)
    assert (await desk.get(path))["backlog"]["seconds"] == left.total_seconds()


# --- the report -------------------------------------------------------------------------------------------------------


async def report(begun: Started) -> None:
    rows = [
        RunContact(
            link_id=LinkId(pair(1).link_id),
            outcome=Outcome.CREATED,
            crm_id="1",
            google_id="people/c1",
            name="Ada Lovelace",
            fields=("Email", "Phone"),
            sides=(Side.GOOGLE,),
            left_out={"Fax": "value_does_not_fit"},
        ),
        RunContact(link_id=pair(2).link_id, outcome=Outcome.HELD, reason="possible_duplicate", name="=1+1"),
        RunContact(link_id=pair(3).link_id, outcome=Outcome.FAILED, reason="refused", provider_message="-1+1"),
    ]
    async with begun.work.begin() as tx:
        await tx.runs.record(begun.work.run.run_id, rows)
        await tx.links.save([pair(4), replace(pair(5), pending_since=begun.work.run.created_at)])


async def test_the_report_has_a_row_for_each_contact_with_its_reason(desk: Desk) -> None:
    async with started(desk) as begun:
        await report(begun)
        address = f"/v1/runs/{begun.run}/contacts"
        first = await desk.get(f"{address}?limit=2")
        second = await desk.get(f"{address}?limit=2&cursor={first['next_cursor']}")
        assert [row["outcome"] for row in (*first["items"], *second["items"])] == ["created", "held", "failed"]
        ada = first["items"][0]
        assert (ada["name"], ada["fields"], ada["written"]) == ("Ada Lovelace", ["Email", "Phone"], ["google"])
        assert ada["left_out"] == {"Fax": "value_does_not_fit"}
        (held,) = (await desk.get(f"{address}?outcome=held"))["items"]
        assert held["reason_text"] != held["reason"]
        french = await desk.api.get(f"{address}?outcome=held", headers={"Accept-Language": "fr"})
        assert french.json()["items"][0]["reason_text"] != held["reason_text"]


async def test_contacts_that_wait_or_are_unchanged_are_listed_as_they_stand(desk: Desk) -> None:
    async with started(desk) as begun:
        await report(begun)
        address = f"/v1/runs/{begun.run}/contacts?outcome="
        assert [row["google_id"] for row in (await desk.get(f"{address}waiting"))["items"]] == ["people/c5"]
        assert [row["google_id"] for row in (await desk.get(f"{address}unchanged"))["items"]] == ["people/c4"]


async def test_the_csv_has_every_row_and_no_formula(desk: Desk) -> None:
    async with started(desk) as begun:
        await report(begun)
        answer = await desk.api.get(f"/v1/runs/{begun.run}/contacts", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    header, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert [row[header.index("outcome")] for row in rows] == ["created", "held", "failed"]
    assert rows[1][header.index("name")] == "'=1+1"
    assert rows[2][header.index("provider_message")] == "'-1+1"


# --- events -----------------------------------------------------------------------------------------------------------


async def read_events(desk: Desk, address: str, headers: dict[str, str], into: list[dict[str, str]]) -> None:
    async with desk.api.stream("GET", address, headers=headers) as answer:
        assert answer.status_code == 200
        event: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif "data" in event:
                into.append(event)
                event = {}


async def test_events_tell_each_change_once_and_end_with_the_run(desk: Desk) -> None:
    async with started(desk) as begun:
        told: list[dict[str, str]] = []
        reading = asyncio.create_task(read_events(desk, f"/v1/runs/{begun.run}/events", {}, told))
        await wait_until(lambda: len(told) == 1)
        desk.clock.advance(timedelta(seconds=1))
        await progress(begun.work, phase=Phase.SEARCH)
        desk.clock.advance(timedelta(seconds=1))
        await wait_until(lambda: len(told) == 2)
        desk.clock.advance(timedelta(seconds=1))
        await end(begun.work)
        desk.clock.advance(timedelta(seconds=1))
        await asyncio.wait_for(reading, 10)
    assert [event["event"] for event in told] == ["progress", "progress", "end"]
    assert orjson.loads(told[-1]["data"])["state"] == "succeeded"


async def test_whoever_comes_back_is_told_nothing_twice(desk: Desk) -> None:
    async with started(desk) as begun:
        told: list[dict[str, str]] = []
        first = asyncio.create_task(read_events(desk, f"/v1/runs/{begun.run}/events", {}, told))
        await wait_until(lambda: len(told) == 1)
        first.cancel()
        again: list[dict[str, str]] = []
        headers = {"Last-Event-ID": told[0]["id"]}
        second = asyncio.create_task(read_events(desk, f"/v1/runs/{begun.run}/events", headers, again))
        desk.clock.advance(timedelta(seconds=1))
        await end(begun.work)
        async with asyncio.timeout(10):
            while not second.done():
                desk.clock.advance(timedelta(seconds=1))
                await asyncio.wait([second], timeout=0.05)
    assert [event["event"] for event in again] == ["end"]


async def test_a_ticket_opens_the_events_of_its_run_once(desk: Desk) -> None:
    async with started(desk) as begun:
        await end(begun.work)
    ticket = (await desk.api.post(f"/v1/runs/{begun.run}/events-ticket")).json()
    other = (await desk.api.post(f"/v1/runs/{begun.run}/events-ticket")).json()
    elsewhere = await desk.api.get(f"/v1/runs/{uuid4()}/events?ticket={other['ticket']}")
    assert elsewhere.status_code == 401
    first = await desk.api.get(ticket["events_url"])
    assert (first.status_code, first.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (await desk.api.get(ticket["events_url"])).status_code == 401


async def test_somebody_watches_so_many_runs_at_once_and_others_after_them(desk: Desk) -> None:
    async with started(desk) as begun, asyncio.TaskGroup() as tasks:
        address = f"/v1/runs/{begun.run}/events"
        told: list[dict[str, str]] = []
        watching = [tasks.create_task(read_events(desk, address, {}, told)) for _ in range(MOST_WATCHED)]
        await wait_until(lambda: len(told) == MOST_WATCHED)
        ticket = (await desk.api.post(f"{address}-ticket")).json()
        for one_more in (address, ticket["events_url"]):
            refused = await desk.api.get(one_more)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert refused.headers["retry-after"] == "5"
        watching[0].cancel()
        held = desk.resources.watching
        await wait_until(lambda: len(held) == MOST_WATCHED - 1)
        await end(begun.work)
        async with asyncio.timeout(10):
            while not all(one.done() for one in watching):
                desk.clock.advance(timedelta(seconds=1))
                await asyncio.wait(watching, timeout=0.05)
        await wait_until(lambda: len(held) == 0)


async def test_the_events_of_a_run_whose_configuration_is_deleted_end(desk: Desk) -> None:
    async with started(desk) as begun:
        told: list[dict[str, str]] = []
        reading = asyncio.create_task(read_events(desk, f"/v1/runs/{begun.run}/events", {}, told))
        await wait_until(lambda: len(told) == 1)
        assert (await desk.api.delete(f"/v1/sync-configs/{begun.config}")).status_code == 204
        async with asyncio.timeout(10):
            while not reading.done():
                desk.clock.advance(timedelta(seconds=1))
                await asyncio.wait([reading], timeout=0.05)
        await reading


# --- stopping and answering -------------------------------------------------------------------------------------------


async def test_a_run_is_cancelled_once(desk: Desk) -> None:
    saved = await desk.save()
    cancelled = (await desk.api.post(f"/v1/runs/{saved['run_id']}/cancel")).json()
    assert (cancelled["state"], cancelled["progress"]["percent"]) == ("cancelled", 100)
    again = await desk.api.post(f"/v1/runs/{saved['run_id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "run_not_open")


async def asked_about(desk: Desk, begun: Started) -> None:
    """The run planned to delete one person and asks first."""
    effect = Effect(
        effect_id=EffectId(uuid4()),
        run_id=begun.work.run.run_id,
        link_id=pair(1).link_id,
        side=Side.GOOGLE,
        kind=EffectKind.DELETE,
        batch=uuid4(),
        state=EffectState.PLANNED,
        remote_id="people/c1",
    )
    async with begun.work.begin() as tx:
        await tx.links.save([pair(1)])
        await tx.effects.add([effect])
    await end(begun.work, RunState.NEEDS_APPROVAL)


async def test_approved_deletes_are_a_run_of_their_own(desk: Desk) -> None:
    async with started(desk) as begun:
        await asked_about(desk, begun)
    asking = await desk.get(f"/v1/runs/{begun.run}")
    assert (asking["state"], asking["deletes_to_approve"]) == ("needs_approval", 1)
    answer = await desk.api.post(f"/v1/runs/{begun.run}/approve")
    assert (answer.status_code, answer.json()["mode"]) == (202, "approved_deletes")
    assert answer.json()["trigger"] == f"approval:{begun.run}"
    answered = await desk.get(f"/v1/runs/{begun.run}")
    assert (answered["state"], answered["reason"]) == ("partial", "deletes_approved")
    again = await desk.api.post(f"/v1/runs/{begun.run}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_approve")


async def test_of_many_answers_at_once_one_counts(desk: Desk) -> None:
    """OWASP ASVS 15.4.2: looking and acting are one step, however many people and retries answer together."""
    async with started(desk) as begun:
        await asked_about(desk, begun)
    asked = [desk.api.post(f"/v1/runs/{begun.run}/{word}") for word in ("approve", "refuse") * 20]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 39
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"nothing_to_approve"}
    trail = (await desk.get("/v1/audit-events?limit=100"))["items"]
    assert len([event for event in trail if event["action"] in {"deletes.approved", "deletes.refused"}]) == 1
    runs = (await desk.get(f"/v1/sync-configs/{begun.config}/runs"))["items"]
    assert len(runs) == 2


@asynccontextmanager
async def approved(desk: Desk, asking: Started) -> AsyncIterator[AtWork]:
    """The run that carries out what `asking` asked about, under way."""
    answer = (await desk.api.post(f"/v1/runs/{asking.run}/approve")).json()
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, asking.config, answer["id"], account) as work:
        yield work


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED, RunState.PARTIAL])
async def test_what_an_approved_run_left_over_is_asked_about_again(desk: Desk, state: RunState) -> None:
    async with started(desk) as begun:
        await asked_about(desk, begun)
    for _ in range(2):
        async with approved(desk, begun) as work:
            await end(work, state)
        asking = await desk.get(f"/v1/runs/{begun.run}")
        assert (asking["state"], asking["reason"], asking["deletes_to_approve"]) == ("needs_approval", "", 1)
    answer = await desk.api.post(f"/v1/runs/{begun.run}/refuse")
    assert (answer.status_code, answer.json()["mode"]) == (202, "sync")
    assert (await desk.get(f"/v1/runs/{begun.run}"))["reason"] == "deletes_refused"


async def test_an_approval_that_is_cancelled_before_it_began_is_asked_for_again(desk: Desk) -> None:
    async with started(desk) as begun:
        await asked_about(desk, begun)
    answering = (await desk.api.post(f"/v1/runs/{begun.run}/approve")).json()
    await desk.api.post(f"/v1/runs/{answering['id']}/cancel")
    assert (await desk.get(f"/v1/runs/{begun.run}"))["state"] == "needs_approval"


async def test_an_approval_that_waits_for_another_run_is_not_asked_for_again_meanwhile(desk: Desk) -> None:
    async with started(desk) as begun:
        await asked_about(desk, begun)
    account = desk.accounts.known[LOCAL_USER.user_id].account
    other = (await desk.api.post(f"/v1/sync-configs/{begun.config}/runs", json={})).json()["run"]["id"]
    async with working(desk.resources, begun.config, other, account) as work:
        await desk.api.post(f"/v1/runs/{begun.run}/approve")
        assert (await desk.get(f"/v1/runs/{begun.run}"))["state"] == "partial"
        await end(work)
    assert (await desk.get(f"/v1/runs/{begun.run}"))["state"] == "partial"
    runs = (await desk.get(f"/v1/sync-configs/{begun.config}/runs"))["items"]
    # The clock stands still: the runs are equally new.
    assert ("queued", "approved_deletes") in {(run["state"], run["mode"]) for run in runs}


async def test_deletes_of_a_pair_that_is_gone_are_refused_all_the_same(desk: Desk) -> None:
    async with started(desk) as begun:
        await asked_about(desk, begun)
    async with desk.resources.foundation.database.tenant(LOCAL_USER.organisation_id) as connection:
        await connection.execute("DELETE FROM link_scopes")
    answer = await desk.api.post(f"/v1/runs/{begun.run}/refuse")
    assert answer.status_code == 202
    assert (await desk.get(f"/v1/runs/{begun.run}"))["reason"] == "deletes_refused"


async def test_refused_deletes_are_released_by_the_next_run(desk: Desk) -> None:
    async with started(desk) as begun:
        await asked_about(desk, begun)
    answer = await desk.api.post(f"/v1/runs/{begun.run}/refuse")
    assert (answer.status_code, answer.json()["mode"]) == (202, "sync")
    async with desk.resources.foundation.database.tenant(LOCAL_USER.organisation_id) as connection:
        assert await connection.fetchval("SELECT action FROM link_answers") == "release"
        assert await connection.fetchval("SELECT state FROM effects") == "rejected"
    again = await desk.api.post(f"/v1/runs/{begun.run}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_approve")


# --- another scope meanwhile ------------------------------------------------------------------------------------------


async def test_what_a_run_learnt_of_another_group_is_not_kept(desk: Desk) -> None:
    async with started(desk) as begun:
        config = await desk.get(f"/v1/sync-configs/{begun.config}")
        settings = {"crm_view_id": config["crm_view_id"], "google_group": "contactGroups/63f8c1a20c8e3a5c"}
        moved = await desk.api.put(
            f"/v1/sync-configs/{begun.config}",
            json={**settings, "direction": "two_way"},
            headers={"If-Match": f'"{config["version"]}"'},
        )
        assert moved.status_code == 200
        async with begun.work.begin() as tx:
            assert await tx.runs.cancelled(begun.work.run.run_id)
            await tx.links.save([pair(1)])
        desk.clock.advance(timedelta(seconds=1))
        await end(begun.work, RunState.CANCELLED)
    runs = (await desk.get(f"/v1/sync-configs/{begun.config}/runs"))["items"]
    assert [(run["state"], run["first"]) for run in runs] == [("queued", True), ("cancelled", True)]
    async with desk.resources.foundation.database.tenant(LOCAL_USER.organisation_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM link_scopes") == 0
        assert await connection.fetchval("SELECT count(*) FROM links") == 1
        assert await connection.fetchval("SELECT last_sync_at FROM sync_configs") is None
