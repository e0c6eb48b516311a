"""The brake on deletes."""

from __future__ import annotations

import pytest

from contactsync.domain.brake import allowed_deletes, braked


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
