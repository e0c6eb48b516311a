"""What a story may use: the same in memory, where it is fast, and from outside, through everything that a user uses.

A story is a test in `tests/stories`. It asks for the fixture `open_world` and so runs twice:

    async def test_an_edit_crosses(open_world: OpenWorld) -> None:
        async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
            records, people = await settled(world, 3)
            await world.vendors.crm.edit(records[0], Title="Countess")
            run = await world.sync()
            assert run.writes == {"google.update": 1}
            assert await titles(world, records[0], people[0]) == ("Countess", "Countess")

- *Inside*: the real engine and connectors against both simulators, state in memory, hints worked one after another.
- *Outside*: config-api over HTTP, relay, RabbitMQ, worker and PostgreSQL as `standalone` puts them together, consent
  given at both simulators. The story sees nothing but HTTP answers and the simulators' books.

The arguments of `open_world` are the configuration's settings (fields of `Policy`, `frequency`, `catch_up`), the view's
criteria, and `limits`. What a person does at the vendors is `world.vendors`; time goes by with `pass_time`, never by
waiting. `sync` checks that each run's totals add up to its contacts, and that it did not write to a one-way source.
What only the outside can tell (connections, notices, webhooks) asks for `open_outside`, which gives an `OutsideWorld`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Mapping as MappingABC
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode, RunState
from tests.support.vendors import GoogleBook, Json, Vendors

_COMPLETE = {RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as it ended."""

    run_id: str
    state: RunState
    reason: str
    trigger: str
    counts: MappingABC[str, int]
    """Contacts by outcome, and `selected`."""
    writes: MappingABC[str, int]
    """Contacts by side and kind, `google.create`; those with none left out."""
    calls: MappingABC[str, int]
    """Data calls by operation, `google.people.list`."""

    @property
    def outcomes(self) -> dict[str, int]:
        """Contacts by outcome, those with none left out."""
        return {outcome.value: n for outcome in Outcome if (n := self.counts[outcome.value])}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """A row of a run's report."""

    link_id: str
    outcome: Outcome
    reason: str
    crm_id: str
    google_id: str
    fields: tuple[str, ...]
    """CRM names of the fields that were written."""
    left_out: MappingABC[str, str]
    """CRM names of the fields that the other side cannot hold, with the reason."""
    provider_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """A pair as it stands; an id is empty where that side has no contact."""

    link_id: str
    state: PairState
    reason: str
    crm_id: str
    google_id: str
    held: str
    """Why nothing is written to it for now; empty when nothing keeps it."""
    waits: bool
    excluded: bool
    diverged: tuple[str, ...]
    """CRM names of the fields that differ on purpose."""
    actions: frozenset[Action] = field(default_factory=frozenset)
    """What may be asked of it now."""


class TellsOfContacts(Protocol):
    """What a run and its configuration tell of contacts."""

    async def report(self, run: RunView) -> list[RowView]:
        """The rows of the run's report: all but the unchanged and those that wait."""
        ...

    async def pairs(self) -> list[PairView]:
        """All pairs of the configuration."""
        ...


class Clock(Protocol):
    """Our clock; the vendors have theirs."""

    def now(self) -> datetime: ...

    def advance(self, by: timedelta) -> None:
        """Move it alone: the vendors' clocks then lag behind."""
        ...


class HasVendors(Protocol):
    """Whatever stands before both vendors."""

    @property
    def vendors(self) -> Vendors:
        """Both address books."""
        ...


class StoryWorld(HasVendors, TellsOfContacts, Protocol):
    """Both vendors, and a configuration of a user."""

    @property
    def clock(self) -> Clock:
        """Our clock."""
        ...

    @property
    def mapping(self) -> Mapping:
        """The configuration's mapping."""
        ...

    async def sync(self, *, mode: RunMode = RunMode.SYNC) -> RunView:
        """Ask for a run and return it as it ended; where it waits for a date, time goes by until then."""
        ...

    async def pair(self, remote_id: str) -> PairView:
        """The pair that has this record or person."""
        ...

    async def answer(self, remote_id: str, action: Action) -> RunView:
        """Ask for something to be done with the pair of this record or person; the run that did it."""
        ...

    async def approve(self, run: RunView) -> RunView:
        """Approve the deletes that the run listed; the run that answered."""
        ...

    async def refuse(self, run: RunView) -> RunView:
        """Refuse the deletes that the run listed; the run that answered."""
        ...

    async def configure(self, **settings: Any) -> None:  # noqa: ANN401  a value for any setting
        """Change settings. Where that asks for a run (another mapping or direction), it has ended afterwards."""
        ...

    async def lose_database(self) -> None:
        """Everything stored is gone; the same configuration is made again."""
        ...

    async def back_up(self) -> Callable[[], Awaitable[None]]:
        """Copy everything stored; what is returned puts the copy back."""
        ...

    async def pass_time(self, **by: float) -> None:
        """Let time go by, as `timedelta` counts it, on our clock and the vendors'."""
        ...

    async def carry_on(self, *, until: datetime) -> list[RunView]:
        """Let time go by until then: the runs that began by themselves, in order, each ended."""
        ...

    async def switch_off(self) -> None:
        """Deactivate the configuration."""
        ...

    async def switch_on(self) -> RunView:
        """Activate it again; the run that follows has ended."""
        ...

    async def made_again(self) -> StoryWorld:
        """The configuration deleted, and one with the same settings in its place, which has not run yet."""
        ...

    async def beside(self, *, group: str | None = None, colleague: GoogleBook | None = None) -> StoryWorld:
        """Another configuration of the same view: of this user with another group, or of a colleague with his."""
        ...


class OpenWorld(Protocol):
    """Opens a world for a story."""

    def __call__(
        self,
        *,
        direction: Direction = Direction.TWO_WAY,
        limits: RunLimits | None = None,
        view_criteria: Json | None = None,
        **settings: Any,  # noqa: ANN401  a value for any setting
    ) -> AbstractAsyncContextManager[StoryWorld]:
        """Both vendors with empty books, and a configuration that joins the view with the group."""
        ...


NEEDS_A_REASON = frozenset({Outcome.FAILED, Outcome.HELD, Outcome.SKIPPED})
COUNTED_ALONE = frozenset({Outcome.WAITING, Outcome.UNCHANGED})
"""Outcomes that a report does not list unless it is asked for them."""


def check_rows(counts: MappingABC[str, int], rows: Iterable[tuple[str, Outcome, str]]) -> None:
    """A report's rows, by pair, outcome and reason, are what the totals say, and tell why somebody was left out."""
    listed = list(rows)
    assert len({link_id for link_id, _, _ in listed}) == len(listed), "a pair has two rows"
    told = Counter(outcome for _, outcome, _ in listed)
    assert {one: n for one in Outcome if one not in COUNTED_ALONE and (n := counts[one.value])} == told, counts
    assert [row for row in listed if row[1] in NEEDS_A_REASON and not row[2]] == [], "left out without a reason"


class RunChecks:
    """What must hold of every run of every story."""

    SMALL: Final = 100
    """Of larger runs the contacts are not looked at one by one."""

    def __init__(self, both: Vendors) -> None:
        self._books = {Side.CRM: both.crm.control, Side.GOOGLE: both.google.control}
        self._seen = dict.fromkeys(Side, 0)

    async def check(self, run: RunView, direction: Direction, world: TellsOfContacts) -> None:
        """The totals add up, nothing of ours broke, and the source of a one-way configuration was not written.

        Each pair that is not gone, and each that the run tells of, is one of the selected.
        """
        assert run.reason not in {"state_invariant", "internal_error"}, run
        if run.state in _COMPLETE:
            assert run.counts["selected"] == sum(run.outcomes.values()), run.counts
            if run.counts["selected"] <= self.SMALL:
                rows = await world.report(run)
                check_rows(run.counts, [(row.link_id, row.outcome, row.reason) for row in rows])
                living = {one.link_id for one in await world.pairs() if one.state is not PairState.GONE}
                assert run.counts["selected"] == len(living | {row.link_id for row in rows}), run.counts
        for side in Side:
            entries = await self._news(side)
            if not direction.writes(side):
                # A channel for notifications is no contact.
                written = [one for one in entries if one["mutation"] and not one["operation"].startswith("watch.")]
                assert written == [], f"the source ({side}) was written"

    async def _news(self, side: Side) -> list[Json]:
        """What was asked of that vendor since the last check."""
        entries = await self._books[side].log()
        newest = max((entry["number"] for entry in entries), default=0)
        seen = self._seen[side] if newest >= self._seen[side] else 0  # a story may have cleared the log
        self._seen[side] = newest
        return [entry for entry in entries if entry["number"] > seen]
