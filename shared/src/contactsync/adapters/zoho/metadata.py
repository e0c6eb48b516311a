"""What an organisation and a user say about themselves: identity, edition, rights, fields, list views. Control calls.

Source: Zoho CRM API v8, "Users", "Organization", "Profiles", "Field metadata", "Custom views".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from contactsync.adapters.http import Answer, HttpEdge
from contactsync.adapters.zoho import protocol, refusals
from contactsync.adapters.zoho.api import ZohoApi
from contactsync.adapters.zoho.codec import NO_CHOICE
from contactsync.adapters.zoho.coql import checked_id
from contactsync.adapters.zoho.instants import parse_instant
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.ids import ConnectionId, ViewId
from contactsync.ports.directory import CallGate
from contactsync.ports.vault import TokenSource

GOOGLE_SYNC: Final = "Crm_Implied_Gcontact_Sync"
GOOGLE_SYNC_LABEL: Final = "sync with google contact"
CONTACT_RIGHTS: Final[Mapping[str, str]] = {
    "view": "Crm_Implied_View_Contacts",
    "create": "Crm_Implied_Create_Contacts",
    "edit": "Crm_Implied_Edit_Contacts",
    "delete": "Crm_Implied_Delete_Contacts",
}

KINDS: Final[Mapping[str, ValueKind]] = {
    "text": ValueKind.TEXT,
    "textarea": ValueKind.MULTILINE,
    "email": ValueKind.EMAIL,
    "phone": ValueKind.PHONE,
    "date": ValueKind.DATE,
    "datetime": ValueKind.DATETIME,
    "picklist": ValueKind.PICKLIST,
    "multiselectpicklist": ValueKind.MULTI_PICKLIST,
    "boolean": ValueKind.BOOLEAN,
    "integer": ValueKind.NUMBER,
    "bigint": ValueKind.NUMBER,
    "double": ValueKind.NUMBER,
    "currency": ValueKind.NUMBER,
    "percent": ValueKind.NUMBER,
    "website": ValueKind.URL,
}
_SHOWN_BY_NAME: Final = frozenset({"lookup", "ownerlookup", "userlookup", "autonumber", "formula"})
"""Kinds that have a text to show and that the sync never writes."""
_WITHOUT_LENGTH: Final = frozenset({ValueKind.DATE, ValueKind.DATETIME, ValueKind.BOOLEAN, ValueKind.COMPANY})
_MOVING_FIELDS: Final = frozenset({"Modified_Time", "Created_Time", "Last_Activity_Time"})
_RECENT: Final = "RECENTLY"


@dataclass(frozen=True, slots=True)
class CrmUser:
    """Who the grant belongs to. `zuid` never changes; a connection is pinned by it."""

    id: str
    zuid: str
    name: str
    email: str
    profile_id: str
    profile_name: str
    time_zone: str
    active: bool


@dataclass(frozen=True, slots=True)
class CrmOrganisation:
    """The customer. `zgid` never changes; our organisation is pinned by it."""

    id: str
    zgid: str
    name: str
    kind: str
    """`production`, `sandbox`, `developer`."""
    paid_edition: str | None
    trial_edition: str | None
    trial_ends: date | None
    country: str = ""
    """ISO 3166-1, two letters; empty where the CRM does not tell."""

    def edition(self, today: date) -> str:
        """The edition whose limits apply today: the paid one, else that of a running trial, else `free`."""
        if self.paid_edition:
            return self.paid_edition
        running = self.trial_edition is not None and (self.trial_ends is None or self.trial_ends >= today)
        return self.trial_edition if running and self.trial_edition else "free"


@dataclass(frozen=True, slots=True)
class CrmRights:
    """What a profile allows."""

    google_sync: bool
    view: bool
    create: bool
    edit: bool
    delete: bool

    def missing(self) -> tuple[str, ...]:
        """The CRM's names of the rights that are not granted."""
        granted = {GOOGLE_SYNC: self.google_sync} | {CONTACT_RIGHTS[one]: getattr(self, one) for one in CONTACT_RIGHTS}
        return tuple(name for name, given in granted.items() if not given)


@dataclass(frozen=True, slots=True)
class CrmView:
    """A list view. `by_the_hour` marks those whose members change with time alone."""

    id: ViewId
    name: str
    category: str
    """`public_views`, `created_by_me`, `shared_with_me`, `other_users_views`."""
    system_name: str | None
    default: bool
    criteria: Mapping[str, Any] | None
    """As the CRM describes them; the list of views does not tell, a single view does."""
    by_the_hour: bool


class ZohoMetadata:
    """The metadata that one connection may see."""

    def __init__(self, edge: HttpEdge, tokens: TokenSource, connection_id: ConnectionId, gate: CallGate) -> None:
        self._api = ZohoApi(edge, tokens, connection_id, gate)

    async def current_user(self) -> CrmUser:
        """The user of the grant."""
        request = protocol.control("users.current", "/users", ("type", "CurrentUser"))
        answer, row = await self._first(request, "users")
        profile = _object(row, "profile")
        return CrmUser(
            id=protocol.need_text(answer, row, "id"),
            zuid=str(row.get("zuid") or "") or protocol.need_text(answer, row, "zuid"),
            name=str(row.get("full_name") or ""),
            email=str(row.get("email") or ""),
            profile_id=protocol.need_text(answer, profile, "id"),
            profile_name=str(profile.get("name") or ""),
            time_zone=str(row.get("time_zone") or "UTC"),
            active=row.get("status") == "active",
        )

    async def is_active(self, user_id: str) -> bool | None:
        """Whether a user of the organisation is active; None when the CRM does not tell this connection."""
        answer = await self._api.ask(protocol.control("users.get", f"/users/{checked_id(user_id)}"))
        if refusals.is_missing_right(answer):
            return None
        refusals.refuse(answer)
        rows = protocol.read_rows(answer, "users")
        return rows[0].get("status") == "active" if rows else None

    async def organisation(self) -> CrmOrganisation:
        """The organisation of the grant, with its edition."""
        answer, row = await self._first(protocol.control("org.show", "/org"), "org")
        licence = _object(row, "license_details")
        return CrmOrganisation(
            id=protocol.need_text(answer, row, "id"),
            zgid=str(row.get("zgid") or "") or protocol.need_text(answer, row, "zgid"),
            name=str(row.get("company_name") or ""),
            kind=str(row.get("type") or "production"),
            paid_edition=_edition(licence.get("paid_type")),
            trial_edition=_edition(licence.get("trial_type")),
            trial_ends=_day(licence.get("trial_expiry")),
            country=_country(row.get("country_code")),
        )

    async def rights(self, profile_id: str) -> CrmRights | None:
        """What the profile allows; None when this user may not read it."""
        request = protocol.control("settings.profile", f"/settings/profiles/{checked_id(profile_id)}")
        answer = await self._api.ask(request)
        if refusals.is_missing_right(answer):
            return None
        refusals.refuse(answer)
        profiles = protocol.read_rows(answer, "profiles")
        enabled = set(_enabled(profiles[0])) if profiles else set()
        return CrmRights(
            google_sync=GOOGLE_SYNC in enabled or GOOGLE_SYNC_LABEL in enabled,
            **{right: name in enabled for right, name in CONTACT_RIGHTS.items()},
        )

    async def fields(self) -> Sequence[CrmField]:
        """The fields of contacts that can be mapped; hidden ones and those without a value of their own are absent."""
        request = protocol.control("settings.fields", "/settings/fields", ("module", "Contacts"))
        answer = await self._api.get(request)
        rows = protocol.read_rows(answer, "fields")
        return [found for row in rows if (found := crm_field(row)) is not None]

    async def views(self) -> Sequence[CrmView]:
        """The list views that the user may use. The CRM lists them without criteria: see `view`."""
        found: list[CrmView] = []
        page = 1
        while True:
            paging = (("page", str(page)), ("per_page", str(protocol.PAGE)))
            request = protocol.control("settings.views", "/settings/custom_views", ("module", "Contacts"), *paging)
            answer = await self._api.get(request)
            listing = protocol.read_page(answer, "custom_views")
            found += [_view(answer, row) for row in listing.rows]
            if not listing.more:
                return found
            page += 1

    async def view(self, view_id: ViewId) -> CrmView | None:
        """One list view with its criteria; None when it does not exist for this user."""
        answer = await self._api.ask(protocol.show_view(view_id))
        if protocol.is_empty(answer) or refusals.is_unknown_view(answer):
            return None
        refusals.refuse(answer)
        rows = protocol.read_rows(answer, "custom_views")
        return _view(answer, rows[0]) if rows else None

    async def _first(self, request: protocol.ApiRequest, key: str) -> tuple[Answer, Mapping[str, Any]]:
        answer = await self._api.get(request)
        rows = protocol.read_rows(answer, key)
        if not rows:
            raise answer.unreadable(f"nothing under {key!r}")
        return answer, rows[0]


def crm_field(row: Mapping[str, Any]) -> CrmField | None:
    """The field that the metadata describes; None for one that is hidden or has no value to map.

    Some fields lack `json_type` or `length`: their absence says nothing.
    """
    api_name, data_type = str(row.get("api_name") or ""), str(row.get("data_type") or "")
    kind = _kind(row, data_type)
    if not api_name or kind is None or row.get("visible") is False:
        return None
    length = row.get("length")
    return CrmField(
        api_name=api_name,
        label=str(row.get("display_label") or row.get("field_label") or api_name),
        kind=kind,
        max_length=length if isinstance(length, int) and kind not in _WITHOUT_LENGTH else None,
        writable=_writable(row) and (kind is ValueKind.COMPANY or data_type not in _SHOWN_BY_NAME),
        mandatory=row.get("system_mandatory") is True,
        custom=row.get("custom_field") is True,
        picklist=tuple(_choices(row)),
    )


def _kind(row: Mapping[str, Any], data_type: str) -> ValueKind | None:
    if data_type == "lookup" and _object(_object(row, "lookup"), "module").get("api_name") == "Accounts":
        return ValueKind.COMPANY
    if data_type in _SHOWN_BY_NAME:
        return ValueKind.TEXT
    if "rich" in str(_object(row, "textarea").get("type", "")):
        return None  # it holds HTML, of which a list shows the first 500 characters: the rest would be lost
    return KINDS.get(data_type)


def _writable(row: Mapping[str, Any]) -> bool:
    operations = _object(row, "operation_type")
    barred = any(row.get(flag) is True for flag in ("field_read_only", "read_only", "virtual_field"))
    return operations.get("api_update") is True and not barred


def _choices(row: Mapping[str, Any]) -> Iterator[str]:
    for choice in row.get("pick_list_values") or ():
        value = choice.get("actual_value") if isinstance(choice, dict) else None
        if isinstance(value, str) and value and value != NO_CHOICE and choice.get("type") != "unused":
            yield value


def _enabled(profile: Mapping[str, Any]) -> Iterator[str]:
    """Names and folded labels of the rights that a profile grants."""
    for right in profile.get("permissions_details") or ():
        if isinstance(right, dict) and right.get("enabled") is True:
            yield str(right.get("name") or "")
            yield str(right.get("display_label") or "").casefold()


def _view(answer: Answer, row: Mapping[str, Any]) -> CrmView:
    criteria = row.get("criteria")
    system_name = row.get("system_name")
    moving = isinstance(criteria, dict) and _moves_with_time(criteria)
    return CrmView(
        id=ViewId(protocol.need_text(answer, row, "id")),
        name=str(row.get("display_value") or row.get("name") or ""),
        category=str(row.get("category") or ""),
        system_name=str(system_name) if system_name else None,
        default=row.get("default") is True,
        criteria=criteria if isinstance(criteria, dict) else None,
        by_the_hour=moving or str(system_name or "").upper().startswith(_RECENT),
    )


def _moves_with_time(criteria: Mapping[str, Any]) -> bool:
    """Whether the answer to the criteria changes while no record does: times of change, and values like `${NOW}`."""
    group = criteria.get("group")
    if isinstance(group, list):
        return any(_moves_with_time(part) for part in group if isinstance(part, dict))
    named = criteria.get("field")
    name = named.get("api_name") if isinstance(named, dict) else named
    return name in _MOVING_FIELDS or any(
        "NOW" in text.upper() or "TODAY" in text.upper() for text in _placeholders(criteria)
    )


def _placeholders(criteria: Mapping[str, Any]) -> list[str]:
    value = criteria.get("value")
    texts = value if isinstance(value, list) else [value]
    return [text for text in texts if isinstance(text, str) and text.startswith("${")]


def _object(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _edition(value: object) -> str | None:
    """The edition's name in small letters; false and null stand for none."""
    return value.strip().lower() or None if isinstance(value, str) else None


def _country(value: object) -> str:
    return value.upper() if isinstance(value, str) and len(value) == 2 and value.isalpha() else ""  # noqa: PLR2004


def _day(value: object) -> date | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        return date.fromisoformat(value) if "T" not in value else parse_instant(value).date()
    except ValueError:
        return None
