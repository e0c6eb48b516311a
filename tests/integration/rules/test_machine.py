"""Two people at work on both address books at random, and the laws that every sync must keep.

Contacts are made, edited, deleted, merged and re-labelled on both sides, they leave the view and the group and come
back; the conflict winner changes, listings lag; runs come in between. When everything is quiet: both sides of each
pair in sync show the same in the mapped fields, another run writes nothing, nothing that is not mapped was lost,
nobody was made twice, and no contact vanished that nobody deleted.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.state import RunState
from tests.integration.rules.stories import DAYS_AGO, address, job, person, record, writes
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import Json

T = TypeVar("T")
CASES = int(os.environ.get("CASES", "12"))
STEPS = int(os.environ.get("STEPS", "15"))
PEOPLE = 14
TITLES = st.sampled_from(["Analyst", "Countess", "Engineer", None])
NUMBERS = st.integers(0, PEOPLE - 1)
PICK = st.integers(0, 1000)
MOBILES = st.sampled_from(["+44 113 496 0100", "+44 113 496 0101", None])
IN_VIEW = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
"""The view shows whom this field, which is not mapped, says to be in it."""


def mapped_of_record(record: Json) -> dict[str, str | None]:
    """What a record shows in the fields that are edited here, in the form in which both sides are compared.

    A number counts wherever it stands: one that the list holds under another type is not added again.
    """
    numbers = {record.get(field) for field in ("Phone", "Mobile", "Home_Phone")} - {None}
    return {
        "title": record.get("Title"),
        "second": record.get("Secondary_Email"),
        "numbers": " ".join(sorted(map(digits, numbers))),
    }


def mapped_of_person(person: Json) -> dict[str, str | None]:
    """The same of a person."""
    second = [mail["value"] for mail in person.get("emailAddresses", ()) if mail.get("type") == "home"]
    numbers = {digits(phone["value"]) for phone in person.get("phoneNumbers", ())}
    return {
        "title": (person.get("organizations") or [{}])[0].get("title"),
        "second": second[0] if second else None,
        "numbers": " ".join(sorted(numbers)),
    }


def digits(number: object) -> str:
    """A number without what people put between the digits."""
    return "".join(character for character in str(number) if character.isdigit())


class BothBooks(RuleBasedStateMachine):
    """The machine; each instance has its own vendors, state and clock."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.world: SyncWorld
        self.made = 0
        self.records: dict[str, Json] = {}
        """Records made by hand, as they were made, by id."""
        self.people: dict[str, Json] = {}
        """People made by hand, as they were made, by name."""
        self.deleted: set[str] = set()
        """Addresses of contacts that somebody deleted or merged on either side."""

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.do(self.settle())
        finally:
            self.do(self._stack.aclose())
            self._runner.close()

    @initialize(
        direction=st.sampled_from(Direction),
        deletions=st.sampled_from(DeletePolicy),
        winner=st.sampled_from(Side),
        here=st.sets(NUMBERS, min_size=8),
        there=st.sets(NUMBERS, min_size=8),
    )
    def begin(
        self, direction: Direction, deletions: DeletePolicy, winner: Side, here: set[int], there: set[int]
    ) -> None:
        async def open_world() -> SyncWorld:
            return await self._stack.enter_async_context(
                sync_world(
                    direction=direction,
                    deletions=deletions,
                    conflict_winner=winner,
                    view_criteria=IN_VIEW,
                    crm_values={"Lead_Source": "Partner"},
                )
            )

        async def fill() -> None:
            await self.add_records(sorted(here), at=DAYS_AGO)
            await self.add_people(sorted(there), in_group=True)
            await self.run_once()

        self.world = self.do(open_world())
        self.do(fill())

    async def add_records(self, numbers: list[int], *, at: str | None = None) -> None:
        made = [self.new_record(number) for number in numbers]
        self.records |= zip(await self.world.vendors.crm.add(made, at=at), made, strict=True)

    async def add_people(self, numbers: list[int], *, in_group: bool) -> None:
        made = [self.new_person(number) for number in numbers]
        self.people |= zip(await self.world.vendors.google.add(made, in_group=in_group), made, strict=True)

    def new_record(self, number: int) -> Json:
        self.made += 1
        return record(number, Lead_Source="Partner", Skype_ID=f"Source {self.made}")

    def new_person(self, number: int) -> Json:
        self.made += 1
        return person(number, nicknames=[{"value": f"Hat {self.made}"}])

    # --- what people do ---

    async def some_record(self, pick: int) -> Json | None:
        records = sorted(await self.world.vendors.crm.records(), key=lambda one: one["id"])
        return records[pick % len(records)] if records else None

    async def some_person(self, pick: int) -> Json | None:
        people = sorted(await self.world.vendors.google.people(), key=lambda one: one["resourceName"])
        return people[pick % len(people)] if people else None

    @rule(pick=PICK, title=TITLES)
    def edit_a_record(self, pick: int, title: str | None) -> None:
        async def edit() -> None:
            if (one := await self.some_record(pick)) is not None:
                await self.world.vendors.crm.edit(one["id"], Title=title)

        self.act(edit())

    @rule(pick=PICK, title=TITLES)
    def edit_a_person(self, pick: int, title: str | None) -> None:
        async def edit() -> None:
            if (one := await self.some_person(pick)) is not None:
                await self.world.vendors.google.edit(one["resourceName"], organizations=job(title) if title else None)

        self.act(edit())

    @rule(pick=PICK, kinds=st.permutations(["home", "work", "mobile"]))
    def shuffle_and_relabel_phones(self, pick: int, kinds: list[str]) -> None:
        async def edit() -> None:
            if (one := await self.some_person(pick)) is not None:
                phones = [{"value": f"+44 113 496 000{n}", "type": kind} for n, kind in enumerate(kinds[:2])]
                await self.world.vendors.google.edit(one["resourceName"], phoneNumbers=phones)

        self.act(edit())

    @rule(pick=PICK, mobile=MOBILES)
    def edit_a_records_mobile(self, pick: int, mobile: str | None) -> None:
        async def edit() -> None:
            if (one := await self.some_record(pick)) is not None:
                await self.world.vendors.crm.edit(one["id"], Mobile=mobile)

        self.act(edit())

    @rule(pick=PICK, mobile=MOBILES)
    def edit_a_persons_mobile(self, pick: int, mobile: str | None) -> None:
        async def edit() -> None:
            if (one := await self.some_person(pick)) is not None:
                others = [phone for phone in one.get("phoneNumbers", ()) if phone.get("type") != "mobile"]
                phones = [*others, *([{"value": mobile, "type": "mobile"}] if mobile else [])]
                await self.world.vendors.google.edit(one["resourceName"], phoneNumbers=phones)

        self.act(edit())

    @rule(pick=PICK, some=st.booleans())
    def edit_a_records_second_address(self, pick: int, some: bool) -> None:  # noqa: FBT001
        async def edit() -> None:
            if (one := await self.some_record(pick)) is not None:
                await self.world.vendors.crm.edit(one["id"], Secondary_Email=self.new_address() if some else None)

        self.act(edit())

    @rule(pick=PICK, some=st.booleans())
    def edit_a_persons_second_address(self, pick: int, some: bool) -> None:  # noqa: FBT001
        async def edit() -> None:
            if (one := await self.some_person(pick)) is not None:
                mails = [mail for mail in one.get("emailAddresses", ()) if mail.get("type") != "home"]
                mails += [{"value": self.new_address(), "type": "home"}] if some else []
                await self.world.vendors.google.edit(one["resourceName"], emailAddresses=mails)

        self.act(edit())

    def new_address(self) -> str:
        """An address that nobody has."""
        self.made += 1
        return f"second{self.made}@example.net"

    @rule(pick=PICK, into=st.booleans())
    def move_a_record(self, pick: int, into: bool) -> None:  # noqa: FBT001
        """Out of the view, or back into it."""

        async def move() -> None:
            if (one := await self.some_record(pick)) is not None:
                await self.world.vendors.crm.edit(one["id"], Lead_Source="Partner" if into else "Cold Call")

        self.act(move())

    @rule(number=NUMBERS)
    def make_a_record(self, number: int) -> None:
        async def make() -> None:
            if address(number) not in {one.get("Email") for one in await self.world.vendors.crm.records()}:
                await self.add_records([number])

        self.act(make())

    @rule(number=NUMBERS, in_group=st.booleans())
    def make_a_person(self, number: int, in_group: bool) -> None:  # noqa: FBT001
        async def make() -> None:
            people = await self.world.vendors.google.people()
            if address(number) not in {mail["value"] for one in people for mail in one.get("emailAddresses", ())}:
                await self.add_people([number], in_group=in_group)

        self.act(make())

    @rule(pick=PICK)
    def delete_a_record(self, pick: int) -> None:
        async def delete() -> None:
            if (one := await self.some_record(pick)) is not None:
                self.deleted.add(one.get("Email", ""))
                await self.world.vendors.crm.delete(one["id"])

        self.act(delete())

    @rule(pick=PICK)
    def delete_a_person(self, pick: int) -> None:
        async def delete() -> None:
            if (one := await self.some_person(pick)) is not None:
                self.deleted |= {mail["value"] for mail in one.get("emailAddresses", ())}
                await self.world.vendors.google.delete(one["resourceName"])

        self.act(delete())

    @rule(pick=PICK, other=PICK)
    def merge_two_people(self, pick: int, other: int) -> None:
        async def merge() -> None:
            kept, gone = await self.some_person(pick), await self.some_person(other)
            if kept is not None and gone is not None and kept["resourceName"] != gone["resourceName"]:
                self.deleted |= {mail["value"] for one in (kept, gone) for mail in one.get("emailAddresses", ())}
                await self.world.vendors.google.merge(kept["resourceName"], gone["resourceName"])

        self.act(merge())

    @rule(pick=PICK)
    def rename_a_person(self, pick: int) -> None:
        async def rename() -> None:
            if (one := await self.some_person(pick)) is not None:
                old = one["resourceName"]
                new = await self.world.vendors.google.rename(old)
                if old in self.people:
                    self.people[new] = self.people.pop(old)

        self.act(rename())

    @rule(pick=PICK, join=st.booleans())
    def move_a_person(self, pick: int, join: bool) -> None:  # noqa: FBT001
        async def move() -> None:
            if (one := await self.some_person(pick)) is not None:
                group = self.world.vendors.google.group
                change = {"add": [group]} if join else {"remove": [group]}
                await self.world.vendors.google.move(one["resourceName"], **change)

        self.act(move())

    @rule(pick=PICK)
    def touch_a_person(self, pick: int) -> None:
        async def touch() -> None:
            if (one := await self.some_person(pick)) is not None:
                await self.world.vendors.google.touch(one["resourceName"])

        self.act(touch())

    # --- what happens to the product ---

    @rule(winner=st.sampled_from(Side))
    def change_the_winner(self, winner: Side) -> None:
        self.act(self.world.configure(conflict_winner=winner))

    @rule(delay=st.sampled_from([0, 0, 120, 300]))
    def listings_lag(self, delay: int) -> None:
        self.act(self.world.vendors.google.control.settings(visibility_delay_s=delay))

    @rule(hours=st.sampled_from([1, 25, 200]))
    def time_passes(self, hours: int) -> None:
        self.act(self.world.pass_time(hours=hours))

    @rule()
    def sync(self) -> None:
        self.do(self.run_once())

    async def run_once(self) -> None:
        run = await self.world.sync()
        assert run.state in {RunState.SUCCEEDED, RunState.PARTIAL, RunState.NEEDS_APPROVAL}, run.reason
        await self.world.pass_time(seconds=2)

    def act(self, work: Coroutine[Any, Any, None]) -> None:
        async def then_a_moment() -> None:
            await work
            await self.world.pass_time(seconds=2)

        self.do(then_a_moment())

    # --- the laws ---

    async def settle(self) -> None:
        """Let everything become quiet, then look."""
        await self.world.vendors.google.control.settings(visibility_delay_s=0)
        for _ in range(4):
            await self.world.pass_time(minutes=20)
            await self.run_once()
        await self.world.pass_time(hours=25)
        await self.run_once()
        await self.world.pass_time(minutes=20)
        last = await self.world.sync()
        assert not writes(last), "a second run writes nothing"
        records = {one["id"]: one for one in await self.world.vendors.crm.records()}
        people = {one["resourceName"]: one for one in await self.world.vendors.google.people()}
        self.nobody_is_doubled(records, people)
        self.nobody_vanished(records, people)
        for link in await self.world.links():
            if link.state is PairState.LINKED and not link.diverged and link.hold is None and not link.pending_since:
                here, there = records[str(link.crm.remote_id)], people[str(link.google.remote_id)]
                assert mapped_of_record(here) == mapped_of_person(there), link

    def nobody_is_doubled(self, records: dict[str, Json], people: dict[str, Json]) -> None:
        """People made by hand have one address each, and nobody makes a second while the first is there."""
        here = Counter(one.get("Email") for one in records.values())
        there = Counter(mail["value"] for one in people.values() for mail in one.get("emailAddresses", ()))
        doubled = {mail for mail, n in (here | there).items() if n > 1 and mail not in self.deleted}
        assert not doubled, f"made twice: {doubled}"

    def nobody_vanished(self, records: dict[str, Json], people: dict[str, Json]) -> None:
        """Whom nobody deleted is still there, with what is not mapped."""
        for record_id, made in self.records.items():
            if made["Email"] not in self.deleted:
                assert records[record_id]["Skype_ID"] == made["Skype_ID"]
        for name, made in self.people.items():
            if made["emailAddresses"][0]["value"] not in self.deleted:
                assert made["nicknames"][0]["value"] in {one["value"] for one in people[name]["nicknames"]}


BothBooks.TestCase.settings = settings(
    max_examples=CASES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestBothBooks = BothBooks.TestCase
