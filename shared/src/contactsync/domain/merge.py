"""Three-way merge of one pair, field by field: what was agreed last, the CRM's value, Google's value.

Bases are kept for each side, because the two sides may agree and still show different values (a stand-in for a missing
last name, a value that the other side cannot hold). A field has changed on a side when its digest is not that side's
base. The table of verdicts is printed in `docs/decisions.md` and checked against this module cell by cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from contactsync.domain.contact import Changes, Side, Values
from contactsync.domain.digests import Digester, DigestSet
from contactsync.domain.fit import fit
from contactsync.domain.ids import RowKey
from contactsync.domain.link import Link, LinkSide
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import MappingRow
from contactsync.domain.policy import Policy
from contactsync.domain.standin import Names, keep_names_whole

_NO_VALUES: Final[Values] = MappingProxyType({})


class Verdict(StrEnum):
    """What becomes of one field."""

    AGREED = "agreed"
    """Both sides show the same: that is the new base of both."""
    UNCHANGED = "unchanged"
    """Neither side changed since they agreed, perhaps on showing different values."""
    TO_GOOGLE = "to_google"
    TO_CRM = "to_crm"
    DIVERGED = "diverged"
    """They differ, and are to stay as they are until somebody edits the field."""


@dataclass(frozen=True, slots=True)
class FieldState:
    """Digests of one field; a base is None where nothing was agreed yet."""

    crm: bytes
    google: bytes
    crm_base: bytes | None
    google_base: bytes | None
    empty: bytes
    """The digest of an empty field."""
    diverged: bool = False
    """The sides were left different on purpose, and nobody edited the field since."""


@dataclass(frozen=True, slots=True)
class FieldRules:
    """Where a field may flow, and who wins when both sides have something to say."""

    to_crm: bool
    to_google: bool
    winner: Side

    def open_to(self, side: Side) -> bool:
        """Whether the field may be written on `side`."""
        return self.to_crm if side is Side.CRM else self.to_google


def verdict(state: FieldState, rules: FieldRules) -> Verdict:
    """What becomes of a field. Symmetric: swapping the sides everywhere swaps the answer."""
    if state.crm == state.google:
        return Verdict.AGREED
    if state.crm_base is None or state.google_base is None:
        return _first_match(state, rules)
    crm_changed, google_changed = state.crm != state.crm_base, state.google != state.google_base
    if crm_changed and google_changed:
        return _overwrite(rules.winner.other, rules)
    if crm_changed:
        return _copy(Side.GOOGLE, state, rules)
    if google_changed:
        return _copy(Side.CRM, state, rules)
    return Verdict.UNCHANGED


def _first_match(state: FieldState, rules: FieldRules) -> Verdict:
    """Nothing was agreed yet: a blank never erases, two different values are a conflict."""
    if state.google == state.empty:
        return _overwrite(Side.GOOGLE, rules)
    if state.crm == state.empty:
        return _overwrite(Side.CRM, rules)
    return _overwrite(rules.winner.other, rules)


def _copy(target: Side, state: FieldState, rules: FieldRules) -> Verdict:
    """The other side alone changed. A target that was edited by hand before gives way only to a winning source."""
    one_way = not rules.open_to(target.other)
    if one_way and state.diverged and rules.winner is target:
        return Verdict.DIVERGED
    return _overwrite(target, rules)


def _overwrite(target: Side, rules: FieldRules) -> Verdict:
    if not rules.open_to(target):
        return Verdict.DIVERGED
    return Verdict.TO_CRM if target is Side.CRM else Verdict.TO_GOOGLE


# --- a whole pair ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class FieldMerge:
    """What a merge found: new values for each side, and the pair as it is where nothing need be written."""

    changes: dict[Side, dict[RowKey, str | None]] = field(default_factory=lambda: {Side.CRM: {}, Side.GOOGLE: {}})
    lost: dict[Side, dict[RowKey, str]] = field(default_factory=lambda: {Side.CRM: {}, Side.GOOGLE: {}})
    """Values of that side which lose a conflict, for the journal."""
    bases: dict[Side, DigestSet] = field(default_factory=dict)
    """Bases of all fields but those that `changes` will write, which keep theirs until the write is confirmed."""
    diverged: set[RowKey] = field(default_factory=set)
    by_hand: set[RowKey] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)
    """Fields that the other side cannot hold, with the reason code."""


def merge(link: Link, policy: Policy, digester: Digester, *, adopting: bool = False) -> FieldMerge:
    """The merge of a pair whose two sides are present, with the values of each side that shows an edit.

    `adopting`: the person was found outside the group, so nothing of it enters the CRM until somebody edits it.
    """
    found = FieldMerge()
    if _all_agree(link, policy):
        found.bases = {Side.CRM: link.crm.seen, Side.GOOGLE: link.google.seen}
        return found
    names = Names.of(link, policy.mapping, digester.empty)
    for row in policy.mapping.rows:
        if names is None or not names.shows_stand_in(row):
            _merge_row(found, row, link, policy, digester, adopting=adopting)
    if names is not None and not adopting:
        keep_names_whole(names, link, policy, found.changes[Side.CRM])
    _keep_shared_values(found, link, policy, digester)
    written = frozenset(key for changes in found.changes.values() for key in changes)
    found.bases = {side: _base(link.side(side), policy, digester, written) for side in Side}
    return found


def _all_agree(link: Link, policy: Policy) -> bool:
    """The quick way out for pairs of which all fields show the same: nothing to look at one by one."""
    return link.crm.seen == link.google.seen and len(link.crm.seen) == len(policy.mapping) and link.crm.seen.current


def _merge_row(
    found: FieldMerge, row: MappingRow, link: Link, policy: Policy, digester: Digester, *, adopting: bool
) -> None:
    state = FieldState(
        crm=seen_digest(link.crm, row, digester),
        google=seen_digest(link.google, row, digester),
        crm_base=link.crm.base.index.get(row.hash),
        google_base=link.google.base.index.get(row.hash),
        empty=digester.empty,
        diverged=row.key in link.diverged,
    )
    rules = FieldRules(
        to_crm=not adopting and row.flows_to(Side.CRM, policy.direction),
        to_google=row.flows_to(Side.GOOGLE, policy.direction),
        winner=policy.conflict_winner,
    )
    match verdict(state, rules):
        case Verdict.AGREED:
            pass
        case Verdict.UNCHANGED if not state.diverged:
            pass
        case Verdict.UNCHANGED | Verdict.DIVERGED:
            found.diverged.add(row.key)
            if row.key in link.by_hand or _is_edited_by_hand(state, rules):
                found.by_hand.add(row.key)
        case Verdict.TO_CRM:
            _write(found, row, link, Side.CRM, state)
        case Verdict.TO_GOOGLE:
            _write(found, row, link, Side.GOOGLE, state)
        case never:
            assert_never(never)


def _is_edited_by_hand(state: FieldState, rules: FieldRules) -> bool:
    """Whether the side that the field is carried to, and never from, shows something else than was agreed."""
    if rules.to_crm == rules.to_google:
        return False
    shown, base = (state.crm, state.crm_base) if rules.to_crm else (state.google, state.google_base)
    return base is not None and shown != base


def _write(found: FieldMerge, row: MappingRow, link: Link, target: Side, state: FieldState) -> None:
    fitted = fit(row, value_of(link.side(target.other), row), target)
    if fitted.reason is not None:
        found.left_out[row.key] = fitted.reason
        if state.diverged:
            found.diverged.add(row.key)
            found.by_hand |= link.by_hand & {row.key}
        return
    found.changes[target][row.key] = fitted.text
    theirs, base = (state.crm, state.crm_base) if target is Side.CRM else (state.google, state.google_base)
    if theirs != state.empty and (theirs != base or state.diverged):
        found.lost[target][row.key] = value_of(link.side(target), row)


def _keep_shared_values(found: FieldMerge, link: Link, policy: Policy, digester: Digester) -> None:
    """Of a value that two CRM fields hold Google's list has one entry: when that gives way, the other gets its own.

    Known when both sides' values are: a Google update is decided once more from the person as read just before.
    """
    changes = found.changes[Side.GOOGLE]
    leaving = [row for row in policy.mapping.rows if row.key in changes and row.google_field.distinct]
    if not leaving:
        return
    settled = changes.keys() | found.changes[Side.CRM].keys() | link.diverged
    for row in policy.mapping.rows:
        text = value_of(link.crm, row)
        if not text or row.key in settled or not row.flows_to(Side.GOOGLE, policy.direction):
            continue
        value = digester.field(row, text)
        entries = (one for one in leaving if one.google_field.field == row.google_field.field)
        held = any(digester.field(row, value_of(link.google, one)) == value for one in entries)
        if held and seen_digest(link.google, row, digester) == digester.empty:
            changes[row.key] = fit(row, text, Side.GOOGLE).text


def _base(side: LinkSide, policy: Policy, digester: Digester, written: frozenset[RowKey]) -> DigestSet:
    """What the side shows now; fields about to be written keep what was agreed before, if anything."""
    before = side.base.index
    entries: dict[bytes, bytes] = {}
    for row in policy.mapping.rows:
        digest = before.get(row.hash) if row.key in written else seen_digest(side, row, digester)
        if digest is not None:
            entries[row.hash] = digest
    return DigestSet(entries)


def seen_digest(side: LinkSide, row: MappingRow, digester: Digester) -> bytes:
    """The digest of what a side shows; made from the value where the reading knew another mapping."""
    digest = side.seen.index.get(row.hash)
    return digester.field(row, value_of(side, row)) if digest is None else digest


def value_of(side: LinkSide, row: MappingRow) -> str:
    """The value a side shows, empty for an empty field."""
    return (side.values if side.values is not None else _NO_VALUES).get(row.key, "")


def written_over(side: LinkSide, changes: Changes, mapping: FieldMapping, empty: bytes) -> Mapping[RowKey, str]:
    """The values that these changes replace, for the journal; empty text stands for an empty field.

    What was not read is left out: it cannot be given back. A side that stands as agreed is not read to be written.
    """
    if side.values is not None:
        return {key: side.values.get(key, "") for key in changes}
    seen, rows = side.seen.index, mapping.by_key
    return {key: "" for key in changes if key in rows and seen.get(rows[key].hash) == empty}
