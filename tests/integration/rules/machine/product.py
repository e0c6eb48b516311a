"""What happens to the product: settings, answers, time, other people's weather, and runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from contactsync.domain.actions import Action, Answer, possible
from contactsync.domain.contact import Side
from contactsync.domain.ids import GroupId
from contactsync.domain.link import Link
from contactsync.domain.mapping import Mapping, default_mapping
from contactsync.domain.policy import DeletePolicy, Direction, NoEmailRule
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import APPROVAL
from contactsync.ports.state import RunMode
from tests.integration.rules.machine.sight import addresses, groups_of
from tests.integration.rules.machine.world import ALL_IN_VIEW, IN_VIEW, OTHERS, PARTNER, MachineWorld

PICK = st.integers(0, 1000)
SETTINGS = st.one_of(
    st.tuples(st.just("conflict_winner"), st.sampled_from(Side)),
    st.tuples(st.just("direction"), st.sampled_from([Direction.TWO_WAY, *Direction])),
    st.tuples(st.just("deletions"), st.sampled_from(DeletePolicy)),
    st.tuples(st.just("no_email"), st.sampled_from(NoEmailRule)),
    st.tuples(st.just("without"), st.sampled_from([(), ("Title",), ("Secondary_Email", "Department")])),
)
LOST = st.sampled_from(
    [
        ("google", "people.batch*Contacts"),
        ("crm", "contacts.[iud]*"),
        ("google", "people.batchCreateContacts"),
        ("google", "people.batchUpdateContacts"),
        ("google", "people.batchDeleteContacts"),
        ("google", "contactGroups.members.modify"),
        ("crm", "contacts.insert"),
        ("crm", "contacts.update"),
        ("crm", "contacts.delete"),
    ]
)

_WEEK_S = 7 * 24 * 3600


class Product(MachineWorld):
    """The second half of the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.binned: list[tuple[Side, str, datetime]] = []
        """Contacts in the recycle bin or the trash, since when."""
        self.groups: list[str] = []
        """Groups that were chosen before."""
        self.numbers = count(1)

    # --- settings ---

    @rule(change=SETTINGS)
    def change_a_setting(self, change: tuple[str, Any]) -> None:
        name, value = change
        if name == "without":
            rows = [row for row in default_mapping().rows if row.crm_field not in value]
            self.act(self.world.configure(mapping=Mapping(rows)))
        else:
            self.act(self.world.configure(**{name: value}))

    @rule(wide=st.booleans())
    def change_the_view(self, wide: bool) -> None:  # noqa: FBT001
        """Its owner lets it show everybody, or partners alone."""
        self.accepted = frozenset({PARTNER, OTHERS} if wide else {PARTNER})
        self.act(self.world.vendors.crm.change_view(criteria=ALL_IN_VIEW if wide else IN_VIEW))

    @rule(former=st.booleans())
    def choose_another_group(self, former: bool) -> None:  # noqa: FBT001
        """A new one, still empty, or the one before."""

        async def choose() -> None:
            book = self.world.vendors.google
            if former and self.groups:
                group = self.groups[-1]
            else:
                body = {"name": f"Customers {len(self.groups) + 1}"}
                group = (await book.control.call("POST", f"/accounts/{book.sub}/groups", body))["resourceName"]
            self.groups.append(book.group)
            book.group = group
            self.world.settings = replace(self.world.settings, group_id=GroupId(group))
            await self.world.configure()

        self.act(choose())

    @rule(days=st.sampled_from([1, 9]))
    def deactivate_for_some_days(self, days: int) -> None:
        async def pause() -> None:
            await self.world.books.put(self.world.settings, active=False)
            await self.world.pass_time(days=days)
            await self.world.books.put(self.world.settings)

        self.act(pause())

    @rule()
    def lose_the_database(self) -> None:
        """The same configuration is made again, and knows nothing."""
        self.history.forget()
        self.asked.clear()
        self.act(self.world.forget_everything())

    # --- answers ---

    @rule(pick=PICK, choice=PICK)
    def answer_for_a_pair(self, pick: int, choice: int) -> None:
        """Something that the page offers for one of the pairs, those with a question first."""
        links = sorted(self.sight.living(), key=lambda one: (one.hold is None, str(sorted(_ids(one)))))
        if links:
            self.act(self._answer(links[pick % len(links) if pick % 2 else 0], choice))

    async def _answer(self, link: Link, choice: int) -> None:
        organisation, now = self.world.settings.organisation_id, self.world.clock.now()
        last = await self.world.books.answers.last_overwritten(organisation, link.link_id)
        offered = sorted(possible(link, self.world.settings.policy, last, now))
        action = offered[choice % len(offered)] if offered else None
        if action is None:
            return
        if action is Action.KEEP_APART:
            for side in Side:
                if contact := self.sight.of(side, link.side(side).remote_id):
                    self.history.apart |= addresses(contact, side)
        await self.world.books.answers.ask(organisation, self.world.config, [Answer(link.link_id, action)], now)

    @rule()
    def approve_the_deletes(self) -> None:
        """Those that a run has asked about; a run like any other where none has."""
        if self.asked:
            self.do(self.run(RunMode.APPROVED_DELETES, f"{APPROVAL}{self.asked.pop()}"))
        else:
            self.do(self.run())

    @rule()
    def refuse_the_deletes(self) -> None:
        held = [one for one in self.sight.living() if one.hold and one.hold.reason == Reason.AWAITING_APPROVAL]
        answers = [Answer(link.link_id, Action.RELEASE) for link in held]
        organisation, now = self.world.settings.organisation_id, self.world.clock.now()
        if answers:
            self.act(self.world.books.answers.ask(organisation, self.world.config, answers, now))

    # --- time and weather ---

    @rule(minutes=st.sampled_from([1, 3, 16, 60, 25 * 60, 200 * 60]))
    def time_passes(self, minutes: int) -> None:
        """Minutes to days; a sync token lives for seven."""
        self.do(self.world.pass_time(minutes=minutes))

    @rule(google=st.sampled_from([0, 120, 300]), crm=st.sampled_from([0, 0, 30]))
    def listings_lag(self, google: int, crm: int) -> None:
        """What is written now is listed later, less than the visibility wait and the CRM's overlap."""
        self.history.lag = max(self.history.lag, timedelta(seconds=max(google, crm)))

        async def lag() -> None:
            await self.world.vendors.google.control.settings(visibility_delay_s=google)
            await self.world.vendors.crm.control.settings(visibility_delay_s=crm)

        self.act(lag())

    # --- runs ---

    @rule(times=st.sampled_from([1, 1, 2]))
    def sync(self, times: int) -> None:
        for _ in range(times):
            self.do(self.run())

    @rule()
    def sync_and_read_in_full_soon(self) -> None:
        """Where listings lag, the second run may see what stood before the first."""
        self.do(self.run())
        self.do(self.run(RunMode.FULL))

    @rule()
    def sync_in_full(self) -> None:
        self.do(self.run(RunMode.FULL))

    @rule()
    def sync_with_an_expired_token(self) -> None:
        """Google may take a sync token back at any time."""

        async def expire() -> None:
            await self.run()
            control = self.world.vendors.google.control
            await control.settings(sync_token_lifetime_s=1)
            await self.run()
            await control.settings(sync_token_lifetime_s=_WEEK_S)

        self.do(expire())

    @rule(step=st.integers(1, 60))
    def sync_while_the_worker_dies(self, step: int) -> None:
        self.do(self.run(crash_at=step))

    @rule(lost=LOST, action=st.sampled_from(["cut_after", "cut_before", "cut_partly"]), pick=PICK)
    def sync_with_an_answer_lost(self, lost: tuple[str, str], action: str, pick: int) -> None:
        """One of the writes that are due, or of an edit that somebody makes now."""
        vendor, operation = lost
        if pair := self.some_pair(pick):
            self.act(self._edited(pair, Side.CRM if vendor == "google" else Side.GOOGLE))
        book = self.world.vendors.google if vendor == "google" else self.world.vendors.crm
        more = {"keep": 0.5} if action == "cut_partly" else {}

        async def lose() -> None:
            await book.control.fault(operation, action, times=1, **more)
            await self.run()

        self.do(lose())

    async def _edited(self, pair: Link, side: Side) -> None:
        remote_id, title = str(pair.side(side).remote_id), f"Engineer {next(self.numbers)}"
        if remote_id not in self.sight.contacts[side]:
            return
        if side is Side.CRM:
            await self.world.vendors.crm.edit(remote_id, Title=title)
        else:
            await self.world.vendors.google.edit(remote_id, organizations=[{"type": "work", "title": title}])

    @rule(side=st.sampled_from(Side), keep=st.sampled_from([0.0, 0.5, 0.9]), tells=st.booleans())
    def sync_with_a_listing_cut_short(self, side: Side, keep: float, tells: bool) -> None:  # noqa: FBT001
        """A full listing that looks complete, and is not; Google's may say of how many it is."""
        book = self.world.vendors.google if side is Side.GOOGLE else self.world.vendors.crm
        operation = "people.connections.list" if side is Side.GOOGLE else "contacts.list.view"

        async def cut() -> None:
            await book.control.fault(operation, "cut_listing" if tells else "short_listing", times=1, keep=keep)
            if side is Side.GOOGLE and (await self.world.books.config(self.world.settings)).sync.google_full_at is None:
                people, group = self.sight.contacts[Side.GOOGLE], self.world.vendors.google.group
                self.history.hidden |= {name for name, one in people.items() if group not in groups_of(one)}
            await self.run(RunMode.FULL)

        self.do(cut())


def _ids(link: Link) -> set[str]:
    return {remote_id for side in Side if (remote_id := link.side(side).remote_id)}
