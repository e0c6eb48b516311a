"""Instants in the CRM: whole seconds, with an offset, in the zone of whoever asks.

Source: Zoho CRM API v8, "Get records" (times come in the calling user's zone; milliseconds are refused everywhere).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_ONE_SECOND: Final = timedelta(seconds=1)


def parse_instant(text: str) -> datetime:
    """The UTC instant of `2026-03-01T10:00:00+05:30`. Raises ValueError for another shape or a missing offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return moment.astimezone(UTC)


def revision_of(moment: datetime) -> str:
    """`2026-03-01T09:00:00Z`: the same for every user, and in the order of time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.tzinfo is UTC else revision_of(moment.astimezone(UTC))


def header_instant(moment: datetime) -> str:
    """`2026-03-01T09:00:00+00:00`, cut to the second, as headers and queries take it."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def asked_since(since: datetime) -> str:
    """What to ask for so that changes at `since` itself are included.

    The vendor compares at second resolution and does not say whether the named second counts; one earlier is safe.
    """
    return header_instant(since - _ONE_SECOND)
