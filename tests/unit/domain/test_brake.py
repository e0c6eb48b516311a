"""The brake on deletes."""

from __future__ import annotations

import pytest

from contactsync.domain.brake import allowed_deletes, braked, is_believed


@pytest.mark.parametrize(
    ("pairs", "allowed"), [(0, 5), (40, 5), (59, 5), (60, 6), (412, 41), (500, 50), (501, 50), (10_000, 50)]
)
def test_a_tenth_may_go_but_at_least_five_and_at_most_fifty(pairs: int, allowed: int) -> None:
    assert allowed_deletes(pairs) == allowed
    assert not braked(allowed, pairs, side_count=pairs + 1)
    assert braked(allowed + 1, pairs, side_count=pairs + 1)


def test_no_delete_passes_while_a_side_is_empty() -> None:
    assert braked(1, 412, side_count=0)
    assert not braked(0, 412, side_count=0)


def test_the_bounds_are_settings() -> None:
    assert allowed_deletes(1000, percent=1, minimum=2, maximum=20) == 10
    assert braked(21, 10_000, 10_000, percent=50, minimum=2, maximum=20)


@pytest.mark.parametrize(
    ("seen", "expected", "doubted", "believed"),
    [
        (0, None, None, True),
        (80, 100, None, True),
        (79, 100, None, False),
        (0, 1, None, False),
        (0, 0, None, True),
        (50, 100, 50, True),
        (60, 100, 50, True),
        (61, 100, 50, False),
        (40, 100, 50, True),
        (39, 100, 50, False),
        (80, 100, 50, True),
        (0, 100, 0, True),
        (1, 100, 0, False),
    ],
)
def test_a_listing_a_fifth_shorter_than_the_last_is_doubted_until_one_agrees(
    seen: int,
    expected: int | None,
    doubted: int | None,
    believed: bool,  # noqa: FBT001
) -> None:
    assert is_believed(seen, expected, doubted) is believed
