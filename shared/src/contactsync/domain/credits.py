"""How many of an organisation's daily CRM credits are in use, and when enough will be free again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_HOUR_S: Final = 3600
_WINDOW_H: Final = 24
_FREE: Final = 5_000
_PAID: Final = 50_000


def daily_credits(edition: str) -> int:
    """What the CRM grants in 24 rolling hours, by edition (Zoho CRM API v8, "API limits"); what users add is left out.

    Without a known edition: that of a paid one, since the free one has no sync.
    """
    return _FREE if edition == "free" else _PAID


@dataclass(frozen=True, slots=True)
class Usage:
    """Credits by the hour (since the epoch) in which they were reserved."""

    by_hour: Mapping[int, int]

    def at(self, now: datetime) -> Usage:
        """What still counts: an hour is free again when the last credit of it is 24 hours old."""
        oldest = _hour(now) - _WINDOW_H
        return Usage({hour: amount for hour, amount in self.by_hour.items() if hour >= oldest and amount > 0})

    def with_amount(self, amount: int, now: datetime) -> Usage:
        """With so many more in this hour; a negative amount gives back, from the newest hours first."""
        by_hour = dict(self.at(now).by_hour)
        if amount >= 0:
            by_hour[_hour(now)] = by_hour.get(_hour(now), 0) + amount
            return Usage(by_hour)
        left = -amount
        for hour in sorted(by_hour, reverse=True):
            taken = min(left, by_hour[hour])
            by_hour[hour] -= taken
            left -= taken
        return Usage(by_hour).at(now)

    def room_at(self, amount: int, allowed: int, now: datetime) -> datetime | None:
        """None when so many more stay within what is allowed; else the instant from which they do.

        More than is allowed at all is let through alone: a single call must not wait for ever.
        """
        by_hour = self.at(now).by_hour
        used = sum(by_hour.values())
        free = max(allowed - amount, 0)
        if used <= free:
            return None
        for hour in sorted(by_hour):
            used -= by_hour[hour]
            if used <= free:
                return datetime.fromtimestamp((hour + _WINDOW_H + 1) * _HOUR_S, UTC)
        return None


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // _HOUR_S
