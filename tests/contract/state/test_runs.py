"""What claiming, saving and ending a run must do, with its report and its ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.frequency import Frequency
from contactsync.domain.ids import EffectId, LinkId, RecordId, RowKey, RunId
from contactsync.domain.link import Link, PairState
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction, Policy
from contactsync.domain.reasons import Reason
from contactsync.errors import LeaseLostError, NotActiveError, StateInvariantError
from contactsync.messages.hint import RunHint
from contactsync.ports.queue import Lane, OutboundHint
from contactsync.ports.requests import LOST_AFTER
from contactsync.ports.state import (
    Effect,
    EffectState,
    Listing,
    Phase,
    RunContact,
    RunMode,
    RunSettings,
    RunState,
    SyncState,
    Watch,
)
from tests.contract.state.worlds import (
    LIMITS,
    TTL,
    InMemory,
    OnPostgres,
    Worker,
    World,
    hint_of,
    lease_of,
    some_settings,
    working,
)
from tests.support.clock import EPOCH

HOUR = timedelta(hours=1)


async def end(worker: Worker, state: RunState = RunState.SUCCEEDED, **changes: object) -> None:
    """End the worker's run and give its lease back."""
    async with worker.begin() as tx:
        run = replace(worker.run, state=state, **changes)  # type: ignore[arg-type] # names are checked by replace
        await tx.runs.finish(run, next_due=EPOCH + HOUR)
    await worker.world.state.leases.release(worker.lease, {})


async def hints(world: World) -> list[OutboundHint]:
    return list(await world.relay.take(100))


class GivingBackContract:
    """The commit that ends a slice frees the account."""

    async def test_the_account_is_free_with_the_commit_that_ends_the_run(self, world: World) -> None:
        async with working(world) as worker:
            async with worker.begin() as tx:
                await tx.runs.finish(replace(worker.run, state=RunState.SUCCEEDED), next_due=None)
                await tx.give_back({"read": 3.0})
            lease = await lease_of(world, worker.settings.account, uuid4())
            assert (lease.fence, lease.bucket) == (worker.lease.fence + 1, {"read": 3.0})
            with pytest.raises(LeaseLostError):
                async with worker.begin():
                    pass

    async def test_what_is_not_committed_keeps_the_lease(self, world: World) -> None:
        async with working(world) as worker:

            async def broken() -> None:
                async with worker.begin() as tx:
                    await tx.give_back({})
                    raise RuntimeError("no commit")

            with pytest.raises(RuntimeError, match="no commit"):
                await broken()
            async with worker.begin():
                pass


class ToldContract:
    """What the CRM said had changed."""

    async def test_a_record_is_told_of_until_it_was_heard(self, world: World) -> None:
        async with working(world) as worker:
            await world.watch(worker.settings, Frequency.HOURLY, world.clock.now() + HOUR)
            for record_id, minutes in (("1", 0), ("2", 1), ("1", 2)):
                await world.tell(worker.settings, record_id, EPOCH + timedelta(minutes=minutes))
            async with worker.begin() as tx:
                told = {one.record_id: one for one in await tx.runs.told()}
                assert {i: one.second for i, one in told.items()} == {
                    "1": EPOCH + timedelta(minutes=2),
                    "2": EPOCH + timedelta(minutes=1),
                }
                await tx.runs.heard([told[RecordId("1")]])
            async with worker.begin() as tx:
                assert list(await tx.runs.told()) == [told[RecordId("2")]]

    async def test_what_is_told_while_a_record_is_read_is_not_heard(self, world: World) -> None:
        async with working(world) as worker:
            await world.watch(worker.settings, Frequency.HOURLY, world.clock.now() + HOUR)
            await world.tell(worker.settings, "1", EPOCH)
            async with worker.begin() as tx:
                read = list(await tx.runs.told())
            world.clock.advance(timedelta(seconds=1))
            await world.tell(worker.settings, "1", EPOCH + timedelta(seconds=1))
            async with worker.begin() as tx:
                await tx.runs.heard(read)
                assert [one.second for one in await tx.runs.told()] == [EPOCH + timedelta(seconds=1)]


class WatchContract:
    """What a run learns of its ticks and of the CRM's channel."""

    async def test_by_hand_alone_there_are_neither_ticks_nor_a_channel(self, world: World) -> None:
        async with working(world) as worker, worker.begin() as tx:
            assert await tx.runs.watch(EPOCH - HOUR) == Watch(interval=None, told_until=None, asked=True)

    async def test_a_channel_counts_while_its_last_renewal_is_known_to_have_succeeded(self, world: World) -> None:
        async with working(world) as worker:
            until = world.clock.now() + 24 * HOUR
            await world.watch(worker.settings, Frequency.EVERY_15_MINUTES, until)
            async with worker.begin() as tx:
                watch = await tx.runs.watch(EPOCH)
            assert (watch.interval, watch.told_until) == (timedelta(minutes=15), until)
            worker.lease = await world.state.leases.renew(worker.lease, HOUR)
            world.clock.advance(timedelta(minutes=5))
            await world.watch(worker.settings, Frequency.EVERY_15_MINUTES, None)
            async with worker.begin() as tx:
                assert (await tx.runs.watch(EPOCH)).told_until is None

    async def test_only_what_was_asked_for_since_counts_and_the_clock_does_not(self, world: World) -> None:
        async with working(world) as worker:
            began = world.clock.now()
            async with worker.begin() as tx:
                assert not (await tx.runs.watch(began)).asked
                assert (await tx.runs.watch(began - HOUR)).asked
            await end(worker)
            world.clock.advance(timedelta(minutes=1))
            where = (worker.settings.organisation_id, worker.settings.config_id)
            tick = await world.requests.request(*where, RunMode.SYNC, "schedule", world.clock.now())
            worker.lease = await lease_of(world, worker.settings.account, worker.holder)
            claimed = await world.state.claim(hint_of(worker.settings, tick.run_id), worker.lease, world.clock.now())
            assert claimed is not None
            worker.run = claimed.run
            async with worker.begin() as tx:
                assert not (await tx.runs.watch(began)).asked


class ClaimContract:
    async def test_a_claimed_run_is_running_with_its_attempt_counted(self, world: World) -> None:
        async with working(world) as worker:
            run = worker.run
            assert (run.state, run.attempt, run.slice, run.started_at) == (RunState.RUNNING, 1, 0, EPOCH)
            assert (await world.run_row(worker.settings, run.run_id)).attempt == 1

    async def test_a_run_works_with_the_settings_of_the_moment_it_began(self, world: World) -> None:
        settings = some_settings()
        await world.put(settings)
        asked = await world.requests.request(settings.organisation_id, settings.config_id, RunMode.SYNC, "user", EPOCH)
        newer = replace(settings, policy=replace(settings.policy, direction=Direction.GOOGLE_TO_CRM, version=2))
        await world.put(newer)
        lease = await lease_of(world, settings.account, uuid4())
        begun = await world.state.claim(hint_of(settings, asked.run_id), lease, EPOCH)
        assert begun is not None
        assert begun.run.settings == newer
        newest = replace(settings, policy=replace(settings.policy, version=3))
        await world.put(newest)
        again = await world.state.claim(hint_of(settings, asked.run_id), lease, EPOCH)
        assert again is not None
        assert again.run.settings == newer

    async def test_every_setting_comes_back(self, world: World) -> None:
        settings = some_settings()
        policy = Policy(
            direction=Direction.CRM_TO_GOOGLE,
            mapping=settings.policy.mapping,
            conflict_winner=Side.GOOGLE,
            crm_values={"Lead_Source": "Google", "Ville": "Évry"},
            crm_automation=True,
            deletes_allowed=False,
            version=4,
        )
        settings = replace(settings, policy=policy, catch_up=False)
        await world.put(settings)
        async with working(world, settings) as worker:
            assert worker.run.settings == settings

    async def test_a_slice_that_began_twice_and_never_ended_is_suspect(self, world: World) -> None:
        async with working(world) as worker:
            hint = hint_of(worker.settings, worker.run.run_id)
            second = await world.state.claim(hint, worker.lease, EPOCH)
            third = await world.state.claim(hint, worker.lease, EPOCH)
        assert second is not None
        assert third is not None
        assert (second.suspect, third.suspect, third.run.attempt) == (False, True, 3)

    async def test_the_next_slice_counts_its_attempts_from_zero(self, world: World) -> None:
        async with working(world) as worker:
            await world.state.claim(hint_of(worker.settings, worker.run.run_id), worker.lease, EPOCH)
            async with worker.begin() as tx:
                await tx.runs.save(replace(worker.run, slice=1))
            claimed = await world.state.claim(hint_of(worker.settings, worker.run.run_id, 1), worker.lease, EPOCH)
        assert claimed is not None
        assert (claimed.run.attempt, claimed.suspect) == (1, False)

    @pytest.mark.parametrize("number", [1, -1, 7])
    async def test_a_hint_of_another_slice_is_done_with(self, world: World, number: int) -> None:
        async with working(world) as worker:
            hint = hint_of(worker.settings, worker.run.run_id, number)
            assert await world.state.account_of(hint) is None
            assert await world.state.claim(hint, worker.lease, EPOCH) is None

    async def test_a_hint_of_a_slice_that_is_over_is_done_with(self, world: World) -> None:
        async with working(world) as worker:
            hint = hint_of(worker.settings, worker.run.run_id)
            assert await world.state.account_of(hint) == worker.settings.account
            async with worker.begin() as tx:
                await tx.runs.save(replace(worker.run, slice=1))
            assert await world.state.account_of(hint) is None
            assert await world.state.claim(hint, worker.lease, EPOCH) is None

    async def test_a_hint_with_a_foreign_part_is_done_with(self, world: World) -> None:
        """What a message says is believed only where the rows say the same."""
        async with working(world) as worker, working(world) as stranger:
            good = hint_of(worker.settings, worker.run.run_id)
            theirs = hint_of(stranger.settings, stranger.run.run_id)
            for part in ("run", "organisation", "configuration"):
                mixed = good.model_copy(update={part: getattr(theirs, part)})
                assert await world.state.account_of(mixed) is None
                assert await world.state.claim(mixed, worker.lease, EPOCH) is None
            unknown = RunHint(run=uuid4(), slice=0, organisation=uuid4(), configuration=uuid4())
            assert await world.state.account_of(unknown) is None

    async def test_a_run_is_not_claimed_under_the_lease_of_another_account(self, world: World) -> None:
        async with working(world) as worker:
            other = await lease_of(world, some_settings().account, uuid4())
            assert await world.state.claim(hint_of(worker.settings, worker.run.run_id), other, EPOCH) is None

    async def test_a_run_is_not_claimed_under_a_lost_lease(self, world: World) -> None:
        async with working(world) as worker:
            pass
        await lease_of(world, worker.settings.account, uuid4())
        with pytest.raises(LeaseLostError):
            await world.state.claim(hint_of(worker.settings, worker.run.run_id), worker.lease, EPOCH)

    async def test_a_run_that_waits_is_not_due_before_its_date(self, world: World) -> None:
        async with working(world) as worker:
            async with worker.begin() as tx:
                await tx.runs.save(
                    replace(worker.run, slice=1, state=RunState.WAITING, wait_until=EPOCH + HOUR, reason="google_quota")
                )
            hint = hint_of(worker.settings, worker.run.run_id, 1)
            assert await world.state.account_of(hint) is None
            assert await world.state.claim(hint, worker.lease, EPOCH + HOUR / 2) is None
            world.clock.advance(HOUR)
            assert await world.state.account_of(hint) == worker.settings.account
            worker.lease = await world.state.leases.renew(worker.lease, TTL)
            claimed = await world.state.claim(hint, worker.lease, EPOCH + HOUR)
        assert claimed is not None
        assert (claimed.run.state, claimed.run.wait_until) == (RunState.RUNNING, None)

    async def test_a_run_that_ended_is_not_due(self, world: World) -> None:
        async with working(world) as worker:
            await end(worker)
            assert await world.state.account_of(hint_of(worker.settings, worker.run.run_id)) is None

    async def test_a_busy_account_postpones_the_slice_with_its_hint(self, world: World) -> None:
        settings = some_settings()
        await world.put(settings)
        asked = await world.requests.request(settings.organisation_id, settings.config_id, RunMode.SYNC, "user", EPOCH)
        (first,) = await hints(world)
        await world.relay.mark_published([first.message_id])
        await world.state.postpone(first.hint, EPOCH + HOUR, "account_busy")
        row = await world.run_row(settings, asked.run_id)
        assert (row.state, row.reason, row.wait_until) == ("waiting", "account_busy", EPOCH + HOUR)
        assert await world.state.account_of(first.hint) is None
        assert await hints(world) == []
        world.clock.advance(HOUR)
        (second,) = await hints(world)
        assert (second.hint, second.lane) == (first.hint, first.lane)
        assert await world.state.account_of(second.hint) == settings.account

    async def test_a_second_hint_of_a_slice_under_way_does_not_put_it_off(self, world: World) -> None:
        async with working(world) as worker:
            await world.state.postpone(hint_of(worker.settings, worker.run.run_id), EPOCH + HOUR, "account_busy")
            row = await world.run_row(worker.settings, worker.run.run_id)
            assert (row.state, row.wait_until) == ("running", None)

    async def test_postponing_an_old_hint_does_nothing(self, world: World) -> None:
        async with working(world) as worker:
            await world.relay.mark_published([hint.message_id for hint in await hints(world)])
            await world.state.postpone(hint_of(worker.settings, worker.run.run_id, 5), EPOCH, "account_busy")
            assert await hints(world) == []

    async def put_off(self, world: World, runs: int) -> tuple[list[RunSettings], list[RunHint]]:
        """Runs of one organisation, asked for in this order and put off for their fair share in the opposite one."""
        organisation = uuid4()
        settings = [some_settings(organisation=organisation) for _ in range(runs)]
        for one in settings:
            await world.put(one)
            now = world.clock.now()
            await world.requests.request(one.organisation_id, one.config_id, RunMode.SYNC, "user", now)
            world.clock.advance(timedelta(seconds=1))
        asked = await hints(world)
        await world.relay.mark_published([hint.message_id for hint in asked])
        for hint in reversed(asked):
            await world.state.postpone(hint.hint, world.clock.now() + HOUR, Reason.FAIR_SHARE)
        return settings, [hint.hint for hint in asked]

    async def test_whoever_has_waited_longer_for_a_fair_share_goes_before(self, world: World) -> None:
        settings, asked = await self.put_off(world, 3)
        await self.put_off(world, 1)  # of another organisation

        async def before() -> list[int]:
            pairs = zip(asked, settings, strict=True)
            return [await world.state.slices_before(hint, one.account) for hint, one in pairs]

        assert await before() == [0, 1, 2]
        holder = uuid4()
        async with world.presence(holder):
            lease = await lease_of(world, settings[2].account, holder)
            assert await before() == [1, 2, 2], "the last one is at work"
            await world.state.leases.release(lease, {})
        world.clock.advance(HOUR + LOST_AFTER)
        assert await before() == [0, 0, 0], "nobody came by: their hints may be lost"

    async def test_whoever_has_waited_longest_for_a_fair_share_is_called_first(self, world: World) -> None:
        settings, asked = await self.put_off(world, 2)
        await self.put_off(world, 1)
        assert await hints(world) == []
        for hint, one in zip(asked, settings, strict=True):
            await world.state.call_next(asked[1])
            (called,) = await hints(world)
            assert called.hint == hint
            assert await world.state.account_of(hint) == one.account
            await world.relay.mark_published([called.message_id])
        await world.state.call_next(asked[0])
        assert await hints(world) == [], "nobody of this organisation is left; others are not called"


class RunContract:
    async def test_progress_comes_back(self, world: World) -> None:
        async with working(world) as worker:
            progress = replace(
                worker.run,
                phase=Phase.APPLY,
                slice=1,
                attempt=0,
                taken=12,
                counts={"created": 3, "calls.google.list": 2},
                listings={
                    Side.GOOGLE: Listing(
                        full=True, number=3, started_at=EPOCH, step="list", page="p2", seen=1000, next_token="t"
                    ),
                    Side.CRM: Listing(full=False, number=1, started_at=EPOCH, done=True, news=True, expected=4),
                },
                sync=SyncState(google_sync_token="s", crm_watermark=EPOCH, view_question=False, read_version=2),
                reason="google_quota",
                retries=4,
            )
            async with worker.begin() as tx:
                await tx.runs.save(progress)
            claimed = await world.state.claim(hint_of(worker.settings, worker.run.run_id, 1), worker.lease, EPOCH)
        assert claimed is not None
        assert replace(claimed.run, attempt=0) == progress

    async def test_saving_leaves_identity_settings_and_the_cancel_mark_alone(self, world: World) -> None:
        async with working(world) as worker:
            await world.requests.cancel(worker.settings.organisation_id, worker.run.run_id, EPOCH)
            lie = replace(worker.run, mode=RunMode.FULL, trigger="x", first=False, limit=1, cancel_requested=False)
            async with worker.begin() as tx:
                await tx.runs.save(lie)
                assert await tx.runs.cancelled(worker.run.run_id)
            row = await world.run_row(worker.settings, worker.run.run_id)
        assert (row.mode, row.trigger, row.first, row.limit) == ("sync", "user", True, LIMITS.initial)
        assert row.cancel_requested

    async def test_a_run_stops_when_its_configuration_does(self, world: World) -> None:
        async with working(world) as worker:
            async with worker.begin() as tx:
                assert not await tx.runs.cancelled(worker.run.run_id)
            await world.put(worker.settings, active=False)
            async with worker.begin() as tx:
                assert await tx.runs.cancelled(worker.run.run_id)

    async def test_pausing_stops_the_configuration_and_the_run_that_would_follow(self, world: World) -> None:
        async with working(world) as worker:
            settings = worker.settings
            await world.requests.request(settings.organisation_id, settings.config_id, RunMode.SYNC, "user", EPOCH)
            await world.relay.mark_published([hint.message_id for hint in await hints(world)])
            async with worker.begin() as tx:
                await tx.runs.pause("group_gone")
                assert await tx.runs.cancelled(worker.run.run_id)
            await end(worker, RunState.CANCELLED)
            assert await hints(world) == []
            with pytest.raises(NotActiveError):
                await world.requests.request(settings.organisation_id, settings.config_id, RunMode.SYNC, "user", EPOCH)

    async def test_people_that_syncs_made_are_counted_for_the_google_account(self, world: World) -> None:
        mine = some_settings()
        sibling = some_settings(organisation=mine.organisation_id, account=mine.account)
        for settings in (mine, sibling, stranger := some_settings()):
            await world.put(settings)
        async with working(world, mine) as worker:
            async with worker.begin() as tx:
                assert await tx.runs.people_made(0) == 0
                assert await tx.runs.people_made(3) == 3
            await world.state.leases.release(worker.lease, {})
        async with working(world, sibling) as worker, worker.begin() as tx:
            assert await tx.runs.people_made(0) == 3
            assert await tx.runs.people_made(2) == 5
        async with working(world, stranger) as worker, worker.begin() as tx:
            assert await tx.runs.people_made(0) == 0

    async def test_a_run_that_ended_is_saved_no_more(self, world: World) -> None:
        async with working(world) as worker:
            async with worker.begin() as tx:
                await tx.runs.finish(replace(worker.run, state=RunState.FAILED), next_due=None)
            with pytest.raises(StateInvariantError):
                async with worker.begin() as tx:
                    await tx.runs.save(worker.run)

    async def test_a_run_does_not_finish_while_it_goes_on(self, world: World) -> None:
        async with working(world) as worker:
            with pytest.raises(StateInvariantError):
                async with worker.begin() as tx:
                    await tx.runs.finish(worker.run, next_due=None)

    @pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL])
    async def test_an_end_that_counts_moves_last_sync_and_makes_later_runs_small(
        self, world: World, state: RunState
    ) -> None:
        sync = SyncState(google_sync_token="next", crm_watermark=EPOCH, google_listing=4)
        async with working(world) as worker:
            world.clock.advance(timedelta(seconds=20))
            await end(worker, state, sync=sync, reason="why", taken=7)
            facts = await world.config(worker.settings)
            assert facts.last_sync_at == facts.last_attempt_at == EPOCH + timedelta(seconds=20)
            assert (facts.first_done, facts.first_taken, facts.sync) == (True, 0, sync)
            assert (facts.last_reason, facts.next_due) == ("why", EPOCH + HOUR)
            await worker.start()
            assert (worker.run.first, worker.run.limit, worker.run.sync) == (False, LIMITS.incremental, sync)

    @pytest.mark.parametrize("state", [state for state in RunState if not state.open and state is not RunState.PLANNED])
    @pytest.mark.parametrize("side", Side)
    async def test_a_doubted_listing_is_remembered_whatever_becomes_of_its_run(
        self, world: World, state: RunState, side: Side
    ) -> None:
        async with working(world) as worker:
            sync = SyncState(crm_doubted=0) if side is Side.CRM else SyncState(google_doubted=0)
            await end(worker, state, sync=sync)
            await worker.start()
            assert [worker.run.sync.doubted(one) for one in (side, side.other)] == [0, None]

    @pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
    async def test_repeats_of_a_first_run_that_came_to_nothing_share_its_limit(
        self, world: World, state: RunState
    ) -> None:
        async with working(world) as worker:
            await end(worker, state, taken=70)
            facts = await world.config(worker.settings)
            assert (facts.first_done, facts.last_sync_at, facts.last_attempt_at) == (False, None, EPOCH)
            await worker.start()
            assert (worker.run.first, worker.run.limit) == (True, LIMITS.initial - 70)
            await end(worker, state, taken=30)
            await worker.start()
            assert (worker.run.first, worker.run.limit) == (True, 0)

    async def test_failures_of_later_runs_leave_the_first_runs_account_alone(self, world: World) -> None:
        async with working(world) as worker:
            await end(worker)
            await worker.start()
            await end(worker, RunState.FAILED, taken=5)
            facts = await world.config(worker.settings)
        assert (facts.first_done, facts.first_taken) == (True, 0)

    async def test_failures_for_one_reason_are_counted_until_a_run_ends_otherwise(self, world: World) -> None:
        ends = [
            (RunState.FAILED, "provider_contract", 1),
            (RunState.FAILED, "provider_contract", 2),
            (RunState.FAILED, "seal_broken", 0),
            (RunState.FAILED, "provider_contract", 1),
            (RunState.SUCCEEDED, "", 0),
            (RunState.FAILED, "provider_contract", 1),
        ]
        async with working(world) as worker:
            for state, reason, counted in ends:
                await end(worker, state, reason=reason)
                await world.pass_time(timedelta(seconds=1))
                await worker.start()
                async with worker.begin() as tx:
                    assert await tx.runs.failed_alike(worker.run, "provider_contract") == counted

    # --- the report ---

    async def test_the_report_has_one_row_a_pair_and_is_counted_by_outcome(self, world: World) -> None:
        rows = [
            RunContact(
                link_id=LinkId(uuid4()),
                outcome=Outcome.CREATED,
                reason="r",
                crm_id="1",
                google_id="people/c1",
                name="Ada",
                fields=('E"mail', "a,b", "c\\d", ""),
                sides=(Side.GOOGLE,),
                left_out={"birthdays": "value_does_not_fit"},
                provider_message="m",
            ),
            RunContact(link_id=LinkId(uuid4()), outcome=Outcome.FAILED),
            RunContact(link_id=LinkId(uuid4()), outcome=Outcome.FAILED),
        ]
        async with working(world) as worker:
            async with worker.begin() as tx:
                await tx.runs.record(worker.run.run_id, rows)
                await tx.runs.record(worker.run.run_id, [])
            async with worker.begin() as tx:
                await tx.runs.record(worker.run.run_id, [replace(rows[1], outcome=Outcome.UPDATED)])
                assert await tx.runs.tally(worker.run.run_id) == {
                    Outcome.CREATED: 1,
                    Outcome.UPDATED: 1,
                    Outcome.FAILED: 1,
                }


class EffectContract:
    @staticmethod
    def effect(worker: Worker, batch: UUID | None = None, **changes: object) -> Effect:
        effect = Effect(
            effect_id=EffectId(uuid4()),
            run_id=worker.run.run_id,
            link_id=LinkId(uuid4()),
            side=Side.GOOGLE,
            kind=EffectKind.UPDATE,
            batch=batch or uuid4(),
            remote_id="people/c1",
            changes={RowKey("a=b"): "new", RowKey("c=d"): None},
            before={RowKey("a=b"): "old é"},
            after_base=b"\x01digests",
            sent_at=EPOCH,
        )
        return replace(effect, **changes)  # type: ignore[arg-type] # names are checked by replace itself

    async def test_effects_without_an_answer_come_back_whole_and_in_order(self, world: World) -> None:
        async with working(world) as worker:
            batch = uuid4()
            effects = [self.effect(worker, batch) for _ in range(5)]
            bare = self.effect(worker, changes={}, before={}, after_base=b"", remote_id=None, sent_at=None)
            async with worker.begin() as tx:
                await tx.effects.add(effects)
                await tx.effects.add([bare])
                await tx.effects.add([])
            async with worker.begin() as tx:
                assert await tx.effects.unsettled() == [*effects, bare]

    async def test_an_answer_settles_an_effect(self, world: World) -> None:
        async with working(world) as worker:
            confirmed, unknown, rejected = (self.effect(worker) for _ in range(3))
            async with worker.begin() as tx:
                await tx.effects.add([confirmed, unknown, rejected])
            answered = [
                replace(confirmed, state=EffectState.CONFIRMED, remote_id="people/c9", revision="e2"),
                replace(unknown, state=EffectState.UNKNOWN, attempt=2, reason="timeout", sent_at=EPOCH + HOUR),
                replace(rejected, state=EffectState.REJECTED, reason="invalid"),
            ]
            async with worker.begin() as tx:
                await tx.effects.settle(answered)
                await tx.effects.settle([])
            async with worker.begin() as tx:
                assert await tx.effects.unsettled() == [answered[1]]

    async def test_an_effect_that_was_never_added_is_not_settled(self, world: World) -> None:
        async with working(world) as worker:
            with pytest.raises(StateInvariantError):
                async with worker.begin() as tx:
                    await tx.effects.settle([self.effect(worker, state=EffectState.CONFIRMED)])

    async def test_an_effect_is_added_once(self, world: World) -> None:
        async with working(world) as worker:
            effect = self.effect(worker)
            async with worker.begin() as tx:
                await tx.effects.add([effect])
            with pytest.raises(StateInvariantError):
                async with worker.begin() as tx:
                    await tx.effects.add([effect])

    async def test_effects_of_other_configurations_are_not_ours(self, world: World) -> None:
        mine = some_settings()
        sibling = some_settings(organisation=mine.organisation_id)
        await world.put(mine)
        await world.put(sibling)
        async with working(world, mine) as worker, worker.begin() as tx:
            await tx.effects.add([self.effect(worker)])
        async with working(world, sibling) as other, other.begin() as tx:
            assert await tx.effects.unsettled() == []

    async def test_creates_of_other_configurations_without_an_answer_are_under_way(self, world: World) -> None:
        mine = some_settings()
        sibling = some_settings(organisation=mine.organisation_id)
        await world.put(mine)
        await world.put(sibling)
        async with working(world, mine) as worker, worker.begin() as tx:
            create = EffectKind.CREATE
            sending = self.effect(worker, kind=create)
            unknown = self.effect(worker, kind=create, state=EffectState.UNKNOWN)
            old = self.effect(worker, kind=create, sent_at=EPOCH - timedelta(hours=1))
            answered = self.effect(worker, kind=create, state=EffectState.CONFIRMED)
            update = self.effect(worker, kind=EffectKind.UPDATE)
            await tx.effects.add([sending, unknown, old, answered, update])
            assert await tx.effects.under_way(EPOCH) == frozenset()
        async with working(world, sibling) as other, other.begin() as tx:
            assert await tx.effects.under_way(EPOCH) == {sending.link_id, unknown.link_id}

    async def test_an_earlier_runs_effects_wait_for_the_next_run(self, world: World) -> None:
        async with working(world) as worker:
            effect = self.effect(worker, state=EffectState.UNKNOWN)
            async with worker.begin() as tx:
                await tx.effects.add([effect])
            await end(worker, RunState.FAILED)
            await worker.start()
            async with worker.begin() as tx:
                assert await tx.effects.unsettled() == [effect]

    async def test_pairs_that_a_run_has_begun_and_not_settled_are_known(self, world: World) -> None:
        async with working(world) as worker:
            run_id = worker.run.run_id
            begun = Link(link_id=LinkId(uuid4()), state=PairState.SINGLE)
            settled = Link(link_id=LinkId(uuid4()), state=PairState.SINGLE, taken_by=run_id)
            idle = Link(link_id=LinkId(uuid4()), state=PairState.SINGLE)
            async with worker.begin() as tx:
                await tx.links.save([begun, settled, idle])
                await tx.effects.add([self.effect(worker, link_id=link.link_id) for link in (begun, begun, settled)])
                assert await tx.effects.begun(run_id) == {begun.link_id}
                assert await tx.effects.begun(RunId(uuid4())) == frozenset()

    async def test_deletes_that_await_approval_are_listed_by_run(self, world: World) -> None:
        async with working(world) as worker:
            planned = self.effect(worker, state=EffectState.PLANNED, kind=EffectKind.DELETE, sent_at=None)
            async with worker.begin() as tx:
                await tx.effects.add([planned, self.effect(worker)])
            first_run = worker.run.run_id
            await end(worker, RunState.NEEDS_APPROVAL)
            await worker.start(RunMode.APPROVED_DELETES)
            async with worker.begin() as tx:
                assert await tx.effects.planned(first_run) == [planned]
                assert await tx.effects.planned(worker.run.run_id) == []

    async def test_a_run_asks_about_its_deletes_until_none_is_planned(self, world: World) -> None:
        async with working(world) as worker:
            asking = worker.run.run_id
            planned = self.effect(worker, state=EffectState.PLANNED, kind=EffectKind.DELETE, sent_at=None)
            async with worker.begin() as tx:
                await tx.effects.add([planned])
            await end(worker, RunState.NEEDS_APPROVAL)
            await worker.start()
            async with worker.begin() as tx:
                assert await tx.effects.awaiting() == await tx.effects.planned(asking) == [planned]
            await end(worker)
            assert (await world.run_row(worker.settings, asking)).state == "needs_approval"
            await worker.start()
            async with worker.begin() as tx:
                await tx.effects.settle([replace(planned, state=EffectState.REJECTED, reason="answered")])
                assert not await tx.effects.awaiting()
            await end(worker)
            assert (await world.run_row(worker.settings, asking)).state == "partial"

    @pytest.mark.parametrize("kind", [EffectKind.DELETE, EffectKind.UPDATE])
    async def test_what_a_write_without_an_answer_replaced_can_be_restored_as_after_a_confirmed_one(
        self, world: World, kind: EffectKind
    ) -> None:
        async with working(world) as worker:
            link_id = LinkId(uuid4())
            write = self.effect(worker, link_id=link_id, kind=kind)
            async with worker.begin() as tx:
                await tx.effects.add([write])
                await tx.effects.settle([replace(write, state=EffectState.REJECTED, reason="invalid")])
                assert await tx.effects.last_of([link_id]) == {}
                lost = replace(write, state=EffectState.REJECTED, reason="outcome_unknown")
                await tx.effects.settle([lost])
                assert await tx.effects.last_of([link_id]) == {link_id: lost}


class OutboxContract:
    async def test_a_hint_leaves_with_the_data_that_it_speaks_of(self, world: World) -> None:
        async with working(world) as worker:
            await world.relay.mark_published([hint.message_id for hint in await hints(world)])
            hint = hint_of(worker.settings, worker.run.run_id, 1)
            with pytest.raises(RuntimeError, match="power cut"):  # noqa: PT012 # the transaction must fail as a whole
                async with worker.begin() as tx:
                    await tx.outbox.add(Lane.INITIAL, hint)
                    raise RuntimeError("power cut")
            assert await hints(world) == []
            async with worker.begin() as tx:
                await tx.outbox.add(Lane.INITIAL, hint.model_copy(update={"trace": "t1"}))
            (sent,) = await hints(world)
        assert (sent.lane, sent.hint) == (Lane.INITIAL, hint.model_copy(update={"trace": "t1"}))


class TestMemoryClaims(InMemory, ClaimContract):
    pass


class TestMemoryRuns(InMemory, RunContract):
    pass


class TestMemoryEffects(InMemory, EffectContract):
    pass


class TestMemoryOutbox(InMemory, OutboxContract):
    pass


@pytest.mark.postgres
class TestSqlClaims(OnPostgres, ClaimContract):
    pass


@pytest.mark.postgres
class TestSqlRuns(OnPostgres, RunContract):
    pass


@pytest.mark.postgres
class TestSqlEffects(OnPostgres, EffectContract):
    pass


@pytest.mark.postgres
class TestSqlOutbox(OnPostgres, OutboxContract):
    pass


class TestMemoryWatch(InMemory, WatchContract):
    pass


@pytest.mark.postgres
class TestSqlWatch(OnPostgres, WatchContract):
    pass


class TestMemoryGivingBack(InMemory, GivingBackContract):
    pass


@pytest.mark.postgres
class TestSqlGivingBack(OnPostgres, GivingBackContract):
    pass


class TestMemoryTold(InMemory, ToldContract):
    pass


@pytest.mark.postgres
class TestSqlTold(OnPostgres, ToldContract):
    pass
