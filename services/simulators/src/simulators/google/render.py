"""Persons and groups as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType

from simulators.clock import isoformat
from simulators.google.addressbook import AddressBook, Group, Owner
from simulators.google.etags import person_etag
from simulators.google.schema import STORED, Json
from simulators.google.visibility import Version

CONTACT_SOURCE = "READ_SOURCE_TYPE_CONTACT"
PROFILE_SOURCE = "READ_SOURCE_TYPE_PROFILE"
_MAX_LISTED = 100
"""E-mail addresses and phone numbers of a person in a listing."""
_NEVER = "1970-01-01T00:00:00Z"


class PersonView:
    """Shows contacts through one field mask."""

    def __init__(
        self,
        mask: tuple[str, ...],
        sources: tuple[str, ...],
        *,
        shuffle: Random | None = None,
        profile: Mapping[str, Sequence[Json]] = MappingProxyType({}),
    ) -> None:
        self._mask = mask
        self._sources = sources
        self._stored = [name for name in mask if name in STORED]
        self._shuffle = shuffle
        self._profile = {name: entries for name, entries in profile.items() if name in mask}

    def person(self, version: Version, *, listed: bool = False, delta: bool = False) -> Json:
        """One contact; in a listing with at most 100 e-mails and phones, in a delta with its former names."""
        shown: Json = {
            "resourceName": version.resource_name,
            "etag": person_etag(self._mask, self._sources, version.etag),
        }
        if version.deleted:
            return shown | self._remains(version, delta=delta)
        if CONTACT_SOURCE not in self._sources:
            return shown
        fields = version.fields
        shown |= {name: fields[name] for name in self._stored if fields.get(name) is not None}
        shown |= {name: _before(entries, shown.get(name, ())) for name, entries in self._profile.items()}
        for name, limit in (("emailAddresses", _MAX_LISTED), ("phoneNumbers", _MAX_LISTED)):
            if listed and len(shown.get(name, ())) > limit:
                shown[name] = shown[name][:limit]
        if "memberships" in self._mask:
            shown["memberships"] = memberships(version)
        if "metadata" in self._mask:
            shown["metadata"] = _metadata(version, delta=delta)
        if "photos" in self._mask:
            shown["photos"] = [_photo(version)]
        return self._shuffled(shown) if self._shuffle else shown

    def _remains(self, version: Version, *, delta: bool) -> Json:
        shown: Json = {}
        if "metadata" in self._mask:
            shown["metadata"] = _metadata(version, delta=delta) | {"deleted": True}
        if "photos" in self._mask:
            shown["photos"] = [_photo(version)]
        return shown

    def _shuffled(self, shown: Json) -> Json:
        for name, entries in shown.items():
            if isinstance(entries, list) and self._shuffle is not None:
                shown[name] = self._shuffle.sample(entries, len(entries))
        return shown


def _before(profile: Sequence[Json], own: Sequence[Json]) -> list[Json]:
    """Entries of the public profile, of which the first is the primary one of all, and the contact's own."""
    source = {"type": "PROFILE", "id": "1"}
    public = [{**one, "metadata": {"primary": not at, "source": source}} for at, one in enumerate(profile)]
    return [*public, *({**one, "metadata": {**one.get("metadata", {}), "primary": False}} for one in own)]


def memberships(version: Version) -> list[Json]:
    """The groups of a contact."""
    metadata = {"source": {"type": "CONTACT", "id": version.source_id}}
    return [
        {
            "contactGroupMembership": {
                "contactGroupId": group,
                "contactGroupResourceName": f"contactGroups/{group}",
            },
            "metadata": metadata,
        }
        for group in version.groups
    ]


def _metadata(version: Version, *, delta: bool) -> Json:
    source = {
        "type": "CONTACT",
        "id": version.source_id,
        "etag": version.etag,
        "updateTime": _NEVER if version.deleted else isoformat(version.update_time),
    }
    metadata: Json = {"sources": [source], "objectType": "PERSON"}
    if delta and version.previous_names:
        metadata["previousResourceNames"] = list(version.previous_names)
    return metadata


def _photo(version: Version) -> Json:
    return {
        "metadata": {"primary": True, "source": {"type": "CONTACT", "id": version.source_id}},
        "url": f"https://lh3.googleusercontent.com/cm/{version.source_id}=s100",
        "default": True,
    }


def profile(owner: Owner, mask: tuple[str, ...]) -> Json:
    """`people/me`: the account's own profile."""
    source = {"type": "PROFILE", "id": owner.sub}
    shown: Json = {"resourceName": f"people/{owner.sub}", "etag": "%EgMBAgM="}
    metadata = {"primary": True, "sourcePrimary": True, "source": source}
    if "names" in mask and (owner.given_name or owner.family_name):
        name = {"givenName": owner.given_name, "familyName": owner.family_name}
        display = " ".join(filter(None, name.values()))
        shown["names"] = [{key: value for key, value in name.items() if value} | {"displayName": display}]
        shown["names"][0]["metadata"] = metadata
    if "emailAddresses" in mask:
        verified = metadata | {"verified": True, "source": {"type": "ACCOUNT", "id": owner.sub}}
        shown["emailAddresses"] = [{"value": owner.email, "metadata": verified}]
    if "metadata" in mask:
        types = {"objectType": "PERSON", "userTypes": ["GOOGLE_USER"]}
        shown["metadata"] = {"sources": [source | {"profileMetadata": types}], "objectType": "PERSON"}
    return shown


def group_json(group: Group, fields: Sequence[str], members: list[str] | None = None) -> Json:
    """A group with the asked fields; `members` are its resource names where they were asked for."""
    shown: Json = {"resourceName": group.resource_name}
    if group.etag:
        shown["etag"] = group.etag
    if group.deleted:
        return shown | {"metadata": {"deleted": True}}
    if "metadata" in fields and group.update_time is not None:
        shown["metadata"] = {"updateTime": isoformat(group.update_time)}
    if "groupType" in fields:
        shown["groupType"] = "SYSTEM_CONTACT_GROUP" if group.system else "USER_CONTACT_GROUP"
    if "name" in fields:
        shown["name"] = group.id if group.system else group.name
        shown["formattedName"] = group.name
    if "memberCount" in fields and group.members:
        shown["memberCount"] = len(group.members)
    if "clientData" in fields and group.client_data:
        shown["clientData"] = group.client_data
    if members:
        shown["memberResourceNames"] = members
    return shown


def group_members(book: AddressBook, group: Group, limit: int) -> list[str]:
    """The resource names of up to `limit` members."""
    names = [book.contacts[number].resource_name for number in group.members]
    return names[:limit]
