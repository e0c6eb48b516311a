"""Selection and reporting: complaints C32, C33."""

from __future__ import annotations

import pytest

from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import NoEmailRule
from contactsync.domain.reasons import Reason
from tests.stories.common import DAYS_AGO, book_sizes, person, quiet, reasons, record
from tests.support.story import OpenWorld


async def test_c32_the_totals_add_up_and_whoever_was_left_out_has_a_reason(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(4)] + [record(0)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(3, 6)] + [{"biographies": [{"value": "x"}]}])
        run = await world.sync()
        assert run.counts["selected"] == sum(run.counts[outcome.value] for outcome in Outcome) == 8
        left = [row for row in await world.report(run) if row.outcome in {Outcome.SKIPPED, Outcome.HELD}]
        assert len(left) == 2
        assert all(row.reason for row in left)


@pytest.mark.parametrize("rule", NoEmailRule)
async def test_c33_the_rule_for_contacts_without_an_address_is_the_users(
    open_world: OpenWorld, rule: NoEmailRule
) -> None:
    async with open_world(no_email=rule) as world:
        phone = "+44 113 496 0000"
        await world.vendors.crm.add([{"First_Name": "Ada", "Last_Name": "Byron", "Mobile": phone}], at=DAYS_AGO)
        await world.vendors.google.add(
            [
                {
                    "names": [{"givenName": "Ada", "familyName": "Byron"}],
                    "phoneNumbers": [{"value": "0113 496 0000", "type": "mobile"}],
                }
            ]
        )
        run = await world.sync()
        expected = {NoEmailRule.MATCH: (1, 1), NoEmailRule.CREATE: (2, 2), NoEmailRule.SKIP: (1, 1)}[rule]
        assert await book_sizes(world) == expected
        skipped = {Reason.NO_EMAIL_SKIPPED: 2} if rule is NoEmailRule.SKIP else {}
        assert await reasons(world, run) == skipped
        await quiet(world)
