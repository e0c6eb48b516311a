"""What people do to their address books."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from contactsync.domain.contact import Side
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.requests import RunLimits
from tests.integration.rules.machine.product import Product
from tests.integration.rules.machine.world import OTHERS, PARTNER
from tests.integration.rules.stories import DAYS_AGO, address
from tests.support.vendors import Json

PEOPLE = 14
NUMBERS = st.integers(0, PEOPLE - 1)
PICK = st.integers(0, 1000)
TITLES = st.sampled_from(["Analyst", "Countess", "Engineer", None])
NEW = "new"
EDITS = st.one_of(
    st.tuples(st.sampled_from(["Title", "Title", "Department"]), TITLES),
    st.tuples(st.sampled_from(["Phone", "Mobile"]), st.sampled_from(["+44 113 496 0100", "+44 113 496 0101", None])),
    st.tuples(st.just("Secondary_Email"), st.sampled_from([NEW, None])),
    st.tuples(st.just("Email"), st.just(NEW)),
)
"""Fields, by their name in the CRM, and what they become."""
KINDS = st.sampled_from(["usual", "usual", "without an address", "another name"])
LIMITS = st.sampled_from([RunLimits(), RunLimits(initial=8, incremental=3), RunLimits(initial=100, incremental=5)])
_BIN = timedelta(days=25)
"""Both vendors keep what was deleted for longer than this."""


class BothBooks(Product):
    """The machine; each instance has its own vendors, state and clock."""

    @initialize(
        direction=st.sampled_from([Direction.TWO_WAY, Direction.TWO_WAY, *Direction]),
        deletions=st.sampled_from([DeletePolicy.PROPAGATE, *DeletePolicy]),
        winner=st.sampled_from(Side),
        limits=LIMITS,
        shuffle=st.booleans(),
        here=st.sets(NUMBERS, min_size=6),
        there=st.sets(NUMBERS, min_size=6),
    )
    def begin(
        self,
        *,
        direction: Direction,
        deletions: DeletePolicy,
        winner: Side,
        limits: RunLimits,
        shuffle: bool,
        here: set[int],
        there: set[int],
    ) -> None:
        async def fill() -> None:
            await self.open_world(
                limits, shuffle=shuffle, direction=direction, deletions=deletions, conflict_winner=winner
            )
            await self.world.vendors.crm.add([self.new_record(n) for n in sorted(here)], at=DAYS_AGO)
            await self.world.vendors.google.add([self.new_person(n) for n in sorted(there)])
            await self.noted()
            await self.run()

        self.do(fill())

    # --- new contacts ---

    def new_record(self, number: int, kind: str = "usual") -> Json:
        """A record with something that is not mapped."""
        self.made += 1
        name = {"First_Name": f"Ada{number}", "Last_Name": f"Byron{number}"}
        if kind == "another name":
            name = {"First_Name": f"Charles{self.made}", "Last_Name": f"Babbage{self.made}"}
        reached = (
            {"Phone": f"+44 113 496 02{number:02}"} if kind == "without an address" else {"Email": address(number)}
        )
        return {**name, **reached, "Lead_Source": PARTNER, "Skype_ID": f"Source {self.made}", "Department": "Looms"}

    def new_person(self, number: int, kind: str = "usual") -> Json:
        """A person with things that are not mapped."""
        self.made += 1
        names = {"givenName": f"Ada{number}", "familyName": f"Byron{number}"}
        if kind == "another name":
            names = {"givenName": f"Charles{self.made}", "familyName": f"Babbage{self.made}"}
        body: Json = {
            "names": [names],
            "nicknames": [{"value": f"Hat {self.made}"}],
            "phoneNumbers": [{"value": f"0{self.made}", "type": "boat"}],
        }
        if kind == "without an address":
            body["phoneNumbers"].append({"value": f"+44 113 496 02{number:02}", "type": "work"})
        else:
            body["emailAddresses"] = [{"value": address(number), "type": "work"}]
        return body

    def new_address(self) -> str:
        """An address that nobody has."""
        self.made += 1
        return f"second{self.made}@example.net"

    @rule(number=NUMBERS, kind=KINDS, seen=st.booleans())
    def make_a_record(self, number: int, kind: str, seen: bool) -> None:  # noqa: FBT001
        made = self.new_record(number, kind) | ({} if seen else {"Lead_Source": OTHERS})
        self.act(self._ignore(self.world.vendors.crm.add([made])))

    @rule(number=NUMBERS, kind=KINDS, in_group=st.booleans())
    def make_a_person(self, number: int, kind: str, in_group: bool) -> None:  # noqa: FBT001
        self.act(self._ignore(self.world.vendors.google.add([self.new_person(number, kind)], in_group=in_group)))

    # --- edits ---

    @rule(pick=PICK, edit=EDITS)
    def edit_a_record(self, pick: int, edit: tuple[str, str | None]) -> None:
        if one := self.some(Side.CRM, pick):
            field, value = edit
            self.act(self.world.vendors.crm.edit(one["id"], **{field: self.new_address() if value == NEW else value}))

    @rule(pick=PICK, edit=EDITS)
    def edit_a_person(self, pick: int, edit: tuple[str, str | None]) -> None:
        if one := self.some(Side.GOOGLE, pick):
            field, value = edit
            fields = _edited(one, field, self.new_address() if value == NEW else value)
            self.act(self.world.vendors.google.edit(one["resourceName"], **fields))

    @rule(pick=PICK, kinds=st.permutations(["home", "work", "mobile"]))
    def shuffle_and_relabel_phones(self, pick: int, kinds: list[str]) -> None:
        if one := self.some(Side.GOOGLE, pick):
            boats = [phone for phone in one.get("phoneNumbers", ()) if phone.get("type") == "boat"]
            phones = [{"value": f"+44 113 496 000{n}", "type": kind} for n, kind in enumerate(kinds[:2])]
            self.act(self.world.vendors.google.edit(one["resourceName"], phoneNumbers=[*phones, *boats]))

    @rule(pick=PICK, numbers=st.booleans())
    def swap_places_in_a_record(self, pick: int, numbers: bool) -> None:  # noqa: FBT001
        """What a label is to a person, the place is to a record: two numbers, or two addresses, change theirs."""
        here, there = ("Phone", "Mobile") if numbers else ("Email", "Secondary_Email")
        # Where a record gives its only address up, a person whom a merge left two of that label keeps the other.
        if (one := self.some(Side.CRM, pick)) and (numbers or (one.get(here) and one.get(there))):
            self.act(self.world.vendors.crm.edit(one["id"], **{here: one.get(there), there: one.get(here)}))

    @rule(pick=PICK, kind=st.sampled_from(["home", "work", "other", "club"]))
    def relabel_an_address(self, pick: int, kind: str) -> None:
        one = self.some(Side.GOOGLE, pick)
        if one and (mails := one.get("emailAddresses")):
            first, *rest = mails
            if kind not in {mail.get("type") for mail in rest}:
                mails = [{"value": first["value"], "type": kind}, *rest]
                self.act(self.world.vendors.google.edit(one["resourceName"], emailAddresses=mails))

    @rule(pick=PICK, title=TITLES, other=TITLES)
    def edit_both_sides_of_a_pair(self, pick: int, title: str | None, other: str | None) -> None:
        link = self.some_pair(pick)
        if link is None or not (person := self.sight.of(Side.GOOGLE, link.google.remote_id)):
            return
        if self.sight.of(Side.CRM, link.crm.remote_id) is None:
            return

        async def edit() -> None:
            await self.world.vendors.crm.edit(str(link.crm.remote_id), Title=title)
            department = (person.get("organizations") or [{}])[0].get("department")
            job = {"type": "work", "title": other, "department": department}
            kept = {name: part for name, part in job.items() if part is not None}
            jobs = [kept] if len(kept) > 1 else None
            await self.world.vendors.google.edit(str(link.google.remote_id), organizations=jobs)

        self.act(edit())

    # --- places ---

    @rule(pick=PICK, into=st.booleans())
    def move_a_record(self, pick: int, into: bool) -> None:  # noqa: FBT001
        """Out of the view, or back into it."""
        if one := self.some(Side.CRM, pick):
            self.act(self.world.vendors.crm.edit(one["id"], Lead_Source=PARTNER if into else OTHERS))

    @rule(pick=PICK, join=st.booleans())
    def move_a_person(self, pick: int, join: bool) -> None:  # noqa: FBT001
        """Out of the group, or back into it."""
        if one := self.some(Side.GOOGLE, pick):
            group = self.world.vendors.google.group
            change = {"add": [group]} if join else {"remove": [group]}
            self.act(self.world.vendors.google.move(one["resourceName"], **change))

    @rule(pick=PICK, star=st.booleans())
    def star_or_touch_a_person(self, pick: int, star: bool) -> None:  # noqa: FBT001
        """Etag and time move, nothing that is mapped does."""
        if one := self.some(Side.GOOGLE, pick):
            book, name = self.world.vendors.google, one["resourceName"]
            self.act(book.move(name, add=["contactGroups/starred"]) if star else book.touch(name))

    # --- deletes, merges, renames ---

    @rule(pick=PICK, many=st.sampled_from([1, 1, 1, 2, 6, 7]), edited=TITLES, soon=st.booleans())
    def delete_records(self, pick: int, many: int, edited: str | None, soon: bool) -> None:  # noqa: FBT001
        """Some records; the counterpart of the first may be edited as well."""
        ids = [one["id"] for n in range(many) if (one := self.some(Side.CRM, pick + n))]
        self._bin(Side.CRM, ids)
        counterpart = next((one.google.remote_id for one in self.sight.pairs() if one.crm.remote_id in ids[:1]), None)

        async def delete() -> None:
            if edited and counterpart in self.sight.contacts[Side.GOOGLE]:
                job = [{"type": "work", "title": edited}]
                await self.world.vendors.google.edit(str(counterpart), organizations=job)
            if ids:
                await self.world.vendors.crm.delete(*dict.fromkeys(ids))

        self.act(delete())
        if soon:
            self.do(self.run())

    @rule(pick=PICK, many=st.sampled_from([1, 1, 1, 2, 6, 7]), edited=TITLES, soon=st.booleans())
    def delete_people(self, pick: int, many: int, edited: str | None, soon: bool) -> None:  # noqa: FBT001
        """Some people; the counterpart of the first may be edited as well."""
        names = [one["resourceName"] for n in range(many) if (one := self.some(Side.GOOGLE, pick + n))]
        self._bin(Side.GOOGLE, names)
        counterpart = next((one.crm.remote_id for one in self.sight.pairs() if one.google.remote_id in names[:1]), None)

        async def delete() -> None:
            if edited and counterpart in self.sight.contacts[Side.CRM]:
                await self.world.vendors.crm.edit(str(counterpart), Title=edited)
            await self.world.vendors.google.delete(*dict.fromkeys(names))

        self.act(delete())
        if soon:
            self.do(self.run())

    @rule(pick=PICK, side=st.sampled_from(Side))
    def delete_many_and_approve(self, pick: int, side: Side) -> None:
        """More than a run deletes without asking; whoever is asked says yes."""
        (self.delete_records if side is Side.CRM else self.delete_people)(pick=pick, many=7, edited=None, soon=True)
        self.approve_the_deletes()

    def _bin(self, side: Side, ids: list[str]) -> None:
        self.binned = [*self.binned, *((side, remote_id, self.world.clock.now()) for remote_id in dict.fromkeys(ids))]

    @rule(pick=PICK)
    def restore_a_contact(self, pick: int) -> None:
        """Out of the recycle bin or the trash."""
        now = self.world.clock.now()
        binned = [one for one in self.binned if now - one[2] < _BIN and one[1] not in self.sight.contacts[one[0]]]
        if not binned:
            return
        side, remote_id, _ = chosen = binned[pick % len(binned)]
        self.binned.remove(chosen)
        book = self.world.vendors.crm if side is Side.CRM else self.world.vendors.google
        self.act(book.restore(remote_id))

    @rule(pick=PICK, other=PICK)
    def merge_two_records(self, pick: int, other: int) -> None:
        kept, gone = self.some(Side.CRM, pick), self.some(Side.CRM, other)
        if kept and gone and kept["id"] != gone["id"]:
            self.act(self.world.vendors.crm.merge(kept["id"], gone["id"]))

    @rule(pick=PICK, other=PICK)
    def merge_two_people(self, pick: int, other: int) -> None:
        kept, gone = self.some(Side.GOOGLE, pick), self.some(Side.GOOGLE, other)
        if kept and gone and kept["resourceName"] != gone["resourceName"]:
            self.act(self.world.vendors.google.merge(kept["resourceName"], gone["resourceName"]))

    @rule(pick=PICK)
    def make_a_record_again_and_merge_the_first_into_it(self, pick: int) -> None:
        """As a colleague who did not look first."""
        one = self.some(Side.CRM, pick)
        if not one or not one.get("Email"):
            return
        names = {name: one.get(name) for name in ("First_Name", "Last_Name", "Email")}
        again = {name: text for name, text in names.items() if text} | {"Lead_Source": PARTNER}

        async def make_and_merge() -> None:
            [survivor] = await self.world.vendors.crm.add([again])
            await self.world.vendors.crm.merge(survivor, one["id"])

        self.act(make_and_merge())

    @rule(pick=PICK, in_group=st.booleans())
    def make_a_person_again_and_merge_the_first_into_it(self, pick: int, in_group: bool) -> None:  # noqa: FBT001
        one = self.some(Side.GOOGLE, pick)
        if not one or not one.get("emailAddresses"):
            return
        names = [{n: one["names"][0].get(n) for n in ("givenName", "familyName") if one["names"][0].get(n)}]
        mails = [{"value": one["emailAddresses"][0]["value"], "type": "work"}]

        async def make_and_merge() -> None:
            body = {"names": names, "emailAddresses": mails}
            [survivor] = await self.world.vendors.google.add([body], in_group=in_group)
            await self.world.vendors.google.merge(survivor, one["resourceName"])

        self.act(make_and_merge())

    @rule(pick=PICK)
    def rename_a_person(self, pick: int) -> None:
        """The provider gives a contact another resource name now and then."""
        one = self.some(Side.GOOGLE, pick)
        if one is None:
            return
        old = one["resourceName"]

        async def rename() -> None:
            new = await self.world.vendors.google.rename(old)
            await self.noted()
            self.history.renamed(old, new)
            await self.noted()

        self.act(rename())

    @staticmethod
    async def _ignore(work: object) -> None:
        await work  # type: ignore[misc]  # what was made is seen


_KINDS = {"Phone": "work", "Mobile": "mobile", "Email": "work", "Secondary_Email": "home"}


def _edited(person: Json, field: str, value: str | None) -> Json:
    """The fields of a person that somebody types anew to change one of them."""
    if field in {"Title", "Department"}:
        job = dict((person.get("organizations") or [{"type": "work"}])[0]) | {field.lower(): value}
        job = {name: part for name, part in job.items() if part is not None and name != "metadata"}
        return {"organizations": [job] if job.keys() & {"title", "department", "name"} else None}
    name, kind = "emailAddresses" if "Email" in field else "phoneNumbers", _KINDS[field]
    others = [entry for entry in person.get(name, ()) if entry.get("type") != kind]
    return {name: [*others, *([{"value": value, "type": kind}] if value else [])]}
