"""What one observation does to a pair."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contactsync.domain.absorb import absorb, absorb_absence, absorb_deletion, relink
from contactsync.domain.canonical import CANONICAL_VERSION
from contactsync.domain.contact import Side
from contactsync.domain.digests import EMPTY_DIGESTS, DigestSet
from contactsync.domain.holds import hold
from contactsync.domain.link import Link, PairState, Presence
from contactsync.domain.mapping import Mapping, crm_field_of
from tests.unit.domain.pairs import (
    MAPPING,
    NOW,
    TWO_WAY,
    WAIT,
    agreed,
    context,
    digests,
    observed,
    pair,
    shown,
)

ADA = {"Last_Name": "Lovelace", "Title": "Countess", "Email": "ada@example.org"}
EDITED = {**ADA, "Title": "Programmer"}


def _at_rest(fields: dict[str, str] = ADA) -> Link:
    link = agreed(fields)
    return replace(link, pending_since=None, pending_order=None)


def _written(minutes_ago: float = 1, **facts: object) -> Link:
    """A pair whose record was written a while ago, confirmed by the CRM's answer alone."""
    link = _at_rest()
    at = NOW - timedelta(minutes=minutes_ago)
    crm = replace(link.crm, written_revision="w", revision="w", written_at=at, modified_at=at, confirmed=False)
    return replace(link, crm=replace(crm, **facts))  # type: ignore[arg-type]  # facts are fields of a side


# --- new contacts ---------------------------------------------------------------------------------------------------


def test_a_contact_in_scope_begins_a_pair() -> None:
    link = absorb(None, observed(ADA), Side.CRM, context())
    assert link is not None
    assert link.state is PairState.SINGLE
    assert (link.crm.presence, link.crm.in_scope, link.crm.seen_in_scope) == (Presence.PRESENT, True, True)
    assert (link.pending_since, link.pending_order) == (NOW, NOW - timedelta(minutes=1))
    assert link.crm.values
    assert link.crm.emails == ("ada@example.org",)


@pytest.mark.parametrize(("in_scope", "gone"), [(False, False), (None, False), (True, True)])
def test_a_contact_out_of_scope_is_of_no_interest(in_scope: bool | None, gone: bool) -> None:  # noqa: FBT001  cases
    assert absorb(None, observed(ADA, in_scope=in_scope, deleted=gone), Side.CRM, context()) is None


def test_a_found_contact_becomes_the_other_side_of_a_pair() -> None:
    link = pair(shown(ADA))
    after = absorb(link, observed(ADA, remote_id="people/c1", in_scope=False), Side.GOOGLE, context())
    assert after is not None
    assert after.state is PairState.LINKED
    assert (after.google.remote_id, after.google.in_scope) == ("people/c1", False)
    assert after.google.base == EMPTY_DIGESTS


# --- edits ----------------------------------------------------------------------------------------------------------


def test_a_moved_revision_without_an_edit_is_nothing_to_do() -> None:
    """C10: opening or mailing a contact moves its time and etag."""
    after = absorb(_at_rest(), observed(ADA, revision="r9", modified_at=NOW), Side.CRM, context())
    assert after is not None
    assert after.pending_since is None
    assert (after.crm.revision, after.crm.values) == ("r9", None)


def test_order_case_and_format_are_no_edit() -> None:
    """C11: white space, e-mail case, composed characters."""
    same = {"Title": " Countess ", "Email": "ADA@example.org", "Last_Name": "Lovelace"}
    after = absorb(_at_rest(), observed(same), Side.CRM, context())
    assert after is not None
    assert after.pending_since is None


def test_an_edit_makes_the_pair_pending_with_its_values() -> None:
    after = absorb(_at_rest(), observed(EDITED), Side.CRM, context())
    assert after is not None
    assert after.pending_since == NOW
    assert after.crm.base == digests(ADA)
    assert after.crm.seen == digests(EDITED)
    assert after.crm.values is not None


def test_a_later_edit_does_not_move_the_place_in_the_order() -> None:
    earlier = NOW - timedelta(days=2)
    link = replace(_at_rest(), pending_since=earlier, pending_order=earlier)
    after = absorb(link, observed(EDITED, modified_at=NOW), Side.CRM, context())
    assert after is not None
    assert (after.pending_since, after.pending_order) == (earlier, earlier)


def test_a_row_added_to_the_mapping_has_no_base_and_is_looked_at() -> None:
    wider = Mapping([row for row in MAPPING if row.crm_field != "Department"])
    link = _at_rest()
    old = replace(link, crm=replace(link.crm, base=digests(ADA).restricted(wider), seen=digests(ADA).restricted(wider)))
    after = absorb(old, observed(ADA), Side.CRM, context())
    assert after is not None
    assert after.pending_since == NOW


def test_a_row_removed_from_the_mapping_takes_its_base_along() -> None:
    fewer = Mapping(row for row in MAPPING if row.crm_field != "Title")
    after = absorb(_at_rest(), observed(ADA, mapping=MAPPING), Side.CRM, context(mapping=fewer))
    assert after is not None
    assert len(after.crm.base) == len(fewer)
    assert after.pending_since is None


# --- echoes and late listings ---------------------------------------------------------------------------------------


def test_an_echo_confirms_the_base_without_anything_to_do() -> None:
    """What the listing shows at the time of our own write becomes the base, whatever was sent."""
    link = _written()
    tidied = {**ADA, "Title": "countess"}
    after = absorb(link, observed(ADA, revision="w", modified_at=link.crm.modified_at), Side.CRM, context())
    assert after is not None
    assert (after.pending_since, after.not_kept) == (None, frozenset())
    after = absorb(link, observed(tidied, revision="w", modified_at=link.crm.modified_at), Side.CRM, context())
    assert after is not None
    assert after.crm.confirmed
    assert after.crm.base == after.crm.seen == digests(tidied)
    # There is something to tell, and nothing to write.
    assert after.pending_since is not None
    assert {crm_field_of(key) for key in after.not_kept} == {"Title"}


def test_an_echo_does_not_swallow_an_edit_of_another_field() -> None:
    """The record's title was edited and not yet carried over when another of its fields was written."""
    link = _written(seen=digests(EDITED))
    after = absorb(link, observed(EDITED, revision="w", modified_at=link.crm.modified_at), Side.CRM, context())
    assert after is not None
    assert after.crm.confirmed
    assert after.crm.base == digests(ADA)
    assert after.pending_since == NOW


def test_an_echo_does_not_swallow_an_edit_in_the_same_second_of_a_field_that_was_not_written() -> None:
    """The e-mail was written, the CRM shows it in its own form; the title was edited before the second was over."""
    email = MAPPING.by_crm("Email")
    assert email is not None
    link = _written(sent=frozenset({email.hash}))
    both = {**EDITED, "Email": "ada.l@example.org"}
    after = absorb(link, observed(both, revision="w", modified_at=link.crm.modified_at), Side.CRM, context())
    assert after is not None
    assert (after.crm.confirmed, after.crm.sent) == (True, frozenset())
    assert after.crm.base == digests({**ADA, "Email": "ada.l@example.org"})
    assert after.crm.seen == digests(both)
    assert after.pending_since == NOW


def test_a_state_older_than_our_write_is_not_believed() -> None:
    link = _written(minutes_ago=5)
    late = observed({"Last_Name": "Old"}, revision="r0", modified_at=NOW - timedelta(minutes=6))
    after = absorb(link, late, Side.CRM, context())
    assert after == link


def test_a_late_full_listing_still_counts_as_having_shown_the_contact() -> None:
    link = _written(minutes_ago=5)
    late = observed({"Last_Name": "Old"}, revision="r0", modified_at=NOW - timedelta(minutes=6))
    after = absorb(link, late, Side.CRM, context(full=True))
    assert after is not None
    assert after.crm == replace(link.crm, listing=7)


def test_a_newer_state_within_the_visibility_wait_is_an_edit() -> None:
    """X9: an edit one second after our write is carried by the next run."""
    link = _written(minutes_ago=5)
    newer = observed(EDITED, revision="r9", modified_at=NOW - timedelta(minutes=5) + timedelta(seconds=1))
    after = absorb(link, newer, Side.CRM, context())
    assert after is not None
    assert after.pending_since == NOW
    assert after.crm.base == digests(ADA)
    assert after.crm.confirmed


def test_after_the_visibility_wait_the_listing_is_believed() -> None:
    link = _written(minutes_ago=16)
    older = observed(EDITED, revision="r0", modified_at=NOW - timedelta(minutes=17))
    after = absorb(link, older, Side.CRM, context())
    assert after is not None
    assert after.pending_since == NOW


def test_a_state_older_than_one_that_was_just_read_is_not_believed() -> None:
    """A record that was read by id, because its list lags; the list comes to an edit before that one."""
    link = _at_rest()
    read = replace(link, crm=replace(link.crm, modified_at=NOW, observed_at=NOW - timedelta(minutes=5)))
    before = observed(EDITED, revision="r0", modified_at=NOW - timedelta(minutes=6))
    assert absorb(read, before, Side.CRM, context()) == read
    long_ago = replace(read, crm=replace(read.crm, observed_at=NOW - timedelta(minutes=16)))
    assert absorb(long_ago, before, Side.CRM, context()) != long_ago
    deleted = replace(read, crm=replace(read.crm, presence=Presence.DELETED))
    assert absorb(deleted, before, Side.CRM, context()) != deleted


def _joined(minutes_ago: float) -> Link:
    """A person that was put into the group, of which no listing has told yet."""
    link = _at_rest()
    google = replace(link.google, written_at=NOW - timedelta(minutes=minutes_ago), seen_in_scope=False, revision="e0")
    return replace(link, google=google)


def test_a_person_put_into_the_group_has_not_left_it_because_a_late_listing_says_so() -> None:
    link = _joined(minutes_ago=5)
    google_time = link.google.modified_at
    outside = observed({}, remote_id="people/c1", revision="e0", in_scope=False, modified_at=google_time)
    after = absorb(link, outside, Side.GOOGLE, context())
    assert after is not None
    assert after.google.in_scope
    assert after.pending_since is None


def test_a_person_edited_since_and_outside_the_group_has_left_it() -> None:
    outside = observed({}, remote_id="people/c1", revision="e1", in_scope=False, modified_at=NOW)
    after = absorb(_joined(minutes_ago=5), outside, Side.GOOGLE, context())
    assert after is not None
    assert not after.google.in_scope
    assert after.pending_since == NOW


# --- scope ----------------------------------------------------------------------------------------------------------


def test_leaving_the_group_keeps_what_was_seen_and_asks_for_a_decision() -> None:
    """Of a person outside the group a listing shows no values: nothing was emptied."""
    link = _at_rest()
    outside = observed({}, remote_id="people/c1", revision="e2", in_scope=False)
    after = absorb(link, outside, Side.GOOGLE, context())
    assert after is not None
    assert (after.google.in_scope, after.google.seen_in_scope) == (False, True)
    assert after.google.seen == digests(ADA)
    assert after.pending_since == NOW


def test_a_record_made_by_the_sync_is_in_scope_until_it_was_seen_in_the_view_and_left() -> None:
    made = _written(minutes_ago=60, seen_in_scope=False)
    outside = observed(ADA, revision="r9", in_scope=False)
    still = absorb(made, outside, Side.CRM, context())
    assert still is not None
    assert still.crm.in_scope
    seen = absorb(still, observed(ADA, revision="r10"), Side.CRM, context())
    left = absorb(seen, observed(ADA, revision="r11", in_scope=False), Side.CRM, context())
    assert left is not None
    assert not left.crm.in_scope


def test_a_listing_that_cannot_tell_the_scope_leaves_it_as_it_was() -> None:
    after = absorb(_at_rest(), observed(EDITED, in_scope=None), Side.CRM, context(full=True))
    assert after is not None
    assert after.crm.in_scope
    assert after.crm.listing == 0


@pytest.mark.parametrize("state", [PairState.DORMANT, PairState.RELEASED])
def test_edits_of_a_pair_that_is_not_written_are_only_noted(state: PairState) -> None:
    link = replace(_at_rest(), state=state)
    after = absorb(link, observed(EDITED), Side.CRM, context(full=True))
    assert after is not None
    assert after.pending_since is None
    assert after.crm.seen == digests(EDITED)


def test_a_dormant_pair_that_comes_back_into_scope_is_decided() -> None:
    link = replace(_at_rest(), state=PairState.DORMANT)
    link = replace(link, crm=replace(link.crm, in_scope=False))
    after = absorb(link, observed(ADA), Side.CRM, context())
    assert after is not None
    assert after.pending_since == NOW


def test_a_dormant_pair_that_never_agreed_is_asked_about_once_a_day() -> None:
    link = replace(pair(shown(ADA), shown(ADA)), state=PairState.DORMANT, pending_since=None)
    assert absorb(link, observed(ADA), Side.CRM, context()).pending_since is None  # type: ignore[union-attr]
    assert absorb(link, observed(ADA), Side.CRM, context(full=True)).pending_since == NOW  # type: ignore[union-attr]


# --- deletions ------------------------------------------------------------------------------------------------------


def test_a_deletion_makes_the_pair_pending() -> None:
    after = absorb_deletion(_at_rest(), Side.CRM, NOW, context())
    assert after.crm.presence is Presence.DELETED
    assert (after.crm.in_scope, after.crm.values) == (False, None)
    assert after.pending_since == NOW
    assert absorb_deletion(after, Side.CRM, NOW, context()) is after


def test_a_tombstone_of_the_listing_is_a_deletion() -> None:
    gone = observed({}, remote_id="people/c1", deleted=True, in_scope=None)
    after = absorb(_at_rest(), gone, Side.GOOGLE, context())
    assert after is not None
    assert after.google.presence is Presence.DELETED


def test_a_tombstone_under_the_old_name_of_a_renamed_person_is_none() -> None:
    link = _at_rest()
    renamed = absorb(link, observed(ADA, remote_id="people/c2", previous_ids=("people/c1",)), Side.GOOGLE, context())
    assert renamed is not None
    assert renamed.google.remote_id == "people/c2"
    after = absorb(renamed, observed({}, remote_id="people/c1", deleted=True), Side.GOOGLE, context())
    assert after is renamed


def test_a_record_restored_after_its_deletion_record_is_there() -> None:
    link = _at_rest()
    assert link.crm.modified_at is not None
    earlier = link.crm.modified_at - timedelta(seconds=1)
    assert absorb_deletion(link, Side.CRM, earlier, context()) is link


def test_a_deleted_contact_that_is_seen_again_is_decided() -> None:
    gone = replace(absorb_deletion(_at_rest(), Side.CRM, NOW, context()), pending_since=None, state=PairState.RELEASED)
    after = absorb(gone, observed(ADA), Side.CRM, context())
    assert after is not None
    assert after.crm.presence is Presence.PRESENT
    assert after.pending_since == NOW


# --- absence --------------------------------------------------------------------------------------------------------


def test_a_person_who_is_not_in_the_whole_account_is_gone() -> None:
    after = absorb_absence(_at_rest(), Side.GOOGLE, context(full=True))
    assert after.google.presence is Presence.ABSENT
    assert after.pending_since == NOW
    deleted = absorb_deletion(after, Side.GOOGLE, NOW, context())
    assert deleted.google.presence is Presence.DELETED


def test_a_record_that_is_not_in_the_view_has_left_it() -> None:
    """C8: leaving a view is never a delete."""
    after = absorb_absence(_at_rest(), Side.CRM, context(full=True))
    assert (after.crm.presence, after.crm.in_scope) == (Presence.PRESENT, False)
    assert after.pending_since == NOW


def test_a_record_made_by_the_sync_and_never_seen_in_the_view_has_not_left_it() -> None:
    link = _written(minutes_ago=60, seen_in_scope=False)
    assert absorb_absence(link, Side.CRM, context(full=True)) is link


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("listing_started", "proves"),
    [
        (NOW, False),
        (NOW - timedelta(hours=1), False),
        (NOW + WAIT - timedelta(seconds=1), False),
        (NOW + WAIT, True),
    ],
)
def test_absence_proves_nothing_about_what_was_written_meanwhile(
    side: Side, listing_started: datetime, *, proves: bool
) -> None:
    """C7: a listing right after a create, or one that began before it, does not show the contact yet."""
    link = _at_rest()
    written = replace(link.side(side), written_at=NOW)
    link = replace(link, crm=written) if side is Side.CRM else replace(link, google=written)
    after = absorb_absence(link, side, context(full=True, listing_started=listing_started))
    assert (after is not link) is proves


# --- holds, merges, versions ----------------------------------------------------------------------------------------


def test_a_hold_lasts_until_what_it_speaks_of_changes() -> None:
    held = hold(_at_rest(), "possible_duplicate", TWO_WAY, NOW)
    same = absorb(held, observed(ADA, revision="r5"), Side.CRM, context(version=1))
    assert same is not None
    assert same.hold == held.hold
    edited = absorb(held, observed(EDITED), Side.CRM, context(version=1))
    assert edited is not None
    assert edited.hold is None
    assert edited.pending_since == NOW


def test_new_settings_lift_a_hold() -> None:
    held = hold(_at_rest(), "value_does_not_fit", TWO_WAY, NOW)
    after = absorb(held, observed(ADA), Side.CRM, context(version=2))
    assert after is not None
    assert after.hold is None
    kept = absorb(held, observed(ADA), Side.CRM, context(version=None))
    assert kept is not None
    assert kept.hold is not None


def test_the_surviving_contact_of_a_merge_carries_the_pair_on() -> None:
    """C27, C28: the pair keeps the other side's contact, what the survivor shows differently counts as edited."""
    gone = absorb_deletion(_at_rest(), Side.CRM, NOW, context())
    after = relink(gone, observed(EDITED, remote_id="2"), Side.CRM, context())
    assert (after.crm.remote_id, after.crm.presence) == ("2", Presence.PRESENT)
    assert after.crm.base == digests(ADA)
    assert after.google == gone.google


def _older(made: DigestSet) -> DigestSet:
    return DigestSet.unpack(bytes([CANONICAL_VERSION - 1]) + bytes(len(made.pack()) - 1))


def test_digests_of_older_rules_are_replaced_without_a_decision() -> None:
    link = _at_rest()
    old = _older(link.crm.base)
    link = replace(link, crm=replace(link.crm, base=old, seen=old))
    after = absorb(link, observed(ADA, revision="r1"), Side.CRM, context())
    assert after is not None
    assert after.crm.base == after.crm.seen == digests(ADA)
    assert after.pending_since is None


def test_a_contact_that_moved_since_the_older_rules_has_no_base() -> None:
    link = _at_rest()
    old = _older(link.crm.base)
    link = replace(link, crm=replace(link.crm, base=old, seen=old))
    after = absorb(link, observed(EDITED, revision="r2"), Side.CRM, context())
    assert after is not None
    assert after.pending_since == NOW
    assert after.crm.base.get(MAPPING.rows[0].key) is None
