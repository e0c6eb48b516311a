"""One Google account: contacts, trash, groups, and every way in which they change.

The rules of the API (masks, etags, limits) are in `reads`, `writes` and `groups`; here every change is allowed, gets
its etag, time and running number, and reaches the listings when its delay is over. The control interface changes
contacts through the same methods, as a user would in the web page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from simulators.bench import Bench
from simulators.google.etags import source_etag
from simulators.google.normalise import Fields
from simulators.google.schema import Json
from simulators.google.settings import GoogleSettings
from simulators.google.visibility import Version, View

MY_CONTACTS = "myContacts"
SYSTEM_GROUPS = {
    "myContacts": "My Contacts",
    "starred": "Starred",
    "friends": "Friends",
    "family": "Family",
    "coworkers": "Coworkers",
    "chatBuddies": "Chat contacts",
    "all": "All Contacts",
    "blocked": "Blocked",
}
"""Id and English name. Members can be added to the first two alone."""
OPEN_SYSTEM_GROUPS = frozenset({"myContacts", "starred"})
_SAFE_JSON_NUMBER = 2**62  # keeps the decimal id within 19 digits


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose account it is."""

    sub: str
    email: str
    region: str = "US"
    """ISO 3166-1 country that phone numbers are read for."""
    given_name: str = ""
    family_name: str = ""
    hosted_domain: str | None = None


@dataclass(slots=True)
class Group:
    """A contact group; a system group has neither etag nor time."""

    id: str
    name: str
    system: bool
    etag: str = ""
    update_time: datetime | None = None
    usable_at: datetime | None = None
    """From when on other calls may name it."""
    deleted: bool = False
    change: int = 0
    client_data: list[Json] = field(default_factory=list)
    members: dict[int, None] = field(default_factory=dict)

    @property
    def resource_name(self) -> str:
        """`contactGroups/` and the id."""
        return f"contactGroups/{self.id}"


class AddressBook:
    """The contacts and groups of one account."""

    def __init__(self, owner: Owner, bench: Bench[GoogleSettings]) -> None:
        self.owner = owner
        self._bench = bench
        self.contacts: dict[int, Version] = {}
        self.trash: dict[int, tuple[datetime, Version]] = {}
        self.view = View()
        self.search_snapshot: list[Version] = []
        self._numbers: dict[str, int] = {}
        self._changes = 0
        self.groups: dict[str, Group] = {name: Group(name, title, system=True) for name, title in SYSTEM_GROUPS.items()}

    # Contacts

    def find(self, resource_name: str) -> Version | None:
        """The true state of a contact by its present or a former name; None when there is none or it was deleted."""
        number = self._numbers.get(resource_name)
        return None if number is None else self.contacts.get(number)

    def number_of(self, resource_name: str) -> int | None:
        """The number of a contact, deleted or not, by its present or a former name."""
        return self._numbers.get(resource_name)

    def new_number(self) -> int:
        """A number that no contact of the account has had."""
        while True:
            number = self._bench.rng.randrange(2**58, _SAFE_JSON_NUMBER)
            if number not in self.contacts and number not in self.trash:
                return number

    def create(self, number: int, fields: Fields, groups: Iterable[str], at: datetime | None = None) -> Version:
        """Add a contact under a number from `new_number`; `at` back-dates its update time."""
        name = f"people/c{number}"
        self._numbers[name] = number
        return self._store(Version(number, 0, name, "", at or self._now(), fields, tuple(groups) or (MY_CONTACTS,)))

    def change(self, old: Version, *, fields: Fields | None = None, groups: Iterable[str] | None = None) -> Version:
        """Give a contact other fields or groups; also without either, its etag and time move."""
        return self._store(
            replace(
                old,
                update_time=self._now(),
                fields=old.fields if fields is None else fields,
                groups=old.groups if groups is None else tuple(dict.fromkeys(groups)) or (MY_CONTACTS,),
            )
        )

    def delete(self, old: Version) -> None:
        """Move a contact to the trash."""
        for group in old.groups:
            self.groups[group].members.pop(old.number, None)
        del self.contacts[old.number]
        self.trash[old.number] = (self._now(), old)
        tombstone = replace(
            old,
            change=self._next_change(),
            etag=self._new_etag(),
            update_time=self._now(),
            fields={},
            groups=(),
            deleted=True,
        )
        self._announce(tombstone)

    def restore(self, number: int) -> Version:
        """Take a contact out of the trash, as it was, under its old name. Raises KeyError."""
        self.expire_trash()
        _, old = self.trash.pop(number)
        groups = tuple(group for group in old.groups if group in self.groups and not self.groups[group].deleted)
        self.contacts[number] = old
        return self.change(old, groups=groups)

    def rename(self, old: Version) -> Version:
        """Give a contact another resource name, as when it gets linked with a profile; the old one still finds it."""
        name = f"people/c{self.new_number()}"
        self._numbers[name] = old.number
        former = (*old.previous_names, old.resource_name)
        return self._store(replace(old, resource_name=name, update_time=self._now(), previous_names=former))

    def merge(self, kept: Version, gone: Version) -> Version:
        """Join `gone` into `kept` as the web page does: one changed contact, one deleted."""
        fields = dict(kept.fields)
        for name, entries in gone.fields.items():
            if name in {"names", "biographies", "birthdays", "genders"} and name in fields:
                continue
            present = [_bare(entry) for entry in fields.get(name, [])]
            source = {"source": {"type": "CONTACT", "id": kept.source_id}}
            added = [entry | {"metadata": source} for entry in entries if _bare(entry) not in present]
            fields[name] = [*fields.get(name, []), *added]
        groups = (*kept.groups, *gone.groups)
        self.delete(gone)
        return self.change(kept, fields=fields, groups=groups)

    def room(self) -> int:
        """How many contacts can still be created; those in the trash take their place for thirty days."""
        self.expire_trash()
        return self._bench.settings.max_contacts - len(self.contacts) - len(self.trash)

    def expire_trash(self) -> None:
        """Remove for good what has been in the trash long enough."""
        horizon = self._now() - timedelta(seconds=self._bench.settings.trash_s)
        for number in [number for number, (deleted_at, _) in self.trash.items() if deleted_at <= horizon]:
            del self.trash[number]

    # Groups

    def group(self, resource_name: str) -> Group | None:
        """A group that is there, by resource name."""
        kind, _, group_id = resource_name.partition("/")
        group = self.groups.get(group_id) if kind == "contactGroups" else None
        return None if group is None or group.deleted else group

    def usable_group(self, resource_name: str) -> Group | None:
        """A group that another call may name; a new one only after its delay."""
        group = self.group(resource_name)
        if group is not None and group.usable_at is not None and group.usable_at > self._now():
            return None
        return group

    def group_named(self, name: str) -> Group | None:
        """The user's group of that name, cases aside."""
        wanted = name.casefold()
        return next((g for g in self.groups.values() if not g.deleted and g.name.casefold() == wanted), None)

    def create_group(self, name: str, client_data: list[Json]) -> Group:
        """Add a group of the user."""
        group = Group(f"{self._bench.rng.getrandbits(60):x}", name, system=False, client_data=client_data)
        delay = timedelta(seconds=self._bench.settings.group_visibility_delay_s)
        group.usable_at = self._now() + delay
        self.groups[group.id] = group
        self.touch_group(group)
        return group

    def touch_group(self, group: Group) -> None:
        """Move the etag, time and running number of a user's group."""
        group.change = self._next_change()
        group.etag = self._new_etag().removeprefix("#")
        group.update_time = self._now()

    def delete_group(self, group: Group, *, with_contacts: bool) -> None:
        """Remove a group; its members lose the label or, `with_contacts`, are deleted."""
        for number in list(group.members):
            version = self.contacts[number]
            if with_contacts:
                self.delete(version)
            else:
                self.change(version, groups=[name for name in version.groups if name != group.id])
        group.deleted = True
        group.members.clear()
        self.touch_group(group)

    @property
    def changes(self) -> int:
        """Running number of the last change of contacts or groups."""
        return self._changes

    # Inside

    def _now(self) -> datetime:
        return self._bench.clock.now()

    def _next_change(self) -> int:
        self._changes += 1
        return self._changes

    def _new_etag(self) -> str:
        return source_etag(self._bench.rng.getrandbits(64))

    def _store(self, draft: Version) -> Version:
        version = replace(draft, change=self._next_change(), etag=self._new_etag())
        old = self.contacts.get(version.number)
        for group in old.groups if old else ():
            if group not in version.groups:
                self.groups[group].members.pop(version.number, None)
        for group in version.groups:
            self.groups[group].members[version.number] = None
        self.contacts[version.number] = version
        self._announce(version)
        return version

    def _announce(self, version: Version) -> None:
        settings = self._bench.settings
        delay = settings.visibility_delay_s
        if settings.visibility_jitter_s:
            delay += self._bench.rng.uniform(0, settings.visibility_jitter_s)
        now = self._now()
        self.view.announce(version, now + timedelta(seconds=delay), now)


def _bare(entry: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in entry.items() if key != "metadata"}
