"""Every metric of the product, in one place: names, labels, meaning.

Prometheus's conventions: prefix, base units, `_total` for counters. No label holds a tenant, an account or a contact.
A process exposes `REGISTRY` on its admin port.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY: Final = CollectorRegistry()

QUEUE_PUBLISHED: Final = Counter(
    "contactsync_queue_published_total",
    "Hints published, by what the broker answered: confirmed, refused, returned, unknown.",
    ["lane", "outcome"],
    registry=REGISTRY,
)
QUEUE_SETTLED: Final = Counter(
    "contactsync_queue_settled_total",
    "Deliveries that were answered: ack, dead_letter, release; late when the connection was lost before.",
    ["lane", "outcome"],
    registry=REGISTRY,
)
OUTBOX_OLDEST: Final = Gauge(
    "contactsync_outbox_oldest_seconds",
    "Age of the oldest hint that is due and not published.",
    registry=REGISTRY,
)
