"""Lost answers, refusals, quotas, crashes: each contact is made once, and nothing is lost."""

from __future__ import annotations

import pytest

from contactsync.domain.policy import Direction
from contactsync.ports.state import RunMode, RunState
from sync_worker.engine.settings import EngineSettings
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_first_run import DAYS_AGO, addresses, person, record, writes
from tests.stories.common import CRITERIA
from tests.support.postgres import Database
from tests.support.sync_states import Crash
from tests.support.sync_world import SyncWorld, sync_world

MOBILE = {"value": "+447700900123", "type": "mobile"}


async def test_a_create_on_google_whose_answer_was_lost_is_found_by_its_marker(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.control.fault("people.batchCreateContacts", "cut_after", times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert run.counts["created"] == 30
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(30)}
        assert not writes(await world.sync())


async def test_a_create_on_google_that_never_arrived_is_sent_again_after_the_visibility_wait(
    open_world: OpenWorld,
) -> None:
    async with open_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(30)], at=DAYS_AGO)
        await world.vendors.google.control.fault("people.batchCreateContacts", "cut_before", times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(30)}


async def test_whoever_is_made_by_hand_while_a_create_is_looked_for_is_sought_before_he_is_made_in_the_crm(
    open_world: OpenWorld,
) -> None:
    async with open_world(view_criteria=CRITERIA) as world:
        await world.vendors.crm.add([record(1, Lead_Source="Partner"), record(50)], at=DAYS_AGO)
        await world.vendors.google.control.fault("people.batchCreateContacts", "cut_before", times=1)
        asked = await world.books.requests.request(
            world.settings.organisation_id, world.config, RunMode.SYNC, "user", world.clock.now()
        )
        while not (await world.books.run_row(world.settings, asked.run_id)).wait_until:
            await world.work_due()
        # Somebody whose record stands outside the view is put into the group, and the next look finds him.
        await world.vendors.google.add([person(50)])

        run = await world.until_ended(asked.run_id)

        assert writes(run) == {"writes.google.create": 1}
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in (1, 50)}


async def test_a_token_that_is_taken_back_while_a_create_is_looked_for_is_read_anew() -> None:
    async with sync_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.crm.add([record(n) for n in range(3)], at=DAYS_AGO)
        google = world.vendors.google.control
        await google.fault("people.batchCreateContacts", "cut_after", times=1)
        await google.settings(visibility_delay_s=5)
        await google.fault("people.connections.list", "status", status=410, after=1, times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(3)}


async def test_a_create_in_the_crm_whose_answer_was_lost_is_found_by_its_address(open_world: OpenWorld) -> None:
    async with open_world(direction=Direction.GOOGLE_TO_CRM) as world:
        await world.vendors.google.add([person(n) for n in range(30)])
        await world.vendors.crm.control.fault("contacts.insert", "cut_after", times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(30)}
        assert not writes(await world.sync())


@pytest.mark.parametrize("operation", ["people.batchUpdateContacts", "contacts.update"])
async def test_an_update_without_an_answer_is_repeated_safely(open_world: OpenWorld, operation: str) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n, Title="Analyst") for n in range(5)], at=DAYS_AGO)
        await world.vendors.google.add([person(n, phoneNumbers=[MOBILE]) for n in range(5)])
        book = world.vendors.crm if operation.startswith("contacts") else world.vendors.google
        await book.control.fault(operation, "cut_after", times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert {one["Mobile"] for one in await world.vendors.crm.records()} == {MOBILE["value"]}
        assert {one["organizations"][0]["title"] for one in await world.vendors.google.people()} == {"Analyst"}
        assert not writes(await world.sync())


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_provider_that_fails_for_a_while_makes_the_run_wait_and_end_complete(
    open_world: OpenWorld, status: int
) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(25)], at=DAYS_AGO)
        await world.vendors.google.add([person(n) for n in range(20, 40)])
        for book, operation in (
            (world.vendors.google, "people.connections.list"),
            (world.vendors.crm, "contacts.list.view"),
        ):
            await book.control.fault(operation, "status", status=status, times=2)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(40)}


async def test_a_listing_answered_with_a_page_of_html_is_an_error_and_never_an_empty_book(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        await world.vendors.crm.add([record(n) for n in range(5)], at=DAYS_AGO)
        await world.sync()
        await world.vendors.google.control.fault("people.connections.list", "html200", times=1)

        failed, after = await world.sync(), await world.sync()

        assert failed.state is RunState.FAILED
        assert failed.reason == "provider_contract"
        assert after.state is RunState.SUCCEEDED
        assert not writes(failed)
        assert not writes(after)


@pytest.mark.parametrize("operation", ["people.getBatchGet", "people.batchUpdateContacts", "contacts.update"])
async def test_a_side_that_has_to_stop_keeps_nobody_waiting(open_world: OpenWorld, operation: str) -> None:
    """One side is refused while the next chunk is being decided or written; the other one ends by itself."""
    async with open_world(engine=EngineSettings(chunk=4)) as world:
        await overlapping_books(world)
        await world.vendors.google.add([person(n) for n in range(4)], in_group=False)
        book = world.vendors.crm if operation.startswith("contacts") else world.vendors.google
        await book.control.fault(operation, "status", status=429, times=1)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(20)}
        assert not writes(await world.sync())


STEPS = 52
"""At least as many as the story below takes; each is a provider's call, a transaction, or a word about the lease."""


async def overlapping_books(world: SyncWorld) -> None:
    """Twelve records and twelve people, four of them the same persons, each of whom knows what the other does not."""
    await world.vendors.crm.add([record(n, Title="Analyst") for n in range(12)], at=DAYS_AGO)
    await world.vendors.google.add([person(n, phoneNumbers=[MOBILE]) for n in range(8, 20)])


@pytest.mark.parametrize("step", range(1, STEPS + 1))
async def test_a_worker_that_dies_at_any_step_leaves_each_contact_made_once(step: int) -> None:
    """The process ends at the k-th time it is about to touch a provider or the database; another one goes on."""
    async with sync_world() as world:
        await overlapping_books(world)
        world.crash = Crash(step)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(20)}
        assert run.counts["selected"] == 20
        await world.vendors.advance(600)
        assert not writes(await world.sync())


@pytest.mark.postgres
@pytest.mark.parametrize("step", range(4, STEPS + 1, 7))
async def test_the_same_death_over_postgresql(database: Database, step: int) -> None:
    async with sync_world(database=database) as world:
        await overlapping_books(world)
        world.crash = Crash(step)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(20)}
        assert not writes(await world.sync())


async def test_every_step_of_the_story_has_had_its_death() -> None:
    async with sync_world() as world:
        await overlapping_books(world)

        await world.sync()

        assert 20 < world.crash.steps <= STEPS
