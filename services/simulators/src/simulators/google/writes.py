"""Writing contacts: create, update and delete, one by one and in batches.

A batch is carried out whole or not at all: every contact is checked first, and the errors are listed by index or name.
Source: People API v1, methods of `people`; BatchCreateContactsErrorDetails, BatchUpdateContactsErrorDetails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from simulators.google import errors
from simulators.google.addressbook import MY_CONTACTS, OPEN_SYSTEM_GROUPS, AddressBook
from simulators.google.errors import ApiError
from simulators.google.etags import version_of
from simulators.google.normalise import Fields, check_limits, stored_fields
from simulators.google.render import PersonView
from simulators.google.request import ApiRequest
from simulators.google.schema import READABLE, UPDATABLE, Json, read_mask, update_mask
from simulators.google.visibility import Version

if TYPE_CHECKING:
    from simulators.google.simulator import GoogleSimulator

MAX_BATCH_WRITE = 200
MAX_BATCH_DELETE = 500
_EVERYTHING = tuple(sorted(READABLE))
Item = TypeVar("Item")
_DETAILS = "type.googleapis.com/google.people.v1."


@dataclass(frozen=True, slots=True)
class _Draft:
    """A write that passed every check: the contact's next fields and groups."""

    number: int
    fields: Fields
    groups: tuple[str, ...]
    old: Version | None = None

    def apply(self, book: AddressBook) -> Version:
        if self.old is None:
            return book.create(self.number, self.fields, self.groups)
        return book.change(self.old, fields=self.fields, groups=self.groups)


def create_contact(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.createContact."""
    shown = _view(sim, request, request.read_fields())
    draft = _new(sim, book, request.body)
    if book.room() < 1:
        raise errors.account_full()
    return shown.person(draft.apply(book))


def update_contact(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.updateContact."""
    mask = update_mask("updatePersonFields", request.text("updatePersonFields"))
    shown = _view(sim, request, request.read_fields())
    return shown.person(_changed(sim, book, f"people/{request.path['id']}", request.body, mask).apply(book))


def delete_contact(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.deleteContact."""
    del sim
    version = book.find(f"people/{request.path['id']}")
    if version is None:
        raise errors.not_found()
    book.delete(version)
    return {}


def batch_create(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.batchCreateContacts: up to 200."""
    contacts = _counted(request.body.get("contacts"), MAX_BATCH_WRITE)
    mask = _batch_read_mask(request)
    if len(contacts) > book.room():
        raise errors.account_full()
    checks = {
        str(index): lambda contact=contact: _new(sim, book, contact.get("contactPerson") or {})
        for index, contact in enumerate(contacts)
    }
    results = _carry_out(sim, book, request, checks, "BatchCreateContactsErrorDetails")
    if mask is None:
        return {}
    shown = sim.view(mask, request.read_sources())
    return {"createdPeople": sim.shuffled([_item(shown, result) for result in results.values()])}


def batch_update(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.batchUpdateContacts: up to 200, one mask for all."""
    contacts: Json = request.body.get("contacts") or {}
    _counted(list(contacts), MAX_BATCH_WRITE)
    mask = update_mask("updateMask", request.body.get("updateMask"))
    shown_mask = _batch_read_mask(request)
    checks = {name: lambda n=name, p=person: _changed(sim, book, n, p, mask) for name, person in contacts.items()}
    results = _carry_out(sim, book, request, checks, "BatchUpdateContactsErrorDetails")
    if shown_mask is None:
        return {}
    shown = sim.view(shown_mask, request.read_sources())
    return {"updateResult": {name: _item(shown, result, name) for name, result in results.items()}}


def batch_delete(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.batchDeleteContacts: up to 500; an unknown one refuses the call, or is passed over (setting)."""
    names = _counted(request.body.get("resourceNames"), MAX_BATCH_DELETE)
    found = {name: book.find(name) for name in names}
    if None in found.values() and sim.settings.batch_delete_unknown == "refuse":
        raise errors.not_found()
    doomed = {version.number: version for version in found.values() if version is not None}
    for version in sim.bench.faults.until_cut(request.operation, doomed.values(), book.owner.sub):
        book.delete(version)
    return {}


def _counted(items: Sequence[Item] | None, most: int) -> list[Item]:
    if not items or len(items) > most:
        raise errors.invalid(f"The request must name between 1 and {most} contacts.")
    return list(items)


def _batch_read_mask(request: ApiRequest) -> tuple[str, ...] | None:
    """The read mask; None for an empty one, which asks for no answer."""
    text = request.body.get("readMask")
    return read_mask("readMask", text) if text else None


def _view(sim: GoogleSimulator, request: ApiRequest, text: str | None) -> PersonView:
    mask = read_mask("personFields", text) if text else _EVERYTHING
    return sim.view(mask, request.read_sources())


def _carry_out(
    sim: GoogleSimulator,
    book: AddressBook,
    request: ApiRequest,
    checks: Mapping[str, Callable[[], _Draft]],
    details: str,
) -> dict[str, Version | ApiError]:
    """Check all, then apply all; the outcome of each by its key. Raises ApiError for the whole batch."""
    drafts: dict[str, _Draft] = {}
    failures: dict[str, ApiError] = {}
    for key, check in checks.items():
        try:
            drafts[key] = check()
        except ApiError as error:
            failures[key] = error
    if failures and sim.settings.batch_failures == "whole":
        raise _batch_error(sim, failures, details)
    keys = sim.bench.faults.until_cut(request.operation, checks, book.owner.sub)
    return {key: drafts[key].apply(book) if key in drafts else failures[key] for key in keys}


def _batch_error(sim: GoogleSimulator, failures: Mapping[str, ApiError], details: str) -> ApiError:
    first = next(iter(failures.values()))
    short = sim.settings.contact_error_keys == "contact_id"
    listed = {key.removeprefix("people/") if short else key: error.status_json() for key, error in failures.items()}
    return ApiError(first.code, first.message, [{"@type": _DETAILS + details, "contactErrors": listed}])


def _item(shown: PersonView, result: Version | ApiError, requested: str | None = None) -> Json:
    """A PersonResponse."""
    item: Json = {"requestedResourceName": requested} if requested else {}
    if isinstance(result, ApiError):
        return item | {"httpStatusCode": result.http, "status": result.status_json()}
    item.setdefault("requestedResourceName", result.resource_name)
    return item | {"httpStatusCode": 200, "person": shown.person(result), "status": {}}


def _new(sim: GoogleSimulator, book: AddressBook, person: Mapping[str, object]) -> _Draft:
    number = book.new_number()
    fields = stored_fields(person, UPDATABLE, f"{number:x}", book.owner.region)
    check_limits(fields, sim.settings)
    groups = _groups(book, person, ()) or (MY_CONTACTS,)
    return _Draft(number, fields, groups)


def _changed(
    sim: GoogleSimulator, book: AddressBook, name: str, person: Mapping[str, object], mask: tuple[str, ...]
) -> _Draft:
    old = book.find(name)
    if old is None:
        raise errors.not_found()
    _check_etag(person, old)
    fields = {field: entries for field, entries in old.fields.items() if field not in mask}
    fields |= stored_fields(person, mask, old.source_id, book.owner.region)
    check_limits(fields, sim.settings)
    groups = old.groups
    if "memberships" in mask:
        groups = _groups(book, person, old.groups)
        if not groups:
            raise errors.invalid("A contact must have at least one contact group membership.")
    return _Draft(old.number, fields, groups, old)


def _check_etag(person: Mapping[str, object], old: Version) -> None:
    """Nothing, or ApiError 400: an etag is needed, and each one given must stand for the present version."""
    given: list[tuple[str, object]] = []
    if person.get("etag"):
        given.append(("person.etag", person["etag"]))
    metadata = person.get("metadata")
    sources = (metadata.get("sources") or ()) if isinstance(metadata, dict) else ()
    given += [
        ("person.metadata.sources.etag", source["etag"])
        for source in sources
        if source.get("type") == "CONTACT" and source.get("etag")
    ]
    if not given:
        raise errors.etag_missing()
    for path, etag in given:
        if version_of(str(etag)) != old.etag:
            raise errors.etag_stale(path)


def _groups(book: AddressBook, person: Mapping[str, object], present: Sequence[str]) -> tuple[str, ...]:
    """Ids of the groups in `memberships`. Raises ApiError 404 for an unknown one, 400 for one closed to new members."""
    items = person.get("memberships")
    groups: dict[str, None] = {}
    for item in items if isinstance(items, list) else ():
        name = (item.get("contactGroupMembership") or {}).get("contactGroupResourceName")
        if not name:
            continue
        group = book.usable_group(name)
        if group is None:
            raise errors.not_found()
        if group.system and group.id not in OPEN_SYSTEM_GROUPS and group.id not in present:
            raise errors.invalid(f"Contacts cannot be added to the system group {group.id}.")
        groups[group.id] = None
    return tuple(groups)
