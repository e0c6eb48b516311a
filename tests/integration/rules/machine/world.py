"""What the machine stands on: one world of its own for each example, its memory, and the runs that it judges."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from contactsync.domain.contact import Side
from contactsync.domain.ids import RunId
from contactsync.domain.link import Link
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode, RunState
from tests.integration.rules.machine.happened import what_happened
from tests.integration.rules.machine.history import History
from tests.integration.rules.machine.laws import (
    LAWS_OF_A_RUN,
    Passage,
    both_sides_agree,
    nobody_is_overlooked,
    nothing_waits,
    pairs_stand_where_their_contacts_do,
)
from tests.integration.rules.machine.sight import Sight, look
from tests.integration.rules.stories import writes
from tests.support.sync_states import Crash, MemoryBooks
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import Json

T = TypeVar("T")
PARTNER: Final = "Partner"
OTHERS: Final = "Cold Call"
"""Lead sources, a field that is not mapped: the view shows partners."""
IN_VIEW: Final = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": PARTNER}
ALL_IN_VIEW: Final[Json] = {}
_ENDS: Final = {RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL}
HAPPENED: Final[Counter[str]] = Counter()
"""What the runs of all examples did and met, counted: the machine proves nothing about what it never brings about."""
_QUIET_READS: Final = ("calls.zoho.contacts.changes", "calls.google.people.list")
"""Where nothing changed each side is asked once what did."""


class MachineWorld(RuleBasedStateMachine):
    """One world for an example. Every act is followed by a moment; every run by the laws."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.world: SyncWorld
        self.sight: Sight
        self.history = History()
        self.asked: list[RunId] = []
        """Runs that ask whether they may delete."""
        self.accepted = frozenset({PARTNER})
        """Lead sources that the view shows."""
        self.made = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it."""
        return self._runner.run(work)

    def teardown(self) -> None:
        """Let everything become quiet and look; then close the world."""
        try:
            if hasattr(self, "sight"):
                self.do(self._settle())
        finally:
            self.do(self._stack.aclose())
            self._runner.close()

    async def open_world(self, limits: RunLimits, *, shuffle: bool, **policy: Any) -> None:  # noqa: ANN401  fields of Policy
        """Empty books on both sides."""
        self.world = await self._stack.enter_async_context(
            sync_world(limits=limits, view_criteria=IN_VIEW, crm_values={"Lead_Source": PARTNER}, **policy)
        )
        for book in (self.world.vendors.google, self.world.vendors.crm):
            # Nothing but the story moves the time.
            await book.control.call("POST", "/clock", {"frozen": True})
        await self.world.vendors.google.control.settings(shuffle_items=shuffle)
        self.sight = await look(self.world, self.history.names)

    # --- acts and runs ---

    def act(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that people do, remembered, and a moment."""
        self.do(self._acted(work))

    async def _acted(self, work: Coroutine[Any, Any, None]) -> None:
        await work
        await self.noted()
        await self.world.pass_time(seconds=2)

    async def noted(self) -> None:
        """Remember what people did since the last look."""
        after = await look(self.world, self.history.names)
        self.history.by_hand(self.sight, after)
        self.sight = after

    async def run(
        self,
        mode: RunMode = RunMode.SYNC,
        trigger: str = "user",
        *,
        crash_at: int = 0,
        ends: frozenset[RunState] = frozenset(),
    ) -> RunState:
        """One run, held to the laws."""
        before, memory = self.sight, (await self.world.books.config(self.world.settings)).sync
        self.history.restored = self._to_restore()
        self.world.crash = Crash(crash_at)
        run = await self.world.sync(mode=mode, trigger=trigger)
        if crash_at and self.world.crash.steps < crash_at:  # it died: the vendors' clocks follow ours
            await self.world.vendors.advance(61)
        self.world.crash = Crash()
        await self.world.vendors.google.control.clear_faults()
        await self.world.vendors.crm.control.clear_faults()
        self.sight = await look(self.world, self.history.names)
        after = (await self.world.books.config(self.world.settings)).sync
        passage = Passage(before, self.sight, run, self.history, memory, after)
        for law in LAWS_OF_A_RUN:
            law(passage)
        assert run.state in _ENDS | ends, run.reason
        if run.state is RunState.NEEDS_APPROVAL:
            self.asked.append(run.run_id)
        HAPPENED.update(what_happened(passage))
        self.history.by_run(before, self.sight, run.settings.policy.mapping)
        self.last = run
        await self.world.pass_time(seconds=2)
        return run.state

    def _to_restore(self) -> set[str]:
        assert isinstance(self.world.books, MemoryBooks)
        asked = self.world.books.state.tables.answers
        links = [one for one in self.sight.links.values() if one.restoring is not None or one.link_id in asked]
        return {remote_id for link in links for side in Side if (remote_id := link.side(side).remote_id)}

    # --- choosing ---

    def some(self, side: Side, pick: int) -> Json | None:
        """One of the contacts."""
        contacts = self.sight.contacts[side]
        return contacts[sorted(contacts)[pick % len(contacts)]] if contacts else None

    def some_pair(self, pick: int) -> Link | None:
        """One of the pairs whose sides are both there."""
        pairs = sorted(self.sight.pairs(), key=lambda link: str(link.crm.remote_id))
        return pairs[pick % len(pairs)] if pairs else None

    # --- the end ---

    async def _settle(self) -> None:
        """Let everything become quiet: what waits is done in its turn; then a run writes nothing and reads least."""
        await self.world.vendors.google.control.settings(visibility_delay_s=0)
        await self.world.vendors.crm.control.settings(visibility_delay_s=0)
        self.history.lag = timedelta()
        for pause in (20, 20, 60 * 25, 20, 20):
            await self.world.pass_time(minutes=pause)
            await self._run_down()
        policy = self.world.settings.policy
        last = self.last
        assert not writes(last), f"a second run wrote {writes(last)}"
        lists = {name: n for name, n in last.counts.items() if name in _QUIET_READS and n}
        assert lists == dict.fromkeys(_QUIET_READS, 1), last.counts
        nothing_waits(self.sight)
        both_sides_agree(self.sight, policy)
        pairs_stand_where_their_contacts_do(self.sight, policy, self.accepted)
        nobody_is_overlooked(self.sight, policy, self.accepted)

    async def _run_down(self) -> None:
        """Run until nothing waits any more: as many runs as the backlog needs at most, and two."""
        needed = 2 + sum(map(len, self.sight.contacts.values()))
        for number in range(needed + 3):
            await self.run()
            if not self.last.counts["waiting"]:
                return
            # Whose address somebody else claims waits for an hour at most; who vanished untold, for the daily reading.
            await self.world.pass_time(minutes=30 if number < needed else 25 * 60)
        raise AssertionError(f"it never ends: {Counter(self.last.counts)}")
