"""Whether another program writes a field back each time that the sync has written it.

Typically the CRM vendor's own sync was left on, with other rules: then the same two values would cross for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

from contactsync.domain.contact import Changes
from contactsync.domain.ids import RowKey

WITHIN: Final = timedelta(hours=24)
FLIPS: Final = 3
"""So many writes of a field in a row, each undoing the one before, are no coincidence."""


def flipping(past: Sequence[Changes], wanted: Changes) -> frozenset[RowKey]:
    """Fields of `wanted` that went to and fro between the same two values; `past`: the pair's writes, oldest first."""
    return frozenset(key for key in wanted if _flips([one[key] for one in past if key in one], wanted[key]))


def _flips(written: Sequence[str | None], now: str | None) -> bool:
    values = [*written[-FLIPS:], now]
    if len(values) <= FLIPS or len(set(values)) != 2:  # noqa: PLR2004  two values, to and fro
        return False
    return all(a != b for a, b in pairwise(values))
