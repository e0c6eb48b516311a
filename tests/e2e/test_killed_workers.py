"""`kill -9` of the worker at work, again and again: the run ends with exactly the right contacts."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from functools import partial
from random import Random

import pytest

from tests.support.installation import OPEN, Installation, outcomes
from tests.support.processes import ServiceProcess
from tests.support.vendors import Vendors
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.process, pytest.mark.timeout(300)]

_KILLS = 10
_CONTACTS = 2_400
_LATER_S = 1_200
_WAIT = "3s"
# On a busy machine many kills in a row may fall on one slice, which is no poison here.
_SETTINGS = {"slice_budget": "300ms", "slice_attempts": "20", "visibility_wait": _WAIT}


class _Fleet:
    """Workers of which two are kept alive; the one at work is killed."""

    def __init__(self, product: Installation, stack: AsyncExitStack) -> None:
        self._product = product
        self._stack = stack
        self._workers: list[ServiceProcess] = []

    async def grow(self) -> None:
        """One worker more."""
        self._workers.append(await self._stack.enter_async_context(self._product.worker(**_SETTINGS)))

    async def kill_the_one_at_work(self) -> None:
        """SIGKILL to whoever holds the account now; waits until somebody does."""
        await wait_until(self._somebody_works, within_s=60)
        victim = next(worker for worker in self._workers if self._holder in worker.log)
        self._workers.remove(victim)
        assert await victim.end(signal.SIGKILL) == -signal.SIGKILL

    async def _somebody_works(self) -> bool:
        self._holder = await self._product.holder() or ""
        return any(self._holder in worker.log for worker in self._workers if self._holder)


async def test_ten_killed_workers_and_a_lost_answer_leave_every_contact_exactly_once(
    product: Installation, both: Vendors
) -> None:
    rng = Random()
    await both.crm.populate(_CONTACTS)
    slow = {"latency_scale": 1.0, "latency_s": {"people.batchCreateContacts": 0.4, "*": 0.0}}
    await both.google.control.settings(**slow)
    await both.crm.control.settings(latency_scale=1.0, latency_s={"contacts.list.view": 0.15, "*": 0.0})
    await both.google.control.fault("people.batchCreateContacts", "cut_after", times=1)
    async with AsyncExitStack() as stack:
        fleet = _Fleet(product, stack)
        await asyncio.gather(fleet.grow(), fleet.grow())
        saved = await product.configure()
        for _ in range(_KILLS):
            replacement = asyncio.create_task(fleet.grow())
            await asyncio.sleep(rng.uniform(0, 1))  # the moment is what the test varies
            assert (await product.customer.run(saved["run_id"]))["state"] in OPEN, "the run outlives every kill"
            await fleet.kill_the_one_at_work()
            await replacement
        run = await product.ended(saved["run_id"], within_s=60)
        assert (run["state"], outcomes(run)) == ("succeeded", {"created": _CONTACTS}), run
        again = await product.ended((await product.customer.ask_for_run(saved["id"]))["id"])
        assert again["writes"] == {}
    people = await both.google.people(in_group=True)
    assert len(await both.google.people()) == len(people) == _CONTACTS
    found = sorted(person["emailAddresses"][0]["value"].casefold() for person in people)
    assert found == sorted(record["Email"].casefold() for record in await both.crm.records())


async def test_c45_a_worker_killed_in_the_middle_of_its_listings_is_followed_by_one_that_deletes_nobody(
    product: Installation, both: Vendors
) -> None:
    """The second worker lists the remaining pages alone: who was on the first ones is not taken for gone."""
    await both.crm.populate(_CONTACTS)
    async with product.worker(visibility_wait=_WAIT) as doomed:
        saved = await product.configure(deletions="propagate")
        await product.ended(saved["run_id"], within_s=120)
        await both.advance(_LATER_S)
        slow = {"latency_scale": 1.0, "latency_s": {"people.connections.list": 0.8, "contacts.list*": 0.2, "*": 0.0}}
        await both.google.control.settings(**slow)
        await both.crm.control.settings(**slow)
        address = product.environment["CONTACTSYNC_PUBLIC_URL"]
        asked = await product.browser.post(f"{address}/v1/sync-configs/{saved['id']}/runs", json={"mode": "full"})
        run_id = asked.json()["run"]["id"]
        await wait_until(partial(_is_half_read, product, run_id), within_s=60)
        assert await doomed.end(signal.SIGKILL) == -signal.SIGKILL
    assert (await product.customer.run(run_id))["state"] in OPEN
    async with product.worker(visibility_wait=_WAIT):
        run = await product.ended(run_id, within_s=120)
    assert (run["state"], run["writes"], run["selected"]) == ("succeeded", {}, _CONTACTS)
    assert len(await both.google.people(in_group=True)) == len(await both.crm.records()) == _CONTACTS


async def _is_half_read(product: Installation, run_id: str) -> bool:
    progress = (await product.customer.run(run_id))["progress"]
    return all(progress[side]["read"] > 0 for side in ("crm", "google")) and not progress["google"]["complete"]
