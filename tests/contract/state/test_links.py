"""What every link store must do."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contactsync.domain.contact import Side
from contactsync.domain.digests import DigestSet
from contactsync.domain.ids import EffectId, LinkId, RowKey, RunId
from contactsync.domain.link import Hold, KeyKind, Link, LinkSide, MatchKey, PairState, Presence
from contactsync.domain.outcome import Outcome
from contactsync.errors import StateInvariantError
from contactsync.ports.state import Outsider, PendingPosition, RunContact, RunSettings
from tests.contract.state.worlds import TTL, InMemory, OnPostgres, Worker, World, some_settings, working
from tests.support.clock import EPOCH

HOUR = timedelta(hours=1)
_numbers = itertools.count(1)


def a_key(text: str, kind: KeyKind = KeyKind.STRONG_EMAIL) -> MatchKey:
    return MatchKey(kind, text.encode().ljust(16, b"."))


def a_side(remote_id: str | None, **changes: object) -> LinkSide:
    presence = Presence.UNKNOWN if remote_id is None else Presence.PRESENT
    side = LinkSide(remote_id=remote_id, presence=presence, in_scope=remote_id is not None)
    return replace(side, **changes)  # type: ignore[arg-type] # names are checked by replace itself


def a_link(crm: LinkSide | None = None, google: LinkSide | None = None, **changes: object) -> Link:
    number = next(_numbers)
    link = Link(
        link_id=LinkId(uuid4()),
        state=PairState.LINKED,
        crm=crm or a_side(f"crm-{number}"),
        google=google or a_side(f"people/c{number}"),
    )
    return replace(link, **changes)  # type: ignore[arg-type] # names are checked by replace itself


def full_link() -> Link:
    """A link in which nothing has its default."""
    number = next(_numbers)

    def side(remote_id: str) -> LinkSide:
        return LinkSide(
            remote_id=remote_id,
            presence=Presence.PRESENT,
            in_scope=True,
            seen_in_scope=True,
            revision="r2",
            written_revision="r1",
            written_at=EPOCH,
            modified_at=EPOCH + HOUR,
            base=DigestSet({b"row1": b"8 bytes1"}),
            seen=DigestSet({b"row1": b"8 bytes2", b"row2": b"8 bytes3"}),
            confirmed=False,
            sent=frozenset({b"row1", b"row2"}),
            keys=(a_key(f"e{number}"), a_key(f"p{number}", KeyKind.NAME_PHONE), a_key("w", KeyKind.WEAK_EMAIL)),
            listing=7,
            observed_at=EPOCH,
            read_only="locked",
            values={RowKey("Email=email_addresses[work]"): "Ada@example.com", RowKey("X=y"): "ligne\n\u2028 é 漢"},
            name="Ada Lovelace",
            emails=("Ada@example.com", "b@example.com"),
        )

    return Link(
        link_id=LinkId(uuid4()),
        state=PairState.LINKED,
        crm=side(f"crm-{number}"),
        google=side(f"people/c{number}"),
        pending_since=EPOCH,
        pending_order=EPOCH - HOUR,
        hold=Hold(
            reason="rejected_by_provider",
            since=EPOCH,
            signature=b"sig",
            tries=3,
            retry_at=EPOCH - HOUR,
            provider_message="Invalid data: é",
            failed=True,
            rivals=("people/c9", "crm-8"),
        ),
        excluded=True,
        diverged=frozenset({RowKey("b=c"), RowKey("a=b")}),
        by_hand=frozenset({RowKey("b=c")}),
        not_kept=frozenset({RowKey("d=e"), RowKey("f=g")}),
        keep_apart=frozenset({"people/c9"}),
        same_as="people/c8",
        restoring=EffectId(uuid4()),
        reason="why",
        taken_by=RunId(uuid4()),
    )


async def save(worker: Worker, *links: Link) -> None:
    async with worker.begin() as tx:
        await tx.links.save(links)


async def load(worker: Worker, link: Link) -> Link:
    async with worker.begin() as tx:
        return (await tx.links.by_ids([link.link_id]))[link.link_id]


async def pending(worker: Worker, after: PendingPosition | None = None, limit: int = 100) -> Sequence[Link]:
    async with worker.begin() as tx:
        return await tx.links.pending(worker.run.run_id, after, limit)


async def siblings(world: World) -> tuple[RunSettings, RunSettings]:
    """Two active configurations of one Google account, the older one first."""
    mine = some_settings()
    theirs = some_settings(organisation=mine.organisation_id, account=mine.account)
    await world.put(mine)
    world.clock.advance(timedelta(seconds=1))
    await world.put(theirs)
    return mine, theirs


async def pass_time(worker: Worker, by: timedelta) -> None:
    """Time passes, and the worker keeps its lease."""
    worker.world.clock.advance(by)
    worker.lease = await worker.world.state.leases.renew(worker.lease, TTL)


def ids(links: Sequence[Link]) -> list[UUID]:
    return [link.link_id for link in links]


class LinkContract:
    async def test_a_link_comes_back_as_it_was_saved(self, world: World) -> None:
        link = full_link()
        async with working(world) as worker:
            await save(worker, link)
            assert await load(worker, link) == link

    async def test_a_link_with_nothing_known_comes_back_as_it_was_saved(self, world: World) -> None:
        link = Link(link_id=LinkId(uuid4()), state=PairState.SINGLE)
        async with working(world) as worker:
            await save(worker, link)
            assert await load(worker, link) == link

    async def test_saving_again_replaces_everything(self, world: World) -> None:
        link = full_link()
        async with working(world) as worker:
            await save(worker, link)
            bare = Link(link_id=link.link_id, state=PairState.SINGLE, google=a_side("people/c0"))
            await save(worker, bare)
            assert await load(worker, link) == bare

    async def test_no_values_and_empty_values_are_told_apart(self, world: World) -> None:
        link = a_link(a_side("1", values={}, name=""), a_side("people/c1", values=None, name="Ada"))
        async with working(world) as worker:
            await save(worker, link)
            again = await load(worker, link)
        assert (again.crm.values, again.google.values, again.google.name) == ({}, None, "Ada")

    async def test_a_failed_transaction_leaves_no_trace(self, world: World) -> None:
        kept, new = a_link(a_side("1", keys=(a_key("a"),))), a_link(a_side("2"))
        async with working(world) as worker:
            await save(worker, kept)
            with pytest.raises(RuntimeError, match="power cut"):  # noqa: PT012 # the transaction must fail as a whole
                async with worker.begin() as tx:
                    moved = replace(kept, crm=a_side("3", keys=(a_key("b"),)))
                    await tx.links.save([moved, new])
                    await tx.outsiders.save(Side.GOOGLE, 1, [Outsider("people/c5", (a_key("a"),))])
                    await tx.links.claim({new.link_id: b"d" * 16}, EPOCH + HOUR)
                    raise RuntimeError("power cut")
            async with worker.begin() as tx:
                assert await tx.links.by_ids([kept.link_id, new.link_id]) == {kept.link_id: kept}
                assert set(await tx.links.by_remote(Side.CRM, ["1", "2", "3"])) == {"1"}
                assert ids(await tx.links.by_keys(Side.CRM, [a_key("a"), a_key("b")])) == [kept.link_id]
                assert await tx.outsiders.by_keys(Side.GOOGLE, [a_key("a")]) == []
                assert await tx.links.claim({kept.link_id: b"d" * 16}, EPOCH + HOUR) == {kept.link_id}

    # --- finding ---

    async def test_links_are_found_by_either_id(self, world: World) -> None:
        one, two = a_link(a_side("1"), a_side("people/c1")), a_link(a_side("2"), a_side("people/c2"))
        async with working(world) as worker:
            await save(worker, one, two)
            async with worker.begin() as tx:
                assert await tx.links.by_remote(Side.CRM, ["1", "2", "3"]) == {"1": one, "2": two}
                assert await tx.links.by_remote(Side.GOOGLE, ["people/c2"]) == {"people/c2": two}
                assert await tx.links.by_remote(Side.GOOGLE, ["1"]) == {}
                assert await tx.links.by_remote(Side.CRM, []) == {}

    async def test_a_renamed_person_is_found_under_both_names(self, world: World) -> None:
        link = a_link(google=a_side("people/c1"))
        async with working(world) as worker:
            await save(worker, link)
            renamed = replace(link, google=a_side("people/c2"))
            await save(worker, renamed)
            async with worker.begin() as tx:
                found = await tx.links.by_remote(Side.GOOGLE, ["people/c1", "people/c2"])
        assert found == {"people/c1": renamed, "people/c2": renamed}

    async def test_the_name_of_a_deleted_person_does_not_lead_to_the_one_made_anew(self, world: World) -> None:
        """Else the deletion record of the old person would delete the new one."""
        link = a_link(google=a_side("people/c1"))
        async with working(world) as worker:
            await save(worker, link)
            await save(worker, replace(link, google=a_side("people/c1", presence=Presence.DELETED)))
            await save(worker, replace(link, google=a_side("people/c2")))
            async with worker.begin() as tx:
                assert set(await tx.links.by_remote(Side.GOOGLE, ["people/c1", "people/c2"])) == {"people/c2"}

    async def test_a_contact_of_a_pair_that_is_gone_is_found_until_another_pair_has_it(self, world: World) -> None:
        gone = a_link(a_side("1"), a_side("people/c1"), state=PairState.GONE)
        async with working(world) as worker:
            await save(worker, gone)
            async with worker.begin() as tx:
                assert await tx.links.by_remote(Side.CRM, ["1"]) == {"1": gone}
            alive = a_link(a_side("1"), a_side("people/c2"))
            await save(worker, alive)
            async with worker.begin() as tx:
                assert await tx.links.by_remote(Side.CRM, ["1"]) == {"1": alive}

    async def test_two_pairs_never_have_one_contact(self, world: World) -> None:
        async with working(world) as worker:
            await save(worker, a_link(a_side("1")))
            with pytest.raises(StateInvariantError):
                await save(worker, a_link(a_side("1")))
            with pytest.raises(StateInvariantError):
                await save(worker, a_link(google=a_side("people/c0")), a_link(google=a_side("people/c0")))

    async def test_two_pairs_may_exchange_their_contacts_in_one_page(self, world: World) -> None:
        one, two = a_link(google=a_side("people/c1")), a_link(google=a_side("people/c2"))
        async with working(world) as worker:
            await save(worker, one, two)
            swapped = [replace(one, google=two.google), replace(two, google=one.google)]
            await save(worker, *swapped)
            async with worker.begin() as tx:
                found = await tx.links.by_remote(Side.GOOGLE, ["people/c1", "people/c2"])
        assert found == {"people/c2": swapped[0], "people/c1": swapped[1]}

    async def test_links_are_found_by_key_whatever_its_kind(self, world: World) -> None:
        """An address has one digest, as work address here and as private one there."""
        ada = a_link(a_side("crm-ada", keys=(a_key("ada"), a_key("both"))))
        bob = a_link(a_side("crm-bob", keys=(a_key("bob", KeyKind.WEAK_EMAIL), a_key("both"))))
        other = a_link(google=a_side("people/c-other", keys=(a_key("ada"),)))
        async with working(world) as worker:
            await save(worker, ada, bob, other)
            async with worker.begin() as tx:
                assert ids(await tx.links.by_keys(Side.CRM, [a_key("bob")])) == [bob.link_id]
                both = sorted([ada.link_id, bob.link_id])
                assert ids(await tx.links.by_keys(Side.CRM, [a_key("both"), a_key("ada")])) == both
                assert ids(await tx.links.by_keys(Side.CRM, [a_key("both")], besides=[both[0]])) == both[1:]
                assert await tx.links.by_keys(Side.CRM, [a_key("nobody")]) == []
                assert await tx.links.by_keys(Side.CRM, []) == []

    async def test_a_key_that_a_contact_lost_finds_it_no_more(self, world: World) -> None:
        link = a_link(a_side("1", keys=(a_key("old"), a_key("kept"))))
        async with working(world) as worker:
            await save(worker, link)
            await save(worker, replace(link, crm=replace(link.crm, keys=(a_key("kept"), a_key("new")))))
            async with worker.begin() as tx:
                assert await tx.links.by_keys(Side.CRM, [a_key("old")]) == []
                assert len(await tx.links.by_keys(Side.CRM, [a_key("kept")])) == 1
                assert len(await tx.links.by_keys(Side.CRM, [a_key("new")])) == 1

    async def test_pairs_that_are_gone_are_not_found_by_key(self, world: World) -> None:
        link = a_link(a_side("1", keys=(a_key("a"),)), state=PairState.GONE)
        async with working(world) as worker:
            await save(worker, link)
            async with worker.begin() as tx:
                assert await tx.links.by_keys(Side.CRM, [a_key("a")]) == []

    async def test_a_removed_link_is_nowhere(self, world: World) -> None:
        link = a_link(a_side("1", keys=(a_key("a"),)), pending_since=EPOCH)
        async with working(world) as worker:
            await save(worker, link)
            async with worker.begin() as tx:
                await tx.links.remove([link.link_id, LinkId(uuid4())])
            async with worker.begin() as tx:
                assert await tx.links.by_ids([link.link_id]) == {}
                assert await tx.links.by_remote(Side.CRM, ["1"]) == {}
                assert await tx.links.by_keys(Side.CRM, [a_key("a")]) == []
                assert await tx.links.pending(worker.run.run_id, None, 10) == []
                await tx.links.save([a_link(a_side("1"))])

    # --- order and limits of what is pending ---

    async def test_a_reason_that_is_over_lets_its_pairs_go_in_order(self, world: World) -> None:
        async with working(world) as worker:
            full = Hold(reason="google_account_full", since=EPOCH, retry_at=EPOCH + timedelta(days=1))
            since = [EPOCH - HOUR * n for n in range(1, 5)]
            held = [a_link(pending_since=one, pending_order=one, hold=full) for one in since]
            other = a_link(pending_since=EPOCH, pending_order=EPOCH, hold=replace(full, reason="locked"))
            await save(worker, *held, other, a_link(hold=full))
            assert not await pending(worker)
            for expected in (3, 4):
                async with worker.begin() as tx:
                    assert await tx.links.let_go("google_account_full", 3) == (3 if expected == 3 else 1)
                due = await pending(worker)
                assert [link.link_id for link in due] == [link.link_id for link in reversed(held)][:expected]
                assert {link.hold for link in due} == {None}

    async def test_what_waits_longest_comes_first_then_the_older_edit_then_the_lesser_id(self, world: World) -> None:
        first = a_link(pending_since=EPOCH, pending_order=EPOCH + 5 * HOUR)
        second = a_link(pending_since=EPOCH + HOUR, pending_order=EPOCH)
        twins = [a_link(pending_since=EPOCH + HOUR, pending_order=EPOCH + HOUR) for _ in range(6)]
        idle = a_link()
        expected = [first.link_id, second.link_id, *sorted(ids(twins))]
        async with working(world) as worker:
            everything = [idle, *twins, second, first]
            random.Random(7).shuffle(everything)
            await save(worker, *everything)
            assert ids(await pending(worker)) == expected

    async def test_pages_of_equal_times_lose_and_double_nothing(self, world: World) -> None:
        links = [a_link(pending_since=EPOCH, pending_order=EPOCH + HOUR * (n // 5)) for n in range(23)]
        seen: list[UUID] = []
        async with working(world) as worker:
            await save(worker, *links)
            after: PendingPosition | None = None
            while page := await pending(worker, after, limit=4):
                seen += ids(page)
                last = page[-1]
                assert last.pending_since is not None
                assert last.pending_order is not None
                after = PendingPosition(last.pending_since, last.pending_order, last.link_id)
        order = {link.link_id: (link.pending_order, link.link_id) for link in links}
        assert seen == sorted(order, key=lambda link_id: order[LinkId(link_id)])

    async def test_paging_goes_on_in_its_place_when_pairs_before_it_are_settled(self, world: World) -> None:
        links = [a_link(pending_since=EPOCH + HOUR * n, pending_order=EPOCH) for n in range(6)]
        async with working(world) as worker:
            await save(worker, *links)
            page = await pending(worker, limit=3)
            await save(worker, *(replace(link, pending_since=None, pending_order=None) for link in page))
            after = PendingPosition(EPOCH + 2 * HOUR, EPOCH, page[-1].link_id)
            assert ids(await pending(worker, after)) == ids(links[3:])

    async def test_a_pair_without_a_time_of_its_own_is_ordered_by_its_waiting(self, world: World) -> None:
        async with working(world) as worker:
            await save(worker, a_link(pending_since=EPOCH))
            assert [link.pending_order for link in await pending(worker)] == [EPOCH]

    async def test_a_run_never_gets_a_pair_that_it_has_taken(self, world: World) -> None:
        async with working(world) as worker:
            taken = a_link(pending_since=EPOCH, taken_by=worker.run.run_id)
            by_another = a_link(pending_since=EPOCH, taken_by=RunId(uuid4()))
            await save(worker, taken, by_another)
            assert ids(await pending(worker)) == [by_another.link_id]

    async def test_held_pairs_come_when_their_time_has_come(self, world: World) -> None:
        def held(retry_at: timedelta | None) -> Link:
            retry = None if retry_at is None else EPOCH + retry_at
            return a_link(pending_since=EPOCH, hold=Hold(reason="r", since=EPOCH, retry_at=retry))

        for_good, until_later = held(None), held(HOUR)
        async with working(world) as worker:
            await save(worker, for_good, until_later)
            assert await pending(worker) == []
            await pass_time(worker, HOUR - timedelta(seconds=1))
            assert await pending(worker) == []
            await pass_time(worker, timedelta(seconds=1))
            assert ids(await pending(worker)) == [until_later.link_id]

    # --- what a listing did not show ---

    async def test_of_the_account_whoever_a_listing_did_not_show_is_unseen_and_of_the_view_whoever_is_in_it(
        self, world: World
    ) -> None:
        inside, outside = (
            a_link(a_side("1"), a_side("people/c1")),
            a_link(a_side("2", in_scope=False), a_side("people/c2", in_scope=False)),
        )
        async with working(world) as worker:
            await save(worker, inside, outside)
            async with worker.begin() as tx:
                assert ids(await tx.links.unseen(Side.CRM, 3, None, 10)) == [inside.link_id]
                found = await tx.links.unseen(Side.GOOGLE, 3, None, 10)
                assert ids(found) == sorted([inside.link_id, outside.link_id])

    async def test_pairs_that_the_listing_did_not_show_are_unseen(self, world: World) -> None:
        shown = a_link(google=a_side("people/c1", listing=3))
        missing = a_link(google=a_side("people/c2", listing=2))
        never_shown = a_link(google=a_side("people/c3"))
        deleted = a_link(google=a_side("people/c5", presence=Presence.DELETED, listing=2))
        gone = a_link(google=a_side("people/c6", listing=2), state=PairState.GONE)
        async with working(world) as worker:
            await save(worker, shown, missing, never_shown, deleted, gone)
            async with worker.begin() as tx:
                found = await tx.links.unseen(Side.GOOGLE, 3, None, 10)
                assert ids(found) == sorted([missing.link_id, never_shown.link_id])
                following = await tx.links.unseen(Side.GOOGLE, 3, found[0].link_id, 10)
                assert ids(following) == ids(found)[1:]
                assert ids(await tx.links.unseen(Side.GOOGLE, 3, None, 1)) == ids(found)[:1]

    # --- counting ---

    async def test_pairs_are_counted_by_state_and_mark(self, world: World) -> None:
        held = Hold(reason="r", since=EPOCH)
        due = Hold(reason="r", since=EPOCH, retry_at=EPOCH - HOUR)
        out = a_side("people/c-outside", in_scope=False)
        links = [
            a_link(),
            a_link(state=PairState.DORMANT, google=out, crm=a_side("1", in_scope=False)),
            a_link(pending_since=EPOCH),
            a_link(pending_since=EPOCH, hold=held),
            a_link(pending_since=EPOCH, hold=due),
            a_link(state=PairState.GONE),
        ]
        async with working(world) as worker:
            await save(worker, *links)
            async with worker.begin() as tx:
                counts = await tx.links.counts(world.clock.now())
        assert counts.by_state == {"linked": 4, "dormant": 1, "gone": 1}
        assert (counts.pending, counts.held, counts.in_scope) == (2, 1, 4)
        assert set(counts.shown) == set(Side)

    async def test_pairs_that_a_run_did_not_touch_stand_as_something(self, world: World) -> None:
        def hold(*, failed: bool) -> Hold:
            return Hold(reason="r", since=EPOCH, failed=failed)

        async with working(world) as worker:
            reported = a_link(pending_since=EPOCH)
            await save(
                worker,
                reported,
                a_link(),
                a_link(state=PairState.DORMANT),
                a_link(state=PairState.RELEASED),
                a_link(state=PairState.SINGLE),
                a_link(state=PairState.GONE),
                a_link(pending_since=EPOCH),
                a_link(pending_since=EPOCH, hold=hold(failed=False)),
                a_link(hold=hold(failed=True)),
                a_link(excluded=True, pending_since=EPOCH),
            )
            async with worker.begin() as tx:
                await tx.runs.record(worker.run.run_id, [RunContact(link_id=reported.link_id, outcome=Outcome.CREATED)])
                standing = await tx.links.standing(worker.run.run_id)
        assert standing == {
            Outcome.UNCHANGED: 1,
            Outcome.SKIPPED: 4,
            Outcome.WAITING: 1,
            Outcome.HELD: 1,
            Outcome.FAILED: 1,
        }

    async def test_whoever_stands_alone_for_a_reason_is_found_while_nothing_is_to_be_done(self, world: World) -> None:
        async with working(world) as worker:
            out = a_side(None, in_scope=False)
            alone = a_link(state=PairState.SINGLE, crm=out, reason="nameless")
            other = a_link(state=PairState.SINGLE, crm=out, reason="another")
            await save(worker, replace(alone, pending_since=EPOCH), other)
            async with worker.begin() as tx:
                assert not await tx.links.any_alone("nameless")
                await tx.links.save([alone])
                assert await tx.links.any_alone("nameless")
                await tx.links.save([replace(alone, excluded=True)])
                assert not await tx.links.any_alone("nameless")

    async def test_who_is_to_be_sought_shares_no_email_with_a_contact_that_stands_alone_too(self, world: World) -> None:
        nobody, at = a_side(None), EPOCH

        def person(email: str, kind: KeyKind = KeyKind.STRONG_EMAIL, **changes: object) -> Link:
            google = a_side(f"people/{uuid4()}", keys=(a_key(email, kind),))
            return a_link(crm=nobody, google=google, state=PairState.SINGLE, pending_since=at, **changes)

        def record(email: str, kind: KeyKind = KeyKind.STRONG_EMAIL, **changes: object) -> Link:
            crm = a_side(f"crm-{uuid4()}", keys=(a_key(email, kind),))
            return a_link(**{"crm": crm, "google": nobody, "state": PairState.SINGLE, "pending_since": at, **changes})  # type: ignore[arg-type] # as a_link takes them

        stranger, met, apart = person("a"), person("b"), person("c", keep_apart=frozenset({"crm-9"}))
        shunned, linked, sharer = person("d"), person("e"), person("f", KeyKind.NAME_PHONE)
        weakly = person("g", KeyKind.WEAK_EMAIL)
        others = [
            record("b"),
            record("c"),
            record("d", keep_apart=frozenset({"people/c9"})),
            record("e", google=a_side("people/c3"), state=PairState.LINKED),
            record("f", KeyKind.NAME_PHONE),
            record("g"),
            person("h", hold=Hold(reason="r", since=EPOCH)),
        ]
        gone = a_side("crm-7", presence=Presence.DELETED)
        bereaved = a_link(crm=gone, google=a_side("people/c7"), state=PairState.LINKED, pending_since=at)
        settled = replace(person("i"), pending_since=None)
        async with working(world) as worker:
            await save(worker, stranger, met, apart, shunned, linked, sharer, weakly, settled, bereaved, *others)
            run = worker.run.run_id
            async with worker.begin() as tx:
                sought, place = await tx.links.to_seek(Side.CRM, run, None, 100)
                some, middle = await tx.links.to_seek(Side.CRM, run, None, 5)
                rest, _ = await tx.links.to_seek(Side.CRM, run, middle, 100)
                nothing = await tx.links.to_seek(Side.CRM, run, place, 100)
        wanted = {link.link_id for link in (stranger, apart, shunned, linked, sharer, bereaved)}
        assert {link.link_id for link in sought} == wanted
        assert [*some, *rest] == list(sought)
        assert nothing == ([], None)

    # --- values ---

    async def test_values_and_names_are_erased_and_digests_stay(self, world: World) -> None:
        link = full_link()
        async with working(world) as worker:
            await save(worker, link)
            async with worker.begin() as tx:
                await tx.links.drop_values(worker.run.run_id)
            crm = replace(link.crm, values=None, name="", emails=())
            google = replace(link.google, values=None, name="", emails=())
            assert await load(worker, link) == replace(link, crm=crm, google=google)

    async def test_values_of_another_run_stay(self, world: World) -> None:
        link = full_link()
        async with working(world) as worker:
            await save(worker, link)
            async with worker.begin() as tx:
                await tx.links.drop_values(RunId(uuid4()))
            assert await load(worker, link) == link

    # --- configurations, accounts, organisations ---

    async def test_two_configurations_share_a_pair_and_keep_their_own_marks(self, world: World) -> None:
        mine = some_settings()
        theirs = replace(some_settings(organisation=mine.organisation_id, account=mine.account))
        await world.put(mine)
        await world.put(theirs)
        link = full_link()
        async with working(world, mine) as worker:
            await save(worker, replace(link, state=PairState.DORMANT))
            await world.state.leases.release(worker.lease, {})
        async with working(world, theirs) as worker:
            seen = await load(worker, link)
            assert seen.state is PairState.LINKED
            assert (seen.pending_since, seen.taken_by) == (None, None)
            assert (seen.crm.in_scope, seen.google.seen_in_scope, seen.google.listing) == (False, False, 0)
            assert seen.crm.base == link.crm.base
            assert await pending(worker) == []
            await save(worker, replace(seen, pending_since=EPOCH + HOUR))
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            again = await load(worker, link)
        assert again.state is PairState.DORMANT
        assert (again.pending_since, again.taken_by, again.crm.listing) == (link.pending_since, link.taken_by, 7)

    async def test_a_pair_that_another_active_configuration_keeps_is_foreign_and_its_facts_stay(
        self, world: World
    ) -> None:
        mine, theirs = await siblings(world)
        link = full_link()
        async with working(world, theirs) as worker:
            await save(worker, link)
            kept = await load(worker, link)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            seen = await load(worker, link)
            later = EPOCH + HOUR
            joined = replace(seen.google, in_scope=True, listing=3, written_at=later, base=DigestSet(), revision="r9")
            crm = LinkSide(keys=seen.crm.keys)
            await save(worker, replace(seen, crm=crm, google=joined, hold=None, pending_since=EPOCH))
            again = await load(worker, link)
            await world.state.leases.release(worker.lease, {})
        assert seen.foreign
        assert (again.google.in_scope, again.google.listing, again.pending_since) == (True, 3, EPOCH)
        async with working(world, theirs) as worker:
            assert await load(worker, link) == replace(kept, google=replace(kept.google, written_at=later))

    async def test_a_pair_whose_keeper_is_not_active_any_more_is_foreign_to_nobody(self, world: World) -> None:
        mine, theirs = await siblings(world)
        link = a_link()
        async with working(world, theirs) as worker:
            await save(worker, link)
            await world.state.leases.release(worker.lease, {})
        await world.put(theirs, active=False)
        async with working(world, mine) as worker:
            assert not (await load(worker, link)).foreign

    @pytest.mark.parametrize("state", [PairState.SINGLE, PairState.GONE])
    async def test_a_contact_that_stands_alone_and_a_pair_that_is_gone_are_kept_by_nobody(
        self, world: World, state: PairState
    ) -> None:
        mine, theirs = await siblings(world)
        link = a_link(google=a_side(None), state=state)
        async with working(world, theirs) as worker:
            await save(worker, link)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            assert not (await load(worker, link)).foreign
            async with worker.begin() as tx:
                assert await tx.links.contested(None, 10) == []

    async def test_pairs_in_scope_that_another_configuration_keeps_are_contested_with_all_who_know_them(
        self, world: World
    ) -> None:
        mine, theirs = await siblings(world)
        links = sorted((a_link() for _ in range(3)), key=lambda link: link.link_id)
        outside = a_link()
        async with working(world, theirs) as worker:
            await save(worker, *links, outside)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            for link in links:
                seen = await load(worker, link)
                await save(worker, replace(seen, crm=replace(seen.crm, in_scope=True)))
            await save(worker, await load(worker, outside), a_link())
            async with worker.begin() as tx:
                found = await tx.links.contested(None, 10)
                assert ids([one.link for one in found]) == ids(links)
                assert ids([one.link for one in await tx.links.contested(links[0].link_id, 1)]) == ids(links[1:2])
        contenders = {one.config_id: one for one in found[0].contenders}
        assert {one.before for one in found} == {theirs.config_id}
        assert contenders.keys() == {mine.config_id, theirs.config_id}
        assert contenders[mine.config_id].scope == {Side.CRM}
        assert contenders[theirs.config_id].scope == set(Side)
        assert contenders[mine.config_id].since < contenders[theirs.config_id].since

    async def test_whoever_takes_a_pair_over_keeps_it(self, world: World) -> None:
        mine, theirs = await siblings(world)
        link = a_link()
        async with working(world, theirs) as worker:
            await save(worker, link)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            await save(worker, replace(await load(worker, link), foreign=False, reason="mine"))
            assert not (await load(worker, link)).foreign
            await world.state.leases.release(worker.lease, {})
        async with working(world, theirs) as worker:
            seen = await load(worker, link)
        assert (seen.foreign, seen.reason) == (True, "mine")

    async def test_values_that_another_run_read_are_of_other_fields_and_not_seen(self, world: World) -> None:
        mine, theirs = await siblings(world)
        link = replace(full_link(), state=PairState.SINGLE)
        async with working(world, theirs) as worker:
            await save(worker, link)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            seen = await load(worker, link)
        assert (seen.crm.values, seen.google.values, seen.crm.name) == (None, None, "")
        assert seen.crm.seen == link.crm.seen

    async def test_links_of_another_account_are_invisible(self, world: World) -> None:
        """After its Google account was changed, a configuration starts anew."""
        before = some_settings()
        await world.put(before)
        link = a_link(a_side("1", keys=(a_key("a"),)), pending_since=EPOCH)
        async with working(world, before) as worker:
            await save(worker, link)
            async with worker.begin() as tx:
                await tx.runs.finish(replace(worker.run, state=worker.run.state.SUCCEEDED), next_due=None)
        after = replace(before, account=some_settings().account)
        await world.put(after)
        async with working(world, after) as worker, worker.begin() as tx:
            assert await tx.links.by_ids([link.link_id]) == {}
            assert await tx.links.by_remote(Side.CRM, ["1"]) == {}
            assert await tx.links.by_keys(Side.CRM, [a_key("a")]) == []
            assert await tx.links.pending(worker.run.run_id, None, 10) == []
            assert (await tx.links.counts(world.clock.now())).by_state == {}

    async def test_links_of_another_organisation_are_invisible_and_safe(self, world: World) -> None:
        link = a_link(a_side("1", keys=(a_key("a"),)))
        async with working(world) as owner:
            await save(owner, link)
            async with working(world) as stranger, stranger.begin() as tx:
                assert await tx.links.by_ids([link.link_id]) == {}
                assert await tx.links.by_keys(Side.CRM, [a_key("a")]) == []
                await tx.links.remove([link.link_id])
            assert await load(owner, link) == link

    # --- outsiders ---

    async def test_outsiders_are_found_by_any_key(self, world: World) -> None:
        ada = Outsider("people/c1", (a_key("ada"), a_key("ada", KeyKind.WEAK_EMAIL), a_key("x", KeyKind.NAME_PHONE)))
        bob = Outsider("people/c2", (a_key("bob"),))
        async with working(world) as worker:
            async with worker.begin() as tx:
                await tx.outsiders.save(Side.GOOGLE, 1, [ada, bob, Outsider("people/c3", ())])
            async with worker.begin() as tx:
                assert await tx.outsiders.by_keys(Side.GOOGLE, [a_key("x")]) == [ada]
                assert await tx.outsiders.by_keys(Side.GOOGLE, [a_key("bob"), a_key("ada")]) == [ada, bob]
                assert await tx.outsiders.by_keys(Side.CRM, [a_key("ada")]) == []
                assert await tx.outsiders.by_keys(Side.GOOGLE, []) == []

    async def test_an_outsider_saved_again_has_its_new_keys_alone(self, world: World) -> None:
        async with working(world) as worker, worker.begin() as tx:
            await tx.outsiders.save(Side.GOOGLE, 1, [Outsider("people/c1", (a_key("old"),))])
            await tx.outsiders.save(Side.GOOGLE, 1, [Outsider("people/c1", (a_key("new"),))])
            assert await tx.outsiders.by_keys(Side.GOOGLE, [a_key("old")]) == []
            assert len(await tx.outsiders.by_keys(Side.GOOGLE, [a_key("new")])) == 1

    async def test_outsiders_are_forgotten_one_by_one_or_when_a_full_listing_did_not_show_them(
        self, world: World
    ) -> None:
        people = [Outsider(f"people/c{n}", (a_key(str(n)),)) for n in range(3)]
        async with working(world) as worker, worker.begin() as tx:
            await tx.outsiders.save(Side.GOOGLE, 1, people)
            await tx.outsiders.remove(Side.GOOGLE, ["people/c0"])
            await tx.outsiders.save(Side.GOOGLE, 2, people[1:2])
            assert await tx.outsiders.unseen(Side.GOOGLE, 2, 5) == ["people/c2"]
            assert await tx.outsiders.unseen(Side.GOOGLE, 3, 1) == ["people/c1"]
            assert await tx.outsiders.unseen(Side.CRM, 3, 5) == []
            await tx.outsiders.drop(Side.GOOGLE, 2)
            left = await tx.outsiders.by_keys(Side.GOOGLE, [a_key(str(n)) for n in range(3)])
        assert left == people[1:2]

    # --- claims ---

    async def test_one_person_is_claimed_for_one_create_at_a_time(self, world: World) -> None:
        one, two = LinkId(uuid4()), LinkId(uuid4())
        until = EPOCH + HOUR
        async with working(world) as worker:
            async with worker.begin() as tx:
                assert await tx.links.claim({one: b"x" * 16, two: b"x" * 16}, until) == {one}
            async with worker.begin() as tx:
                assert await tx.links.claim({two: b"x" * 16}, until) == frozenset()
                assert await tx.links.claim({one: b"x" * 16}, until) == {one}
                assert await tx.links.claim({two: b"y" * 16}, until) == {two}
                assert await tx.links.claim({}, until) == frozenset()

    async def test_a_claim_ends_at_its_time(self, world: World) -> None:
        one, two = LinkId(uuid4()), LinkId(uuid4())
        async with working(world) as worker:
            async with worker.begin() as tx:
                await tx.links.claim({one: b"x" * 16}, EPOCH + timedelta(seconds=5))
            world.clock.advance(timedelta(seconds=5))
            async with worker.begin() as tx:
                assert await tx.links.claim({two: b"x" * 16}, EPOCH + HOUR) == {two}

    async def test_a_pair_that_another_keeps_is_found_by_the_keys_that_its_guest_saw(self, world: World) -> None:
        mine, theirs = await siblings(world)
        link, key = a_link(), MatchKey(KeyKind.WEAK_EMAIL, b"0123456789abcdef")
        async with working(world, theirs) as worker:
            await save(worker, link)
            await world.state.leases.release(worker.lease, {})
        async with working(world, mine) as worker:
            seen = await load(worker, link)
            await save(worker, replace(seen, google=replace(seen.google, keys=(key,))))
            async with worker.begin() as tx:
                assert [one.link_id for one in await tx.links.by_keys(Side.GOOGLE, [key])] == [link.link_id]
                gone = await tx.links.by_keys(Side.GOOGLE, link.google.keys) if link.google.keys else []
            assert gone == []
            assert (await load(worker, link)).google.keys == (key,)

    async def test_a_claim_holds_across_configurations_and_not_across_organisations(self, world: World) -> None:
        mine = some_settings()
        sibling = some_settings(organisation=mine.organisation_id)
        await world.put(mine)
        await world.put(sibling)
        until = EPOCH + HOUR
        async with working(world, mine) as worker, worker.begin() as tx:
            await tx.links.claim({LinkId(uuid4()): b"x" * 16}, until)
        async with working(world, sibling) as worker, worker.begin() as tx:
            assert await tx.links.claim({LinkId(uuid4()): b"x" * 16}, until) == frozenset()
        async with working(world) as worker, worker.begin() as tx:
            assert len(await tx.links.claim({LinkId(uuid4()): b"x" * 16}, until)) == 1

    async def test_two_who_claim_the_same_people_in_opposite_orders_do_not_stop_one_another(self, world: World) -> None:
        mine = some_settings()
        sibling = some_settings(organisation=mine.organisation_id)
        await world.put(mine)
        await world.put(sibling)
        digests = [number.to_bytes(16) for number in range(20_000)]

        async def claimed(worker: Worker, order: Sequence[bytes]) -> int:
            async with worker.begin() as tx:
                return len(await tx.links.claim({LinkId(uuid4()): digest for digest in order}, EPOCH + HOUR))

        async with working(world, mine) as one, working(world, sibling) as other:
            won = await asyncio.gather(claimed(one, digests), claimed(other, digests[::-1]))

        assert sorted(won) == [0, len(digests)]


class TestMemoryLinks(InMemory, LinkContract):
    pass


@pytest.mark.postgres
class TestSqlLinks(OnPostgres, LinkContract):
    pass
