"""How often a configuration runs by itself: intervals as data, and the tick that comes next.

Ticks are counted from the activation in UTC, so that no change of summer time moves them. A hash of the configuration's
id delays all its ticks by up to a tenth of the interval: configurations that were activated together spread out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from contactsync.domain.ids import ConfigId


class Frequency(StrEnum):
    """How often a configuration runs by itself."""

    EVERY_5_MINUTES = "5m"
    EVERY_15_MINUTES = "15m"
    EVERY_30_MINUTES = "30m"
    HOURLY = "1h"
    EVERY_2_HOURS = "2h"
    EVERY_6_HOURS = "6h"
    EVERY_12_HOURS = "12h"
    DAILY = "daily"
    WEEKLY = "weekly"
    MANUAL = "manual"


INTERVALS: Final[Mapping[Frequency, timedelta]] = MappingProxyType(
    {
        Frequency.EVERY_5_MINUTES: timedelta(minutes=5),
        Frequency.EVERY_15_MINUTES: timedelta(minutes=15),
        Frequency.EVERY_30_MINUTES: timedelta(minutes=30),
        Frequency.HOURLY: timedelta(hours=1),
        Frequency.EVERY_2_HOURS: timedelta(hours=2),
        Frequency.EVERY_6_HOURS: timedelta(hours=6),
        Frequency.EVERY_12_HOURS: timedelta(hours=12),
        Frequency.DAILY: timedelta(days=1),
        Frequency.WEEKLY: timedelta(days=7),
    }
)
"""The time between two ticks; a frequency that is not here has none."""

_SPREAD: Final = 10
"""Ticks are delayed by less than this part of their interval."""


def next_tick(frequency: Frequency, config_id: ConfigId, activated_at: datetime, now: datetime) -> datetime | None:
    """The first tick after `now`; None when the configuration does not run by itself.

    Ticks that passed while nobody looked are not made up for: one run reads all that happened meanwhile.
    """
    interval = INTERVALS.get(frequency)
    if interval is None:
        return None
    first = activated_at + interval + _delay(config_id, interval)
    return first if first > now else first + ((now - first) // interval + 1) * interval


def _delay(config_id: ConfigId, interval: timedelta) -> timedelta:
    part = int.from_bytes(blake2b(config_id.bytes, digest_size=4).digest()) / 2**32
    return interval / _SPREAD * part
