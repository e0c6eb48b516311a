"""How often the interpreter looks for garbage, in processes that turn over many small values without cycles."""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 50


def collect_less_often() -> None:
    """Leave what a started process holds out of every collection, and collect the rest less often.

    Contacts and answers pass through as values that point at one another in one direction only; reference counting
    frees them. With the interpreter's own thresholds a fifth of a first run's processor time went into looking for
    cycles among them (`benchmarks/`, scenario A). Called once, when the process has started.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
