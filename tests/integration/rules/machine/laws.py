"""The laws that every run keeps, whatever people did before it: each compares what stood before with what stands after.

A value counts as typed by a person where it stood before the run. Where listings lag, a law leaves out what the sync
could not have seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.link import Link, PairState, Presence
from contactsync.domain.matching import names_conflict
from contactsync.domain.policy import DeletePolicy, Direction, Policy
from contactsync.ports.state import Effect, EffectState, Run, RunMode, SyncState
from tests.integration.rules.machine.history import History, Pair, pair_of
from tests.integration.rules.machine.sight import (
    FIELDS,
    SINGLE_VALUED,
    Shown,
    Sight,
    addresses,
    digits,
    entries_by_label,
    groups_of,
    has_several_jobs,
    is_mapped,
    markers_of,
    primary,
    row_keys,
    shown,
    unmapped,
)
from tests.support.vendors import Json

_LISTS: Final = {"mails": {"work", "home"}, "numbers": {"work", "home", "mobile"}}
_SENT: Final = {EffectState.CONFIRMED, EffectState.UNKNOWN, EffectState.SENDING}


@dataclass(frozen=True, slots=True)
class Passage:
    """One run, with what stood before and after it."""

    before: Sight
    after: Sight
    run: Run
    history: History
    sync_before: SyncState
    sync_after: SyncState

    @property
    def policy(self) -> Policy:
        """The settings that the run worked with."""
        return self.run.settings.policy

    @property
    def effects(self) -> list[Effect]:
        """What the ledger holds of this run."""
        return [effect for effect in self.after.effects.values() if effect.run_id == self.run.run_id]

    def stayed(self) -> Iterator[tuple[Side, str, Json, Json]]:
        """Contacts that stood before and stand after."""
        for side in Side:
            old, new = self.before.contacts[side], self.after.contacts[side]
            yield from ((side, remote_id, old[remote_id], new[remote_id]) for remote_id in old.keys() & new.keys())

    def made(self) -> Iterator[tuple[Side, str, Json]]:
        """Contacts that the run made."""
        for side in Side:
            old, new = self.before.contacts[side], self.after.contacts[side]
            yield from ((side, remote_id, new[remote_id]) for remote_id in new.keys() - old.keys())

    def removed(self) -> Iterator[tuple[Side, str, Json]]:
        """Contacts that the run deleted."""
        for side in Side:
            old, new = self.before.contacts[side], self.after.contacts[side]
            yield from ((side, remote_id, old[remote_id]) for remote_id in old.keys() - new.keys())

    def pair_with(self, side: Side, remote_id: str) -> Link | None:
        """The pair of a contact after the run, or before it where it has none any more."""
        for sight in (self.after, self.before):
            for link in sight.living():
                if link.side(side).remote_id == remote_id:
                    return link
        return None

    def agreed_before(self, link: Link, name: str) -> Shown | None:
        """What the two sides of a pair agreed on in a field, with the contacts that it had before the run."""
        return self._remembered(self.history.agreed, link, name)

    def perhaps_before(self, link: Link, name: str) -> Shown | None:
        """The same where listings lagged, so that the sync may know of the agreement or not."""
        return self._remembered(self.history.perhaps, link, name)

    def _remembered(self, memory: Mapping[Pair, Mapping[str, Shown]], link: Link, name: str) -> Shown | None:
        for one in (link, self.before.links.get(link.link_id, link)):
            if (fields := memory.get(pair_of(one))) is not None:
                return fields.get(name)
        return None

    def either_links(self) -> Iterator[Link]:
        """Pairs as they were, and as they are."""
        yield from self.before.links.values()
        yield from self.after.links.values()

    def effects_on(self, side: Side, remote_id: str, *kinds: EffectKind) -> list[Effect]:
        """What the ledger holds of this run for a contact."""
        return [
            effect
            for effect in self.effects
            if effect.side is side and effect.remote_id == remote_id and effect.kind in kinds
        ]

    def changed_fields(self) -> Iterator[tuple[Side, str, Json | None, str, Shown, Shown]]:
        """Side, id, counterpart before the run, field, and what a contact showed in it before and shows after."""
        for side, remote_id, old, new in self.stayed():
            was, now = shown(old, side), shown(new, side)
            changed = [name for name in FIELDS if was[name] != now[name]]
            if not changed:
                continue
            link = self.pair_with(side, remote_id)
            other = None if link is None else self.before.of(side.other, link.side(side.other).remote_id)
            yield from ((side, remote_id, other, name, was[name], now[name]) for name in changed)


# --- values -----------------------------------------------------------------------------------------------------------


def nothing_is_invented(passage: Passage) -> None:
    """I2: what a run adds to a contact stood in its counterpart (or, where asked for, in the journal)."""
    at = passage.before.at
    for side, remote_id, other, name, was, now in passage.changed_fields():
        link = passage.pair_with(side, remote_id)
        assert link is not None, f"{side} {remote_id} is of no pair and was written"
        partner = str(link.side(side.other).remote_id)
        late = passage.history.may_be_late(side.other, partner, name, at)
        if remote_id in passage.history.restored or late:
            continue
        source = frozenset() if other is None else _anywhere(other, side.other)
        assert now - was <= source, (
            f"{name} of {side} {remote_id} became {set(now)}, was {set(was)}; its counterpart showed {set(source)}"
        )


def _anywhere(contact: Json, side: Side) -> Shown:
    """All values of a contact: a value may stand in another place of a list."""
    return frozenset().union(*shown(contact, side).values(), addresses(contact, side))


def what_loses_is_in_the_journal(passage: Passage) -> None:
    """I2: a value that a run takes away is kept, unless both sides had agreed on it and the other one moved on."""
    for side, remote_id, other, name, was, now in passage.changed_fields():
        link = passage.pair_with(side, remote_id)
        agreed = passage.agreed_before(link, name) if link is not None and other else None
        perhaps = passage.perhaps_before(link, name) if link is not None else None
        effects = passage.effects_on(side, remote_id, EffectKind.UPDATE)
        sent = [effect for effect in effects if effect.state in _SENT or effect.reason == "outcome_unknown"]
        kept = {_plain(text) for effect in sent for text in effect.before.values()}
        jobs = has_several_jobs(other) or has_several_jobs(passage.before.of(side, remote_id))
        if (agreed is None and name not in SINGLE_VALUED) or (jobs and name in SINGLE_VALUED):
            continue
        lost = was - now - kept
        # A contact that takes another one's place has erased nothing: its own values are edits, what it lacks is not.
        lived = link is None or pair_of(link) in passage.history.agreed or bool(now)
        assert not lost or (was in {agreed, perhaps} and lived), (
            f"{name} of {side} {remote_id} lost {set(lost)} without a trace"
        )


def _plain(text: str) -> str:
    number = digits(text)
    return number if len(number) > len(text) // 2 else text.casefold() if "@" in text else text


def only_edits_overwrite(passage: Passage) -> None:
    """I2: a run takes a value away only where the other side shows something else than was agreed."""
    at = passage.before.at
    for side, remote_id, other, name, was, now in passage.changed_fields():
        link = passage.pair_with(side, remote_id)
        if link is None or other is None or remote_id in passage.history.restored:
            continue
        agreed = passage.history.agreed.get(pair_of(link), {}).get(name)
        late = passage.history.may_be_late(side.other, str(link.side(side.other).remote_id), name, at)
        if agreed is None or late:
            continue
        assert shown(other, side.other)[name] != agreed, (
            f"{name} of {side} {remote_id} was {set(was)} and became {set(now)}, but nobody edited its counterpart"
        )


def the_winner_decides(passage: Passage) -> None:
    """I2: of two edits that contradict each other the configured side's stays."""
    policy = passage.policy
    if policy.direction is not Direction.TWO_WAY:
        return
    for side, remote_id, other, name, was, _ in passage.changed_fields():
        link = passage.pair_with(side, remote_id)
        if side is not policy.conflict_winner or name not in SINGLE_VALUED or link is None or other is None:
            continue
        agreed = passage.history.agreed.get(pair_of(link), {}).get(name)
        if agreed is None or remote_id in passage.history.restored:
            continue
        theirs = shown(other, side.other)[name]
        late = passage.history.may_be_late(side, remote_id, name, passage.before.at)
        assert late or agreed in {was, theirs}, (
            f"{name}: {side} wins, but its {set(was)} gave way to {set(theirs)}; agreed was {set(agreed)}"
        )


def what_is_not_mapped_stays(passage: Passage) -> None:
    """I4: other fields, foreign groups and labels, entries of other types are as they were."""
    mapping = passage.policy.mapping
    for side, remote_id, old, new in passage.stayed():
        before = unmapped(old, side, mapping, passage.before.group)
        after = unmapped(new, side, mapping, passage.before.group)
        if side is Side.GOOGLE:
            _keep_labels(before, after, new)
        changed = {name: (before.get(name), after.get(name)) for name in before | after}
        changed = {name: values for name, values in changed.items() if values[0] != values[1]}
        assert not changed, f"what is not mapped of {side} {remote_id} changed: {changed}"


def _keep_labels(before: Json, after: Json, person: Json) -> None:
    """An address under a label of its own may be the one by which a pair was matched: then its value is mapped."""
    if not any(mail.get("type") in {None, "work"} for mail in person.get("emailAddresses", ())):
        before.pop("labels")
        after.pop("labels")


# --- contacts ---------------------------------------------------------------------------------------------------------


def nobody_is_made_twice(passage: Passage) -> None:
    """I1: whom a run makes was not there yet, under his primary address, without a counterpart of his own."""
    now, history = passage.before.at, passage.history
    for side, remote_id, _ in passage.made():
        link = passage.pair_with(side, remote_id)
        assert link is not None, f"{side} {remote_id} was made and is of no pair"
        source = passage.before.of(side.other, link.side(side.other).remote_id)
        other = str(link.side(side.other).remote_id)
        if history.may_be_unseen(side.other, other, now):
            continue
        if source is None:  # a contact that was deleted and is given back
            assert link.link_id in {effect.link_id for effect in passage.before.effects.values()}
            continue
        mail = primary(source, side.other)
        paired = {one.side(side).remote_id for one in passage.either_links() if len(_ids(one)) > 1}
        twins = [
            twin
            for twin, contact in passage.before.contacts[side].items()
            if mail & addresses(contact, side) and twin not in paired
        ]
        if mail & history.apart or any(t in history.hidden or history.may_be_unseen(side, t, now) for t in twins):
            continue
        assert not twins, f"{side} {remote_id} was made though {twins} have its address"


def _ids(link: Link) -> set[str]:
    return {remote_id for side in Side if (remote_id := link.side(side).remote_id) is not None}


def each_intent_makes_one_contact(passage: Passage) -> None:
    """I7: a run makes no more contacts than its ledger has creates, one for a pair, and each mark stands once."""
    made = Counter(side for side, _, _ in passage.made())
    for side in Side:
        pairs = {e.link_id for e in passage.effects if e.kind is EffectKind.CREATE and e.side is side}
        assert made[side] <= len(pairs), f"{made[side]} contacts made on {side} for {len(pairs)} intents"
    marks = Counter(mark for one in passage.after.contacts[Side.GOOGLE].values() for mark in markers_of(one))
    assert max(marks.values(), default=1) == 1, f"marks that stand twice: {marks}"


def whatever_changed_is_in_the_ledger(passage: Passage) -> None:
    """I7: nothing is written but what the ledger holds."""
    kinds = (EffectKind.UPDATE, EffectKind.JOIN_GROUP, EffectKind.CREATE)
    for side, remote_id, old, new in passage.stayed():
        assert old == new or passage.effects_on(side, remote_id, *kinds), f"{side} {remote_id} changed by itself"


def new_people_are_in_their_groups(passage: Passage) -> None:
    """Whom a run makes on Google is in the group and among the user's contacts."""
    wanted = {passage.after.group, "contactGroups/myContacts"}
    for side, remote_id, contact in passage.made():
        if side is Side.GOOGLE:
            assert wanted <= groups_of(contact), f"{remote_id} was made outside of its groups"


def deletes_have_their_reason(passage: Passage) -> None:
    """I3: a contact is deleted only after its counterpart was, by somebody, where the policy says so."""
    for side, remote_id, contact in passage.removed():
        assert passage.effects_on(side, remote_id, EffectKind.DELETE), f"{side} {remote_id} vanished without an effect"
        # A record that was restored has its id in the pair that is gone, too.
        pairs = (one for one in passage.before.links.values() if one.state is not PairState.GONE)
        link = next((one for one in pairs if one.side(side).remote_id == remote_id), None)
        assert link is not None, f"{side} {remote_id} was deleted and never linked"
        other = str(link.side(side.other).remote_id)
        assert other not in passage.before.contacts[side.other], f"{side} {remote_id} deleted, {other} is there"
        assert (side.other, other) in passage.history.deleted, f"nobody deleted {other}"
        assert _carries(passage.policy, side.other), "the policy keeps contacts"
        _untouched(passage, link, side, contact)
        _not_living_on(passage, side.other, other, contact)


def _carries(policy: Policy, deleted: Side) -> bool:
    """The table of the product's rules, written down once more."""
    if policy.deletions is DeletePolicy.KEEP:
        return False
    if deleted is Side.CRM:
        return policy.direction is not Direction.GOOGLE_TO_CRM
    return policy.deletions is DeletePolicy.PROPAGATE and policy.direction is not Direction.CRM_TO_GOOGLE


def _untouched(passage: Passage, link: Link, side: Side, contact: Json) -> None:
    """An edit beats a delete."""
    now = shown(contact, side)
    for name, agreed in passage.history.agreed.get(pair_of(link), {}).items():
        # Entries that nobody mapped may have joined a list.
        assert now[name] == agreed or name not in SINGLE_VALUED, (
            f"{name} was edited from {set(agreed)} to {set(now[name])}, and the contact deleted"
        )


def _not_living_on(passage: Passage, side: Side, gone: str, victim: Json) -> None:
    """Whose address lives on in another contact was merged: no reason to delete."""
    before, history = passage.before, passage.history
    name = _name(victim, side.other)
    for remote_id, other in before.contacts[side].items():
        if history.may_be_unseen(side, remote_id, before.at) or names_conflict(_name(other, side), name):
            continue
        if side is Side.CRM and _is_out_of_sight(passage, remote_id):
            continue
        mail = primary(victim, side.other)
        assert not mail & addresses(other, side) & history.deleted[side, gone], f"{gone} lives on in {remote_id}"


def _is_out_of_sight(passage: Passage, record_id: str) -> bool:
    """Whether no run since the last one could hear of a record: it is outside the view, and nobody touched it."""
    touched, read_at = passage.history.touched.get((Side.CRM, record_id)), passage.sync_before.crm_read_at
    linked = any(link.crm.remote_id == record_id for link in passage.before.links.values())
    return not linked and touched is not None and read_at is not None and touched < read_at


def _name(contact: Json, side: Side) -> str:
    if side is Side.CRM:
        return f"{contact.get('First_Name', '')} {contact.get('Last_Name', '')}"
    return str((contact.get("names") or [{}])[0].get("displayName", ""))


def deletes_stay_within_the_brake(passage: Passage) -> None:
    """I3: no run deletes more than a person would expect, but what he has approved."""
    if passage.run.mode is RunMode.APPROVED_DELETES:
        return
    pairs = sum(1 for link in passage.after.living() if link.crm.in_scope or link.google.in_scope)
    removed = Counter(side for side, _, _ in passage.removed())
    pairs += sum(removed.values())
    for side, number in removed.items():
        assert number <= min(50, max(5, pairs // 10)), f"{number} deleted on {side} of {pairs}"


def the_first_run_deletes_nobody(passage: Passage) -> None:
    """I3: nothing is deleted in a first run, nor in one that reads in full because settings changed."""
    cautious = any(listing.why in {"settings", "token_expired"} for listing in passage.run.listings.values())
    if passage.run.first or cautious:
        assert not list(passage.removed()), "a cautious run deleted somebody"


# --- the run ----------------------------------------------------------------------------------------------------------


def no_more_is_taken_than_allowed(passage: Passage) -> None:
    """I10: pairs that a run writes are at most so many as its limit."""
    written = {effect.link_id for effect in passage.effects if effect.state is not EffectState.PLANNED}
    if passage.run.mode is RunMode.APPROVED_DELETES:
        return
    assert len(written) <= passage.run.limit, f"{len(written)} pairs written, {passage.run.limit} allowed"
    assert passage.run.taken <= passage.run.limit


def nobody_overtakes(passage: Passage) -> None:
    """I10: while a pair waits for want of room, none that began to wait later is carried out."""
    waiting = {i: link for i, link in passage.before.links.items() if _waits(link)}
    passed_over = [
        _place(link)
        for i, link in waiting.items()
        if (now := passage.after.links.get(i)) is not None
        and _waits(now)
        and _place(now) == _place(link)
        # Whose contact is gone although no listing told of it, waits for one that does.
        and all(link.side(s).remote_id in {None, *passage.before.contacts[s]} for s in Side)
    ]
    if not passed_over or passage.run.taken < passage.run.limit or passage.run.mode is RunMode.APPROVED_DELETES:
        return  # what waits for another reason than room is no matter of order
    first = min(passed_over)
    for effect in passage.effects:
        link = passage.before.links.get(effect.link_id)
        if effect.kind is EffectKind.DELETE or (link is not None and (link.hold is not None or link.restoring)):
            continue
        late = link is None or link.pending_since is None or _place(link) > first
        assert not late, f"{effect.link_id} was carried out before one that waited longer"


def _waits(link: Link) -> bool:
    bereaved = {link.crm.presence, link.google.presence} & {Presence.DELETED, Presence.ABSENT}
    whole = link.state in {PairState.LINKED, PairState.SINGLE} and not link.excluded
    return whole and not bereaved and link.pending_since is not None and link.hold is None


def _place(link: Link) -> tuple[datetime, datetime, str]:
    since = link.pending_since
    assert since is not None
    return since, link.pending_order or since, str(link.link_id)


def the_watermark_never_goes_back(passage: Passage) -> None:
    """I8: what was read once is not forgotten."""
    before, after = passage.sync_before, passage.sync_after
    for one, other in (
        (before.crm_watermark, after.crm_watermark),
        (before.crm_full_at, after.crm_full_at),
        (before.google_full_at, after.google_full_at),
    ):
        assert one is None or (other is not None and one <= other), f"{one} became {other}"
    assert before.google_listing <= after.google_listing
    assert before.crm_listing <= after.crm_listing


def pairs_are_pairs(passage: Passage) -> None:
    """I1: no contact is in two living pairs."""
    for side in Side:
        ids = Counter(link.side(side).remote_id for link in passage.after.living() if link.side(side).remote_id)
        for name in passage.history.names.values():  # listed anew while the pair has the former name yet
            ids.pop(name, None)
        shared = {remote_id for remote_id, n in ids.items() if n > 1}
        assert not shared, f"{side} contacts of two pairs: {shared}"


def no_workflow_starts(passage: Passage) -> None:
    """The CRM's automation does not run on our writes unless the user wants it."""
    if not passage.policy.crm_automation:
        assert passage.after.workflow_starts == passage.before.workflow_starts


LAWS_OF_A_RUN: Final[tuple[Callable[[Passage], None], ...]] = (
    nothing_is_invented,
    what_loses_is_in_the_journal,
    only_edits_overwrite,
    the_winner_decides,
    what_is_not_mapped_stays,
    nobody_is_made_twice,
    each_intent_makes_one_contact,
    whatever_changed_is_in_the_ledger,
    new_people_are_in_their_groups,
    deletes_have_their_reason,
    deletes_stay_within_the_brake,
    the_first_run_deletes_nobody,
    no_more_is_taken_than_allowed,
    nobody_overtakes,
    the_watermark_never_goes_back,
    pairs_are_pairs,
    no_workflow_starts,
)


# --- when everything is quiet -----------------------------------------------------------------------------------------


def both_sides_agree(sight: Sight, policy: Policy) -> None:
    """L1: each pair in sync shows the same on both sides, but where a field was left different on purpose."""
    for link in sight.pairs():
        here, there = sight.of(Side.CRM, link.crm.remote_id), sight.of(Side.GOOGLE, link.google.remote_id)
        if link.state is not PairState.LINKED or link.hold is not None or link.excluded:
            continue
        assert here is not None, f"the record of {link.link_id} is gone"
        assert there is not None, f"the person of {link.link_id} is gone"
        ours, theirs = shown(here, Side.CRM), shown(there, Side.GOOGLE)
        for name in FIELDS:
            if not is_mapped(name, policy.mapping) or row_keys(name, policy.mapping) & set(link.diverged):
                continue
            same = ours[name] == theirs[name]
            if name in SINGLE_VALUED and has_several_jobs(there):
                continue
            if name in _LISTS:  # of several entries under one label one is mapped, those under others are the person's
                labels = entries_by_label(there, name)
                same = ours[name] <= set().union(*labels.values()) and all(
                    entries & ours[name] for label, entries in labels.items() if label in _LISTS[name]
                )
            assert same, f"{name} of {link.link_id}: {set(ours[name])} and {set(theirs[name])}"


def pairs_stand_where_their_contacts_do(sight: Sight, policy: Policy, accepted: frozenset[str]) -> None:
    """A pair is in sync when both are in the view and in the group, dormant when one is not."""
    for link in sight.pairs():
        here, there = sight.of(Side.CRM, link.crm.remote_id), sight.of(Side.GOOGLE, link.google.remote_id)
        if here is None or there is None or link.excluded or link.hold is not None:
            continue
        view = sight.in_view(here, accepted) or not link.crm.seen_in_scope
        if link.state is PairState.LINKED:
            assert sight.in_group(there), f"{link.link_id} is in sync, the person is not in the group"
            assert view, f"{link.link_id} is in sync, the record left the view"
        if link.state is PairState.DORMANT and sight.in_group(there) and sight.in_view(here, accepted):
            raise AssertionError(f"{link.link_id} is dormant ({link.reason}) though both are in scope")
    del policy


def nobody_is_overlooked(sight: Sight, policy: Policy, accepted: frozenset[str]) -> None:
    """Whoever is in the view or in the group is of some pair; who stands alone has a reason."""
    known = {side: {link.side(side).remote_id for link in sight.living()} for side in Side}
    for record_id, record in sight.contacts[Side.CRM].items():
        assert not sight.in_view(record, accepted) or record_id in known[Side.CRM], f"{record_id} is overlooked"
    for name, person in sight.contacts[Side.GOOGLE].items():
        assert not sight.in_group(person) or name in known[Side.GOOGLE], f"{name} is overlooked"
    for link in sight.living():
        side = Side.CRM if link.crm.remote_id is not None else Side.GOOGLE
        alone = link.state is PairState.SINGLE and link.side(side).in_scope and link.hold is None
        if alone and not link.excluded and policy.direction.writes(side.other) and shown_mail(sight, link, side):
            raise AssertionError(f"{link.link_id} stands alone without a reason ({link.reason})")


def shown_mail(sight: Sight, link: Link, side: Side) -> bool:
    """Whether the contact of a pair has an address, so that no rule keeps it from being made."""
    contact = sight.of(side, link.side(side).remote_id)
    return contact is not None and bool(addresses(contact, side))


def nothing_waits(sight: Sight) -> None:
    """What is to be done is done, or held for a reason."""
    waiting = {link.link_id for link in sight.living() if _waits(link)}
    assert not waiting, f"still waiting: {waiting}"
