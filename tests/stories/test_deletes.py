"""Deletes: every cell of the table, the brake, and its answers."""

from __future__ import annotations

from itertools import product

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode, RunState
from tests.stories.common import (
    address,
    book_sizes,
    crm,
    google,
    job,
    outcomes,
    person,
    quiet,
    reasons,
    settled,
    titles,
    writes,
)
from tests.stories.conftest import OpenOutside
from tests.support.callers import RefusedError
from tests.support.outside import OutsideWorld
from tests.support.story import OpenWorld, RunView, StoryWorld
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)  # from outside, on a machine that is busy

PAIRS = 12
"""So many that five deletes are no reason to ask."""


def carried_over(direction: Direction, deletions: DeletePolicy, deleted: Side) -> bool:
    """The table of the product's rules, written down once more."""
    if deletions is DeletePolicy.KEEP:
        return False
    if deleted is Side.CRM:
        return direction in {Direction.TWO_WAY, Direction.CRM_TO_GOOGLE}
    return deletions is DeletePolicy.PROPAGATE and direction in {Direction.TWO_WAY, Direction.GOOGLE_TO_CRM}


async def delete_on(world: StoryWorld, side: Side, record_id: str, name: str) -> None:
    if side is Side.CRM:
        await world.vendors.crm.delete(record_id)
    else:
        await world.vendors.google.delete(name)


async def restore_on(world: StoryWorld, side: Side, record_id: str, name: str) -> None:
    if side is Side.CRM:
        await world.vendors.crm.restore(record_id)
    else:
        await world.vendors.google.restore(name)


async def edit_on(world: StoryWorld, side: Side, record_id: str, name: str) -> None:
    if side is Side.CRM:
        await world.vendors.crm.edit(record_id, Title="Countess")
    else:
        await world.vendors.google.edit(name, organizations=job("Countess"))


@pytest.mark.parametrize(("direction", "deletions"), list(product(Direction, DeletePolicy)))
async def test_every_cell_of_the_table_of_deletes(
    open_world: OpenWorld, direction: Direction, deletions: DeletePolicy
) -> None:
    """Deleted on either side, on both, and on either side with the other one edited: five pairs of one configuration.

    A delete crosses once where the table says so, an edit beats it (the contact is made again where that may be), and
    all else is released or gone. Nothing of it happens a second time.
    """
    async with open_world(direction=direction, deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        for deleted, (plain, edited) in ((Side.CRM, (0, 1)), (Side.GOOGLE, (2, 3))):
            for number in (plain, edited):
                await delete_on(world, deleted, records[number], people[number])
            await edit_on(world, deleted.other, records[edited], people[edited])
        await world.vendors.crm.delete(records[4])
        await world.vendors.google.delete(people[4])

        run = await world.sync()

        expected: dict[str, int] = {}
        sizes = {Side.CRM: PAIRS - 3, Side.GOOGLE: PAIRS - 3}
        for deleted, (plain, edited) in ((Side.CRM, (0, 1)), (Side.GOOGLE, (2, 3))):
            crosses = carried_over(direction, deletions, deleted)
            again = crosses and direction is Direction.TWO_WAY
            if crosses:
                expected[f"{deleted.other}.delete"] = 1
                sizes[deleted.other] -= 1
            if again:
                expected[f"{deleted}.create"] = 1
                sizes[deleted] += 1
            stays = people if deleted is Side.CRM else records
            state = PairState.GONE if crosses else PairState.RELEASED
            assert (await world.pair(stays[plain])).state is state, f"deleted on {deleted}"
            pair = await world.pair(stays[edited])
            assert pair.state is (PairState.LINKED if again else PairState.RELEASED), f"{deleted}, other side edited"
            if again:
                assert await titles(world, pair.crm_id, pair.google_id) == ("Countess", "Countess")
        assert (await world.pair(records[4])).state is PairState.GONE
        assert writes(run) == expected
        for _ in range(3):
            await world.pass_time(hours=13)
            assert not writes(await world.sync())
        assert await book_sizes(world) == (sizes[Side.CRM], sizes[Side.GOOGLE])


@pytest.mark.parametrize("source", Side)
async def test_what_was_edited_by_hand_in_the_target_beats_a_delete_in_the_source_however_much_later(
    open_world: OpenWorld, source: Side
) -> None:
    """The edit was let stand by a run of its own; a field that merely differed from the start is no edit."""
    direction = Direction.CRM_TO_GOOGLE if source is Side.CRM else Direction.GOOGLE_TO_CRM
    async with open_world(direction=direction, deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await edit_on(world, source.other, records[1], people[1])
        assert not writes(await world.sync())
        await world.pass_time(hours=30)
        assert not writes(await world.sync())
        for number in (0, 1):
            await delete_on(world, source, records[number], people[number])

        assert writes(await world.sync()) == {f"{source.other}.delete": 1}

        target = people if source is Side.CRM else records
        assert (await world.pair(target[0])).state is PairState.GONE
        assert (await world.pair(target[1])).state is PairState.RELEASED
        if source is Side.CRM:
            assert (await google(world, people[1]))["organizations"][0]["title"] == "Countess"
        else:
            assert (await crm(world, records[1]))["Title"] == "Countess"


@pytest.mark.parametrize("side", Side)
async def test_a_contact_restored_after_its_delete_was_carried_over_is_made_again_on_the_other_side(
    open_world: OpenWorld, side: Side
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await delete_on(world, side, records[3], people[3])
        assert writes(await world.sync()) == {f"{side.other}.delete": 1}
        await world.pass_time(minutes=5)
        await restore_on(world, side, records[3], people[3])

        run = await world.sync()

        assert writes(run) == {f"{side.other}.create": 1}
        pair = await world.pair(records[3] if side is Side.CRM else people[3])
        assert pair.state is PairState.LINKED
        assert await titles(world, pair.crm_id, pair.google_id) == ("Analyst", "Analyst")
        assert await book_sizes(world) == (PAIRS, PAIRS)
        await quiet(world)


async def test_two_contacts_that_were_deleted_and_restored_are_a_pair_again(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
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


async def test_a_listing_that_lags_behind_a_delete_of_ours_brings_nobody_back(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.crm.delete(records[3])
        assert writes(await world.sync()) == {"google.delete": 1}

        await world.pass_time(minutes=1)
        assert not writes(await world.sync(mode=RunMode.FULL))

        await world.pass_time(minutes=20)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)


async def test_a_contact_that_was_never_linked_is_never_deleted(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE, deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, PAIRS)
        [stranger] = await world.vendors.google.add([person(99)])
        await world.sync()
        await world.vendors.crm.delete(records[0])

        await world.sync()
        await world.pass_time(days=2)
        await world.sync()

        assert stranger in {one["resourceName"] for one in await world.vendors.google.people()}
        assert await book_sizes(world) == (PAIRS - 1, PAIRS)


async def test_c44_trashed_records_do_not_come_back_in_the_next_five_runs(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.FROM_CRM) as world:
        records, _ = await settled(world, PAIRS)
        await world.vendors.crm.delete(records[0])
        await world.sync()

        for _ in range(5):
            await world.pass_time(hours=25)
            assert not writes(await world.sync())

        assert address(0) not in {one["emailAddresses"][0]["value"] for one in await world.vendors.google.people()}


@pytest.mark.parametrize("side", Side)
async def test_a_delete_whose_answer_is_lost_happens_once_and_can_be_restored(
    open_world: OpenWorld, side: Side
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        await delete_on(world, side, records[0], people[0])
        if side is Side.CRM:
            await world.vendors.google.control.fault("people.batchDeleteContacts", "cut_after", times=1)
        else:
            await world.vendors.crm.control.fault("contacts.delete", "cut_after", times=1)

        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 1, PAIRS - 1)
        await world.answer(records[0], Action.RESTORE)

        assert await book_sizes(world) == ((PAIRS - 1, PAIRS) if side is Side.CRM else (PAIRS, PAIRS - 1))
        back = await world.pair(records[0] if side is Side.CRM else people[0])
        assert back.state is PairState.RELEASED


# --- the brake ------------------------------------------------------------------------------------------------------


async def braked(world: StoryWorld, deleted: int = 6) -> tuple[list[str], list[str], RunView]:
    """A run that found more deletes than a person would expect."""
    records, people = await settled(world, PAIRS, Title="Analyst")
    await world.vendors.crm.delete(*records[:deleted])
    await world.vendors.crm.edit(records[-1], Title="Countess")
    run = await world.sync()
    return records, people, run


@pytest.mark.parametrize(("deleted", "asks"), [(5, False), (6, True)])
async def test_more_deletes_than_expected_wait_for_approval_and_all_else_goes_on(
    open_world: OpenWorld,
    deleted: int,
    asks: bool,  # noqa: FBT001
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, run = await braked(world, deleted)

        assert run.state is (RunState.NEEDS_APPROVAL if asks else RunState.SUCCEEDED)
        assert writes(run) == {"google.update": 1} | ({} if asks else {"google.delete": deleted})
        assert (await reasons(world, run)) == ({Reason.AWAITING_APPROVAL: deleted} if asks else {})
        assert await titles(world, records[-1], people[-1]) == ("Countess", "Countess")
        assert len(await world.vendors.google.people()) == (PAIRS if asks else PAIRS - deleted)


async def test_any_delete_waits_while_a_side_is_empty(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE, direction=Direction.CRM_TO_GOOGLE) as world:
        records, _ = await settled(world, 3)
        await world.vendors.google.add([person(n) for n in range(50, 60)])
        await world.sync()
        await world.vendors.crm.delete(*records)

        run = await world.sync()

        assert run.state is RunState.NEEDS_APPROVAL
        assert not writes(run)


async def test_where_one_side_is_braked_the_other_side_s_deletes_are_asked_about_too(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.crm.delete(*records[:6])
        await world.vendors.google.delete(people[-1])

        asked = await world.sync()

        assert asked.state is RunState.NEEDS_APPROVAL
        assert not writes(asked)
        assert writes(await world.approve(asked)) == {"google.delete": 6, "crm.delete": 1}


async def test_an_unanswered_brake_of_a_week_costs_no_update_and_no_delete(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, asked = await braked(world)
        for day in range(7):
            await world.pass_time(days=1)
            await world.vendors.crm.edit(records[-2], Title=f"day {day}")
            await world.vendors.google.edit(people[-3], organizations=job(f"day {day}"))
            run = await world.sync()
            assert writes(run) == {"google.update": 1, "crm.update": 1}
            assert run.state is RunState.PARTIAL
            assert run.counts["held"] == 6
        assert len(await world.vendors.google.people()) == PAIRS
        assert writes(await world.approve(asked)) == {"google.delete": 6}


# --- its answers ----------------------------------------------------------------------------------------------------


async def test_approved_deletes_are_carried_out_by_a_run_that_lists_nothing(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)

        run = await world.approve(asked)

        assert writes(run) == {"google.delete": 6}
        assert run.state is RunState.SUCCEEDED
        assert not [name for name in run.calls if "list" in name or "changes" in name or "deleted" in name], run.calls
        assert await book_sizes(world) == (PAIRS - 6, PAIRS - 6)
        await quiet(world)


async def test_an_approved_delete_that_no_longer_qualifies_is_not_carried_out(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, asked = await braked(world)
        await world.vendors.google.edit(people[0], organizations=job("still needed"))
        await world.vendors.crm.restore(records[1])

        run = await world.approve(asked)

        assert writes(run) == {"google.delete": 4}
        names = {one["resourceName"] for one in await world.vendors.google.people()}
        assert {people[0], people[1]} <= names
        await world.sync()
        await quiet(world)
        assert await book_sizes(world) == (PAIRS - 4, PAIRS - 4)


async def test_a_victim_that_the_crm_protects_is_reported_and_the_others_are_deleted(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.google.delete(*people[:6])
        asked = await world.sync()
        assert asked.state is RunState.NEEDS_APPROVAL
        await world.vendors.crm.mark(records[0], locked=True)

        run = await world.approve(asked)

        assert writes(run) == {"crm.delete": 5}
        assert run.state is RunState.PARTIAL
        assert outcomes(run) == {"deleted": 5, "held": 1, "unchanged": PAIRS - 6}
        [held] = [row for row in await world.report(run) if row.outcome is Outcome.HELD]
        assert (held.crm_id, held.reason) == (records[0], Reason.LOCKED)
        # It was approved: once the CRM lets it go, it goes.
        await world.vendors.crm.mark(records[0], locked=False)
        await world.pass_time(hours=25)
        assert writes(await world.sync()) == {"crm.delete": 1}


async def test_only_the_list_that_was_shown_is_approved(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _, asked = await braked(world)
        await world.vendors.crm.delete(records[6])

        assert writes(await world.approve(asked)) == {"google.delete": 6}
        assert writes(await world.sync()) == {"google.delete": 1}


async def test_a_second_brake_makes_a_list_of_its_own_and_each_is_answered_for_itself(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.crm.delete(*records[:6])
        first = await world.sync()
        await world.vendors.crm.delete(*records[6:12])
        second = await world.sync()
        assert (first.state, second.state) == (RunState.NEEDS_APPROVAL, RunState.NEEDS_APPROVAL)

        assert writes(await world.approve(second)) == {"google.delete": 6}

        left = {one["resourceName"] for one in await world.vendors.google.people()}
        assert left == {*people[:6], *people[12:]}
        assert not writes(await world.refuse(first))
        await world.pass_time(days=2)
        assert not writes(await world.sync())
        assert len(await world.vendors.google.people()) == 14


async def test_while_a_list_is_unanswered_a_loss_that_goes_on_is_asked_about_however_slow_it_is(
    open_world: OpenWorld,
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, _ = await settled(world, 20)
        await world.vendors.crm.delete(*records[:6])
        asked = [await world.sync()]
        for number in (6, 7):
            await world.vendors.crm.delete(records[number])
            asked.append(await world.sync())

        assert [run.state for run in asked] == [RunState.NEEDS_APPROVAL] * 3
        assert not [run.writes for run in asked if run.writes]
        await world.refuse(asked[0])
        await world.vendors.crm.delete(records[8])
        assert writes(await world.sync()) == {"google.delete": 1}
        assert writes(await world.approve(asked[1])) == {"google.delete": 1}


async def test_a_pair_is_on_the_list_that_was_shown_last_alone(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 20)
        await world.vendors.crm.delete(*records[:6])
        first = await world.sync()
        await world.vendors.crm.delete(*records[6:11])
        second = await world.answer(people[0], Action.RETRY)
        assert second.state is RunState.NEEDS_APPROVAL
        told = await reasons(world, second)
        assert told.pop(Reason.AWAITING_APPROVAL) == 6
        assert told.keys() <= {Reason.ASKED_BY_ANOTHER_RUN}

        assert writes(await world.approve(first)) == {"google.delete": 5}

        assert people[0] in {one["resourceName"] for one in await world.vendors.google.people()}
        assert writes(await world.approve(second)) == {"google.delete": 6}


async def test_refusing_releases_the_pairs(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        _, people, asked = await braked(world)

        run = await world.refuse(asked)

        assert not writes(run)
        assert {(await world.pair(name)).state for name in people[:6]} == {PairState.RELEASED}
        await world.pass_time(days=2)
        assert not writes(await world.sync())
        assert len(await world.vendors.google.people()) == PAIRS


# --- answers that meet something on the way -------------------------------------------------------------------------


async def asking(world: OutsideWorld, run: RunView) -> tuple[str, int]:
    """The state of the run that asked, and how many deletes it asks about."""
    told = await world.api.get(f"/v1/runs/{run.run_id}")
    return told["state"], told["deletes_to_approve"]


async def is_waiting(world: OutsideWorld, run_id: str) -> bool:
    return bool((await world.api.get(f"/v1/runs/{run_id}"))["state"] == RunState.WAITING)


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_a_list_is_answered_once(open_outside: OpenOutside) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        assert await asking(world, asked) == ("needs_approval", 6)
        assert writes(await world.approve(asked)) == {"google.delete": 6}
        assert await asking(world, asked) == ("partial", 0)
        for again in (world.approve, world.refuse):
            with pytest.raises(RefusedError) as refused:
                await again(asked)
            assert (refused.value.status, refused.value.code) == (409, "nothing_to_approve")


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_a_refused_list_is_approved_no_more(open_outside: OpenOutside) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        await world.refuse(asked)
        assert await asking(world, asked) == ("partial", 0)
        with pytest.raises(RefusedError) as refused:
            await world.approve(asked)
        assert (refused.value.status, refused.value.code) == (409, "nothing_to_approve")
        assert len(await world.vendors.google.people()) == PAIRS


@pytest.mark.postgres
@pytest.mark.rabbitmq
@pytest.mark.parametrize("ends", ["failed", "cancelled"])
async def test_what_an_approved_run_left_over_is_asked_about_again(open_outside: OpenOutside, ends: str) -> None:
    """It fails at the reading of the victims, or is cancelled while it waits for Google's quota."""
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        _, _, asked = await braked(world)
        google = world.vendors.google.control
        if ends == "failed":
            await google.fault("people.getBatchGet", "html200")
        else:
            await google.fault("people.batchDeleteContacts", "rate_limit")
        answering = (await world.api.post(f"/v1/runs/{asked.run_id}/approve"))["id"]
        if ends == "cancelled":
            await wait_until(lambda: is_waiting(world, answering))
            await world.api.post(f"/v1/runs/{answering}/cancel")
        run = await world.ended(answering)
        assert run.state == ends
        assert not writes(run)

        assert await asking(world, asked) == ("needs_approval", 6)
        await google.clear_faults()
        # Other runs leave it as it is.
        assert not writes(await world.sync())
        assert await asking(world, asked) == ("needs_approval", 6)
        assert writes(await world.approve(asked)) == {"google.delete": 6}
        assert await asking(world, asked) == ("partial", 0)


@pytest.mark.postgres
@pytest.mark.rabbitmq
async def test_a_list_of_which_everything_was_restored_asks_no_more(open_outside: OpenOutside) -> None:
    async with open_outside(deletions=DeletePolicy.PROPAGATE) as world:
        records, _, asked = await braked(world)
        await world.vendors.crm.restore(*records[:6])

        await world.sync()

        assert await asking(world, asked) == ("partial", 0)
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)
