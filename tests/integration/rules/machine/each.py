"""Two people at work on both address books at random, and the laws that every sync must keep.

Contacts are made, edited, deleted, merged, restored and re-labelled on both sides, they leave the view and the group
and come back; settings change, questions are answered, listings lag, answers are lost, workers die, days pass; runs
come in between. Each run is held to the laws of `machine.laws`; when everything is quiet, so is what stands in the end.

The file's name keeps it out of `make test`, where the smaller `test_machine` plays. `CASES` and `STEPS` say how long to
go on (`make laws`); without them the same examples are played each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.integration.rules.machine.people import BothBooks

SMALL = "CASES" not in os.environ
CASES = int(os.environ.get("CASES", "15"))
STEPS = int(os.environ.get("STEPS", "20"))

BothBooks.TestCase.settings = settings(
    max_examples=CASES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=SMALL,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestBothBooks = pytest.mark.timeout(600 if SMALL else 0)(BothBooks.TestCase)
