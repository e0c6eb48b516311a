"""People as the API shows them, as observations; and what each kind of answer must hold.

The shapes below are the API's promise. Where they do not hold the whole answer is refused with ProviderContractError:
a person that cannot be read would otherwise look like one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contactsync.adapters.google.binding import Known
from contactsync.adapters.google.codec import Person, PersonCodec, identity_of
from contactsync.adapters.google.protocol import ALL_CONTACTS, MARKER_KEY, contact_source
from contactsync.adapters.http import Answer
from contactsync.domain.contact import EMPTY_IDENTITY, Observation
from contactsync.domain.ids import GroupId


class Reading(NamedTuple):
    """A person read. `doubtful`: with the base at hand, values could come from other entries."""

    observation: Observation
    doubtful: bool


@contextmanager
def understood(answer: Answer) -> Iterator[None]:
    """Turn a shape that the API does not promise into the error for an unreadable answer."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise answer.unreadable(f"unexpected shape ({type(error).__name__})") from error


class PersonReader:
    """Turns people into observations for one mapping and one group."""

    def __init__(self, codec: PersonCodec, group: GroupId) -> None:
        self._codec = codec
        self._group = group

    def listed(self, person: Person, seen_at: datetime, known: Known | None = None) -> Reading | None:
        """A person of a listing; of people outside the group identity alone. None for one who is no contact."""
        if person["metadata"].get("deleted"):
            return Reading(_tombstone(person, seen_at), doubtful=False)
        return self._reading(person, values_of_all=False, known=known)

    def read(self, person: Person, known: Known | None = None) -> Reading | None:
        """A person asked for by name, with values whether in the group or not. None for one who is no contact."""
        if person["metadata"].get("deleted"):
            return None
        return self._reading(person, values_of_all=True, known=known)

    def in_group(self, person: Person) -> bool:
        """Whether `person` is a member of the configuration's group."""
        if self._group == ALL_CONTACTS:
            return True
        group = self._group
        for membership in person.get("memberships", ()):
            of_group = membership.get("contactGroupMembership")
            if of_group and of_group.get("contactGroupResourceName") == group:
                return True
        return False

    def _reading(self, person: Person, *, values_of_all: bool, known: Known | None) -> Reading | None:
        source = contact_source(person)
        if source is None:
            return None
        in_scope = self.in_group(person)
        values, doubtful = self._codec.values(person, known) if in_scope or values_of_all else ({}, False)
        observation = Observation(
            remote_id=person["resourceName"],
            revision=source["etag"],
            modified_at=datetime.fromisoformat(source["updateTime"]),
            values=values,
            identity=identity_of(person),
            in_scope=in_scope,
            marker=_marker(person),
            previous_ids=previous_names(person),
        )
        return Reading(observation, doubtful)


def _tombstone(person: Person, seen_at: datetime) -> Observation:
    # Its own time is 1970; when it was deleted is not said, only when we saw it.
    return Observation(
        remote_id=person["resourceName"],
        revision=(contact_source(person) or {}).get("etag", ""),
        modified_at=seen_at,
        identity=EMPTY_IDENTITY,
        deleted=True,
        previous_ids=previous_names(person),
    )


def previous_names(person: Person) -> tuple[str, ...]:
    """Resource names that a person had before."""
    names = person["metadata"].get("previousResourceNames")
    return tuple(names) if names else ()


def _marker(person: Person) -> str | None:
    """Our link id; after a merge by the user there may be several, of which the least is taken."""
    data = person.get("clientData")
    if not data:
        return None
    return min((item["value"] for item in data if item.get("key") == MARKER_KEY and item.get("value")), default=None)


def people_of(answer: Answer) -> Mapping[str, Any]:
    """The body of a listing's page, checked for what makes it one: people, and a way on or a sync token."""
    body = answer.json_object()
    if not isinstance(body.get("connections", []), list):
        raise answer.unreadable("connections is no list")
    if not body.get("nextPageToken") and not body.get("nextSyncToken"):
        # Each page has one or the other, since a sync token is always asked for: without, the listing is not complete.
        raise answer.unreadable("neither a next page nor a sync token")
    return body


def server_time(answer: Answer) -> datetime:
    """The provider's clock when it answered, ours where it does not say."""
    return answer.server_time or answer.received_at.astimezone(UTC)
