"""What the broker sees of a process: connections of their own for each purpose, and what was agreed on them."""

from __future__ import annotations

import pytest

from contactsync.ports.queue import Lane
from tests.contract.queue.recorder import Recorder, a_hint, consuming
from tests.integration.amqp.conftest import Management, queue_on, quick
from tests.support.waiting import wait_until

pytestmark = pytest.mark.rabbitmq


async def test_publishing_consuming_and_inspecting_go_by_connections_of_their_own(
    amqp_url: str, management: Management
) -> None:
    """P9, P12: a publisher that the broker blocks stops neither acknowledgements nor the watchdog."""
    queue = queue_on(quick(amqp_url, process_name="worker-1", watchdog_interval_s=0.1))
    expected = {f"worker-1 {purpose}" for purpose in ("publish", "consume", "inspect")}

    async def all_are_there() -> bool:
        return {name for name, _ in await management.connections()} >= expected

    async with queue.publisher() as publisher, consuming(queue, Recorder.open()):
        await publisher.publish([a_hint()])
        await wait_until(all_are_there, within_s=15)
        connections = await management.connections()
    assert {name for name, _ in connections} == expected
    assert {heartbeat for _, heartbeat in connections} == {15}


async def test_the_broker_hands_out_no_more_messages_than_the_lane_has_slots(
    amqp_url: str, management: Management
) -> None:
    """P17: whoever dies takes his prefetched messages with him, and each such death counts against them."""
    lanes = {Lane.INITIAL: 3, Lane.INCREMENTAL: 7, Lane.SUSPECT: 1}

    async def registered() -> bool:
        return await management.prefetches() == {lane.value: prefetch for lane, prefetch in lanes.items()}

    async with consuming(queue_on(quick(amqp_url)), Recorder.open(), lanes) as consumer:
        await wait_until(lambda: consumer.ready)
        await wait_until(registered, within_s=15)
