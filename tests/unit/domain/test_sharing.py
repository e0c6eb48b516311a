"""Which of several configurations keeps a pair."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.digests import EMPTY_DIGESTS, DigestSet
from contactsync.domain.ids import ConfigId, LinkId
from contactsync.domain.link import Hold, Link, LinkSide, PairState, Presence
from contactsync.domain.sharing import Contender, as_guest, keeper, present_sides, taken_over

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BOTH = frozenset(Side)
CRM = frozenset({Side.CRM})
GOOGLE = frozenset({Side.GOOGLE})


def config(number: int, scope: frozenset[Side] = BOTH, *, age: int = 0) -> Contender:
    """A configuration that is so many days old."""
    return Contender(config_id=ConfigId(UUID(int=number)), since=NOW - timedelta(days=age), scope=scope)


def kept_by(*contenders: Contender, present: frozenset[Side] = BOTH, before: Contender | None = None) -> ConfigId:
    """The keeper, which must not hang on the order in which they are named."""
    answers = {keeper(order, present, before.config_id if before else None) for order in permutations(contenders)}
    (answer,) = answers
    return answer


def test_the_oldest_that_has_the_whole_pair_keeps_it() -> None:
    young, old = config(1, age=1), config(2, age=9)
    assert kept_by(young, old) == old.config_id
    assert kept_by(young, old, before=young) == old.config_id


def test_of_two_that_were_made_at_once_the_one_with_the_smaller_id_keeps_it() -> None:
    assert kept_by(config(7), config(3), before=config(7)) == config(3).config_id


@pytest.mark.parametrize("part", [CRM, GOOGLE, frozenset()])
def test_one_that_has_the_whole_pair_comes_before_an_older_one_that_has_a_part(part: frozenset[Side]) -> None:
    whole = config(1, age=1)
    assert kept_by(whole, config(2, part, age=9), before=config(2)) == whole.config_id


@pytest.mark.parametrize("present", [CRM, GOOGLE])
def test_a_pair_that_lost_a_side_stays_where_it_was(present: frozenset[Side]) -> None:
    """Else a deletion would be decided by rules under which the two contacts were never in sync."""
    young, old = config(1, present, age=1), config(2, present, age=9)
    assert kept_by(young, old, present=present, before=young) == young.config_id


def test_a_pair_that_lost_a_side_goes_to_the_oldest_when_its_keeper_is_not_active_any_more() -> None:
    young, old = config(1, GOOGLE, age=1), config(2, GOOGLE, age=9)
    assert kept_by(young, old, present=GOOGLE, before=config(3)) == old.config_id


def test_a_pair_of_which_everybody_has_one_side_stays_where_it_was() -> None:
    young, old = config(1, CRM, age=1), config(2, GOOGLE, age=9)
    assert kept_by(young, old, before=young) == young.config_id


def test_a_side_that_does_not_exist_is_in_nobodys_scope() -> None:
    young, old = config(1, BOTH, age=1), config(2, CRM, age=9)
    assert kept_by(young, old, present=CRM, before=config(3)) == old.config_id


# --- taking over ------------------------------------------------------------------------------------------------------


def a_side(name: str, *, in_scope: bool = True, presence: Presence = Presence.PRESENT) -> LinkSide:
    return LinkSide(
        remote_id=name,
        presence=presence,
        in_scope=in_scope,
        seen_in_scope=in_scope,
        base=DigestSet({b"row1": b"8 bytes1"}),
        seen=DigestSet({b"row1": b"8 bytes2"}),
        values={},
        name="Ada",
    )


def a_pair(**changes: object) -> Link:
    link = Link(
        link_id=LinkId(uuid4()), state=PairState.DORMANT, crm=a_side("1"), google=a_side("people/c1"), foreign=True
    )
    return replace(link, **changes)  # type: ignore[arg-type]  # names are checked by replace itself


def test_a_pair_taken_over_is_in_sync_to_be_read_anew_and_keeps_its_bases() -> None:
    before = a_pair(hold=Hold(reason="awaiting_approval", since=NOW))
    after = taken_over(before, NOW)
    assert (after.state, after.foreign, after.hold, after.pending_since) == (PairState.LINKED, False, None, NOW)
    for side in Side:
        shown = after.side(side)
        assert (shown.base, shown.seen, shown.values) == (before.side(side).base, EMPTY_DIGESTS, None)


def test_a_pair_that_waits_keeps_its_place_when_it_is_taken_over() -> None:
    earlier = NOW - timedelta(hours=1)
    after = taken_over(a_pair(pending_since=earlier, pending_order=earlier), NOW)
    assert (after.pending_since, after.pending_order) == (earlier, earlier)


@pytest.mark.parametrize("lost", Side)
def test_a_pair_that_had_lost_a_side_before_is_not_in_sync_with_its_new_keeper(lost: Side) -> None:
    gone = a_side("x", in_scope=False, presence=Presence.DELETED)
    before = a_pair(state=PairState.LINKED, **{lost.value: gone})
    assert present_sides(before) == {lost.other}
    assert taken_over(before, NOW).state is PairState.DORMANT


def test_a_released_pair_stays_released_and_asks_for_nothing() -> None:
    before = a_pair(state=PairState.RELEASED, crm=a_side("1", in_scope=False, presence=Presence.DELETED))
    after = taken_over(before, NOW)
    assert (after.state, after.pending_since) == (PairState.RELEASED, None)


# --- guests -----------------------------------------------------------------------------------------------------------


def test_a_guest_notes_its_own_scope_and_nothing_else() -> None:
    before = a_pair(state=PairState.LINKED)
    seen = replace(
        before,
        google=replace(before.google, in_scope=False, listing=4, base=EMPTY_DIGESTS, seen=EMPTY_DIGESTS),
        hold=Hold(reason="r", since=NOW),
        pending_since=NOW,
        pending_order=NOW,
    )
    after = as_guest(before, seen)
    expected = replace(before.google, in_scope=False, listing=4)
    assert after == replace(before, state=PairState.DORMANT, google=expected, pending_since=NOW, pending_order=NOW)


def test_an_edit_of_a_pair_that_another_keeps_asks_for_nothing() -> None:
    before = a_pair()
    assert as_guest(before, replace(before, pending_since=NOW, pending_order=NOW)) == before


def test_a_person_that_was_deleted_was_never_in_the_guests_group() -> None:
    before = a_pair()
    gone = replace(before.google, in_scope=False, presence=Presence.DELETED)
    after = as_guest(before, replace(before, google=gone))
    assert (after.google.presence, after.google.seen_in_scope) == (Presence.PRESENT, False)
