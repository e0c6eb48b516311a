"""What stands before a delete that the policy asks for: the brake, and doubt about a listing.

More deletes than a person would expect are not carried out before somebody has looked at them. A full listing that
is much shorter than the last says nothing of the contacts that it lacks before a second one agrees.
"""

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


def is_believed(seen: int, expected: int | None, doubted: int | None, percent: int = 20) -> bool:
    """Whether a complete full listing of `seen` contacts is taken at its word about those that it does not show.

    It is when it is not shorter by more than `percent` than the last one that was believed (`expected`), or agrees,
    within as much, with the one before that was doubted.
    """
    if expected is None or seen * 100 >= expected * (100 - percent):
        return True
    return doubted is not None and abs(seen - doubted) * 100 <= doubted * percent
