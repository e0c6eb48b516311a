"""What stands in the CRM's mandatory `Last_Name` for a Google person without a family name.

Bases are per side, so a stand-in is never taken for an edit: it does not travel back, and it gives way to a real name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from contactsync.domain.canonical import fold
from contactsync.domain.catalogue import STANDARD_CRM_FIELDS
from contactsync.domain.contact import Side, Values
from contactsync.domain.fit import fit
from contactsync.domain.ids import RowKey
from contactsync.domain.link import Link, LinkSide
from contactsync.domain.mapping import LAST_NAME, GooglePath, Mapping, MappingRow, crm_only_key
from contactsync.domain.policy import Policy

FIRST_NAME: Final = "First_Name"
_FAMILY: Final = "names.family_name"
_GIVEN: Final = "names.given_name"
_NO_VALUES: Final[Values] = MappingProxyType({})


def candidates(person: LinkSide, mapping: Mapping) -> Iterator[str]:
    """What may stand for a last name, the best first: given name, nickname, company, local part, phone number."""
    values = person.values if person.values is not None else _NO_VALUES
    for path in (_GIVEN, "nicknames"):
        row = mapping.by_google(path)
        if row is not None and (text := values.get(row.key, "").strip()):
            yield text
    if person.name.strip():
        yield person.name.strip()
    company = mapping.by_google("organizations.name")
    if company is not None and (text := values.get(company.key, "").strip()):
        yield text
    for address in (*(values.get(row.key, "") for row in _rows_of(mapping, "email_addresses")), *person.emails):
        local, _, domain = address.strip().partition("@")
        if local and domain:
            yield local
    for row in _rows_of(mapping, "phone_numbers"):
        if text := values.get(row.key, "").strip():
            yield text


def _rows_of(mapping: Mapping, field: str) -> Iterator[MappingRow]:
    return (row for row in mapping.rows if row.google_field.field == field)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A text for `Last_Name`; `instead_of` is the row whose value moved there and is not written a second time."""

    key: RowKey
    text: str
    instead_of: RowKey | None = None


def stand_in(person: LinkSide, mapping: Mapping) -> StandIn | None:
    """The stand-in for a person whose family name is missing or does not fit; None when nothing identifies them."""
    mapped = mapping.by_crm(LAST_NAME)
    row = mapped or _UNMAPPED
    key = crm_only_key(LAST_NAME) if mapped is None else mapped.key
    text = next((text for text in candidates(person, mapping) if fit(row, text, Side.CRM).text), None)
    if text is None:
        return None
    given = _given_row(mapping)
    values = person.values if person.values is not None else _NO_VALUES
    moved = given is not None and values.get(given.key, "").strip() == text
    return StandIn(key, text, given.key if given is not None and moved else None)


_UNMAPPED: Final = MappingRow.of(STANDARD_CRM_FIELDS[LAST_NAME], GooglePath("names", part="family_name"))
"""`Last_Name` where the mapping has no row for it: the CRM wants it all the same."""


def _given_row(mapping: Mapping) -> MappingRow | None:
    row = mapping.by_google(_GIVEN)
    return row if row is not None and row.crm_field == FIRST_NAME else None


# --- pairs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Names:
    """The name rows of a pair whose CRM record shows a stand-in."""

    last: MappingRow
    given: MappingRow | None
    agreed: bool
    """The stand-in is part of what was agreed. False: it was found at the first match (a record made long ago)."""
    moved_given: bool = False
    """At the first match: the stand-in is the given name."""

    @classmethod
    def of(cls, link: Link, mapping: Mapping, empty: bytes) -> Self | None:
        """The name rows, if the record shows a stand-in for a family name that Google did not have, or too long."""
        last = mapping.by_crm(LAST_NAME)
        if last is None or str(last.google_field) != _FAMILY:
            return None
        given = _given_row(mapping)
        bases = (link.crm.base.index.get(last.hash), link.google.base.index.get(last.hash))
        if None in bases:
            return cls._found(link, mapping, last, given)
        if bases[0] == empty or last.key in link.diverged:
            return None
        if bases[1] != empty and (bases[0] == bases[1] or not _moved(link, given, empty)):
            return None
        seen = link.crm.seen.index
        nameless = given is None or seen.get(given.hash) == empty
        return cls(last, given, agreed=True) if nameless and seen.get(last.hash) == bases[0] else None

    @classmethod
    def _found(cls, link: Link, mapping: Mapping, last: MappingRow, given: MappingRow | None) -> Self | None:
        shown = fold(_text(link.crm, last))
        if not shown or _text(link.google, last) or (given is not None and _text(link.crm, given)):
            return None
        if shown not in {fold(text) for text in candidates(link.google, mapping)}:
            return None
        moved = given is not None and fold(_text(link.google, given)) == shown
        return cls(last, given, agreed=False, moved_given=moved)

    def shows_stand_in(self, row: MappingRow) -> bool:
        """Whether the row is left as it is, because the record's stand-in was found to be one at the first match."""
        return not self.agreed and (row is self.last or (row is self.given and self.moved_given))


def keep_names_whole(names: Names, link: Link, policy: Policy, to_crm: dict[RowKey, str | None]) -> None:
    """Complete the changes of a record with a stand-in, so that no part of the name is lost or doubled.

    A real family name that arrives brings the given name along, which the record has never had in its own field;
    a given name that is edited while there is no family name goes where the stand-in stands.
    """
    given, last = names.given, names.last
    if not names.agreed or given is None or not last.flows_to(Side.CRM, policy.direction):
        return
    if to_crm.get(last.key):
        text = fit(given, _text(link.google, given), Side.CRM).text
        if text and given.flows_to(Side.CRM, policy.direction):
            to_crm[given.key] = text
    elif given.key in to_crm:
        edited = to_crm.pop(given.key)
        if edited and (text := fit(last, edited, Side.CRM).text):
            to_crm[last.key] = text


def _moved(link: Link, given: MappingRow | None, empty: bytes) -> bool:
    """Whether the given name stands for a family name that did not fit: it was agreed on, but not in its own field."""
    if given is None:
        return False
    bases = (link.crm.base.index.get(given.hash), link.google.base.index.get(given.hash))
    return bases[0] == empty and bases[1] not in {None, empty}


def _text(side: LinkSide, row: MappingRow) -> str:
    return (side.values if side.values is not None else _NO_VALUES).get(row.key, "").strip()
