"""Several configurations that share contacts: one record and one person each, members of every group, one keeper."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import RunMode, RunState
from tests.stories.common import (
    CRITERIA,
    DAYS_AGO,
    add_group,
    book_sizes,
    crm,
    google,
    job,
    members_of,
    outcomes,
    person,
    reasons,
    record,
    settled,
    titles,
    writes,
)
from tests.stories.conftest import OpenOutside, outside
from tests.support.inside import inside_world
from tests.support.story import OpenWorld, StoryWorld
from tests.support.vendors import Json, google_book
from tests.support.waiting import wait_until


async def second_configuration(world: StoryWorld, **settings: Any) -> tuple[StoryWorld, str]:  # noqa: ANN401  fields of Policy
    """A younger configuration of the same user: the same view, another group, whose name is returned too."""
    group = await add_group(world)
    second = await world.beside(group=group)
    if settings:
        await second.configure(**settings)
    return second, group


async def rest(*worlds: StoryWorld) -> None:
    """Each of these runs, and what it wrote is shown everywhere."""
    for world in worlds:
        await world.sync()
        await world.pass_time(minutes=20)


async def shared_pair(
    world: StoryWorld,
    **settings: Any,  # noqa: ANN401  fields of Policy
) -> tuple[str, str, StoryWorld, str]:
    """A pair with the title "Analyst" in the groups of two configurations: record, person, the younger, its group."""
    (record_id,), (name,) = await settled(world, 1, Title="Analyst")
    second, group = await second_configuration(world, **settings)
    await rest(second, world, second)
    return record_id, name, second, group


def without(mapping: Mapping, *crm_fields: str) -> Mapping:
    """The mapping without these CRM fields."""
    return Mapping([row for row in mapping if row.crm_field not in crm_fields])


async def test_contacts_of_two_configurations_exist_once_and_are_in_both_groups(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        second, group = await second_configuration(world)

        await second.sync()
        await second.sync()

        assert await book_sizes(world) == (5, 5)
        assert len(await members_of(world, group)) == 5
        await world.pass_time(minutes=20)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (5, 5)


async def test_edits_cross_once_whichever_configuration_runs_first(open_world: OpenWorld) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        for number, order in enumerate([(first, second), (second, first)]):
            await first.vendors.crm.edit(record_id, Title=f"title {number}")
            written: Counter[str] = Counter()
            for world in order * 2:
                written.update(writes(await world.sync()))
                await world.pass_time(minutes=20)
            assert written == {"google.update": 1}
            assert await titles(first, record_id, name) == (f"title {number}",) * 2


async def test_an_edit_is_not_lost_to_a_second_configuration_that_does_not_map_the_field(open_world: OpenWorld) -> None:
    """Without a base of its own the title would go to the winner, and the edit on Google would be overwritten."""
    async with open_world() as world:
        record_id, name, second, _ = await shared_pair(world, mapping=without(world.mapping, "Title"))
        await world.vendors.google.edit(name, organizations=job("Countess"))

        for mode in (RunMode.SYNC, RunMode.FULL):
            assert not writes(await second.sync(mode=mode))
        assert writes(await world.sync()) == {"crm.update": 1}

        assert await titles(world, record_id, name) == ("Countess", "Countess")


async def test_a_second_configuration_says_of_shared_contacts_that_another_one_keeps_them(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        (record_id,), (name,) = await settled(world, 1, Title="Analyst")
        group = await add_group(world)
        await world.vendors.google.move(name, add=[group])
        second = await world.beside(group=group)
        told = await second.sync()
        assert (told.state, await reasons(second, told)) == (RunState.SUCCEEDED, {Reason.OWNED_BY_ANOTHER: 1})
        await world.vendors.crm.edit(record_id, Title="Countess")

        run = await second.sync()

        assert (run.state, outcomes(run), writes(run)) == (RunState.SUCCEEDED, {"skipped": 1}, {})
        assert await titles(world, record_id, name) == ("Countess", "Analyst")
        assert (await second.pair(record_id)).reason == Reason.OWNED_BY_ANOTHER
        assert (await world.pair(record_id)).reason == ""


async def test_when_the_keeper_is_switched_off_the_next_oldest_carries_what_it_had_passed_by(
    open_world: OpenWorld,
) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        await first.vendors.crm.edit(record_id, Title="Countess")
        for _ in range(2):  # after the second one no list shows the edit again
            assert not writes(await second.sync())
            await first.pass_time(minutes=20)
        await first.switch_off()

        assert writes(await second.sync()) == {"google.update": 1}

        assert await titles(first, record_id, name) == ("Countess", "Countess")
        await first.pass_time(minutes=20)
        assert outcomes(await second.sync()) == {"unchanged": 1}


async def test_the_next_keeper_merges_against_the_base_as_it_stood(open_world: OpenWorld) -> None:
    """Both sides were edited, in different fields: neither edit may lose to the other."""
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        await first.switch_off()
        await first.vendors.crm.edit(record_id, Department="Engines")
        await first.vendors.google.edit(name, organizations=job("Countess"))

        assert writes(await second.sync()) == {"crm.update": 1, "google.update": 1}

        assert await titles(first, record_id, name) == ("Countess", "Countess")
        assert (await google(first, name))["organizations"][0]["department"] == "Engines"


async def test_fields_that_the_next_keeper_alone_maps_fill_what_is_empty_and_lose_to_the_winner_else(
    open_world: OpenWorld,
) -> None:
    async with open_world() as first:
        wide = first.mapping
        await first.configure(mapping=without(wide, "Title", "Department"))
        (record_id,), (name,) = await settled(first, 1)
        second, _ = await second_configuration(first, mapping=wide, conflict_winner=Side.GOOGLE)
        await rest(second, first, second)
        await first.vendors.crm.edit(record_id, Department="Engines", Title="Analyst")
        await first.vendors.google.edit(name, organizations=job("Countess"))
        await rest(first, second)
        assert await titles(first, record_id, name) == ("Analyst", "Countess")
        await first.switch_off()

        await second.sync()

        assert await titles(first, record_id, name) == ("Countess", "Countess")
        assert (await google(first, name))["organizations"][0]["department"] == "Engines"


async def test_the_first_keeper_comes_back_and_loses_nothing_by_it(open_world: OpenWorld) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first, mapping=without(first.mapping, "Title"))
        await first.switch_off()
        await first.vendors.crm.edit(record_id, Department="Engines")
        assert writes(await second.sync()) == {"google.update": 1}
        await first.pass_time(minutes=20)
        await first.vendors.crm.edit(record_id, Department="Machines")

        assert writes(await first.switch_on()) == {"google.update": 1}
        assert not writes(await second.sync())

        assert (await google(first, name))["organizations"][0]["department"] == "Machines"
        assert await titles(first, record_id, name) == ("Analyst", "Analyst")


async def test_a_keeper_that_is_deleted_and_made_again_is_the_youngest(open_world: OpenWorld) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        again = await first.made_again()
        await rest(again, second, again)
        await second.vendors.crm.edit(record_id, Title="Countess")

        assert not writes(await again.sync())
        assert writes(await second.sync()) == {"google.update": 1}

        assert await titles(second, record_id, name) == ("Countess", "Countess")
        assert await book_sizes(second) == (1, 1)


async def test_a_person_taken_out_of_the_keepers_group_goes_on_with_the_configuration_that_still_has_it(
    open_world: OpenWorld,
) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        await first.vendors.google.move(name, remove=[first.vendors.google.group])
        await first.sync()
        await first.vendors.crm.edit(record_id, Title="Countess")

        assert not writes(await first.sync())
        assert writes(await second.sync()) == {"google.update": 1}

        assert await titles(first, record_id, name) == ("Countess", "Countess")


async def test_the_older_configuration_keeps_what_a_younger_one_made_as_soon_as_it_has_it_too(
    open_world: OpenWorld,
) -> None:
    async with open_world() as older:
        await older.sync()
        await older.switch_off()
        younger, _ = await second_configuration(older)
        (record_id,) = await older.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        assert writes(await younger.sync()) == {"google.create": 1}
        await older.pass_time(days=2)

        assert writes(await older.switch_on()) == {"google.join_group": 1}
        await older.pass_time(minutes=20)
        assert not writes(await older.sync())
        await older.vendors.crm.edit(record_id, Title="Countess")

        assert not writes(await younger.sync())
        assert writes(await older.sync()) == {"google.update": 1}


@pytest.mark.parametrize(
    ("older", "younger", "title"),
    [
        (Direction.CRM_TO_GOOGLE, Direction.TWO_WAY, "Analyst"),
        (Direction.TWO_WAY, Direction.CRM_TO_GOOGLE, "Countess"),
        (Direction.GOOGLE_TO_CRM, Direction.TWO_WAY, "Countess"),
    ],
)
async def test_the_keepers_direction_alone_says_whether_an_edit_on_google_crosses(
    older: Direction, younger: Direction, title: str
) -> None:
    async with inside_world(direction=older, conflict_winner=Side.GOOGLE) as first:
        record_id, name, second, _ = await shared_pair(first, direction=younger)
        await first.vendors.google.edit(name, organizations=job("Countess"))

        await rest(second, first, second)

        assert await titles(first, record_id, name) == (title, "Countess")


@pytest.mark.parametrize("first_to_run", ["older", "younger"])
async def test_configurations_with_different_mappings_come_to_rest(first_to_run: str) -> None:
    async with inside_world() as first:
        record_id, name, second, _ = await shared_pair(first, mapping=without(first.mapping, "Title", "Mobile"))
        order = (first, second) if first_to_run == "older" else (second, first)
        await first.vendors.crm.edit(record_id, Title="Countess", Mobile="+44 20 7946 0001")
        await first.vendors.google.edit(name, nicknames=[{"value": "Ada"}])
        await rest(*order, *order)

        for world in order:
            for mode in RunMode.SYNC, RunMode.FULL:
                assert not writes(await world.sync(mode=mode))
        assert await titles(first, record_id, name) == ("Countess", "Countess")


async def test_one_that_may_write_to_google_from_now_on_puts_shared_contacts_into_its_group(
    open_world: OpenWorld,
) -> None:
    async with open_world() as first:
        (record_id,), (name,) = await settled(first, 1)
        second, group = await second_configuration(first, direction=Direction.GOOGLE_TO_CRM)
        await rest(second)
        assert await members_of(first, group) == []

        await second.configure(direction=Direction.TWO_WAY)
        await rest(second)

        assert await members_of(first, group) == [name]
        assert (await second.pair(record_id)).reason == Reason.OWNED_BY_ANOTHER


async def test_a_record_that_left_the_view_has_left_it_for_each_configuration(open_world: OpenWorld) -> None:
    """The keeper has read what made it leave; the other one, which takes its place, must learn it all the same."""
    async with open_world(view_criteria=CRITERIA) as first:
        (record_id,), (name,) = await settled(first, 1, Title="Analyst", Lead_Source="Partner")
        second, _ = await second_configuration(first)
        await rest(second, first, second)
        await first.vendors.crm.edit(record_id, Lead_Source="Other", Title="Countess")
        await rest(first, second)
        await first.switch_off()
        await first.vendors.google.edit(name, biographies=[{"value": "met in Venice"}])

        for _ in range(2):
            assert not writes(await second.sync())
            await first.pass_time(minutes=20)

        assert await titles(first, record_id, name) == ("Countess", "Analyst")
        assert (await second.pair(record_id)).state is PairState.DORMANT


async def test_whoever_left_the_view_before_he_was_made_is_made_by_nobody(open_world: OpenWorld) -> None:
    async with open_world(view_criteria=CRITERIA, direction=Direction.GOOGLE_TO_CRM) as first:
        await first.sync()
        second, _ = await second_configuration(first, direction=Direction.TWO_WAY)
        await rest(second)
        (record_id,) = await first.vendors.crm.add([record(0, Lead_Source="Partner")])
        await first.vendors.google.control.settings(max_contact_bytes=1)
        await rest(first, second)
        assert (await second.pair(record_id)).held
        await first.vendors.google.control.settings(max_contact_bytes=131072)
        await first.vendors.crm.edit(record_id, Lead_Source="Other")
        await rest(first, second)

        assert not writes(await second.answer(record_id, Action.RETRY))

        assert await book_sizes(first) == (1, 0)


async def test_a_guest_whose_person_was_deleted_leaves_that_to_the_keeper(open_world: OpenWorld) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        await first.vendors.google.delete(name)
        await first.vendors.google.control.clear_log()

        run = await second.sync()

        assert (run.state, outcomes(run), await joins_asked_for(first)) == (RunState.SUCCEEDED, {"skipped": 1}, 0)
        await rest(first, second)
        assert (await first.pair(record_id)).state is PairState.RELEASED


# --- what is new ------------------------------------------------------------------------------------------------------


async def test_what_another_configuration_has_read_before_is_news_all_the_same(open_world: OpenWorld) -> None:
    """The state of a new record is known when the second one lists it; that it is in the view as well is not."""
    async with open_world() as first:
        _, name, second, group = await shared_pair(first)
        await first.vendors.crm.add([record(1)])
        await first.sync()

        assert writes(await second.sync()) == {"google.join_group": 1}

        members = await members_of(first, group)
        assert (len(members), name in members) == (2, True)


async def test_a_record_that_an_older_one_may_not_carry_is_carried_by_a_younger_one(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM) as first:
        await first.sync()
        second, _ = await second_configuration(first, direction=Direction.TWO_WAY)
        await rest(second)
        await first.vendors.crm.add([record(1)])
        assert not writes(await first.sync())

        assert writes(await second.sync()) == {"google.create": 1}


# --- deletes ----------------------------------------------------------------------------------------------------------


async def shared_dozen(world: StoryWorld, *, younger: DeletePolicy) -> tuple[list[str], list[str], StoryWorld]:
    """Twelve pairs in the groups of two configurations: records, people, the younger one."""
    records, people = await settled(world, 12)
    second, _ = await second_configuration(world, deletions=younger)
    await rest(second, world, second)
    return records, people, second


@pytest.mark.parametrize("mode", [RunMode.SYNC, RunMode.FULL])
async def test_a_configuration_that_does_not_keep_a_pair_never_deletes_though_its_own_rule_says_so(
    open_world: OpenWorld, mode: RunMode
) -> None:
    async with open_world(deletions=DeletePolicy.KEEP) as first:
        records, people, second = await shared_dozen(first, younger=DeletePolicy.PROPAGATE)
        await first.vendors.crm.delete(records[0])
        await first.vendors.google.delete(people[1])

        for world in (second, first, second):
            assert not writes(await world.sync(mode=mode))
            await world.pass_time(minutes=20)

        assert await book_sizes(first) == (11, 11)


async def test_the_keepers_rule_deletes_once_whatever_the_others_rule(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.PROPAGATE) as first:
        records, people, second = await shared_dozen(first, younger=DeletePolicy.KEEP)
        await first.vendors.crm.delete(records[0])
        await first.vendors.google.delete(people[1])

        written = [writes(await world.sync()) for world in (second, first, second, first)]

        assert written == [{}, {"crm.delete": 1, "google.delete": 1}, {}, {}]
        assert await book_sizes(first) == (10, 10)
        assert outcomes(await second.sync()) == {"skipped": 10}


async def test_a_deletion_that_the_keeper_had_seen_is_not_carried_out_by_the_next_one(open_world: OpenWorld) -> None:
    async with open_world(deletions=DeletePolicy.KEEP) as first:
        records, people, second = await shared_dozen(first, younger=DeletePolicy.PROPAGATE)
        await first.vendors.crm.delete(records[0])
        await first.sync()
        await first.switch_off()

        for _ in range(2):
            assert not writes(await second.sync())
            await first.pass_time(minutes=20)
        assert (await second.pair(people[0])).state is PairState.RELEASED

        await first.vendors.crm.delete(records[1])
        assert writes(await second.sync()) == {"google.delete": 1}
        assert await book_sizes(first) == (10, 11)


async def test_pairs_that_another_configuration_keeps_do_not_widen_the_brake(open_world: OpenWorld) -> None:
    """Six of one's own seven are too many to delete unasked, though sixty more are shared."""
    async with open_world(deletions=DeletePolicy.PROPAGATE) as first:
        shared, _ = await settled(first, 60)
        second, group = await second_configuration(first)
        await second.sync()
        mine = await first.vendors.google.add([person(n) for n in range(60, 67)], in_group=False)
        for name in mine:
            await first.vendors.google.move(name, add=[group])
        await rest(second, second)
        await first.vendors.google.delete(*mine[:6])

        run = await second.sync()

        assert (run.state, writes(run)) == (RunState.NEEDS_APPROVAL, {})
        assert len(await first.vendors.crm.records()) == len(shared) + len(mine)


# --- what people ask --------------------------------------------------------------------------------------------------


async def test_what_is_asked_of_a_shared_contact_is_done_by_the_configuration_that_keeps_it(
    open_world: OpenWorld,
) -> None:
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)
        await first.vendors.crm.edit(record_id, Title="Countess")
        await rest(first)

        assert not writes(await second.answer(record_id, Action.RESTORE))
        await first.sync()

        assert (await titles(first, record_id, name))[1] == "Analyst"


async def test_the_keeper_runs_by_itself_for_what_was_asked_through_another_configuration(
    open_world: OpenWorld,
) -> None:
    """Its own user would have to press a button for it else: it has no schedule."""
    async with open_world() as first:
        record_id, name, second, _ = await shared_pair(first)

        await second.answer(record_id, Action.EXCLUDE)
        await first.carry_on(until=first.clock.now() + timedelta(minutes=1))

        async def is_excluded() -> bool:
            return (await second.pair(record_id)).excluded

        await wait_until(is_excluded, within_s=30)
        await first.vendors.crm.edit(record_id, Title="Countess")
        await rest(second, first)
        assert await titles(first, record_id, name) == ("Countess", "Analyst")


async def test_a_doubt_that_two_configurations_have_is_answered_through_either(open_world: OpenWorld) -> None:
    async with open_world() as first:
        second, group = await second_configuration(first)
        [record_id] = await first.vendors.crm.add([record(0)], at=DAYS_AGO)
        names = [{"givenName": "Charles", "familyName": "Babbage"}]
        [name] = await first.vendors.google.add([person(0, names=names)])
        await first.vendors.google.move(name, add=[group])
        for world in (first, second):
            assert await reasons(world, await world.sync()) == {Reason.POSSIBLE_DUPLICATE: 2}

        await second.answer(record_id, Action.KEEP_APART)
        await rest(first, second, first)

        assert await book_sizes(first) == (2, 2)
        for world in (first, second):
            assert {one.held for one in await world.pairs()} == {""}
        assert len(await members_of(first, group)) == 2


# --- several users ----------------------------------------------------------------------------------------------------


async def test_users_who_share_a_google_account_share_its_pairs(open_world: OpenWorld) -> None:
    async with open_world() as first:
        (record_id,), (name,) = await settled(first, 1, Title="Analyst")
        group = await add_group(first)
        second = await first.beside(group=group, colleague=first.vendors.google)
        await second.configure(mapping=without(first.mapping, "Title"))
        await rest(second, first, second)
        assert await members_of(first, group) == [name]
        await first.vendors.google.edit(name, organizations=job("Countess"))

        assert not writes(await second.sync())
        assert writes(await first.sync()) == {"crm.update": 1}

        assert await titles(first, record_id, name) == ("Countess", "Countess")
        assert await book_sizes(first) == (1, 1)


@outside
async def test_when_a_user_disconnects_the_other_of_the_account_goes_on_and_gives_back(
    open_outside: OpenOutside,
) -> None:
    async with open_outside() as first:
        (record_id,), (name,) = await settled(first, 1, Title="Analyst")
        group = await add_group(first)
        second = await first.beside(group=group, colleague=first.vendors.google)
        await rest(second, first, second)
        assert (await second.pair(record_id)).reason == Reason.OWNED_BY_ANOTHER
        await first.api.send("DELETE", "/v1/connections/zoho")
        assert (await second.pair(record_id)).reason == ""
        await first.vendors.crm.edit(record_id, Title="Countess")

        assert writes(await second.sync()) == {"google.update": 1}

        await first.product.connect(first.api, first.vendors.crm, first.vendors.google)
        await rest(first, second)
        await first.vendors.google.edit(name, organizations=job("Poet"))
        assert not writes(await second.sync())
        assert writes(await first.sync()) == {"crm.update": 1}
        assert await titles(first, record_id, name) == ("Poet", "Poet")
        assert await book_sizes(first) == (1, 1)


@pytest.mark.parametrize("winner", Side)
async def test_an_edit_in_one_users_google_reaches_the_other_users_google_once(
    open_world: OpenWorld, winner: Side
) -> None:
    async with open_world(conflict_winner=winner) as first:
        mine, theirs = first.vendors.google, await google_book(first.vendors.google.control, "charles@example.com")
        second = await first.beside(colleague=theirs)
        (record_id,) = await first.vendors.crm.add([record(0, Title="Analyst", Phone="020 7946 0003")], at=DAYS_AGO)
        for world in (first, second):
            assert writes(await world.sync()) == {"google.create": 1}
        await first.pass_time(minutes=20)
        ((here,), (there,)) = await mine.people(), await theirs.people()

        for number, (book, one) in enumerate([(mine, here), (theirs, there)]):
            await book.edit(one["resourceName"], organizations=job(f"title {number}"))
            written: Counter[str] = Counter()
            for world in (first, second) * 2:
                written.update(writes(await world.sync()))
                await world.pass_time(minutes=20)
            assert written == {"crm.update": 1, "google.update": 1}

        assert (await crm(first, record_id))["Title"] == "title 1"
        shown: list[Json] = [one for book in (mine, theirs) for one in await book.people()]
        assert [one["organizations"][0]["title"] for one in shown] == ["title 1", "title 1"]


# --- what one of them is refused --------------------------------------------------------------------------------------

NOT_FOUND = "404"


async def refuse_to_join(world: StoryWorld, name: str, *, how: str) -> None:
    """Google lets nobody into a group: the call is refused, or the answer says that this person was not found."""
    place = "contactGroups.members.modify"
    if how == NOT_FOUND:
        body = {"notFoundResourceNames": [name]}
        await world.vendors.google.control.fault(place, "status", status=200, body=body)
    else:
        await world.vendors.google.control.fault(place, "status", status=int(how))


async def joins_asked_for(world: StoryWorld) -> int:
    """Calls that put people into a group, since the log was cleared."""
    return (await world.vendors.google.control.calls())["contactGroups.members.modify"]


@pytest.mark.parametrize("how", ["400", NOT_FOUND])
async def test_a_group_that_somebody_may_not_join_is_asked_once_a_day_for_a_week_and_says_so(
    open_world: OpenWorld, how: str
) -> None:
    async with open_world() as first:
        (record_id,), (name,) = await settled(first, 1)
        second, group = await second_configuration(first)
        await refuse_to_join(first, name, how=how)
        await first.vendors.google.control.clear_log()

        for day in range(1, 11):
            for _ in range(2):
                run = await second.sync()
                assert (run.state, outcomes(run)) == (RunState.PARTIAL, {"failed": 1})
            assert await joins_asked_for(first) == min(day, 8)
            await first.pass_time(days=1)

        assert (await second.pair(record_id)).held
        assert outcomes(await first.sync()) == {"unchanged": 1}
        assert (await first.pair(record_id)).held == ""
        await first.vendors.google.control.clear_faults()
        assert not writes(await second.sync())
        assert writes(await second.answer(record_id, Action.RETRY)) == {"google.join_group": 1}
        assert await members_of(first, group) == [name]


async def test_what_its_keeper_is_refused_keeps_nobody_out_of_another_group(open_world: OpenWorld) -> None:
    async with open_world() as first:
        (record_id,), (name,) = await settled(first, 1)
        await first.vendors.crm.mark(record_id, locked=True)
        await first.vendors.google.edit(name, organizations=job("Countess"))
        await first.sync()
        assert (await first.pair(record_id)).held
        second, group = await second_configuration(first)

        assert writes(await second.sync()) == {"google.join_group": 1}

        assert await members_of(first, group) == [name]
        assert (await first.pair(record_id)).held
