"""What a log line may hold: the keys, and the form that a value must have under each.

Everything else is masked. Forms are narrow so that a name, an address, a token or a phone number does not fit by
accident; `reason=str(error)` with a sentence in it does not pass. Whoever logs a new fact adds its key here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

Form = Callable[[object], bool]

_LARGEST_NUMBER = 10**10
"""Below the phone numbers that carry a country code."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:]{0,79}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_CRM_ID = re.compile(r"\d{16,20}")  # longer than any phone number (E.164: 15 digits)
_GOOGLE_ID = re.compile(r"(people|contactGroups)/[A-Za-z0-9_-]{1,64}")
_TRACE = re.compile(r"[0-9a-f]{16,32}")
_SOURCE = re.compile(r"[A-Za-z0-9_./<>]{1,120}:\d+")


def is_name(value: object) -> bool:
    """A code, a class or a dotted name: no space, no hyphen, no @."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_uuid(value: object) -> bool:
    """One of our own ids."""
    return isinstance(value, UUID) or (isinstance(value, str) and _UUID.fullmatch(value) is not None)


def is_number(value: object) -> bool:
    """A count, a measure or a flag; a phone number is too large."""
    return isinstance(value, bool | int | float) and abs(value) < _LARGEST_NUMBER


def is_time(value: object) -> bool:
    """An instant, also in ISO 8601, or a length of time."""
    return isinstance(value, datetime | timedelta) or (isinstance(value, str) and _INSTANT.fullmatch(value) is not None)


def _matches(pattern: re.Pattern[str]) -> Form:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_IDS = "organisation_id config_id run_id message_id connection_id user_id link_id effect_id holder_id request_id row_id"
_NAMES = (
    "component direction edition error from_state kind lane level logger method mode operation outcome phase policy "
    "provider reason role scope setting side signal state status_class step to_state trigger version winner"
)
_NUMBERS = (
    "applied attempt backlog batch bytes calls claimed code confirmed contacts created deleted depth due effects "
    "fence failures failed held hints limit links linked lost misses missing ok page pages pending planned port queued "
    "read redelivered refused released removed returned rows run_attempt selected sent size skipped slice slots status "
    "suspect taken tried unchanged under_way unknown updated waiting written"
)

FORMS: Final[Mapping[str, Form]] = {
    **dict.fromkeys(_IDS.split(), is_uuid),
    **dict.fromkeys(_NAMES.split(), is_name),
    **dict.fromkeys(_NUMBERS.split(), is_number),
    "correlation_id": lambda value: is_uuid(value) or _matches(_TRACE)(value),
    "counts": is_number,
    "crm_id": _matches(_CRM_ID),
    "google_id": _matches(_GOOGLE_ID),
    "lanes": is_name,
    "permissions": is_name,
    "route": _matches(re.compile(r"/[A-Za-z0-9_{}/.-]{0,120}")),
    "service": _matches(re.compile(r"[a-z]{1,20}(-[a-z]{1,20}){0,3}")),
    "settings": is_name,
    "source": _matches(_SOURCE),
    "trace": _matches(_TRACE),
}
"""Form of the value, or of each item of a list, or of each value of a mapping, by key."""

_ENDINGS: Final[tuple[tuple[str, Form], ...]] = (
    ("_id", is_uuid),
    ("_s", is_number),
    ("_ms", is_number),
    ("_bytes", is_number),
    ("_count", is_number),
    ("_at", is_time),
    ("until", is_time),
)


def form_of(key: str) -> Form | None:
    """The form of a key's value; None for a key that may not be logged."""
    if key in FORMS:
        return FORMS[key]
    return next((form for ending, form in _ENDINGS if key.endswith(ending)), None)


def plain(value: object) -> object:
    """An enumeration's value, anything else as it is."""
    return value.value if isinstance(value, Enum) else value
