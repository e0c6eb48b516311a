"""Both books as they truly are, the pairs and the ledger, at one instant; and what contacts show in mapped fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from contactsync.domain.contact import Side
from contactsync.domain.ids import EffectId, LinkId
from contactsync.domain.link import Link, PairState, Presence
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.ports.state import Effect
from tests.support.sync_states import MemoryBooks
from tests.support.sync_world import SyncWorld
from tests.support.vendors import Json

Shown = frozenset[str]
"""What a contact shows in one field: a value, or those of a list whose entries may stand anywhere; empty: nothing."""

FIELDS: Final = {
    "title": ("Title",),
    "department": ("Department",),
    "mails": ("Email", "Secondary_Email"),
    "numbers": ("Phone", "Mobile", "Home_Phone"),
}
"""Fields that the machine looks at, with the CRM's fields that must be mapped for it."""
SINGLE_VALUED: Final = ("title", "department")
"""Those of one value, in which two edits contradict each other."""
_DERIVED: Final = frozenset({"metadata", "formattedType", "canonicalForm"})
_OF_CRM_ITSELF: Final = frozenset({"Modified_Time", "Modified_By"})
_MAPPED_JOB: Final = frozenset({"name", "title", "department"})
_MAPPED_PHONES: Final = frozenset({"work", "mobile", "home", "other", "workFax"})


@dataclass(frozen=True, slots=True)
class Sight:
    """What stands where."""

    at: datetime
    contacts: Mapping[Side, Mapping[str, Json]]
    links: Mapping[LinkId, Link]
    effects: Mapping[EffectId, Effect]
    group: str
    workflow_starts: int

    def pairs(self) -> list[Link]:
        """Pairs of which neither side is known to be gone."""
        return [link for link in self.links.values() if all(link.side(s).presence is Presence.PRESENT for s in Side)]

    def living(self) -> list[Link]:
        """Pairs that have not ended."""
        return [link for link in self.links.values() if link.state is not PairState.GONE]

    def of(self, side: Side, remote_id: str | None) -> Json | None:
        """The contact, if it exists."""
        return self.contacts[side].get(remote_id or "")

    def in_view(self, record: Json, accepted: Iterable[str]) -> bool:
        """Whether the view shows a record: its lead source is one of these."""
        return record.get("Lead_Source") in set(accepted)

    def in_group(self, person: Json) -> bool:
        """Whether a person is a member of the group."""
        return self.group in groups_of(person)


async def look(world: SyncWorld, names: Mapping[str, str]) -> Sight:
    """What stands where now; `names`: present names of people by former ones, which pairs and ledger may hold yet."""
    assert isinstance(world.books, MemoryBooks)
    crm = world.vendors.crm
    organisation = await crm.control.call("GET", f"/organisations/{crm.zgid}")
    return Sight(
        at=world.clock.now(),
        contacts={
            Side.CRM: {one["id"]: one for one in await crm.records()},
            Side.GOOGLE: {one["resourceName"]: one for one in await world.vendors.google.people()},
        },
        links={link.link_id: _renamed(link, names) for link in await world.links()},
        effects={
            effect_id: replace(effect, remote_id=names.get(effect.remote_id or "", effect.remote_id))
            for effect_id, effect in world.books.state.tables.effects.items()
        },
        group=world.vendors.google.group,
        workflow_starts=int(organisation["workflow_starts"]),
    )


def _renamed(link: Link, names: Mapping[str, str]) -> Link:
    name = names.get(link.google.remote_id or "")
    return link if name is None else replace(link, google=replace(link.google, remote_id=name))


# --- mapped fields ----------------------------------------------------------------------------------------------------


def shown(contact: Json, side: Side) -> dict[str, Shown]:
    """What a contact shows in each field, in the form in which the two sides are compared."""
    return _of_record(contact) if side is Side.CRM else _of_person(contact)


def _of_record(record: Json) -> dict[str, Shown]:
    return {
        "title": _one(record.get("Title")),
        "department": _one(record.get("Department")),
        "mails": frozenset(addresses(record, Side.CRM)),
        "numbers": frozenset(digits(number) for name in FIELDS["numbers"] if (number := record.get(name))),
    }


def _of_person(person: Json) -> dict[str, Shown]:
    job: Json = (person.get("organizations") or [{}])[0]
    phones = [phone for phone in person.get("phoneNumbers", ()) if phone.get("type") in {"work", "mobile", "home"}]
    return {
        "title": _one(job.get("title")),
        "department": _one(job.get("department")),
        "mails": frozenset(addresses(person, Side.GOOGLE)),
        "numbers": frozenset(digits(phone["value"]) for phone in phones),
    }


def _one(value: str | None) -> Shown:
    return frozenset({value} if value else ())


def digits(number: object) -> str:
    """A number without what people put between the digits."""
    return "".join(character for character in str(number) if character.isdigit())


def addresses(contact: Json, side: Side) -> set[str]:
    """All e-mail addresses of a contact."""
    if side is Side.CRM:
        found = (contact.get("Email"), contact.get("Secondary_Email"))
    else:
        found = tuple(mail["value"] for mail in contact.get("emailAddresses", ()))
    return {address.casefold() for address in found if address}


def primary(contact: Json, side: Side) -> set[str]:
    """The addresses by which a contact is sought."""
    if side is Side.CRM:
        return {contact["Email"].casefold()} if contact.get("Email") else addresses(contact, side)
    work = {m["value"].casefold() for m in contact.get("emailAddresses", ()) if m.get("type", "work") == "work"}
    return work or addresses(contact, side)


def has_several_jobs(contact: Json | None) -> bool:
    """Whether a merge left a person two jobs: one of them is mapped, and which one only the sync's memory tells."""
    return contact is not None and len(contact.get("organizations", ())) > 1


def entries_by_label(person: Json, name: str) -> dict[str, set[str]]:
    """Addresses or numbers of a person, by their labels; an address without one counts as of work."""
    found: dict[str, set[str]] = {}
    if name == "mails":
        for mail in person.get("emailAddresses", ()):
            found.setdefault(mail.get("type", "work"), set()).add(mail["value"].casefold())
    else:
        for phone in person.get("phoneNumbers", ()):
            found.setdefault(phone.get("type", ""), set()).add(digits(phone["value"]))
    return found


def is_mapped(name: str, mapping: FieldMapping) -> bool:
    """Whether all rows of a field are mapped."""
    return all(mapping.by_crm(crm_field) is not None for crm_field in FIELDS[name])


def row_keys(name: str, mapping: FieldMapping) -> set[str]:
    """Keys of a field's rows."""
    return {row.key for crm_field in FIELDS[name] if (row := mapping.by_crm(crm_field)) is not None}


# --- what is not mapped -----------------------------------------------------------------------------------------------


def unmapped(contact: Json, side: Side, mapping: FieldMapping, group: str) -> Json:
    """All that the sync must leave as it is."""
    return _unmapped_of_record(contact, mapping) if side is Side.CRM else _unmapped_of_person(contact, group)


def _unmapped_of_record(record: Json, mapping: FieldMapping) -> Json:
    return {
        name: value for name, value in record.items() if name not in _OF_CRM_ITSELF and mapping.by_crm(name) is None
    }


def _unmapped_of_person(person: Json, group: str) -> Json:
    """Entries of typed lists count by their types, in any order; of a job what is not mapped."""
    skipped = {"etag", "names", "emailAddresses", "memberships", "organizations", "phoneNumbers", "clientData"}
    kept = {name: _bare(value) for name, value in person.items() if name not in skipped | _DERIVED}
    jobs = [{k: v for k, v in _bare(job).items() if k not in _MAPPED_JOB} for job in person.get("organizations", ())]
    return kept | {
        "organizations": [job for job in jobs if job.keys() - {"type"}],
        "groups": sorted(groups_of(person) - {group, "contactGroups/myContacts"}),
        "phoneNumbers": sorted(
            (_bare(phone) for phone in person.get("phoneNumbers", ()) if phone.get("type") not in _MAPPED_PHONES),
            key=lambda phone: str(phone["value"]),
        ),
        "labels": {
            mail["value"].casefold(): mail.get("type")
            for mail in person.get("emailAddresses", ())
            if mail.get("type") not in {None, "work", "home"}
        },
        "clientData": [_bare(entry) for entry in person.get("clientData", ()) if entry["key"] != "contactsync"],
    }


def _bare(value: object) -> Json:
    """A value without what the provider derives from it."""
    if isinstance(value, dict):
        return {name: _bare(part) for name, part in value.items() if name not in _DERIVED}
    if isinstance(value, list):
        return [_bare(part) for part in value]  # type: ignore[return-value]  # JSON of any shape
    return value  # type: ignore[return-value]


def groups_of(person: Json) -> set[str]:
    """Groups that a person is a member of."""
    return {entry["contactGroupMembership"]["contactGroupResourceName"] for entry in person.get("memberships", ())}


def markers_of(person: Json) -> list[str]:
    """The sync's marks on a person."""
    return [entry["value"] for entry in person.get("clientData", ()) if entry["key"] == "contactsync"]
