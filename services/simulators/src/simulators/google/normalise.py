"""From what a client or a user writes to what Google stores and shows.

Computed keys (displayName, formattedType, canonicalForm, ...) are made here, once for each write; output-only keys in
the input are ignored, as are empty values. Sources: People API v1, schema texts; responses published by client authors.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import phonenumbers

from simulators.google import errors
from simulators.google.schema import ITEMS, SINGLETONS, STORED, Json
from simulators.google.settings import GoogleSettings

Fields = dict[str, list[Json]]
"""Stored entries by field name; fields without entries are absent."""

_OUTPUT_ONLY = frozenset(
    {"metadata", "displayName", "displayNameLastFirst", "formattedType", "formattedProtocol", "canonicalForm"}
)
_LABELS = {
    "homeFax": "Home Fax",
    "workFax": "Work Fax",
    "otherFax": "Other Fax",
    "workMobile": "Work Mobile",
    "workPager": "Work Pager",
    "googleVoice": "Google Voice",
    "homePage": "Home Page",
    "loginId": "Login ID",
    "domesticPartner": "Domestic Partner",
    "referredBy": "Referred By",
    "ftp": "FTP",
    "appInstallPage": "App Install Page",
    "aim": "AIM",
    "msn": "MSN",
    "qq": "QQ",
    "icq": "ICQ",
    "googleTalk": "Google Talk",
    "netMeeting": "NetMeeting",
}
_KNOWN_TYPES = frozenset(
    [
        "home",
        "work",
        "other",
        "mobile",
        "pager",
        "main",
        "blog",
        "profile",
        "reservations",
        "school",
        "anniversary",
        "spouse",
        "child",
        "mother",
        "father",
        "parent",
        "brother",
        "sister",
        "friend",
        "relative",
        "manager",
        "assistant",
        "partner",
        "account",
        "customer",
        "network",
        "organization",
        "yahoo",
        "skype",
        "jabber",
        "male",
        "female",
        "unspecified",
    ]
)
_LEAP_YEAR = 2000
_E164 = re.compile(r"\+[0-9][0-9 ().\-/]{6,24}")


def stored_fields(
    person: Mapping[str, object], names: Iterable[str], source_id: str, region: str, *, singletons: bool = True
) -> Fields:
    """The entries of `names` in `person` as Google keeps them.

    Raises ApiError 400 for two entries of a singleton. Old contacts do hold such, although nobody can write them any
    more; `singletons=False` lets them be made.
    """
    fields: Fields = {}
    for name in names:
        if name not in STORED:
            continue
        items = person.get(name)
        entries = [entry for item in items if (entry := _entry(name, item, region))] if isinstance(items, list) else []
        if singletons and name in SINGLETONS and len(entries) > 1:
            raise errors.invalid(f"Cannot have more than one person.{name} per source.")
        if entries:
            _attach_metadata(name, entries, source_id)
            fields[name] = entries
    return fields


def check_limits(fields: Fields, settings: GoogleSettings) -> None:
    """Nothing, or ApiError 400 where the contact is too large (notes have no limit of characters)."""
    if sum(map(len, fields.values())) > settings.max_fields:
        raise errors.invalid(f"A contact can have at most {settings.max_fields} fields.")
    size = 0
    for name, entries in fields.items():
        for entry in entries:
            for key, value in entry.items():
                if isinstance(value, str):
                    size += len(value.encode()) if not value.isascii() else len(value)
                    if len(value) > settings.max_field_characters and name != "biographies" and key[:9] != "formatted":
                        limit = settings.max_field_characters
                        raise errors.invalid(f"person.{name}.{key} is longer than {limit} characters.")
    if size > settings.max_contact_bytes:
        raise errors.invalid(f"A contact can hold at most {settings.max_contact_bytes} bytes.")


def _entry(name: str, item: Mapping[str, object], region: str) -> Json | None:
    allowed = ITEMS[name]
    keeps_display_name = name == "emailAddresses"
    entry: Json = {}
    for key, value in item.items():
        if key in _OUTPUT_ONLY and not (keeps_display_name and key == "displayName"):
            continue
        kept = _date(value) if isinstance(value, dict) else value
        if kept and key in allowed:
            entry[key] = kept
    if not any(key not in {"type", "contentType"} for key in entry):
        return None
    complete = _COMPLETE.get(name)
    if complete is not None:
        complete(entry, region)
    if "type" in entry and "formattedType" in allowed:
        entry["formattedType"] = label(entry["type"])
    primary = item.get("metadata")
    if isinstance(primary, dict) and primary.get("sourcePrimary"):
        entry["metadata"] = {"sourcePrimary": True}
    return entry


def _attach_metadata(name: str, entries: list[Json], source_id: str) -> None:
    chosen = next((index for index, entry in enumerate(entries) if "metadata" in entry), 0)
    for index, entry in enumerate(entries):
        metadata: Json = {"primary": True} if index == chosen else {}
        if index == chosen and ("metadata" in entry or name == "names"):
            metadata["sourcePrimary"] = True
        metadata["source"] = {"type": "CONTACT", "id": source_id}
        entry["metadata"] = metadata


def _date(value: Mapping[str, object]) -> Json:
    """A whole date, month and day, year and month, or a year. Raises ApiError 400 for anything else."""
    date: dict[str, Any] = {part: number for part in ("year", "month", "day") if (number := value.get(part))}
    if date and ("year" in date or {"month", "day"} <= date.keys()) and ("month" in date or "day" not in date):
        try:
            # Missing parts are filled in; a leap year lets 29 February stand without a year.
            dt.date(date.get("year", _LEAP_YEAR), date.get("month", 1), date.get("day", 1))
        except ValueError:
            pass
        else:
            return date
    if date:
        raise errors.invalid(f"Invalid date: {date}.")
    return date


def label(kind: str) -> str:
    """The English label of a type; a custom type is its own label."""
    known = _LABELS.get(kind)
    if known is not None:
        return known
    return kind.capitalize() if kind in _KNOWN_TYPES else kind


def _name(entry: Json, region: str) -> None:
    del region
    parts = ("honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix")
    written = entry.get("unstructuredName")
    if written and not any(part in entry for part in parts):
        given, _, family = written.rpartition(" ")
        entry.update({"givenName": given, "familyName": family} if given else {"givenName": family})
    prefix, given, middle, family, suffix = (entry.get(part, "") for part in parts)
    display = _joined(prefix, given, middle, family)
    rest = _joined(prefix, given, middle)
    last_first = ", ".join(part for part in (family, rest) if part)
    if suffix:
        display, last_first = ", ".join(filter(None, (display, suffix))), ", ".join(filter(None, (last_first, suffix)))
    if display:
        entry["displayName"], entry["displayNameLastFirst"] = display, last_first
        entry["unstructuredName"] = display


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _biography(entry: Json, region: str) -> None:
    del region
    entry["contentType"] = "TEXT_PLAIN"


def _gender(entry: Json, region: str) -> None:
    del region
    entry.pop("formattedValue", None)
    if "value" in entry:
        entry["formattedValue"] = label(entry["value"])


def _im_client(entry: Json, region: str) -> None:
    del region
    if "protocol" in entry:
        entry["formattedProtocol"] = label(entry["protocol"])


def _phone(entry: Json, region: str) -> None:
    canonical = canonical_phone(entry.get("value", ""), region)
    if canonical:
        entry["canonicalForm"] = canonical


def _address(entry: Json, region: str) -> None:
    del region
    if "formattedValue" in entry:
        return
    city_line = _joined(entry.get("postalCode", ""), entry.get("city", ""))
    if entry.get("countryCode") in {"US", "CA", "AU"}:
        city_line = _joined(
            ", ".join(filter(None, (entry.get("city", ""), entry.get("region", "")))), entry.get("postalCode", "")
        )
    elif "region" in entry:
        city_line = "\n".join(filter(None, (city_line, entry["region"])))
    country = entry.get("country") or entry.get("countryCode")
    lines = (entry.get("streetAddress"), entry.get("extendedAddress"), entry.get("poBox"), city_line, country)
    entry["formattedValue"] = "\n".join(line for line in lines if line)


_COMPLETE: dict[str, Callable[[Json, str], None]] = {
    "names": _name,
    "biographies": _biography,
    "genders": _gender,
    "imClients": _im_client,
    "phoneNumbers": _phone,
    "addresses": _address,
}


def canonical_phone(value: str, region: str) -> str | None:
    """`value` as E.164, read with the dialling habits of `region`; None where that cannot be told."""
    if _E164.fullmatch(value):
        digits = re.sub("[^0-9]", "", value)
        return f"+{digits}"
    return _parsed_phone(value, region)


@lru_cache(maxsize=65_536)
def _parsed_phone(value: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
