"""A person's JSON to mapped values and back. What the mapping does not name is kept as it was read.

Values are read by functions compiled once from the mapping. A change becomes new contents of whole person fields,
since Google replaces every field that an update mask names (People API, "people.updateContact"): the entry that a row
is bound to is changed in place and keeps its label and whatever else it holds; all other entries go back as they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from contactsync.adapters.google.binding import WORK, Entry, FieldBinder, Known, Slot, is_own, is_primary, text_of
from contactsync.adapters.google.shapes import SHAPES, SHAPES_BY_JSON, Shape, date_text, date_value
from contactsync.domain.canonical import canonical
from contactsync.domain.contact import Changes, Identity, Values
from contactsync.domain.ids import RowKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import MappingRow
from contactsync.domain.reasons import Reason
from contactsync.errors import MappingError

MAX_TEXT: Final = 1024
"""Characters of one value, notes excepted (Google Contacts Help, "Contacts limits")."""
MAX_ENTRIES: Final = 500
MAX_BYTES: Final = 128 * 1024

_STRONG: Final = frozenset({WORK, ""})

Person = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """New contents of person fields, each whole. `left_out` names rows that could not be written, with the reason."""

    fields: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


class PersonCodec:
    """Reads and writes people for one mapping. `region` (ISO 3166) helps to compare phone numbers."""

    def __init__(self, mapping: FieldMapping, region: str = "") -> None:
        by_field: dict[str, list[MappingRow]] = {}
        for row in mapping.rows:
            by_field.setdefault(row.google_field.field, []).append(row)
        self._region = region
        self._binders = {SHAPES[name].json_name: FieldBinder(name, rows, region) for name, rows in by_field.items()}

    @property
    def fields(self) -> tuple[str, ...]:
        """Person fields that the mapping needs, by their JSON names."""
        return tuple(self._binders)

    def values(self, person: Person, known: Known | None = None) -> tuple[dict[RowKey, str], bool]:
        """The mapped values of `person`, as typed; and whether they could differ with the base at hand."""
        values: dict[RowKey, str] = {}
        doubtful = False
        for name, binder in self._binders.items():
            listed = person.get(name)
            if listed and binder.read(listed, values, known):
                doubtful = True
        return values, doubtful

    def person_of(self, values: Values) -> dict[str, Any]:
        """A new person with these values. Raises MappingError for what Google cannot hold."""
        person: dict[str, Any] = dict(self.patch({}, values).fields)
        check_size(person)
        return person

    def patch(self, person: Person, changes: Changes, known: Known | None = None) -> Patch:
        """What has to be written for `changes`; empty where the person shows them already.

        Raises MappingError for a value that Google cannot hold.
        """
        fields: dict[str, Sequence[Entry]] = {}
        left_out: dict[str, str] = {}
        for name, binder in self._binders.items():
            wanted = [key for slot in binder.slots for _, row in slot.rows if (key := row.key) in changes]
            if not wanted:
                continue
            own = _own(person, name)
            reason = _unwritable(binder.shape, own)
            if reason:
                left_out |= dict.fromkeys(wanted, reason)
                continue
            entries = _Edit(binder, own, known, self._region).apply(changes)
            if entries != cleaned(name, own):
                fields[name] = entries
        return Patch(fields, left_out)


def cleaned(name: str, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Entries of the person field `name` as they may be sent back."""
    return [SHAPES_BY_JSON[name].cleaned(entry) for entry in entries]


def as_read(person: Person, name: str) -> list[dict[str, Any]]:
    """The user's own entries of a person field, to be sent back unchanged."""
    return cleaned(name, _own(person, name))


def doubled_singletons(person: Person) -> frozenset[str]:
    """Fields of which Google takes one entry and this person holds several: they may be in no update mask."""
    return frozenset(
        shape.json_name for shape in SHAPES.values() if shape.singleton and len(_own(person, shape.json_name)) > 1
    )


def check_size(person: Person) -> None:
    """Return when `person` is within Google's limits for one contact. Raises MappingError."""
    entries = sum(len(value) for value in person.values() if isinstance(value, list))
    if entries > MAX_ENTRIES:
        raise MappingError(
            "too many entries for one Google contact", details={"entries": entries, "limit": MAX_ENTRIES}
        )
    size = len(orjson.dumps(person))
    if size > MAX_BYTES:
        raise MappingError("too large for one Google contact", details={"bytes": size, "limit": MAX_BYTES})


def identity_of(person: Person) -> Identity:
    """What `person` can be recognised by. Addresses of type work or without a type are strong."""
    strong: list[str] = []
    weak: list[str] = []
    for entry in person.get("emailAddresses", ()):
        address = entry.get("value")
        if address and is_own(entry):
            (strong if entry.get("type", WORK) in _STRONG else weak).append(address)
    phones = tuple(entry["value"] for entry in person.get("phoneNumbers", ()) if entry.get("value") and is_own(entry))
    return Identity(_name_of(person), tuple(strong), tuple(weak), phones)


def _name_of(person: Person) -> str:
    """Given and family name as the CRM writes them; the displayed name, which has titles too, only without these."""
    names = _own(person, "names")
    if not names:
        return ""
    name = names[0] if len(names) == 1 else min(names, key=_name_rank)
    parts = [name[key] for key in ("givenName", "familyName") if name.get(key)]
    return " ".join(parts) or str(name.get("displayName", ""))


def _name_rank(name: Entry) -> tuple[bool, bytes]:
    return not is_primary(name), orjson.dumps(name, option=orjson.OPT_SORT_KEYS)


def _own(person: Person, name: str) -> list[Entry]:
    return [entry for entry in person.get(name, ()) if is_own(entry)]


def _unwritable(shape: Shape, own: Sequence[Entry]) -> str:
    """Why a field cannot be written for this person; empty when it can.

    Of two entries where Google takes one, one would be lost. A date that is held as words is left alone.
    """
    if not shape.singleton or not own:
        return ""
    if len(own) > 1:
        return Reason.SEVERAL_ENTRIES
    if shape.value == "date" and own[0].get("text") and not date_text(own[0].get("date")):
        return Reason.DATE_AS_TEXT
    return ""


Texts = Mapping[str, tuple[MappingRow, str | None]]
"""New texts of one slot by JSON key, each with its row."""


class _Edit:
    """New contents of one list: entries changed in place, removed when emptied, appended where there is none."""

    def __init__(self, binder: FieldBinder, own: Sequence[Entry], known: Known | None, region: str) -> None:
        self._shape = binder.shape
        self._slots = binder.slots
        self._region = region
        # A singleton has one entry or none, whatever that entry holds: a second one would be refused.
        bound = [own[0] if own else None] if self._shape.singleton else binder.bind(own, known)
        places = {id(entry): place for place, entry in enumerate(own)}
        self._places = [None if entry is None else places[id(entry)] for entry in bound]
        self._entries: list[dict[str, Any] | None] = [self._shape.cleaned(entry) for entry in own]

    def apply(self, changes: Changes) -> list[dict[str, Any]]:
        """The list with `changes`. Raises MappingError for a value that does not fit."""
        wanted = [
            (slot, place, {key: (row, changes[row.key]) for key, row in slot.rows if row.key in changes})
            for slot, place in zip(self._slots, self._places, strict=True)
        ]
        for slot, place, texts in wanted:
            if place is None or not texts:
                continue
            alike = (entry for entry in self._beside(place) if slot.owns(self._shape, entry))
            if not self._holds(texts, alike):
                self._entries[place] = self._changed(self._entries[place] or {}, texts)
        for slot, place, texts in wanted:
            new = place is None and any(text for _, text in texts.values())
            # The list as it is by now, with what was just added: of two equal values one is enough.
            if new and not self._holds(texts, self._beside(None)):
                self._entries.append(self._new(slot, texts))
        return [entry for entry in self._entries if entry]

    def _changed(self, entry: dict[str, Any], texts: Texts) -> dict[str, Any]:
        changed = dict(entry)
        for key, (row, text) in texts.items():
            if self._canonical(row, text_of(entry, key)) == self._canonical(row, text or ""):
                continue  # a form of the same value: nothing that a user sees
            for derived in self._shape.derived_from(key):
                changed.pop(derived, None)
            if text:
                changed |= {key: self._encoded(key, row, text), **(self._shape.fixed or {})}
            else:
                changed.pop(key, None)
        return changed if self._shape.holds_something(changed) else {}

    def _new(self, slot: Slot, texts: Texts) -> dict[str, Any]:
        entry: dict[str, Any] = dict(self._shape.fixed or {})
        if slot.selector is not None:
            entry[self._shape.selector] = slot.selector
        for key, (row, text) in texts.items():
            if text:
                entry[key] = self._encoded(key, row, text)
        return entry

    def _holds(self, texts: Texts, entries: Iterable[Entry]) -> bool:
        """Whether one of `entries` has the one value already: it is not written a second time."""
        key, (row, text) = next(iter(texts.items()))
        if not row.google_field.distinct:
            return False
        wanted = self._canonical(row, text or "")
        return bool(wanted) and any(self._canonical(row, text_of(entry, key)) == wanted for entry in entries)

    def _canonical(self, row: MappingRow, text: str) -> str:
        return canonical(row.kind, text, self._region)

    def _beside(self, place: int | None) -> Iterable[Entry]:
        """The entries as they are by now, without the one at `place`."""
        return (entry for other, entry in enumerate(self._entries) if entry and other != place)

    def _encoded(self, key: str, row: MappingRow, text: str) -> object:
        if key == "date":
            return date_value(text)
        if len(text) > MAX_TEXT and not self._shape.unlimited:
            details = {"row": row.key, "characters": len(text), "limit": MAX_TEXT}
            raise MappingError("too long for Google", details=details)
        return text
