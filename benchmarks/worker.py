"""The measured process: the worker's slices over PostgreSQL, asked for on standard input, measured on standard output.

It is a process of its own so that neither the simulators nor whoever drives them count as the worker's.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import orjson
import uvloop
from pydantic import TypeAdapter

from contactsync.adapters.clock import SystemClock
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import HostGuard, HttpEdge, HttpSettings, build_client
from contactsync.adapters.sql.database import Database, open_database
from contactsync.adapters.sql.outbox import SqlOutboxRelayStore
from contactsync.adapters.sql.requests import SqlRunRequests
from contactsync.adapters.sql.sealing import KeyRing
from contactsync.adapters.sql.state import SqlState
from contactsync.adapters.sql.vault import SqlVault
from contactsync.assembly.garbage import collect_less_often
from contactsync.assembly.providers import Providers
from contactsync.domain.digests import Digester
from contactsync.domain.ids import ConfigId, ConnectionId, OrganisationId, RunId
from contactsync.ports.directory import CallGate
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Run, RunMode, RunState
from contactsync.ports.vault import AccessToken
from contactsync.telemetry.logs import configure_logging
from sync_worker.engine.session import Ports
from sync_worker.limits import Quota
from sync_worker.runner import SliceRunner, WorkerSettings, new_link_id

_MIB = 1024.0
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where the worker works."""

    database_url: str
    keys: str
    google_url: str
    zoho_url: str
    google_token: str
    zoho_token: str
    organisation: UUID
    config: UUID
    zoho_connection: UUID
    google_connection: UUID
    initial_limit: int
    incremental_limit: int
    quota: dict[str, int]


class IssuedTokens:
    """Tokens that the simulators issued beforehand."""

    def __init__(self, assignment: Assignment, clock: SystemClock) -> None:
        self._clock = clock
        self._tokens = {
            assignment.zoho_connection: (assignment.zoho_token, assignment.zoho_url),
            assignment.google_connection: (assignment.google_token, assignment.google_url),
        }

    async def token(self, connection_id: ConnectionId, *, stale: str | None = None) -> AccessToken:
        """The token and the address to use it at."""
        del stale
        value, base_url = self._tokens[connection_id]
        return AccessToken(value, self._clock.now() + timedelta(hours=1), base_url)


class Bench:
    """Runs of one configuration, each worked to its end and measured."""

    def __init__(self, assignment: Assignment, database: Database, providers: Providers, clock: SystemClock) -> None:
        self._assignment = assignment
        self._clock = clock
        self._providers = providers
        limits = RunLimits(initial=assignment.initial_limit, incremental=assignment.incremental_limit)
        self._vault = SqlVault(database, KeyRing.parse(assignment.keys), clock)
        self._state = SqlState(database, self._vault, clock, limits=limits)
        self._requests = SqlRunRequests(database, clock, limits=limits)
        self._relay = SqlOutboxRelayStore(database, clock)
        self._database = database
        self._runner = SliceRunner(
            self._state,
            self._ports_of,
            clock,
            WorkerSettings(quotas={"google": Quota(assignment.quota)}),
            holder=uuid4(),
            rng=Random(7),
            stop_event=asyncio.Event(),
        )

    @asynccontextmanager
    async def _ports_of(self, run: Run, gate: CallGate) -> AsyncIterator[Ports]:
        keys = await self._vault.organisation(run.settings.organisation_id)
        yield Ports(
            state=self._state,
            crm=self._providers.crm(run.settings, gate, automation=False),
            google=self._providers.people(run.settings, gate),
            clock=self._clock,
            digester=Digester(keys.digest_key, region=run.settings.region),
            new_id=new_link_id,
        )

    async def measured(self, mode: RunMode, trigger: str) -> dict[str, Any]:
        """One run and what it took of this process."""
        gc.collect()
        reset_peak()
        began, cpu = time.monotonic(), time.process_time()
        asked = await self._requests.request(
            OrganisationId(self._assignment.organisation),
            ConfigId(self._assignment.config),
            mode,
            trigger,
            self._clock.now(),
        )
        run = await self._ended(asked.run_id)
        return {
            "run": str(asked.run_id),
            "state": run["state"],
            "reason": run["reason"],
            "slices": run["slice"] + 1,
            "counts": orjson.loads(run["counts"]),
            "wall_s": time.monotonic() - began,
            "cpu_s": time.process_time() - cpu,
            "peak_rss_mib": peak_rss_mib(),
        }

    async def _ended(self, run_id: RunId) -> Any:  # noqa: ANN401  a row
        while True:
            async with self._database.tenant(OrganisationId(self._assignment.organisation)) as connection:
                row = await connection.fetchrow("SELECT * FROM runs WHERE run_id = $1", run_id)
            if row is None or not RunState(row["state"]).open:
                return row
            due = await self._relay.next_due()
            if due is not None:
                await self._clock.sleep((due - self._clock.now()).total_seconds())
            for hint in await self._relay.take(10):
                await self._runner(hint.hint, hint.lane)
                await self._relay.mark_published([hint.message_id])


def reset_peak() -> None:
    """Begin to measure the peak anew (proc(5), `clear_refs`)."""
    _CLEAR.write_text("5")


def peak_rss_mib() -> float:
    """The largest resident set since the last reset."""
    return _field("VmHWM") / _MIB


def _field(name: str) -> int:
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next(int(parts[1]) for parts in lines if parts and parts[0] == f"{name}:")


async def main() -> None:
    """Answer one line for each line: mode and trigger are a run, an empty line ends the process."""
    configure_logging("sync-worker", level="WARNING", stream=sys.stderr.buffer)
    assignment = TypeAdapter(Assignment).validate_json(await _line())
    clock = SystemClock()
    urls = (assignment.google_url, assignment.zoho_url)
    async with build_client(HttpSettings()) as client, open_database(assignment.database_url) as database:
        edge = HttpEdge(client, HostGuard((), urls), clock)
        tokens = IssuedTokens(assignment, clock)
        providers = Providers(edge, edge, GoogleEndpoints(people_url=assignment.google_url), tokens)
        bench = Bench(assignment, database, providers, clock)
        await database.ping()
        collect_less_often()
        reset_peak()
        _say({"idle_rss_mib": peak_rss_mib()})
        while (line := (await _line()).strip()) != "":
            mode, trigger = line.split()
            _say(await bench.measured(RunMode(mode), trigger))


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _say(answer: object) -> None:
    sys.stdout.write(orjson.dumps(answer, default=str).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
