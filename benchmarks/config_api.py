"""`python -m benchmarks.config_api`: config-api beside a bare FastAPI application that sends the same statements.

Each is a process of its own over a database of its own with the same rows. They are asked in turn, in short rounds, so
that whatever else the machine does falls on both; printed and compared are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg
import orjson
import uvloop
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.api_servers import PAGE, Assignment, settings_body
from benchmarks.load import Prepared, Round, callers, request
from benchmarks.server import database_server, machine
from benchmarks.stage import Program, program
from contactsync.adapters.sql.migrate import upgrade
from contactsync.assembly.admin import serving
from tests.contract.state.worlds import KEYS
from tests.support.postgres import Database

AUDIENCE: Final = "contact-sync"
READS_AT_LEAST: Final = 0.6
WRITES_AT_LEAST: Final = 0.7
_CONFIGURATIONS: Final = 160


@dataclass(slots=True)
class Served:
    """One of the two."""

    name: str
    program: Program
    places: Sequence[tuple[str, str]]
    port: int
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    async def cpu_s(self) -> float:
        """Processor time that the process has taken."""
        return float((await self.program.ask(""))["cpu_s"])

    async def play(self, call: Call, seconds: float) -> None:
        """One round of a call."""
        before = await self.cpu_s()
        async with callers(self.port, call.connections) as asking:
            done = await asking.play(call.prepared(self.places), call.status, seconds)
        self.rounds.setdefault(call.name, []).append(_measured(done, await self.cpu_s() - before))

    def median(self, call: Call) -> dict[str, float]:
        """The median round of a call, value by value."""
        rounds = self.rounds[call.name]
        return {name: round(median(one[name] for one in rounds), 3) for name in rounds[0]}


def _measured(done: Round, cpu_s: float) -> dict[str, float]:
    return {
        "per_second": done.per_second,
        "p50_ms": done.percentile_ms(50),
        "p99_ms": done.percentile_ms(99),
        "cpu_ms_per_request": 1000 * cpu_s / len(done.took_s),
    }


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the interface."""

    name: str
    method: str
    status: int
    at_least: float
    headers: Mapping[str, str]
    connections: int

    def prepared(self, places: Sequence[tuple[str, str]]) -> Prepared:
        """Requests of this call. No two connections change one configuration at the same time."""
        fresh = itertools.count(time.time_ns())

        def of(connection: int, number: int) -> bytes:
            place = (connection + number * self.connections) % len(places)
            config_id, run_id = places[place]
            match self.name:
                case "read":
                    return request("GET", f"/v1/sync-configs/{config_id}", self.headers)
                case "list":
                    return request("GET", f"/v1/sync-configs?limit={PAGE}", self.headers)
                case "run":
                    return request("GET", f"/v1/runs/{run_id}", self.headers)
                case "create":
                    body = orjson.dumps(settings_body(f"view-{next(fresh)}"))
                    return request("POST", "/v1/sync-configs", self.headers, body)
                case _:
                    body = orjson.dumps(settings_body(f"view-{place}", f"Contacts {number}"))
                    headers = {**self.headers, "If-Match": "*"}
                    return request("PUT", f"/v1/sync-configs/{config_id}", headers, body)

        return of


def calls(token: str, connections: int) -> list[Call]:
    """The five calls that are compared."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "fr-FR,fr;q=0.9,en;q=0.8"}
    return [
        Call("read", "GET", 200, READS_AT_LEAST, headers, connections),
        Call("list", "GET", 200, READS_AT_LEAST, headers, connections),
        Call("run", "GET", 200, READS_AT_LEAST, headers, connections),
        Call("create", "POST", 201, WRITES_AT_LEAST, headers, connections),
        Call("replace", "PUT", 200, WRITES_AT_LEAST, headers, connections),
    ]


@asynccontextmanager
async def _issuer(key: RSAKey) -> AsyncIterator[str]:
    """An issuer's key set on the loopback; its address."""

    async def keys(_: object) -> JSONResponse:
        return JSONResponse({"keys": [key.as_dict(private=False)]})

    async with serving(Starlette(routes=[Route("/jwks", keys)]), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def _server(server: Database, assignment: dict[str, Any], name: str) -> AsyncIterator[Served]:
    """A process over a fresh database; both end with the block."""
    async with AsyncExitStack() as stack:
        fresh = server.named(f"bench_{secrets.token_hex(6)}")
        database = fresh.url.rsplit("/", 1)[-1]
        await _execute(server, f"CREATE DATABASE {database}")
        stack.push_async_callback(_execute, server, f"DROP DATABASE {database} WITH (FORCE)")
        await asyncio.to_thread(upgrade, fresh.admin_url)
        process = await stack.enter_async_context(program("-m", "benchmarks.api_servers"))
        given = Assignment(**assignment, bare=name == "bare", database_url=fresh.url)
        ready = await process.ask(orjson.dumps(asdict(given)).decode())
        yield Served(name, process, ready["places"], ready["port"])


async def _execute(server: Database, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _same(ours: Served, bare: Served, chosen: Sequence[Call]) -> list[str]:
    """Calls that the two answer differently, ids and times aside."""
    different = []
    for call in chosen:
        answers = []
        for one in (ours, bare):
            async with callers(one.port, 1) as asking:
                _, body = await asking.ask(0, call.prepared(one.places)(1, 0))
            answers.append(_without_ids(orjson.loads(body)))
        if answers[0] != answers[1]:
            different.append(call.name)
    return different


_OWN: Final = {"id", "configuration_id", "run_id", "created_at", "next_sync_at", "next_cursor", "crm_view_id"}


def _without_ids(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_ids(one) for name, one in value.items() if name not in _OWN}
    return [_without_ids(one) for one in value] if isinstance(value, list) else value


async def run(options: argparse.Namespace) -> bool:
    """Measure, print, write; whether every ratio is reached (asked for by `--check`)."""
    key = RSAKey.generate_key(2048, {"kid": "one"})
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(database_server())
        url = await stack.enter_async_context(_issuer(key))
        claims = {"iss": url, "aud": AUDIENCE, "sub": "ada", "organisation": "60001", "exp": int(time.time()) + 86_400}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        assignment = {
            "keys": KEYS,
            "issuer": url,
            "jwks_url": f"{url}/jwks",
            "audience": AUDIENCE,
            "claims": claims,
            "token": token,
            "configurations": options.configurations,
        }
        ours, bare = [
            await stack.enter_async_context(_server(server, assignment, name)) for name in ("config-api", "bare")
        ]
        chosen = [call for call in calls(token, options.connections) if call.name in options.only.split(",")]
        different = await _same(ours, bare, chosen)
        for call in chosen:
            for turn in range(options.rounds):
                for one in (ours, bare) if turn % 2 else (bare, ours):
                    await one.play(call, options.seconds)
    results = [_result(call, ours, bare) for call in chosen]
    _print(results, different)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "options": _told(options), "results": results, "different": different}
    options.output.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    reached = all(result["ratio"] >= result["at_least"] for result in results)
    return not different and (reached or not options.check)


def _told(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name != "output"}


def _result(call: Call, ours: Served, bare: Served) -> dict[str, Any]:
    both = {"config_api": ours.median(call), "bare": bare.median(call)}
    ratio = both["config_api"]["per_second"] / both["bare"]["per_second"]
    return {"call": call.name, "method": call.method, "ratio": round(ratio, 3), "at_least": call.at_least, **both}


def _print(results: Sequence[Mapping[str, Any]], different: Sequence[str]) -> None:
    print("call                    req/s   p50 ms   p99 ms   cpu ms/request   ratio  at least")
    for result in results:
        for name in ("bare", "config_api"):
            values = result[name]
            ratio = "" if name == "bare" else f"{result['ratio']:>8.2f}  {result['at_least']:>8.2f}"
            print(
                f"{result['call']:<8} {name:<12} {values['per_second']:>8.0f} {values['p50_ms']:>8.2f} "
                f"{values['p99_ms']:>8.2f} {values['cpu_ms_per_request']:>16.3f}{ratio}"
            )
    if different:
        print(f"WRONG: answered differently: {', '.join(different)}")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="benchmarks.config_api", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each call, at each of the two")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--configurations", type=int, default=_CONFIGURATIONS)
    parser.add_argument("--only", default="read,list,run,create,replace", help="calls, separated by commas")
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True, help="fail below the ratios")
    parser.add_argument("--output", type=Path, default=Path(".run/benchmark-config-api.json"))
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(0 if uvloop.run(run(arguments())) else 1)
