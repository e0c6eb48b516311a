"""`make demo` and `make run`, smaller: the whole story, an end that leaves nothing behind, in a path with a space."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

import httpx2
import orjson
import psutil
import pytest

from standalone.ports import free_ports
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

_CONTACTS = 500


async def _started(command: str, folder: Path, *more: str) -> asyncio.subprocess.Process:
    given = {name: value for name, value in os.environ.items() if not name.startswith("CONTACTSYNC_")}
    # Starts side by side would both find the usual port free.
    given["CONTACTSYNC_API_PORT"] = str(free_ports(1, SystemRandom())[0])
    arguments = [command, "--contacts", str(_CONTACTS), "--folder", str(folder), *more]
    with (folder.parent / "output").open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "standalone", *arguments, env=given, stdout=output, stderr=output
        )


def _output(folder: Path) -> str:
    return (folder.parent / "output").read_text()


def _left_running(folder: Path) -> list[list[str]]:
    """Processes that were started with a file in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command, place = process.info["cmdline"] or [], process.info["cwd"] or ""
        if any(str(folder) in part for part in (*command, place)):
            found.append(command)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a clone" / ".run"


@pytest.fixture(autouse=True)
def _parent(folder: Path) -> None:
    folder.parent.mkdir()


async def _report(folder: Path, *more: str) -> dict[str, Any]:
    process = await _started("demo", folder, *more)
    assert await process.wait() == 0, _output(folder)
    assert _left_running(folder) == []
    report: dict[str, Any] = orjson.loads((folder / "demo-report.json").read_bytes())
    return report


async def test_the_demonstration_makes_every_contact_and_needs_the_fewest_calls_twice_in_a_row(folder: Path) -> None:
    for report in (await _report(folder), await _report(folder)):
        first, later, echo, idle = (report[name] for name in ("first", "later", "echo", "no_change"))
        assert first["contacts"] == {"selected": _CONTACTS, "created": _CONTACTS}
        assert first["writes"] == {"google.create": _CONTACTS}
        assert later["contacts"] == {"selected": _CONTACTS, "updated": 460, "unchanged": _CONTACTS - 460}
        assert later["writes"] == {"crm.update": 220, "google.update": 240}
        assert (echo["writes"], idle["writes"]) == ({}, {})
        calls = {name: sum(report[name]["calls"].values()) for name in ("first", "later", "echo", "no_change")}
        assert calls == {name: report[name]["minimum_calls"] for name in calls}
        assert all(step["seconds"] > 0 and step["peak_rss_mib"] > 0 for step in (first, later, echo, idle))


async def test_a_start_that_keeps_the_last_state_only_carries_over_new_edits(folder: Path) -> None:
    assert "first" in await _report(folder, "--keep"), "there is nothing to go on with yet"
    for _ in range(2):
        report = await _report(folder, "--keep")
        assert list(report) == ["later", "echo", "no_change", "surroundings"]
        later, echo, idle = (report[name] for name in ("later", "echo", "no_change"))
        assert later["contacts"] == {"selected": _CONTACTS, "updated": 460, "unchanged": _CONTACTS - 460}
        assert later["writes"] == {"crm.update": 220, "google.update": 240}
        assert (echo["writes"], idle["writes"]) == ({}, {})
        steps = (later, echo, idle)
        spare = sum(sum(step["calls"].values()) - step["minimum_calls"] for step in steps)
        assert spare in {0, 1, 2}, "the vendors' clocks jump: on each side one call may find its access token ended"


async def test_a_signal_in_the_middle_ends_everything(folder: Path) -> None:
    process = await _started("run", folder)
    await wait_until(lambda: "First sync of" in _output(folder), within_s=60)
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 40) == 130
    assert _left_running(folder) == []


async def test_run_goes_on_serving_until_it_is_stopped(folder: Path) -> None:
    process = await _started("run", folder)
    await wait_until(lambda: "goes on serving" in _output(folder), within_s=120)
    url = next(line for line in _output(folder).splitlines() if "goes on serving" in line).split()[4]
    async with httpx2.AsyncClient(trust_env=False) as client:
        (configuration,) = (await client.get(f"{url}/v1/sync-configs")).json()["items"]
    assert configuration["status"] == "active"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 40) == 0
    assert _left_running(folder) == []
