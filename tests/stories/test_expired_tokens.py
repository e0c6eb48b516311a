"""A sync token of Google that expires at a bad moment: while contacts wait, and where the listing after it is short."""

from __future__ import annotations

import pytest

from contactsync.domain.policy import DeletePolicy
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode
from tests.stories.common import book_sizes, google, job, person, quiet, settled, titles, writes
from tests.support.story import OpenWorld

EIGHT_DAYS_S = 8 * 24 * 3600
"""A token lives for seven."""


async def test_in_the_middle_of_a_backlog_nobody_is_lost_doubled_or_deleted(open_world: OpenWorld) -> None:
    """Twelve edits and three new people wait, four a run; one pair of the backlog is deleted meanwhile."""
    limits = RunLimits(initial=100, incremental=4)
    async with open_world(limits=limits, catch_up=False, deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        for number, name in enumerate(people):
            await world.vendors.google.edit(name, organizations=job(f"edit {number}"))
        new = await world.vendors.google.add([person(n) for n in range(50, 53)])
        assert (await world.sync()).counts["waiting"] == 11
        await world.vendors.google.control.advance(EIGHT_DAYS_S)
        await world.vendors.google.edit(people[11], organizations=job("edited again"))
        await world.vendors.crm.delete(records[10])

        runs = [await world.sync() for _ in range(4)]

        assert [sum(run.counts[one] for one in ("updated", "created", "deleted")) for run in runs] == [4, 4, 3, 0]
        shown = {one["id"]: one.get("Title") for one in await world.vendors.crm.records()}
        assert [shown[one] for one in records[:10]] == [f"edit {n}" for n in range(10)]
        assert shown[records[11]] == "edited again"
        # It was edited since it was deleted on the other side: made again, with the edit.
        assert await titles(world, (await world.pair(people[10])).crm_id, people[10]) == ("edit 10", "edit 10")
        assert [bool((await world.pair(one)).crm_id) for one in new] == [True] * 3
        assert await book_sizes(world) == (15, 15)
        await quiet(world)


@pytest.mark.parametrize("keep", [0.0, 0.5])
async def test_a_short_listing_after_an_expired_token_deletes_and_forgets_nobody(
    open_world: OpenWorld, keep: float
) -> None:
    async with open_world(catch_up=False, deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 12, Title="Analyst")
        await world.vendors.google.control.advance(EIGHT_DAYS_S)
        await world.vendors.google.delete(people[0])
        await world.vendors.google.control.fault(
            "people.connections.list", "short_listing", keep=keep, after=1, times=1
        )
        await world.vendors.crm.edit(records[1], Title="Countess")

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert (await google(world, people[1]))["organizations"][0]["title"] == "Countess"
        await world.pass_time(minutes=20)
        await world.vendors.google.control.clear_faults()
        # Of who was deleted while the token was lost no record tells: the next full listing does.
        assert writes(await world.sync(mode=RunMode.FULL)) == {"crm.delete": 1}
        await quiet(world)
        assert await book_sizes(world) == (11, 11)
