"""Daily credits and concurrency of an organisation, by its edition (Zoho CRM API v8, "API limits")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from simulators.zoho.errors import ZohoError, too_many
from simulators.zoho.organisation import License, Organisation
from simulators.zoho.records import DAY

HEAVY_AT_ONCE: Final = 10
CREDITS: Final = "You have exceeded the API credits available for the 24-hour window. Please try again later."
CONCURRENCY: Final = "You have reached the maximum number of concurrent API calls. Please try again later."
SUB_CONCURRENCY: Final = "You have reached the maximum number of sub-concurrent API calls. Please try again later."
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Edition:
    """What an edition grants: base credits, credits a user, cap (None: none), calls at once."""

    base: int
    a_user: int
    cap: int | None
    at_once: int


EDITIONS: Final = {
    "free": Edition(5_000, 0, 5_000, 5),
    "standard": Edition(50_000, 250, 100_000, 10),
    "professional": Edition(50_000, 500, 3_000_000, 15),
    "enterprise": Edition(50_000, 1_000, 5_000_000, 20),
    "ultimate": Edition(50_000, 2_000, None, 25),
}


def daily_credits(license_: License, fixed: int | None = None) -> int:
    """Credits in 24 rolling hours."""
    if fixed is not None:
        return fixed
    edition = EDITIONS[license_.edition]
    total = edition.base + edition.a_user * license_.users
    return total if edition.cap is None else min(total, edition.cap)


def spent(org: Organisation, now: int) -> int:
    """Credits used in the last 24 hours."""
    usage = org.usage.spent
    while usage and next(iter(usage)) <= (now - DAY) // _MINUTE:
        usage.popitem(last=False)
    return sum(usage.values())


def spend(org: Organisation, credits_: int, now: int, fixed: int | None) -> int:
    """Take credits and return what is left; the 429 of the daily limit when they do not suffice."""
    total = daily_credits(org.license, fixed)
    left = total - spent(org, now) - credits_
    if left < 0:
        raise too_many(CREDITS)
    minute = now // _MINUTE
    org.usage.spent[minute] = org.usage.spent.get(minute, 0) + credits_
    return left


def enter(org: Organisation, client_id: str, *, weight: int, heavy: bool) -> ZohoError | None:
    """Take a place among the calls at once of the organisation and application; the 429 when none is free."""
    usage = org.usage
    if usage.running.get(client_id, 0) + weight > EDITIONS[org.license.edition].at_once:
        return too_many(CONCURRENCY)
    if heavy and usage.heavy.get(client_id, 0) >= HEAVY_AT_ONCE:
        return too_many(SUB_CONCURRENCY)
    usage.running[client_id] = usage.running.get(client_id, 0) + weight
    usage.heavy[client_id] = usage.heavy.get(client_id, 0) + heavy
    return None


def leave(org: Organisation, client_id: str, *, weight: int, heavy: bool) -> None:
    """Give the place back."""
    org.usage.running[client_id] -= weight
    org.usage.heavy[client_id] -= heavy
