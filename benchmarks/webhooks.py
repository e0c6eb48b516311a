"""`python -m benchmarks.webhooks`: a flood of the CRM's notifications, as fast as this machine takes them.

Prints the rate and the time to the 202 at p50 and p99, beside a bare endpoint that reads the body and answers 202, and
whether anything was lost: each configuration must have a run, and at most one that follows it. Both servers are
processes of their own, ours over a fresh database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import orjson
import psutil
import uvloop
from fastapi import FastAPI, Request, Response

from benchmarks.load import Round, callers, request
from benchmarks.server import database_server, machine
from benchmarks.stage import program
from config_api.webhooks.intake import token_hash
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.database import open_database
from contactsync.adapters.sql.migrate import upgrade
from contactsync.adapters.sql.sealing import KeyRing
from contactsync.adapters.sql.vault import SqlVault
from contactsync.adapters.sql.webhooks import SqlChannels
from contactsync.assembly.admin import serving
from contactsync.ports.state import RunSettings
from contactsync.ports.webhooks import Place
from standalone.ports import free_ports
from tests.contract.state.worlds import KEYS, SqlWorld, some_settings
from tests.support.postgres import Database

_START_WITHIN_S = 120
"""A busy machine takes its time."""


@dataclass(frozen=True, slots=True)
class Served:
    """One of the two servers."""

    name: str
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """Processor time that it has taken."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


TOKEN = "the secret of every channel"  # noqa: S105  of a database that ends with the script


async def _furnished(address: Database, configurations: int) -> dict[UUID, RunSettings]:
    """Active configurations, each of an organisation of its own, by the id of its channel."""
    clock = SystemClock()
    channels: dict[UUID, RunSettings] = {}
    async with open_database(address.url) as database:
        world = SqlWorld(address, database)
        key = (await SqlVault(database, KeyRing.parse(KEYS), clock).installation()).hash_key
        store = SqlChannels(database, clock)
        for _ in range(configurations):
            settings = some_settings()
            await world.put(settings)
            await world.hourly(settings)
            place = Place(settings.organisation_id, settings.crm_connection_id)
            channel = await store.begin(place, token_hash(key, TOKEN), clock.now())
            if channel is None:
                raise RuntimeError("a channel of a new connection is free")
            await store.opened(channel, clock.now() + timedelta(days=7))
            channels[channel.channel_id] = settings
    return channels


@asynccontextmanager
async def _served(address: Database) -> AsyncIterator[Served]:
    """config-api's HTTP interface as a process."""
    api, admin = free_ports(2, SystemRandom())
    environment = {
        **os.environ,
        "CONTACTSYNC_DATABASE_URL": address.url,
        "CONTACTSYNC_KEYS": KEYS,
        "CONTACTSYNC_API_PORT": str(api),
        "CONTACTSYNC_ADMIN_PORT": str(admin),
        "CONTACTSYNC_LOG_LEVEL": "warning",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "config_api", "api", env=environment)
    try:
        await _answers(f"http://127.0.0.1:{admin}/readyz", process)
        yield Served("config_api", api, psutil.Process(process.pid))
    finally:
        process.terminate()
        await process.wait()


async def _answers(url: str, process: Process) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(_START_WITHIN_S):
        while process.returncode is None:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("config-api has ended")


async def _bare() -> None:
    """Serve an endpoint that reads the body and answers 202, until standard input ends."""
    app = FastAPI()

    @app.post("/webhooks/zoho/{channel}", status_code=202)
    async def take(channel: UUID, given: Request) -> Response:
        del channel
        await given.body()
        return Response(status_code=202)

    async with serving(app, "127.0.0.1", 0) as port:
        print(orjson.dumps({"port": port, "pid": os.getpid()}).decode(), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _calls(channels: Sequence[UUID], count: int) -> list[bytes]:
    """Notifications about many records, a channel's share spread over the flood."""
    calls = []
    for number in range(count):
        body = {
            "token": TOKEN,
            "ids": [str(5545974000000000000 + number)],
            "operation": "update",
            "server_time": time.time_ns() // 1_000_000,
        }
        path = f"/webhooks/zoho/{channels[number % len(channels)]}"
        calls.append(request("POST", path, {}, orjson.dumps(body)))
    Random(1).shuffle(calls)
    return calls


async def _flood(port: int, calls: Sequence[bytes], connections: int) -> tuple[Round, int]:
    """What the callers saw, and how many calls were not accepted."""
    done, waiting, refused = Round(), list(calls), 0
    async with callers(port, connections) as asking:

        async def caller(number: int) -> None:
            nonlocal refused
            while waiting:
                call, began = waiting.pop(), time.perf_counter()
                head, _ = await asking.ask(number, call)
                done.took_s.append(time.perf_counter() - began)
                refused += b" 202 " not in head[:15]

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(connections):
                tasks.create_task(caller(number))
        done.wall_s = time.perf_counter() - began
    return done, refused


async def _runs(address: Database, channels: dict[UUID, RunSettings], *, begin: bool) -> list[int]:
    """Runs of each configuration, those that follow included; `begin` lets the open ones begin to read."""
    counts: list[int] = []
    async with open_database(address.url) as database:
        for settings in channels.values():
            async with database.tenant(settings.organisation_id) as connection:
                rows = await connection.fetch("SELECT wishes FROM runs")
                if begin:
                    await connection.execute("UPDATE runs SET state = 'running', started_at = now()")
            counts.append(sum(1 + len(orjson.loads(row["wishes"])) for row in rows))
    return counts


async def measure(server: Database, options: argparse.Namespace) -> bool:
    """Flood twice, with workers that begin in between, and the bare endpoint as often; whether nothing was lost."""
    address = server.named(f"bench_{secrets.token_hex(6)}")
    name = address.url.rsplit("/", 1)[-1]
    await _execute(server, f"CREATE DATABASE {name}")
    results: list[Mapping[str, Any]] = []
    try:
        await asyncio.to_thread(upgrade, address.admin_url)
        channels = await _furnished(address, options.configurations)
        async with _served(address) as ours, program("-m", "benchmarks.webhooks", "--bare") as started:
            told = await started.answer()
            bare = Served("bare", told["port"], psutil.Process(told["pid"]))
            for begun in (False, True):
                calls = _calls(list(channels), options.count // 2)
                for one in (bare, ours):
                    before = one.cpu_s()
                    done, refused = await _flood(one.port, calls, options.connections)
                    counts = [] if one is bare else await _runs(address, channels, begin=not begun)
                    cpu_s = one.cpu_s() - before
                    results.append(_result(one.name, done, refused, counts, runs=2 if begun else 1, cpu_s=cpu_s))
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "options": {**vars(options), "output": None}, "results": results}
    options.output.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    return all(result["good"] for result in results)


def _result(
    served: str, done: Round, refused: int, counts: Sequence[int], *, runs: int, cpu_s: float
) -> Mapping[str, Any]:
    """The figures of one flood, printed; `runs` is how many each configuration must have then."""
    result = {
        "served": served,
        "calls": len(done.took_s),
        "per_second": round(done.per_second),
        "p50_ms": round(done.percentile_ms(50), 1),
        "p99_ms": round(done.percentile_ms(99), 1),
        "cpu_ms_per_call": round(1000 * cpu_s / len(done.took_s), 3),
        "not_accepted": refused,
        "good": refused == 0 and set(counts) <= {runs},
    }
    told = f"  runs a configuration {min(counts)} to {max(counts)}" if counts else ""
    print(
        f"{served:<10} {result['calls']:>7} calls  {result['per_second']:>6}/s  p50 {result['p50_ms']:>6.1f} ms  "
        f"p99 {result['p99_ms']:>6.1f} ms  cpu {result['cpu_ms_per_call']:.2f} ms  not accepted {refused}{told}",
        flush=True,
    )
    return result


async def _execute(server: Database, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _main() -> bool:
    parser = argparse.ArgumentParser(prog="benchmarks.webhooks", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="notifications")
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path(".run/webhooks.json"), help="where the JSON goes")
    options = parser.parse_args()
    if options.bare:
        await _bare()
        return True
    async with database_server() as server:
        return await measure(server, options)


if __name__ == "__main__":
    sys.exit(0 if uvloop.run(_main()) else 1)
