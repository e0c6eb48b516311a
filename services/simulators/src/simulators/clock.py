"""The time that a simulator lives by: real time plus an offset, moved by the control interface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SimClock:
    """Aware UTC instants that run with real time, jump on demand and can be held still.

    Expiry, trash, quotas and update times of the simulators all ask this clock: a test crosses seven days in no time.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._offset = timedelta(0)
        self._frozen_at: datetime | None = None
        if now is not None:
            self.set(now)

    def now(self) -> datetime:
        """The present instant of the simulated world."""
        if self._frozen_at is not None:
            return self._frozen_at
        return datetime.now(UTC) + self._offset

    @property
    def is_frozen(self) -> bool:
        """Whether the clock stands still between `advance` and `set`."""
        return self._frozen_at is not None

    def advance(self, by: timedelta) -> None:
        """Jump by `by`; negative durations go back."""
        if self._frozen_at is not None:
            self._frozen_at += by
        else:
            self._offset += by

    def set(self, now: datetime) -> None:
        """Make `now` the present instant. Raises ValueError for a time without zone."""
        if now.tzinfo is None:
            reason = "now: a time zone is needed, for example 2026-01-31T09:00:00Z"
            raise ValueError(reason)
        now = now.astimezone(UTC)
        if self._frozen_at is not None:
            self._frozen_at = now
        else:
            self._offset = now - datetime.now(UTC)

    def follow(self, other: SimClock) -> None:
        """Show the time that `other` shows now, and stand still if it does."""
        self._offset, self._frozen_at = other._offset, other._frozen_at

    def freeze(self) -> None:
        """Hold the present instant until `run`, `advance` or `set`."""
        self._frozen_at = self.now()

    def run(self) -> None:
        """Let time pass again, from the instant at which it was held."""
        if self._frozen_at is not None:
            self._offset = self._frozen_at - datetime.now(UTC)
            self._frozen_at = None


def isoformat(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and a `Z`, as `2026-01-31T09:00:00.000001Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
