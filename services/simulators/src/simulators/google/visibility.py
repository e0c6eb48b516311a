"""What listings show: the true state of an account, late.

Source: People API, people.connections.list: writes may need several minutes to reach sync requests.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from simulators.google.normalise import Fields


@dataclass(frozen=True, slots=True)
class Version:
    """A contact as one change left it; never altered."""

    number: int
    """The contact; `people/c` and this is its resource name unless it was renamed."""
    change: int
    """Running number of the change in its account."""
    resource_name: str
    etag: str
    """Etag of the CONTACT source, `#...`."""
    update_time: datetime
    fields: Fields
    groups: tuple[str, ...]
    """Ids of its groups, without `contactGroups/`."""
    deleted: bool = False
    previous_names: tuple[str, ...] = ()

    @property
    def source_id(self) -> str:
        """Id of the CONTACT source, hexadecimal."""
        return f"{self.number:x}"


class View:
    """The published versions of an account, in the order in which they came to light."""

    def __init__(self) -> None:
        self._pending: list[tuple[datetime, int, Version]] = []
        self._shown: dict[int, tuple[int, Version]] = {}
        self._first_shown: dict[int, int] = {}
        self.sequence = 0

    def announce(self, version: Version, visible_at: datetime, now: datetime) -> None:
        """Let `version` be seen from `visible_at` on."""
        if visible_at <= now and not self._pending:
            self._publish(version)
        else:
            heapq.heappush(self._pending, (visible_at, version.change, version))
            self.catch_up(now)

    def catch_up(self, now: datetime) -> None:
        """Publish what has become visible."""
        while self._pending and self._pending[0][0] <= now:
            self._publish(heapq.heappop(self._pending)[2])

    def live(self) -> list[Version]:
        """The contacts that a full listing shows."""
        return [version for _, version in self._shown.values() if not version.deleted]

    def since(self, sequence: int) -> list[Version]:
        """Contacts that changed after `sequence`, deleted ones included, oldest change first."""
        newest_first = takewhile(lambda item: item[0] > sequence, reversed(self._shown.values()))
        return [version for _, version in newest_first][::-1]

    def get(self, number: int) -> Version | None:
        """The published version of a contact, deleted ones included."""
        shown = self._shown.get(number)
        return shown[1] if shown else None

    def waiting(self) -> int:
        """How many changes are not yet visible."""
        return len(self._pending)

    def first_seen_after(self, number: int, sequence: int) -> bool:
        """Whether no listing up to `sequence` can have shown the contact alive."""
        return self._first_shown.get(number, self.sequence + 1) > sequence

    def _publish(self, version: Version) -> None:
        old = self._shown.get(version.number)
        if old is not None and old[1].change > version.change:
            return  # a later change was seen first
        self._shown.pop(version.number, None)  # so that it moves to the end
        self.sequence += 1
        self._first_shown.setdefault(version.number, self.sequence)
        self._shown[version.number] = (self.sequence, version)
