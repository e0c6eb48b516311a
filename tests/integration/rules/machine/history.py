"""What people did, and what both sides agreed on: the memory against which runs are judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contactsync.domain.contact import Side
from contactsync.domain.link import Link, PairState
from contactsync.domain.mapping import Mapping as FieldMapping
from tests.integration.rules.machine.sight import FIELDS, Shown, Sight, addresses, is_mapped, shown

Pair = tuple[str, str]
"""Ids of a record and of a person."""


def pair_of(link: Link) -> Pair:
    """The contacts of a pair."""
    return str(link.crm.remote_id), str(link.google.remote_id)


@dataclass(slots=True)
class History:
    """Edits by hand with their times, contacts deleted by hand, and the last agreement of each pair, field by field."""

    lag: timedelta = timedelta()
    """The longest time for which any listing has lagged so far."""
    agreed: dict[Pair, dict[str, Shown]] = field(default_factory=dict)
    perhaps: dict[Pair, dict[str, Shown]] = field(default_factory=dict)
    """What both sides showed where listings lag: the sync may know of the agreement, or not yet."""
    touched: dict[tuple[Side, str], datetime] = field(default_factory=dict)
    """When somebody last changed or made a contact by hand."""
    edited: dict[tuple[Side, str, str], datetime] = field(default_factory=dict)
    """The same, field by field."""
    replaced: dict[tuple[Side, str, str], Shown] = field(default_factory=dict)
    """What stood in a field before somebody last edited it."""
    written: dict[tuple[Side, str], datetime] = field(default_factory=dict)
    """When a run last changed, made or deleted a contact."""
    removed: dict[tuple[Side, str], set[str]] = field(default_factory=dict)
    """Contacts that a run deleted, with the addresses that they had."""
    deleted: dict[tuple[Side, str], set[str]] = field(default_factory=dict)
    """Contacts that somebody deleted, with the addresses that they had."""
    apart: set[str] = field(default_factory=set)
    """Addresses of people who were said to be somebody else."""
    names: dict[str, str] = field(default_factory=dict)
    """Former names of people, and the present ones."""
    hidden: set[str] = field(default_factory=set)
    """People outside the group whom a first listing may have left out without a word: of them nobody else tells."""
    restored: set[str] = field(default_factory=set)
    """Contacts of pairs that somebody asked to have back as they were, since the last run."""

    def by_hand(self, before: Sight, after: Sight) -> None:
        """Note what somebody did between these two sights."""
        for side in Side:
            old, new = before.contacts[side], after.contacts[side]
            for remote_id in old.keys() - new.keys():
                self.deleted[side, remote_id] = addresses(old[remote_id], side)
                self.touched[side, remote_id] = after.at
                self.edited.update({(side, remote_id, name): after.at for name in FIELDS})
            for remote_id in new:
                if new[remote_id] == old.get(remote_id):
                    continue
                self.deleted.pop((side, remote_id), None)
                self.touched[side, remote_id] = after.at
                was = shown(old[remote_id], side) if remote_id in old else {}
                for name, value in shown(new[remote_id], side).items():
                    if value != was.get(name):
                        self.edited[side, remote_id, name] = after.at
                        self.replaced[side, remote_id, name] = was.get(name, frozenset())

    def renamed(self, old: str, new: str) -> None:
        """A person has another resource name: it was neither made nor deleted."""
        self.deleted.pop((Side.GOOGLE, old), None)
        self.names = {former: new if name == old else name for former, name in self.names.items()} | {old: new}
        for key in [key for key in self.edited if key[1] == old]:
            self.edited[Side.GOOGLE, new, key[2]] = self.edited.pop(key)
        for pair in [pair for pair in self.agreed if pair[1] == old]:
            self.agreed[pair[0], new] = self.agreed.pop(pair)

    def by_run(self, before: Sight, after: Sight, mapping: FieldMapping) -> None:
        """Note what a run wrote, and on what the two sides of each pair agree now, as far as it must know that too."""
        for side in Side:
            old, new = before.contacts[side], after.contacts[side]
            changed = (name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
            self.written.update({(side, name): after.at for name in changed})
            self.removed.update({(side, name): addresses(old[name], side) for name in old.keys() - new.keys()})
        for fields in self.agreed.values():
            for name in [name for name in fields if not is_mapped(name, mapping)]:
                del fields[name]
        for link in after.pairs():
            here, there = (after.of(side, link.side(side).remote_id) for side in Side)
            if link.state is not PairState.LINKED or link.pending_since or link.hold:
                continue
            if not here or not there:
                self._of_a_ghost(link, before, after)
                continue
            agreed = self.agreed.setdefault(pair_of(link), {})
            unseen = self.perhaps.get(pair_of(link), {})
            perhaps: dict[str, Shown] = {}
            self.perhaps[pair_of(link)] = perhaps
            of_crm, of_google = shown(here, Side.CRM), shown(there, Side.GOOGLE)
            for name in FIELDS:
                late = [s for s in Side if self.may_be_late(s, str(link.side(s).remote_id), name, after.at)]
                stood = agreed.pop(name, unseen.get(name, self._listed_still(link, late, name, of_crm, of_google)))
                if of_crm[name] == of_google[name] and is_mapped(name, mapping):
                    (perhaps if late else agreed)[name] = of_crm[name]
                elif late and stood is not None:  # the edit was not listed yet: agreed on is what stood before it
                    perhaps[name] = stood
        self.restored.clear()

    def _listed_still(
        self, link: Link, late: list[Side], name: str, of_crm: dict[str, Shown], of_google: dict[str, Shown]
    ) -> Shown | None:
        """What both sides' listings may show still, when one of them does not show somebody's edit yet."""
        for side in late:
            before = self.replaced.get((side, str(link.side(side).remote_id), name))
            if before == (of_google if side is Side.CRM else of_crm)[name]:
                return before
        return None

    def _of_a_ghost(self, link: Link, before: Sight, after: Sight) -> None:
        """Somebody who was deleted and is listed still: a run may have agreed with him."""
        for side in Side:
            remote_id, other = (str(one.remote_id) for one in (link.side(side), link.side(side.other)))
            new, old = after.of(side, remote_id), before.of(side, remote_id)
            if new is not None and old is not None and self.may_be_unseen(side.other, other, after.at):
                now, was = shown(new, side), shown(old, side)
                self.perhaps[pair_of(link)] = {name: now[name] for name in FIELDS if now[name] != was[name]}

    def forget(self) -> None:
        """The database was lost: nothing is agreed on any more, and what runs did might be anybody's work."""
        self.agreed.clear()
        self.perhaps.clear()
        self.deleted |= self.removed
        for (side, remote_id), at in self.written.items():
            self.touched[side, remote_id] = max(at, self.touched.get((side, remote_id), at))
            for name in FIELDS:
                self.edited[side, remote_id, name] = max(at, self.edited.get((side, remote_id, name), at))

    def may_be_unseen(self, side: Side, remote_id: str, now: datetime) -> bool:
        """Whether listings may still show a contact as it was before somebody changed or made it."""
        at = self.touched.get((side, remote_id))
        return bool(self.lag) and at is not None and now - at <= self.lag

    def may_be_late(self, side: Side, remote_id: str, name: str, now: datetime) -> bool:
        """Whether listings may still show what a field was before somebody edited it."""
        at = self.edited.get((side, remote_id, name))
        return bool(self.lag) and at is not None and now - at <= self.lag
