"""The CRM credits that an organisation's syncs have reserved, one row for each organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import orjson

from contactsync.adapters.sql.codec import dump
from contactsync.adapters.sql.database import Connection, Database
from contactsync.domain.credits import Usage, daily_credits
from contactsync.ports.state import RunSettings

_ENSURE: Final = "INSERT INTO crm_credits (organisation_id) VALUES ($1) ON CONFLICT DO NOTHING"
_LOCK: Final = """
SELECT c.used, (SELECT facts ->> 'edition' FROM connections
                WHERE organisation_id = $1 AND connection_id = $2) AS edition
FROM crm_credits c WHERE c.organisation_id = $1 FOR UPDATE
"""
_STORE: Final = "UPDATE crm_credits SET used = $2::jsonb WHERE organisation_id = $1"


class SqlCredits:
    """`CreditStore` over `crm_credits`; the row's lock makes reservations of several workers follow one another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, settings: RunSettings, amount: int, share_percent: int, now: datetime) -> datetime | None:
        """None when so many credits are reserved now; else when enough will be free again."""
        async with self._database.tenant(settings.organisation_id) as connection:
            usage, edition = await _locked(connection, settings)
            allowed = daily_credits(edition) * share_percent // 100
            until = usage.room_at(amount, allowed, now)
            if until is None:
                await _store(connection, settings, usage.with_amount(amount, now))
            return until

    async def give_back(self, settings: RunSettings, amount: int, now: datetime) -> None:
        """What was reserved and not used."""
        async with self._database.tenant(settings.organisation_id) as connection:
            usage, _ = await _locked(connection, settings)
            await _store(connection, settings, usage.with_amount(-amount, now))


async def _locked(connection: Connection, settings: RunSettings) -> tuple[Usage, str]:
    place = (settings.organisation_id, settings.crm_connection_id)
    row = await connection.fetchrow(_LOCK, *place)
    if row is None:
        await connection.execute(_ENSURE, settings.organisation_id)
        row = await connection.fetchrow(_LOCK, *place)
    if row is None:
        return Usage({}), ""
    return Usage({int(hour): amount for hour, amount in orjson.loads(row["used"]).items()}), row["edition"] or ""


async def _store(connection: Connection, settings: RunSettings, usage: Usage) -> None:
    used = {str(hour): amount for hour, amount in usage.by_hour.items()}
    await connection.execute(_STORE, settings.organisation_id, dump(used))
