"""How far a run is, as one number that a person can watch."""

from __future__ import annotations

from typing import Final

from contactsync.ports.state import Listing, Phase, Run

_READING: Final = 40
_SEARCHING: Final = 45
_DELETING: Final = 95
_FINISHING: Final = 99
_ENDED: Final = 100
_UNKNOWN_SIZE: Final = 2000
"""A listing of unknown length counts as half read after so many contacts."""


def percent_of(run: Run, to_write: int) -> int:
    """0 to 100; `to_write` are pairs that the run has still to take. It may fall: the store keeps the highest."""
    if not run.state.open:
        return _ENDED
    match run.phase:
        case Phase.OBSERVE:
            return int(_READING * sum(map(_read, run.listings.values())) / max(len(run.listings), 1))
        case Phase.SEARCH:
            return _READING
        case Phase.APPLY:
            total = run.taken + to_write
            return _SEARCHING + int((_DELETING - _SEARCHING) * (run.taken / total if total else 1))
        case Phase.DELETE:
            return _DELETING
        case Phase.FINISH:
            return _FINISHING


def _read(listing: Listing) -> float:
    if listing.done:
        return 1.0
    if listing.expected:
        return min(listing.seen / listing.expected, 1.0)
    return listing.seen / (listing.seen + _UNKNOWN_SIZE)
