"""The clock of the simulators."""

from datetime import UTC, datetime, timedelta

import pytest

from simulators.clock import SimClock, isoformat

MORNING = datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_it_starts_where_it_is_told_and_runs() -> None:
    clock = SimClock(MORNING)
    first, second = clock.now(), clock.now()
    assert MORNING <= first <= second < MORNING + timedelta(minutes=1)


def test_it_jumps_and_goes_on_from_there() -> None:
    clock = SimClock(MORNING)
    clock.advance(timedelta(days=7))
    assert MORNING + timedelta(days=7) <= clock.now() < MORNING + timedelta(days=7, minutes=1)


def test_held_still_it_moves_by_hand_alone() -> None:
    clock = SimClock(MORNING)
    clock.freeze()
    held = clock.now()
    clock.advance(timedelta(seconds=5))
    assert clock.now() == clock.now() == held + timedelta(seconds=5)
    clock.set(MORNING)
    assert clock.now() == MORNING
    clock.run()
    assert not clock.is_frozen
    assert MORNING <= clock.now() < MORNING + timedelta(minutes=1)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        SimClock().set(datetime(2026, 1, 31))  # noqa: DTZ001  that is what is refused


def test_times_are_written_in_utc() -> None:
    paris = datetime.fromisoformat("2026-01-31T10:00:00.5+01:00")
    assert isoformat(paris) == "2026-01-31T09:00:00.500000Z"
