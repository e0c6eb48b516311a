"""When a run leaves the CRM unread."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contactsync.domain.ticks import Tick, asks_google_alone

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUIET = Tick(
    now=NOW,
    by_clock=True,
    interval=5 * MINUTE,
    told_until=NOW + 60 * MINUTE,
    asked=False,
    crm_read_at=NOW - 30 * MINUTE,
    full=False,
    waiting=False,
)
"""A tick of a settled configuration whose channel lives."""


@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_a_tick_closer_than_an_hour_asks_google_alone(minutes: int) -> None:
    assert asks_google_alone(replace(QUIET, interval=minutes * MINUTE))


@pytest.mark.parametrize(
    "otherwise",
    [
        {"by_clock": False},
        {"interval": None},
        {"interval": timedelta(hours=1)},
        {"told_until": None},
        {"told_until": NOW},
        {"asked": True},
        {"crm_read_at": None},
        {"crm_read_at": NOW - timedelta(hours=1)},
        {"full": True},
        {"waiting": True},
    ],
    ids=",".join,
)
def test_each_reason_alone_lets_both_sides_be_read(otherwise: dict[str, object]) -> None:
    assert not asks_google_alone(replace(QUIET, **otherwise))  # type: ignore[arg-type]  # fields of Tick


def test_the_last_instant_of_each_limit_still_counts() -> None:
    almost = timedelta(microseconds=1)
    assert asks_google_alone(replace(QUIET, told_until=NOW + almost, crm_read_at=NOW - timedelta(hours=1) + almost))
    assert asks_google_alone(replace(QUIET, interval=timedelta(hours=1) - almost))
