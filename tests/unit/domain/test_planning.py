"""What is done about a pair, and what a provider's answer leaves behind. The tables are checked in test_decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contactsync.domain.absorb import absorb
from contactsync.domain.changed import is_known_by_digests
from contactsync.domain.contact import Side
from contactsync.domain.digests import EMPTY_DIGESTS, Digester
from contactsync.domain.effect import EffectKind, Intent
from contactsync.domain.holds import MAX_TRIES, hold, is_due, refuse
from contactsync.domain.link import Hold, Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import Mapping, RowDirection, default_mapping
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, Direction, NoEmailRule, Policy
from contactsync.domain.settling import Confirmation, confirm
from tests.unit.domain.pairs import (
    DIGESTER,
    MAPPING,
    NOW,
    TWO_WAY,
    WIDE_MAPPING,
    agreed,
    carry_out,
    context,
    decided,
    deleted,
    digests,
    intents,
    keyed,
    observed,
    pair,
    shown,
    shows,
)

ADA = {"First_Name": "Ada", "Last_Name": "Lovelace", "Email": "ada@example.org", "Title": "Countess"}
PERSON = "people/c1"
CREATE_GOOGLE = (Side.GOOGLE, EffectKind.CREATE)
CREATE_CRM = (Side.CRM, EffectKind.CREATE)
UPDATE_GOOGLE = (Side.GOOGLE, EffectKind.UPDATE)
UPDATE_CRM = (Side.CRM, EffectKind.UPDATE)
JOIN = (Side.GOOGLE, EffectKind.JOIN_GROUP)

PROPAGATE = replace(TWO_WAY, deletions=DeletePolicy.PROPAGATE)
GOOGLE_WINS = replace(TWO_WAY, conflict_winner=Side.GOOGLE)
TO_GOOGLE = replace(TWO_WAY, direction=Direction.CRM_TO_GOOGLE)
TO_CRM = replace(TWO_WAY, direction=Direction.GOOGLE_TO_CRM)


# --- creating -------------------------------------------------------------------------------------------------------


def test_a_record_is_made_a_person_with_its_mapped_values() -> None:
    link = pair(shown(ADA))
    decision = decided(link)
    assert intents(decision) == {CREATE_GOOGLE: ADA}
    assert (decision.outcome, decision.takes) == (Outcome.CREATED, True)
    after = carry_out(decision)
    assert (after.state, after.pending_since) == (PairState.LINKED, None)
    assert after.google.base == after.crm.base == digests(ADA)
    assert (after.google.in_scope, after.google.seen_in_scope) == (True, False)
    assert decided(after).outcome is Outcome.UNCHANGED


def test_a_person_is_made_a_record_whose_base_is_unconfirmed() -> None:
    after = carry_out(decided(pair(google=shown(ADA, remote_id=PERSON))))
    assert not after.crm.confirmed
    assert after.crm.written_revision == after.crm.revision == "w0"
    assert after.crm.base == digests(ADA)
    assert {key.kind for key in after.crm.keys} == {"strong_email"}
    assert after.crm.name == "Ada Lovelace"


def test_what_does_not_fit_is_left_out_and_the_rest_is_made() -> None:
    decision = decided(pair(google=shown({**ADA, "Title": "x" * 101}, remote_id=PERSON)))
    assert "Title" not in intents(decision)[CREATE_CRM]
    assert list(decision.left_out.values()) == ["value_does_not_fit"]
    after = carry_out(decision)
    assert decided(after).intents == ()


def test_a_narrowed_row_does_not_flow_to_a_new_contact() -> None:
    rows = [replace(row, direction=RowDirection.GOOGLE_TO_CRM) if row.crm_field == "Title" else row for row in MAPPING]
    policy = replace(TWO_WAY, mapping=Mapping(rows))
    assert "Title" not in intents(decided(pair(shown(ADA)), policy))[CREATE_GOOGLE]


def test_new_records_get_the_configured_values_where_the_person_has_none() -> None:
    policy = replace(TWO_WAY, crm_values={"Title": "Unknown", "Department": "Sales", "Lead_Source": "Google"})
    decision = decided(pair(google=shown(ADA, remote_id=PERSON)), policy)
    assert intents(decision)[CREATE_CRM] == {**ADA, "Department": "Sales", "Lead_Source": "Google"}
    after = carry_out(decision)
    assert decided(after, policy).intents == ()
    assert intents(decided(pair(shown(ADA)), policy)) == {CREATE_GOOGLE: ADA}


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (NoEmailRule.MATCH, Outcome.CREATED),
        (NoEmailRule.CREATE, Outcome.CREATED),
        (NoEmailRule.SKIP, Outcome.SKIPPED),
    ],
)
@pytest.mark.parametrize("side", list(Side))
def test_contacts_without_an_address_follow_their_rule(rule: NoEmailRule, outcome: Outcome, side: Side) -> None:
    alone = shown({"Last_Name": "Lovelace"})
    link = pair(crm=alone) if side is Side.CRM else pair(google=alone)
    decision = decided(link, replace(TWO_WAY, no_email=rule))
    assert decision.outcome is outcome
    assert decision.reason == ("no_email_skipped" if outcome is Outcome.SKIPPED else "")


def test_a_skipped_contact_is_decided_again_when_it_is_seen_again() -> None:
    link = decided(pair(shown({"Last_Name": "X"})), replace(TWO_WAY, no_email=NoEmailRule.SKIP)).link
    assert link.pending_since is None
    again = absorb(link, observed({"Last_Name": "X"}), Side.CRM, context())
    assert again is not None
    assert again.pending_since == NOW


def test_a_contact_in_which_nothing_identifies_a_person_is_skipped() -> None:
    decision = decided(pair(google=shown({"Title": "Countess"}, remote_id=PERSON)))
    assert (decision.outcome, decision.reason, decision.takes) == (Outcome.SKIPPED, "nothing_identifies", False)
    assert decision.link.pending_since is None


def test_values_that_were_not_read_are_never_taken_for_empty_ones() -> None:
    with pytest.raises(ValueError, match="were read"):
        decided(pair(replace(shown(ADA), values=None)))
    edited = agreed(ADA, crm={**ADA, "Title": "Programmer"})
    with pytest.raises(ValueError, match="were not read"):
        decided(replace(edited, crm=replace(edited.crm, values=None)))
    decision = decided(replace(edited, google=replace(edited.google, values=None)))
    assert intents(decision) == {UPDATE_GOOGLE: {"Title": "Programmer"}}


# --- stand-ins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"First_Name": "Ada", "Email": "a@x.org"}, {"Last_Name": "Ada", "Email": "a@x.org"}),
        (
            {"Account_Name": "Acme", "Email": "a@x.org"},
            {"Last_Name": "Acme", "Account_Name": "Acme", "Email": "a@x.org"},
        ),
        ({"Email": "ada.l@x.org"}, {"Last_Name": "ada.l", "Email": "ada.l@x.org"}),
        ({"Phone": "+1 415 555 0100"}, {"Last_Name": "+1 415 555 0100", "Phone": "+1 415 555 0100"}),
        (
            {"First_Name": "Ada", "Last_Name": "x" * 81},
            {"Last_Name": "Ada"},
        ),
    ],
)
def test_something_stands_for_a_missing_last_name(fields: dict[str, str], sent: dict[str, str]) -> None:
    decision = decided(pair(google=shown(fields, remote_id=PERSON)))
    assert intents(decision)[CREATE_CRM] == sent
    after = carry_out(decision)
    assert decided(after).intents == ()


def test_an_address_that_is_not_mapped_stands_in_too() -> None:
    google = shown({"Title": "Countess"}, remote_id=PERSON, emails=("ada@other.example",))
    assert intents(decided(pair(google=google)))[CREATE_CRM]["Last_Name"] == "ada"


def _with_stand_in(fields: dict[str, str]) -> Link:
    return carry_out(decided(pair(google=shown(fields, remote_id=PERSON))))


def _edit_google(link: Link, fields: dict[str, str]) -> Link:
    after = absorb(link, observed(fields, remote_id=PERSON, revision="e9", modified_at=NOW), Side.GOOGLE, context())
    assert after is not None
    return replace(after, crm=replace(after.crm, values=None))


def test_a_stand_in_gives_way_to_a_real_name_and_brings_the_given_name_along() -> None:
    link = _edit_google(
        _with_stand_in({"First_Name": "Ada", "Email": "a@x.org"}),
        {"First_Name": "Ada", "Last_Name": "Lovelace", "Email": "a@x.org"},
    )
    assert intents(decided(link)) == {UPDATE_CRM: {"First_Name": "Ada", "Last_Name": "Lovelace"}}


def test_a_given_name_that_is_edited_stays_the_stand_in() -> None:
    link = _edit_google(
        _with_stand_in({"First_Name": "Ada", "Email": "a@x.org"}), {"First_Name": "Augusta", "Email": "a@x.org"}
    )
    decision = decided(link)
    assert intents(decision) == {UPDATE_CRM: {"Last_Name": "Augusta"}}
    assert decided(carry_out(decision)).intents == ()


def test_a_given_name_that_arrives_replaces_a_lesser_stand_in() -> None:
    link = _edit_google(_with_stand_in({"Email": "a@x.org"}), {"First_Name": "Ada", "Email": "a@x.org"})
    assert intents(decided(link)) == {UPDATE_CRM: {"Last_Name": "Ada"}}


def test_a_stand_in_does_not_travel_back_when_records_made_long_ago_are_linked_again() -> None:
    """The state was lost; the record shows the given name as its last name."""
    link = pair(
        shown({"Last_Name": "Ada", "Email": "a@x.org"}),
        shown({"First_Name": "Ada", "Email": "a@x.org"}, remote_id=PERSON),
    )
    decision = decided(link)
    assert decision.intents == ()
    assert decision.outcome is Outcome.LINKED


def test_a_person_who_types_a_real_name_in_the_crm_is_believed() -> None:
    link = _with_stand_in({"First_Name": "Ada", "Email": "a@x.org"})
    typed = observed(
        {"First_Name": "Ada", "Last_Name": "Lovelace", "Email": "a@x.org"},
        remote_id=link.crm.remote_id,
        revision="z",
        modified_at=NOW + timedelta(minutes=1),
    )
    after = absorb(link, typed, Side.CRM, context())
    assert after is not None
    assert intents(decided(after)) == {UPDATE_GOOGLE: {"Last_Name": "Lovelace"}}


def test_a_family_name_that_is_emptied_leaves_the_mandatory_field_alone() -> None:
    link = agreed(ADA, google={name: text for name, text in ADA.items() if name != "Last_Name"})
    decision = decided(link)
    assert decision.intents == ()
    assert list(decision.left_out.values()) == ["value_does_not_fit"]


# --- merging --------------------------------------------------------------------------------------------------------


def test_edits_of_both_sides_meet_field_by_field() -> None:
    link = agreed(ADA, crm={**ADA, "Title": "Programmer"}, google={**ADA, "Department": "Engines"})
    decision = decided(link)
    assert intents(decision) == {UPDATE_GOOGLE: {"Title": "Programmer"}, UPDATE_CRM: {"Department": "Engines"}}
    assert decision.intents[1].before == keyed({"Title": "Countess"})
    after = carry_out(decision)
    assert shows(after, Side.CRM) == shows(after, Side.GOOGLE)
    assert (after.pending_since, decided(after).outcome) == (None, Outcome.UNCHANGED)


def test_a_pair_with_one_of_two_writes_confirmed_is_still_pending() -> None:
    link = agreed(ADA, crm={**ADA, "Title": "Programmer"}, google={**ADA, "Department": "Engines"})
    decision = decided(link)
    half = carry_out(replace(decision, intents=decision.intents[:1]))
    assert half.pending_since is not None
    assert intents(decided(half)) == {UPDATE_GOOGLE: {"Title": "Programmer"}}


def test_what_was_sent_is_remembered_until_its_echo_and_of_a_new_record_everything_was() -> None:
    title, department = MAPPING.by_crm("Title"), MAPPING.by_crm("Department")
    assert title is not None
    assert department is not None
    once = carry_out(decided(agreed(ADA, google={**ADA, "Title": "Programmer"})))
    assert once.crm.sent == {title.hash}
    again = replace(
        once,
        pending_since=NOW,
        google=replace(once.google, **_showing({**ADA, "Title": "Programmer", "Department": "Engines"})),
    )
    assert carry_out(decided(again)).crm.sent == {title.hash, department.hash}

    made = carry_out(decided(pair(google=shown(ADA, remote_id=PERSON))))
    edited = replace(made, pending_since=NOW, google=replace(made.google, **_showing({**ADA, "Title": "Programmer"})))
    after = carry_out(decided(edited))
    assert (after.crm.confirmed, after.crm.sent) == (False, frozenset())


def _showing(values: dict[str, str]) -> dict[str, Any]:
    """What a side shows now."""
    return {"seen": digests(values), "values": keyed(values)}


def test_an_edit_made_while_the_write_was_under_way_stays_an_edit() -> None:
    decision = decided(agreed(ADA, crm={**ADA, "Title": "Programmer"}))
    edited_since = digests({**ADA, "Title": "Analyst"})
    link = replace(decision.link, crm=replace(decision.link.crm, seen=edited_since))
    after = carry_out(replace(decision, link=link))
    assert after.pending_since is not None
    assert after.crm.base == digests({**ADA, "Title": "Programmer"})


def test_the_first_match_fills_blanks_and_lets_the_winner_decide() -> None:
    crm = {"Last_Name": "Lovelace", "Email": "ada@example.org", "Title": "Countess"}
    google = {"Last_Name": "Lovelace", "Email": "ada@example.org", "Title": "Programmer", "Department": "Engines"}
    decision = decided(pair(shown(crm), shown(google, remote_id=PERSON)))
    assert intents(decision) == {UPDATE_CRM: {"Department": "Engines"}, UPDATE_GOOGLE: {"Title": "Countess"}}
    assert decision.intents[1].before == keyed({"Title": "Programmer"})
    other = decided(pair(shown(crm), shown(google, remote_id=PERSON)), GOOGLE_WINS)
    assert intents(other) == {UPDATE_CRM: {"Department": "Engines", "Title": "Programmer"}}


def test_linking_equal_contacts_takes_the_pair_and_writes_nothing() -> None:
    decision = decided(pair(shown(ADA), shown(ADA, remote_id=PERSON)))
    assert (decision.outcome, decision.takes, decision.intents) == (Outcome.LINKED, True, ())
    assert decision.link.crm.base == decision.link.google.base == digests(ADA)
    assert decision.link.pending_since is None


def test_a_value_that_the_other_side_cannot_hold_is_left_out_once() -> None:
    """C25, C31: it stays where it is, and the pair comes to rest."""
    fields = {**ADA, "Date_of_Birth": "1975-06-20"}
    link = pair(
        shown(fields, base=fields, mapping=WIDE_MAPPING),
        shown({**ADA, "Date_of_Birth": "--06-20"}, base=fields, mapping=WIDE_MAPPING, remote_id=PERSON),
    )
    policy = replace(TWO_WAY, mapping=WIDE_MAPPING)
    decision = decided(link, policy)
    assert decision.intents == ()
    assert list(decision.left_out) == ["Date_of_Birth=birthdays"]
    assert decided(decision.link, policy).left_out == {}


def test_a_contact_that_this_user_may_not_write_is_skipped_and_asked_about_when_seen_again() -> None:
    link = agreed(ADA, google={**ADA, "Title": "Programmer"})
    link = replace(link, crm=replace(link.crm, read_only="locked"))
    decision = decided(link)
    assert (decision.outcome, decision.reason, decision.intents) == (Outcome.SKIPPED, "locked", ())
    again = absorb(decision.link, observed({**ADA, "Title": "Programmer"}, remote_id=PERSON), Side.GOOGLE, context())
    assert again is not None
    assert again.pending_since == NOW


def test_a_hand_edit_of_a_one_way_target_stays_until_the_source_changes_that_field() -> None:
    link = agreed(ADA, google={**ADA, "Title": "Programmer"})
    decision = decided(link, TO_GOOGLE)
    assert (decision.intents, decision.outcome) == ((), Outcome.UNCHANGED)
    assert [key.partition("=")[0] for key in decision.link.diverged] == ["Title"]
    edited = absorb(decision.link, observed({**ADA, "Title": "Analyst"}), Side.CRM, context())
    assert edited is not None
    crm_wins = decided(edited, TO_GOOGLE)
    assert intents(crm_wins) == {UPDATE_GOOGLE: {"Title": "Analyst"}}
    assert carry_out(crm_wins).diverged == frozenset()
    google_wins = decided(edited, replace(TO_GOOGLE, conflict_winner=Side.GOOGLE))
    assert google_wins.intents == ()
    assert google_wins.link.diverged == decision.link.diverged


# --- adopting -------------------------------------------------------------------------------------------------------


def _found_outside(google: dict[str, str]) -> Link:
    return pair(shown(ADA), shown(google, remote_id=PERSON, in_scope=False, seen_in_scope=False))


def test_a_person_found_outside_the_group_is_filled_joined_and_gives_nothing_to_the_crm() -> None:
    link = _found_outside({"Last_Name": "Lovelace", "Email": "ada@example.org", "Department": "private"})
    decision = decided(link)
    assert intents(decision) == {UPDATE_GOOGLE: {"First_Name": "Ada", "Title": "Countess"}, JOIN: {}}
    assert (decision.outcome, decision.reason, decision.takes) == (Outcome.UPDATED, "adopted", True)
    after = carry_out(decision)
    assert (after.google.in_scope, after.pending_since, after.reason) == (True, None, "")
    assert decided(after).intents == ()
    assert "Department" not in shows(after, Side.CRM)


def test_a_differing_field_of_an_adopted_person_follows_the_winner() -> None:
    google = {**ADA, "Title": "Programmer"}
    assert intents(decided(_found_outside(google))) == {UPDATE_GOOGLE: {"Title": "Countess"}, JOIN: {}}
    kept = decided(_found_outside(google), GOOGLE_WINS)
    assert intents(kept) == {JOIN: {}}
    assert [key.partition("=")[0] for key in kept.link.diverged] == ["Title"]


def test_what_somebody_edits_in_an_adopted_person_later_does_enter_the_crm() -> None:
    after = carry_out(decided(_found_outside({**ADA, "Title": "Programmer"}), GOOGLE_WINS))
    edited = absorb(
        after, observed({**ADA, "Title": "Analyst"}, remote_id=PERSON, modified_at=NOW), Side.GOOGLE, context()
    )
    assert edited is not None
    assert intents(decided(edited, GOOGLE_WINS)) == {UPDATE_CRM: {"Title": "Analyst"}}


def test_an_adoption_that_was_interrupted_before_joining_goes_on() -> None:
    decision = decided(_found_outside({"Last_Name": "Lovelace", "Email": "ada@example.org"}))
    half = carry_out(replace(decision, intents=decision.intents[:1]))
    assert half.pending_since is not None
    assert intents(decided(half)) == {JOIN: {}}


# --- deletes --------------------------------------------------------------------------------------------------------


def _crm_deleted(google: dict[str, str] | None = None) -> Link:
    return pair(deleted(ADA), shown(google or ADA, base=ADA, remote_id=PERSON))


def test_a_delete_is_carried_over_with_what_it_deletes() -> None:
    decision = decided(_crm_deleted(), PROPAGATE)
    (intent,) = decision.intents
    assert (intent.side, intent.kind) == (Side.GOOGLE, EffectKind.DELETE)
    assert intent.before == keyed(ADA)
    after = carry_out(decision)
    assert (after.state, after.google.presence, after.pending_since) == (PairState.GONE, Presence.DELETED, None)


def test_an_edit_beats_a_delete() -> None:
    decision = decided(_crm_deleted({**ADA, "Title": "Programmer"}), PROPAGATE)
    assert intents(decision) == {CREATE_CRM: {**ADA, "Title": "Programmer"}}
    assert (decision.outcome, decision.reason) == (Outcome.CREATED, "made_again")
    after = carry_out(decision)
    assert (after.state, after.crm.remote_id) == (PairState.LINKED, "new-crm")


@pytest.mark.parametrize("google", [ADA, {**ADA, "Title": "Programmer"}])
def test_a_run_that_may_not_delete_leaves_the_pair_waiting(google: dict[str, str]) -> None:
    link = _crm_deleted(google)
    for decision in (decided(link, PROPAGATE, first=True), decided(link, replace(PROPAGATE, deletes_allowed=False))):
        assert (decision.outcome, decision.reason, decision.intents) == (Outcome.WAITING, "deletes_deferred", ())
        assert decision.link.pending_since is not None


def test_a_contact_that_was_never_agreed_with_is_never_deleted() -> None:
    """C9, D10."""
    decision = decided(pair(deleted(), shown(ADA, remote_id=PERSON)), PROPAGATE)
    assert (decision.link.state, decision.intents) == (PairState.RELEASED, ())


def test_a_locked_record_is_not_deleted_but_held() -> None:
    link = pair(shown(ADA, base=ADA, read_only="locked"), deleted(ADA))
    decision = decided(link, PROPAGATE)
    assert (decision.outcome, decision.reason, decision.intents) == (Outcome.HELD, "locked", ())


def test_a_released_pair_is_not_made_again_by_later_edits() -> None:
    """C44: a deleted contact does not reappear."""
    released = decided(_crm_deleted()).link
    assert (released.state, released.reason) == (PairState.RELEASED, "kept_after_deletion")
    edited = absorb(released, observed({**ADA, "Title": "Programmer"}, remote_id=PERSON), Side.GOOGLE, context())
    assert edited is not None
    for policy in (TWO_WAY, PROPAGATE):
        assert decided(edited, policy).intents == ()
        assert decided(edited, policy).link.state is PairState.RELEASED


def test_a_released_pair_whose_contact_is_restored_is_merged_against_its_base() -> None:
    released = decided(_crm_deleted()).link
    restored = absorb(released, observed({**ADA, "Title": "Programmer"}), Side.CRM, context())
    assert restored is not None
    decision = decided(restored)
    assert decision.link.state is PairState.LINKED
    assert intents(decision) == {UPDATE_GOOGLE: {"Title": "Programmer"}}


def test_a_pair_of_which_both_sides_are_deleted_is_gone() -> None:
    decision = decided(pair(deleted(ADA), deleted(ADA)))
    assert (decision.link.state, decision.outcome, decision.reason) == (PairState.GONE, Outcome.DELETED, "gone")
    assert decided(decision.link).outcome is Outcome.UNCHANGED


# --- marks ----------------------------------------------------------------------------------------------------------


def test_nothing_is_written_to_an_excluded_pair() -> None:
    link = replace(agreed(ADA, crm={**ADA, "Title": "Programmer"}), excluded=True)
    decision = decided(link)
    assert (decision.outcome, decision.reason, decision.intents) == (Outcome.SKIPPED, "excluded", ())
    assert decision.link.crm.base == digests(ADA)


def test_a_held_pair_is_left_alone_until_its_time() -> None:
    link = agreed(ADA, crm={**ADA, "Title": "Programmer"})
    held = hold(link, "possible_duplicate", TWO_WAY, NOW)
    assert (decided(held).outcome, decided(held).reason) == (Outcome.HELD, "possible_duplicate")
    assert decided(held).link is held
    timed = hold(link, "google_account_full", TWO_WAY, NOW, retry_after=timedelta(hours=1))
    assert decided(timed).outcome is Outcome.HELD
    later = decided(timed, now=NOW + timedelta(hours=1))
    assert intents(later) == {UPDATE_GOOGLE: {"Title": "Programmer"}}
    assert carry_out(later).hold is None


def test_a_refusal_is_tried_again_daily_for_a_week_and_then_waits_for_a_change() -> None:
    link = agreed(ADA, crm={**ADA, "Title": "Programmer"})
    now = NOW
    for tries in range(1, MAX_TRIES + 1):
        (intent,) = decided(link, now=now).intents
        link = refuse(link, intent, "rejected_by_provider", "too odd", TWO_WAY, now)
        assert link.hold is not None
        assert (link.hold.tries, link.hold.since, link.hold.failed) == (tries, NOW, True)
        assert decided(link, now=now).outcome is Outcome.FAILED
        assert not is_due(link.hold, now + timedelta(hours=23))
        now += timedelta(days=1)
        assert is_due(link.hold, now)
    (intent,) = decided(link, now=now).intents
    last = refuse(link, intent, "rejected_by_provider", "too odd", TWO_WAY, now)
    assert last.hold is not None
    assert last.hold.retry_at is None
    assert last.hold.provider_message == "too odd"


def test_a_refusal_of_something_else_is_counted_anew() -> None:
    link = agreed(ADA, crm={**ADA, "Title": "Programmer"})
    (intent,) = decided(link).intents
    first = refuse(link, intent, "rejected_by_provider", "", TWO_WAY, NOW)
    edited = replace(first, crm=replace(first.crm, seen=digests({**ADA, "Title": "Analyst"})))
    again = refuse(edited, intent, "rejected_by_provider", "", TWO_WAY, NOW + timedelta(days=3))
    assert again.hold is not None
    assert (again.hold.tries, again.hold.since) == (1, NOW + timedelta(days=3))


# --- answers --------------------------------------------------------------------------------------------------------


def _confirm(link: Link, intent: Intent, **facts: Any) -> Link:  # noqa: ANN401  of the answer
    remote_id = link.side(intent.side).remote_id or "new"
    answer = Confirmation(remote_id=remote_id, revision="w", modified_at=NOW, **facts)
    return confirm(link, intent, answer, digester=DIGESTER, mapping=MAPPING, now=NOW)


def test_what_google_made_of_a_value_is_its_base_and_not_an_edit() -> None:
    decision = decided(agreed(ADA, crm={**ADA, "Title": "Programmer"}))
    tidied = observed({**ADA, "Title": "programmer!"}, remote_id=PERSON)
    after = _confirm(decision.link, decision.intents[0], observation=tidied)
    assert after.pending_since is None
    assert after.google.base == after.google.seen == digests({**ADA, "Title": "programmer!"})
    assert after.crm.base == digests({**ADA, "Title": "Programmer"})
    assert decided(after).intents == ()


def test_a_field_that_the_connector_left_out_comes_to_rest() -> None:
    """A company that the CRM does not know stays in Google alone and is not asked about in every run."""
    decision = decided(agreed(ADA, google={**ADA, "Account_Name": "Acme", "Title": "Programmer"}))
    company = MAPPING.by_crm("Account_Name")
    assert company is not None
    after = _confirm(decision.link, decision.intents[0], left_out=[company.key])
    assert after.pending_since is None
    assert after.crm.base.get(company.key) == DIGESTER.empty
    assert decided(after).intents == ()


def test_a_create_without_a_field_that_the_connector_left_out_comes_to_rest() -> None:
    decision = decided(pair(google=shown({**ADA, "Account_Name": "Acme"}, remote_id=PERSON)))
    company = MAPPING.by_crm("Account_Name")
    assert company is not None
    after = _confirm(decision.link, decision.intents[0], left_out=[company.key])
    assert after.crm.base.get(company.key) == DIGESTER.empty
    assert decided(after).intents == ()


def test_joining_the_group_does_not_guess_a_revision() -> None:
    link = carry_out(decided(pair(shown(ADA), shown(ADA, remote_id=PERSON, in_scope=False))))
    assert link.google.revision == "r1"
    assert link.google.written_at == NOW


def test_a_hold_that_speaks_of_nothing_in_particular_waits_for_an_answer() -> None:
    link = replace(agreed(ADA), hold=Hold(reason="possible_duplicate", since=NOW))
    edited = absorb(link, observed({**ADA, "Title": "x"}), Side.CRM, context(version=9))
    assert edited is not None
    assert edited.hold == link.hold


def test_a_policy_without_a_mapped_last_name_still_makes_records_with_one() -> None:
    rows = [row for row in MAPPING if row.crm_field in {"Email", "First_Name"}]
    policy = Policy(direction=Direction.TWO_WAY, mapping=Mapping(rows))
    fields = {"First_Name": "Ada", "Email": "a@x.org"}
    decision = decided(pair(google=shown(fields, mapping=policy.mapping, remote_id=PERSON)), policy)
    (intent,) = decision.intents
    assert dict(intent.changes) == {"Last_Name=": "Ada", "Email=email_addresses[work]": "a@x.org"}


def test_a_new_contact_has_no_base_before_it_is_confirmed() -> None:
    decision = decided(pair(shown(ADA)))
    assert decision.link.crm.base == EMPTY_DIGESTS


def test_a_side_that_was_read_for_other_fields_is_not_known_by_its_digests() -> None:
    """A field of which nothing was read is not an empty one: it would be emptied on the other side."""
    whole = default_mapping()
    narrow = Mapping([row for row in whole if row.crm_field != "Title"])
    seen = Digester(b"k" * 32).digest_set(narrow, {})
    side = LinkSide(remote_id="1", presence=Presence.PRESENT, in_scope=True, base=seen, seen=seen)
    assert is_known_by_digests(side, narrow)
    assert not is_known_by_digests(side, whole)
