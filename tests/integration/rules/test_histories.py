"""Histories that the machine of `test_machine` found, each of which once broke a law; in few steps, played as they are.

At the end of each everything becomes quiet, and the laws of what stands then are asked as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.requests import RunLimits
from tests.integration.rules.machine.people import BothBooks

pytestmark = pytest.mark.timeout(120)

TWO_WAY = {"direction": Direction.TWO_WAY, "deletions": DeletePolicy.PROPAGATE}
AMPLE = RunLimits(initial=10_000, incremental=500)


@pytest.fixture
def books() -> Iterator[BothBooks]:
    machine = BothBooks()
    yield machine
    machine.teardown()


def test_after_a_lost_database_whom_the_listing_hides_is_found_in_the_group(books: BothBooks) -> None:
    most = set(range(14)) - {3, 5, 7}
    books.begin(here=set(range(14)), there=most, winner=Side.CRM, limits=AMPLE, shuffle=False, **TWO_WAY)
    books.lose_the_database()
    books.sync_with_a_listing_cut_short(side=Side.GOOGLE, keep=0.9, tells=False)
    books.delete_many_and_approve(side=Side.GOOGLE, pick=117)


def test_after_a_lost_database_somebody_deleted_and_still_listed_leaves_no_harm(books: BothBooks) -> None:
    here, there = {0, 3, 4, 5, 6, 8, 10, 11}, {1, 2, 3, 6, 11, 12, 13}
    books.begin(here=here, there=there, winner=Side.GOOGLE, limits=RunLimits(100, 5), shuffle=False, **TWO_WAY)
    books.edit_both_sides_of_a_pair(title="Analyst", other="Engineer", pick=91)
    books.sync_with_an_answer_lost(action="cut_after", lost=("google", "people.batch*Contacts"), pick=296)
    books.listings_lag(crm=0, google=300)
    books.delete_people(edited="Analyst", many=6, pick=907, soon=True)
    books.delete_people(edited=None, many=1, pick=1000, soon=True)
    books.lose_the_database()
    books.delete_records(edited="Countess", many=1, pick=338, soon=True)
    books.deactivate_for_some_days(days=9)


def test_after_a_lost_database_whom_the_sync_itself_had_deleted_is_not_given_back_for_good(books: BothBooks) -> None:
    here, there = {1, 2, 7, 9, 11, 12, 13}, {0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13}
    books.begin(here=here, there=there, winner=Side.GOOGLE, limits=RunLimits(8, 3), shuffle=True, **TWO_WAY)
    books.sync_with_an_answer_lost(action="cut_before", lost=("google", "people.batchCreateContacts"), pick=140)
    books.merge_two_records(other=562, pick=917)
    books.deactivate_for_some_days(days=9)
    books.listings_lag(crm=30, google=300)
    books.sync(times=1)
    books.lose_the_database()
    books.sync_in_full()


def test_a_pair_that_was_not_read_yet_stops_no_run_when_its_record_is_deleted(books: BothBooks) -> None:
    both = {1, 2, 3, 5, 9, 11, 12}
    books.begin(here=both, there=both, winner=Side.GOOGLE, limits=RunLimits(100, 5), shuffle=True, **TWO_WAY)
    books.listings_lag(crm=0, google=300)
    books.answer_for_a_pair(choice=75, pick=214)
    books.sync_with_an_answer_lost(action="cut_partly", lost=("google", "people.batchCreateContacts"), pick=525)
    books.make_a_person_again_and_merge_the_first_into_it(in_group=True, pick=503)
    books.delete_records(edited="Analyst", many=7, pick=116, soon=False)
    books.sync_with_an_answer_lost(action="cut_partly", lost=("google", "people.batch*Contacts"), pick=200)


def test_after_a_lost_database_an_edit_that_is_not_listed_yet_is_no_conflict_when_it_is(books: BothBooks) -> None:
    ten = set(range(10))
    books.begin(here=set(range(14)), there=ten, winner=Side.CRM, limits=AMPLE, shuffle=False, **TWO_WAY)
    books.listings_lag(crm=0, google=120)
    books.edit_a_person(edit=("Department", "Countess"), pick=346)
    books.lose_the_database()
    books.delete_people(edited="Analyst", many=1, pick=171, soon=True)
