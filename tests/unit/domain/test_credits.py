"""Daily credits: what counts, when there is room again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contactsync.domain.credits import Usage, daily_credits

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def used(*amounts: tuple[int, int]) -> Usage:
    """Amounts by hours ago."""
    usage = Usage({})
    for hours_ago, amount in sorted(amounts, reverse=True):
        usage = usage.with_amount(amount, NOW - hours_ago * HOUR)
    return usage


def test_there_is_room_up_to_what_is_allowed() -> None:
    assert used((1, 60), (2, 30)).room_at(10, 100, NOW) is None


def test_beyond_it_room_comes_when_the_oldest_hours_are_a_day_old() -> None:
    usage = used((20, 30), (10, 40), (0, 30))
    at = NOW.replace(minute=0)
    assert usage.room_at(20, 100, NOW) == at + 5 * HOUR
    assert usage.room_at(40, 100, NOW) == at + 15 * HOUR


def test_what_is_more_than_a_day_old_does_not_count() -> None:
    assert used((25, 100)).room_at(100, 100, NOW) is None
    assert used((24, 100)).room_at(1, 100, NOW) is not None


def test_more_than_is_allowed_at_all_waits_for_an_empty_day_and_no_longer() -> None:
    assert Usage({}).room_at(500, 100, NOW) is None
    assert used((1, 1)).room_at(500, 100, NOW) is not None


def test_what_is_given_back_is_free_at_once() -> None:
    usage = used((3, 50), (0, 50)).with_amount(-60, NOW)
    assert usage.room_at(60, 100, NOW) is None
    assert usage.room_at(61, 100, NOW) is not None


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 100)), max_size=20),
    st.integers(1, 100),
    st.integers(100, 500),
)
def test_there_is_room_at_the_instant_that_was_told_and_not_before(
    amounts: list[tuple[int, int]], amount: int, allowed: int
) -> None:
    usage = used(*amounts)
    until = usage.room_at(amount, allowed, NOW)
    if until is not None:
        assert until > NOW
        assert usage.room_at(amount, allowed, until) is None
        assert usage.room_at(amount, allowed, until - timedelta(seconds=1)) is not None


def test_the_free_edition_has_a_tenth_of_a_paid_one() -> None:
    assert (daily_credits("free"), daily_credits("enterprise"), daily_credits("")) == (5_000, 50_000, 50_000)
