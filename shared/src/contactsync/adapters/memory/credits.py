"""The CRM credits that an organisation's syncs have reserved, in memory."""

from __future__ import annotations

from datetime import datetime

from contactsync.domain.credits import Usage, daily_credits
from contactsync.domain.ids import OrganisationId
from contactsync.ports.state import RunSettings


class MemoryCredits:
    """`CreditStore` over a dictionary; every organisation has a paid edition."""

    def __init__(self) -> None:
        self._usage: dict[OrganisationId, Usage] = {}

    async def reserve(self, settings: RunSettings, amount: int, share_percent: int, now: datetime) -> datetime | None:
        """None when so many credits are reserved now; else when enough will be free again."""
        usage = self._usage.get(settings.organisation_id, Usage({}))
        until = usage.room_at(amount, daily_credits("") * share_percent // 100, now)
        if until is None:
            self._usage[settings.organisation_id] = usage.with_amount(amount, now)
        return until

    async def give_back(self, settings: RunSettings, amount: int, now: datetime) -> None:
        """What was reserved and not used."""
        usage = self._usage.get(settings.organisation_id, Usage({}))
        self._usage[settings.organisation_id] = usage.with_amount(-amount, now)
