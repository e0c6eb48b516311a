"""The Person message: its fields and their types, the field masks, and the check of a request body against them.

Names and types: People API v1, schema Person and its parts. `fileAses` and the retired fields may be sent but are
neither readable nor writable through any mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.google import errors

Json = dict[str, Any]
Spec = Any
"""What a JSON value must be: a type, a tuple of enum values, `[Spec]` for a list, `{name: Spec}` for a message."""

_DATE: Spec = {"year": int, "month": int, "day": int}
_SOURCE_TYPES = (
    "SOURCE_TYPE_UNSPECIFIED",
    "ACCOUNT",
    "PROFILE",
    "DOMAIN_PROFILE",
    "CONTACT",
    "OTHER_CONTACT",
    "DOMAIN_CONTACT",
)
_SOURCE: Spec = {
    "type": _SOURCE_TYPES,
    "id": str,
    "etag": str,
    "updateTime": str,
    "profileMetadata": {"objectType": str, "userTypes": [str]},
}
_FIELD_METADATA: Spec = {"primary": bool, "sourcePrimary": bool, "verified": bool, "source": _SOURCE}
_KEYWORDS = (
    "TYPE_UNSPECIFIED",
    "OUTLOOK_BILLING_INFORMATION",
    "OUTLOOK_DIRECTORY_SERVER",
    "OUTLOOK_KEYWORD",
    "OUTLOOK_MILEAGE",
    "OUTLOOK_PRIORITY",
    "OUTLOOK_SENSITIVITY",
    "OUTLOOK_SUBJECT",
    "OUTLOOK_USER",
    "HOME",
    "WORK",
    "OTHER",
)
_NICKNAMES = ("DEFAULT", "MAIDEN_NAME", "INITIALS", "GPLUS", "OTHER_NAME", "ALTERNATE_NAME", "SHORT_NAME")
_CONTENT_TYPES = ("CONTENT_TYPE_UNSPECIFIED", "TEXT_PLAIN", "TEXT_HTML")

SINGLETONS = frozenset({"names", "biographies", "birthdays", "genders"})
"""Fields of which a contact holds one entry at most."""

READABLE = frozenset(
    [
        "addresses",
        "ageRanges",
        "biographies",
        "birthdays",
        "calendarUrls",
        "clientData",
        "coverPhotos",
        "emailAddresses",
        "events",
        "externalIds",
        "genders",
        "imClients",
        "interests",
        "locales",
        "locations",
        "memberships",
        "metadata",
        "miscKeywords",
        "names",
        "nicknames",
        "occupations",
        "organizations",
        "phoneNumbers",
        "photos",
        "relations",
        "sipAddresses",
        "skills",
        "urls",
        "userDefined",
    ]
)
"""Paths of personFields and readMask."""

UPDATABLE = READABLE - {"ageRanges", "coverPhotos", "metadata", "photos", "skills"}
"""Paths of updatePersonFields and updateMask."""

STORED = UPDATABLE - {"memberships"}
"""Fields whose entries are kept as they were written; memberships are kept as groups."""

READ_SOURCES = (
    "READ_SOURCE_TYPE_UNSPECIFIED",
    "READ_SOURCE_TYPE_PROFILE",
    "READ_SOURCE_TYPE_CONTACT",
    "READ_SOURCE_TYPE_DOMAIN_CONTACT",
    "READ_SOURCE_TYPE_OTHER_CONTACT",
)


def _message(texts: str, **others: Spec) -> Spec:
    return dict.fromkeys(texts.split(), str) | others | {"metadata": _FIELD_METADATA}


_VALUE = _message("value")
_URL = _message("value type formattedType")

ITEMS: dict[str, Spec] = {
    "addresses": _message(
        "streetAddress extendedAddress poBox city region postalCode country countryCode formattedValue type"
        " formattedType"
    ),
    "biographies": _message("value", contentType=_CONTENT_TYPES),
    "birthdays": _message("text", date=_DATE),
    "calendarUrls": _message("url type formattedType"),
    "clientData": _message("key value"),
    "emailAddresses": _message("value type formattedType displayName"),
    "events": _message("type formattedType", date=_DATE),
    "externalIds": _URL,
    "genders": _message("value formattedValue addressMeAs"),
    "imClients": _message("username protocol formattedProtocol type formattedType"),
    "interests": _VALUE,
    "locales": _VALUE,
    "locations": _message("value type buildingId floor floorSection deskCode", current=bool),
    "memberships": _message(
        "",
        contactGroupMembership={"contactGroupId": str, "contactGroupResourceName": str},
        domainMembership={"inViewerDomain": bool},
    ),
    "miscKeywords": _message("value formattedType", type=_KEYWORDS),
    "names": _message(
        "displayName displayNameLastFirst unstructuredName givenName middleName familyName honorificPrefix"
        " honorificSuffix phoneticFullName phoneticGivenName phoneticMiddleName phoneticFamilyName"
        " phoneticHonorificPrefix phoneticHonorificSuffix"
    ),
    "nicknames": _message("value", type=_NICKNAMES),
    "occupations": _VALUE,
    "organizations": _message(
        "name phoneticName title department jobDescription location symbol domain costCenter type formattedType",
        current=bool,
        startDate=_DATE,
        endDate=_DATE,
        fullTimeEquivalentMillipercent=int,
    ),
    "phoneNumbers": _message("value canonicalForm type formattedType"),
    "relations": _message("person type formattedType"),
    "sipAddresses": _URL,
    "urls": _URL,
    "userDefined": _message("key value"),
}
"""Entry of each field that can be written."""

_IGNORED: dict[str, Spec] = {
    "ageRange": str,
    "ageRanges": [_message("ageRange")],
    "braggingRights": [_VALUE],
    "coverPhotos": [_message("url", default=bool)],
    "fileAses": [_VALUE],
    "photos": [_message("url", default=bool)],
    "relationshipInterests": [_message("value formattedValue")],
    "relationshipStatuses": [_message("value formattedValue")],
    "residences": [_message("value", current=bool)],
    "skills": [_VALUE],
    "taglines": [_VALUE],
}

PERSON: Spec = {
    "resourceName": str,
    "etag": str,
    "metadata": {
        "sources": [_SOURCE],
        "previousResourceNames": [str],
        "linkedPeopleResourceNames": [str],
        "deleted": bool,
        "objectType": str,
    },
    **{name: [item] for name, item in ITEMS.items()},
    **_IGNORED,
}

_GROUP: Spec = {
    "resourceName": str,
    "etag": str,
    "metadata": {"updateTime": str, "deleted": bool},
    "groupType": str,
    "name": str,
    "formattedName": str,
    "memberCount": int,
    "memberResourceNames": [str],
    "clientData": [{"key": str, "value": str}],
}
_BATCH: Spec = {"readMask": str, "sources": [READ_SOURCES]}

BODIES: dict[str, Spec] = {
    "people.createContact": PERSON,
    "people.updateContact": PERSON,
    "people.batchCreateContacts": _BATCH | {"contacts": [{"contactPerson": PERSON}]},
    "people.batchUpdateContacts": _BATCH | {"contacts": {"*": PERSON}, "updateMask": str},
    "people.batchDeleteContacts": {"resourceNames": [str]},
    "contactGroups.create": {"contactGroup": _GROUP, "readGroupFields": str},
    "contactGroups.update": {"contactGroup": _GROUP, "updateGroupFields": str, "readGroupFields": str},
    "contactGroups.members.modify": {"resourceNamesToAdd": [str], "resourceNamesToRemove": [str]},
}
"""The request message of each method that has one; the key `*` stands for a map."""


def check_body(operation: str, body: object) -> Json:
    """`body` as the request message of `operation`. Raises ApiError 400 that names every wrong field."""
    wrong = violations(BODIES[operation], body)
    if wrong:
        raise errors.bad_payload(wrong)
    if not isinstance(body, dict):
        raise errors.invalid()
    return body


def violations(spec: Spec, value: object) -> list[tuple[str, str]]:
    """Where and how `value` is not what `spec` says, as `(path, text)` pairs."""
    found: list[tuple[str, str]] = []
    _check(spec, value, "", found)
    return found


def _check(spec: Spec, value: object, path: str, found: list[tuple[str, str]]) -> None:
    if value is None:
        return
    if isinstance(spec, dict):
        _check_message(spec, value, path, found)
    elif isinstance(spec, list):
        _check_list(spec[0], value, path, found)
    elif isinstance(spec, tuple):
        if value not in spec:
            found.append((path, f"Invalid value at '{path}' (TYPE_ENUM), {_shown(value)}"))
    elif not isinstance(value, spec) or (spec is int and isinstance(value, bool)):
        kind = {str: "TYPE_STRING", bool: "TYPE_BOOL", int: "TYPE_INT32"}[spec]
        found.append((path, f"Invalid value at '{path}' ({kind}), {_shown(value)}"))


def _check_list(spec: Spec, value: object, path: str, found: list[tuple[str, str]]) -> None:
    if not isinstance(value, list):
        text = f"Invalid value at '{path}': a repeated field needs a list, not {_shown(value)}"
        found.append((path, text))
        return
    for index, item in enumerate(value):
        _check(spec, item, f"{path}[{index}]", found)


def _check_message(spec: Mapping[str, Spec], value: object, path: str, found: list[tuple[str, str]]) -> None:
    any_key = spec.get("*")
    if not isinstance(value, dict):
        cause = "Cannot bind a list to map" if any_key and isinstance(value, list) else "Root element must be a message"
        found.append((path, f"Invalid JSON payload received. Unknown name \"{path}\": {cause} for field '{path}'."))
        return
    for name, part in value.items():
        where = f"{path}.{name}" if path else name
        part_spec = any_key or spec.get(name)
        if part_spec is None:
            at = f" at '{path}'" if path else ""
            text = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            found.append((path, text))
        elif part_spec is not str or not isinstance(part, str):  # most parts are texts and need no call
            _check(part_spec, part, where, found)


def _shown(value: object) -> str:
    return repr(value)[:80]


def read_mask(name: str, text: str | None) -> tuple[str, ...]:
    """The paths of a read mask, sorted. Raises ApiError 400 when it is missing or holds an unknown path."""
    return _paths(name, text, READABLE)


def update_mask(name: str, text: str | None) -> tuple[str, ...]:
    """The paths of an update mask, sorted. Raises ApiError 400 when it is missing or holds a path not writable."""
    return _paths(name, text, UPDATABLE)


def _paths(name: str, text: str | None, allowed: frozenset[str]) -> tuple[str, ...]:
    if not text:
        raise errors.mask_required(name)
    paths = {path.strip() for path in text.split(",")}
    for path in sorted(paths):
        if path not in allowed:
            raise errors.bad_mask_path(name, path)
    return tuple(sorted(paths))
