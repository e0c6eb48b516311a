"""`python -m benchmarks.webhooks`: a flood of the CRM's notifications, as fast as this machine takes them.

Prints the rate, the time to the 202 at p50 and p99, and whether anything was lost: each configuration must have a run,
and at most one that follows it. The server is a process of its own over a fresh database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random, SystemRandom
from statistics import quantiles
from uuid import UUID

import asyncpg
import httpx2
import orjson

from benchmarks.server import database_server
from config_api.webhooks.intake import token_hash
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.database import open_database
from contactsync.adapters.sql.migrate import upgrade
from contactsync.adapters.sql.sealing import KeyRing
from contactsync.adapters.sql.vault import SqlVault
from contactsync.adapters.sql.webhooks import SqlChannels
from contactsync.ports.state import RunSettings
from contactsync.ports.webhooks import Place
from standalone.ports import free_ports
from tests.contract.state.worlds import KEYS, SqlWorld, some_settings
from tests.support.postgres import Database

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
            place = Place(settings.organisation_id, settings.crm_connection_id)
            channel = await store.begin(place, token_hash(key, TOKEN), clock.now())
            if channel is None:
                raise RuntimeError("a channel of a new connection is free")
            await store.opened(channel, clock.now() + timedelta(days=7))
            channels[channel.channel_id] = settings
    return channels


@asynccontextmanager
async def _served(address: Database) -> AsyncIterator[str]:
    """config-api's HTTP interface as a process; its address."""
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
        yield f"http://127.0.0.1:{api}"
    finally:
        process.terminate()
        await process.wait()


async def _answers(url: str, process: Process) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while process.returncode is None:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("config-api has ended")


async def _flood(url: str, channels: Sequence[UUID], count: int, connections: int) -> tuple[float, list[float], int]:
    """Seconds in all, seconds of each accepted call, and how many were not accepted."""
    calls = [channels[number % len(channels)] for number in range(count)]
    Random(1).shuffle(calls)
    took: list[float] = []
    refused = 0

    async def caller(client: httpx2.AsyncClient) -> None:
        nonlocal refused
        while calls:
            channel = calls.pop()
            body = {"token": TOKEN, "ids": ["5545974000000087501"], "operation": "update"}
            began = time.perf_counter()
            answer = await client.post(f"{url}/webhooks/zoho/{channel}", json=body)
            took.append(time.perf_counter() - began)
            refused += answer.status_code != 202  # noqa: PLR2004  accepted

    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx2.AsyncClient(trust_env=False, limits=limits, timeout=60) as client:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(caller(client))
        return time.perf_counter() - began, took, refused


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
    """Flood twice, with workers that begin in between; whether nothing was lost."""
    address = server.named(f"bench_{secrets.token_hex(6)}")
    name = address.url.rsplit("/", 1)[-1]
    await _execute(server, f"CREATE DATABASE {name}")
    try:
        await asyncio.to_thread(upgrade, address.admin_url)
        channels = await _furnished(address, options.configurations)
        good = True
        async with _served(address) as url:
            for begun in (False, True):
                wall, took, refused = await _flood(url, list(channels), options.count // 2, options.connections)
                counts = await _runs(address, channels, begin=not begun)
                hundredths = quantiles(took, n=100)
                print(
                    f"{len(took):>7} calls  {len(took) / wall:>7.0f}/s  p50 {hundredths[49] * 1000:>6.1f} ms  "
                    f"p99 {hundredths[98] * 1000:>6.1f} ms  not accepted {refused}  "
                    f"runs a configuration {min(counts)} to {max(counts)}"
                )
                good = good and refused == 0 and set(counts) == {2 if begun else 1}
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    return good


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
    options = parser.parse_args()
    async with database_server() as server:
        return await measure(server, options)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(_main()) else 1)
