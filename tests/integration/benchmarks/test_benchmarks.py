"""The benchmarks play: a scenario at small size ends as it must, and config-api stands beside its bare counterpart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Database


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.timeout(180)
def test_the_scenarios_take_the_least_calls(postgres_server: Database, tmp_path: Path) -> None:
    results = _played(postgres_server, tmp_path, "benchmarks", "--size", "0.02", "--only", "AG")
    assert {one["scenario"]: one["data_calls"] for one in results} == {"A": 3, "G": 3}
    assert all(one["peak_rss_mib"] >= one["idle_rss_mib"] > 0 for one in results)
    assert all(one["cpu_s"] > 0 for one in results)


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.timeout(180)
def test_config_api_answers_what_its_bare_counterpart_answers(postgres_server: Database, tmp_path: Path) -> None:
    """The ratios are those of a quiet machine: `make bench` holds them to their least."""
    small = ("--seconds", "0.2", "--rounds", "1", "--configurations", "32", "--no-check")
    results = _played(postgres_server, tmp_path, "benchmarks.config_api", *small)

    assert [one["call"] for one in results] == ["read", "list", "run", "create", "replace"]
    for one in results:
        assert one["ratio"] == pytest.approx(one["config_api"]["per_second"] / one["bare"]["per_second"], abs=0.001)
        assert one["config_api"]["cpu_ms_per_request"] > 0


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.timeout(180)
def test_a_flood_of_calls_loses_nothing(postgres_server: Database, tmp_path: Path) -> None:
    """It fails by itself when a configuration has another number of runs than it must."""
    results = _played(postgres_server, tmp_path, "benchmarks.webhooks", "--count", "200", "--configurations", "5")
    assert [one["served"] for one in results] == ["bare", "config_api"] * 2
    assert [one["not_accepted"] for one in results] == [0] * 4
    # The bare server answers so few calls within one tick of the system's account of processor time.
    assert all(one["cpu_ms_per_call"] > 0 for one in results if one["served"] == "config_api")


def _played(server: Database, folder: Path, module: str, *options: str) -> list[dict[str, Any]]:
    """The results of a benchmark that ended well."""
    output = folder / "results.json"
    addresses = {
        "CONTACTSYNC_TEST_DATABASE_URL": server.url,
        "CONTACTSYNC_TEST_DATABASE_ADMIN_URL": server.admin_url,
    }
    played = subprocess.run(
        [sys.executable, "-m", module, *options, "--output", str(output)],
        env=os.environ | addresses,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    results: list[dict[str, Any]] = json.loads(output.read_bytes())["results"]
    return results
