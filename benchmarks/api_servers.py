"""`python -m benchmarks.api_servers`: the measured process: config-api, or a bare FastAPI application in its place.

Both begin with the same rows in a database of their own, and answer the same requests with the same JSON. The bare
one checks no token, no right and no rule: its endpoints have typed bodies and answers, take a connection from the
pool, send the statements that config-api sends for the call, and build the answer from the rows.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx2
import orjson
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp

from benchmarks.replay import Recording, Script, recording
from config_api.app import create_app
from config_api.configurations.schemas import Configuration, ConfigurationBody, ConfigurationPage
from config_api.configurations.surroundings import Group
from config_api.resources import Resources, resources_on
from config_api.runs.schemas import Run
from config_api.settings import ConfigApiSettings
from config_api.web.callers import Caller
from config_api.web.paging import encode_cursor
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.database import PoolSettings, connection_pool
from contactsync.assembly.admin import serving
from contactsync.assembly.foundation import open_foundation
from contactsync.assembly.garbage import collect_less_often
from contactsync.domain.contact import Side
from contactsync.domain.ids import GroupId, ViewId
from contactsync.domain.outcome import Outcome
from contactsync.telemetry.logs import configure_logging
from tests.support.accounts import GROUP, OfferedAccounts

PAGE: Final = 20
_UNLIMITED: Final = 10**9


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the process serves."""

    bare: bool
    database_url: str
    keys: str
    issuer: str
    jwks_url: str
    audience: str
    claims: dict[str, Any]
    token: str
    configurations: int


class AnyView(OfferedAccounts):
    """Accounts that have every view, so that configurations can be made without end."""

    async def has_view(self, caller: Caller, view_id: ViewId) -> bool:  # noqa: ARG002
        """Every one."""
        return bool(view_id)

    async def group(self, caller: Caller, group_id: GroupId) -> Group | None:  # noqa: ARG002
        """The same group in every account."""
        return Group(group_id, system=False, members=3) if group_id == GROUP else None


def settings_body(view: str, name: str = "Contacts") -> dict[str, str]:
    """Settings of a configuration for that view."""
    return {"name": name, "crm_view_id": view, "google_group": GROUP, "direction": "two_way"}


@dataclass(frozen=True, slots=True)
class Furnished:
    """config-api over its rows."""

    app: ASGIApp
    resources: Resources
    caller: Caller
    fixed: frozenset[UUID]
    """Ids that are the same in every request."""
    places: list[tuple[str, str]]
    """Ids of the configurations and of their first runs."""


@asynccontextmanager
async def _furnished(given: Assignment, pool: PoolSettings) -> AsyncIterator[Furnished]:
    """One caller with both accounts and so many configurations, made through the interface."""
    settings = ConfigApiSettings.model_validate(
        {
            "database_url": given.database_url,
            "keys": given.keys,
            "crm_issuer": given.issuer,
            "crm_jwks_url": given.jwks_url,
            "oidc_audience": given.audience,
            "requests_per_user": _UNLIMITED,
            "requests_per_organisation": _UNLIMITED,
        }
    )
    clock = SystemClock()
    async with open_foundation(settings, clock, pool) as foundation:
        resources = await resources_on(foundation, settings)
        caller = None if resources.trust is None else await resources.trust.callers.of_claims(given.claims)
        if caller is None:
            raise RuntimeError("the caller is not known")
        offered = AnyView(foundation.database, clock)
        accounts = await offered.connect(caller)
        resources = replace(resources, configurations=replace(resources.configurations, surroundings=offered))
        app = create_app(resources)
        places = []
        async with _client(app, given.token) as client:
            for number in range(given.configurations):
                made = (await client.post("/v1/sync-configs", json=settings_body(f"view-{number}"))).json()
                places.append((made["id"], made["run_id"]))
        ids = (caller.organisation_id, caller.user_id, accounts.crm_connection_id, accounts.google_connection_id)
        yield Furnished(app, resources, caller, frozenset(ids), places)


def _client(app: ASGIApp, token: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1", headers=headers)


# --- the bare application ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scripts:
    """Statements of each call, and what they were recorded for."""

    config_id: UUID
    run_id: UUID
    view: str
    read: Script
    page: Script
    run: Script
    create: Script
    replace: Script
    places: list[tuple[str, str]]


async def _recorded(given: Assignment) -> Scripts:
    """Each call asked of config-api once."""
    async with _furnished(given, PoolSettings(max_size=1)) as ours, _client(ours.app, given.token) as client:
        config_id, run_id = ours.places[0]
        database, view = ours.resources.foundation.database, "view-recorded"
        headers = {"If-Match": "*"}

        async def record(method: str, path: str, body: Mapping[str, str] | None = None) -> Script:
            async with recording(database) as recorded:
                (await client.request(method, path, json=body, headers=headers)).raise_for_status()
            return _script(recorded, ours, view)

        address = f"/v1/sync-configs/{config_id}"
        return Scripts(
            config_id=UUID(config_id),
            run_id=UUID(run_id),
            view=view,
            read=await record("GET", address),
            page=await record("GET", f"/v1/sync-configs?limit={PAGE}"),
            run=await record("GET", f"/v1/runs/{run_id}"),
            create=await record("POST", "/v1/sync-configs", settings_body(view)),
            replace=await record("PUT", address, settings_body("view-0", "another name")),
            places=ours.places,
        )


def _script(recorded: Recording, ours: Furnished, view: str) -> Script:
    return recorded.script(ours.fixed, frozenset({view, "view-0", "another name"}))


def bare_app(pool: asyncpg.Pool[asyncpg.Record], scripts: Scripts) -> FastAPI:
    """The five calls, and nothing else."""
    app = FastAPI()

    @app.get("/v1/sync-configs/{config_id}")
    async def read(config_id: UUID) -> Configuration:
        rows = await scripts.read.play(pool, {scripts.config_id: config_id})
        return _configuration(rows[0])

    @app.get("/v1/sync-configs")
    async def page(limit: int) -> ConfigurationPage:
        rows = await scripts.page.play(pool, {})
        last = rows[limit - 1]
        return ConfigurationPage(
            items=[_configuration(row) for row in rows[:limit]],
            next_cursor=encode_cursor(last["created_at"].isoformat(), str(last["config_id"])),
        )

    @app.get("/v1/runs/{run_id}")
    async def run(run_id: UUID) -> Run:
        return _run((await scripts.run.play(pool, {scripts.run_id: run_id}))[0])

    @app.post("/v1/sync-configs", status_code=201)
    async def create(body: ConfigurationBody) -> Configuration:
        rows = await scripts.create.play(pool, {scripts.view: body.crm_view_id})
        return _configuration(rows[0])

    @app.put("/v1/sync-configs/{config_id}")
    async def put(config_id: UUID, body: ConfigurationBody) -> Configuration:
        given = {scripts.config_id: config_id, "view-0": body.crm_view_id, "another name": body.name}
        return _configuration((await scripts.replace.play(pool, given))[0])

    return app


def _configuration(row: asyncpg.Record) -> Configuration:
    settings = orjson.loads(row["settings"])
    policy = settings["policy"]
    names = ("direction", "conflict_winner", "deletions", "no_email", "crm_values", "companies")
    return Configuration.model_validate(
        {
            **{name: policy[name] for name in names},
            "id": row["config_id"],
            "version": row["etag"],
            "status": row["status"],
            "paused_reason": row["paused_reason"],
            "name": row["name"],
            "crm_view_id": row["view_id"],
            "google_group": row["group_id"],
            "frequency": row["frequency"],
            "mapping": [
                {"crm_field": one["crm_field"], "google_field": one["google_field"], "direction": one["direction"]}
                for one in policy["mapping"]
            ],
            "crm_automation": "on" if policy["crm_automation"] else "off",
            "catch_up": "now" if settings["catch_up"] else "schedule",
            "last_sync_at": row["last_sync_at"],
            "last_attempt_at": row["last_attempt_at"],
            "last_attempt_reason": row["last_reason"],
            "next_sync_at": row["next_due"],
            "backlog": {"contacts": row["backlog"], "runs": 0, "seconds": 0},
            "limits": {"first_run": 10_000, "later_runs": 500},
            "created_at": row["created_at"],
        }
    )


def _run(row: asyncpg.Record) -> Run:
    nothing = {"read": 0, "complete": False, "written": 0}
    names = ("state", "mode", "trigger", "first", "reason", "wait_until", "created_at", "started_at", "finished_at")
    return Run.model_validate(
        {
            **{name: row[name] for name in names},
            "id": row["run_id"],
            "configuration_id": row["config_id"],
            "progress": {
                "phase": row["phase"],
                "percent": row["percent"],
                "to_write": row["to_write"],
                **dict.fromkeys(Side, nothing),
            },
            "counts": dict.fromkeys(Outcome, 0) | orjson.loads(row["counts"]),
            "selected": 0,
            "writes": {},
            "calls": {},
            "control_calls": {},
            "deletes_to_approve": row["awaiting"],
        }
    )


# --- the process ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _application(given: Assignment) -> AsyncIterator[tuple[ASGIApp, list[tuple[str, str]]]]:
    settings = PoolSettings()
    if not given.bare:
        async with _furnished(given, settings) as ours:
            yield ours.app, ours.places
        return
    scripts = await _recorded(given)
    async with connection_pool(given.database_url, settings) as pool:
        yield bare_app(pool, scripts), scripts.places


async def _serve(given: Assignment, commands: asyncio.StreamReader) -> None:
    async with _application(given) as (app, places), serving(app, "127.0.0.1", 0) as port:
        _say({"port": port, "places": places})
        if not given.bare:
            collect_less_often()  # as `config-api api` does
        while await commands.readline():
            _say({"cpu_s": time.process_time()})


def _say(answer: Mapping[str, object]) -> None:
    print(orjson.dumps(answer).decode(), flush=True)


async def _main() -> None:
    configure_logging("config-api", level="WARNING", stream=sys.stderr.buffer)
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await _serve(Assignment(**orjson.loads(await commands.readline())), commands)


if __name__ == "__main__":
    uvloop.run(_main())
