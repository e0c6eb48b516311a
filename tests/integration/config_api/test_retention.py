"""What is kept for a time is gone after it, and nothing before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from config_api.resources import Resources
from config_api.scheduler.retention import Retention
from contactsync.adapters.sql.retention import SqlRetention
from contactsync.ports.state import RunSettings
from tests.contract.state.worlds import SqlWorld, some_settings
from tests.support.clock import ManualClock
from tests.support.pairs import put_pair
from tests.support.postgres import Database

pytestmark = pytest.mark.postgres


class Archive:
    """One organisation's rows, and the eraser."""

    def __init__(self, resources: Resources, database: Database, clock: ManualClock) -> None:
        self.database = resources.foundation.database
        self.books = SqlWorld(database, self.database)
        self.books.vault, self.books.clock = resources.foundation.vault, clock
        self.clock = clock
        self.config: RunSettings = some_settings()
        self.retention = Retention(SqlRetention(self.database), clock)
        self.tickets = resources.tickets

    async def execute(self, statement: str, *values: object) -> None:
        async with self.database.tenant(self.config.organisation_id) as connection:
            await connection.execute(statement, self.config.organisation_id, *values)

    async def value(self, statement: str) -> Any:  # noqa: ANN401  whatever the statement selects
        async with self.database.tenant(self.config.organisation_id) as connection:
            return await connection.fetchval(statement)

    async def pair(self, config: RunSettings) -> UUID:
        return await put_pair(self.database, config.organisation_id, config.config_id)


@pytest.fixture
async def archive(resources: Resources, database: Database, clock: ManualClock) -> Archive:
    archive = Archive(resources, database, clock)
    await archive.books.put(archive.config)
    return archive


async def test_values_of_reports_and_of_the_journal_live_for_thirty_days(archive: Archive) -> None:
    await archive.execute(
        "INSERT INTO run_contacts (organisation_id, run_id, link_id, outcome, sealed, recorded_at) "
        "VALUES ($1, $2, $3, 'updated', 'x', $4)",
        uuid4(),
        uuid4(),
        archive.clock.now(),
    )
    await archive.execute(
        "INSERT INTO effects (organisation_id, effect_id, config_id, run_id, link_id, side, kind, state, batch, fence, "
        "sealed, recorded_at) VALUES ($1, $2, $2, $2, $2, 'crm', 'update', 'confirmed', $2, 1, 'x', $3)",
        uuid4(),
        archive.clock.now(),
    )
    kept = "SELECT (SELECT count(sealed) FROM run_contacts) + (SELECT count(sealed) FROM effects)"
    archive.clock.advance(timedelta(days=29, hours=23))
    await archive.retention.look()
    assert await archive.value(kept) == 2
    archive.clock.advance(timedelta(hours=2))
    await archive.retention.look()
    assert await archive.value(kept) == 0
    assert await archive.value("SELECT (SELECT count(*) FROM run_contacts) + (SELECT count(*) FROM effects)") == 2


async def test_answers_live_for_a_day_and_tickets_for_their_time(archive: Archive) -> None:
    await archive.execute(
        "INSERT INTO idempotency_keys (organisation_id, user_id, key, request_digest, created_at) "
        "VALUES ($1, $2, 'k', 'd', $3)",
        archive.config.owner_id,
        archive.clock.now(),
    )
    await archive.tickets.issue("session", b"x", timedelta(hours=24))
    archive.clock.advance(timedelta(hours=23))
    await archive.retention.look()
    assert await archive.value("SELECT count(*) FROM idempotency_keys") == 1
    assert await archive.value("SELECT count(*) FROM tickets") == 1
    archive.clock.advance(timedelta(hours=2))
    await archive.retention.look()
    assert await archive.value("SELECT count(*) FROM idempotency_keys") == 0
    assert await archive.value("SELECT count(*) FROM tickets") == 0


async def test_links_outlive_their_configuration_by_180_days_unless_another_one_has_them(archive: Archive) -> None:
    other = some_settings(organisation=archive.config.organisation_id)
    await archive.books.put(other)
    alone, shared = await archive.pair(archive.config), await archive.pair(archive.config)
    await archive.execute(
        "INSERT INTO link_scopes SELECT organisation_id, $2, link_id, dormant, crm_in_scope, crm_seen_in_scope, "
        "crm_listing, google_in_scope, google_seen_in_scope, google_listing, pending_since, pending_order, taken_by "
        "FROM link_scopes WHERE organisation_id = $1 AND link_id = $3",
        other.config_id,
        shared,
    )
    await archive.execute("INSERT INTO link_keys VALUES ($1, 'digest', 'crm', $2)", alone)
    await archive.execute(
        "UPDATE sync_configs SET status = 'deleted', deleted_at = $3 WHERE organisation_id = $1 AND config_id = $2",
        archive.config.config_id,
        archive.clock.now(),
    )
    archive.clock.advance(timedelta(days=179))
    await archive.retention.look()
    assert await archive.value("SELECT count(*) FROM links") == 2
    archive.clock.advance(timedelta(days=2))
    await archive.retention.look()
    assert await archive.value("SELECT array_agg(link_id) FROM links") == [shared]
    assert await archive.value("SELECT count(*) FROM link_scopes") == 1
    assert await archive.value("SELECT count(*) FROM link_keys") == 0


async def test_a_pair_of_which_both_sides_are_gone_is_forgotten_after_180_days(archive: Archive) -> None:
    await archive.pair(archive.config)
    await archive.execute(
        "UPDATE links SET state = 'gone', touched_at = $2 WHERE organisation_id = $1", archive.clock.now()
    )
    archive.clock.advance(timedelta(days=179))
    await archive.retention.look()
    assert await archive.value("SELECT count(*) FROM links") == 1
    archive.clock.advance(timedelta(days=2))
    await archive.retention.look()
    assert await archive.value("SELECT count(*) FROM links") == 0
    assert await archive.value("SELECT count(*) FROM link_scopes") == 0
