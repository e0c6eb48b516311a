"""Contacts that exist twice: complaints C1, C2, C42, C43, C50."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from config_api.webhooks.service import SECRET_HEADER
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import RunLimits
from tests.stories.common import CRITERIA, DAYS_AGO, book_sizes, person, record, settled, writes
from tests.stories.conftest import OpenOutside, outside
from tests.support.outside import OutsideWorld
from tests.support.queues import copied
from tests.support.story import OpenWorld
from tests.support.vendors import google_people


async def test_c1_fifteen_runs_over_unchanged_data_add_nobody_and_write_nothing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.populate(60, at=DAYS_AGO)
        await world.sync()
        sizes = await book_sizes(world)
        for _ in range(15):
            await world.pass_time(hours=7)
            assert not writes(await world.sync())
        assert await book_sizes(world) == sizes == (60, 60)


async def test_c1_books_of_which_many_match_in_part_come_to_rest_too(open_world: OpenWorld) -> None:
    """People without addresses, with those of others, and of either book alone, in the group and outside of it."""
    async with open_world() as world:
        await world.vendors.crm.populate(60, at=DAYS_AGO)
        await world.vendors.google.add(google_people(60, seed=2, unique_emails=False))
        await world.vendors.google.add(google_people(30), in_group=False)
        await world.sync()
        sizes = await book_sizes(world)
        for _ in range(15):
            await world.pass_time(hours=7)
            assert not writes(await world.sync())
        assert await book_sizes(world) == sizes


async def test_c2_two_books_that_share_people_make_none_of_these_again(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(15)])
        await world.vendors.google.add([person(n) for n in range(15, 30)], in_group=False)

        run = await world.sync()

        assert writes(run) == {"google.join_group": 15}
        assert await book_sizes(world) == (30, 30)


async def test_c2_somebody_without_an_address_is_found_among_thousands_of_his_name(open_world: OpenWorld) -> None:
    """Outside the view, the last of all; nothing is made, and nobody is taken for him."""
    async with open_world(view_criteria=CRITERIA) as world:
        numbers = [f"+44 113 496 {n:04}" for n in range(2_050)]
        records = await world.vendors.crm.add(
            [{"First_Name": "Ada", "Last_Name": "Smith", "Phone": number} for number in numbers], at=DAYS_AGO
        )
        names = [{"givenName": "Ada", "familyName": "Smith"}]
        await world.vendors.google.add([{"names": names, "phoneNumbers": [{"value": numbers[-1], "type": "home"}]}])

        assert not writes(await world.sync())

        assert await book_sizes(world) == (2_050, 1)
        [pair] = await world.pairs()
        assert (pair.crm_id, pair.state) == (records[-1], PairState.DORMANT)


async def test_c2_people_beyond_those_who_were_sought_are_made_by_the_run_that_has_sought_them(
    open_world: OpenWorld,
) -> None:
    async with open_world(limits=RunLimits(initial=50, incremental=1), view_criteria=CRITERIA) as world:
        _, people = await settled(world, 3, Lead_Source="Partner")
        # Pairs that take no room come first: their people leave the group. Behind them waits somebody new, who exists.
        for name in people:
            await world.vendors.google.move(name, remove=[world.vendors.google.group])
            await world.pass_time(seconds=2)
        await world.vendors.crm.add([record(50)])
        await world.vendors.google.add([person(50)])

        for _ in range(3):
            await world.sync()

        assert await book_sizes(world) == (4, 4)
        pair = next(one for one in await world.pairs() if one.google_id not in people)
        assert (pair.state, pair.reason) == (PairState.DORMANT, Reason.IN_CRM_OUTSIDE_VIEW)


@outside
async def test_c42_wishes_and_a_tick_of_one_instant_make_one_effective_run(open_outside: OpenOutside) -> None:
    """The others join it, or stand for one further run that finds nothing to do."""
    async with open_outside(frequency="1h") as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([record(n) for n in range(5, 10)])
        due = await world.next_sync()
        assert due is not None
        before = {run.run_id for run in await world.runs()}
        await world.product.move_to(due)

        asked = await asyncio.gather(*(world.api.post(f"{world.path}/runs") for _ in range(4)))

        for run_id in {one["run"]["id"] for one in asked}:
            await world.ended(run_id)
        await world.pass_time(minutes=1)
        runs = [run for run in await world.runs() if run.run_id not in before]
        assert [run.writes for run in runs if run.writes] == [{"google.create": 5}]
        assert len(runs) <= 2
        assert await book_sizes(world) == (10, 10)


@outside
@pytest.mark.parametrize("side", Side)
async def test_c43_the_same_job_delivered_to_two_workers_at_once_creates_each_contact_once(
    open_outside: OpenOutside, amqp_url: str, side: Side
) -> None:
    """Contacts that are made on this side."""
    async with open_outside() as world, world.product.another_worker(), copied(amqp_url, "sync.initial") as copies:
        if side is Side.GOOGLE:
            await world.vendors.crm.add([record(n) for n in range(300)], at=DAYS_AGO)
            await world.vendors.google.control.fault("people.batchCreateContacts", "slow", delay_s=0.3)
        else:
            await world.vendors.google.add([person(n) for n in range(300)])
            await world.vendors.crm.control.fault("contacts.insert", "slow", delay_s=0.3)

        run_id = await world.ask()
        await copies.send_again(times=3)
        run = await world.ended(run_id)

        assert run.outcomes == {"created": 300}
        assert await book_sizes(world) == (300, 300)
        assert len({one["emailAddresses"][0]["value"] for one in await world.vendors.google.people()}) == 300
        assert len({one["Email"] for one in await world.vendors.crm.records()}) == 300


@outside
async def test_c50_whoever_starts_a_run_it_selects_the_same_contacts(open_outside: OpenOutside) -> None:
    """Before each run somebody comes into the view, into the group, and somebody else beside either."""
    async with open_outside(view_criteria=CRITERIA, frequency="1h", crm_values={"Lead_Source": "Partner"}) as world:
        await world.vendors.crm.control.settings(drop_notifications=True)  # they would start runs of their own

        async def newcomers(number: int) -> None:
            await world.vendors.crm.add([record(number, Lead_Source="Partner"), record(number + 100)])
            await world.vendors.google.add([person(number + 200)])
            await world.vendors.google.add([person(number + 300)], in_group=False)

        await newcomers(1)
        by_hand = await world.sync()
        await world.pass_time(minutes=20)
        await newcomers(2)
        (by_schedule,) = await world.carry_on(until=world.clock.now() + timedelta(minutes=59))
        await newcomers(3)
        by_call = await world.ended(await asked_by_the_crm(world))

        runs = (by_hand, by_schedule, by_call)
        assert [run.trigger for run in runs] == ["user", "schedule", "webhook"]
        assert [run.counts["selected"] for run in runs] == [2, 4, 6]
        assert [run.writes for run in runs] == [{"google.create": 1, "crm.create": 1}] * 3
        assert await book_sizes(world) == (9, 9)


async def asked_by_the_crm(world: OutsideWorld) -> str:
    """The run that a CRM's own program asked for."""
    admin = world.product.caller("root", role="admin")
    endpoint = await admin.post("/v1/webhook-endpoints", {"direction": "incoming", "name": "CRM"})
    headers = {SECRET_HEADER: endpoint["secret"]}
    answer = await world.product.client.post(
        endpoint["url"], json={"configuration_id": world.config_id}, headers=headers
    )
    assert answer.json() == {"configurations": 1}
    return (await world.runs())[-1].run_id
