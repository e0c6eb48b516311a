"""Ticks: counted from the activation, spread by the id, never in a burst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.domain.frequency import INTERVALS, Frequency, next_tick
from contactsync.domain.ids import ConfigId

ACTIVATED = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
EVERY = st.sampled_from(sorted(INTERVALS))
IDS = st.uuids().map(ConfigId)
LATER = st.timedeltas(timedelta(), timedelta(days=400)).map(lambda later: ACTIVATED + later)


@given(EVERY, IDS, LATER)
def test_the_next_tick_is_the_only_one_within_an_interval(every: Frequency, config: ConfigId, now: datetime) -> None:
    tick = next_tick(every, config, ACTIVATED, now)
    assert tick is not None
    assert now < tick
    assert tick - now <= INTERVALS[every] or tick == next_tick(every, config, ACTIVATED, ACTIVATED)
    assert (after := next_tick(every, config, ACTIVATED, tick)) is not None
    assert after - tick == INTERVALS[every]


@given(EVERY, IDS)
def test_the_first_tick_comes_an_interval_after_the_activation_and_at_most_a_tenth_later(
    every: Frequency, config: ConfigId
) -> None:
    tick = next_tick(every, config, ACTIVATED, ACTIVATED)
    assert tick is not None
    assert INTERVALS[every] <= tick - ACTIVATED < INTERVALS[every] * 1.1


def test_configurations_activated_together_spread_evenly() -> None:
    ticks = [next_tick(Frequency.EVERY_5_MINUTES, ConfigId(UUID(int=i)), ACTIVATED, ACTIVATED) for i in range(3000)]
    delays = [(tick - ACTIVATED - timedelta(minutes=5)).total_seconds() for tick in ticks if tick]
    in_tenths = [sum(part * 3 <= delay < part * 3 + 3 for delay in delays) for part in range(10)]
    assert min(in_tenths) > 200


def test_summer_time_moves_no_tick() -> None:
    """Europe changes its clocks in the night after the activation."""
    config = ConfigId(UUID(int=1))
    first = next_tick(Frequency.DAILY, config, ACTIVATED, ACTIVATED)
    assert first is not None
    second = next_tick(Frequency.DAILY, config, ACTIVATED, first)
    assert second is not None
    assert second - first == timedelta(hours=24)


@pytest.mark.parametrize("now", [ACTIVATED, ACTIVATED + timedelta(days=30)])
def test_a_manual_configuration_has_no_ticks(now: datetime) -> None:
    assert next_tick(Frequency.MANUAL, ConfigId(UUID(int=1)), ACTIVATED, now) is None
