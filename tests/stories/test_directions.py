"""All directions and both winners, field by field; targets of a one-way sync that are worked on by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from contactsync.domain.actions import Action
from contactsync.domain.catalogue import CrmField
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow, RowDirection, default_mapping, mappable
from contactsync.domain.policy import CompanyRule, DeletePolicy, Direction
from contactsync.domain.reasons import Reason
from tests.stories.common import (
    DAYS_AGO,
    address,
    book_sizes,
    crm,
    google,
    job,
    outcomes,
    person,
    quiet,
    reasons,
    record,
    titles,
    writes,
)
from tests.support.story import OpenWorld, StoryWorld

CELLS = list(product(Direction, Side))
OLD, HERE, THERE = "Analyst", "from the CRM", "from Google"


def wanted(direction: Direction, winner: Side, *, in_crm: bool, on_google: bool) -> tuple[str, str]:
    """The two titles after one run, by the product's rules."""
    shown = (HERE if in_crm else OLD, THERE if on_google else OLD)
    if in_crm and on_google:
        target = winner.other
    elif in_crm:
        target = Side.GOOGLE
    elif on_google:
        target = Side.CRM
    else:
        return shown
    if not direction.writes(target):
        return shown
    return (shown[1], shown[1]) if target is Side.CRM else (shown[0], shown[0])


@pytest.mark.parametrize(("direction", "winner"), CELLS)
async def test_edits_cross_where_the_direction_lets_them_and_the_winner_decides_conflicts(
    open_world: OpenWorld, direction: Direction, winner: Side
) -> None:
    async with open_world(direction=direction, conflict_winner=winner) as world:
        records, people = await agreed(world, 4)
        for number in (1, 3):
            await world.vendors.crm.edit(records[number], Title=HERE)
        for number in (2, 3):
            await world.vendors.google.edit(people[number], organizations=job(THERE))

        await world.sync()

        for number, (in_crm, on_google) in enumerate(product((False, True), repeat=2)):
            # enumerate: 0 nobody, 1 Google, 2 CRM, 3 both; the books above count the CRM first.
            which = {0: 0, 1: 2, 2: 1, 3: 3}[number]
            expected = wanted(direction, winner, in_crm=in_crm, on_google=on_google)
            assert await titles(world, records[which], people[which]) == expected, (in_crm, on_google)
        await quiet(world)


async def agreed(world: StoryWorld, count: int) -> tuple[list[str], list[str]]:
    """Pairs in sync that show the same title on both sides, whatever the direction."""
    records = await world.vendors.crm.add([record(n, Title=OLD) for n in range(count)], at=DAYS_AGO)
    people = await world.vendors.google.add([person(n, organizations=job(OLD)) for n in range(count)])
    await quiet(world)
    return records, people


@pytest.mark.parametrize(("direction", "winner"), CELLS)
async def test_an_emptied_field_is_a_change_like_any_other(
    open_world: OpenWorld, direction: Direction, winner: Side
) -> None:
    async with open_world(direction=direction, conflict_winner=winner) as world:
        records, people = await agreed(world, 2)
        await world.vendors.crm.edit(records[0], Title=None)
        await world.vendors.google.edit(people[1], organizations=None)

        await world.sync()

        to_google, to_crm = direction.writes(Side.GOOGLE), direction.writes(Side.CRM)
        assert await titles(world, records[0], people[0]) == (None, None if to_google else OLD)
        assert await titles(world, records[1], people[1]) == (None if to_crm else OLD, None)


@pytest.mark.parametrize(("direction", "winner"), CELLS)
async def test_at_the_first_match_blanks_never_erase_and_the_winner_decides_what_differs(
    open_world: OpenWorld, direction: Direction, winner: Side
) -> None:
    async with open_world(direction=direction, conflict_winner=winner) as world:
        records = await world.vendors.crm.add([record(0, Title=HERE), record(1), record(2, Title=HERE)], at=DAYS_AGO)
        people = await world.vendors.google.add(
            [person(0), person(1, organizations=job(THERE)), person(2, organizations=job(THERE))]
        )

        await world.sync()

        to_google, to_crm = direction.writes(Side.GOOGLE), direction.writes(Side.CRM)
        assert await titles(world, records[0], people[0]) == (HERE, HERE if to_google else None)
        assert await titles(world, records[1], people[1]) == (THERE if to_crm else None, THERE)
        expected = wanted(direction, winner, in_crm=True, on_google=True)
        assert await titles(world, records[2], people[2]) == expected
        await quiet(world)


@pytest.mark.parametrize(("direction", "winner"), [(d, s) for d, s in CELLS if d is not Direction.TWO_WAY])
async def test_a_target_edited_by_hand_is_left_until_the_source_changes_and_then_the_winner_decides(
    open_world: OpenWorld, direction: Direction, winner: Side
) -> None:
    async with open_world(direction=direction, conflict_winner=winner) as world:
        [record_id], [name] = await agreed(world, 1)
        target = Side.GOOGLE if direction.writes(Side.GOOGLE) else Side.CRM

        async def edit(side: Side, title: str) -> None:
            if side is Side.CRM:
                await world.vendors.crm.edit(record_id, Title=title)
            else:
                await world.vendors.google.edit(name, organizations=job(title))

        async def shown(side: Side) -> str | None:
            return (await titles(world, record_id, name))[side is Side.GOOGLE]

        await edit(target, "by hand")
        for _ in range(3):
            assert not writes(await world.sync())
            await world.pass_time(hours=13)
        assert (await shown(target), await shown(target.other)) == ("by hand", OLD)
        assert (await world.pair(record_id)).diverged
        await edit(target.other, "from the source")
        await world.sync()

        source_wins = winner is target.other
        assert await shown(target) == ("from the source" if source_wins else "by hand")
        assert await shown(target.other) == "from the source"
        assert bool((await world.pair(record_id)).diverged) is not source_wins
        if source_wins:
            await world.answer(record_id, Action.RESTORE)
            assert await shown(target) == "by hand"


@pytest.mark.parametrize("direction", [Direction.CRM_TO_GOOGLE, Direction.GOOGLE_TO_CRM])
async def test_a_contact_made_by_hand_in_the_target_is_never_touched(
    open_world: OpenWorld, direction: Direction
) -> None:
    async with open_world(direction=direction) as world:
        await agreed(world, 2)
        if direction is Direction.CRM_TO_GOOGLE:
            [name] = await world.vendors.google.add([person(77)])
            before = await google(world, name)
        else:
            [name] = await world.vendors.crm.add([record(77)])
            before = await crm(world, name)

        for _ in range(3):
            run = await world.sync()
            assert not writes(run)
            assert run.counts["skipped"] == 1
            await world.pass_time(hours=13)

        after = await (google if direction is Direction.CRM_TO_GOOGLE else crm)(world, name)
        assert after == before


@pytest.mark.parametrize("direction", [Direction.CRM_TO_GOOGLE, Direction.GOOGLE_TO_CRM])
async def test_a_contact_deleted_by_hand_in_the_target_is_neither_made_again_nor_deleted_in_the_source(
    open_world: OpenWorld,
    direction: Direction,
) -> None:
    async with open_world(direction=direction, deletions=DeletePolicy.PROPAGATE) as world:
        records, people = await agreed(world, 12)
        if direction is Direction.CRM_TO_GOOGLE:
            await world.vendors.google.delete(people[0])
        else:
            await world.vendors.crm.delete(records[0])

        for _ in range(3):
            assert not writes(await world.sync())
            await world.pass_time(hours=13)

        assert sorted(await book_sizes(world)) == [11, 12]


# --- the mapping ----------------------------------------------------------------------------------------------------


def field_row(crm_field: str, **changes: object) -> MappingRow:
    """A row that the default mapping leaves out, or one to be narrowed."""
    found = next(one for one in (*default_mapping().rows, *mappable()) if one.crm_field == crm_field)
    return replace(found, **changes)  # type: ignore[arg-type]  # names are checked by the dataclass


def mapping_of(world: StoryWorld, *rows: MappingRow) -> Mapping:
    """The configuration's mapping with these rows in place of its own for the same fields, or beside them."""
    fields = {row.crm_field for row in rows}
    return Mapping([*(row for row in world.mapping.rows if row.crm_field not in fields), *rows])


async def test_a_row_that_is_added_has_no_base_and_is_filled_where_it_is_empty(open_world: OpenWorld) -> None:
    async with open_world(conflict_winner=Side.CRM) as world:
        records, people = await agreed(world, 3)
        await world.vendors.crm.edit_many({records[0]: {"Description": HERE}, records[2]: {"Description": HERE}})
        await world.vendors.google.edit(people[1], biographies=[{"value": THERE}])
        await world.vendors.google.edit(people[2], biographies=[{"value": THERE}])
        assert not writes(await world.sync())

        await world.configure(mapping=mapping_of(world, field_row("Description")))
        await world.sync()

        notes = [
            ((await crm(world, one)).get("Description"), (await google(world, other))["biographies"][0]["value"])
            for one, other in zip(records, people, strict=True)
        ]
        assert notes == [(HERE, HERE), (THERE, THERE), (HERE, HERE)]
        await quiet(world)


async def test_a_row_that_is_removed_leaves_both_sides_as_they_are(open_world: OpenWorld) -> None:
    async with open_world() as world:
        [record_id], [name] = await agreed(world, 1)
        rest = [row for row in world.mapping.rows if row.crm_field != "Title"]
        await world.configure(mapping=Mapping(rest))
        await world.vendors.crm.edit(record_id, Title=HERE)

        assert not writes(await world.sync())
        assert await titles(world, record_id, name) == (HERE, OLD)
        await world.vendors.crm.edit(record_id, Department="Engines")
        await world.sync()

        assert await titles(world, record_id, name) == (HERE, OLD)
        assert (await google(world, name))["organizations"][0]["department"] == "Engines"


@pytest.mark.parametrize("narrowed", [Side.CRM, Side.GOOGLE])
async def test_a_row_with_its_own_direction_flows_that_way_alone(open_world: OpenWorld, narrowed: Side) -> None:
    async with open_world() as world:
        records, people = await agreed(world, 2)
        way = RowDirection.GOOGLE_TO_CRM if narrowed is Side.CRM else RowDirection.CRM_TO_GOOGLE
        await world.configure(mapping=mapping_of(world, field_row("Title", direction=way)))
        await world.sync()
        await world.vendors.crm.edit(records[0], Title=HERE)
        await world.vendors.google.edit(people[1], organizations=job(THERE))

        await world.sync()

        to_crm = narrowed is Side.CRM
        assert await titles(world, records[0], people[0]) == (HERE, OLD if to_crm else HERE)
        assert await titles(world, records[1], people[1]) == (THERE if to_crm else OLD, THERE)


async def test_custom_fields_flow_both_ways(open_world: OpenWorld) -> None:
    async with open_world() as world:
        name_of_field = await world.vendors.crm.add_field("Machine", length=60)
        custom = MappingRow.of(
            CrmField(api_name=name_of_field, label="Machine", max_length=60, custom=True),
            GooglePath.parse("user_defined[Machine]"),
        )
        await world.configure(mapping=mapping_of(world, custom))
        records, people = await agreed(world, 2)
        await world.vendors.crm.edit(records[0], **{name_of_field: "Difference Engine"})
        await world.vendors.google.edit(
            people[1], userDefined=[{"key": "Hat", "value": "blue"}, {"key": "Machine", "value": "Loom"}]
        )

        await world.sync()

        assert (await google(world, people[0]))["userDefined"][0]["value"] == "Difference Engine"
        assert (await crm(world, records[1]))[name_of_field] == "Loom"
        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(records[1], **{name_of_field: None})
        await world.sync()
        kept = (await google(world, people[1]))["userDefined"]
        assert [(one["key"], one["value"]) for one in kept] == [("Hat", "blue")]


# --- new records ----------------------------------------------------------------------------------------------------


async def test_new_records_take_the_configured_values_and_so_meet_the_views_criteria(open_world: OpenWorld) -> None:
    criteria = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
    values = {"Lead_Source": "Partner", "Department": "Sales"}
    async with open_world(view_criteria=criteria, crm_values=values) as world:
        people = await world.vendors.google.add(
            [person(0), person(1, organizations=[{"department": "Engines", "type": "work"}])]
        )

        await world.sync()

        made = {one["Email"]: (one["Lead_Source"], one["Department"]) for one in await world.vendors.crm.records()}
        assert made == {address(0): ("Partner", "Sales"), address(1): ("Partner", "Engines")}
        await quiet(world)
        await world.vendors.google.edit(people[0], organizations=job("Countess"))
        await world.sync()
        titles_now = {one["Email"]: one.get("Title") for one in await world.vendors.crm.records()}
        assert titles_now[address(0)] == "Countess"


async def test_a_record_made_by_the_sync_stays_in_sync_until_it_was_seen_in_the_view_and_left_it(
    open_world: OpenWorld,
) -> None:
    criteria = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
    async with open_world(view_criteria=criteria) as world:
        [name] = await world.vendors.google.add([person(0)])
        await world.sync()
        record_id = (await world.pair(name)).crm_id
        assert record_id is not None
        await world.pass_time(days=2)
        await world.vendors.google.edit(name, organizations=job("Countess"))
        await world.sync()
        assert (await crm(world, record_id))["Title"] == "Countess"
        await world.pass_time(seconds=2)  # `Modified_Time` has whole seconds
        await world.vendors.crm.edit(record_id, Title="Duchess")
        await world.sync()
        assert await titles(world, record_id, name) == ("Duchess", "Duchess")

        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(record_id, Lead_Source="Partner")
        await world.sync()
        await world.pass_time(seconds=2)
        await world.vendors.crm.edit(record_id, Lead_Source="Cold Call")
        await world.sync()

        assert (await world.pair(name)).state is PairState.DORMANT


@pytest.mark.parametrize("companies", CompanyRule)
async def test_companies_are_linked_by_name_and_unknown_ones_left_or_made_once(
    open_world: OpenWorld, companies: CompanyRule
) -> None:
    async with open_world(companies=companies) as world:
        path = f"/organisations/{world.vendors.crm.zgid}/records/Accounts"
        await world.vendors.crm.control.call("POST", path, {"records": [{"Account_Name": "Analytical Engines"}]})
        names = ["analytical  engines", "Looms & Co", "Looms & Co"]
        people = await world.vendors.google.add(
            [person(n, organizations=[{"name": name, "type": "work"}]) for n, name in enumerate(names)]
        )

        run = await world.sync()

        accounts = (await world.vendors.crm.control.call("GET", path))["records"]
        known = {one["id"]: one["Account_Name"] for one in accounts}
        expected = ["Analytical Engines"] + (["Looms & Co"] if companies is CompanyRule.CREATE else [])
        assert sorted(known.values()) == expected
        linked = {one["Email"]: one.get("Account_Name") for one in await world.vendors.crm.records()}
        shown = [known.get(_id_of(linked[address(n)])) for n in range(3)]
        assert shown == ["Analytical Engines", *([expected[-1]] * 2 if len(expected) > 1 else [None, None])]
        left_out = [row.left_out for row in await world.report(run) if row.left_out]
        assert len(left_out) == (0 if companies is CompanyRule.CREATE else 2)
        assert {reason for one in left_out for reason in one.values()} <= {Reason.COMPANY_NOT_IN_CRM}
        await quiet(world)
        held = [(await google(world, one))["organizations"][0]["name"] for one in people]
        assert held == names


def _id_of(lookup: object) -> str:
    return str(lookup["id"]) if isinstance(lookup, dict) else str(lookup)


# --- automation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("automation", [False, True])
async def test_workflows_of_the_crm_never_start_in_a_first_run_and_later_only_where_wanted(
    open_world: OpenWorld,
    automation: bool,  # noqa: FBT001
) -> None:
    async with open_world(crm_automation=automation, deletions=DeletePolicy.PROPAGATE) as world:
        await world.vendors.crm.add([record(n) for n in range(12)], at=DAYS_AGO)
        people = await world.vendors.google.add([person(n, organizations=job(OLD)) for n in range(6, 18)])
        first = await world.sync()
        assert writes(first)["crm.create"] == writes(first)["crm.update"] == 6
        assert await starts(world) == 0
        await world.pass_time(minutes=20)
        await world.sync()

        await world.vendors.google.add([person(50)])
        await world.vendors.google.edit(people[0], organizations=job(THERE))
        await world.vendors.google.delete(people[1])
        later = await world.sync()

        assert writes(later) == {"crm.create": 1, "crm.update": 1, "crm.delete": 1}
        assert bool(await starts(world)) is automation


async def starts(world: StoryWorld) -> int:
    """How often the organisation's workflow rule was started."""
    state = await world.vendors.crm.control.call("GET", f"/organisations/{world.vendors.crm.zgid}")
    return int(state["workflow_starts"])


async def test_adoption_puts_nothing_of_the_person_into_the_crm_until_somebody_edits_it(open_world: OpenWorld) -> None:
    async with open_world(conflict_winner=Side.CRM) as world:
        [record_id] = await world.vendors.crm.add([record(0)], at=DAYS_AGO)
        [name] = await world.vendors.google.add([person(0, organizations=job("private"))], in_group=False)

        run = await world.sync()

        assert outcomes(run) == {"linked": 1} or outcomes(run) == {"updated": 1}
        assert (await reasons(world, run))[Reason.ADOPTED] == 1
        assert await titles(world, record_id, name) == (None, "private")
        await quiet(world)
        assert await titles(world, record_id, name) == (None, "private")
        await world.vendors.google.edit(name, organizations=job("Countess"))
        await world.sync()
        assert await titles(world, record_id, name) == ("Countess", "Countess")
