"""Contact groups: list, get, batchGet, create, update, delete, members.modify.

Source: People API v1, methods of `contactGroups` and `contactGroups.members`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.google import errors
from simulators.google.addressbook import OPEN_SYSTEM_GROUPS, AddressBook, Group
from simulators.google.errors import ApiError, Code
from simulators.google.reads import next_token, page_size, read_sync_token
from simulators.google.render import group_json, group_members
from simulators.google.request import ApiRequest
from simulators.google.schema import Json
from simulators.google.tokens import Listing
from simulators.google.visibility import Version

if TYPE_CHECKING:
    from simulators.google.simulator import GoogleSimulator

DEFAULT_PAGE = 30
MAX_BATCH_GET = 200
MAX_MODIFIED = 1_000
_FIELDS = frozenset({"clientData", "groupType", "memberCount", "metadata", "name"})
_DEFAULT_FIELDS = "metadata,groupType,memberCount,name"


def _mask(name: str, text: str | None, default: str = _DEFAULT_FIELDS) -> list[str]:
    paths = sorted({path.strip() for path in (text or default).split(",")})
    for path in paths:
        if path not in _FIELDS:
            raise errors.invalid(f'Invalid {name} mask path: "{path}".')
    return paths


def list_groups(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.list: all groups, or those that changed since a sync token; the next token comes always."""
    fields = _mask("groupFields", request.text("groupFields"))
    size = page_size(request, DEFAULT_PAGE, clamp=sim.settings.page_size_over_limit == "clamp")
    fingerprint = f"{','.join(fields)}|{size}"
    number, listing, offset = _listing(sim, book, request, fingerprint)
    answer: Json = {}
    page = listing.items[offset : offset + size]
    if page:
        answer = {"contactGroups": [group_json(group, fields) for group in page], "totalItems": listing.total}
    if offset + size < len(listing.items):
        answer["nextPageToken"] = sim.group_listings.page_token(book.owner.sub, number, offset + size)
    elif listing.next_sync is not None:
        answer["nextSyncToken"] = sim.mint.sync_token("groups", listing.next_sync)
    return answer


def _listing(
    sim: GoogleSimulator, book: AddressBook, request: ApiRequest, fingerprint: str
) -> tuple[int, Listing[Group], int]:
    page_token, sync_text = request.text("pageToken"), request.text("syncToken")
    whole = f"{fingerprint}|{sync_text or ''}"
    if page_token:
        resumed = sim.group_listings.resume(book.owner.sub, page_token)
        if resumed is None or resumed[1].fingerprint != whole:
            raise errors.invalid()
        return resumed
    token = read_sync_token(sim, book, "groups", sync_text, fingerprint) if sync_text else None
    if token is None:
        items = [group for group in book.groups.values() if not group.deleted]
    else:
        items = [group for group in book.groups.values() if group.change > token.sequence]
    next_sync = next_token(sim, book, token, book.changes, fingerprint)
    shown, total = sim.bench.faults.shorten(request.operation, items, book.owner.sub)
    listing = Listing(shown, total, whole, next_sync)
    return sim.group_listings.begin(listing), listing, 0


def _found(book: AddressBook, request: ApiRequest) -> Group:
    group = book.group(f"contactGroups/{request.path['id']}")
    if group is None:
        raise errors.not_found()
    return group


def _own(book: AddressBook, request: ApiRequest) -> Group:
    group = _found(book, request)
    if group.system:
        raise errors.invalid("System contact groups cannot be changed.")
    return group


def _with_members(book: AddressBook, group: Group, fields: list[str], limit: int) -> Json:
    if limit < 0:
        raise errors.invalid("maxMembers must not be negative.")
    return group_json(group, fields, group_members(book, group, limit))


def get_group(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.get, with up to `maxMembers` members."""
    del sim
    fields = _mask("groupFields", request.text("groupFields"))
    return _with_members(book, _found(book, request), fields, request.number("maxMembers"))


def batch_get_groups(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.batchGet: up to 200; a missing one is an item with a status."""
    fields = _mask("groupFields", request.text("groupFields"))
    names = request.texts("resourceNames")
    if not 0 < len(names) <= MAX_BATCH_GET:
        raise errors.invalid(f"Between 1 and {MAX_BATCH_GET} resource names are needed.")
    responses = []
    for name in names:
        group = book.group(name)
        found: Json = {"status": errors.not_found().status_json()}
        if group is not None:
            found = {"contactGroup": _with_members(book, group, fields, request.number("maxMembers"))}
        responses.append(found | {"requestedResourceName": name})
    return {"responses": sim.shuffled(responses)}


def _checked_name(book: AddressBook, body: Json, present: Group | None) -> str:
    name = str((body.get("contactGroup") or {}).get("name") or "").strip()
    if not name:
        raise errors.invalid("contact_group.name is required.")
    other = book.group_named(name)
    if other is not None and other is not present:
        raise ApiError(Code.ALREADY_EXISTS, "Contact group name already exists.")
    return name


def create_group(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.create; a name exists once in an account."""
    del sim
    fields = _mask("readGroupFields", request.body.get("readGroupFields"))
    name = _checked_name(book, request.body, None)
    return group_json(book.create_group(name, request.body["contactGroup"].get("clientData") or []), fields)


def update_group(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.update: name and client data; an etag is compared where one is sent."""
    del sim
    fields = _mask("readGroupFields", request.body.get("readGroupFields"))
    changed = _mask("updateGroupFields", request.body.get("updateGroupFields"), "name")
    if not set(changed) <= {"name", "clientData"}:
        raise errors.invalid("updateGroupFields can hold name and clientData alone.")
    group, body = _own(book, request), request.body.get("contactGroup") or {}
    if body.get("etag") and body["etag"] != group.etag:
        raise errors.etag_stale("contactGroup.etag")
    if "name" in changed:
        group.name = _checked_name(book, request.body, group)
    if "clientData" in changed:
        group.client_data = body.get("clientData") or []
    book.touch_group(group)
    return group_json(group, fields)


def delete_group(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.delete, with its contacts where `deleteContacts` says so."""
    del sim
    book.delete_group(_own(book, request), with_contacts=request.flag("deleteContacts"))
    return {}


def modify_members(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """contactGroups.members.modify: contacts not there, or about to lose their last group, are listed in a 200."""
    del sim
    group = book.usable_group(f"contactGroups/{request.path['id']}")
    if group is None:
        raise errors.not_found()
    add = request.body.get("resourceNamesToAdd") or []
    remove = request.body.get("resourceNamesToRemove") or []
    if not 0 < len(add) + len(remove) <= MAX_MODIFIED:
        raise errors.invalid(f"The request must name between 1 and {MAX_MODIFIED} contacts.")
    if add and group.system and group.id not in OPEN_SYSTEM_GROUPS:
        raise errors.invalid(f"Contacts cannot be added to the system group {group.id}.")
    missing: list[str] = []
    last: list[str] = []
    for name in add:
        version = _member(book, name, missing)
        if version is not None and group.id not in version.groups:
            book.change(version, groups=(*version.groups, group.id))
    for name in remove:
        version = _member(book, name, missing)
        if version is None or group.id not in version.groups:
            continue
        if len(version.groups) == 1:
            last.append(name)
        else:
            book.change(version, groups=[other for other in version.groups if other != group.id])
    answer = {"notFoundResourceNames": missing, "canNotRemoveLastContactGroupResourceNames": last}
    return {key: names for key, names in answer.items() if names}


def _member(book: AddressBook, name: str, missing: list[str]) -> Version | None:
    version = book.find(name)
    if version is None:
        missing.append(name)
    return version
