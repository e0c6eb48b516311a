"""What the vendors allow: quotas of the minute, a full account, the CRM's daily credits, and a fair share of slices."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from contactsync.domain.credits import Shares
from contactsync.domain.ids import RunId
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason
from contactsync.messages.hint import RunHint
from contactsync.ports.state import Run, RunMode, RunSettings, RunState
from sync_worker.engine.settings import EngineSettings
from sync_worker.limits import Quota
from sync_worker.runner import WorkerSettings
from tests.contract.state.worlds import lease_of, some_settings
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_first_run import DAYS_AGO, addresses, record, writes
from tests.support.sync_states import Crash
from tests.support.sync_world import SyncWorld


async def test_a_quota_of_the_minute_makes_the_run_wait_with_a_date_and_end_complete(open_world: OpenWorld) -> None:
    """Twelve units: two batches of creates a minute. Nothing is refused by Google, which keeps the same quota."""
    quota = Quota({"read": 60, "write": 12})
    async with open_world(direction=Direction.CRM_TO_GOOGLE, worker=WorkerSettings(quotas={"google": quota})) as world:
        await world.vendors.google.control.settings(
            quotas_enabled=True, quota_per_minute={"critical_read_requests": 60, "critical_write_requests": 12}
        )
        await world.vendors.crm.add([record(n) for n in range(1000)], at=DAYS_AGO)
        began = world.clock.now()

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert writes(run) == {"writes.google.create": 1000}
        assert timedelta(minutes=2) <= world.clock.now() - began <= timedelta(minutes=3)
        assert run.counts["calls.google.people.batch_create"] == 5


async def test_a_full_account_holds_what_does_not_fit_and_updates_go_on(open_world: OpenWorld) -> None:
    async with open_world() as world:
        ids = await world.vendors.crm.add([record(n, Title="Analyst") for n in range(10)], at=DAYS_AGO)
        await world.sync()
        await world.vendors.advance(600)
        await world.sync()
        await world.vendors.advance(600)
        await world.vendors.google.control.settings(max_contacts=12)
        await world.vendors.crm.add([record(n) for n in range(10, 20)])
        await world.vendors.crm.edit(ids[0], Title="Countess")

        run = await world.sync()

        assert run.state is RunState.PARTIAL
        assert writes(run) == {"writes.google.update": 1}
        held = [row for row in await world.report(run) if row.outcome is Outcome.HELD]
        assert {row.reason for row in held} == {Reason.GOOGLE_ACCOUNT_FULL}
        assert len(held) == 10

        await world.vendors.google.control.settings(max_contacts=25_000)
        await world.pass_until(world.clock.now() + timedelta(days=1, minutes=1))
        assert writes(await world.sync()) == {"writes.google.create": 10}
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(20)}


async def test_a_full_account_is_foreseen_and_google_is_not_asked_for_what_it_would_refuse(
    open_world: OpenWorld,
) -> None:
    """Of twelve, nine are there after a full reading, five of them outside the group: three fit, updates go on."""
    async with open_world(engine=EngineSettings(account_holds=12)) as world:
        await world.vendors.google.control.settings(max_contacts=12)
        ids = await world.vendors.crm.add([record(n, Title="Analyst") for n in range(4)], at=DAYS_AGO)
        await world.vendors.google.add([{"names": [{"givenName": f"Private{n}"}]} for n in range(5)], in_group=False)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.sync()
        await world.vendors.crm.add([record(n) for n in range(10, 20)])
        await world.vendors.crm.edit(ids[0], Title="Countess")

        run = await world.sync()

        assert run.state is RunState.PARTIAL
        assert writes(run) == {"writes.google.create": 3, "writes.google.update": 1}
        assert run.counts["calls.google.people.batch_create"] == 1
        held = [row for row in await world.report(run) if row.outcome is Outcome.HELD]
        assert [row.reason for row in held] == [Reason.GOOGLE_ACCOUNT_FULL] * 7
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([record(30)])
        assert "calls.google.people.batch_create" not in (await world.sync()).counts


async def test_what_another_configuration_makes_counts_at_once_in_the_room_that_is_left(open_world: OpenWorld) -> None:
    """Of ten, four are there when the first one reads in full, and three more by the second one: three fit."""
    async with open_world(engine=EngineSettings(account_holds=10)) as world:
        await world.vendors.google.control.settings(max_contacts=10)
        await world.vendors.crm.add([record(n) for n in range(4)], at=DAYS_AGO)
        assert writes(await world.sync()) == {"writes.google.create": 4}
        await world.pass_time(minutes=20)
        first = world.settings
        await world.vendors.crm.add([record(n) for n in range(4, 7)])
        await world.add_configuration("Second", direction=Direction.CRM_TO_GOOGLE)
        assert writes(await world.sync()) == {"writes.google.create": 3, "writes.google.join_group": 4}
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([record(n) for n in range(10, 20)])
        world.settings = first

        run = await world.sync()

        assert writes(run) == {"writes.google.create": 3, "writes.google.join_group": 3}
        assert run.counts["calls.google.people.batch_create"] == 1
        assert run.counts["held"] == 7
        assert len(await world.vendors.google.people()) == 10


async def test_who_was_held_for_want_of_room_is_made_by_the_first_run_that_sees_room(open_world: OpenWorld) -> None:
    async with open_world(engine=EngineSettings(account_holds=12)) as world:
        await world.vendors.google.control.settings(max_contacts=12)
        private = [{"names": [{"givenName": f"Private{n}"}]} for n in range(8)]
        strangers = await world.vendors.google.add(private, in_group=False)
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        assert writes(await world.sync()) == {"writes.google.create": 4}
        await world.pass_time(minutes=20)
        assert not writes(await world.sync())

        await world.vendors.google.delete(*strangers[:4])
        await world.vendors.google.empty_trash()
        run = await world.sync()

        assert writes(run) == {"writes.google.create": 4}
        assert run.counts["calls.google.people.batch_create"] == 1
        assert run.counts["held"] == 2
        await world.vendors.google.delete(*strangers[4:])
        await world.vendors.google.empty_trash()
        assert writes(await world.sync()) == {"writes.google.create": 2}
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(10)}


async def test_what_the_trash_keeps_full_is_tried_once_and_again_when_a_full_listing_counts(
    open_world: OpenWorld,
) -> None:
    async with open_world(engine=EngineSettings(account_holds=6)) as world:
        await world.vendors.google.control.settings(max_contacts=6)
        strangers = await world.vendors.google.add([{"names": [{"givenName": "Private"}]}] * 5, in_group=False)
        await world.vendors.crm.add([record(n) for n in range(3)], at=DAYS_AGO)
        assert writes(await world.sync()) == {"writes.google.create": 1}
        await world.vendors.google.delete(*strangers[:2])

        tried, after = await world.sync(), await world.sync()

        assert tried.counts["calls.google.people.batch_create"] == 1
        assert "calls.google.people.batch_create" not in after.counts
        assert not writes(tried)
        assert not writes(after)
        await world.vendors.google.empty_trash()
        assert writes(await world.sync(mode=RunMode.FULL)) == {"writes.google.create": 2}


async def test_what_the_trash_holds_is_not_foreseen_and_what_google_refuses_is_held(open_world: OpenWorld) -> None:
    """The listing shows two of six; the trash holds three more. There is room for one: a batch of two is refused."""
    async with open_world(engine=EngineSettings(account_holds=6)) as world:
        people = await world.vendors.google.add([{"names": [{"givenName": f"Old{n}"}]} for n in range(5)])
        await world.vendors.google.delete(*people[2:])
        await world.vendors.google.control.settings(max_contacts=6)
        await world.vendors.crm.add([record(n) for n in range(2)], at=DAYS_AGO)

        run = await world.sync()

        assert run.state is RunState.PARTIAL
        assert writes(run) == {"writes.crm.create": 2}
        held = [row for row in await world.report(run) if row.outcome is Outcome.HELD]
        assert [row.reason for row in held] == [Reason.GOOGLE_ACCOUNT_FULL] * 2


async def test_runs_wait_with_a_date_while_the_share_of_the_credits_is_used_up(open_world: OpenWorld) -> None:
    """Of 50,000 credits a quarter; what a person asks for may go up to two fifths."""
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        scheduled = await world.sync(trigger="schedule")
        assert await used_up_by(world, scheduled) > 12_400
        await world.vendors.crm.add([record(n) for n in range(10, 20)])
        began = world.clock.now()

        by_hand = await world.sync()
        waited_by_hand = world.clock.now() - began
        scheduled = await world.sync(trigger="schedule")

        assert (by_hand.state, waited_by_hand) == (RunState.SUCCEEDED, timedelta(0))
        assert scheduled.state is RunState.SUCCEEDED
        assert timedelta(hours=24) <= world.clock.now() - began <= timedelta(hours=26)


async def test_unused_credits_go_back_at_the_end_of_a_slice(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)

        run = await world.sync()

        store, now = world.books.state.credits, world.clock.now()
        # One page of the view is three of 12,500, and a few go for questions about the fields; twenty were reserved.
        assert await store.reserve(run, 12_498, Shares(25, 25), now) is not None
        assert await store.reserve(run, 12_490, Shares(25, 25), now) is None


async def test_credits_that_a_killed_worker_had_reserved_come_back(open_world: OpenWorld) -> None:
    """Killed at each of its steps: less than a call's worth is lost for the day."""
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        run = await world.sync()
        free = await used_up_by(world, run)
        for step in range(1, 12):
            await world.pass_time(hours=26)
            world.crash = Crash(step)
            run = await world.sync(mode=RunMode.FULL)
            assert run.state is RunState.SUCCEEDED
            assert free - 15 <= await used_up_by(world, run) <= free


async def used_up_by(world: SyncWorld, run: Run) -> int:
    """Reserve whatever is left of the usual share; how much that was."""
    store, now, everybody = world.books.state.credits, world.clock.now(), Shares(25, 25)
    for amount in range(12_500, 0, -1):
        if await store.reserve(run, amount, everybody, now) is None:
            return amount
    return 0


async def requested(world: SyncWorld, settings: RunSettings) -> RunId:
    """A run that was asked for."""
    now = world.clock.now()
    asked = await world.books.requests.request(settings.organisation_id, settings.config_id, RunMode.SYNC, "user", now)
    return asked.run_id


async def test_an_organisation_has_no_more_slices_under_way_than_its_share(open_world: OpenWorld) -> None:
    worker = WorkerSettings(slices_per_organisation=1)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, worker=worker) as world:
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        holder = uuid4()
        other = some_settings(organisation=world.settings.organisation_id)
        await world.books.put(other)
        async with world.books.presence(holder):
            await requested(world, other)
            for hint in await world.books.relay.take(10):
                await world.books.relay.mark_published([hint.message_id])
            lease = await lease_of(world.books, other.account, holder)
            mine = await requested(world, world.settings)
            await world.work_due()

            waiting = await world.books.run_row(world.settings, mine)
            assert (waiting.state, waiting.reason) == ("waiting", Reason.FAIR_SHARE)
            assert waiting.attempt == 0

            await world.books.state.leases.release(lease, {})
            assert (await world.until_ended(mine)).state is RunState.SUCCEEDED


async def put_off(world: SyncWorld) -> tuple[RunSettings, RunHint]:
    """A run of another configuration of the same organisation, put off for its fair share."""
    other = some_settings(organisation=world.settings.organisation_id)
    await world.books.put(other)
    run_id = await requested(world, other)
    (asked,) = [hint for hint in await world.books.relay.take(10) if hint.hint.run == run_id]
    await world.books.relay.mark_published([asked.message_id])
    await world.books.state.postpone(asked.hint, world.clock.now() + timedelta(hours=1), Reason.FAIR_SHARE)
    return other, asked.hint


async def test_a_slice_steps_back_for_one_that_has_waited_longer(open_world: OpenWorld) -> None:
    worker = WorkerSettings(slices_per_organisation=1)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, worker=worker) as world:
        await put_off(world)
        await world.pass_until(world.clock.now() + timedelta(seconds=1))
        mine = await requested(world, world.settings)
        await world.work_due()
        row = await world.books.run_row(world.settings, mine)
        assert (row.state, row.reason, row.attempt) == ("waiting", Reason.FAIR_SHARE, 0)


async def test_who_has_waited_longest_comes_the_moment_that_a_slice_ends(open_world: OpenWorld) -> None:
    worker = WorkerSettings(slices_per_organisation=1)
    async with open_world(direction=Direction.CRM_TO_GOOGLE, worker=worker) as world:
        mine = await requested(world, world.settings)
        await world.pass_until(world.clock.now() + timedelta(seconds=1))
        other, hint = await put_off(world)

        await world.work_due()

        assert (await world.books.run_row(world.settings, mine)).attempt == 1
        assert [due.hint for due in await world.books.relay.take(10) if due.hint.run != mine] == [hint]
        assert await world.books.state.account_of(hint) == other.account
