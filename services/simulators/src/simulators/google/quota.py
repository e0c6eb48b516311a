"""Quota units: what each call costs, the buckets of an account, and the 429 answer.

Costs: People API guide, "Read and manage contacts". A batch costs the same whatever its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from simulators.google.errors import ApiError, Code, error_info
from simulators.google.settings import GoogleSettings

READ = {"critical_read_requests": 1}
WRITE = {"critical_read_requests": 1, "critical_write_requests": 1, "daily_contact_writes": 1}
BATCH_WRITE = {"critical_read_requests": 6, "critical_write_requests": 6, "daily_contact_writes": 200}
DELETE = {"write_requests": 1}
BATCH_DELETE = {"write_requests": 10}
GROUP_READ = {"read_requests": 1}
GROUP_WRITE = {"write_requests": 1}

_DISPLAY = {
    "critical_read_requests": ("Critical read requests (Contact and Profile Reads)", "CriticalReads"),
    "critical_write_requests": ("Critical write requests (Contact Creates and Updates)", "CriticalWrites"),
    "read_requests": ("Read requests (Contact Group Reads)", "Reads"),
    "write_requests": ("Write requests (Contact Deletes and Contact Group Writes)", "Writes"),
    "daily_contact_writes": ("Daily Contact Writes (Total)", "DailyContactWrites"),
    "full_sync_requests": ("Full sync requests", "FullSyncs"),
}
_MINUTE_S = 60
_DAY_S = 24 * 3600


class Quotas:
    """Units used by each account in the present minute and day of the simulated clock."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], tuple[int, int]] = {}

    def reset(self) -> None:
        """All buckets full again."""
        self._used.clear()

    def charge(self, account: str, units: Mapping[str, int], now: datetime, settings: GoogleSettings) -> None:
        """Take `units`, all or none. Raises ApiError 429 where a bucket does not hold enough."""
        if not settings.quotas_enabled:
            return
        after: dict[tuple[str, str], tuple[int, int]] = {}
        for metric, cost in units.items():
            limit, span = _limit(metric, settings)
            window = int(now.timestamp()) // span
            old_window, used = self._used.get((account, metric), (window, 0))
            total = cost + (used if old_window == window else 0)
            if limit is not None and total > limit:
                raise exhausted(metric, settings.project_number, daily=span == _DAY_S)
            after[account, metric] = (window, total)
        self._used.update(after)

    def as_json(self) -> dict[str, dict[str, int]]:
        """Units used in the last window seen, by account and metric."""
        used: dict[str, dict[str, int]] = {}
        for (account, metric), (_, units) in self._used.items():
            used.setdefault(account, {})[metric] = units
        return used


def _limit(metric: str, settings: GoogleSettings) -> tuple[int | None, int]:
    if metric == "full_sync_requests":
        return settings.full_syncs_per_minute, _MINUTE_S
    if metric in settings.quota_per_day:
        return settings.quota_per_day[metric], _DAY_S
    return settings.quota_per_minute.get(metric), _MINUTE_S


def exhausted(metric: str, project: str, *, daily: bool = False) -> ApiError:
    """429 of a bucket, in the words of Google's quota service."""
    display, camel = _DISPLAY[metric]
    span = "day" if daily else "minute"
    text = (
        f"Quota exceeded for quota metric '{display}' and limit '{display} per {span} per user' of service"
        f" 'people.googleapis.com' for consumer 'project_number:{project}'."
    )
    metadata = {
        "quota_limit": f"{camel}Per{span.capitalize()}PerProjectPerUser",
        "quota_metric": f"people.googleapis.com/{metric}",
        "service": "people.googleapis.com",
        "consumer": f"projects/{project}",
    }
    return ApiError(Code.RESOURCE_EXHAUSTED, text, [error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", metadata)])
