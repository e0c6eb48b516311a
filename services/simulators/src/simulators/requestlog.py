"""What was asked of a simulator: one entry for each request, counters, and a watch over parallel writes."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from simulators.clock import SimClock, isoformat

KEPT_ENTRIES = 200_000
"""Entries beyond this many push out the oldest; counters keep counting."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a vendor application knows of a request before it is carried out."""

    operation: str
    """Dotted name, as `people.batchCreateContacts`; faults, latency and counters go by it."""
    account: str | None = None
    """The Google account (`sub`) or the Zoho organisation."""
    mutation: bool = False
    """Whether it writes; two at once for one account are noted."""
    units: dict[str, int] = field(default_factory=dict)
    """Cost by quota metric."""
    items: int | None = None
    """How many contacts or records the request carries, where it carries any."""


@dataclass(slots=True)
class Entry:
    """One request; `status` is 0 until the answer, -1 for a connection that was closed without one."""

    number: int
    at: datetime
    method: str
    path: str
    operation: str
    account: str | None
    mutation: bool
    units: dict[str, int]
    items: int | None
    in_flight: int
    """Requests of the account under way when this one began, itself included."""
    parallel_mutation: bool
    """Whether another write of the account was under way when this write began."""
    status: int = 0
    duration_s: float = 0.0
    started: float = field(default=0.0, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The entry with its time as text."""
        values = asdict(self) | {"at": isoformat(self.at)}
        del values["started"]
        return values


@dataclass(slots=True)
class OperationCount:
    """How often one operation was called, with what answers and at what cost."""

    calls: int = 0
    items: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """The numbers; statuses as text keys."""
        return {
            "calls": self.calls,
            "items": self.items,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "units": dict(self.units),
        }


class RequestLog:
    """Every request of one simulator since the last reset."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget all entries and counts; requests under way are no longer followed."""
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._number = 0
        self._counts: dict[str, OperationCount] = {}
        self._in_flight: Counter[str | None] = Counter()
        self._mutations_in_flight: Counter[str | None] = Counter()
        self._max_in_flight: Counter[str | None] = Counter()
        self._parallel_mutations = 0

    @property
    def parallel_mutations(self) -> int:
        """Writes that began while another write of the same account was under way."""
        return self._parallel_mutations

    def mutations_in_flight(self, account: str | None) -> int:
        """Writes of the account that are under way."""
        return self._mutations_in_flight[account]

    def begin(self, method: str, path: str, call: Call) -> Entry:
        """Note that a request has arrived."""
        account = call.account
        self._number += 1
        self._in_flight[account] += 1
        self._max_in_flight[account] = max(self._max_in_flight[account], self._in_flight[account])
        parallel = call.mutation and account is not None and self._mutations_in_flight[account] > 0
        if call.mutation:
            self._mutations_in_flight[account] += 1
            self._parallel_mutations += parallel
        entry = Entry(
            number=self._number,
            at=self._clock.now(),
            method=method,
            path=path,
            operation=call.operation,
            account=account,
            mutation=call.mutation,
            units=dict(call.units),
            items=call.items,
            in_flight=self._in_flight[account],
            parallel_mutation=parallel,
            started=time.perf_counter(),
        )
        self._entries.append(entry)
        return entry

    def finish(self, entry: Entry, status: int) -> None:
        """Note the answer; -1 stands for a connection closed without one."""
        entry.status = status
        entry.duration_s = round(time.perf_counter() - entry.started, 6)
        self._in_flight[entry.account] = max(0, self._in_flight[entry.account] - 1)
        if entry.mutation:
            self._mutations_in_flight[entry.account] = max(0, self._mutations_in_flight[entry.account] - 1)
        count = self._counts.setdefault(entry.operation, OperationCount())
        count.calls += 1
        count.items += entry.items or 0
        count.statuses[status] += 1
        count.units.update(entry.units)

    def entries(self, *, operation: str | None = None, account: str | None = None, since: int = 0) -> list[Entry]:
        """Entries with a number above `since`, oldest first, narrowed by operation and account."""
        return [
            entry
            for entry in self._entries
            if entry.number > since
            and (operation is None or entry.operation == operation)
            and (account is None or entry.account == account)
        ]

    def as_json(
        self, *, operation: str | None = None, account: str | None = None, since: int = 0
    ) -> list[dict[str, Any]]:
        """The same entries as JSON values."""
        return [entry.as_json() for entry in self.entries(operation=operation, account=account, since=since)]

    def counters(self) -> dict[str, Any]:
        """Totals: calls, parallel writes, most requests at once for an account, and each operation."""
        return {
            "calls": sum(count.calls for count in self._counts.values()),
            "parallel_mutations": self._parallel_mutations,
            "max_in_flight": {str(account): count for account, count in self._max_in_flight.items()},
            "operations": {name: count.as_json() for name, count in sorted(self._counts.items())},
        }
