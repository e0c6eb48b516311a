"""From the commit of a run to the delivery of its hint, on PostgreSQL and RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from random import Random
from uuid import UUID

import pytest

from config_api.outbox.relay import OutboxRelay, RelaySettings
from config_api.processes import Role, play
from config_api.resources import open_resources
from config_api.settings import ConfigApiSettings
from contactsync.adapters.amqp.queue import AmqpQueue
from contactsync.adapters.amqp.settings import AmqpSettings
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.sql.outbox import SqlOutboxRelayStore, outbox_wake_up
from contactsync.domain.ids import RunId
from contactsync.ports.queue import JobQueue, Lane
from contactsync.ports.state import RunMode
from tests.contract.queue.recorder import Recorder, consuming
from tests.contract.state.worlds import KEYS, OnPostgres, SqlWorld, some_settings
from tests.support.postgres import Database
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq]


def queue_at(url: str) -> AmqpQueue:
    settings = AmqpSettings(url=url, publish_deadline_s=2.0, connect_deadline_s=1.0, replicas=1)
    return AmqpQueue(settings, SystemClock(), Random(2))


class TestRelay(OnPostgres):
    """A relay beside a database with committed runs."""

    @asynccontextmanager
    async def relaying(self, world: SqlWorld, queue: JobQueue, *, poll_s: float = 0.2) -> AsyncIterator[None]:
        def wake_up() -> AbstractAsyncContextManager[asyncio.Event]:
            return outbox_wake_up(world.address.url)

        store = SqlOutboxRelayStore(world.database, SystemClock())
        relay = OutboxRelay(store, queue, wake_up, SystemClock(), RelaySettings(batch=100, poll_s=poll_s))
        stop = asyncio.Event()
        running = asyncio.create_task(relay.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running

    async def ask(self, world: SqlWorld, runs: int) -> set[RunId]:
        """Commit that many runs, each of a configuration of its own."""
        asked: set[RunId] = set()
        for _ in range(runs):
            settings = some_settings()
            await world.put(settings)
            requested = await world.requests.request(
                settings.organisation_id, settings.config_id, RunMode.SYNC, "user", world.clock.now()
            )
            asked.add(requested.run_id)
        return asked

    async def copies(self, world: SqlWorld, count: int) -> set[UUID]:
        """Commit that many hints in bulk; their message ids."""
        settings = some_settings()
        await world.put(settings)
        async with world.database.tenant(settings.organisation_id) as connection:
            rows = await connection.fetch(
                "INSERT INTO outbox "
                "(organisation_id, message_id, lane, run_id, config_id, slice, created_at, not_before) "
                "SELECT $1, gen_random_uuid(), $2, gen_random_uuid(), $3, 0, $4::timestamptz, $4::timestamptz "
                "FROM generate_series(1, $5::int) RETURNING message_id",
                settings.organisation_id,
                Lane.INCREMENTAL.value,
                settings.config_id,
                world.clock.now(),
                count,
            )
        return {row["message_id"] for row in rows}

    async def test_a_commit_wakes_the_relay_long_before_it_would_poll(self, world: SqlWorld, amqp_url: str) -> None:
        queue = queue_at(amqp_url)
        recorder = Recorder.open()
        async with consuming(queue, recorder), self.relaying(world, queue, poll_s=60):
            await self.ask(world, 1)  # may be found by the first look
            await recorder.seen(1)
            asked = await self.ask(world, 1)
            await recorder.seen(2, within_s=5)
        assert str(asked.pop()) in recorder.deliveries[1].body.decode()

    async def test_relays_beside_one_another_publish_every_hint_once(self, world: SqlWorld, amqp_url: str) -> None:
        queue = queue_at(amqp_url)
        committed = await self.copies(world, 700)
        recorder = Recorder.open()
        async with (
            consuming(queue, recorder, {Lane.INCREMENTAL: 100}),
            self.relaying(world, queue),
            self.relaying(world, queue),
            self.relaying(world, queue),
        ):
            await recorder.seen(700, within_s=20)
        assert sorted(recorder.ids) == sorted(committed)
        assert await SqlOutboxRelayStore(world.database, SystemClock()).oldest_due() is None

    async def test_runs_are_accepted_while_the_broker_is_away_and_hinted_when_it_is_back(
        self, world: SqlWorld, amqp_url: str
    ) -> None:
        """F3."""
        recorder = Recorder.open()
        async with tcp_proxy(amqp_url) as (proxy, url):
            proxy.refuse()
            async with self.relaying(world, queue_at(url)):
                asked = await self.ask(world, 5)
                await asyncio.sleep(1)
                proxy.heal()
                async with consuming(queue_at(amqp_url), recorder):
                    await recorder.seen(5, within_s=10)
        assert len(asked) == len(recorder.ids) == 5

    async def test_what_was_published_and_not_marked_is_published_again(self, world: SqlWorld, amqp_url: str) -> None:
        """F4: the relay died in between; its hints are anybody's when their half minute is over."""
        queue = queue_at(amqp_url)
        await self.ask(world, 1)
        store = SqlOutboxRelayStore(world.database, world.clock)
        taken = await store.take(10)
        async with queue.publisher() as publisher:
            assert await publisher.publish(taken) == {hint.message_id for hint in taken}
        assert await store.take(10) == []
        world.clock.advance(timedelta(seconds=31))
        recorder = Recorder.open()
        async with consuming(queue, recorder), self.relaying(world, queue):
            await recorder.seen(2)
        assert recorder.ids == [taken[0].message_id] * 2

    async def test_a_listening_connection_that_is_cut_costs_no_more_than_a_poll(
        self, world: SqlWorld, amqp_url: str
    ) -> None:
        queue = queue_at(amqp_url)
        recorder = Recorder.open()
        async with consuming(queue, recorder), self.relaying(world, queue, poll_s=0.5):
            await self.ask(world, 1)
            await recorder.seen(1)
            async with world.database.untenanted() as connection:
                cut = await connection.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE application_name = 'contactsync-wake' AND datname = current_database()"
                )
            assert cut == 1
            await self.ask(world, 1)
            await recorder.seen(2, within_s=5)

    async def test_the_age_of_the_oldest_hint_counts_those_that_are_taken(self, world: SqlWorld) -> None:
        store = SqlOutboxRelayStore(world.database, world.clock)
        assert await store.oldest_due() is None
        began = world.clock.now()
        await self.ask(world, 1)
        taken = await store.take(10)
        world.clock.advance(timedelta(seconds=5))
        assert await store.oldest_due() == began
        await store.mark_published([hint.message_id for hint in taken])
        assert await store.oldest_due() is None


async def test_the_relay_listens_past_the_pooler(database: Database, amqp_url: str) -> None:
    """A pooler hands a session's notifications to whoever has it next."""
    stop = asyncio.Event()
    async with tcp_proxy(database.url) as (proxy, direct_url):
        known = {"database_url": database.url, "database_direct_url": direct_url, "keys": KEYS}
        async with (
            open_resources(ConfigApiSettings.model_validate(known), SystemClock()) as resources,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(play(frozenset({Role.RELAY}), resources, queue_at(amqp_url), stop))
            await wait_until(partial(_one_connection, proxy))
            stop.set()


async def _one_connection(proxy: TcpProxy) -> bool:
    return proxy.connections == 1
