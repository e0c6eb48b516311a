"""What the fixtures of tests/support promise."""

import asyncpg
import httpx2
import pytest
from aio_pika import connect

from tests.support.postgres import Database
from tests.support.rabbitmq import VirtualHost


@pytest.mark.postgres
@pytest.mark.parametrize("round_", [1, 2])
async def test_every_test_has_a_database_of_its_own(empty_database: Database, round_: int) -> None:
    connection = await asyncpg.connect(empty_database.admin_url)
    try:
        await connection.execute("CREATE TABLE left_behind (id int)")
    finally:
        await connection.close()


@pytest.mark.rabbitmq
@pytest.mark.parametrize("round_", [1, 2])
async def test_every_test_has_a_virtual_host_of_its_own(virtual_host: VirtualHost, round_: int) -> None:
    async with await connect(virtual_host.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("left-behind", durable=True, arguments={"x-queue-type": "quorum"})
    async with httpx2.AsyncClient(base_url=virtual_host.management_url) as client:
        answer = await client.get(f"/api/queues/{virtual_host.name}")
    assert [queue["name"] for queue in answer.json()] == ["left-behind"]
