"""Stored forms of the engine's values: JSON for settings and progress, packed bytes for match keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from contactsync.domain.contact import Side
from contactsync.domain.ids import AccountKey, ConfigId, ConnectionId, GroupId, OrganisationId, UserId, ViewId
from contactsync.domain.link import KeyKind, MatchKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.policy import CompanyRule, DeletePolicy, Direction, NoEmailRule, Policy
from contactsync.ports.requests import Wish
from contactsync.ports.state import Listing, RunSettings, SyncState

_KEY_BYTES: Final = 16
_KIND_CODES: Final = {KeyKind.STRONG_EMAIL: b"s", KeyKind.WEAK_EMAIL: b"w", KeyKind.NAME_PHONE: b"p"}
_KINDS: Final = {code[0]: kind for kind, code in _KIND_CODES.items()}

_SYNC: Final = TypeAdapter(SyncState)
_LISTINGS: Final = TypeAdapter(dict[Side, Listing])
_WISHES: Final = TypeAdapter(tuple[Wish, ...])
_ENUMS: Final[Mapping[str, type]] = {
    "direction": Direction,
    "conflict_winner": Side,
    "deletions": DeletePolicy,
    "no_email": NoEmailRule,
    "companies": CompanyRule,
}


def pack_keys(keys: Sequence[MatchKey]) -> bytes:
    """Match keys in their order, 17 bytes each: a letter for the kind, the digest."""
    return b"".join(_KIND_CODES[key.kind] + key.digest for key in keys)


def unpack_keys(packed: bytes) -> tuple[MatchKey, ...]:
    """The keys that `pack_keys` wrote."""
    step = 1 + _KEY_BYTES
    return tuple(MatchKey(_KINDS[packed[at]], packed[at + 1 : at + step]) for at in range(0, len(packed), step))


def key_digests(packed: bytes) -> frozenset[bytes]:
    """The digests of packed keys, without their kinds."""
    step = 1 + _KEY_BYTES
    return frozenset(packed[at + 1 : at + step] for at in range(0, len(packed), step))


def columns(rows: Iterable[Sequence[object]]) -> list[Sequence[object]]:
    """Rows as one array a column, for `unnest`; a column without any value is an empty array.

    `unnest` fills shorter arrays with NULL (PostgreSQL, 9.19), and the driver looks at each element of an array before
    it encodes it.
    """
    return [() if column.count(None) == len(column) else column for column in zip(*rows, strict=True)]


def dump(value: object) -> str:
    """JSON for a jsonb column; dataclasses, enums, instants and ids in their usual text forms."""
    return orjson.dumps(value, default=str).decode()  # str: the driver's ids are a subclass of UUID


def sync_from(text: str) -> SyncState:
    """The sync state that `dump` wrote."""
    return _SYNC.validate_json(text)


def listings_from(text: str) -> Mapping[Side, Listing]:
    """The listings that `dump` wrote."""
    return _LISTINGS.validate_json(text)


def wishes_from(text: str) -> tuple[Wish, ...]:
    """The waiting requests that `dump` wrote."""
    return _WISHES.validate_json(text)


def policy_to_json(policy: Policy) -> dict[str, object]:
    """A policy as `dump` takes it; `policy_from_json` reads what that wrote."""
    plain: dict[str, object] = {field.name: getattr(policy, field.name) for field in fields(policy)}
    plain["mapping"] = _mapping_to_json(policy.mapping)
    plain["crm_values"] = dict(policy.crm_values)
    return plain


@lru_cache(maxsize=1024)
def _mapping_to_json(mapping: FieldMapping) -> orjson.Fragment:
    """The rows as they are written into whatever holds them: most of what is stored, and mostly the same."""
    return orjson.Fragment(orjson.dumps(mapping.to_json()))


def policy_from_json(stored: Mapping[str, Any]) -> Policy:
    """The policy that `policy_to_json` wrote; settings that a later release added take their defaults."""
    known = {field.name for field in fields(Policy)}
    values = {name: _ENUMS[name](value) if name in _ENUMS else value for name, value in stored.items() if name in known}
    values["mapping"] = FieldMapping.from_json(stored["mapping"])
    return Policy(**values)


def settings_to_json(settings: RunSettings) -> str:
    """A run's settings as JSON; `settings_from_json` reads it."""
    plain: dict[str, object] = {field.name: getattr(settings, field.name) for field in fields(settings)}
    plain["account"] = settings.account.hex()
    plain["policy"] = policy_to_json(settings.policy)
    return dump(plain)


def settings_from_json(text: str) -> RunSettings:
    """The settings that `settings_to_json` wrote."""
    stored: dict[str, Any] = orjson.loads(text)
    return RunSettings(
        organisation_id=OrganisationId(UUID(stored["organisation_id"])),
        config_id=ConfigId(UUID(stored["config_id"])),
        owner_id=UserId(UUID(stored["owner_id"])),
        crm_connection_id=ConnectionId(UUID(stored["crm_connection_id"])),
        google_connection_id=ConnectionId(UUID(stored["google_connection_id"])),
        account=AccountKey(bytes.fromhex(stored["account"])),
        view_id=ViewId(stored["view_id"]),
        group_id=GroupId(stored["group_id"]),
        policy=policy_from_json(stored["policy"]),
        region=stored["region"],
        catch_up=stored["catch_up"],
    )
