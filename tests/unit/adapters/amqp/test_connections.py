"""Pauses before a connection is tried again."""

from __future__ import annotations

from random import Random

from contactsync.adapters.amqp.connections import reconnect_pause, start_up_pause
from contactsync.adapters.amqp.settings import AmqpSettings

SETTINGS = AmqpSettings(url="amqp://account:secret@broker/")


def test_a_fleet_comes_back_spread_over_the_whole_range() -> None:
    pauses = [reconnect_pause(SETTINGS, Random(seed)) for seed in range(200)]
    assert all(2 <= pause <= 10 for pause in pauses)
    assert min(pauses) < 3
    assert max(pauses) > 9


def test_the_start_up_pause_doubles_under_full_jitter_up_to_ten_seconds() -> None:
    class Longest(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    assert [start_up_pause(failures, SETTINGS, Longest()) for failures in (1, 2, 3, 4, 5, 6, 40)] == [
        0.5,
        1.0,
        2.0,
        4.0,
        8.0,
        10.0,
        10.0,
    ]


def test_settings_do_not_show_the_account() -> None:
    assert "secret" not in repr(SETTINGS)
