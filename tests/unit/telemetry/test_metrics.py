"""The registry of metric names, and the loop's pulse."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from contactsync.telemetry import metrics
from contactsync.telemetry.loop_lag import watch_loop
from tests.support.clock import ManualClock

ROOT = Path(__file__).resolve().parents[3]
OURS = [value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)]
TENANT_LABELS = {"organisation", "organisation_id", "config_id", "run_id", "account", "user", "email"}


def test_every_name_has_the_prefix_and_a_counter_ends_in_total() -> None:
    page = metrics.render().decode()
    described = dict(re.findall(r"^# TYPE (contactsync_\w+) (\w+)$", page, re.MULTILINE))
    assert len(described) == len(OURS)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in described.items())


def test_no_label_names_a_tenant() -> None:
    for metric in OURS:
        assert not TENANT_LABELS & set(metric._labelnames)  # noqa: SLF001 -- the library shows them in no other way


def test_every_metric_is_measured_somewhere() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("s*/**/*.py"))
    names = {name for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge | Histogram)}
    # Where it is needed, or by a function beside it that finds the series of a label quickly.
    assert names <= set(re.findall(r"\b(?:metrics\.)?([A-Z_]+)\.(?:labels|inc|set|observe|set_function|clear)\b", code))


def test_the_page_can_be_read_by_prometheus() -> None:
    metrics.QUEUE_PUBLISHED.labels(lane="sync.initial", outcome="confirmed").inc()
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    labels = [sample.labels for sample in families["contactsync_queue_published"].samples]
    assert {"lane": "sync.initial", "outcome": "confirmed"} in labels
    assert "process_resident_memory_bytes" in families


async def test_the_pulse_tells_by_how_much_a_sleep_was_overslept() -> None:
    clock = ManualClock()
    watching = asyncio.create_task(watch_loop(clock, interval_s=1))
    await asyncio.sleep(0)
    clock.advance(timedelta(seconds=1.25))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert metrics.REGISTRY.get_sample_value("contactsync_event_loop_lag_seconds") == 0.25
    watching.cancel()
    await asyncio.wait([watching])
