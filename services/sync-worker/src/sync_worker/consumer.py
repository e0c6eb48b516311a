"""From deliveries to slices: lanes and slots, what each kind of error means for a message, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from contactsync.errors import ConfigurationError, ContactSyncError, Disposition, PoisonMessageError
from contactsync.messages.hint import RunHint
from contactsync.ports.clock import Clock
from contactsync.ports.queue import Consumer, Delivery, JobQueue, Lane, Settlement
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger, log_context
from contactsync.waiting import first_of

log = get_logger(__name__)

Work: TypeAlias = Callable[[RunHint, Lane], Awaitable[None]]
"""Works the slice that a hint names; commits before it returns. Safe to call again for any hint."""

LEAST_SLOTS: Final = 3
_LONG_SLICE_S = 75.0
"""A slice begins nothing new after a minute; one that is under way much longer nears the broker's patience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """How much at once, and how long the end may take."""

    slots: int = 16
    drain_grace: timedelta = timedelta(seconds=25)
    crash_pause_s: float = 5.0
    """A message whose work failed in a way that we do not know keeps its slot so long: a database that is away must
    not empty the queue at full speed."""


def lane_slots(slots: int) -> Mapping[Lane, int]:
    """Slots of each lane: one for suspects, a third of the rest for first runs, all others for later runs.

    Each lane has its own, so that a flood in one leaves the others theirs. Raises ConfigurationError below three.
    """
    if slots < LEAST_SLOTS:
        raise ConfigurationError(f"worker slots: {slots} is fewer than one for each lane ({LEAST_SLOTS})")
    initial = max(1, (slots - 1) // 3)
    return MappingProxyType({Lane.INCREMENTAL: slots - 1 - initial, Lane.INITIAL: initial, Lane.SUSPECT: 1})


def settlement_of(error: ContactSyncError) -> Settlement:
    """What an error of the work means for its message, in one place.

    Almost always that it is done with: what is to be tried again has a date in the database, never a requeue.
    """
    match error.disposition:
        case Disposition.DEAD_LETTER:
            return Settlement.DEAD_LETTER
        case Disposition.STOP_PROCESS:
            return Settlement.RELEASE
        case _:
            return Settlement.ACK


class HintHandler:
    """Handles one delivery at a time; any number side by side."""

    def __init__(
        self, work: Work, clock: Clock, settings: ConsumerSettings, on_fatal: Callable[[ContactSyncError], None]
    ) -> None:
        self._work = work
        self._clock = clock
        self._settings = settings
        self._on_fatal = on_fatal

    async def __call__(self, delivery: Delivery) -> Settlement:
        """Work the hint's slice and say what becomes of the message."""
        try:
            hint = RunHint.from_bytes(delivery.body)
        except PoisonMessageError as error:
            with log_context(message_id=delivery.message_id):
                log.error("queue.message.poison", lane=delivery.lane, reason=error.reason)  # noqa: TRY400 -- it is told
            return settlement_of(error)
        with (
            log_context(
                organisation_id=hint.organisation,
                config_id=hint.configuration,
                run_id=hint.run,
                slice=hint.slice,
                message_id=delivery.message_id,
                correlation_id=hint.trace or hint.run,
            ),
            metrics.SLOTS_IN_USE.labels(lane=delivery.lane.value).track_inprogress(),
        ):
            return await self._handle(hint, delivery.lane)

    async def _handle(self, hint: RunHint, lane: Lane) -> Settlement:
        began = self._clock.monotonic()
        try:
            outcome, settlement = await self._attempt(hint, lane)
        finally:
            took_s = self._clock.monotonic() - began
            metrics.SLICE_SECONDS.labels(lane=lane.value).observe(took_s)
            if took_s > _LONG_SLICE_S:
                log.warning("sync.slice.long", lane=lane, took_s=round(took_s, 1))
        metrics.SLICES.labels(lane=lane.value, outcome=outcome).inc()
        return settlement

    async def _attempt(self, hint: RunHint, lane: Lane) -> tuple[str, Settlement]:
        """The work's outcome for the metric, and the message's settlement."""
        try:
            await self._work(hint, lane)
        except ContactSyncError as error:
            log.warning("sync.slice.failed", lane=lane, reason=error.reason, exc_info=error)
            if error.disposition is Disposition.STOP_PROCESS:
                self._on_fatal(error)
            return error.disposition.value, settlement_of(error)
        except Exception:
            # The edge of the work: the run's row knows how often it began, the sweeper finds it, nothing is requeued.
            log.exception("sync.slice.crashed", lane=lane)
            await self._clock.sleep(self._settings.crash_pause_s)
            return "crashed", Settlement.ACK
        return "done", Settlement.ACK


class HintConsumer:
    """The worker's side of the queue, for the life of a process."""

    def __init__(self, queue: JobQueue, work: Work, clock: Clock, settings: ConsumerSettings | None = None) -> None:
        self._queue = queue
        self._work = work
        self._clock = clock
        self._settings = settings or ConsumerSettings()
        self._lanes = lane_slots(self._settings.slots)
        self._consumer: Consumer | None = None
        self._fatal: ContactSyncError | None = None
        self._ending = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the broker knows this worker."""
        return self._consumer is not None and self._consumer.ready

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; then let the slices under way end within the grace, and cancel what is left.

        Raises BrokerUnavailableError when the broker is lost for good, ConfigurationError when the process cannot
        work as it is set up: either way the process must end, and be started again.
        """
        for lane, slots in self._lanes.items():
            metrics.SLOTS.labels(lane=lane.value).set(slots)
        handler = HintHandler(self._work, self._clock, self._settings, self._end_with)
        async with self._queue.consumer() as consumer:
            self._consumer = consumer
            running = asyncio.create_task(consumer.run(self._lanes, handler), name="consume hints")
            try:
                await first_of(stop.wait(), self._ending.wait(), asyncio.wait({running}))
                await self._drain(consumer, running)
            finally:
                running.cancel()
                await asyncio.wait({running})
                self._consumer = None
        if self._fatal is not None:
            raise self._fatal
        if not running.cancelled():
            running.result()

    async def _drain(self, consumer: Consumer, running: asyncio.Task[None]) -> None:
        """Let the slices under way end; cancel those that take longer than the grace."""
        stopping = asyncio.create_task(consumer.stop(), name="drain")
        await asyncio.wait({running, stopping}, timeout=self._settings.drain_grace.total_seconds())
        if not running.done():
            log.warning("worker.drain.cut_short")
            running.cancel("the grace period is over")
        await asyncio.wait({running, stopping})

    def _end_with(self, error: ContactSyncError) -> None:
        self._fatal = self._fatal or error
        self._ending.set()
