"""Which entry of a person's list a mapping row speaks of.

A typed path (`phone_numbers[mobile]`) names a kind of entry, of which a person may have none, one or several. Rows that
share path and type (street and city of `addresses[work]`) form one slot and speak of one entry. Among several entries
of its type a slot is bound to the one that equals the base, else to the primary one, else to the least by canonical
value; never by position, since Google promises no order (People API, "Person", lists). No two slots share an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from contactsync.adapters.google.shapes import SHAPES, Shape, date_text
from contactsync.domain.canonical import canonical
from contactsync.domain.ids import RowKey
from contactsync.domain.mapping import MATCH_GOOGLE_FIELD, MappingRow

Entry = Mapping[str, Any]
Known = Callable[[RowKey, str], bool]
"""Whether a text is the base of a row: for the match pair without a base, the address that the pair was matched by.

Of an empty text: whether the row has no base or an empty one.
"""

WORK: Final = "work"


@dataclass(frozen=True, slots=True)
class Slot:
    """The rows that speak of one entry. `rows` are pairs of JSON key and row."""

    selector: str | None
    rows: tuple[tuple[str, MappingRow], ...]
    matches: bool = False
    """The slot of the match pair: untyped addresses count as its own, and it may be bound outside its type."""

    def owns(self, shape: Shape, entry: Entry) -> bool:
        """Whether `entry` is of the slot's type."""
        if self.selector is None:
            return True
        kind = entry.get(shape.selector)
        return bool(kind == self.selector or (self.matches and not kind))


def is_own(entry: Entry) -> bool:
    """Whether an entry is the user's own, and not of the person's public profile."""
    try:
        return bool(entry["metadata"]["source"]["type"] == "CONTACT")
    except KeyError:
        return "source" not in entry.get("metadata", ())


def text_of(entry: Entry, key: str) -> str:
    """The text under `key`; a date in its written form, or the words that stand for one; empty for blanks alone."""
    value = entry.get(key)
    text: str = (date_text(value) or entry.get("text", "")) if key == "date" else (value or "")
    return "" if text.isspace() else text


def is_primary(entry: Entry) -> bool:
    """Whether Google shows `entry` first."""
    metadata = entry.get("metadata")
    return bool(metadata and (metadata.get("primary") or metadata.get("sourcePrimary")))


class FieldBinder:
    """The slots of one person field, and the entries that they are bound to."""

    def __init__(self, name: str, rows: Iterable[MappingRow], region: str) -> None:
        self.shape = SHAPES[name]
        self.slots = _slots(self.shape, rows)
        self._region = region
        self._match = next((i for i, slot in enumerate(self.slots) if slot.matches), None)
        self._by_type: dict[str | None, int] = {slot.selector: i for i, slot in enumerate(self.slots)}
        if self._match is not None:
            self._by_type |= {None: self._match, "": self._match}
        self._texts = tuple(tuple((key, row.key) for key, row in slot.rows) for slot in self.slots)

    def read(self, listed: Sequence[Entry], values: dict[RowKey, str], known: Known | None = None) -> bool:
        """Put the texts of the bound entries into `values`; says whether the base could bind to other entries.

        Most people have one entry of a type at most: one pass finds that out, and what they hold. It runs for every
        listed person, hence its form.
        """
        selector, by_type = self.shape.selector, self._by_type
        bound: dict[int, Entry] = {}
        several = False
        for entry in listed:
            index = by_type.get(entry.get(selector))
            if index is None or not is_own(entry):
                continue
            if index in bound:
                several = True
                break
            bound[index] = entry
        elsewhere = self._match is not None and self._match not in bound
        if several or (elsewhere and known is not None):
            chosen = self.bind([entry for entry in listed if is_own(entry)], known)
            bound = {index: entry for index, entry in enumerate(chosen) if entry is not None}
        for index, entry in bound.items():
            for key, row_key in self._texts[index]:
                text = text_of(entry, key)
                if text:
                    values[row_key] = text
        return several or elsewhere

    def bind(self, entries: Sequence[Entry], known: Known | None = None) -> list[Entry | None]:
        """The entry of each slot, in the order of `slots`. The result does not depend on the order of `entries`."""
        free = [entry for entry in entries if self.shape.holds_something(entry)]
        bound: list[Entry | None] = [None] * len(self.slots)
        for index in self._in_order():
            slot = self.slots[index]
            own = [entry for entry in free if slot.owns(self.shape, entry)]
            if not own and slot.matches and known is not None:
                own = self._elsewhere(slot, free, known)
            if own:
                chosen = min(own, key=lambda entry: self._rank(slot, entry, known))
                bound[index] = chosen
                free = [entry for entry in free if entry is not chosen]
        return bound

    def _elsewhere(self, slot: Slot, free: Sequence[Entry], known: Known) -> list[Entry]:
        """Entries of any type for the match pair: the base, or what may have become of it.

        Where the base is not there any more it was edited: into an entry that is no other slot's base. One of another
        slot's type is news for certain; of a type without a slot nobody knows what was there before.
        """
        same = [entry for entry in free if _score(slot, entry, known)]
        if same or all(known(row.key, "") for _, row in slot.rows):
            return same
        others = [other for other in self.slots if other is not slot]
        left = [entry for entry in free if not any(_score(other, entry, known) for other in others)]
        return [entry for entry in left if any(other.owns(self.shape, entry) for other in others)] or left

    def _in_order(self) -> list[int]:
        """The match pair chooses first: it may take an entry of another slot's type."""
        return sorted(range(len(self.slots)), key=lambda index: not self.slots[index].matches)

    def _rank(self, slot: Slot, entry: Entry, known: Known | None) -> tuple[int, bool, list[str], bytes]:
        texts = [canonical(row.kind, text_of(entry, key), self._region) for key, row in slot.rows]
        # Entries that agree in all of this are alike in every mapped value: the rest of their data decides.
        rest = orjson.dumps(self.shape.cleaned(entry), option=orjson.OPT_SORT_KEYS)
        return -_score(slot, entry, known), not is_primary(entry), texts, rest


def _score(slot: Slot, entry: Entry, known: Known | None) -> int:
    """How many of the slot's rows show their base in `entry`: one edited part does not make it another entry."""
    if known is None:
        return 0
    texts = ((row.key, text_of(entry, key)) for key, row in slot.rows)
    return sum(1 for row_key, text in texts if text and known(row_key, text))


def _slots(shape: Shape, rows: Iterable[MappingRow]) -> tuple[Slot, ...]:
    by_type: dict[str | None, list[tuple[str, MappingRow]]] = {}
    matching: set[str | None] = set()
    for row in rows:
        path = row.google_field
        by_type.setdefault(path.type, []).append((shape.key_of(path.part), row))
        if str(path) == MATCH_GOOGLE_FIELD:
            matching.add(path.type)
    return tuple(Slot(kind, tuple(pairs), kind in matching) for kind, pairs in by_type.items())
