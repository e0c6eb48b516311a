"""A database that was lost while both sides were edited: the winner alone overwrites."""

from __future__ import annotations

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy
from tests.integration.rules.stories import DAYS_AGO, book_sizes, google, job, quiet, record, titles, writes
from tests.support.sync_world import sync_world


@pytest.mark.parametrize("winner", Side)
async def test_after_a_lost_database_the_winner_alone_overwrites_and_who_has_no_address_is_found_too(
    winner: Side,
) -> None:
    async with sync_world(deletions=DeletePolicy.PROPAGATE, conflict_winner=winner) as world:
        phone = "020 7946 0004"
        await world.vendors.crm.add([{"First_Name": "Mary", "Last_Name": "Fairfax", "Phone": phone}], at=DAYS_AGO)
        (record_id,) = await world.vendors.crm.add([record(0, Title="Analyst")], at=DAYS_AGO)
        await quiet(world)
        name = str((await world.pair(record_id)).google.remote_id)
        await world.vendors.crm.edit(record_id, Title="here", Department="Engines")
        await world.vendors.google.edit(name, organizations=job("there"))

        await world.forget_everything()
        run = await world.sync()

        assert {kind.partition(".")[2] for kind in writes(run)} == {"update"}
        assert await titles(world, record_id, name) == (("here", "here") if winner is Side.CRM else ("there", "there"))
        assert (await google(world, name))["organizations"][0]["department"] == "Engines"
        assert await book_sizes(world) == (2, 2)
        await quiet(world)
        assert {link.state for link in await world.links()} == {PairState.LINKED}
