"""Organisations and users as issuers name them, short-lived secrets, and the trail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx2
import pytest

from config_api.resources import LOCAL_USER, Resources
from contactsync.adapters.sql.audit import record_in
from contactsync.adapters.sql.callers import SqlCallerDirectory, profile_of
from contactsync.adapters.sql.requests import SqlRunSweeper
from contactsync.ports.audit import Action, AuditEntry
from contactsync.ports.callers import Identity, Profile, Role
from tests.integration.config_api.conftest import Desk, body
from tests.support.clock import ManualClock

pytestmark = pytest.mark.postgres

ADA = Identity("https://one.example.com", "60001", "ada", Role.USER, Profile("Ada", "ada@example.com", "fr"))


@pytest.fixture
def directory(resources: Resources) -> SqlCallerDirectory:
    foundation = resources.foundation
    return SqlCallerDirectory(foundation.database, foundation.vault, foundation.clock)


async def test_a_person_is_made_once_however_many_requests_come_first(directory: SqlCallerDirectory) -> None:
    known = await asyncio.gather(*(directory.known(ADA) for _ in range(10)))
    assert len({(one.organisation_id, one.user_id) for one in known if one is not None}) == 1


async def test_organisations_and_users_of_two_issuers_never_meet(directory: SqlCallerDirectory) -> None:
    ada, bob = await directory.known(ADA), await directory.known(replace(ADA, subject="bob"))
    other = await directory.known(replace(ADA, issuer="https://two.example.com"))
    assert ada is not None
    assert bob is not None
    assert other is not None
    assert ada.organisation_id == bob.organisation_id != other.organisation_id
    assert len({ada.user_id, bob.user_id, other.user_id}) == 3


async def test_role_and_profile_follow_the_newest_token(directory: SqlCallerDirectory, resources: Resources) -> None:
    database, vault = resources.foundation.database, resources.foundation.vault
    known = await directory.known(ADA)
    await directory.known(replace(ADA, role=Role.ADMIN, profile=Profile()))
    assert known is not None
    async with database.tenant(known.organisation_id) as connection:
        row = await connection.fetchrow("SELECT role, profile FROM users WHERE user_id = $1", known.user_id)
        assert await profile_of(connection, vault, known.organisation_id, known.user_id) == ADA.profile
    assert row is not None
    assert row["role"] == "admin"
    assert b"ada@example.com" not in row["profile"]


async def test_a_ticket_is_read_until_it_expires_and_taken_once(resources: Resources, clock: ManualClock) -> None:
    tickets = resources.tickets
    secret = await tickets.issue("a", b"what", timedelta(minutes=5))
    assert await tickets.read("b", secret) is None
    assert await tickets.read("a", secret) == b"what"
    takers = await asyncio.gather(*(tickets.take("a", secret) for _ in range(5)))
    assert sorted(takers, key=str) == [None, None, None, None, b"what"]
    late = await tickets.issue("a", b"what", timedelta(minutes=5))
    clock.advance(timedelta(minutes=5))
    assert await tickets.take("a", late) is None


async def _record(resources: Resources, number: int) -> None:
    organisation = LOCAL_USER.organisation_id
    async with resources.foundation.database.tenant(organisation) as connection:
        entry = AuditEntry(
            Action.CONFIGURATION_CHANGED,
            "configuration",
            str(UUID(int=number)),
            LOCAL_USER.user_id,
            {"version": number},
        )
        await record_in(connection, organisation, resources.foundation.clock.now(), entry)


async def test_the_trail_is_read_in_pages_newest_first(
    api: httpx2.AsyncClient, resources: Resources, clock: ManualClock
) -> None:
    for number in range(5):
        await _record(resources, number)
        clock.advance(timedelta(seconds=1 if number % 2 else 0))  # some at the same instant
    seen, cursor = [], ""
    while True:
        page = (await api.get(f"/v1/audit-events?limit=2{cursor}")).json()
        seen += [item["details"]["version"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert {4} == {*seen[:1]}
    assert (await api.get("/v1/audit-events?cursor=eyJ")).json()["code"] == "invalid_request"


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_events SET action = ''", "DELETE FROM audit_events", "TRUNCATE audit_events"]
)
async def test_the_trail_cannot_be_changed(resources: Resources, statement: str) -> None:
    await _record(resources, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with resources.foundation.database.tenant(LOCAL_USER.organisation_id) as connection:
            await connection.execute(statement)


async def test_an_act_that_is_undone_leaves_no_trace(resources: Resources) -> None:
    organisation = LOCAL_USER.organisation_id

    async def act() -> None:
        async with resources.foundation.database.tenant(organisation) as connection:
            entry = AuditEntry(Action.CONNECTION_REMOVED, "connection", "1")
            await record_in(connection, organisation, resources.foundation.clock.now(), entry)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await act()
    assert await resources.audit.page(organisation, limit=10) == []


async def test_what_a_user_does_stands_in_the_trail_and_what_happens_by_itself_does_not(desk: Desk) -> None:
    saved = await desk.save()
    config, run = saved["id"], saved["run_id"]
    await desk.api.post(f"/v1/sync-configs/{config}/runs", json={"mode": "full"})
    await desk.api.post(f"/v1/runs/{run}/cancel")
    await desk.api.get(f"/v1/runs/{run}/contacts", headers={"Accept": "text/csv"})
    await desk.api.post(f"/v1/sync-configs/{config}/deactivate")
    await desk.api.post(f"/v1/sync-configs/{config}/activate")
    await SqlRunSweeper(desk.resources.foundation.database, desk.resources.requests).start_due(desk.clock.now(), 10)
    await desk.api.delete(f"/v1/sync-configs/{config}")
    trail = (await desk.get("/v1/audit-events?limit=100"))["items"]
    assert sorted(event["action"] for event in trail) == [
        "configuration.activated",
        "configuration.created",
        "configuration.deactivated",
        "configuration.deleted",
        "report.exported",
        "run.cancelled",
        "run.requested",
    ]
    assert {event["actor_id"] for event in trail} == {str(LOCAL_USER.user_id)}
    assert {event["object_id"] for event in trail} <= {config, run}


async def test_the_trail_says_which_settings_were_changed_and_no_value_that_somebody_wrote(desk: Desk) -> None:
    saved = await desk.save(name="Friends of Ada", crm_values={"Title": "told by Ada"})
    mapping = [*saved["mapping"], {"crm_field": "Skype_ID", "google_field": "user_defined[Ada's fax]"}]
    changes = {
        "name": "Friends of Bob",
        "direction": "crm_to_google",
        "frequency": "daily",
        "catch_up": "schedule",
        "crm_values": {"Title": "told by Bob"},
        "mapping": mapping,
    }
    address, headers = f"/v1/sync-configs/{saved['id']}", {"If-Match": "*"}
    for _ in range(2):  # the second time nothing differs
        answer = await desk.api.put(address, json=body(**changes), headers=headers)
        assert answer.status_code == 200, answer.text
        desk.clock.advance(timedelta(seconds=1))
    trail = (await desk.get("/v1/audit-events"))["items"]
    again, changed = (event["details"] for event in trail if event["action"] == "configuration.changed")
    assert changed["changed"] == {
        "name": None,
        "direction": ["two_way", "crm_to_google"],
        "frequency": ["1h", "daily"],
        "mapping": None,
        "crm_values": None,
        "catch_up": None,
    }
    assert again["changed"] == {}
    assert not [name for name in ("Ada", "Bob") if name in str(trail)]
