"""Deletes: every cell of the table, the brake, its answers."""

from __future__ import annotations

from itertools import product

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import Run, RunMode, RunState
from tests.integration.rules.stories import (
    address,
    book_sizes,
    job,
    outcomes,
    person,
    quiet,
    reasons,
    record,
    settled,
    titles,
    writes,
)
from tests.support.sync_states import Crash
from tests.support.sync_world import SyncWorld, sync_world

PAIRS = 12
"""So many that one delete is no reason to ask."""


async def delete_on(world: SyncWorld, side: Side, record_id: str, name: str) -> None:
    if side is Side.CRM:
        await world.vendors.crm.delete(record_id)
    else:
        await world.vendors.google.delete(name)


async def restore_on(world: SyncWorld, side: Side, record_id: str, name: str) -> None:
    if side is Side.CRM:
        await world.vendors.crm.restore(record_id)
    else:
        await world.vendors.google.restore(name)


def carried_over(direction: Direction, deletions: DeletePolicy, deleted: Side) -> bool:
    """The table of the product's rules, written down once more."""
    if deletions is DeletePolicy.KEEP:
        return False
    if deleted is Side.CRM:
        return direction in {Direction.TWO_WAY, Direction.CRM_TO_GOOGLE}
    return deletions is DeletePolicy.PROPAGATE and direction in {Direction.TWO_WAY, Direction.GOOGLE_TO_CRM}


CELLS = list(product(Direction, DeletePolicy, Side))


@pytest.mark.parametrize(("direction", "deletions", "deleted"), CELLS)
async def test_a_delete_crosses_once_where_the_table_says_so_and_releases_the_pair_elsewhere(
    direction: Direction, deletions: DeletePolicy, deleted: Side
) -> None:
    async with sync_world(direction=direction, deletions=deletions) as world:
        records, people = await settled(world, PAIRS)
        await delete_on(world, deleted, records[3], people[3])

        run = await world.sync()

        crosses = carried_over(direction, deletions, deleted)
        assert writes(run) == ({f"{deleted.other}.delete": 1} if crosses else {})
        gone = (1, 1) if crosses else (1, 0) if deleted is Side.CRM else (0, 1)
        assert await book_sizes(world) == (PAIRS - gone[0], PAIRS - gone[1])
        assert outcomes(run) == {"deleted" if crosses else "skipped": 1, "unchanged": PAIRS - 1}
        for _ in range(5):
            await world.pass_time(hours=13)
            assert not writes(await world.sync())
        assert await book_sizes(world) == (PAIRS - gone[0], PAIRS - gone[1])


@pytest.mark.parametrize(("direction", "deletions", "deleted"), CELLS)
async def test_an_edit_beats_a_delete(direction: Direction, deletions: DeletePolicy, deleted: Side) -> None:
    async with sync_world(direction=direction, deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await delete_on(world, deleted, records[3], people[3])
        if deleted is Side.CRM:
            await world.vendors.google.edit(people[3], organizations=job("Countess"))
        else:
            await world.vendors.crm.edit(records[3], Title="Countess")

        run = await world.sync()

        again = carried_over(direction, deletions, deleted) and direction is Direction.TWO_WAY
        assert writes(run) == ({f"{deleted}.create": 1} if again else {})
        pair = await world.pair(people[3] if deleted is Side.CRM else records[3])
        assert pair.state is (PairState.LINKED if again else PairState.RELEASED)
        if again:
            assert await titles(world, str(pair.crm.remote_id), str(pair.google.remote_id)) == ("Countess", "Countess")
            assert await book_sizes(world) == (PAIRS, PAIRS)
        await quiet(world)


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_what_is_deleted_on_both_sides_is_gone_and_nothing_is_written(deletions: DeletePolicy) -> None:
    async with sync_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[3])
        await world.vendors.google.delete(people[3])

        run = await world.sync()

        assert not writes(run)
        assert (await world.pair(records[3])).state is PairState.GONE
        assert outcomes(run) == {"deleted": 1, "unchanged": PAIRS - 1}
        assert not writes(await world.sync())


async def test_a_released_pair_is_gone_when_the_other_side_goes_too() -> None:
    async with sync_world(deletions=DeletePolicy.KEEP) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[3])
        await world.sync()
        await world.vendors.google.delete(people[3])

        await world.sync()

        assert (await world.pair(records[3])).state is PairState.GONE


@pytest.mark.parametrize("side", Side)
async def test_a_released_pair_is_linked_again_when_the_deleted_contact_is_restored(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.KEEP) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await delete_on(world, side, records[3], people[3])
        await world.sync()
        assert (await world.pair(records[3])).state is PairState.RELEASED
        if side is Side.CRM:
            await world.vendors.crm.restore(records[3])
        else:
            await world.vendors.google.restore(people[3])

        await world.pass_time(days=2)
        await world.sync()

        assert (await world.pair(records[3])).state is PairState.LINKED
        assert await book_sizes(world) == (PAIRS, PAIRS)
        await world.vendors.crm.edit(records[3], Title="Countess")
        await world.sync()
        assert await titles(world, records[3], people[3]) == ("Countess", "Countess")


@pytest.mark.parametrize("side", Side)
async def test_a_released_pair_is_linked_again_when_the_contact_appears_anew_by_its_key(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.KEEP) as world:
        records, people = await settled(world, PAIRS)
        await delete_on(world, side, records[3], people[3])
        await world.sync()
        if side is Side.CRM:
            [new] = await world.vendors.crm.add([record(3)])
        else:
            [new] = await world.vendors.google.add([person(3)])

        run = await world.sync()

        assert {name for name in writes(run) if "create" in name} == set()
        pair = await world.pair(new)
        assert pair.state is PairState.LINKED
        assert {records[3], people[3]} & {pair.crm.remote_id, pair.google.remote_id}
        assert await book_sizes(world) == (PAIRS, PAIRS)
        await quiet(world)


@pytest.mark.parametrize("side", Side)
async def test_a_contact_restored_after_its_delete_was_carried_over_is_made_again_on_the_other_side(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await delete_on(world, side, records[3], people[3])
        assert writes(await world.sync()) == {f"{side.other}.delete": 1}
        await world.pass_time(minutes=5)
        await restore_on(world, side, records[3], people[3])

        run = await world.sync()

        assert writes(run) == {f"{side.other}.create": 1}
        pair = await world.pair(records[3] if side is Side.CRM else people[3])
        assert pair.state is PairState.LINKED
        assert await titles(world, str(pair.crm.remote_id), str(pair.google.remote_id)) == ("Analyst", "Analyst")
        assert await book_sizes(world) == (PAIRS, PAIRS)
        await quiet(world)


async def test_two_contacts_that_were_deleted_and_restored_are_a_pair_again() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        for side in Side:
            await delete_on(world, side, records[3], people[3])
        await world.sync()
        await world.pass_time(minutes=5)
        for side in Side:
            await restore_on(world, side, records[3], people[3])

        assert not writes(await world.sync())

        await world.vendors.google.edit(people[3], organizations=job("Countess"))
        await world.sync()
        assert await titles(world, records[3], people[3]) == ("Countess", "Countess")
        await quiet(world)


async def test_a_listing_that_lags_behind_a_delete_of_ours_brings_nobody_back() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.crm.delete(records[3])
        assert writes(await world.sync()) == {"google.delete": 1}

        await world.pass_time(minutes=1)
        assert not writes(await world.sync(mode=RunMode.FULL))

        await world.pass_time(minutes=20)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)


async def test_a_contact_that_was_never_linked_is_never_deleted() -> None:
    async with sync_world(direction=Direction.CRM_TO_GOOGLE, deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        [stranger] = await world.vendors.google.add([person(99)])
        await world.sync()
        await world.vendors.crm.delete(records[0])

        await world.sync()
        await world.pass_time(days=2)
        await world.sync()

        assert stranger in {one["resourceName"] for one in await world.vendors.google.people()}
        assert await book_sizes(world) == (PAIRS - 1, PAIRS)


async def test_trashed_records_do_not_come_back_in_the_next_five_runs() -> None:
    async with sync_world(deletions=DeletePolicy.FROM_CRM) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[0])
        await world.sync()

        for _ in range(5):
            await world.pass_time(hours=25)
            assert not writes(await world.sync())

        assert address(0) not in {one["emailAddresses"][0]["value"] for one in await world.vendors.google.people()}


# --- the brake ------------------------------------------------------------------------------------------------------


async def braked(world: SyncWorld, deleted: int = 6) -> tuple[list[str], list[str], Run]:
    """A run that found more deletes than a person would expect."""
    records, people = await settled(world, PAIRS, Title="Analyst")
    await world.vendors.crm.delete(*records[:deleted])
    await world.vendors.crm.edit(records[-1], Title="Countess")
    run = await world.sync()
    return records, people, run


async def approve(world: SyncWorld, run: Run) -> Run:
    return await world.sync(mode=RunMode.APPROVED_DELETES, trigger=f"approval:{run.run_id}")


@pytest.mark.parametrize(("deleted", "asks"), [(5, False), (6, True)])
async def test_more_deletes_than_expected_wait_for_approval_and_all_else_goes_on(deleted: int, asks: bool) -> None:  # noqa: FBT001
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, run = await braked(world, deleted)

        assert run.state is (RunState.NEEDS_APPROVAL if asks else RunState.SUCCEEDED)
        assert writes(run) == {"google.update": 1} | ({} if asks else {"google.delete": deleted})
        assert (await reasons(world, run)) == ({Reason.AWAITING_APPROVAL: deleted} if asks else {})
        assert await titles(world, records[-1], people[-1]) == ("Countess", "Countess")
        assert len(await world.vendors.google.people()) == (PAIRS if asks else PAIRS - deleted)


async def test_any_delete_waits_while_a_side_is_empty() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE, direction=Direction.CRM_TO_GOOGLE) as world:
        records, _ = await settled(world, 3)
        await world.vendors.google.add([person(n) for n in range(50, 60)])
        await world.sync()
        await world.vendors.crm.delete(*records)

        run = await world.sync()

        assert run.state is RunState.NEEDS_APPROVAL
        assert not writes(run)


async def test_an_unanswered_brake_of_a_week_costs_no_update_and_no_delete() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, _ = await braked(world)
        for day in range(7):
            await world.pass_time(days=1)
            await world.vendors.crm.edit(records[-2], Title=f"day {day}")
            await world.vendors.google.edit(people[-3], organizations=job(f"day {day}"))
            run = await world.sync()
            assert writes(run) == {"google.update": 1, "crm.update": 1}
            assert run.state is RunState.PARTIAL
            assert run.counts["held"] == 6
        assert len(await world.vendors.google.people()) == PAIRS


async def test_approved_deletes_are_carried_out_by_a_run_that_lists_nothing() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        await world.vendors.clear_logs()

        run = await approve(world, asked)

        assert writes(run) == {"google.delete": 6}
        assert run.state is RunState.SUCCEEDED
        calls = {name for name, n in run.counts.items() if name.startswith("calls.") and n and ".control." not in name}
        assert not [name for name in calls if "list" in name or "delta" in name], calls
        assert await book_sizes(world) == (PAIRS - 6, PAIRS - 6)
        await quiet(world)


async def test_an_approved_delete_that_no_longer_qualifies_is_not_carried_out() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, asked = await braked(world)
        await world.vendors.google.edit(people[0], organizations=job("still needed"))
        await world.vendors.crm.restore(records[1])

        run = await approve(world, asked)

        assert writes(run) == {"google.delete": 4}
        names = {one["resourceName"] for one in await world.vendors.google.people()}
        assert {people[0], people[1]} <= names
        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 4, PAIRS - 4)


async def test_only_the_list_that_was_shown_is_approved() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _, asked = await braked(world)
        await world.vendors.crm.delete(records[6])

        assert writes(await approve(world, asked)) == {"google.delete": 6}
        assert writes(await world.sync()) == {"google.delete": 1}


async def test_refusing_releases_the_pairs() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, people, _ = await braked(world)
        for name in people[:6]:
            await world.answer(name, Action.RELEASE)

        run = await world.sync()

        assert not writes(run)
        assert {(await world.pair(name)).state for name in people[:6]} == {PairState.RELEASED}
        await world.pass_time(days=2)
        assert not writes(await world.sync())
        assert len(await world.vendors.google.people()) == PAIRS


async def test_approving_the_same_list_twice_deletes_once() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        await approve(world, asked)
        assert not writes(await approve(world, asked))


# --- answers that meet something on the way -------------------------------------------------------------------------


async def state_of(world: SyncWorld, run: Run) -> RunState:
    return (await world.books.run(world.settings, run.run_id)).state


@pytest.mark.parametrize("step", range(2, 24, 2))
async def test_an_approved_run_that_is_killed_anywhere_deletes_each_once_and_all_in_the_end(step: int) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, asked = await braked(world)
        world.crash = Crash(step)

        await approve(world, asked)

        assert await state_of(world, asked) is RunState.PARTIAL
        assert await book_sizes(world) == (PAIRS - 6, PAIRS - 6)
        await quiet(world)
        await world.answer(records[0], Action.RESTORE)
        await world.sync()
        back = [
            one["organizations"][0]["title"] for one in await world.vendors.google.people() if address(0) in str(one)
        ]
        assert back == ["Analyst"]
        assert people[0] not in {one["resourceName"] for one in await world.vendors.google.people()}


async def test_a_victim_that_the_provider_refuses_is_reported_and_the_others_are_deleted() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.google.delete(*people[:6])
        asked = await world.sync()
        assert asked.state is RunState.NEEDS_APPROVAL
        await world.vendors.crm.mark(records[0], locked=True)

        run = await approve(world, asked)

        assert writes(run) == {"crm.delete": 5}
        assert run.state is RunState.PARTIAL
        assert outcomes(run) == {"deleted": 5, "held": 1, "unchanged": PAIRS - 6}
        [held] = [row for row in await world.report(run) if row.outcome is Outcome.HELD]
        assert (held.crm_id, held.reason) == (records[0], Reason.LOCKED)
        assert await state_of(world, asked) is RunState.PARTIAL
        # It was approved: once the CRM lets it go, it goes.
        await world.vendors.crm.mark(records[0], locked=False)
        await world.pass_time(hours=25)
        assert writes(await world.sync()) == {"crm.delete": 1}


async def test_a_list_of_which_everything_was_restored_asks_no_more() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _, asked = await braked(world)
        await world.vendors.crm.restore(*records[:6])

        await world.sync()

        assert await state_of(world, asked) is RunState.PARTIAL
        assert not writes(await approve(world, asked))
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_an_approval_of_what_was_shown_under_other_settings_deletes_nobody_and_all_is_asked_again() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        await world.configure(conflict_winner=Side.GOOGLE)

        assert not writes(await approve(world, asked))
        await world.sync()
        again = await world.sync()

        assert again.state is RunState.NEEDS_APPROVAL
        assert len(await world.vendors.google.people()) == PAIRS
        assert writes(await approve(world, again)) == {"google.delete": 6}


async def test_a_second_brake_makes_a_list_of_its_own_and_each_is_answered_for_itself() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.crm.delete(*records[:6])
        first = await world.sync()
        await world.vendors.crm.delete(*records[6:12])
        second = await world.sync()
        assert (first.state, second.state) == (RunState.NEEDS_APPROVAL, RunState.NEEDS_APPROVAL)
        assert await state_of(world, first) is RunState.NEEDS_APPROVAL

        assert writes(await approve(world, second)) == {"google.delete": 6}

        left = {one["resourceName"] for one in await world.vendors.google.people()}
        assert left == {*people[:6], *people[12:]}
        assert await state_of(world, first) is RunState.NEEDS_APPROVAL
        assert writes(await approve(world, first)) == {"google.delete": 6}


async def test_a_pair_is_on_the_list_that_was_shown_last_alone() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.crm.delete(*records[:6])
        first = await world.sync()
        await world.vendors.crm.delete(*records[6:11])
        await world.answer(people[0], Action.RETRY)
        second = await world.sync()
        assert second.state is RunState.NEEDS_APPROVAL
        assert second.counts["reasons.held.awaiting_approval"] == 6

        assert writes(await approve(world, first)) == {"google.delete": 5}

        assert people[0] in {one["resourceName"] for one in await world.vendors.google.people()}
        assert writes(await approve(world, second)) == {"google.delete": 6}


async def test_where_one_side_is_braked_the_other_side_s_deletes_are_asked_about_too() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.crm.delete(*records[:6])
        await world.vendors.google.delete(people[-1])

        asked = await world.sync()

        assert asked.state is RunState.NEEDS_APPROVAL
        assert not writes(asked)
        assert writes(await approve(world, asked)) == {"google.delete": 6, "crm.delete": 1}


@pytest.mark.parametrize("side", Side)
async def test_a_delete_whose_answer_is_lost_happens_once_and_can_be_restored(side: Side) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await delete_on(world, side, records[0], people[0])
        if side is Side.CRM:
            await world.vendors.google.control.fault("people.batchDeleteContacts", "cut_after", times=1)
        else:
            await world.vendors.crm.control.fault("contacts.delete*", "cut_after", times=1)

        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)
        await world.answer(records[0], Action.RESTORE)
        await world.sync()

        assert await book_sizes(world) == ((PAIRS - 1, PAIRS) if side is Side.CRM else (PAIRS, PAIRS - 1))
        back = await world.pair(records[0] if side is Side.CRM else people[0])
        assert back.state is PairState.RELEASED
