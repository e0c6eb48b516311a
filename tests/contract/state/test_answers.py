"""What every store of people's answers must do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from contactsync.domain.actions import Action, Answer
from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId, LinkId, RowKey
from contactsync.domain.link import Hold, Link, LinkSide, PairState
from contactsync.errors import UnknownRowError
from contactsync.ports.state import Effect, EffectState
from tests.contract.state.test_links import a_link, load, save, siblings
from tests.contract.state.worlds import InMemory, OnPostgres, Worker, World, some_settings, working
from tests.support.clock import EPOCH


async def ask(world: World, worker: Worker, *answers: Answer) -> None:
    settings = worker.settings
    await world.answers.ask(settings.organisation_id, settings.config_id, answers, world.clock.now())


def an_effect(worker: Worker, link: Link, **changes: object) -> Effect:
    effect = Effect(
        effect_id=EffectId(uuid4()),
        run_id=worker.run.run_id,
        link_id=link.link_id,
        side=Side.GOOGLE,
        kind=EffectKind.UPDATE,
        batch=uuid4(),
        state=EffectState.CONFIRMED,
        changes={RowKey("a=b"): "new"},
        before={RowKey("a=b"): "old"},
        sent_at=EPOCH,
    )
    return replace(effect, **changes)  # type: ignore[arg-type] # names are checked by replace itself


class AnswerContract:
    async def test_an_answer_keeps_until_a_run_has_carried_it_out(self, world: World) -> None:
        link, other = a_link(), a_link()
        async with working(world) as worker:
            await save(worker, link, other)
            await ask(world, worker, Answer(link.link_id, Action.RETRY), Answer(other.link_id, Action.EXCLUDE))
            async with worker.begin() as tx:
                found = await tx.answers.given()
                assert set(found) == {Answer(link.link_id, Action.RETRY), Answer(other.link_id, Action.EXCLUDE)}
                await tx.answers.done([link.link_id])
            async with worker.begin() as tx:
                assert list(await tx.answers.given()) == [Answer(other.link_id, Action.EXCLUDE)]

    async def test_an_answer_is_seen_by_each_configuration_that_knows_the_pair_and_left_to_its_keeper(
        self, world: World
    ) -> None:
        mine, theirs = await siblings(world)
        link, alone = a_link(), a_link(google=LinkSide(), state=PairState.SINGLE)
        async with working(world, theirs) as worker:
            await save(worker, link, alone)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            await save(worker, await load(worker, link), await load(worker, alone))
            asked = [Answer(link.link_id, Action.EXCLUDE), Answer(alone.link_id, Action.KEEP_APART, ("people/c1", "7"))]
            await ask(world, worker, *asked)
            async with worker.begin() as tx:
                assert set(await tx.answers.given()) == set(asked)
                assert await tx.answers.hand_on([link.link_id, alone.link_id], world.clock.now()) == {link.link_id}
            await world.state.leases.release(worker.lease, {})
        assert (await world.config(theirs)).next_due == world.clock.now()
        await world.put(theirs, active=False)
        async with working(world, mine) as worker, worker.begin() as tx:
            assert set(await tx.answers.given()) == set(asked)
            assert await tx.answers.hand_on([link.link_id], EPOCH) == frozenset()

    async def test_what_one_configuration_holds_a_pair_for_is_its_own_until_it_looks_again(self, world: World) -> None:
        mine, theirs = await siblings(world)
        hold = Hold(reason="refused", since=EPOCH, provider_message="no", failed=True)
        link = a_link(hold=hold, pending_since=EPOCH)
        async with working(world, theirs) as worker:
            await save(worker, link)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            guest = await load(worker, link)
            assert (guest.foreign, guest.hold) == (True, None)
            await save(worker, replace(guest, hold=replace(hold, reason="mine"), pending_since=EPOCH))
            await world.state.leases.release(worker.lease, {})
        async with working(world, theirs) as worker:
            assert (await load(worker, link)).hold == hold
            async with worker.begin() as tx:
                await tx.links.look_again_elsewhere([link.link_id])
            assert (await load(worker, link)).hold == hold
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            again = await load(worker, link)
            assert (again.hold, again.pending_since) == (None, EPOCH)

    async def test_the_last_answer_for_a_pair_counts(self, world: World) -> None:
        link = a_link()
        async with working(world) as worker:
            await save(worker, link)
            await ask(world, worker, Answer(link.link_id, Action.EXCLUDE))
            await ask(world, worker, Answer(link.link_id, Action.RETRY))
            async with worker.begin() as tx:
                assert list(await tx.answers.given()) == [Answer(link.link_id, Action.RETRY)]

    async def test_an_answer_for_a_pair_of_another_configuration_is_refused_and_nothing_stored(
        self, world: World
    ) -> None:
        link = a_link()
        async with working(world) as worker:
            await save(worker, link)
            with pytest.raises(UnknownRowError):
                await ask(world, worker, Answer(link.link_id, Action.RETRY), Answer(LinkId(uuid4()), Action.RETRY))
            async with worker.begin() as tx:
                assert not await tx.answers.given()
            stranger = some_settings()
            await world.put(stranger)
            with pytest.raises(UnknownRowError):
                await world.answers.ask(
                    stranger.organisation_id, stranger.config_id, [Answer(link.link_id, Action.RETRY)], EPOCH
                )

    async def test_the_newest_confirmed_update_or_delete_of_a_pair_is_its_last(self, world: World) -> None:
        link, untouched = a_link(), a_link()
        async with working(world) as worker:
            await save(worker, link, untouched)
            wanted = an_effect(worker, link, kind=EffectKind.DELETE, changes={})
            effects = [
                an_effect(worker, link),
                wanted,
                an_effect(worker, link, state=EffectState.REJECTED),
                an_effect(worker, link, kind=EffectKind.CREATE),
                an_effect(worker, a_link()),
            ]
            async with worker.begin() as tx:
                for effect in effects:
                    await tx.effects.add([effect])
            async with worker.begin() as tx:
                assert await tx.effects.last_of([link.link_id, untouched.link_id]) == {link.link_id: wanted}
                assert await tx.effects.by_ids([wanted.effect_id]) == {wanted.effect_id: wanted}
            mine = worker.settings.organisation_id
            assert await world.answers.last_overwritten(mine, link.link_id) == wanted.overwritten()
            assert await world.answers.last_overwritten(mine, untouched.link_id) is None

    async def test_updates_of_a_pair_come_oldest_first_since_an_instant(self, world: World) -> None:
        link, other = a_link(), a_link()
        async with working(world) as worker:
            await save(worker, link, other)
            first, second = an_effect(worker, link), an_effect(worker, link, changes={RowKey("a=b"): None})
            ignored = [
                an_effect(worker, link, sent_at=EPOCH - timedelta(hours=1)),
                an_effect(worker, link, kind=EffectKind.DELETE),
                an_effect(worker, link, state=EffectState.REJECTED),
            ]
            async with worker.begin() as tx:
                for effect in (*ignored, first, second):
                    await tx.effects.add([effect])
            async with worker.begin() as tx:
                found = await tx.effects.updates_since([link.link_id, other.link_id], EPOCH)
            assert {i: list(effects) for i, effects in found.items()} == {link.link_id: [first, second]}


class TestMemoryAnswers(InMemory, AnswerContract):
    pass


@pytest.mark.postgres
class TestSqlAnswers(OnPostgres, AnswerContract):
    pass
