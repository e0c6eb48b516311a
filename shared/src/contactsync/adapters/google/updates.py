"""Updates of many people by one mask: who may share a batch, and what each person must carry.

One mask holds for a whole batch, and every masked field is replaced: so each person carries all masked fields, the
changed ones merged, the others as read. A person that holds two entries of a field of which Google takes one cannot
carry that field, and shares no batch whose mask has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contactsync.adapters.google.binding import Known
from contactsync.adapters.google.codec import Patch, Person, PersonCodec, as_read, check_size, doubled_singletons
from contactsync.adapters.google.protocol import UPDATABLE_FIELDS, contact_source
from contactsync.domain.canonical import canonical
from contactsync.domain.contact import Values
from contactsync.domain.ids import LinkId, RowKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.ports.directory import PersonUpdate


@dataclass(frozen=True, slots=True)
class PatchedPerson:
    """An update worked out: the person as read, and the new contents of the fields that change."""

    request: PersonUpdate
    patch: Patch
    doubled: frozenset[str]

    @property
    def link_id(self) -> LinkId:
        """The pair that the update is for."""
        return self.request.link_id

    @property
    def resource_name(self) -> str:
        """The person's resource name."""
        return self.request.snapshot.observation.remote_id

    def body(self, mask: Iterable[str]) -> dict[str, Any]:
        """What an update with `mask` must carry for this person.

        Both etags of the one reading are sent: sources differ on which of them counts.
        """
        person = self.request.snapshot.raw
        source = contact_source(person) or {}
        body: dict[str, Any] = {
            "etag": person.get("etag", ""),
            "metadata": {"sources": [{key: source[key] for key in ("type", "id", "etag") if key in source}]},
        }
        for name in sorted(mask):
            entries = self.patch.fields.get(name)
            body[name] = as_read(person, name) if entries is None else list(entries)
        return body


@dataclass(slots=True)
class MaskedBatch:
    """People who can share one mask."""

    people: list[PatchedPerson] = field(default_factory=list)
    mask: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    """Fields that somebody here cannot carry."""

    def takes(self, person: PatchedPerson) -> bool:
        """Whether `person` can join."""
        changed = person.patch.fields.keys()
        return not (changed & self.closed) and not (person.doubled & (self.mask | changed))

    def add(self, person: PatchedPerson) -> None:
        """Let `person` join."""
        self.people.append(person)
        self.mask |= person.patch.fields.keys()
        self.closed |= person.doubled


def masked_batches(people: Iterable[PatchedPerson]) -> list[MaskedBatch]:
    """`people` in as few batches as their doubled fields allow; one, nearly always."""
    batches: list[MaskedBatch] = []
    # Those without doubled fields first: they share the first batch, whatever comes after.
    for person in sorted(people, key=lambda person: bool(person.doubled)):
        batch = next((batch for batch in batches if batch.takes(person)), None)
        if batch is None:
            batch = MaskedBatch()
            batches.append(batch)
        batch.add(person)
    return batches


def patched(codec: PersonCodec, mapping: FieldMapping, region: str, request: PersonUpdate) -> PatchedPerson:
    """The update worked out from the person as it was read. Raises MappingError for what Google cannot hold."""
    person = request.snapshot.raw
    # What was extracted when the person was read says which entries the rows were bound to.
    known = known_values(mapping, region, request.snapshot.observation.values)
    patch = codec.patch(person, request.changes, known)
    if patch.fields:
        check_size(_merged(person, patch.fields))
    return PatchedPerson(request, patch, doubled_singletons(person))


def known_values(mapping: FieldMapping, region: str, values: Values) -> Known:
    """The question whether a text is what `values` says of a row."""
    wanted = {key: canonical(mapping.by_key[key].kind, text, region) for key, text in values.items()}

    def known(row: RowKey, text: str) -> bool:
        if not text:
            return row not in wanted
        return row in wanted and canonical(mapping.by_key[row].kind, text, region) == wanted[row]

    return known


def _merged(person: Person, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The person as it will be, without what does not count towards its size."""
    kept = {name: person[name] for name in UPDATABLE_FIELDS if name in person and name not in fields}
    bare = {name: [{k: v for k, v in entry.items() if k != "metadata"} for entry in kept[name]] for name in kept}
    return bare | {name: list(entries) for name, entries in fields.items()}
