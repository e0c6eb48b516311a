"""How many of an organisation's daily CRM credits are in use, and who may use the next ones when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_HOUR_S: Final = 3600
_WINDOW_H: Final = 24
_FREE: Final = 5_000
_PAID: Final = 50_000
CHUNK: Final = 20
"""Credits reserved at once: a run that finds nothing asks once, a first run of 10,000 about ten times."""
TURN: Final = 5
"""Credits kept for each run that waits: one that finds little costs three or four, one that needs more asks again."""
OVERDUE_AFTER: Final = timedelta(hours=24)
"""A run that was due so long ago and waits for credits still is not kept waiting by what people ask for meanwhile."""
_APART: Final = timedelta(seconds=2)
"""Between the dates of two who wait for credits of the same hour: they come one after another and not all at once."""
_LONGEST_QUEUE: Final = timedelta(minutes=55)


def daily_credits(edition: str) -> int:
    """What the CRM grants in 24 rolling hours, by edition (Zoho CRM API v8, "API limits"); what users add is left out.

    Without a known edition: that of a paid one, since the free one has no sync.
    """
    return _FREE if edition == "free" else _PAID


@dataclass(frozen=True, slots=True)
class Shares:
    """Percent of the daily credits that may be in use."""

    usual: int = 25
    by_hand: int = 40
    """For runs that a person asked for."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Runs of an organisation that wait for credits and came before another one."""

    usual: int = 0
    by_hand: int = 0
    overdue: bool = False
    """Whether any run waits that nobody asked for and that is older than `OVERDUE_AFTER`."""


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

    def turn(self, amount: int, allowed: int, now: datetime, ahead: int) -> datetime | None:
        """None when so many may be used now, with a `TURN` left for each of those ahead; else the date to come again.

        Dates are in the order of the queue, and spread where several fall into the same hour.
        """
        usage, at, placed = self, now, 0
        while ahead:
            placed = min(usage._turns(allowed, at), ahead)
            usage, ahead = usage.with_amount(placed * TURN, at), ahead - placed
            at = at if ahead == 0 else usage.room_at(TURN, allowed, at) or at
        if (later := usage.room_at(amount, allowed, at)) is not None:
            return later
        return None if at == now else at + min(placed * _APART, _LONGEST_QUEUE)

    def _turns(self, allowed: int, now: datetime) -> int:
        used = sum(self.at(now).by_hour.values())
        return max((allowed - used) // TURN, 0 if used else 1)


@dataclass(frozen=True, slots=True)
class Credits:
    """What an organisation's syncs use, and how much of it people asked for."""

    total: Usage
    by_hand: Usage

    def with_amount(self, amount: int, now: datetime, *, by_hand: bool) -> Credits:
        """With so many more, or, with a negative amount, fewer."""
        return Credits(
            self.total.with_amount(amount, now), self.by_hand.with_amount(amount, now) if by_hand else self.by_hand
        )

    def level(self, daily: int, shares: Shares, now: datetime, *, by_hand: bool) -> float:
        """How much of the share is in use; 1 when it is used up."""
        share = daily * (shares.by_hand if by_hand else shares.usual) // 100
        return sum(self.total.at(now).by_hour.values()) / max(share, 1)

    def turns_now(self, daily: int, shares: Shares, waiting: Sequence[bool], now: datetime) -> int:
        """How many of those who wait, by whether a person asked, could go on now, the first ones first."""
        used = sum(self.total.at(now).by_hour.values())
        for place, by_hand in enumerate(waiting):
            used += TURN
            if used > daily * (shares.by_hand if by_hand else shares.usual) // 100:
                return place
        return len(waiting)

    def turn(
        self, amount: int, daily: int, shares: Shares, queue: Queue, now: datetime, *, by_hand: bool
    ) -> datetime | None:
        """None when so many may be used now; else the date to come again.

        People do not wait for what goes on by itself. But behind a run that waits for a day they use no more than what
        lies between the two shares: else many presses of the button could keep it waiting for ever.
        """
        if not by_hand:
            return self.total.turn(amount, daily * shares.usual // 100, now, queue.usual + queue.by_hand)
        until = self.total.turn(amount, daily * shares.by_hand // 100, now, queue.by_hand)
        if not queue.overdue:
            return until
        own = daily * max(shares.by_hand - shares.usual, 0) // 100
        dates = (until, self.by_hand.turn(amount, own, now, queue.by_hand))
        return max((date for date in dates if date is not None), default=None)


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // _HOUR_S
