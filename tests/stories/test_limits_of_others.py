"""What the vendors allow, met from outside: quotas of a Google account that several configurations share."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from contactsync.domain.policy import Direction
from contactsync.ports.state import RunState
from tests.stories.common import DAYS_AGO, record
from tests.stories.conftest import OpenOutside
from tests.support.outside import OutsideWorld
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.timeout(300)]

_OURS: dict[str, object] = {
    "google_read_per_minute": 600,
    "google_write_per_minute": 24,
    "google_delete_per_minute": 24,
}
_THEIRS = {"critical_read_requests": 600, "critical_write_requests": 12, "read_requests": 600, "write_requests": 12}
"""Of the writes that we count on, Google grants half: two batches a minute."""


async def _refused(world: OutsideWorld) -> int:
    """How many calls Google has refused for a quota."""
    return sum(entry["status"] == 429 for entry in await world.vendors.google.control.log())


async def test_c15_what_google_refuses_is_waited_for_asked_more_slowly_and_done_in_the_end(
    open_outside: OpenOutside,
) -> None:
    async with open_outside(direction=Direction.CRM_TO_GOOGLE, product=_OURS) as world:
        google = world.vendors.google
        await google.control.settings(quotas_enabled=True, quota_per_minute=_THEIRS)
        await world.vendors.crm.add([record(n) for n in range(1_200)], at=DAYS_AGO)
        other = (await google.control.call("POST", f"/accounts/{google.sub}/groups", {"name": "Partners"}))[
            "resourceName"
        ]

        begun = await world.ask()
        waiting = await world.waiting(begun, "google_quota")
        assert datetime.fromisoformat(waiting["wait_until"]) - world.clock.now() > timedelta(seconds=50)
        assert waiting["reason_text"]
        beside = await world.beside(group=other)
        asked = await beside.ask()
        runs = [await world.ended(begun), await beside.ended(asked)]

        assert {run.state for run in runs} <= {RunState.SUCCEEDED, RunState.PARTIAL}
        await world.pass_time(minutes=20)
        for each in (world, beside):
            last = await each.sync()
            assert (last.state, last.counts["waiting"]) == (RunState.SUCCEEDED, 0)
        made = Counter(one["emailAddresses"][0]["value"] for one in await google.people())
        assert made == Counter(f"ada{n}@example.org" for n in range(1_200))
        assert len(await google.people(in_group=True)) == 1_200
        members = await google.control.call("GET", f"/accounts/{google.sub}/people?group={other}")
        assert len(members["people"]) == 1_200
        assert 1 <= await _refused(world) <= 2, "from the first refusal on half as much is asked for"


async def test_the_quota_of_the_account_itself_is_waited_for_longer_each_time(open_outside: OpenOutside) -> None:
    async with open_outside(direction=Direction.CRM_TO_GOOGLE) as world:
        google = world.vendors.google
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        await google.control.fault("people.batchCreateContacts", "rate_limit", variant="account", times=3)

        begun = await world.ask()
        waits = []
        for _ in range(3):
            run = await world.waiting(begun, "google_account_quota")
            until = datetime.fromisoformat(run["wait_until"])
            waits.append(round((until - world.clock.now()) / timedelta(minutes=5)))
            await world.product.move_to(until)
            await wait_until(lambda: _is_past(world, begun, until), within_s=60, every_s=0.1)  # noqa: B023  awaited in the loop
        ended = await world.ended(begun)

        assert waits == [1, 2, 4]
        assert ended.outcomes == {"created": 10}


async def _is_past(world: OutsideWorld, run_id: str, until: datetime) -> bool:
    run = await world.api.get(f"/v1/runs/{run_id}")
    return run["wait_until"] is None or datetime.fromisoformat(run["wait_until"]) > until
