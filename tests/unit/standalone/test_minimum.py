"""The fewest data calls of a run, by the sizes of the batches of both vendors."""

from __future__ import annotations

import pytest

from standalone.minimum import first_run, later_run


@pytest.mark.parametrize(("contacts", "calls"), [(10_000, 101), (1, 3), (201, 5)])
def test_a_first_run_into_an_empty_account(contacts: int, calls: int) -> None:
    assert first_run(in_view=contacts, in_account=0, created_on_google=contacts) == calls


def test_a_run_that_finds_nothing_changed_takes_three_calls() -> None:
    assert later_run(changed_in_crm=0, changed_on_google=0) == 3


def test_five_hundred_updates_to_google_take_twelve_calls() -> None:
    assert later_run(changed_in_crm=500, changed_on_google=0, news_from_crm=True, updated_on_google=500) == 12


def test_two_hundred_and_fifty_updates_each_way_take_twelve_calls() -> None:
    calls = later_run(
        changed_in_crm=250, changed_on_google=250, news_from_crm=True, updated_on_google=250, updated_in_crm=250
    )
    assert calls == 12
