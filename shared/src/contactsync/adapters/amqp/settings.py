"""What the broker's adapter can be told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpSettings:
    """Address, deadlines and limits; the defaults are for production. Times are in seconds."""

    url: str = field(repr=False)
    """`amqp://` or `amqps://`, with account and virtual host."""

    process_name: str = "contactsync"
    """Shown in the broker's list of connections, with the connection's purpose."""

    heartbeat_s: int = 15
    """A silent peer is given up after 3 * (heartbeat + 1) seconds (aiormq, `Connection`)."""

    connect_deadline_s: float = 10.0
    call_deadline_s: float = 10.0

    publish_deadline_s: float = 5.0
    """A publish without answer by then counts as not confirmed, though the broker may still take it."""

    publish_window: int = 100
    """Publishes under way at once; 50 to 200 is where throughput levels off."""

    nacks_before_reopening: int = 3
    """RabbitMQ 3.10 refuses for ever on a channel whose first publish fell into a change of leader; a new one works."""

    topology_check_s: float = 30.0
    """How often a publisher declares the topology anew, which costs a few milliseconds and mends lost bindings."""

    reconnect_s: tuple[float, float] = (2.0, 10.0)
    """Range of the random pause before a lost connection is opened again, so that a fleet comes back spread out."""

    start_up_pause_s: float = 0.5
    """First pause of the start-up loop; it doubles with each failure, under full jitter."""

    give_up_after_s: float = 300.0
    """A consumer without a broker for this long ends with BrokerUnavailableError."""

    watchdog_interval_s: float = 15.0
    watchdog_misses: int = 2

    delivery_limit: int = 5
    """Returns that a message survives before it is dead-lettered; it is delivered once more than that."""

    length_limit: int = 1_000_000
    """Messages a lane takes before it refuses more; the sweeper makes refused hints again."""

    parked_for_s: int = 14 * 24 * 3600
    """How long `sync.dead` and `sync.unrouted` keep a message."""

    replicas: int = 3
