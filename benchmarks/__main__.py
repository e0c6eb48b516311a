"""`python -m benchmarks`: plays the scenarios and prints what each cost, beside the least that it can cost."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks import scenarios as play
from benchmarks.scenarios import Scenario
from benchmarks.server import database_server, machine
from benchmarks.stage import stage
from contactsync.ports.state import RunState
from tests.support.postgres import Database

_GOOGLE_LATENCIES_S = {
    "people.connections.list": 0.6,
    "people.getBatchGet": 0.6,
    "people.batchCreateContacts": 1.5,
    "people.batchUpdateContacts": 1.5,
    "people.batchDeleteContacts": 1.2,
}
"""What the lower bound assumes; the simulated CRM's own table says the same for the CRM."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="factor on the number of contacts")
    parser.add_argument("--latency-scale", type=float, default=0.0, help="factor on the vendors' latencies")
    parser.add_argument("--only", default="ABCDEFGH", help="letters of the scenarios to play")
    parser.add_argument("--output", type=Path, default=Path(".run/benchmarks.json"), help="where the JSON goes")
    return parser.parse_args(argv)


def chosen(options: argparse.Namespace) -> list[Scenario]:
    """The scenarios at their size."""

    def of(count: int) -> int:
        size: float = options.size
        return max(1, round(count * size))

    everything = [
        play.first_one_way(of(10_000)),
        play.first_two_way(of(5_000)),
        play.first_equal(of(10_000)),
        play.later_one_way(of(2_000), of(500)),
        play.later_mixed(of(2_000), of(100), of(300), of(100)),
        play.later_two_way(of(2_000), of(250)),
        play.nothing_new(of(2_000)),
        play.large_view(of(100_000), of(25_000)),
    ]
    return [scenario for scenario in everything if scenario.name in options.only]


async def measure(server: Database, scenario: Scenario, latency_scale: float) -> dict[str, Any]:
    """One scenario, played once."""
    common = {"quotas_enabled": False, "latency_scale": latency_scale}
    simulators = {"google": {**common, "latency_s": _GOOGLE_LATENCIES_S}, "zoho": common}
    async with stage(server, simulators, {}) as scene:
        worker = await scenario.prepare(scene)
        run = await worker.run()
        approved = await worker.approve(run) if run["state"] == RunState.NEEDS_APPROVAL else None
    counts = Counter(run["counts"])
    if approved is not None:
        counts += Counter({name: n for name, n in approved["counts"].items() if name.startswith(("calls.", "writes."))})
        run = {**run, "cpu_s": run["cpu_s"] + approved["cpu_s"], "wall_s": run["wall_s"] + approved["wall_s"]}
    plan = scenario.plan()
    calls = {name.removeprefix("calls."): n for name, n in counts.items() if name.startswith("calls.")}
    data_calls = sum(n for name, n in calls.items() if not name.startswith("control."))
    wrong = {name: counts.get(name) for name, n in scenario.check.items() if counts.get(name) != n}
    bound = plan.latency_s(latency_scale)
    return {
        "scenario": scenario.name,
        "text": scenario.text,
        "state": run["state"],
        "reason": run["reason"],
        "wrong": wrong,
        "contacts": scenario.contacts,
        "data_calls": data_calls,
        "minimum_calls": plan.calls if scenario.exact else None,
        "calls": calls,
        "writes": {name.removeprefix("writes."): n for name, n in counts.items() if name.startswith("writes.")},
        "outcomes": {name: n for name, n in counts.items() if "." not in name},
        "wall_s": round(run["wall_s"], 3),
        "lower_bound_s": round(bound, 3),
        "cpu_s": round(run["cpu_s"], 3),
        "cpu_ms_per_contact": round(1000 * run["cpu_s"] / scenario.contacts, 3) if scenario.contacts else None,
        "peak_rss_mib": round(run["peak_rss_mib"], 1),
        "idle_rss_mib": round(worker.idle_rss_mib, 1),
        "slices": run["slices"],
    }


async def run(options: argparse.Namespace) -> bool:
    """Play, print, write; whether each run ended as it must and took no more calls than the least."""
    results = []
    async with database_server() as server:
        print(_HEAD)
        for scenario in chosen(options):
            result = await measure(server, scenario, options.latency_scale)
            print(_line(result), flush=True)
            results.append(result)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "options": {"size": options.size, "latency_scale": options.latency_scale}}
    options.output.write_bytes(orjson.dumps({**report, "results": results}, option=orjson.OPT_INDENT_2))
    return not any(result["wrong"] or _is_above_the_least(result) for result in results)


def _is_above_the_least(result: dict[str, Any]) -> bool:
    least: int | None = result["minimum_calls"]
    return least is not None and result["data_calls"] > least


_HEAD = "   data calls   least    wall s   bound s     cpu s  cpu ms/contact   RSS above idle MiB"


def _line(result: dict[str, Any]) -> str:
    per_contact = result["cpu_ms_per_contact"]
    columns = (
        f"{result['scenario']}  {result['data_calls']:>10}",
        f"{'-' if result['minimum_calls'] is None else result['minimum_calls']:>6}",
        f"{result['wall_s']:>8.2f}",
        f"{result['lower_bound_s']:>8.2f}",
        f"{result['cpu_s']:>8.2f}",
        f"{'-' if per_contact is None else per_contact:>14}",
        f"{result['peak_rss_mib'] - result['idle_rss_mib']:>19.1f}",
        f" {result['text']}",
    )
    wrong = f"   WRONG: {result['wrong']} {result['state']} {result['reason']}" if result["wrong"] else ""
    return "  ".join(columns) + wrong


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of the benchmark."""
    return 0 if asyncio.run(run(arguments(argv))) else 1


if __name__ == "__main__":
    sys.exit(main())
