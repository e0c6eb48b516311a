"""Two people at work on both address books at random, and the laws that every sync must keep.

Contacts are made, edited, deleted, merged, restored and re-labelled on both sides, they leave the view and the group
and come back; settings change, questions are answered, listings lag, tokens expire, answers are lost, workers die, days
pass; runs come in between. Each run is held to the laws of `machine.laws`; when everything is quiet, so is what stands
in the end.

`CASES` and `STEPS` say how long to go on (`make laws`); without them the same examples are played each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.rules.machine.happened import RARE, USUAL
from tests.integration.rules.machine.people import BothBooks
from tests.integration.rules.machine.world import HAPPENED

SMALL = "CASES" not in os.environ
CASES = int(os.environ.get("CASES", "25"))
STEPS = int(os.environ.get("STEPS", "20"))


@pytest.mark.timeout(600 if SMALL else 0)
def test_two_people_at_work_on_both_books_bring_no_run_to_break_a_law() -> None:
    HAPPENED.clear()
    run_state_machine_as_test(
        BothBooks,
        settings=settings(
            max_examples=CASES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=SMALL,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
    print("\n".join(f"{number:6} {what}" for what, number in HAPPENED.most_common()))  # noqa: T201  `make laws` shows it
    never = (USUAL if SMALL else USUAL | RARE) - HAPPENED.keys()
    assert not never, f"the machine never brought about: {sorted(never)}"
