"""Every metric of the product, in one place: names, labels, meaning.

Prometheus's conventions: a prefix, base units, `_total` for counters. No label holds a tenant, an account or a contact,
and none takes more than about ten values. A process exposes `REGISTRY` on its admin port; `render` makes the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

# It would be one more series for each counter, of no use to an alert.
disable_created_metrics()  # type: ignore[no-untyped-call]  # published without types
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.025, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0)
_LONG_SECONDS = (1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
_RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


def render() -> bytes:
    """All metrics in Prometheus's text format."""
    return generate_latest(REGISTRY)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"contactsync_{name}", meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"contactsync_{name}", meaning, labels, registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
    return Histogram(f"contactsync_{name}", meaning, labels, registry=REGISTRY, buckets=buckets)


# --- queue and outbox -------------------------------------------------------------------------------------------------

QUEUE_PUBLISHED: Final = _counter(
    "queue_published_total", "Hints published; outcome: confirmed, refused, returned, unknown.", "lane", "outcome"
)
QUEUE_SETTLED: Final = _counter(
    "queue_settled_total", "Deliveries answered; outcome: ack, dead_letter, release, late.", "lane", "outcome"
)
QUEUE_DEPTH: Final = _gauge("queue_depth", "Messages that wait in a lane.", "lane")
OUTBOX_OLDEST: Final = _gauge("outbox_oldest_seconds", "Age of the oldest hint that is due and not published.")
OUTBOX_PUBLISHED: Final = _counter("outbox_published_total", "Outbox rows marked as published.")

# --- worker -----------------------------------------------------------------------------------------------------------

SLOTS: Final = _gauge("worker_slots", "Slices that this worker may work on at once.", "lane")
SLOTS_IN_USE: Final = _gauge("worker_slots_in_use", "Slices under way.", "lane")
SLICES: Final = _counter(
    "slices_total", "Slices handled; outcome: done, or the reason of the error.", "lane", "outcome"
)
SLICE_SECONDS: Final = _histogram("slice_duration_seconds", "Time to work on one slice.", "lane")
LOOP_LAG: Final = _gauge("event_loop_lag_seconds", "How late the event loop was at its last beat.")

# --- runs -------------------------------------------------------------------------------------------------------------

RUNS: Final = _counter("runs_total", "Runs that ended.", "trigger", "outcome")
RUN_SECONDS: Final = _histogram(
    "run_duration_seconds", "From a run's first slice to its end; run: first, later.", "run", buckets=_LONG_SECONDS
)
WAITING_RUNS: Final = _gauge("waiting_runs", "Runs that wait for a date, by what they wait for.", "reason")
DELETE_BRAKE: Final = _counter("delete_brake_total", "Runs whose deletes were held back.")
OLDEST_DUE: Final = _gauge("oldest_due_seconds", "How late the longest waiting configuration was at a look.")
PAUSED_CONFIGURATIONS: Final = _gauge("paused_configurations", "Configurations that are paused.", "reason")
OVERDUE_CONFIGURATIONS: Final = _gauge(
    "overdue_configurations", "Active configurations without a successful run for twice their interval."
)
LAST_SUCCESS: Final = _gauge(
    "last_success_timestamp_seconds",
    "When the configuration that is overdue longest last succeeded; 0: none is overdue.",
)
HELD_RECORDS: Final = _gauge(
    "held_records", "Pairs that are held, counted up to 100,000; until: answer, date.", "until"
)
UNKNOWN_EFFECTS: Final = _gauge(
    "unknown_effects", "Writes of which nobody knows whether they arrived, until a run has looked them up."
)
EFFECTS: Final = _counter(
    "effects_total",
    "Writes to single contacts that were settled; outcome: confirmed, rejected, unknown.",
    "side",
    "kind",
    "outcome",
)

# --- providers --------------------------------------------------------------------------------------------------------

PROVIDER_CALLS: Final = _counter(
    "provider_calls_total", "Calls to providers; status: 2xx to 5xx, or none without an answer.", "operation", "status"
)
PROVIDER_SECONDS: Final = _histogram("provider_call_duration_seconds", "Time of a call.", "operation")
PROVIDER_WAIT: Final = _counter(
    "provider_wait_seconds_total", "Time for which runs were put off, by what they wait for.", "reason"
)
QUOTA_USED: Final = _histogram(
    "google_quota_used_ratio",
    "How much of an account's minute was used when a slice ended; bucket: read, write, delete.",
    "bucket",
    buckets=_RATIOS,
)
CREDIT_SHARE_USED: Final = _histogram(
    "crm_credit_share_used_ratio",
    "How much of its share of the CRM's daily credits an organisation used when a run asked for more.",
    buckets=_RATIOS,
)
TOKEN_REFRESH: Final = _counter(
    "token_refresh_total", "Refreshes of access tokens; outcome: renewed, lost, failed.", "provider", "outcome"
)
KEYS_BEHIND: Final = _gauge(
    "key_versions_behind", "How many versions the oldest key-encryption key in use is behind the newest."
)

# --- leases -----------------------------------------------------------------------------------------------------------

LEASE_LOST: Final = _counter("lease_lost_total", "Leases that passed to somebody else during a slice.")
FENCE_REJECTS: Final = _counter("fence_rejects_total", "Commits refused because the fence had moved on.")

# --- database ---------------------------------------------------------------------------------------------------------

POOL_SIZE: Final = _gauge("database_pool_connections", "Connections to PostgreSQL that this process holds.")
POOL_IN_USE: Final = _gauge("database_pool_connections_in_use", "Those of them that are in use.")
POOL_WAIT: Final = _histogram("database_pool_wait_seconds", "How long a transaction waited for its connection.")

# --- HTTP -------------------------------------------------------------------------------------------------------------

HTTP_REQUESTS: Final = _counter("http_requests_total", "Requests answered.", "route", "method", "code")
HTTP_SECONDS: Final = _histogram("http_request_duration_seconds", "Time to answer a request.", "route", "method")


def count_request(route: str, method: str, code: str, seconds: float) -> None:
    """A request was answered."""
    requests, durations = _series(route, method, code)
    requests.inc()
    durations.observe(seconds)


@lru_cache(maxsize=1024)
def _series(route: str, method: str, code: str) -> tuple[Counter, Histogram]:
    """Finding a series by its labels takes longer than counting in it."""
    return HTTP_REQUESTS.labels(route, method, code), HTTP_SECONDS.labels(route, method)
