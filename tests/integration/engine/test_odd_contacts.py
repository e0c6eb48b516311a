"""Contacts beyond every limit: each is passed over with its reason, or written as far as it fits; the others cross."""

from __future__ import annotations

from contactsync.domain.outcome import Outcome
from contactsync.ports.state import RunState
from tests.integration.engine.conftest import OpenWorld
from tests.integration.engine.test_every_field import map_everything
from tests.integration.engine.test_first_run import DAYS_AGO, person, record, writes
from tests.support.vendors import Json

MOBILE = {"value": "+447700900123", "type": "mobile"}


def numbers(count: int) -> list[Json]:
    return [{"value": f"+44770090{n:04}", "type": "other"} for n in range(1000, 1000 + count)]


async def test_a_note_too_long_for_the_crm_stays_on_google_and_the_rest_of_its_person_crosses(
    open_world: OpenWorld,
) -> None:
    """F50."""
    async with open_world() as world:
        await map_everything(world)
        note = "n" * 1_000_000
        people = [person(0, biographies=[{"value": note}], phoneNumbers=[MOBILE]), person(1)]
        await world.vendors.google.add(people)

        await world.sync()

        records = {one["First_Name"]: one for one in await world.vendors.crm.records()}
        assert records.keys() == {"Ada0", "Ada1"}
        assert records["Ada0"]["Mobile"] == MOBILE["value"]
        assert not records["Ada0"].get("Description")
        huge = next(one for one in await world.vendors.google.people() if "biographies" in one)
        assert huge["biographies"][0]["value"] == note
        assert not writes(await world.sync())


async def test_a_person_with_thousands_of_numbers_is_read_whole_and_refused_alone(open_world: OpenWorld) -> None:
    """F50: listings show a hundred of them; a write of more than five hundred would be refused with its whole batch."""
    async with open_world() as world:
        await world.vendors.crm.add([record(n, Title="Analyst") for n in range(3)], at=DAYS_AGO)
        await world.vendors.google.add([person(0, phoneNumbers=[*numbers(5000), MOBILE]), person(1), person(2)])

        run = await world.sync()

        assert run.state is RunState.PARTIAL
        people = {one["names"][0]["givenName"]: one for one in await world.vendors.google.people()}
        titles = {name: "organizations" in one for name, one in people.items()}
        assert titles == {"Ada0": False, "Ada1": True, "Ada2": True}
        assert len(people["Ada0"]["phoneNumbers"]) == 5001
        (failed,) = [row for row in await world.report(run) if row.outcome is Outcome.FAILED]
        assert failed.reason == "value_does_not_fit"
        # What one side refuses does not keep the other side from being written.
        records = {one["First_Name"]: one for one in await world.vendors.crm.records()}
        assert records["Ada0"]["Mobile"] == MOBILE["value"]


async def test_texts_of_every_kind_cross_unaltered(open_world: OpenWorld) -> None:
    """Quotes, backslashes, markup, formulas, right-to-left marks, emoji, composed characters, control characters."""
    texts = [
        'O\'Brien \\ "quoted" <b>& co</b>',
        "=HYPERLINK(1)",
        "\u202eabc\u202c \u200bzero",
        "\U0001f469\u200d\U0001f52c and \U0001f1ec\U0001f1e7",
        "e\u0301 or \u00e9",
        "\u738b\u5c0f\u660e \u0645\u0631\u064a\u0645",
        "tab\there",
    ]
    async with open_world() as world:
        await world.vendors.crm.add([record(n, Title=text) for n, text in enumerate(texts)], at=DAYS_AGO)
        other = [person(n + 50, organizations=[{"title": text}]) for n, text in enumerate(texts)]
        await world.vendors.google.add(other)

        run = await world.sync()

        assert run.state is RunState.SUCCEEDED
        crm = {one["Email"]: one["Title"] for one in await world.vendors.crm.records()}
        google = {
            one["emailAddresses"][0]["value"]: one["organizations"][0]["title"]
            for one in await world.vendors.google.people()
        }
        assert crm == google
        assert [crm[f"ada{n}@example.org"] for n in range(len(texts))] == texts
        assert [crm[f"ada{n + 50}@example.org"] for n in range(len(texts))] == texts
        assert not writes(await world.sync())
