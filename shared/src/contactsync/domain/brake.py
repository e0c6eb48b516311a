"""The brake: more deletes than a person would expect are not carried out before somebody has looked at them."""

from __future__ import annotations


def allowed_deletes(pairs_in_scope: int, percent: int = 10, minimum: int = 5, maximum: int = 50) -> int:
    """How many contacts a run may delete on a side: a share of the pairs, within bounds."""
    return min(maximum, max(minimum, pairs_in_scope * percent // 100))


def braked(
    deletes: int, pairs_in_scope: int, side_count: int, *, percent: int = 10, minimum: int = 5, maximum: int = 50
) -> bool:
    """Whether no delete is carried out on a side.

    `side_count` is the number of contacts that the emptier side still shows: an empty side is taken for a mistake.
    """
    if not deletes:
        return False
    return side_count == 0 or deletes > allowed_deletes(pairs_in_scope, percent, minimum, maximum)
