"""A full listing that is much shorter than the last takes away the right to delete until a second one agrees."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import product
from typing import Final

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import Run, RunMode, RunState
from sync_worker.engine.settings import EngineSettings
from tests.integration.rules.stories import book_sizes, job, person, quiet, record, settled, titles, writes
from tests.support.postgres import Database
from tests.support.sync_states import Crash
from tests.support.sync_world import SyncWorld, sync_world

PAIRS: Final = 16
PARTNERS: Final = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
LISTS: Final = {Side.CRM: "contacts.list.view", Side.GOOGLE: "people.connections.list"}


async def cut_short(world: SyncWorld, side: Side, keep: float) -> None:
    """The side's next full listing lacks its last contacts, and nothing says so."""
    book = world.vendors.crm if side is Side.CRM else world.vendors.google
    await book.control.fault(LISTS[side], "short_listing", keep=keep, times=1)


async def states(world: SyncWorld) -> set[PairState]:
    return {link.state for link in await world.links()}


def doubted(run: Run, side: Side) -> bool:
    return run.sync.doubted(side) is not None


@pytest.mark.parametrize(("deletions", "side"), list(product(DeletePolicy, Side)))
async def test_whom_a_short_listing_lacks_stays_in_sync_and_is_neither_released_nor_dormant(
    deletions: DeletePolicy, side: Side
) -> None:
    async with sync_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await cut_short(world, side, 0.5)

        run = await world.sync(mode=RunMode.FULL)

        assert not writes(run)
        assert doubted(run, side)
        assert await states(world) == {PairState.LINKED}
        assert run.counts["unchanged"] == PAIRS
        # The next one reads that side in full by itself, whatever the mode: it is whole again.
        for number in (0, PAIRS - 1):
            await world.vendors.crm.edit(records[number], Title="Countess")
        again = await world.sync()
        assert again.listings[side].full
        assert not doubted(again, side)
        assert writes(again) == {"google.update": 2}
        for number in (0, PAIRS - 1):
            assert await titles(world, records[number], people[number]) == ("Countess", "Countess")
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


@pytest.mark.parametrize("side", Side)
async def test_while_a_listing_is_doubted_a_deletion_record_deletes_nothing_and_all_else_goes_on(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await world.vendors.crm.delete(records[0])
        if side is Side.GOOGLE:
            await world.vendors.crm.edit(records[1], Title="Countess")
            await world.vendors.crm.add([record(50)])
        else:
            await world.vendors.google.edit(people[1], organizations=job("Countess"))
            await world.vendors.google.add([person(50)])
        await cut_short(world, side, 0.5)

        run = await world.sync(mode=RunMode.FULL)

        assert doubted(run, side)
        assert writes(run) == {f"{side}.update": 1, f"{side}.create": 1}
        assert await titles(world, records[1], people[1]) == ("Countess", "Countess")
        assert run.counts["waiting"] == 1
        assert (await world.pair(people[0])).state is PairState.LINKED
        assert writes(await world.sync()) == {"google.delete": 1}


@pytest.mark.parametrize("side", Side)
async def test_only_a_listing_that_agrees_or_is_whole_again_gives_the_right_back(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[0])
        await cut_short(world, side, 0.75)
        assert doubted(await world.sync(mode=RunMode.FULL), side)

        for keep in (0.25, 0.5):
            await cut_short(world, side, keep)
            run = await world.sync()
            assert doubted(run, side)
            assert not writes(run)
            assert await states(world) == {PairState.LINKED}

        assert writes(await world.sync()) == {"google.delete": 1}
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)


async def test_a_book_that_truly_shrank_is_read_again_by_itself_and_its_deletes_carried_over() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.pass_time(hours=24)
        await world.vendors.google.delete(*people[:4])

        first = await world.sync()

        assert doubted(first, Side.GOOGLE)
        assert not writes(first)
        [second] = await world.carry_on(until=world.clock.now() + timedelta(minutes=30))
        assert writes(second) == {"crm.delete": 4}
        assert not doubted(second, Side.GOOGLE)
        assert {one["id"] for one in await world.vendors.crm.records()} == set(records[4:])


async def test_where_nothing_runs_between_ticks_the_next_tick_reads_again() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE, catch_up=False) as world:
        _, people = await settled(world, PAIRS)
        await world.vendors.google.delete(*people[:4])
        assert not writes(await world.sync(mode=RunMode.FULL))

        assert await world.carry_on(until=world.clock.now() + timedelta(minutes=30)) == []
        assert writes(await world.sync()) == {"crm.delete": 4}


async def test_a_view_that_truly_shrank_makes_its_pairs_dormant_once_a_second_listing_agrees() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, PAIRS)
        await world.vendors.crm.add([record(n, Lead_Source="Partner") for n in range(50, 54)])
        await world.sync()
        await world.pass_time(hours=25)
        await world.vendors.crm.change_view(criteria=PARTNERS)

        first = await world.sync()

        assert await states(world) == {PairState.LINKED}
        assert not writes(first)
        [second] = await world.carry_on(until=world.clock.now() + timedelta(minutes=30))
        assert not writes(second)
        assert second.counts["skipped"] == PAIRS
        assert await states(world) == {PairState.LINKED, PairState.DORMANT}


async def test_the_same_short_listing_twice_still_deletes_nobody_who_is_there() -> None:
    """A second listing agrees, and both were wrong: each person is asked for by name before anything is deleted."""
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        await settled(world, PAIRS)
        for _ in range(2):
            await cut_short(world, Side.GOOGLE, 0.75)
            assert not writes(await world.sync(mode=RunMode.FULL))

        await quiet(world)

        assert await book_sizes(world) == (PAIRS, PAIRS)
        assert await states(world) == {PairState.LINKED}


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_a_person_whom_a_listing_lacks_is_asked_for_by_name_before_he_is_taken_for_gone(
    deletions: DeletePolicy,
) -> None:
    """Nine of ten are no reason for doubt. He is neither released nor made a second time when his record is edited."""
    async with sync_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await world.vendors.crm.edit_many({one: {"Title": "Countess"} for one in records})
        await world.vendors.google.delete(people[3])
        await cut_short(world, Side.GOOGLE, 0.9)

        run = await world.sync(mode=RunMode.FULL)

        assert not doubted(run, Side.GOOGLE)
        again = {"google.create": 1} if deletions is DeletePolicy.PROPAGATE else {}
        assert writes(run) == {"google.update": PAIRS - 1, **again}
        lonely = [link for link in await world.links() if link.state is not PairState.LINKED]
        assert len(lonely) == 1 - len(again)
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS - 1 + len(again))


@pytest.mark.parametrize(("percent", "doubts"), [(20, True), (30, False)])
async def test_how_much_shorter_is_too_short_is_a_setting(percent: int, doubts: bool) -> None:  # noqa: FBT001
    engine = EngineSettings(shrink_percent=percent)
    async with sync_world(deletions=DeletePolicy.PROPAGATE, engine=engine) as world:
        _, people = await settled(world, PAIRS)
        await world.vendors.google.delete(*people[:4])

        run = await world.sync(mode=RunMode.FULL)

        assert doubted(run, Side.GOOGLE) is doubts
        assert writes(run) == ({} if doubts else {"crm.delete": 4})


async def test_people_outside_the_group_are_remembered_over_a_short_listing_and_made_by_nobody() -> None:
    async with sync_world() as world:
        await settled(world, PAIRS)
        [stranger] = await world.vendors.google.add([person(99)])
        await world.vendors.google.move(stranger, remove=[world.vendors.google.group])
        await world.sync(mode=RunMode.FULL)
        await cut_short(world, Side.GOOGLE, 0.5)
        await world.sync(mode=RunMode.FULL)
        await world.vendors.crm.add([record(99)])
        await cut_short(world, Side.GOOGLE, 0.6)

        run = await world.sync()

        assert "google.create" not in writes(run)
        assert (await world.pair(stranger)).state is PairState.LINKED


@pytest.mark.postgres
async def test_the_withdrawn_right_is_remembered_from_run_to_run(database: Database) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE, database=database) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[0])
        for number, keep in enumerate((0.5, 0.2)):
            await cut_short(world, Side.GOOGLE, keep)
            await world.vendors.crm.edit(records[1], Title=f"Countess {number}")

            run = await world.sync(mode=RunMode.SYNC if number else RunMode.FULL)

            assert doubted(run, Side.GOOGLE)
            assert writes(run) == {"google.update": 1}
        assert writes(await world.sync()) == {"google.delete": 1}


@pytest.mark.parametrize("step", range(2, 30, 3))
async def test_a_worker_that_dies_after_a_short_listing_leaves_no_right_behind(step: int) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[0])
        await world.vendors.crm.edit(records[1], Title="Countess")
        await cut_short(world, Side.GOOGLE, 0.5)
        world.crash = Crash(step)

        run = await world.sync(mode=RunMode.FULL)

        assert len(await world.vendors.google.people()) == (PAIRS if doubted(run, Side.GOOGLE) else PAIRS - 1)
        assert await states(world) <= {PairState.LINKED, PairState.GONE}
        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)


@pytest.mark.parametrize("side", Side)
async def test_those_who_were_told_to_be_gone_since_make_no_listing_short(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.KEEP) as world:
        records, people = await settled(world, PAIRS)
        if side is Side.CRM:
            await world.vendors.crm.delete(*records[:8])
        else:
            await world.vendors.google.delete(*people[:8])
        await world.sync()
        await world.pass_time(hours=25)

        run = await world.sync()

        assert run.listings[side].full
        assert not doubted(run, side)


async def test_a_pair_that_waits_and_whose_person_a_doubted_listing_lacks_goes_on_waiting() -> None:
    async with sync_world(limits=RunLimits(initial=8, incremental=50), direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n, Title="Analyst") for n in range(PAIRS)])
        await world.vendors.google.add([person(n) for n in range(PAIRS)])
        assert writes(await world.sync()) == {"google.update": 8}
        waiting = {link.google.remote_id for link in await world.links() if link.pending_since} - {None}
        await world.vendors.google.delete(*sorted(str(name) for name in waiting))
        await world.pass_time(hours=25)

        run = await world.sync()

        assert run.state in {RunState.SUCCEEDED, RunState.PARTIAL}, run.reason
        for _ in range(3):
            await world.pass_time(hours=25)
            await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS - 8)
        assert Counter(link.state for link in await world.links()) == {PairState.LINKED: 8, PairState.RELEASED: 8}


async def test_a_record_that_the_view_lacked_is_read_before_it_is_written_and_its_losing_edit_kept() -> None:
    async with sync_world(conflict_winner=Side.GOOGLE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await world.vendors.crm.edit(records[3], Title="Countess")
        await world.vendors.google.edit(people[3], organizations=job("Engineer"))
        await cut_short(world, Side.CRM, 0.0)
        await world.sync(mode=RunMode.FULL)
        await world.pass_time(minutes=20)
        await world.sync()
        assert await titles(world, records[3], people[3]) == ("Engineer", "Engineer")

        await world.answer(records[3], Action.RESTORE)
        await world.sync()
        await world.sync()

        assert await titles(world, records[3], people[3]) == ("Countess", "Countess")
