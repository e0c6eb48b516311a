"""Silence and credentials: complaints C16 to C18."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunState
from contactsync.telemetry import metrics
from standalone.consent import ConsentError
from tests.stories.common import DAYS_AGO, book_sizes, job, record, settled, titles, writes
from tests.stories.conftest import OpenOutside, outside
from tests.support.callers import RefusedError
from tests.support.outside import OutsideWorld
from tests.support.postbox import Postbox, mail_server
from tests.support.vendors import google_book
from tests.support.waiting import wait_until


@pytest.fixture
def post() -> Iterator[tuple[Postbox, str]]:
    with mail_server() as served:
        yield served


async def revoke(world: OutsideWorld, side: Side) -> None:
    """What a user does on the vendor's page of connected applications."""
    crm, google = world.vendors.crm, world.vendors.google
    if side is Side.CRM:
        await crm.control.call("POST", "/tokens/revoke", {"user_id": crm.user_id})
    else:
        await google.control.call("POST", "/grants/revoke", {"account": google.sub})


def paused(reason: str) -> float:
    """How many configurations are paused for that reason, as the metric says."""
    value: float = metrics.REGISTRY.get_sample_value("contactsync_paused_configurations", {"reason": reason}) or 0
    return value


@outside
@pytest.mark.parametrize("side", Side)
async def test_c16_a_revoked_consent_is_shown_within_one_run_told_once_measured_and_ends_all_calls(
    open_outside: OpenOutside, post: tuple[Postbox, str], side: Side
) -> None:
    box, smtp_url = post
    async with open_outside(product={"smtp_url": smtp_url}) as world:
        await settled(world, 3)
        await revoke(world, side)
        await world.pass_time(hours=2)  # no access token lives so long

        run = await world.sync()

        assert (run.state, run.reason) == (RunState.FAILED, Reason.NEEDS_RECONNECT)
        told = await world.configuration()
        assert (told["status"], told["paused_reason"]) == ("paused", Reason.NEEDS_RECONNECT)
        await world.pass_time(minutes=2)
        await wait_until(lambda: paused(Reason.NEEDS_RECONNECT) == 1)
        await wait_until(lambda: len(box.letters) == 1)
        await world.vendors.clear_logs()
        for _ in range(3):
            with pytest.raises(RefusedError):  # nobody starts a run by hand either
                await world.ask()
            await world.pass_time(days=1)
        assert sum((await world.vendors.calls()).values()) == 0
        assert len(box.letters) == 1
        assert box.letters[0]["To"] == "ada@example.com"


@outside
@pytest.mark.parametrize("side", Side)
async def test_c17_after_a_new_consent_the_sync_goes_on_from_where_it_stood(
    open_outside: OpenOutside, side: Side
) -> None:
    async with open_outside() as world:
        records, people = await settled(world, 5)
        await revoke(world, side)
        await world.pass_time(hours=2)
        assert (await world.sync()).state is RunState.FAILED
        await world.vendors.crm.edit(records[0], Title="here")
        await world.vendors.google.edit(people[1], organizations=job("there"))

        await world.product.connect(world.api, world.vendors.crm, world.vendors.google)
        assert (await world.configuration())["status"] == "active"
        await world.rest()
        await world.sync()

        assert await titles(world, records[0], people[0]) == ("here", "here")
        assert await titles(world, records[1], people[1]) == ("there", "there")
        assert await book_sizes(world) == (5, 5)
        assert not [name for run in await world.runs() for name in run.writes if "create" in name]


@outside
async def test_c18_one_incident_is_told_once_and_another_google_account_is_refused_with_both_names(
    open_outside: OpenOutside, post: tuple[Postbox, str]
) -> None:
    box, smtp_url = post
    async with open_outside(product={"smtp_url": smtp_url}) as world:
        await world.vendors.crm.add([record(n) for n in range(3)], at=DAYS_AGO)
        await world.sync()
        await revoke(world, Side.GOOGLE)
        await world.pass_time(hours=2)
        assert (await world.sync()).reason == Reason.NEEDS_RECONNECT
        await world.pass_time(minutes=1)
        await wait_until(lambda: len(box.letters) == 1)
        other = await google_book(world.vendors.google.control, "charles@example.com")

        with pytest.raises(ConsentError, match=r"ada@example\.com.*charles@example\.com"):
            await world.product.connect(world.api, world.vendors.crm, other)

        assert await other.people() == []
        assert (await world.configuration())["status"] == "paused"
        await world.pass_time(days=2)
        await world.product.connect(world.api, world.vendors.crm, world.vendors.google)
        await world.rest()
        assert not writes(await world.sync())
        assert await book_sizes(world) == (3, 3)
        assert len(box.letters) == 1
