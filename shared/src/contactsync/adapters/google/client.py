"""The contacts of one Google account, as the engine sees them (`PeopleDirectory`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from contactsync.adapters.google import protocol
from contactsync.adapters.google.bases import Bindings
from contactsync.adapters.google.batches import BatchRefusedError, BatchSender, Outcomes, not_sent, refused
from contactsync.adapters.google.binding import Known
from contactsync.adapters.google.codec import Person, PersonCodec
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.google.failures import NOT_FOUND, Failure, ItemStatus, error_of, is_expired_sync_token
from contactsync.adapters.google.protocol import Request
from contactsync.adapters.google.reading import (
    PersonReader,
    Reading,
    people_of,
    previous_names,
    server_time,
    understood,
)
from contactsync.adapters.google.updates import PatchedPerson, known_values, masked_batches, patched
from contactsync.adapters.http import Answer, AuthorizedHttp
from contactsync.domain.contact import Observation
from contactsync.domain.ids import GroupId, LinkId, PersonId
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.errors import (
    AccountFullError,
    ContactSyncError,
    MappingError,
    OutcomeUnknownError,
    PageTokenExpiredError,
    ProviderUnavailableError,
    ScopeGoneError,
    SyncTokenExpiredError,
)
from contactsync.ports.directory import (
    CreateRequest,
    PeoplePage,
    PersonSnapshot,
    PersonUpdate,
    Refused,
    WriteOutcome,
    Written,
)

_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_NEW_GROUP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _New:
    """A contact to be made, encoded."""

    request: CreateRequest
    person: Mapping[str, Any]

    @property
    def link_id(self) -> LinkId:
        return self.request.link_id


@dataclass(frozen=True, slots=True)
class _Named:
    """A contact to be deleted."""

    link_id: LinkId
    person_id: PersonId


class GooglePeople:
    """`PeopleDirectory` over HTTP, for one configuration: its group and its mapping.

    `region` (ISO 3166 alpha-2) helps to compare phone numbers written without a country. Without `bindings` a choice
    among several entries of a type is always made anew, by what the person shows alone.
    """

    def __init__(
        self,
        http: AuthorizedHttp,
        endpoints: GoogleEndpoints,
        *,
        group: GroupId,
        mapping: FieldMapping,
        region: str = "",
        bindings: Bindings | None = None,
    ) -> None:
        self._http = http
        self._endpoints = endpoints
        self._group = group
        self._mapping = mapping
        self._region = region
        self._bindings = bindings
        self._codec = PersonCodec(mapping, region)
        self._reader = PersonReader(self._codec, group)
        self._mask = protocol.list_mask(self._codec.fields)

    @property
    def fingerprint(self) -> str:
        """What a sync token is bound to: with another fingerprint it must not be used."""
        return f"v1;{protocol.LIST_PAGE_SIZE};{self._mask}"

    # --- reading ----------------------------------------------------------------------------------------------------

    async def list_page(self, sync_token: str | None, page: str | None) -> PeoplePage:
        """See `PeopleDirectory.list_page`."""
        answer = await self._send(protocol.list_people(self._mask, sync_token, page))
        if not answer.is_success:
            raise _listing_error(answer, sync_token, page)
        seen_at = server_time(answer)
        with understood(answer):
            body = people_of(answer)
            people = await self._whole(body.get("connections", ()))
            seen = [self._reader.listed(person, seen_at) for person in people]
        known = await self._known(
            {p["resourceName"]: p for p, reading in zip(people, seen, strict=True) if _has_choice(reading)}
        )
        if known:
            seen = [self._again(person, reading, known, seen_at) for person, reading in zip(people, seen, strict=True)]
        observations = [reading.observation for reading in seen if reading is not None]
        return PeoplePage(observations, body.get("nextPageToken"), body.get("nextSyncToken"), body.get("totalItems"))

    async def _whole(self, people: Sequence[Person]) -> Sequence[Person]:
        """The people of a page, those of whom it may not show everything read again by name."""
        cut = [PersonId(person["resourceName"]) for person in people if protocol.is_perhaps_cut(person)]
        if not cut:
            return people
        found: dict[PersonId, Person] = {}
        for start in range(0, len(cut), protocol.READ_BATCH):
            _, several = await self._fetch(cut[start : start + protocol.READ_BATCH])
            found |= several
        # Who is gone by now is shown so by the next listing.
        return [found.get(person["resourceName"], person) for person in people]

    def _again(
        self, person: Person, reading: Reading | None, known: Mapping[PersonId, Known], seen_at: datetime
    ) -> Reading | None:
        """The reading with the person's base at hand, where there is one."""
        base = known.get(person["resourceName"])
        return reading if base is None else self._reader.listed(person, seen_at, base)

    async def read(self, ids: Sequence[PersonId]) -> Sequence[PersonSnapshot]:
        """See `PeopleDirectory.read`."""
        names = list(dict.fromkeys(ids))
        snapshots: list[PersonSnapshot] = []
        for start in range(0, len(names), protocol.READ_BATCH):
            snapshots += await self._read_batch(names[start : start + protocol.READ_BATCH])
        return snapshots

    async def _fetch(self, names: Sequence[PersonId]) -> tuple[Answer, dict[PersonId, Person]]:
        """Those of up to 200 people who are there, by the name that was asked for, and the answer that shows them."""
        answer = await self._send(protocol.read_people(names))
        if not answer.is_success:
            raise error_of(answer)
        with understood(answer):
            found = {item["requestedResourceName"]: item for item in answer.json_object().get("responses", ())}
            if not found.keys() >= set(names):
                raise answer.unreadable("somebody who was asked for is not answered for")
            return answer, {name: found[name]["person"] for name in names if _is_there(found[name])}

    async def _read_batch(self, names: Sequence[PersonId]) -> list[PersonSnapshot]:
        answer, people = await self._fetch(names)
        with understood(answer):
            seen = {name: self._reader.read(person) for name, person in people.items()}
        known = await self._known({name: people[name] for name, reading in seen.items() if _has_choice(reading)})
        snapshots: list[PersonSnapshot] = []
        for name, person in people.items():
            base = known.get(name)
            reading = seen[name] if base is None else self._reader.read(person, base)
            if reading is not None:
                snapshots.append(PersonSnapshot(_renamed(reading.observation, name), person))
        return snapshots

    async def _known(self, people: Mapping[PersonId, Person]) -> Mapping[PersonId, Known]:
        """The bases of people whose entries leave a choice, by the names given; of none without somebody to ask.

        A pair has the former name of a person who was renamed until a listing that tells of it is noted.
        """
        names = {
            asked: tuple(map(PersonId, (asked, p["resourceName"], *previous_names(p)))) for asked, p in people.items()
        }
        if self._bindings is None or not names:
            return {}
        known = await self._bindings.known(list(dict.fromkeys(one for some in names.values() for one in some)))
        first = {asked: next((known[one] for one in some if one in known), None) for asked, some in names.items()}
        return {asked: base for asked, base in first.items() if base is not None}

    async def members(self, group: GroupId, *, above: int) -> Sequence[PersonId]:
        """See `PeopleDirectory.members`."""
        answer, found = await self._show_group(protocol.get_group(group))
        with understood(answer):
            count = int(found.get("memberCount", 0))
        if count <= above:
            return []
        answer, found = await self._show_group(protocol.get_group(group, members=count))
        with understood(answer):
            return [PersonId(str(name)) for name in found.get("memberResourceNames", ())]

    async def group_exists(self, group: GroupId) -> bool:
        """See `PeopleDirectory.group_exists`."""
        answer, found = await self._show_group(protocol.get_group(group))
        with understood(answer):
            return bool(found) and not found.get("metadata", {}).get("deleted", False)

    async def _show_group(self, request: Request) -> tuple[Answer, Mapping[str, Any]]:
        """The group as Google shows it, empty where there is none, and the answer that says so."""
        answer = await self._send(request)
        if answer.status == _NOT_FOUND:
            return answer, {}
        if not answer.is_success:
            raise error_of(answer)
        with understood(answer):
            return answer, answer.json_object()

    # --- creating ---------------------------------------------------------------------------------------------------

    async def create(self, requests: Sequence[CreateRequest]) -> Sequence[WriteOutcome]:
        """See `PeopleDirectory.create`."""
        _check_size(requests, protocol.WRITE_BATCH)
        outcomes: Outcomes = {}
        ready: list[_New] = []
        for request in requests:
            try:
                ready.append(_New(request, self._new_person(request)))
            except MappingError as error:
                outcomes[request.link_id] = Refused(request.link_id, error)
        outcomes |= await BatchSender(self._create_batch, repeatable=False).outcomes([ready])
        return [outcomes[request.link_id] for request in requests]

    def _new_person(self, request: CreateRequest) -> dict[str, Any]:
        return {
            **self._codec.person_of(request.values),
            "memberships": protocol.memberships_of(self._group),
            "clientData": [{"key": protocol.MARKER_KEY, "value": str(request.link_id)}],
        }

    async def _create_batch(self, items: Sequence[_New]) -> Outcomes:
        answer = await self._send(protocol.create_people([item.person for item in items], self._mask))
        if not answer.is_success:
            failure = Failure.of(answer)
            if any(status.is_gone for status in (failure.item, *failure.named().values())):
                raise await self._group_trouble()  # the group is all that a create names
            raise _batch_refusal(answer, {str(place): item.link_id for place, item in enumerate(items)})
        with understood(answer):
            shown = answer.json_object().get("createdPeople", [])
            failed = [status for item in shown if (status := _failed(item))]
            made = [self._made(item["person"], answer) for item in shown if not _failed(item)]
        if not made and any(status.is_gone for status in failed):
            raise await self._group_trouble()
        if not made and any(status.is_overflow for status in failed):
            raise AccountFullError("the Google account holds as many contacts as it may")
        outcomes: Outcomes = {written.link_id: written for written in made}
        missing = [item.link_id for item in items if item.link_id not in outcomes]
        if len(missing) != len(failed) or any(status.is_unclear for status in failed):
            # Somebody may have been made of whom the answer does not speak, or not clearly.
            raise OutcomeUnknownError("an answer to creates without all of them", details={"missing": len(missing)})
        return outcomes | {link_id: refused(link_id, status) for link_id, status in zip(missing, failed, strict=True)}

    def _made(self, person: Mapping[str, Any], answer: Answer) -> Written:
        """A contact that a create made; its marker says for which link, since the order of the answer does not."""
        reading = self._reader.read(person)
        if reading is None or reading.observation.marker is None:
            raise answer.unreadable("a new contact without its marker")
        return _written(LinkId(UUID(reading.observation.marker)), reading.observation)

    # --- updating ---------------------------------------------------------------------------------------------------

    async def update(self, requests: Sequence[PersonUpdate]) -> Sequence[WriteOutcome]:
        """See `PeopleDirectory.update`."""
        _check_size(requests, protocol.WRITE_BATCH)
        outcomes: Outcomes = {}
        ready: list[PatchedPerson] = []
        for request in requests:
            try:
                person = patched(self._codec, self._mapping, self._region, request)
            except MappingError as error:
                outcomes[request.link_id] = Refused(request.link_id, error)
                continue
            if person.patch.fields:
                ready.append(person)
            else:
                outcomes[request.link_id] = _nothing_to_write(person)
        batches = [batch.people for batch in masked_batches(ready)]
        outcomes |= await BatchSender(self._update_batch, repeatable=True).outcomes(batches)
        return [outcomes[request.link_id] for request in requests]

    async def _update_batch(self, items: Sequence[PatchedPerson]) -> Outcomes:
        mask = {name for item in items for name in item.patch.fields}
        bodies = {item.resource_name: item.body(mask) for item in items}
        answer = await self._send(protocol.update_people(bodies, mask, self._mask))
        if not answer.is_success:
            raise _batch_refusal(answer, {item.resource_name: item.link_id for item in items})
        with understood(answer):
            shown = answer.json_object().get("updateResult")
            return {item.link_id: self._updated(item, shown, answer) for item in items}

    def _updated(self, item: PatchedPerson, shown: Mapping[str, Any] | None, answer: Answer) -> WriteOutcome:
        if shown is None:
            # `{}` is a success that shows nothing: the next listing brings the new etag, with what was sent.
            name, at = item.resource_name, server_time(answer)
            return Written(item.link_id, name, "", at, left_out=item.patch.left_out)
        result = shown.get(item.resource_name)
        if result is None:
            return not_sent(item.link_id)
        if status := _failed(result):
            return refused(item.link_id, status)
        known = None if self._bindings is None else self._known_after(item)
        reading = self._reader.read(result["person"], known)
        if reading is None:
            raise answer.unreadable("an updated contact that is none")
        return _written(item.link_id, reading.observation, item.patch.left_out)

    def _known_after(self, item: PatchedPerson) -> Known:
        """What the rows were bound to by the update: the next listing is asked with the base that it becomes."""
        before, changes = item.request.snapshot.observation.values, item.request.changes
        after = {key: text for key, text in {**before, **changes}.items() if text}
        return known_values(self._mapping, self._region, after)

    # --- deleting and joining ---------------------------------------------------------------------------------------

    async def delete(self, requests: Sequence[tuple[LinkId, PersonId]]) -> Sequence[WriteOutcome]:
        """See `PeopleDirectory.delete`."""
        _check_size(requests, protocol.DELETE_BATCH)
        items = [_Named(link_id, person_id) for link_id, person_id in requests]
        outcomes = await BatchSender(self._delete_batch, repeatable=True).outcomes([items])
        return [outcomes[link_id] for link_id, _ in requests]

    async def _delete_batch(self, items: Sequence[_Named]) -> Outcomes:
        answer = await self._send(protocol.delete_people([item.person_id for item in items]))
        at = server_time(answer)
        if answer.is_success:
            return {item.link_id: _done(item, at) for item in items}
        if answer.status != _NOT_FOUND:
            raise _batch_refusal(answer, {})
        by_link = {item.link_id: item for item in items}
        raise BatchRefusedError(
            {item.link_id: _done(item, at) for item in await self._gone(items)},
            lambda link_id: _done(by_link[link_id], at),
        )

    async def _gone(self, items: Sequence[_Named]) -> list[_Named]:
        """Those of several who are not there, by one reading: it costs a tenth of one more try to delete."""
        if len(items) == 1:
            return []
        snapshots = await self.read([item.person_id for item in items])
        there = {name for s in snapshots for name in (s.observation.remote_id, *s.observation.previous_ids)}
        return [item for item in items if item.person_id not in there]

    async def join_group(self, requests: Sequence[tuple[LinkId, PersonId]]) -> Sequence[WriteOutcome]:
        """See `PeopleDirectory.join_group`."""
        items = [_Named(link_id, person_id) for link_id, person_id in requests]
        parts = [items[i : i + protocol.MEMBERS_BATCH] for i in range(0, len(items), protocol.MEMBERS_BATCH)]
        outcomes = await BatchSender(self._join_batch, repeatable=True).outcomes(parts)
        return [outcomes[link_id] for link_id, _ in requests]

    async def _join_batch(self, items: Sequence[_Named]) -> Outcomes:
        answer = await self._send(protocol.join_group(self._group, [item.person_id for item in items]))
        if answer.status == _NOT_FOUND:
            raise await self._group_trouble()
        if not answer.is_success:
            raise _batch_refusal(answer, {})
        with understood(answer):
            lost = set(answer.json_object().get("notFoundResourceNames", ()))
        at, gone = server_time(answer), ItemStatus(NOT_FOUND, "")
        return {
            item.link_id: refused(item.link_id, gone) if item.person_id in lost else _done(item, at) for item in items
        }

    # --- sending ----------------------------------------------------------------------------------------------------

    async def _group_trouble(self) -> ContactSyncError:
        """What it means that a write naming the group was answered with "not found"."""
        if await self.group_exists(self._group):
            # A new group takes a moment until it can be named.
            return ProviderUnavailableError("the group cannot be named yet", retry_after_s=_NEW_GROUP_S)
        return ScopeGoneError("the contact group is gone", reason="group_gone")

    async def _send(self, request: Request) -> Answer:
        return await self._http.send(request.call, lambda _: request.outbound(self._endpoints.people_url))


def _listing_error(answer: Answer, sync_token: str | None, page: str | None) -> ContactSyncError:
    """Google words a token that it does not know like any other bad argument: what was sent tells them apart."""
    failure = Failure.of(answer)
    if is_expired_sync_token(failure):
        return SyncTokenExpiredError("Google does not know the sync token any more")
    if answer.status == _BAD_REQUEST and not failure.is_about_mask:
        if page is not None:
            return PageTokenExpiredError("Google does not know the page token any more")
        if sync_token is not None:
            return SyncTokenExpiredError("Google does not take the sync token")
    return error_of(answer)


def _batch_refusal(answer: Answer, links: Mapping[str, LinkId]) -> Exception:
    """The refusal of a batch: that of some of its contacts where they are at fault, else an error of the whole call.

    `links` gives the pair for each name under which the refusal may speak of a contact.
    """
    failure = Failure.of(answer)
    error = error_of(answer)
    named = failure.named()
    if not failure.blames_contacts or failure.is_about_mask or isinstance(error, AccountFullError):
        return error
    if any(status.is_overflow for status in named.values()):
        return AccountFullError("the Google account holds as many contacts as it may")
    found = {links.get(key) or links.get(f"people/{key}"): status for key, status in named.items()}
    settled: Outcomes = {link_id: refused(link_id, status) for link_id, status in found.items() if link_id is not None}
    return BatchRefusedError(settled, lambda link_id: refused(link_id, failure.item))


def _has_choice(reading: Reading | None) -> bool:
    return reading is not None and reading.doubtful


def _failed(item: Mapping[str, Any]) -> ItemStatus | None:
    """The status of an item that was not carried out; None for one that was."""
    status = ItemStatus.of(item.get("status"))
    return status if status.code else None


def _is_there(item: Mapping[str, Any]) -> bool:
    """Whether a reading found the person. Raises ProviderUnavailableError when it could not tell."""
    status = _failed(item)
    if status is not None and not status.is_gone:
        raise ProviderUnavailableError("a person could not be read", details={"code": status.code})
    return status is None and "person" in item


def _written(link_id: LinkId, observation: Observation, left_out: Mapping[str, str] | None = None) -> Written:
    return Written(
        link_id, observation.remote_id, observation.revision, observation.modified_at, observation, left_out or {}
    )


def _nothing_to_write(person: PatchedPerson) -> Written:
    written = _written(person.link_id, person.request.snapshot.observation, person.patch.left_out)
    return replace(written, sent=False)


def _done(item: _Named, at: datetime) -> Written:
    return Written(item.link_id, item.person_id, "", at)


def _renamed(observation: Observation, asked: PersonId) -> Observation:
    """The observation with the name that was asked for among its former ones, where it bears another now."""
    if observation.remote_id == asked or asked in observation.previous_ids:
        return observation
    return replace(observation, previous_ids=(*observation.previous_ids, asked))


def _check_size(requests: Sequence[object], limit: int) -> None:
    if len(requests) > limit:
        raise ValueError(f"{len(requests)} contacts in a batch of at most {limit}")
