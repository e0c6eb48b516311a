"""config-api, relay and two sync-workers, each a process, over RabbitMQ and PostgreSQL."""

from __future__ import annotations

import signal

import pytest

from tests.support.installation import Installation, outcomes
from tests.support.vendors import Json, Vendors
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.process, pytest.mark.timeout(180)]

_BETWEEN_S = 600


@pytest.fixture
def roles() -> tuple[str, ...]:
    return ("api", "relay")


def _addresses(people: list[Json]) -> list[str]:
    """The first address of each person, folded and sorted."""
    return sorted(person["emailAddresses"][0]["value"].casefold() for person in people)


async def _in_crm(both: Vendors) -> list[str]:
    return sorted(record["Email"].casefold() for record in await both.crm.records())


async def test_a_first_and_a_later_sync_go_from_a_request_to_contacts_on_the_other_side(
    product: Installation, both: Vendors
) -> None:
    ids = await both.crm.populate(450)
    async with product.worker(), product.worker():
        saved = await product.configure()
        first = await product.ended(saved["run_id"])
        assert (first["state"], outcomes(first)) == ("succeeded", {"created": 450})
        assert sum(first["calls"].values()) == 3 + 1 + 3
        people = await both.google.people(in_group=True)
        assert _addresses(people) == await _in_crm(both)

        await both.advance(_BETWEEN_S)
        await both.crm.edit(ids[0], Title="Analyst")
        await both.google.edit(people[-1]["resourceName"], organizations=[{"title": "Admiral"}])
        later = await product.ended((await product.customer.ask_for_run(saved["id"]))["id"])
        assert (later["state"], later["counts"]["updated"]) == ("succeeded", 2)
        assert later["writes"] == {"crm.update": 1, "google.update": 1}
        titles = {
            person["organizations"][0].get("title")
            for person in await both.google.people()
            if "organizations" in person
        }
        assert "Analyst" in titles
        assert "Admiral" in {record.get("Title") for record in await both.crm.records()}


async def test_a_worker_that_is_asked_to_stop_hands_its_run_on_and_nothing_is_done_twice(
    product: Installation, both: Vendors
) -> None:
    await both.crm.populate(1_000)
    await both.google.control.settings(latency_scale=1.0, latency_s={"people.batchCreateContacts": 0.5, "*": 0.0})
    async with product.worker() as first:
        saved = await product.configure()
        await wait_until(lambda: _has_written(product, saved["run_id"]), within_s=60, every_s=0.3)
        async with product.worker():
            assert await first.end(signal.SIGTERM) == 0
            run = await product.ended(saved["run_id"])
    assert (run["state"], outcomes(run)) == ("succeeded", {"created": 1_000})
    assert sum(run["calls"].values()) == 5 + 1 + 5
    assert _addresses(await both.google.people(in_group=True)) == await _in_crm(both)


async def _has_written(product: Installation, run_id: str) -> bool:
    return bool((await product.customer.run(run_id))["writes"])
