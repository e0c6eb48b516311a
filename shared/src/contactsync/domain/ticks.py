"""Which sides a run reads. A tick asks Google alone while the CRM itself tells of its changes.

Google tells nobody of changed contacts, so that each tick asks it; it costs its user nothing. The CRM's readings cost
credits of the whole organisation. Where its notifications arrive, a change there has asked for a run of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST_UNREAD: Final = timedelta(hours=1)
"""The CRM is read this often whatever it tells: its notifications may get lost, and it does not say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What is known when a run begins to read."""

    now: datetime
    by_clock: bool
    """The schedule alone asked for it, and for nothing but what is new."""
    interval: timedelta | None
    """Between two ticks; None: there are none."""
    told_until: datetime | None
    """Until when the CRM tells of its changes; None: nothing is known to tell us."""
    asked: bool
    """Somebody else than the clock asked for a run after the CRM was last read."""
    crm_read_at: datetime | None
    """When the last complete reading of the CRM began."""
    full: bool
    """A side is to be read in full: the first time, after a change of settings, once a day."""
    waiting: bool
    """Pairs wait to be decided, or it is not known whether a record was made."""


def asks_google_alone(tick: Tick) -> bool:
    """Whether the run may leave the CRM unread; it then knows nothing new of it, neither changes nor absences."""
    if not tick.by_clock or tick.asked or tick.full or tick.waiting:
        return False
    if tick.interval is None or tick.interval >= LONGEST_UNREAD:
        return False
    if tick.told_until is None or tick.told_until <= tick.now:
        return False
    return tick.crm_read_at is not None and tick.now - tick.crm_read_at < LONGEST_UNREAD
