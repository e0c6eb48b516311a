"""`python -m simulators` as a program."""

import json
import subprocess
import sys
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.process


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simulators", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ready(process: subprocess.Popen[str]) -> Any:  # noqa: ANN401  JSON
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_both_vendors_answer_after_one_ready_line_and_end_with_their_parent() -> None:
    with start("--exit-with-parent", "--latency-scale", "0.5", "--settings", '{"google": {"seed": 7}}') as process:
        urls = ready(process)
        assert set(urls) == {"google", "zoho"}
        settings = httpx2.get(urls["google"] + "/control/settings").json()
        assert (settings["seed"], settings["latency_scale"]) == (7, 0.5)
        assert httpx2.get(urls["zoho"] + "/control/settings").json()["latency_scale"] == 0.5
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_a_signal_ends_it_in_order() -> None:
    with start() as process:
        ready(process)
        process.terminate()
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("--settings", '{"google": {"sead": 7}}'), 2, "sead"),
        (("--settings", '{"goggle": {}}'), 2, "goggle"),
        (("--settings", "nonsense"), 2, "simulators:"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_place(arguments: tuple[str, ...], status: int, text: str) -> None:
    with start(*arguments) as process:
        _, errors = process.communicate(timeout=10)
        assert process.returncode == status
        assert text in errors


def test_a_taken_port_is_told() -> None:
    with start("--exit-with-parent") as first:
        port = ready(first)["google"].rpartition(":")[2]
        with start("--google-port", port) as second:
            _, errors = second.communicate(timeout=10)
            assert second.returncode == 1
            assert "simulators:" in errors
        assert first.stdin is not None
        first.stdin.close()
        first.wait(timeout=10)
