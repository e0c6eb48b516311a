"""Rights that are withdrawn in the CRM while a configuration runs: what stops, and what the owner is told."""

from __future__ import annotations

import pytest

from contactsync.ports.state import RunState
from tests.stories.common import crm, job, quiet, record, settled, writes
from tests.stories.conftest import OpenOutside
from tests.support.outside import OutsideWorld
from tests.support.vendors import google_book

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq]


async def change(world: OutsideWorld, path: str, **values: object) -> None:
    """Change a profile or a user of the CRM as its administrator would."""
    book = world.vendors.crm
    await book.control.call("PATCH", f"/organisations/{book.zgid}/{path}", values)


async def test_a_refused_write_names_the_right_that_was_withdrawn_and_pauses(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        records, people = await settled(world, 2, Title="old")
        await world.sync()  # the check of this run is good for an hour
        await change(world, "profiles/Administrator", disable=["Crm_Implied_Edit_Contacts"])
        await world.vendors.google.edit(people[0], organizations=job("new"))

        run = await world.sync()

        assert (run.state, run.reason) == (RunState.FAILED, "no_right_edit")
        assert (await crm(world, records[0]))["Title"] == "old"
        found = await world.configuration()
        assert (found["status"], found["paused_reason"]) == ("paused", "no_right_edit")
        me = await world.api.get("/v1/me")
        assert {one["name"]: one["granted"] for one in me["permissions"]}["edit_contacts"] is False

        await change(world, "profiles/Administrator", enable=["Crm_Implied_Edit_Contacts"])
        run = await world.ended((await world.api.post(f"{world.path}/activate"))["run_id"])
        assert writes(run) == {"crm.update": 1}
        assert (await crm(world, records[0]))["Title"] == "new"


async def test_a_refused_reading_names_the_right_that_was_withdrawn(open_outside: OpenOutside) -> None:
    async with open_outside(direction="crm_to_google") as world:
        await settled(world, 1)
        await world.sync()
        await change(world, "profiles/Administrator", disable=["Crm_Implied_View_Contacts"])
        await world.vendors.crm.add([record(7)])
        run = await world.sync()
        assert (run.state, run.reason) == (RunState.FAILED, "no_right_view")
        assert (await world.configuration())["paused_reason"] == "no_right_view"


@pytest.mark.parametrize("hours", [0, 2])
async def test_a_user_who_is_switched_off_loses_both_grants_where_an_administrator_is_connected(
    open_outside: OpenOutside, hours: int
) -> None:
    """At the check that is due after an hour, and at the first refused call before."""
    async with open_outside() as world:
        user = await switched_off(world, hours, administrator=True)
        run = await user.sync()
        assert (run.state, run.reason) == (RunState.FAILED, "user_inactive")
        assert (await user.configuration())["status"] == "paused"
        assert (await user.api.get("/v1/connections"))["items"] == []
        grants = (await world.vendors.google.control.call("GET", "/grants"))["grants"]
        assert user.vendors.google.sub not in {grant["sub"] for grant in grants}
        assert {one["provider"] for one in (await world.api.get("/v1/connections"))["items"]} == {"zoho", "google"}


async def test_without_an_administrator_nobody_can_tell_and_the_google_grant_stays_for_a_reconnect(
    open_outside: OpenOutside,
) -> None:
    async with open_outside() as world:
        user = await switched_off(world, 2, administrator=False)
        run = await user.sync()
        assert (run.state, run.reason) == (RunState.FAILED, "needs_reconnect")
        found = {one["provider"]: one["state"] for one in (await user.api.get("/v1/connections"))["items"]}
        assert found == {"zoho": "needs_reconnect", "google": "active"}


async def test_a_lost_google_grant_is_told_as_such_whatever_else_was_withdrawn(open_outside: OpenOutside) -> None:
    async with open_outside() as world:
        await settled(world, 1)
        await world.sync()
        await change(world, "profiles/Administrator", disable=["Crm_Implied_Edit_Contacts"])
        google = world.vendors.google
        await google.control.call("POST", "/grants/revoke", {"account": google.sub})
        run = await world.sync()
        assert (run.state, run.reason) == (RunState.FAILED, "needs_reconnect")
        assert (await world.configuration())["paused_reason"] == "needs_reconnect"


async def switched_off(world: OutsideWorld, hours: int, *, administrator: bool) -> OutsideWorld:
    """A user whose configuration ran, so many hours before he was switched off."""
    if administrator:
        await world.save()
        await quiet(world)
    google = await google_book(world.vendors.google.control, "charles@example.com")
    user = await world.beside(colleague=google)
    await user.sync()
    await world.pass_time(hours=hours)
    await change(world, f"users/{user.vendors.crm.user_id}", active=False)
    return user
