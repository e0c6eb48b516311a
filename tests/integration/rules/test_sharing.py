"""Several configurations that share contacts: one record and one person each, members of every group."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from contactsync.ports.state import Run, RunMode, RunSettings, RunState
from tests.integration.rules.stories import (
    DAYS_AGO,
    book_sizes,
    crm,
    google,
    job,
    outcomes,
    person,
    reasons,
    record,
    settled,
    titles,
    writes,
)
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import Json, google_book


async def second_configuration(world: SyncWorld, *, of_another_user: bool = False, **policy: Any) -> str:  # noqa: ANN401  fields of Policy
    """Go on as another configuration of the account: the same view, another group, whose name is returned."""
    if of_another_user:
        await world.change_user()
    return await world.add_configuration("Second", **policy)


async def members_of(world: SyncWorld, group: str) -> list[Json]:
    """The people of a group as it truly is."""
    return [
        one
        for one in await world.vendors.google.people()
        if group in {m["contactGroupMembership"]["contactGroupResourceName"] for m in one["memberships"]}
    ]


async def test_contacts_of_two_configurations_exist_once() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        first = world.settings
        await second_configuration(world)

        await world.sync()
        await world.sync()

        assert await book_sizes(world) == (5, 5)
        world.settings = first
        await world.pass_time(minutes=20)
        assert not writes(await world.sync())
        assert await book_sizes(world) == (5, 5)


async def test_each_configuration_sees_to_its_own_group() -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        group = await second_configuration(world)

        await world.sync()

        assert len(await members_of(world, group)) == 5


async def test_edits_cross_once_whichever_configuration_runs_first() -> None:
    async with sync_world() as world:
        records = await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        people = await world.vendors.google.add([person(0, organizations=job("Analyst"))])
        await world.sync()
        first = world.settings
        group = await second_configuration(world)
        second = world.settings
        await world.vendors.google.move(people[0], add=[group])
        await world.sync()
        for number, (one, other) in enumerate([(first, second), (second, first), (second, first)]):
            await world.pass_time(minutes=20)
            await world.vendors.crm.edit(records[0], Title=f"title {number}")
            written = 0
            for settings in (one, other, one, other):
                world.settings = settings
                written += sum(writes(await world.sync()).values())
                await world.pass_time(seconds=2)
            assert written == 1
            assert await titles(world, records[0], people[0]) == (f"title {number}",) * 2


async def test_a_person_of_two_users_is_made_once_in_the_crm_though_both_are_about_to() -> None:
    """The first one's create got no answer and is sent again later; meanwhile the second one finds nobody there."""
    async with sync_world() as world:
        mine, theirs = world.vendors.google, await google_book(world.vendors.google.control, "charles@example.com")
        first, second = world.settings, await world.add_colleague(theirs)
        for book in (mine, theirs):
            await book.add([person(0)])
        await world.vendors.crm.control.fault("contacts.insert", "cut_before", times=1)
        now = world.clock.now()
        asked = await world.books.requests.request(first.organisation_id, first.config_id, RunMode.SYNC, "user", now)
        await world.work_due()
        assert (await world.books.run_row(first, asked.run_id)).reason == "outcome_unknown"

        world.settings = second
        meanwhile = await world.sync()

        assert (writes(meanwhile), meanwhile.counts["waiting"]) == ({}, 1)
        assert await world.vendors.crm.records() == []
        world.settings = first
        assert writes(await world.until_ended(asked.run_id)) == {"crm.create": 1}
        await world.pass_time(minutes=20)
        world.settings = second
        assert not writes(await world.sync())
        (link,) = await world.links()
        (made,) = await world.vendors.crm.records()
        assert (link.state, link.crm.remote_id) == (PairState.LINKED, made["id"])


# --- who keeps a pair -------------------------------------------------------------------------------------------------


async def shared_pair(
    world: SyncWorld,
    **policy: Any,  # noqa: ANN401  fields of Policy
) -> tuple[str, str, RunSettings, RunSettings]:
    """A pair with the title "Analyst" in the groups of two configurations, quiet: record, person, older, younger."""
    first = world.settings
    (record_id,), (name,) = await settled(world, 1, Title="Analyst")
    await second_configuration(world, **policy)
    second = world.settings
    for settings in (second, first, second):
        await run_as(world, settings)
        await world.pass_time(minutes=20)
    return record_id, name, first, second


async def run_as(world: SyncWorld, settings: RunSettings, *, mode: RunMode = RunMode.SYNC) -> Run:
    """A run of that configuration."""
    world.settings = settings
    return await world.sync(mode=mode)


def without(mapping: Mapping, *crm_fields: str) -> Mapping:
    """The mapping without these CRM fields."""
    return Mapping([row for row in mapping if row.crm_field not in crm_fields])


async def test_an_edit_is_not_lost_to_a_second_configuration_that_does_not_map_the_field() -> None:
    """Without a base of its own the title would go to the winner, and the edit on Google would be overwritten."""
    async with sync_world() as world:
        narrow = without(world.settings.policy.mapping, "Title")
        record_id, name, first, second = await shared_pair(world, mapping=narrow)
        await world.vendors.google.edit(name, organizations=job("Countess"))

        for mode in (RunMode.SYNC, RunMode.FULL):
            assert not writes(await run_as(world, second, mode=mode))
        assert writes(await run_as(world, first)) == {"crm.update": 1}

        assert await titles(world, record_id, name) == ("Countess", "Countess")


async def test_a_second_configuration_says_of_shared_contacts_that_another_one_keeps_them() -> None:
    async with sync_world() as world:
        record_id, name, _, second = await shared_pair(world)
        await world.vendors.crm.edit(record_id, Title="Countess")

        run = await run_as(world, second)

        assert (run.state, outcomes(run), writes(run)) == (RunState.SUCCEEDED, {"skipped": 1}, {})
        assert await titles(world, record_id, name) == ("Countess", "Analyst")


async def test_the_reason_is_told_when_a_contact_comes_to_be_shared() -> None:
    async with sync_world() as world:
        _, (name,) = await settled(world, 1)
        group = await second_configuration(world)
        await world.vendors.google.move(name, add=[group])

        run = await world.sync()

        assert await reasons(world, run) == {Reason.OWNED_BY_ANOTHER: 1}
        assert run.state is RunState.SUCCEEDED


async def test_when_the_keeper_is_switched_off_the_next_oldest_carries_what_it_had_passed_by() -> None:
    async with sync_world() as world:
        record_id, name, first, second = await shared_pair(world)
        await world.vendors.crm.edit(record_id, Title="Countess")
        assert not writes(await run_as(world, second))
        await world.books.put(first, active=False)

        assert writes(await run_as(world, second)) == {"google.update": 1}

        assert await titles(world, record_id, name) == ("Countess", "Countess")
        await world.pass_time(minutes=20)
        assert outcomes(await world.sync()) == {"unchanged": 1}


async def test_the_next_keeper_merges_against_the_base_as_it_stood() -> None:
    """Both sides were edited, in different fields: neither edit may lose to the other."""
    async with sync_world() as world:
        record_id, name, first, second = await shared_pair(world)
        await world.books.put(first, active=False)
        await world.vendors.crm.edit(record_id, Department="Engines")
        await world.vendors.google.edit(name, organizations=job("Countess"))

        assert writes(await run_as(world, second)) == {"crm.update": 1, "google.update": 1}

        assert await titles(world, record_id, name) == ("Countess", "Countess")
        there = (await google(world, name))["organizations"][0]
        assert there["department"] == "Engines"


async def test_fields_that_the_next_keeper_alone_maps_fill_what_is_empty_and_lose_to_the_winner_else() -> None:
    async with sync_world() as world:
        wide = world.settings.policy.mapping
        await world.configure(mapping=without(wide, "Title", "Department"))
        record_id, name, first, second = await shared_pair(world, mapping=wide, conflict_winner=Side.GOOGLE)
        await world.vendors.crm.edit(record_id, Department="Engines", Title="Analyst")
        await world.vendors.google.edit(name, organizations=job("Countess"))
        await run_as(world, first)
        await run_as(world, second)
        assert await titles(world, record_id, name) == ("Analyst", "Countess")
        await world.books.put(first, active=False)

        await run_as(world, second)

        assert await titles(world, record_id, name) == ("Countess", "Countess")
        assert (await google(world, name))["organizations"][0]["department"] == "Engines"


async def test_the_first_keeper_comes_back_and_loses_nothing_by_it() -> None:
    async with sync_world() as world:
        narrow = without(world.settings.policy.mapping, "Title")
        record_id, name, first, second = await shared_pair(world, mapping=narrow)
        await world.books.put(first, active=False)
        await world.vendors.crm.edit(record_id, Department="Engines")
        assert writes(await run_as(world, second)) == {"google.update": 1}
        await world.pass_time(minutes=20)
        await world.books.put(first)
        await world.vendors.crm.edit(record_id, Department="Machines")

        assert writes(await run_as(world, first)) == {"google.update": 1}
        assert not writes(await run_as(world, second))

        assert (await google(world, name))["organizations"][0]["department"] == "Machines"
        assert await titles(world, record_id, name) == ("Analyst", "Analyst")


async def test_a_person_taken_out_of_the_keepers_group_goes_on_with_the_configuration_that_still_has_it() -> None:
    async with sync_world() as world:
        record_id, name, first, second = await shared_pair(world)
        await world.vendors.google.move(name, remove=[first.group_id])
        await run_as(world, first)
        await world.vendors.crm.edit(record_id, Title="Countess")

        assert not writes(await run_as(world, first))
        assert writes(await run_as(world, second)) == {"google.update": 1}

        assert await titles(world, record_id, name) == ("Countess", "Countess")


async def test_the_older_configuration_keeps_what_a_younger_one_made_as_soon_as_it_has_it_too() -> None:
    async with sync_world() as world:
        older = world.settings
        await world.books.put(older, active=False)
        await second_configuration(world)
        younger = world.settings
        (record_id,) = await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        assert writes(await run_as(world, younger)) == {"google.create": 1}
        await world.pass_time(minutes=20)
        await world.books.put(older)

        assert writes(await run_as(world, older)) == {"google.join_group": 1}
        await world.pass_time(minutes=20)
        assert not writes(await run_as(world, older))
        await world.vendors.crm.edit(record_id, Title="Countess")

        assert not writes(await run_as(world, younger))
        assert writes(await run_as(world, older)) == {"google.update": 1}


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
    async with sync_world(direction=older, conflict_winner=Side.GOOGLE) as world:
        record_id, name, first, second = await shared_pair(world, direction=younger)
        await world.vendors.google.edit(name, organizations=job("Countess"))

        for settings in (second, first, second):
            await run_as(world, settings)
            await world.pass_time(minutes=20)

        assert await titles(world, record_id, name) == (title, "Countess")


@pytest.mark.parametrize("first_to_run", ["older", "younger"])
async def test_configurations_with_different_mappings_come_to_rest(first_to_run: str) -> None:
    async with sync_world() as world:
        narrow = without(world.settings.policy.mapping, "Title", "Mobile")
        record_id, name, first, second = await shared_pair(world, mapping=narrow)
        order = (first, second) if first_to_run == "older" else (second, first)
        await world.vendors.crm.edit(record_id, Title="Countess", Mobile="+44 20 7946 0001")
        await world.vendors.google.edit(name, nicknames=[{"value": "Ada"}])
        for settings in order * 2:
            await run_as(world, settings)
            await world.pass_time(minutes=20)

        for settings in order:
            for mode in (RunMode.SYNC, RunMode.FULL):
                assert not writes(await run_as(world, settings, mode=mode))
        assert await titles(world, record_id, name) == ("Countess", "Countess")


# --- deletes ----------------------------------------------------------------------------------------------------------


async def shared_dozen(
    world: SyncWorld, *, younger: DeletePolicy
) -> tuple[list[str], list[str], RunSettings, RunSettings]:
    """Twelve pairs in the groups of two configurations."""
    first = world.settings
    records, people = await settled(world, 12)
    await second_configuration(world, deletions=younger)
    second = world.settings
    for settings in (second, first, second):
        await run_as(world, settings)
        await world.pass_time(minutes=20)
    return records, people, first, second


@pytest.mark.parametrize("mode", [RunMode.SYNC, RunMode.FULL])
async def test_a_configuration_that_does_not_keep_a_pair_never_deletes_though_its_own_rule_says_so(
    mode: RunMode,
) -> None:
    async with sync_world(deletions=DeletePolicy.KEEP) as world:
        records, people, first, second = await shared_dozen(world, younger=DeletePolicy.PROPAGATE)
        await world.vendors.crm.delete(records[0])
        await world.vendors.google.delete(people[1])

        for settings in (second, first, second):
            assert not writes(await run_as(world, settings, mode=mode))
            await world.pass_time(minutes=20)

        assert await book_sizes(world) == (11, 11)


async def test_the_keepers_rule_deletes_once_whatever_the_others_rule() -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        records, people, first, second = await shared_dozen(world, younger=DeletePolicy.KEEP)
        await world.vendors.crm.delete(records[0])
        await world.vendors.google.delete(people[1])

        written = [writes(await run_as(world, settings)) for settings in (second, first, second, first)]

        assert written == [{}, {"crm.delete": 1, "google.delete": 1}, {}, {}]
        assert await book_sizes(world) == (10, 10)
        run = await run_as(world, second)
        assert outcomes(run) == {"skipped": 10}


async def test_a_deletion_that_the_keeper_had_seen_is_not_carried_out_by_the_next_one() -> None:
    async with sync_world(deletions=DeletePolicy.KEEP) as world:
        records, people, first, second = await shared_dozen(world, younger=DeletePolicy.PROPAGATE)
        await world.vendors.crm.delete(records[0])
        await run_as(world, first)
        await world.books.put(first, active=False)

        for _ in range(2):
            assert not writes(await run_as(world, second))
            await world.pass_time(minutes=20)
        assert (await world.pair(people[0])).state is PairState.RELEASED

        await world.vendors.crm.delete(records[1])
        assert writes(await run_as(world, second)) == {"google.delete": 1}
        assert await book_sizes(world) == (10, 11)


async def test_pairs_that_another_configuration_keeps_do_not_widen_the_brake() -> None:
    """Six of one's own seven are too many to delete unasked, though sixty more are shared."""
    async with sync_world(deletions=DeletePolicy.PROPAGATE) as world:
        first = world.settings
        shared, _ = await settled(world, 60)
        group = await second_configuration(world)
        second = world.settings
        await run_as(world, second)
        mine = [one for n in range(60, 67) for one in await world.vendors.google.add([person(n)], in_group=False)]
        for name in mine:
            await world.vendors.google.move(name, add=[group], remove=[first.group_id])
        for _ in range(2):
            await run_as(world, second)
            await world.pass_time(minutes=20)
        await world.vendors.google.delete(*mine[:6])

        run = await run_as(world, second)

        assert (run.state, writes(run)) == (RunState.NEEDS_APPROVAL, {})
        assert len(await world.vendors.crm.records()) == len(shared) + len(mine)


# --- creates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
async def test_what_one_configuration_made_without_an_answer_is_not_made_again_by_another(cut: str) -> None:
    async with sync_world() as world:
        await world.vendors.crm.add([record(0), {"Last_Name": "Byron", "Phone": "+44 20 7946 0002"}], at=DAYS_AGO)
        first = world.settings
        await second_configuration(world)
        second = world.settings
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.google.control.fault("people.batchCreateContacts", cut, times=1)
        now = world.clock.now()
        asked = await world.books.requests.request(first.organisation_id, first.config_id, RunMode.SYNC, "user", now)
        await world.work_due()
        assert (await world.books.run_row(first, asked.run_id)).reason == "outcome_unknown"

        meanwhile = await run_as(world, second)

        assert "google.create" not in writes(meanwhile)
        world.settings = first
        await world.until_ended(asked.run_id)
        for settings in (second, first, second):
            await world.pass_time(minutes=20)
            await run_as(world, settings)
        assert await book_sizes(world) == (2, 2)


async def test_two_configurations_of_one_account_that_run_at_once_take_turns() -> None:
    async with sync_world() as world:
        first = world.settings
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await second_configuration(world)
        second = world.settings
        now = world.clock.now()
        asked = [
            (s, await world.books.requests.request(s.organisation_id, s.config_id, RunMode.SYNC, "user", now))
            for s in (first, second)
        ]
        await world.work_due_at_once()
        for settings, one in asked:
            world.settings = settings
            run = await world.until_ended(one.run_id)
            assert run.state is RunState.SUCCEEDED

        assert await book_sizes(world) == (30, 30)


# --- what people ask --------------------------------------------------------------------------------------------------


async def test_what_is_asked_of_a_shared_contact_is_done_by_the_configuration_that_keeps_it() -> None:
    async with sync_world() as world:
        record_id, name, first, second = await shared_pair(world)
        await world.vendors.crm.edit(record_id, Title="Countess")
        await run_as(world, first)
        await world.pass_time(minutes=20)
        world.settings = second
        await world.answer(record_id, Action.RESTORE)

        assert not writes(await run_as(world, second))
        await run_as(world, first)

        assert (await titles(world, record_id, name))[1] == "Analyst"


# --- several users ----------------------------------------------------------------------------------------------------


async def test_users_who_share_a_google_account_share_its_pairs() -> None:
    async with sync_world() as world:
        narrow = without(world.settings.policy.mapping, "Title")
        record_id, name, first, second = await shared_pair(world, mapping=narrow, of_another_user=True)
        assert first.owner_id != second.owner_id
        await world.vendors.google.edit(name, organizations=job("Countess"))

        assert not writes(await run_as(world, second))
        assert writes(await run_as(world, first)) == {"crm.update": 1}

        assert await titles(world, record_id, name) == ("Countess", "Countess")


@pytest.mark.parametrize("winner", Side)
async def test_an_edit_in_one_users_google_reaches_the_other_users_google_once(winner: Side) -> None:
    async with sync_world(conflict_winner=winner) as world:
        mine, theirs = world.vendors.google, await google_book(world.vendors.google.control, "charles@example.com")
        first, second = world.settings, await world.add_colleague(theirs)
        (record_id,) = await world.vendors.crm.add([record(0, Title="Analyst", Phone="020 7946 0003")], at=DAYS_AGO)
        for settings in (first, second):
            assert writes(await run_as(world, settings)) == {"google.create": 1}
        await world.pass_time(minutes=20)
        ((here,), (there,)) = await mine.people(), await theirs.people()

        for number, (book, name) in enumerate([(mine, here), (theirs, there), (mine, here)]):
            await book.edit(name["resourceName"], organizations=job(f"title {number}"))
            written: Counter[str] = Counter()
            for settings in (first, second) * 3:
                written.update(writes(await run_as(world, settings)))
                await world.pass_time(minutes=20)
            assert written == {"crm.update": 1, "google.update": 1}

        assert (await crm(world, record_id))["Title"] == "title 2"
        for book in (mine, theirs):
            (one,) = await book.people()
            assert one["organizations"][0]["title"] == "title 2"


async def test_what_another_configuration_has_read_before_is_news_all_the_same() -> None:
    """The state of a new record is known when the second one lists it; that it is in the view as well is not."""
    async with sync_world() as world:
        _, (name,) = await settled(world, 1)
        first = world.settings
        group = await second_configuration(world)
        second = world.settings
        await run_as(world, second)
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([record(1)])
        await run_as(world, first)

        assert writes(await run_as(world, second)) == {"google.join_group": 1}

        members = [one["resourceName"] for one in await members_of(world, group)]
        assert (len(members), name in members) == (2, True)


async def test_a_record_that_an_older_one_may_not_carry_is_carried_by_a_younger_one() -> None:
    async with sync_world(direction=Direction.GOOGLE_TO_CRM) as world:
        first = world.settings
        await run_as(world, first)
        await second_configuration(world, direction=Direction.TWO_WAY)
        second = world.settings
        await run_as(world, second)
        await world.pass_time(minutes=20)
        await world.vendors.crm.add([record(1)])
        assert not writes(await run_as(world, first))

        assert writes(await run_as(world, second)) == {"google.create": 1}
