"""Every state of a pair and each way out of it, on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, NoEmailRule
from tests.stories.common import person, quiet, titles, writes
from tests.stories.lives import EDITED, LIVES, PARTNERS, Somebody, markdown
from tests.support.story import OpenWorld, StoryWorld

pytestmark = pytest.mark.timeout(300)  # from outside, on a machine that is busy


async def learn_ids(world: StoryWorld, people: list[Somebody]) -> None:
    """Whoever was made by the sync meanwhile is known by his id from now on."""
    known = {remote: pair for pair in await world.pairs() for remote in (pair.crm_id, pair.google_id) if remote}
    for one in people:
        pair = known.get(one.record_id) or known.get(one.name)
        if pair is not None:
            one.record_id, one.name = pair.crm_id or one.record_id, pair.google_id or one.name


async def test_every_pair_becomes_what_the_table_of_lives_says(open_world: OpenWorld) -> None:
    """All lives are led side by side, in one pair of books: nobody's is another's business."""
    people = [Somebody(number) for number in range(len(LIVES))]
    async with open_world(view_criteria=PARTNERS, deletions=DeletePolicy.KEEP, no_email=NoEmailRule.SKIP) as world:
        for chapter in range(max(map(len, LIVES))):
            now = [(one, life[chapter]) for one, life in zip(people, LIVES, strict=True) if chapter < len(life)]
            for one, (what, _) in now:
                await what.do(world, one)
            await world.sync()
            await learn_ids(world, people)
            wrong = []
            for one, (what, state) in now:
                pair = await world.pair(one.record_id or one.name)
                if pair.state is not state:
                    wrong.append(f"{LIVES[one.number][0][0].words} … {what.words}: {pair.state}, not {state}")
            assert not wrong, "\n".join(wrong)
            await world.pass_time(minutes=20)
            await world.sync()
            await world.pass_time(minutes=20)
        await quiet(world)
        for one, life in zip(people, LIVES, strict=True):
            edited = {what for what, _ in life} & set(EDITED.values())
            if edited and life[-1][1] is PairState.LINKED:
                assert await titles(world, one.record_id, one.name) == ("Countess", "Countess"), life


async def test_an_edit_of_a_record_that_its_view_has_never_shown_is_read_beside_the_whole_view(
    open_world: OpenWorld,
) -> None:
    """The sync made it, so it is in sync; once a day the view alone is read, and the time of the last change moves."""
    async with open_world(view_criteria=PARTNERS) as world:
        [name] = await world.vendors.google.add([person(0)])
        await quiet(world)
        [made] = await world.vendors.crm.records()
        await world.vendors.crm.edit(made["id"], Title="Countess")
        await world.pass_time(hours=25)

        assert writes(await world.sync()) == {"google.update": 1}

        assert await titles(world, made["id"], name) == ("Countess", "Countess")


def test_the_document_prints_the_table_of_lives() -> None:
    document = (Path(__file__).parents[2] / "docs" / "decisions.md").read_text("utf-8")
    assert markdown() in document, f"write this table into docs/decisions.md:\n{markdown()}"
