"""Reading contacts: connections.list with its sync tokens, get, batchGet, searchContacts.

Source: People API v1, methods of `people` and `people.connections`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulators.google import errors
from simulators.google.addressbook import AddressBook
from simulators.google.render import CONTACT_SOURCE, profile
from simulators.google.request import ApiRequest
from simulators.google.schema import Json, read_mask
from simulators.google.tokens import Listing, SyncToken
from simulators.google.visibility import Version

if TYPE_CHECKING:
    from simulators.google.simulator import GoogleSimulator

MAX_PAGE = 1_000
DEFAULT_PAGE = 100
MAX_BATCH_GET = 200
MAX_FOUND = 30

_SORTS: dict[str, tuple[Callable[[Version], Any], bool]] = {
    "LAST_MODIFIED_ASCENDING": (lambda version: version.update_time, False),
    "LAST_MODIFIED_DESCENDING": (lambda version: version.update_time, True),
    "FIRST_NAME_ASCENDING": (lambda version: _name_key(version, "givenName"), False),
    "LAST_NAME_ASCENDING": (lambda version: _name_key(version, "familyName"), False),
}


def _name_key(version: Version, part: str) -> str:
    names = version.fields.get("names")
    return str(names[0].get(part, "")).casefold() if names else ""


def page_size(request: ApiRequest, default: int, *, clamp: bool) -> int:
    """`pageSize` within 1 and 1,000; 0 or none is `default`. Raises ApiError 400."""
    size = request.number("pageSize") or default
    if size > MAX_PAGE and clamp:
        return MAX_PAGE
    if not 0 < size <= MAX_PAGE:
        raise errors.invalid(f"Page size must be between 1 and {MAX_PAGE}.")
    return size


def list_connections(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.connections.list: a page of a full listing or of a delta."""
    if request.path["id"] != "me":
        raise errors.invalid("Resource name must be people/me.")
    mask, sources = read_mask("personFields", request.read_fields()), request.read_sources()
    size = page_size(request, DEFAULT_PAGE, clamp=sim.settings.page_size_over_limit == "clamp")
    order = request.text("sortOrder") or "LAST_MODIFIED_ASCENDING"
    if order not in _SORTS:
        raise errors.bad_payload([("sort_order", f"Invalid value at 'sort_order' (TYPE_ENUM), \"{order}\"")])
    fingerprint = "|".join((",".join(mask), ",".join(sources), str(size), order))
    book.view.catch_up(sim.bench.clock.now())
    number, listing, offset = _listing(sim, book, request, fingerprint)
    shown = sim.view(mask, sources)
    delta = request.text("syncToken") is not None
    page = listing.items[offset : offset + size]
    answer: Json = {}
    if page:
        answer["connections"] = [shown.person(version, listed=True, delta=delta) for version in page]
        answer["totalPeople"] = answer["totalItems"] = listing.total
    if offset + size < len(listing.items):
        answer["nextPageToken"] = sim.listings.page_token(book.owner.sub, number, offset + size)
    elif listing.next_sync is not None:
        answer["nextSyncToken"] = sim.mint.sync_token("people", listing.next_sync)
    return answer


def _listing(
    sim: GoogleSimulator, book: AddressBook, request: ApiRequest, fingerprint: str
) -> tuple[int, Listing[Version], int]:
    """The listing that the request pages through, and where: one under way, or a new one."""
    page_token, sync_text = request.text("pageToken"), request.text("syncToken")
    whole = f"{fingerprint}|{sync_text or ''}|{request.flag('requestSyncToken')}"
    if page_token:
        resumed = sim.listings.resume(book.owner.sub, page_token)
        if resumed is None or resumed[1].fingerprint != whole:
            raise errors.invalid()
        return resumed
    token = read_sync_token(sim, book, "people", sync_text, fingerprint) if sync_text else None
    items = _delta(sim, book, token) if token else _everyone(sim, book, request)
    items, total = sim.bench.faults.shorten(request.operation, items, book.owner.sub)
    next_sync = None
    if request.flag("requestSyncToken"):
        next_sync = next_token(sim, book, token, book.view.sequence, fingerprint)
    listing = Listing(items, total, whole, next_sync)
    return sim.listings.begin(listing), listing, 0


def _everyone(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Sequence[Version]:
    """All visible contacts in the asked order. The first page of a full listing has a quota of its own."""
    sim.quotas.charge(book.owner.sub, {"full_sync_requests": 1}, sim.bench.clock.now(), sim.settings)
    if CONTACT_SOURCE not in request.read_sources():
        return []
    key, newest_first = _SORTS[request.text("sortOrder") or "LAST_MODIFIED_ASCENDING"]
    return sorted(book.view.live(), key=key, reverse=newest_first)


def _delta(sim: GoogleSimulator, book: AddressBook, token: SyncToken) -> Sequence[Version]:
    changed = book.view.since(token.sequence)
    if sim.settings.created_then_deleted == "hide":
        return [
            version
            for version in changed
            if not (version.deleted and book.view.first_seen_after(version.number, token.sequence))
        ]
    return changed


def read_sync_token(sim: GoogleSimulator, book: AddressBook, kind: str, text: str, fingerprint: str) -> SyncToken:
    """The sync token behind `text`. Raises ApiError: malformed, of another listing, or expired."""
    token = sim.mint.read_sync_token(kind, book.owner.sub, text)
    if token is None or token.fingerprint != fingerprint:
        raise errors.invalid()
    lifetime = timedelta(seconds=sim.settings.sync_token_lifetime_s)
    if sim.bench.clock.now() - token.full_sync_at >= lifetime:
        raise errors.sync_token_expired(sim.settings.expired_sync_token)
    return token


def next_token(
    sim: GoogleSimulator, book: AddressBook, old: SyncToken | None, sequence: int, fingerprint: str
) -> SyncToken:
    """The token that follows `old`; its lifetime starts with the full sync, or anew where the setting slides."""
    began = sim.bench.clock.now() if old is None or sim.settings.sync_token_sliding else old.full_sync_at
    return SyncToken(book.owner.sub, sequence, fingerprint, began)


def get_person(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.get: one contact, or the account's own profile."""
    mask, sources = read_mask("personFields", request.read_fields()), request.read_sources()
    if request.path["id"] in {"me", book.owner.sub}:
        return profile(book.owner, mask)
    version = _current(sim, book, f"people/{request.path['id']}")
    if version is None:
        raise errors.not_found()
    return sim.view(mask, sources).person(version)


def batch_get(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.getBatchGet: up to 200 contacts; a missing one is an item with a status inside a 200."""
    mask, sources = read_mask("personFields", request.read_fields()), request.read_sources()
    names = request.texts("resourceNames")
    if not 0 < len(names) <= MAX_BATCH_GET:
        raise errors.invalid(f"Between 1 and {MAX_BATCH_GET} resource names are needed.")
    shown = sim.view(mask, sources)
    responses = []
    for name in names:
        version = _current(sim, book, name)
        found: Json = {"status": errors.not_found().status_json(), "httpStatusCode": 404}
        if name in {"people/me", f"people/{book.owner.sub}"}:
            found = {"person": profile(book.owner, mask), "httpStatusCode": 200}
        elif version is not None:
            found = {"person": shown.person(version), "httpStatusCode": 200}
        responses.append(found | {"requestedResourceName": name})
    return {"responses": sim.shuffled(responses)}


def _current(sim: GoogleSimulator, book: AddressBook, name: str) -> Version | None:
    if not sim.settings.stale_reads:
        return book.find(name)
    book.view.catch_up(sim.bench.clock.now())
    number = book.number_of(name)
    version = None if number is None else book.view.get(number)
    return None if version is None or version.deleted else version


def search_contacts(sim: GoogleSimulator, book: AddressBook, request: ApiRequest) -> Json:
    """people.searchContacts: word prefixes over a snapshot that an empty query renews."""
    mask, sources = read_mask("readMask", request.text("readMask")), request.read_sources()
    query = request.text("query")
    if query is None:
        raise errors.invalid("query is required.")
    size = min(request.number("pageSize") or 10, MAX_FOUND)
    if size < 0:
        raise errors.invalid()
    book.view.catch_up(sim.bench.clock.now())
    if not query.strip():
        book.search_snapshot = book.view.live()
        return {}
    words = query.casefold().split()
    found = [version for version in book.search_snapshot if _matches(version, words)][:size]
    shown = sim.view(mask, sources)
    return {"results": [{"person": shown.person(version)} for version in found]} if found else {}


def _matches(version: Version, words: list[str]) -> bool:
    texts = []
    for name, keys in (
        ("names", ("displayName",)),
        ("nicknames", ("value",)),
        ("emailAddresses", ("value",)),
        ("phoneNumbers", ("value", "canonicalForm")),
        ("organizations", ("name", "title", "department")),
    ):
        texts += [str(entry[key]) for entry in version.fields.get(name, ()) for key in keys if key in entry]
    candidates = " ".join(texts).casefold().split()
    return all(any(candidate.startswith(word) for candidate in candidates) for word in words)
