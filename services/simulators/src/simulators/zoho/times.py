"""Instants in the CRM: whole seconds inside, strings in the zone of the calling user outside."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def whole_seconds(moment: datetime) -> int:
    """Seconds since 1970, cut down: the CRM keeps nothing finer."""
    return int(moment.timestamp())


@lru_cache(maxsize=16)
def zone(name: str) -> tzinfo:
    """The time zone of that IANA name; UTC also on machines without a zone database."""
    return UTC if name == "UTC" else ZoneInfo(name)


@lru_cache(maxsize=65536)
def show(epoch: int, zone_name: str) -> str:
    """`2026-03-01T10:00:00+05:30`: never milliseconds, always the offset of the user's zone."""
    return datetime.fromtimestamp(epoch, zone(zone_name)).isoformat(timespec="seconds")


def parse(text: str) -> int | None:
    """Seconds since 1970 of a datetime with offset; None when it has milliseconds or another shape."""
    if not _DATETIME.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


def parse_date(text: str) -> date | None:
    """The day of a `yyyy-MM-dd`; None when there is no such day or the year is missing."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def offset_ms(moment: datetime, zone_name: str) -> int:
    """The zone's distance from UTC at that moment, in milliseconds, as `users` reports it."""
    shift = moment.astimezone(zone(zone_name)).utcoffset() or timedelta()
    return int(shift.total_seconds() * 1000)


def from_epoch(epoch: int) -> datetime:
    """The aware UTC instant of a number of seconds."""
    return datetime.fromtimestamp(epoch, UTC)
