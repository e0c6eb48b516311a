"""A contact that stands alone before two configurations: one makes its counterpart, once, and nobody starves."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import CompanyRule, Direction, NoEmailRule
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode
from tests.stories.common import (
    book_sizes,
    members_of,
    outcomes,
    person,
    reasons,
    record,
    writes,
)
from tests.stories.test_sharing import rest, second_configuration
from tests.support.inside import InsideWorld, inside_world
from tests.support.story import OpenWorld, StoryWorld

NAMELESS = {"First_Name": "Eve", "Last_Name": "Lane", "Phone": "+44 113 496 0000"}
EVE = {
    "names": [{"givenName": "Eve", "familyName": "Lane"}],
    "phoneNumbers": [{"value": "+44 113 496 0000", "type": "work"}],
}


async def two(world: InsideWorld, **younger: Any) -> tuple[StoryWorld, StoryWorld, str]:  # noqa: ANN401  fields of Policy
    """An older configuration that has run, a younger one with these settings that has too, and the younger's group."""
    await world.sync()
    second, group = await second_configuration(world, **younger)
    await rest(second)
    return world, second, group


async def add_person(world: StoryWorld, group: str, **fields: object) -> str:
    """Somebody new in the groups of both configurations."""
    [name] = await world.vendors.google.add([{**person(0), **fields}])
    await world.vendors.google.move(name, add=[group])
    return name


async def is_at_rest(*worlds: StoryWorld) -> None:
    """One record, one person, and nothing more to write, by whichever reading."""
    await rest(*worlds, *worlds)
    for world in worlds:
        for mode in (RunMode.SYNC, RunMode.FULL):
            run = await world.sync(mode=mode)
            assert not writes(run), run
            assert not {"waiting", "held", "failed"} & outcomes(run).keys(), run
    assert await book_sizes(worlds[0]) == (1, 1)


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {"direction": Direction.CRM_TO_GOOGLE}, True),
    ({"direction": Direction.CRM_TO_GOOGLE}, {}, True),
    ({"direction": Direction.GOOGLE_TO_CRM}, {"direction": Direction.CRM_TO_GOOGLE}, True),
    ({"direction": Direction.CRM_TO_GOOGLE}, {"direction": Direction.GOOGLE_TO_CRM}, False),
    ({"no_email": NoEmailRule.SKIP}, {"no_email": NoEmailRule.CREATE}, False),
    ({"no_email": NoEmailRule.MATCH}, {"no_email": NoEmailRule.SKIP}, False),
    ({"crm_values": {"Lead_Source": "Partner"}, "companies": CompanyRule.CREATE}, {}, True),
]
"""Settings of the older one and of the younger one, and whether the contact has an address."""


@pytest.mark.parametrize("begins", ["older", "younger"])
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("older", "younger", "addressed"), DIFFERENT)
async def test_one_of_two_that_differ_makes_the_counterpart_once(
    older: dict[str, Any], younger: dict[str, Any], side: Side, begins: str, *, addressed: bool
) -> None:
    async with inside_world(**older) as world:
        first, second, group = await two(world, **{"direction": Direction.TWO_WAY, **younger})
        if side is Side.CRM:
            await first.vendors.crm.add([record(0) if addressed else NAMELESS])
        else:
            await add_person(first, group, **({} if addressed else {"emailAddresses": [], **EVE}))
        writers = [one for one in (first, second) if may_make(one, side.other, addressed=addressed)]

        await rest(*((first, second) if begins == "older" else (second, first)))

        expected = (1, 1) if writers else (1, 0) if side is Side.CRM else (0, 1)
        assert await book_sizes(first) == expected
        if writers:
            await is_at_rest(first, second)


def may_make(world: StoryWorld, side: Side, *, addressed: bool) -> bool:
    """Whether the configuration's settings let it make a contact there."""
    assert isinstance(world, InsideWorld)
    policy = world.policy
    return policy.direction.writes(side) and (addressed or policy.no_email is not NoEmailRule.SKIP)


async def test_whom_the_older_one_was_refused_to_make_the_younger_one_makes(open_world: OpenWorld) -> None:
    async with open_world() as first:
        await first.sync()
        second, group = await second_configuration(first)
        await rest(second)
        name = await add_person(first, group)
        lacks = {"api_name": "Industry", "json_path": "$.data[0].Industry"}
        body = {"data": [{"code": "MANDATORY_NOT_FOUND", "status": "error", "message": "required", "details": lacks}]}
        await first.vendors.crm.control.fault("contacts.insert", "status", status=202, body=body, times=1)
        assert outcomes(await first.sync()) == {"failed": 1}

        assert writes(await second.sync()) == {"crm.create": 1}

        await rest(first, second)
        assert await book_sizes(first) == (1, 1)
        assert (await first.pair(name)).held == ""


async def test_a_backlog_of_one_is_shared_with_the_other_and_nobody_is_made_twice(open_world: OpenWorld) -> None:
    async with open_world(limits=RunLimits(initial=100, incremental=2), catch_up=False) as first:
        await first.sync()
        second, group = await second_configuration(first)
        await rest(second)
        await first.vendors.crm.add([record(n) for n in range(5)])
        assert writes(await first.sync()) == {"google.create": 2}

        for _ in range(3):
            await rest(second, first)

        assert await book_sizes(first) == (5, 5)
        assert len(await members_of(first, group)) == 5
        assert len(await members_of(first, first.vendors.google.group)) == 5


async def test_contacts_without_an_address_stay_out_of_the_group_of_one_that_skips_them(open_world: OpenWorld) -> None:
    async with open_world(no_email=NoEmailRule.SKIP) as first:
        await first.sync()
        second, group = await second_configuration(first, no_email=NoEmailRule.MATCH)
        await rest(second)
        await first.vendors.crm.add([NAMELESS])

        await rest(second)
        told = await first.sync()
        assert (writes(told), await reasons(first, told)) == ({}, {Reason.NO_EMAIL_SKIPPED: 1})
        await rest(first, second, first)

        [name] = await members_of(first, group)
        assert await members_of(first, first.vendors.google.group) == []
        assert (await second.pair(name)).state is PairState.LINKED
