"""The roles of config-api as tasks: one process may play all of them, or each its own."""

from __future__ import annotations

import asyncio
from enum import StrEnum

from config_api.app import create_app
from config_api.notices.assembly import notice_sender
from config_api.outbox.relay import OutboxRelay
from config_api.outbox.watch import OutboxWatch
from config_api.resources import Resources
from config_api.scheduler.freshness import FreshnessWatch
from config_api.scheduler.keys import KeyWatch
from config_api.scheduler.retention import Retention
from config_api.scheduler.scheduler import Scheduler, SchedulerSettings
from contactsync.adapters.sql.freshness import SqlFreshness
from contactsync.adapters.sql.key_versions import SqlKeyRotation
from contactsync.adapters.sql.outbox import SqlOutboxRelayStore, outbox_wake_up
from contactsync.adapters.sql.requests import SqlRunSweeper
from contactsync.adapters.sql.retention import SqlRetention
from contactsync.assembly.admin import serving
from contactsync.assembly.bounded_http import BoundedHttp
from contactsync.ports.queue import JobQueue
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)


class Role(StrEnum):
    """What a process does."""

    API = "api"
    RELAY = "relay"
    SCHEDULER = "scheduler"


EVERY_ROLE = frozenset(Role)


async def play(
    roles: frozenset[Role],
    resources: Resources,
    queue: JobQueue | None,
    stop: asyncio.Event,
    served: asyncio.Event | None = None,
) -> None:
    """Play these roles until `stop`, then end each in its own order. The relay needs a queue.

    `served` is set once the API's port takes requests.

    A role that fails ends the others: the process is started anew by whoever runs it.
    """
    async with asyncio.TaskGroup() as tasks:
        if Role.API in roles:
            tasks.create_task(_serve(resources, stop, served or asyncio.Event()), name="api")
        if Role.RELAY in roles:
            if queue is None:
                raise TypeError("the relay publishes to a queue")
            tasks.create_task(_relay(resources, queue).run(stop), name="relay")
            tasks.create_task(_watch(resources, queue).run(stop), name="outbox watch")
        if Role.SCHEDULER in roles:
            tasks.create_task(_scheduler(resources).run(stop), name="scheduler")
            tasks.create_task(_retention(resources).run(stop), name="retention")
            tasks.create_task(notice_sender(resources.foundation, resources.settings).run(stop), name="notices")
            tasks.create_task(_freshness(resources).run(stop), name="freshness")
            tasks.create_task(_key_watch(resources).run(stop), name="key watch")
            if resources.settings.can_be_called:
                tasks.create_task(resources.webhooks.keeper.run(stop), name="webhook channels")


async def _serve(resources: Resources, stop: asyncio.Event, served: asyncio.Event) -> None:
    settings = resources.settings
    async with serving(create_app(resources, stop), settings.api_host, settings.api_port, http=BoundedHttp) as port:
        log.info("api.serving", host=settings.api_host, port=port)
        served.set()
        await stop.wait()


def _relay(resources: Resources, queue: JobQueue) -> OutboxRelay:
    foundation = resources.foundation
    store = SqlOutboxRelayStore(foundation.database, foundation.clock)
    return OutboxRelay(store, queue, lambda: outbox_wake_up(resources.settings.direct_url), foundation.clock)


def _watch(resources: Resources, queue: JobQueue) -> OutboxWatch:
    foundation = resources.foundation
    return OutboxWatch(SqlOutboxRelayStore(foundation.database, foundation.clock), queue, foundation.clock)


def _key_watch(resources: Resources) -> KeyWatch:
    foundation = resources.foundation
    return KeyWatch(SqlKeyRotation(foundation.database, foundation.vault), foundation.clock)


def _scheduler(resources: Resources) -> Scheduler:
    foundation = resources.foundation
    sweeper = SqlRunSweeper(foundation.database, resources.requests)
    return Scheduler(sweeper, foundation.clock, SchedulerSettings(every=resources.settings.sweep_every))


def _retention(resources: Resources) -> Retention:
    return Retention(SqlRetention(resources.foundation.database), resources.foundation.clock)


def _freshness(resources: Resources) -> FreshnessWatch:
    return FreshnessWatch(SqlFreshness(resources.foundation.database), resources.foundation.clock)
