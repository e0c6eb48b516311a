"""Merges and renames on either side: the surviving contact keeps its pair, nobody is deleted or made again."""

from __future__ import annotations

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode, RunState
from tests.stories.common import (
    DAYS_AGO,
    address,
    book_sizes,
    crm,
    google,
    job,
    person,
    quiet,
    reasons,
    record,
    settled,
    titles,
    writes,
)
from tests.support.story import OpenWorld

pytestmark = pytest.mark.timeout(300)  # from outside, on a machine that is busy

PAIRS = 12


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_a_record_merged_into_an_unlinked_one_hands_its_pair_on(
    open_world: OpenWorld, deletions: DeletePolicy
) -> None:
    async with open_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        # A colleague makes the person a second time and merges the first into the second before the next sync.
        [survivor] = await world.vendors.crm.add([record(3, Title="Countess", Lead_Source="Partner")])
        await world.vendors.crm.merge(survivor, records[3])

        run = await world.sync()

        assert writes(run) == {"google.update": 1}
        assert (await world.pair(survivor)).google_id == people[3]
        assert await titles(world, survivor, people[3]) == ("Countess", "Countess")
        assert (await crm(world, survivor))["Lead_Source"] == "Partner"
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_a_record_merged_into_one_outside_the_view_deletes_nobody(open_world: OpenWorld) -> None:
    criteria = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
    async with open_world(deletions=DeletePolicy.PROPAGATE, view_criteria=criteria) as world:
        records, _ = await settled(world, PAIRS, Lead_Source="Partner")
        [survivor] = await world.vendors.crm.add([record(3)])
        await world.vendors.crm.merge(survivor, records[3])
        await world.vendors.crm.edit(survivor, Lead_Source="Cold Call")

        run = await world.sync()

        assert not writes(run)
        assert (await world.pair(survivor)).state is PairState.DORMANT
        assert await book_sizes(world) == (PAIRS, PAIRS)
        await world.pass_time(days=2)
        assert not writes(await world.sync())


@pytest.mark.parametrize("namesake", [True, False])
async def test_an_edited_person_whose_record_was_deleted_is_not_made_again_beside_one_outside_the_view(
    open_world: OpenWorld,
    namesake: bool,  # noqa: FBT001
) -> None:
    criteria = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
    async with open_world(deletions=DeletePolicy.PROPAGATE, view_criteria=criteria) as world:
        records, people = await settled(world, PAIRS, Lead_Source="Partner")
        names = {} if namesake else {"First_Name": "Bob", "Last_Name": "Carter"}
        [other] = await world.vendors.crm.add([record(3, Lead_Source="Cold Call", **names)], at=DAYS_AGO)
        await world.vendors.crm.delete(records[3])
        await world.vendors.google.edit(people[3], organizations=job("Countess"))
        await world.pass_time(days=2)  # the view is read in full: it does not tell of the other one

        run = await world.sync()

        assert not writes(run)
        pair = await world.pair(people[3])
        assert pair.state is (PairState.DORMANT if namesake else PairState.RELEASED)
        assert not namesake or pair.crm_id == other
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_two_linked_records_merged_leave_both_people_and_a_row_in_the_report(
    open_world: OpenWorld, deletions: DeletePolicy
) -> None:
    async with open_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS)
        # The address of the one that vanishes lives on in the other.
        await world.vendors.crm.edit(records[4], Secondary_Email=address(3))
        await world.vendors.crm.merge(records[4], records[3])

        run = await world.sync()

        assert {name for name in writes(run) if name != "google.update"} == set()
        assert (await reasons(world, run))[Reason.MERGED] == 1
        assert run.state is RunState.PARTIAL
        assert (await world.pair(people[3])).state is PairState.RELEASED
        for _ in range(3):
            await world.pass_time(days=2)
            assert not writes(await world.sync())
        assert await book_sizes(world) == (PAIRS - 1, PAIRS)


@pytest.mark.parametrize("deletions", DeletePolicy)
async def test_two_linked_people_merged_keep_both_records(open_world: OpenWorld, deletions: DeletePolicy) -> None:
    async with open_world(deletions=deletions) as world:
        records, people = await settled(world, PAIRS, Description="history")
        await world.vendors.google.merge(people[4], people[3])

        run = await world.sync()

        assert {name for name in writes(run) if "delete" in name or "create" in name} == set()
        assert (await reasons(world, run))[Reason.MERGED] == 1
        assert {records[3], records[4]} <= {one["id"] for one in await world.vendors.crm.records()}
        assert (await crm(world, records[4]))["Email"] == address(4)
        for _ in range(3):
            await world.pass_time(days=2)
            after = await world.sync()
            assert {name for name in writes(after) if "delete" in name or "create" in name} == set()
        assert await book_sizes(world) == (PAIRS, PAIRS - 1)


@pytest.mark.parametrize("in_group", [True, False])
async def test_a_person_merged_into_an_unlinked_one_keeps_the_record_and_its_id(
    open_world: OpenWorld,
    in_group: bool,  # noqa: FBT001
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Lead_Source="Partner")
        [survivor] = await world.vendors.google.add(
            [person(3, organizations=job("Countess"), nicknames=[{"value": "Ada"}])], in_group=in_group
        )
        await world.vendors.google.merge(survivor, people[3])

        run = await world.sync()

        assert {name for name in writes(run) if "delete" in name or "create" in name} == set()
        assert (await world.pair(records[3])).google_id == survivor
        here = await crm(world, records[3])
        assert (here["Title"], here["Lead_Source"]) == ("Countess", "Partner")
        assert (await google(world, survivor))["nicknames"][0]["value"] == "Ada"
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_a_renamed_person_keeps_its_pair(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        new = await world.vendors.google.rename(people[3])

        run = await world.sync()

        assert not writes(run)
        assert (await world.pair(records[3])).google_id == new
        await world.vendors.crm.edit(records[3], Title="Countess")
        await world.sync()
        assert await titles(world, records[3], new) == ("Countess", "Countess")
        await world.pass_time(days=2)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (PAIRS, PAIRS)


async def test_a_renamed_person_is_still_known_by_an_address_under_a_label_of_its_own(open_world: OpenWorld) -> None:
    async with open_world() as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.google.edit(people[3], emailAddresses=[{"value": address(3), "type": "club"}])
        new = await world.vendors.google.rename(people[3])

        run = await world.sync()

        assert not writes(run)
        assert (await world.pair(records[3])).google_id == new
        assert (await crm(world, records[3]))["Email"] == address(3)
        await quiet(world)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("winner", Side)
async def test_what_a_contact_made_anew_does_not_hold_is_filled_and_never_erased(
    open_world: OpenWorld, side: Side, winner: Side
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE, conflict_winner=winner) as world:
        records, people = await settled(world, PAIRS, Title="Analyst", Department="Looms")
        if side is Side.CRM:
            await world.vendors.crm.delete(records[3])
            [records[3]] = await world.vendors.crm.add([record(3, Title="Countess")])
        else:
            await world.vendors.google.delete(people[3])
            [people[3]] = await world.vendors.google.add([person(3, organizations=job("Countess"))])

        await world.sync()

        assert (await world.pair(records[3])).google_id == people[3]
        assert await titles(world, records[3], people[3]) == ("Countess", "Countess")
        assert (await crm(world, records[3]))["Department"] == "Looms"
        assert (await google(world, people[3]))["organizations"][0]["department"] == "Looms"
        await quiet(world)
        assert await book_sizes(world) == (PAIRS, PAIRS)


@pytest.mark.parametrize("side", Side)
async def test_a_namesake_of_the_address_does_not_take_the_place_of_a_deleted_contact(
    open_world: OpenWorld, side: Side
) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS, Title="Analyst")
        if side is Side.CRM:
            [other] = await world.vendors.crm.add([record(3, First_Name="Bob", Last_Name="Carter")])
            await world.vendors.crm.delete(records[3])
        else:
            names = [{"givenName": "Bob", "familyName": "Carter"}]
            [other] = await world.vendors.google.add([person(3, names=names)])
            await world.vendors.google.delete(people[3])

        await world.sync()

        stays = people[3] if side is Side.CRM else records[3]
        assert (await world.pair(stays)).link_id != (await world.pair(other)).link_id
        if side is Side.CRM:
            assert (await google(world, people[3]))["names"][0]["familyName"] == "Byron3"
        else:
            assert (await crm(world, records[3]))["Last_Name"] == "Byron3"


@pytest.mark.parametrize("direction", [Direction.CRM_TO_GOOGLE, Direction.TWO_WAY])
async def test_a_person_known_from_an_earlier_run_is_not_overwritten_by_a_record_of_another_name(
    open_world: OpenWorld,
    direction: Direction,
) -> None:
    """Names are erased at the end of a run; the candidate's is asked for again before anybody is linked with it."""
    async with open_world(direction=direction) as world:
        bob = {
            "names": [{"givenName": "Bob", "familyName": "Carter"}],
            "emailAddresses": [{"value": "office@example.org", "type": "work"}],
        }
        eve = {"First_Name": "Eve", "Last_Name": "Miller", "Email": "office@example.org"}
        [name] = await world.vendors.google.add([bob])
        if direction is Direction.TWO_WAY:
            await world.vendors.crm.add([eve], at=DAYS_AGO)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([eve | {"First_Name": "Zoe", "Last_Name": "Lane"}])

        await world.sync()

        assert (await google(world, name))["names"][0]["familyName"] == "Carter"
        assert (await world.pair(name)).state is PairState.SINGLE


async def test_a_person_with_our_mark_who_comes_back_outside_the_group_is_not_taken_for_one_in_sync(
    open_world: OpenWorld,
) -> None:
    """Merging on Google hands our mark on to whoever stays."""
    async with open_world() as world:
        [record_id] = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        await quiet(world)
        made = str((await world.pair(record_id)).google_id)
        mark = (await google(world, made))["clientData"]
        await world.vendors.google.delete(made)
        await world.sync()
        assert (await world.pair(record_id)).state is PairState.RELEASED
        await world.pass_time(minutes=20)

        [name] = await world.vendors.google.add([person(0, clientData=mark)], in_group=False)
        await world.sync()

        assert (await world.pair(record_id)).state is PairState.DORMANT
        await world.vendors.google.move(name, add=[world.vendors.google.group])
        await world.vendors.crm.edit(record_id, Title="Countess")
        await world.sync()
        assert (await world.pair(record_id)).state is PairState.LINKED
        assert await titles(world, record_id, name) == ("Countess", "Countess")
        assert await book_sizes(world) == (1, 1)


@pytest.mark.parametrize("in_group", [True, False])
async def test_whoever_hands_our_mark_on_is_of_one_pair_when_a_page_shows_both(
    open_world: OpenWorld,
    in_group: bool,  # noqa: FBT001
) -> None:
    """He was known to be gone before a listing told of it; the page that does tells of the one who stays, too."""
    async with open_world() as world:
        await settled(world, 2)
        await world.vendors.google.control.settings(visibility_delay_s=120)
        [record_id] = await world.vendors.crm.add([record(2)])
        await world.sync()
        await world.sync(mode=RunMode.FULL)
        made = str((await world.pair(record_id)).google_id)
        [stays] = await world.vendors.google.add([person(2)], in_group=in_group)
        await world.vendors.google.merge(stays, made)
        await world.sync(mode=RunMode.FULL)
        await world.pass_time(minutes=20)

        await world.sync()

        pair = await world.pair(record_id)
        assert (pair.google_id, pair.state) == (stays, PairState.LINKED)
        await quiet(world)
        assert await book_sizes(world) == (3, 3)


@pytest.mark.parametrize("mode", [RunMode.SYNC, RunMode.FULL])
async def test_a_pair_outside_the_group_whose_person_is_renamed_goes_on_when_he_is_back(
    open_world: OpenWorld, mode: RunMode
) -> None:
    """A full listing tells no former names: whoever it lacks is asked for by name, outside the group as well."""
    async with open_world() as world:
        records, people = await settled(world, 2)
        group = world.vendors.google.group
        await world.vendors.google.move(people[0], remove=[group])
        await world.sync()
        assert (await world.pair(records[0])).state is PairState.DORMANT
        renamed = await world.vendors.google.rename(people[0])
        await world.vendors.google.move(renamed, add=[group])

        await world.sync(mode=mode)

        pair = await world.pair(records[0])
        assert (pair.google_id, pair.state) == (renamed, PairState.LINKED)
        await quiet(world)
        assert await book_sizes(world) == (2, 2)


async def test_a_dormant_pair_whose_person_is_gone_untold_is_released(open_world: OpenWorld) -> None:
    """Of a full reading, as after an expired token, only that he is not there tells of it."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, 2)
        await world.vendors.google.move(people[0], remove=[world.vendors.google.group])
        await world.sync()
        await world.pass_time(minutes=20)
        await world.vendors.google.delete(people[0])

        run = await world.sync(mode=RunMode.FULL)

        assert not writes(run)
        assert (await world.pair(records[0])).state is PairState.RELEASED
        await quiet(world)
        assert await book_sizes(world) == (2, 1)


async def test_a_dozen_released_pairs_whose_records_are_made_again_with_edits_go_on_in_one_run(
    open_world: OpenWorld,
) -> None:
    """Each was decided a second time while its first write was queued, which ended the run."""
    async with open_world(deletions=DeletePolicy.KEEP) as world:
        records, people = await settled(world, 12, Title="Analyst")
        await world.vendors.crm.delete(*records)
        await world.sync()
        await world.pass_time(minutes=20)

        again = await world.vendors.crm.add([record(n, Title="Countess") for n in range(12)])
        run = await world.sync()

        assert (run.state, writes(run)) == (RunState.SUCCEEDED, {"google.update": 12})
        assert await book_sizes(world) == (12, 12)
        assert await titles(world, again[0], people[0]) == ("Countess", "Countess")


async def test_a_person_merged_just_after_we_wrote_him_is_known_to_be_merged_when_all_are_read(
    open_world: OpenWorld,
) -> None:
    """A list that lacks whoever was written a moment ago proves nothing; that his name leads to another one does."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await settled(world, PAIRS)
        await world.vendors.crm.edit(records[0], Title="Countess")
        assert writes(await world.sync()) == {"google.update": 1}
        await world.vendors.google.merge(people[6], people[0])
        await world.sync(mode=RunMode.FULL)
        await world.vendors.crm.delete(records[6])
        await world.sync()
        await world.pass_time(hours=25)

        assert "crm.delete" not in writes(await world.sync())

        assert len(await world.vendors.crm.records()) == PAIRS - 1
        assert (await world.pair(records[0])).reason == Reason.MERGED
