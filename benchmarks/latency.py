"""`python -m benchmarks.latency`: from an edit in the CRM, of which it tells at once, to the write on Google.

Everything is real: config-api, relay, scheduler and a worker as processes over PostgreSQL and RabbitMQ, both vendors as
a process that takes its time (`--latency-scale`). One edit after another, at random gaps, while ticks go on; `--lag`
lets the CRM's lists show an edit so many seconds late. Prints p50, p95 and p99 and writes JSON; fails when the p95 is
above 10 seconds or the p99 above 60.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, Final

import asyncpg
import httpx2
import orjson

from benchmarks.server import database_server, machine
from benchmarks.stage import program
from contactsync.adapters.sql.migrate import upgrade
from standalone.rabbitmq import find_rabbitmq, private_rabbitmq
from tests.support.installation import Installation, installation
from tests.support.postgres import Database
from tests.support.vendors import furnish
from tests.support.waiting import wait_until

P95_AT_MOST_S: Final = 10.0
P99_AT_MOST_S: Final = 60.0
_GIVEN_UP_S: Final = 90.0
_LOOK_EVERY_S: Final = 0.02
_WRITE: Final = "people.batchUpdateContacts"


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[str]:
    """The broker that the environment names, else a private one."""
    given = os.environ.get("CONTACTSYNC_TEST_AMQP_URL")
    if given:
        yield given
        return
    async with private_rabbitmq(folder / "rabbitmq", await find_rabbitmq(Path(".cache/rabbitmq"))) as server:
        yield server.url


@asynccontextmanager
async def _fresh_database(server: Database) -> AsyncIterator[Database]:
    database = server.named(f"bench_{secrets.token_hex(6)}")
    name = database.url.rsplit("/", 1)[-1]
    await _execute(server, f"CREATE DATABASE {name}")
    try:
        await asyncio.to_thread(upgrade, database.admin_url)
        yield database
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: Database, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def _installed(options: argparse.Namespace) -> AsyncIterator[Installation]:
    """A connected installation with one worker."""
    vendor = {"quotas_enabled": False, "latency_scale": options.latency_scale}
    settings = orjson.dumps({"google": vendor, "zoho": vendor}).decode()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="contactsync-bench-")))
        server = await stack.enter_async_context(database_server())
        database = await stack.enter_async_context(_fresh_database(server))
        broker = await stack.enter_async_context(_broker(folder))
        vendors = await stack.enter_async_context(
            program("-m", "simulators", "--exit-with-parent", "--settings", settings)
        )
        urls = await vendors.answer()
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=300, trust_env=False))
        both = await furnish(urls["google"], urls["zoho"], client)
        product = await stack.enter_async_context(
            installation(both, database, broker, folder, roles=("api", "relay", "scheduler"), sweep_every="15s")
        )
        await product.connect()
        await stack.enter_async_context(product.worker())
        yield product


async def _settled(product: Installation, contacts: int) -> list[str]:
    """Ids of records that were synchronised, while ticks and the CRM's channel are at work."""
    ids = await product.both.crm.populate(contacts, at="2026-01-05T10:00:00+00:00")
    saved = await product.configure(frequency="5m")
    await product.ended(saved["run_id"], within_s=300)

    async def is_open() -> bool:
        headers = {"Authorization": f"Zoho-oauthtoken {product.both.crm.token}"}
        url = f"{product.both.crm.control.base_url}/crm/v8/actions/watch"
        return (await product.browser.get(url, headers=headers)).status_code == httpx2.codes.OK

    await wait_until(is_open, within_s=150, every_s=1)
    await product.ended((await product.customer.ask_for_run(saved["id"]))["id"])
    return ids


async def _until_written(product: Installation, since: int) -> int:
    """Return when Google has carried out a write after that entry of its log; the last entry's number."""
    async with asyncio.timeout(_GIVEN_UP_S):
        while True:
            entries = await product.both.google.control.log(since)
            if any(entry["operation"] == _WRITE and entry["status"] == httpx2.codes.OK for entry in entries):
                return int(max(entry["number"] for entry in entries))
            await asyncio.sleep(_LOOK_EVERY_S)


async def _measured(product: Installation, ids: list[str], options: argparse.Namespace) -> list[float]:
    """Seconds from each edit to its write."""
    rng, took, book = Random(options.seed), [], product.both
    number = max((entry["number"] for entry in await book.google.control.log()), default=0)
    for edit in range(options.edits):
        await asyncio.sleep(rng.uniform(0, options.gap))
        record = rng.choice(ids)
        began = time.perf_counter()
        await book.crm.edit(record, Title=f"Title {edit}")
        number = await _until_written(product, number)
        took.append(time.perf_counter() - began)
        titles = {one.get("title") for person in await book.google.people() for one in person.get("organizations", ())}
        if f"Title {edit}" not in titles:
            raise RuntimeError("what was written is not what was edited")
        print(f"\r{edit + 1} of {options.edits}", end="", flush=True)
    print("\r", end="")
    return took


async def measure(options: argparse.Namespace) -> bool:
    """Measure, print, write; whether the figures are as they must be."""
    async with _installed(options) as product:
        ids = await _settled(product, options.contacts)
        await product.both.crm.control.settings(visibility_delay_s=options.lag)
        took = await _measured(product, ids, options)
    hundredths = quantiles(took, n=100, method="inclusive")
    result: dict[str, Any] = {
        "machine": {**machine(), "load": os.getloadavg()},
        "options": {name: value for name, value in vars(options).items() if name != "output"},
        "edits": len(took),
        **{f"p{n}_s": round(hundredths[n - 1], 3) for n in (50, 95, 99)},
        "most_s": round(max(took), 3),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    print(
        f"{len(took)} edits  p50 {result['p50_s']:.2f} s  p95 {result['p95_s']:.2f} s  "
        f"p99 {result['p99_s']:.2f} s  most {result['most_s']:.2f} s"
    )
    return bool(result["p95_s"] <= P95_AT_MOST_S and result["p99_s"] <= P99_AT_MOST_S)


def arguments() -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description=__doc__)
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--contacts", type=int, default=200)
    parser.add_argument("--gap", type=float, default=4.0, help="seconds between a write and the next edit, at most")
    parser.add_argument("--latency-scale", type=float, default=1.0, help="factor on the vendors' latencies")
    parser.add_argument("--lag", type=int, default=0, help="seconds after which the CRM's lists show an edit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(".run/latency.json"), help="where the JSON goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(measure(arguments())) else 1)
