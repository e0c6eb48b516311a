"""What a start prints where nobody looks: plain lines that say what is going on."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from standalone.measure import Cost
from standalone.report import Step
from standalone.screen import Screen


def _run(**changes: object) -> dict[str, Any]:
    return {
        "state": "running",
        "reason": "",
        "reason_text": "",
        "wait_until": None,
        "finished_at": None,
        "selected": 0,
        "counts": {},
        "writes": {},
        "calls": {},
        "control_calls": {},
        "progress": {
            "phase": "observe",
            "percent": 10,
            "to_write": 0,
            "crm": {"read": 1200, "complete": False, "written": 0},
            "google": {"read": 0, "complete": True, "written": 0},
        },
        **changes,
    }


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(output: io.StringIO) -> Screen:
    return Screen(Console(file=output, width=200, highlight=False))


def test_a_line_says_how_far_both_sides_are(screen: Screen, output: io.StringIO) -> None:
    with screen.run_view() as view:
        view.show(_run())
    line = "reading both sides, 10 %; Zoho CRM 1,200 read"
    assert output.getvalue().rstrip().endswith(line)


def test_a_waiting_run_says_why_and_how_long(screen: Screen, output: io.StringIO) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=42.5)).isoformat()
    told = "waiting 42 s: Google's quota of this minute is used up; Zoho CRM 1,200 read"
    with screen.run_view() as view:
        for _ in range(3):
            view.show(_run(state="waiting", wait_until=until, reason_text="Google's quota of this minute is used up."))
    assert output.getvalue().count("waiting") == 1
    assert output.getvalue().rstrip().endswith(told)


def test_a_report_has_outcomes_writes_calls_and_cost(screen: Screen, output: io.StringIO) -> None:
    run = _run(
        state="succeeded",
        selected=12,
        counts={"created": 10, "skipped": 2, "failed": 0},
        writes={"google.create": 10},
        calls={"google.people.list": 1, "zoho.contacts.view": 1},
        control_calls={"zoho.fields": 2},
    )
    screen.report("Report", Step(run, Cost(seconds=1.25, peak_rss_mib=99.7), minimum_calls=2))
    assert not any(line.endswith(" ") for line in output.getvalue().splitlines())
    lines = [" ".join(line.split()) for line in output.getvalue().splitlines()]
    assert lines == [
        "",
        "Report",
        "10 created on the other side",
        "2 skipped by a rule",
        "12 contacts in all",
        "",
        "10 Google: create",
        "2 data calls; the minimum is 2:",
        "zoho: 1 contacts.view",
        "google: 1 people.list",
        "2 control calls: rights, metadata, tokens",
        "1.2 s 100 MiB of memory at most",
    ]
