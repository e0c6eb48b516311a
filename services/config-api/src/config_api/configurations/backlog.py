"""How long it takes until no contact waits: as many runs as are needed, each at its time."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from config_api.configurations.schemas import Backlog
from contactsync.domain.frequency import INTERVALS
from contactsync.ports.configurations import ConfigStatus, StoredConfiguration
from contactsync.ports.requests import RunLimits

_TYPICAL_RUN: Final = timedelta(seconds=30)
"""How long a later run takes, before one has ended."""


def backlog_of(stored: StoredConfiguration, limits: RunLimits, catch_up_pause: timedelta, now: datetime) -> Backlog:
    """What waits, and when it will be done; without a time while no run is to come by itself."""
    runs = math.ceil(stored.backlog / limits.incremental)
    begins = _next_begin(stored)
    if runs == 0 or begins is None:
        return Backlog(contacts=stored.backlog, runs=runs, seconds=None if runs else 0)
    lasts = _TYPICAL_RUN if stored.later_run_s is None else timedelta(seconds=stored.later_run_s)
    interval = INTERVALS.get(stored.chosen.frequency)
    between = catch_up_pause + lasts
    if interval is not None:
        between = min(between, interval) if stored.chosen.catch_up else interval
    left = max(begins - now, timedelta()) + (runs - 1) * between + lasts
    return Backlog(contacts=stored.backlog, runs=runs, seconds=math.ceil(left.total_seconds()), finishes_at=now + left)


def _next_begin(stored: StoredConfiguration) -> datetime | None:
    """When the run goes on that is open, or else the next one begins."""
    if stored.status is not ConfigStatus.ACTIVE:
        return None
    return stored.open_run_from or stored.next_due
