"""Publishes the hints that were committed with the data they speak of.

A hint is published at least once: what the broker confirmed but could not be marked is published again, under the same
message id. Several relays may run at once; each has the hints that it took to itself for half a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Never, TypeAlias
from uuid import UUID

from contactsync.ports.clock import Clock
from contactsync.ports.queue import JobQueue, OutboundHint, Publisher
from contactsync.ports.requests import TAKEN_FOR, OutboxRelayStore
from contactsync.telemetry import metrics
from contactsync.telemetry.logs import get_logger
from contactsync.waiting import first_of

log = get_logger(__name__)

WakeUp: TypeAlias = Callable[[], AbstractAsyncContextManager[asyncio.Event]]
"""Opens an event that is set when hints were committed, and perhaps when it can no longer tell."""

_LONGEST_PAUSE_S = 30.0
_OWN_MARGIN = timedelta(seconds=6)
"""Hints that stay unconfirmed are let go this long before another relay may take them: a publish takes five seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """Sizes and times of the relay."""

    batch: int = 500
    poll_s: float = 1.0
    """How often the table is looked at without being told: notifications are lost while nobody listens."""
    listen_for_s: float = 60.0
    """How long one listening connection is used: a dead one is noticed by its replacement."""


@dataclass(frozen=True, slots=True)
class _Held:
    hint: OutboundHint
    until: datetime
    """Another relay may take it from then on."""


class OutboxRelay:
    """Takes hints, publishes them, marks what was confirmed, and keeps trying the rest."""

    def __init__(
        self,
        store: OutboxRelayStore,
        queue: JobQueue,
        wake_up: WakeUp,
        clock: Clock,
        settings: RelaySettings | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._wake_up = wake_up
        self._clock = clock
        self._settings = settings or RelaySettings()
        self._wake = asyncio.Event()
        self._held: dict[UUID, _Held] = {}
        self._unmarked: set[UUID] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`, then once more, so that what was committed before it leaves."""
        async with self._queue.publisher() as publisher, asyncio.TaskGroup() as side:
            listening = side.create_task(self._listen(), name="outbox listener")
            try:
                await self._relay_until(stop, publisher)
                await self._turn_or_tell(publisher)
            finally:
                listening.cancel("relay stopped")

    async def _relay_until(self, stop: asyncio.Event, publisher: Publisher) -> None:
        failures = 0
        while not stop.is_set():
            self._wake.clear()
            moved = await self._turn_or_tell(publisher)
            failures = failures + 1 if moved is None else 0
            if moved != self._settings.batch:
                pause_s = min(_LONGEST_PAUSE_S, self._settings.poll_s * 2 ** min(failures, 10))
                await first_of(stop.wait(), self._wake.wait(), self._clock.sleep(pause_s))

    async def _turn_or_tell(self, publisher: Publisher) -> int | None:
        """A turn; None when it failed: the rows are still there, and this is the edge that outlives a database."""
        try:
            return await self._turn(publisher)
        except Exception:
            log.exception("outbox.relay.failed")
            return None

    async def _turn(self, publisher: Publisher) -> int:
        """Publish what is held and what is due; how many hints were confirmed."""
        await self._mark()
        await self._take()
        if not self._held:
            return 0
        confirmed = await publisher.publish([held.hint for held in self._held.values()])
        for message_id in confirmed:
            del self._held[message_id]
        self._unmarked |= confirmed
        await self._mark()
        return len(confirmed)

    async def _take(self) -> None:
        """Let go of hints that are about to become anybody's, and take as many as the batch has room for."""
        now = self._clock.now()
        self._held = {message_id: held for message_id, held in self._held.items() if held.until > now}
        room = self._settings.batch - len(self._held)
        taken: Sequence[OutboundHint] = await self._store.take(room) if room else ()
        until = now + TAKEN_FOR - _OWN_MARGIN
        self._held |= {hint.message_id: _Held(hint, until) for hint in taken}

    async def _mark(self) -> None:
        if not self._unmarked:
            return
        await self._store.mark_published(sorted(self._unmarked))
        metrics.OUTBOX_PUBLISHED.inc(len(self._unmarked))
        self._unmarked.clear()

    async def _listen(self) -> Never:
        """Pass notifications on, over one connection after another."""
        while True:
            try:
                async with self._wake_up() as notified:
                    await self._pass_on(notified)
            except Exception:
                log.exception("outbox.listener.failed")
                await self._clock.sleep(self._settings.listen_for_s)

    async def _pass_on(self, notified: asyncio.Event) -> None:
        until = self._clock.monotonic() + self._settings.listen_for_s
        while (left_s := until - self._clock.monotonic()) > 0:
            await first_of(notified.wait(), self._clock.sleep(left_s))
            if notified.is_set():
                notified.clear()
                self._wake.set()
