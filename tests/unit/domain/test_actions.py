"""Which answers a pair takes, and what each does to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from contactsync.domain.actions import Action, Overwritten, carry_out, possible
from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId, LinkId, RowKey
from contactsync.domain.link import Hold, Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import default_mapping
from contactsync.domain.policy import Direction, Policy
from contactsync.domain.reasons import Reason
from tests.support.clock import EPOCH

POLICY = Policy(direction=Direction.TWO_WAY, mapping=default_mapping())
PRESENT = LinkSide(remote_id="1", presence=Presence.PRESENT, in_scope=True)
DELETED = LinkSide(remote_id="people/c1", presence=Presence.DELETED)


def a_pair(**changes: object) -> Link:
    link = Link(
        link_id=LinkId(uuid4()),
        state=PairState.LINKED,
        crm=PRESENT,
        google=replace(PRESENT, remote_id="people/c1"),
    )
    return replace(link, **changes)  # type: ignore[arg-type] # names are checked by replace itself


def an_entry(**changes: object) -> Overwritten:
    entry = Overwritten(
        effect_id=EffectId(uuid4()),
        side=Side.GOOGLE,
        kind=EffectKind.UPDATE,
        at=EPOCH,
        changes={RowKey("Title=organizations.title"): "new"},
        before={RowKey("Title=organizations.title"): "old"},
    )
    return replace(entry, **changes)  # type: ignore[arg-type] # names are checked by replace itself


@pytest.mark.parametrize(
    ("link", "entry", "expected"),
    [
        (a_pair(), None, {Action.EXCLUDE}),
        (a_pair(excluded=True), an_entry(), {Action.RETRY}),
        (a_pair(crm=replace(PRESENT, read_only="locked")), None, {Action.EXCLUDE, Action.RETRY}),
        (a_pair(hold=Hold(reason="locked", since=EPOCH, failed=True)), None, {Action.EXCLUDE, Action.RETRY}),
        (
            a_pair(hold=Hold(reason="possible_duplicate", since=EPOCH, rivals=("people/c2",))),
            None,
            {Action.EXCLUDE, Action.RETRY, Action.SAME_PERSON, Action.KEEP_APART},
        ),
        (a_pair(state=PairState.RELEASED, google=DELETED), None, {Action.EXCLUDE, Action.BRING_BACK}),
        (a_pair(), an_entry(), {Action.EXCLUDE, Action.RESTORE}),
        (a_pair(), an_entry(before={RowKey("Title=organizations.title"): ""}), {Action.EXCLUDE, Action.RESTORE}),
        (a_pair(), an_entry(before={}), {Action.EXCLUDE}),
        (a_pair(), an_entry(at=EPOCH - timedelta(days=31)), {Action.EXCLUDE}),
        (a_pair(), an_entry(kind=EffectKind.DELETE, changes={}, before={}), {Action.EXCLUDE}),
    ],
)
def test_only_answers_that_make_sense_are_offered(link: Link, entry: Overwritten | None, expected: set[Action]) -> None:
    assert possible(link, POLICY, entry, EPOCH) == expected


def test_what_the_direction_forbids_is_not_offered() -> None:
    to_crm = replace(POLICY, direction=Direction.GOOGLE_TO_CRM)
    released = a_pair(state=PairState.RELEASED, google=DELETED)
    assert possible(released, to_crm, an_entry(), EPOCH) == {Action.EXCLUDE}


@pytest.mark.parametrize("action", [Action.SAME_PERSON, Action.KEEP_APART, Action.BRING_BACK, Action.RESTORE])
def test_an_answer_to_a_question_that_nobody_asks_any_more_changes_nothing(action: Action) -> None:
    link = a_pair()
    assert carry_out(link, action, rivals=(), last=None, now=EPOCH) == (link,)


def test_keeping_apart_is_remembered_by_both_and_lifts_only_holds_about_each_other() -> None:
    mine = a_pair(hold=Hold(reason="possible_duplicate", since=EPOCH, rivals=("people/c2",)))
    about_me = a_pair(
        crm=LinkSide(),
        google=replace(PRESENT, remote_id="people/c2"),
        hold=Hold(reason="possible_duplicate", since=EPOCH, rivals=("1",)),
    )
    about_other = replace(
        about_me, link_id=LinkId(uuid4()), hold=Hold(reason="possible_duplicate", since=EPOCH, rivals=("7",))
    )
    after, first, second = carry_out(mine, Action.KEEP_APART, rivals=(about_me, about_other), last=None, now=EPOCH)
    assert after.keep_apart == {"people/c2"}
    assert (after.hold, first.hold, second.hold) == (None, None, about_other.hold)
    assert first.keep_apart >= {"1"}
    assert second.keep_apart >= {"1"}
    assert (after.pending_since, first.pending_since, second.pending_since) == (EPOCH, EPOCH, None)


def test_a_refused_delete_releases_the_pair() -> None:
    asked = a_pair(
        google=DELETED,
        hold=Hold(reason=Reason.AWAITING_APPROVAL, since=EPOCH),
        pending_since=EPOCH,
        pending_order=EPOCH,
    )
    [after] = carry_out(asked, Action.RELEASE, rivals=(), last=None, now=EPOCH)
    assert (after.state, after.reason, after.hold) == (PairState.RELEASED, Reason.KEPT_AFTER_DELETION, None)
    assert after.pending_since is None


def test_a_refused_delete_of_a_contact_that_came_back_is_decided_anew() -> None:
    asked = a_pair(hold=Hold(reason=Reason.AWAITING_APPROVAL, since=EPOCH))
    [after] = carry_out(asked, Action.RELEASE, rivals=(), last=None, now=EPOCH)
    assert (after.state, after.hold, after.pending_since) == (PairState.LINKED, None, EPOCH)
