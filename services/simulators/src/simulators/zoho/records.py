"""The rows of one module, with the indexes that keep 100,000 of them quick to page through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Literal

DeletedKind = Literal["recycle", "permanent"]
DAY: Final = 86_400
# Ids all have 19 digits, so that the order of the texts is the order of the numbers.
_BY_ID: Final = attrgetter("id")
RETENTION: Final[dict[str, int]] = {"recycle": 60 * DAY, "permanent": 120 * DAY}


@dataclass(slots=True)
class Record:
    """One CRM record; times are whole seconds since 1970.

    `values` holds what users write, without empty ones: lookups as ids, datetimes as seconds,
    everything else as it travels. System fields have attributes of their own.
    """

    id: str
    values: dict[str, Any]
    owner: str
    created_by: str
    modified_by: str
    created: int
    modified: int
    locked: bool = False
    approved: bool = True
    hidden_from: frozenset[str] = frozenset()
    read_only_for: frozenset[str] = frozenset()

    def copy(self) -> Record:
        """An independent copy, as it stands now."""
        twin = copy(self)
        twin.values = dict(self.values)
        return twin


@dataclass(frozen=True, slots=True)
class Deleted:
    """A record in the recycle bin, or what is left of one that was purged."""

    record: Record
    kind: DeletedKind
    at: int
    by: str


@dataclass(slots=True)
class _Lagging:
    """What listings still show of a record that was written a moment ago; None: it is not there."""

    until: int
    shown: Record | None


def fold(value: object) -> str:
    """The form in which texts are compared: case and outer space do not count."""
    return str(value).strip().casefold()


@dataclass(slots=True)
class RecordStore:
    """All records of a module, its recycle bin, and a revision that moves with every change."""

    revision: int = 0
    lag: int = 0
    _records: dict[str, Record] = field(default_factory=dict)
    _deleted: dict[str, Deleted] = field(default_factory=dict)
    _lagging: dict[str, _Lagging] = field(default_factory=dict)
    _by_value: dict[str, dict[str, dict[str, None]]] = field(default_factory=dict)
    _by_time: dict[str, Record] = field(default_factory=dict)
    _latest: int = 0
    _times_sorted: bool = True
    _ordered: tuple[int, list[Record]] | None = None

    def __len__(self) -> int:
        return len(self._records)

    def get(self, record_id: str) -> Record | None:
        """The live record of that id."""
        return self._records.get(record_id)

    def all(self) -> Iterable[Record]:
        """Every live record, in no promised order."""
        return self._records.values()

    def put(self, record: Record, *, now: int) -> None:
        """Store a new record or a new state of one, and index it.

        With a lag, listings go on showing the former state until `now + lag`.
        """
        former = self._records.get(record.id)
        if self.lag:
            self._hold_back(record.id, former, now)
        if former is not None:
            self._unindex(former)
        self._records[record.id] = record
        for name, index in self._by_value.items():
            if name in record.values:
                index.setdefault(fold(record.values[name]), {})[record.id] = None
        self._by_time.pop(record.id, None)
        self._by_time[record.id] = record
        self._times_sorted = self._times_sorted and record.modified >= self._latest
        self._latest = max(self._latest, record.modified)
        self._deleted.pop(record.id, None)
        self.revision += 1

    def remove(self, record_id: str, *, by: str, now: int, kind: DeletedKind | None = "recycle") -> Record:
        """Take a live record away; `kind` None leaves no trace in the deleted list."""
        record = self._records.pop(record_id)
        if self.lag:
            self._hold_back(record_id, record, now)
        self._unindex(record)
        self._by_time.pop(record_id, None)
        if kind is not None:
            self._deleted[record_id] = Deleted(record, kind, now, by)
        self.revision += 1
        return record

    def purge(self, record_id: str, *, by: str, now: int) -> bool:
        """Empty the recycle bin of that record; False when it is not in the bin."""
        entry = self._deleted.get(record_id)
        if entry is None or entry.kind != "recycle":
            return False
        self._deleted[record_id] = Deleted(entry.record, "permanent", now, by)
        return True

    def binned(self, record_id: str, now: int) -> Deleted | None:
        """The recycle bin's entry for that id while it may still be restored."""
        entry = self._deleted.get(record_id)
        if entry is None or entry.kind != "recycle" or now - entry.at > RETENTION["recycle"]:
            return None
        return entry

    def deleted(self, now: int) -> Iterator[Deleted]:
        """Deleted entries within their retention, latest first (bin 60 days, purged 120 days)."""
        kept = (one for one in self._deleted.values() if now - one.at <= RETENTION[one.kind])
        return iter(sorted(kept, key=lambda one: (one.at, one.record.id), reverse=True))

    def holders(self, api_name: str, value: object) -> list[Record]:
        """Live records whose field holds that text, oldest first."""
        if api_name not in self._by_value:
            self._build_index(api_name)
        found = self._by_value[api_name].get(fold(value), {})
        return [self._records[one] for one in sorted(found)]

    def listed(self, now: int) -> list[Record]:
        """The records as listings show them at that moment, highest id first."""
        self._settle(now)
        if self._ordered is None or self._ordered[0] != self.revision:
            rows = sorted(self._records.values(), key=_BY_ID, reverse=True)
            self._ordered = (self.revision, rows)
        return self._patched(self._ordered[1])

    def listed_since(self, now: int, counts: Callable[[int], bool]) -> list[Record]:
        """As `listed`, of the records whose modification time counts; `counts` must be monotonic."""
        self._settle(now)
        if self._lagging:
            return [one for one in self.listed(now) if counts(one.modified)]
        if not self._times_sorted:
            self._by_time = {one.id: one for one in sorted(self._by_time.values(), key=lambda one: one.modified)}
            self._times_sorted = True
        found: list[Record] = []
        for one in reversed(self._by_time.values()):
            if not counts(one.modified):
                break
            found.append(one)
        return sorted(found, key=_BY_ID, reverse=True)

    def settled(self, now: int) -> bool:
        """Whether listings show everything that was written."""
        self._settle(now)
        return not self._lagging

    def _hold_back(self, record_id: str, former: Record | None, now: int) -> None:
        waiting = self._lagging.get(record_id)
        shown = waiting.shown if waiting is not None and waiting.until > now else former
        self._lagging[record_id] = _Lagging(now + self.lag, shown)

    def _settle(self, now: int) -> None:
        for record_id in [key for key, one in self._lagging.items() if one.until <= now]:
            del self._lagging[record_id]

    def _patched(self, rows: list[Record]) -> list[Record]:
        if not self._lagging:
            return rows
        kept = [one for one in rows if one.id not in self._lagging]
        kept.extend(one.shown for one in self._lagging.values() if one.shown is not None)
        return sorted(kept, key=_BY_ID, reverse=True)

    def _unindex(self, record: Record) -> None:
        for name, index in self._by_value.items():
            if name in record.values:
                index.get(fold(record.values[name]), {}).pop(record.id, None)

    def _build_index(self, api_name: str) -> None:
        index: dict[str, dict[str, None]] = {}
        for record in self._records.values():
            if api_name in record.values:
                index.setdefault(fold(record.values[api_name]), {})[record.id] = None
        self._by_value[api_name] = index
