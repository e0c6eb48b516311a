"""Runs after the first: edits on either side, conflicts, lagging listings."""

from __future__ import annotations

from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from contactsync.domain.policy import Direction
from contactsync.ports.state import RunMode, RunState
from tests.integration.engine.test_first_run import DAYS_AGO, addresses, data_calls, person, record, writes
from tests.stories.common import CRITERIA
from tests.support.sync_world import SyncWorld, sync_world


async def settled(world: SyncWorld, count: int) -> tuple[dict[str, str], dict[str, str]]:
    """Contacts in both books, linked, echoes read: record ids and person names by e-mail."""
    await world.vendors.crm.add([record(n, Title="Analyst") for n in range(count)], at=DAYS_AGO)
    await world.sync()
    await world.sync()
    await world.vendors.advance(600)
    await world.sync()
    await world.vendors.advance(600)
    records = {one["Email"]: one["id"] for one in await world.vendors.crm.records()}
    people = {one["emailAddresses"][0]["value"]: one["resourceName"] for one in await world.vendors.google.people()}
    return records, people


async def titles(world: SyncWorld) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Job titles by e-mail, in the CRM and on Google."""
    crm = {one["Email"]: one.get("Title") for one in await world.vendors.crm.records()}
    google = {
        one["emailAddresses"][0]["value"]: (one.get("organizations") or [{}])[0].get("title")
        for one in await world.vendors.google.people()
    }
    return crm, google


async def test_edits_on_both_sides_cross_and_a_conflict_goes_to_the_winner() -> None:
    async with sync_world(conflict_winner=Side.CRM) as world:
        records, people = await settled(world, 60)
        crm_edits = {records[f"ada{n}@example.org"]: {"Title": f"crm {n}"} for n in range(30)}
        google_edits = {
            people[f"ada{n}@example.org"]: {"organizations": [{"title": f"google {n}", "type": "work"}]}
            for n in range(20, 50)
        }
        await world.vendors.crm.edit_many(crm_edits)
        await world.vendors.google.edit_many(google_edits)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert writes(run) == {"writes.google.update": 30, "writes.crm.update": 20}
        crm, google = await titles(world)
        assert crm == google
        assert [crm[f"ada{n}@example.org"] for n in (0, 25, 45, 55)] == ["crm 0", "crm 25", "google 45", "Analyst"]
        # deleted list, change list, question for the view; delta; a read and a write on Google; a write in the CRM
        assert data_calls(run) == 7
        assert not writes(await world.sync())


async def test_google_wins_where_the_configuration_says_so() -> None:
    async with sync_world(conflict_winner=Side.GOOGLE) as world:
        records, people = await settled(world, 3)
        await world.vendors.crm.edit(records["ada1@example.org"], Title="crm")
        await world.vendors.google.edit(people["ada1@example.org"], organizations=[{"title": "google", "type": "work"}])

        await world.sync()

        crm, google = await titles(world)
        assert crm["ada1@example.org"] == google["ada1@example.org"] == "google"


async def test_emptying_a_field_crosses_and_unmapped_data_stays() -> None:
    async with sync_world() as world:
        records, people = await settled(world, 3)
        kept = {"urls": [{"value": "https://example.org", "type": "blog"}], "nicknames": [{"value": "Countess"}]}
        await world.vendors.google.edit(people["ada1@example.org"], **kept)
        await world.vendors.crm.edit(records["ada1@example.org"], Title=None)

        await world.sync()

        _, google = await titles(world)
        assert google["ada1@example.org"] is None
        ada = next(
            one for one in await world.vendors.google.people() if one["resourceName"] == people["ada1@example.org"]
        )
        assert ada["urls"][0]["value"] == "https://example.org"
        assert ada["nicknames"][0]["value"] == "Countess"


async def test_a_listing_that_lags_five_minutes_behind_reverts_makes_and_deletes_nothing() -> None:
    async with sync_world() as world:
        records, _ = await settled(world, 20)
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.crm.add([record(n) for n in range(20, 30)])
        await world.vendors.crm.edit(records["ada1@example.org"], Title="Countess")
        await world.sync()

        # Google's listings still show the world as it was before our writes.
        for _ in range(3):
            assert not writes(await world.sync())
        await world.vendors.advance(400)
        after = await world.sync()

        assert not writes(after)
        assert await addresses(world) == {f"ada{n}@example.org": (1, 1) for n in range(30)}
        crm, google = await titles(world)
        assert crm["ada1@example.org"] == google["ada1@example.org"] == "Countess"


async def test_an_edit_that_the_crms_list_does_not_show_yet_is_not_overwritten() -> None:
    async with sync_world(conflict_winner=Side.CRM) as world:
        records, people = await settled(world, 3)
        await world.vendors.crm.control.settings(visibility_delay_s=30)
        await world.vendors.crm.edit(records["ada1@example.org"], Title="Countess")
        title = [{"title": "Engineer", "type": "work"}]
        await world.vendors.google.edit(people["ada1@example.org"], organizations=title)
        await world.pass_time(seconds=2)

        await world.sync()

        crm, google = await titles(world)
        assert crm["ada1@example.org"] == google["ada1@example.org"] == "Countess"


async def test_records_that_were_edited_one_after_another_are_all_written_in_the_run_that_reads_them() -> None:
    async with sync_world(conflict_winner=Side.CRM) as world:
        records, people = await settled(world, 20)
        for n in range(10):
            await world.vendors.crm.edit(records[f"ada{n}@example.org"], Department=f"Number {n}")
            await world.pass_time(seconds=5)
        title = {"organizations": [{"title": "Countess", "type": "work"}]}
        await world.vendors.google.edit_many(dict.fromkeys(people.values(), title))
        await world.pass_time(seconds=5)

        run = await world.sync()

        assert (run.state, run.counts.get("updated")) == (RunState.SUCCEEDED, 20)
        crm, google = await titles(world)
        assert set(crm.values()) == set(google.values()) == {"Countess"}
        # Four to read; two to write on Google; in the CRM a write, then a reading and a write of those that it refused,
        # since their records were edited after the moment up to which a list shows everything for certain.
        assert data_calls(run) == 4 + 2 + 3


async def test_a_record_that_leaves_the_view_in_the_second_in_which_an_edit_of_it_was_read_is_noticed_at_once() -> None:
    async with sync_world(view_criteria=CRITERIA) as world:
        [one, _] = await world.vendors.crm.add([record(n, Lead_Source="Partner") for n in range(2)], at=DAYS_AGO)
        await world.sync()
        await world.pass_time(minutes=20)
        await world.vendors.crm.control.call("POST", "/clock", {"frozen": True})
        await world.vendors.crm.edit(one, Title="Countess")
        await world.sync()
        await world.vendors.crm.edit(one, Lead_Source="Cold Call")
        await world.pass_time(minutes=1)

        left, after = await world.sync(), await world.sync()

        assert (await world.pair(one)).state is PairState.DORMANT
        # One question, once.
        assert (data_calls(left), data_calls(after)) == (4, 3)


async def test_a_full_listing_right_after_creates_that_does_not_show_them_yet_proves_nothing() -> None:
    async with sync_world(direction=Direction.CRM_TO_GOOGLE) as world:
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.crm.add([record(n) for n in range(10)], at=DAYS_AGO)
        await world.sync()

        await world.configure(conflict_winner=Side.GOOGLE)  # a changed setting makes the next run read in full
        run = await world.sync()

        assert not writes(run)
        assert len(await world.vendors.google.people()) == 10


async def test_a_full_listing_that_shows_what_stood_before_our_write_does_not_revert_it() -> None:
    async with sync_world(conflict_winner=Side.GOOGLE) as world:
        records, people = await settled(world, 5)
        await world.vendors.google.control.settings(visibility_delay_s=300)
        await world.vendors.crm.edit(records["ada1@example.org"], Title="Countess")
        await world.sync()
        await world.pass_time(seconds=2)

        run = await world.sync(mode=RunMode.FULL)

        assert not writes(run)
        crm, google = await titles(world)
        assert crm["ada1@example.org"] == google["ada1@example.org"] == "Countess"
        assert (await world.pair(people["ada1@example.org"])).state is PairState.LINKED


async def test_an_expired_sync_token_leads_to_a_full_reading_in_the_same_run() -> None:
    async with sync_world() as world:
        records, _ = await settled(world, 10)
        await world.vendors.google.control.advance(8 * 24 * 3600)
        await world.vendors.crm.edit(records["ada1@example.org"], Title="Countess")

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        assert writes(run) == {"writes.google.update": 1}
        assert len(await world.vendors.google.people()) == 10


async def test_own_google_people_made_by_hand_in_the_group_come_to_the_crm_once() -> None:
    async with sync_world() as world:
        await settled(world, 5)
        await world.vendors.google.add([person(77)])

        first, second = await world.sync(), await world.sync()

        assert writes(first) == {"writes.crm.create": 1}
        assert not writes(second)
        assert (await addresses(world))["ada77@example.org"] == (1, 1)
