"""Marked values in every secret and every contact field, looked for wherever something leaves or is kept."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import structlog
from fastapi import FastAPI
from opentelemetry import trace

import config_api.app
from config_api.resources import open_resources
from config_api.settings import ConfigApiSettings
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.callers import SqlCallerDirectory
from contactsync.adapters.sql.database import Database
from contactsync.ports.callers import Identity, Profile, Role
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import configure_logging
from tests.contract.state.worlds import KEYS
from tests.integration.config_api.conftest import served
from tests.support.postgres import Database as Address
from tests.support.sync_states import SqlBooks
from tests.support.sync_world import sync_world

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

CONTACT = {
    "First_Name": "Zanaryfirst",
    "Last_Name": "Zanarylast",
    "Email": "zanary.mail@example.org",
    "Secondary_Email": "zanary.second@example.org",
    "Phone": "+33 1 98 76 54 32",
    "Mobile": "+33 6 98 76 54 31",
    "Title": "Zanarytitle",
    "Department": "Zanarydepartment",
    "Mailing_Street": "Zanarystreet 7",
    "Mailing_City": "Zanarycity",
}
PERSON = {
    "names": [{"givenName": "Zanarygiven", "familyName": "Zanaryfamily"}],
    "emailAddresses": [{"value": "zanary.google@example.org", "type": "work"}],
    "phoneNumbers": [{"value": "+33 6 98 76 54 30", "type": "mobile"}],
    "organizations": [{"name": "Zanarycompany", "title": "Zanaryjob"}],
    "addresses": [{"streetAddress": "Zanaryroad 9", "city": "Zanarytown", "type": "work"}],
}
SECRETS = ("Zanaryprofile", "zanary.owner@example.org", "Zanaryticket")
DIGITS = ("33198765432", "33698765431", "33698765430", "98 76 54 3")
VISIBLE = "Visible configuration"
"""A name that a user gave to his configuration is no secret: that it is found shows that the search sees rows."""


@pytest.fixture
def log() -> Iterator[io.BytesIO]:
    """What a process writes at its most talkative."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, sys.excepthook
    stream = io.BytesIO()
    configure_logging("tester", level="DEBUG", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers, root.level, sys.excepthook = handlers, level, hook


def found_in(text: str, more: Iterable[str] = ()) -> list[str]:
    """Which marked values stand in a text: as they are, as bytes in hexadecimal, or in base 64."""
    lower = text.lower()
    hits = [mark for mark in ("zanary", *DIGITS) if mark in lower or mark.encode().hex() in lower]
    for value in (*more, *SECRETS, *CONTACT.values()):
        forms = (value.lower(), value.encode().hex(), base64.b64encode(value.encode()).decode().lower()[:-4])
        hits += [value for form in forms if form in lower]
    return hits


async def everything(database: Database) -> str:
    """Every row of every table, of every organisation."""
    rows: list[str] = []
    async with database.scheduler() as connection:
        organisations = await connection.fetch("SELECT organisation_id FROM organisations")
    async with database.untenanted() as connection:
        tables = await connection.fetch(
            "SELECT relname, relrowsecurity FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
        )
        for table in (one["relname"] for one in tables if not one["relrowsecurity"]):
            rows += [row["t"] for row in await connection.fetch(f"SELECT t::text AS t FROM {table} t")]  # noqa: S608
    for organisation in organisations:
        async with database.tenant(organisation["organisation_id"]) as connection:
            for table in (one["relname"] for one in tables if one["relrowsecurity"]):
                rows += [row["t"] for row in await connection.fetch(f"SELECT t::text AS t FROM {table} t")]  # noqa: S608
    return "\n".join(rows)


async def test_contacts_stay_out_of_rows_logs_and_metrics_during_a_run_and_after_it(
    database: Address, log: io.BytesIO
) -> None:
    async with sync_world(database=database) as world:
        assert isinstance(world.books, SqlBooks)
        rows = world.books.database
        async with rows.tenant(world.settings.organisation_id) as connection:
            await connection.execute("UPDATE sync_configs SET name = $1", VISIBLE)
        (record,) = await world.vendors.crm.add([CONTACT])
        (person,) = await world.vendors.google.add([PERSON])
        looks = 0
        for change in range(2):
            running = asyncio.create_task(world.sync())
            while not running.done():
                assert found_in(await everything(rows)) == []
                looks += 1
            assert (await running).reason in {"", "over_limit"}
            await world.vendors.crm.edit(record, Title=f"Zanarychanged {change}")
            await world.vendors.google.edit(person, biographies=[{"value": f"Zanarynote {change}"}])
            await world.pass_until(world.clock.now() + timedelta(hours=1))
        kept = await everything(rows)
        assert len(await world.vendors.google.people()) == 2, "the contacts did travel"
        assert VISIBLE in kept
        assert found_in(kept) == []
        assert looks > 2
    assert found_in(log.getvalue().decode()) == []
    assert found_in(metrics.render().decode()) == []


class Tracer(trace.NoOpTracer):
    """Keeps what it is told of requests."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def start_span(self, name: str, *args: Any, **facts: Any) -> trace.Span:  # noqa: ANN401  the library's signature
        self._told.append(f"{name} {args} {facts}")
        return trace.INVALID_SPAN


class Tracers(trace.TracerProvider):
    """A provider that an operator might install in the process."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def get_tracer(self, *_args: Any, **_facts: Any) -> trace.Tracer:  # noqa: ANN401  the library's signature
        return Tracer(self.told)


@pytest.mark.parametrize("traced", [False, True])
async def test_no_address_with_a_secret_in_it_reaches_a_tracer(
    database: Address, monkeypatch: pytest.MonkeyPatch, *, traced: bool
) -> None:
    """The framework tells tracers every address: what it would tell is shown first, with its own settings."""
    tracers = Tracers()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    if traced:
        monkeypatch.setattr(config_api.app, "_Interface", partial(_traced, config_api.app._Interface))  # noqa: SLF001
    settings = ConfigApiSettings.model_validate({"database_url": database.url, "keys": KEYS})
    async with open_resources(settings, SystemClock()) as resources, served(resources) as api:
        await api.get("/auth/callback?state=Zanarystate&code=Zanarycode")
        await api.get("/oauth/google/start/Zanarysecret")
        await api.get(f"/v1/sync-configs/{UUID(int=1)}/contacts?email=zanary.mail@example.org")
    assert bool(found_in("\n".join(tracers.told))) is traced


def _traced(interface: Callable[..., FastAPI], *, telemetry: object, **arguments: object) -> FastAPI:
    """The interface as it would be without our setting."""
    assert telemetry
    return interface(**arguments)


async def test_secrets_of_callers_stay_out_of_rows_logs_and_answers(database: Address, log: io.BytesIO) -> None:
    settings = ConfigApiSettings.model_validate({"database_url": database.url, "keys": KEYS})
    async with open_resources(settings, SystemClock()) as resources, served(resources) as api:
        foundation = resources.foundation
        directory = SqlCallerDirectory(foundation.database, foundation.vault, foundation.clock)
        profile = Profile("Zanaryprofile", "zanary.owner@example.org", "en")
        await directory.known(Identity("https://issuer.example.com", "Zanaryorg", "Zanarysubject", Role.USER, profile))
        ticket = await resources.tickets.issue("session", b"Zanaryticket", timedelta(hours=1))
        body = {"direction": "incoming", "name": VISIBLE}
        made = await api.post("/v1/webhook-endpoints", json=body, headers={"Idempotency-Key": "one"})
        secret = made.json()["secret"]
        key = KEYS.partition(":")[2]
        answers = [
            await api.get("/v1/sync-configs/zanary.mail@example.org"),
            await api.get("/v1/audit-events?cursor=Zanarycursor&limit=Zanary"),
            await api.post("/v1/sync-configs", json={"name": CONTACT, "crm_view_id": ["Zanary"], "Zanaryfield": 1}),
            await api.post("/v1/sync-configs", content=b'{"name": "Zanary'),
            await api.post(f"/webhooks/zoho/{made.json()['id']}", json={"token": "Zanarytoken"}),
            await api.post(f"/webhooks/sync-requests/{made.json()['id']}", headers={"X-Contact-Sync-Secret": "Zanary"}),
            await api.get("/auth/callback?state=Zanary&code=Zanary"),
        ]
        kept = await everything(foundation.database)
    assert {answer.status_code // 100 for answer in answers} == {4}
    # A field that does not exist is named in the answer: the caller wrote its name, not a value.
    texts = [answer.text.replace("Zanaryfield", "") for answer in answers]
    assert [found for text in texts if (found := found_in(text, (key,)))] == []
    assert VISIBLE in kept
    assert found_in(kept, (secret, ticket, key)) == []
    assert found_in(log.getvalue().decode(), (secret, ticket, key)) == []
