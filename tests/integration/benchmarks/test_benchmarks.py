"""The benchmarks play: a scenario at small size ends as it must and takes the least calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import Database


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.timeout(180)
def test_the_scenarios_take_the_least_calls(postgres_server: Database, tmp_path: Path) -> None:
    output = tmp_path / "benchmarks.json"
    addresses = {
        "CONTACTSYNC_TEST_DATABASE_URL": postgres_server.url,
        "CONTACTSYNC_TEST_DATABASE_ADMIN_URL": postgres_server.admin_url,
    }
    played = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--size", "0.02", "--only", "AG", "--output", str(output)],
        env=os.environ | addresses,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )

    assert played.returncode == 0, played.stdout + played.stderr
    results = json.loads(output.read_bytes())["results"]
    assert {one["scenario"]: one["data_calls"] for one in results} == {"A": 3, "G": 3}
    assert all(one["peak_rss_mib"] >= one["idle_rss_mib"] > 0 for one in results)
    assert all(one["cpu_s"] > 0 for one in results)
