"""The CRM tells of its changes; Google is asked at ticks. Told from outside, channel and calls included."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.ports.state import RunState
from tests.stories.common import job, settled, titles
from tests.stories.conftest import OUTSIDE, OpenOutside
from tests.support.outside import OutsideWorld
from tests.support.waiting import wait_until

pytestmark = list(OUTSIDE)


async def opened(world: OutsideWorld, count: int = 3) -> tuple[list[str], list[str]]:
    """Pairs in sync, ticks every five minutes, and a channel that lives."""
    records, people = await settled(world, count)
    await world.configure(frequency="5m")
    await world.pass_time(minutes=3)
    await wait_until(lambda: has_channel(world), within_s=30)
    await world.sync()
    await world.vendors.crm.renew_token()
    await world.vendors.crm.control.clear_log()
    return records, people


async def has_channel(world: OutsideWorld) -> bool:
    return bool(await channels(world))


async def channels(world: OutsideWorld) -> list[dict[str, Any]]:
    """The channels that the CRM knows."""
    crm = world.vendors.crm
    headers = {"Authorization": f"Zoho-oauthtoken {crm.token}"}
    answer = await world.product.client.get(f"{crm.control.base_url}/crm/v8/actions/watch", headers=headers)
    return list(answer.json()["watch"]) if answer.status_code == 200 else []


async def told(world: OutsideWorld) -> list[str]:
    """What config-api answered to the CRM's calls, so far."""
    kept = await world.vendors.crm.control.call("GET", "/notifications")
    return [one["outcome"] for one in kept["deliveries"]]


async def all_told(world: OutsideWorld, count: int) -> None:
    """Return when config-api has answered so many of the CRM's calls."""

    async def answered() -> bool:
        return len(await told(world)) >= count

    await wait_until(answered, within_s=30)
    assert set(await told(world)) == {"202"}


async def ended_by(world: OutsideWorld, trigger: str, before: int) -> None:
    """Return when a run that this asked for has ended, beside the `before` runs there were."""

    async def ended() -> bool:
        runs = await world.runs()
        return len(runs) > before and not any(run.state.open for run in runs) and world.product.idle

    await wait_until(ended, within_s=30)
    assert [run.trigger for run in await world.runs()][before:] == [trigger]


async def test_c48_a_crm_edit_crosses_at_once_a_google_edit_within_a_tick_and_own_writes_start_nothing(
    open_outside: OpenOutside,
) -> None:
    async with open_outside() as world:
        records, people = await opened(world)
        runs = len(await world.runs())

        # No time goes by: the CRM's call alone brings the edit over.
        await world.vendors.crm.edit(records[0], Title="Countess")
        await ended_by(world, "webhook", runs)
        assert await titles(world, records[0], people[0]) == ("Countess", "Countess")

        await world.vendors.google.edit(people[1], organizations=job("Admiral"))
        await world.pass_time(minutes=5, seconds=30)
        assert await titles(world, records[1], people[1]) == ("Admiral", "Admiral")
        await all_told(world, 2)

        # Ten runs later: the schedule's alone, and none writes or asks the CRM anything.
        runs = len(await world.runs())
        before = await world.vendors.crm.control.calls()
        later = await world.carry_on(until=world.clock.now() + timedelta(minutes=50))
        assert [run.trigger for run in later] == ["schedule"] * 10
        assert [run.writes for run in later] == [{}] * 10
        assert len(await world.runs()) == runs + 10
        assert await world.vendors.crm.control.calls() - before == {}


async def test_a_burst_of_edits_in_the_crm_makes_two_runs_at_most(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        records, people = await opened(world, 12)
        runs = len(await world.runs())
        for n, record in enumerate(records):
            await world.vendors.crm.edit(record, Title=f"Title {n}")
        await all_told(world, 12)

        async def crossed() -> bool:
            shown = [await titles(world, *pair) for pair in zip(records, people, strict=True)]
            return all(here == there for here, there in shown)

        await wait_until(crossed, within_s=30)
        later = (await world.runs())[runs:]
        assert {run.trigger for run in later} == {"webhook"}
        assert len(later) <= 12
        assert sum(run.writes.get("google.update", 0) for run in later) == 12


async def test_a_channel_that_the_crm_lost_is_opened_anew_within_a_day(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        await opened(world)
        (before,) = await channels(world)
        headers = {"Authorization": f"Zoho-oauthtoken {world.vendors.crm.token}"}
        url = f"{world.vendors.crm.control.base_url}/crm/v8/actions/watch"
        await world.product.client.delete(url, params={"channel_ids": before["channel_id"]}, headers=headers)
        assert await channels(world) == []
        await world.configure(frequency="12h")
        await world.pass_time(days=1, hours=1)
        await world.vendors.crm.renew_token()
        await wait_until(lambda: has_channel(world), within_s=30)
        (anew,) = await channels(world)
        assert anew["token"] != before["token"]


async def test_while_a_channel_cannot_be_renewed_ticks_read_both_sides(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        records, people = await opened(world)
        await world.vendors.crm.control.settings(drop_notifications=True)
        await world.vendors.crm.control.fault("watch.*", "status", status=500)
        await world.configure(frequency="12h")
        await world.pass_time(days=1, hours=1)
        await world.configure(frequency="5m")
        await world.sync()
        for title in ("Countess", "Admiral"):
            await world.vendors.crm.edit(records[0], Title=title)
            await world.pass_time(minutes=5, seconds=30)
            assert await titles(world, records[0], people[0]) == (title, title)


async def test_a_channel_goes_with_the_last_configuration_of_its_connection(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        await opened(world)
        await world.api.post(f"{world.path}/deactivate")

        async def gone() -> bool:
            await world.product.move_to(world.clock.now() + timedelta(minutes=1))
            return await channels(world) == []

        await wait_until(gone, within_s=30)
        assert all(run.state is not RunState.FAILED for run in await world.runs())


@pytest.mark.parametrize("lag", [0, 40])
async def test_a_new_record_reaches_google_in_a_minute_even_where_the_crms_lists_lag(
    open_outside: OpenOutside, lag: int
) -> None:
    async with open_outside() as world:
        await opened(world)
        await world.vendors.crm.control.settings(visibility_delay_s=lag)
        runs = len(await world.runs())
        await world.vendors.crm.add([{"Last_Name": "Hopper", "Email": "grace@example.org"}])
        await ended_by(world, "webhook", runs)
        await world.pass_time(seconds=60 if lag else 0)
        assert len(await world.vendors.google.people(in_group=True)) == 4
