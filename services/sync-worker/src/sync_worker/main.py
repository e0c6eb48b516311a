"""The worker process: open what it needs, work hints until asked to stop, close everything in order."""

from __future__ import annotations

import asyncio
from random import SystemRandom
from uuid import uuid4

from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.database import Database, PoolSettings
from contactsync.adapters.sql.leases import worker_presence
from contactsync.assembly.admin import admin_app, serving
from contactsync.assembly.foundation import Foundation, job_queue, open_foundation
from contactsync.assembly.garbage import collect_less_often
from contactsync.errors import TemporaryError
from contactsync.ports.queue import JobQueue
from contactsync.telemetry.logs import get_logger
from contactsync.telemetry.loop_lag import watch_loop
from contactsync.waiting import first_error, first_of
from sync_worker.consumer import ConsumerSettings, HintConsumer
from sync_worker.runner import SliceRunner
from sync_worker.settings import SyncWorkerSettings
from sync_worker.wiring import ports_on, state_on

log = get_logger(__name__)

_SPARE_CONNECTIONS = 4
"""Database connections beside one for each slot: lease renewals, readiness."""


async def run(settings: SyncWorkerSettings, stop: asyncio.Event) -> None:
    """A worker with a process to itself, over the broker of the settings, until `stop`. Raises what `work` raises."""
    clock = SystemClock()
    queue = job_queue(settings, clock, "sync-worker")
    async with open_foundation(settings, clock, pool_of(settings)) as foundation:
        collect_less_often()
        await work(foundation, queue, settings, stop)


def pool_of(settings: SyncWorkerSettings) -> PoolSettings:
    """As many database connections as the slots may need."""
    return PoolSettings(max_size=settings.worker_slots + _SPARE_CONNECTIONS)


async def work(foundation: Foundation, queue: JobQueue, settings: SyncWorkerSettings, stop: asyncio.Event) -> None:
    """Work the hints of `queue` until `stop`; then let the slices under way end within the grace.

    Raises ConfigurationError when the process cannot work as it is set up, BrokerUnavailableError when the broker is
    lost for good, TemporaryError when other workers may take this one for dead: the process must be started again.
    """
    ending = asyncio.Event()
    holder = uuid4()
    async with worker_presence(settings.direct_url, holder) as lost:
        state = state_on(foundation, settings)
        runner = SliceRunner(
            state,
            ports_on(foundation, settings, state),
            foundation.clock,
            settings.runner_settings(),
            holder=holder,
            rng=SystemRandom(),
            stop_event=ending,
        )
        limits = ConsumerSettings(slots=settings.worker_slots, drain_grace=settings.drain_grace)
        consumer = HintConsumer(queue, runner, foundation.clock, limits)
        log.info("worker.started", holder_id=str(holder), slots=settings.worker_slots)
        await _attended(consumer, foundation, settings, ending, stop=stop, lost=lost)
    log.info("worker.stopped")
    if lost.is_set() and not stop.is_set():
        raise TemporaryError("the sign of life of this worker was lost", reason="presence_lost")


async def _attended(
    consumer: HintConsumer,
    foundation: Foundation,
    settings: SyncWorkerSettings,
    ending: asyncio.Event,
    *,
    stop: asyncio.Event,
    lost: asyncio.Event,
) -> None:
    """Consume until `ending`, beside the admin port; a part that dies ends the others, and its error is told."""

    async def end() -> None:
        await first_of(stop.wait(), lost.wait())
        ending.set()

    async def consume() -> None:
        try:
            await consumer.run(ending)
        finally:
            for task in side:
                task.cancel("worker stopping")

    admin = admin_app(_Readiness(consumer, foundation.database))
    try:
        async with (
            serving(admin, settings.worker_admin_host, settings.worker_admin_port),
            asyncio.TaskGroup() as tasks,
        ):
            side = [
                tasks.create_task(end(), name="wait for the end"),
                tasks.create_task(watch_loop(foundation.clock), name="loop lag"),
            ]
            tasks.create_task(consume(), name="worker")
    except BaseExceptionGroup as group:
        raise first_error(group) from None


class _Readiness:
    """Ready when the broker knows this worker and the database answers."""

    def __init__(self, consumer: HintConsumer, database: Database) -> None:
        self._consumer = consumer
        self._database = database

    async def __call__(self) -> bool:
        return self._consumer.ready and await self._database.answers()
