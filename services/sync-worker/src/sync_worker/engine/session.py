"""What one slice works with: the run as it stands, the ports, and the few facts that live no longer than the slice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from contactsync.domain.actions import Overwritten
from contactsync.domain.contact import Side
from contactsync.domain.digests import Digester
from contactsync.domain.ids import EffectId, LinkId
from contactsync.domain.link import Link
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.policy import DeletePolicy, Policy
from contactsync.errors import AuthorizationLostError, RateLimitedError, StateInvariantError
from contactsync.ports.clock import Clock
from contactsync.ports.directory import CrmDirectory, PeopleDirectory
from contactsync.ports.state import Effect, Lease, Listing, PendingPosition, Run, RunContact, State, Transaction
from sync_worker.engine.settings import EngineSettings

_T = TypeVar("_T")


def known(value: _T | None, why: str) -> _T:
    """The value, which is there. Raises StateInvariantError, which stops the run, when it is not."""
    if value is None:
        raise StateInvariantError(why)
    return value


def position(link: Link) -> PendingPosition:
    """A pending pair's place in the order."""
    since = known(link.pending_since, "only pending pairs have a place")
    return PendingPosition(since, link.pending_order or since, link.link_id)


class RunCancelledError(Exception):
    """Somebody asked the run to stop: nothing more is begun."""


def raise_met(results: Iterable[object]) -> None:
    """Raise what one of two sides met, if any did. A grant that is lost comes first.

    It pauses the configuration, which the other side may have noticed before the news of it came here.
    """
    met = [result for result in results if isinstance(result, BaseException)]
    for error in sorted(met, key=lambda one: not isinstance(one, AuthorizationLostError)):
        raise error


class HasLease(Protocol):
    """Whoever keeps the lease alive."""

    @property
    def lease(self) -> Lease:
        """The lease as last renewed."""
        ...

    def given_back(self) -> Mapping[str, float]:
        """The quota bucket to give back with the lease, which is not kept any longer."""
        ...


class Meter(Protocol):
    """What a slice's calls have used."""

    calls: Counter[str]

    @property
    def credits_left(self) -> int:
        """CRM credits that are reserved and not used."""
        ...

    def refused(self, error: RateLimitedError) -> None:
        """Note that a provider said that a quota is used up."""
        ...


class Rights(Protocol):
    """What the CRM allows the owner of the run."""

    async def require(self, *, afresh: bool = False) -> None:
        """Return when the run may go on in its direction; asks the CRM when the last answer is old, or `afresh`.

        Raises PermissionMissingError, whose reason names what is missing, and AuthorizationLostError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside that a slice touches."""

    state: State
    crm: CrmDirectory
    google: PeopleDirectory
    clock: Clock
    digester: Digester
    new_id: Callable[[], LinkId]
    rights: Rights | None = None
    """None where nobody restricts the owner: in simulations."""


class Session:
    """One slice of one run. Its transactions are taken in turn, because both sides write the run's progress."""

    def __init__(
        self,
        run: Run,
        lease: HasLease,
        ports: Ports,
        settings: EngineSettings,
        meter: Meter,
        stop: asyncio.Event,
    ) -> None:
        self.run = run
        self.ports = ports
        self.settings = settings
        self.unknown: dict[LinkId, Effect] = {}
        """Creates that got no answer, by pair: nothing is done to these pairs until it is known."""
        self.under_way: frozenset[LinkId] = frozenset()
        """Pairs of which another configuration's create has no answer yet: its contact may be there and not be seen."""
        self.sought_to: PendingPosition | None = None
        """The last of the people who are being sought in the CRM, as far as the run's limit reaches; None: all."""
        self.counted: set[LinkId] = set()
        """Pairs that this run has counted but not settled."""
        self.engaged: set[LinkId] = set()
        """Contacts that are being made on the other side in this slice: nothing is linked to them meanwhile."""
        self.companies: dict[str, str | None] = {}
        """Company name -> account id, as far as asked in this slice; None when the CRM does not know it."""
        self.put_off = ""
        """Why contacts that changed time and again are left for a later slice; empty: there are none."""
        self.journal: dict[EffectId, Overwritten] = {}
        """What pairs that are being restored had."""
        self.names: dict[str, str] = {}
        """Names of contacts that stayed when their counterpart was deleted, by id, as far as read in this slice."""
        self.record_names: dict[str, str] = {}
        """Names of CRM records found outside the view in this slice, by id: a name in common is asked for."""
        self._lease = lease
        self._meter = meter
        self._stored_calls: Counter[str] = Counter()
        self._stop = stop
        self._lock = asyncio.Lock()
        self._ends = ports.clock.monotonic() + settings.slice_budget.total_seconds()

    @property
    def policy(self) -> Policy:
        """The configuration's settings as the run began with them."""
        return self.run.settings.policy

    @property
    def mapping(self) -> FieldMapping:
        """The mapped fields."""
        return self.policy.mapping

    @property
    def search_number(self) -> int:
        """What is found outside the view belongs to this run: the number grows from run to run."""
        return int(self.run.created_at.timestamp())

    @property
    def may_delete(self) -> bool:
        """Whether the configuration ever deletes, and this run may: a first one does not."""
        return self.policy.deletions is not DeletePolicy.KEEP and not self.run.first

    @property
    def over(self) -> bool:
        """Whether nothing new should be begun in this slice (time used up, or the worker is asked to stop)."""
        return self._stop.is_set() or self.ports.clock.monotonic() >= self._ends

    def now(self) -> datetime:
        """Our own clock."""
        return self.ports.clock.now()

    def crm_now(self) -> datetime:
        """The CRM's clock, as far as its last answer told."""
        return self.now() + timedelta(seconds=self.run.sync.crm_clock_offset_s)

    def has_read(self, side: Side) -> bool:
        """Whether this run's listing of that side is complete."""
        listing = self.listing(side)
        return listing is not None and listing.done

    @property
    def observed(self) -> bool:
        """Whether each listing of this run is complete."""
        return all(listing.done for listing in self.run.listings.values())

    def listing(self, side: Side) -> Listing | None:
        """Progress of one side's reading."""
        return self.run.listings.get(side)

    @asynccontextmanager
    async def transaction(self, *, stoppable: bool = True, last: bool = False) -> AsyncIterator[Transaction]:
        """A fenced transaction; the run's progress is saved with whatever else is done in it.

        Raises RunCancelledError, with nothing done, when the run was cancelled or its configuration is no longer
        active; what must be written down all the same (answers) is not `stoppable`. After the `last` one of a slice
        the next may begin at once, which must not take over what this one gives back itself.
        """
        async with self._lock:
            before, calls = self.run, Counter(self._meter.calls)
            try:
                async with self.ports.state.begin(self._lease.lease, self.run) as tx:
                    if stoppable:
                        await self._check_wanted(tx)
                    fresh = calls - self._stored_calls
                    self.add_counts({f"calls.{name}": amount for name, amount in fresh.items()})
                    yield tx
                    if self.run.state.open:
                        # As late as can be: the other side's calls go on meanwhile.
                        self.update(credits_reserved=0 if last else self._meter.credits_left)
                        await tx.runs.save(self.run)
            except BaseException:
                # What did not become durable did not happen.
                self.run = before
                raise
            self._stored_calls = calls

    @asynccontextmanager
    async def last_transaction(self) -> AsyncIterator[Transaction]:
        """The slice's last one: its commit gives the lease back, so that whoever it tells may begin at once."""
        async with self.transaction(stoppable=False, last=True) as tx:
            yield tx
            await tx.give_back(self._lease.given_back())

    async def _check_wanted(self, tx: Transaction) -> None:
        if await tx.runs.cancelled(self.run.run_id):
            raise RunCancelledError

    def refused(self, error: RateLimitedError) -> None:
        """Note that a provider said that a quota is used up."""
        self._meter.refused(error)

    def update(self, **changes: object) -> None:
        """Change the run in memory; the enclosing transaction stores it."""
        self.run = replace(self.run, **changes)  # type: ignore[arg-type]  # names are checked by the dataclass

    def set_listing(self, side: Side, listing: Listing) -> None:
        """Note the progress of one side's reading."""
        self.update(listings={**self.run.listings, side: listing})

    def count_people(self, made: int) -> None:
        """Count in the room that is left whom anybody's sync made in the Google account since this one last looked."""
        sync = self.run.sync
        people = sync.google_people + made - sync.google_made
        self.update(sync=replace(sync, google_people=people, google_made=made))

    def add_counts(self, amounts: Mapping[str, int]) -> None:
        """Add to the run's counters (`writes.<side>.<kind>`, `calls.<provider>.<operation>`)."""
        if amounts:
            self.update(counts=dict(Counter(self.run.counts) + Counter(amounts)))

    async def report(self, tx: Transaction, rows: list[RunContact]) -> None:
        """Add rows to the run's report."""
        if rows:
            await tx.runs.record(self.run.run_id, rows)
            self.add_counts(Counter(f"reasons.{row.outcome}.{row.reason}" for row in rows if row.reason))
