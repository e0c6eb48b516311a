"""The life of a pair as a table: what happens to its contacts, and what the pair is afterwards.

Each row is one pair's life from its beginning. `docs/decisions.md` prints the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from contactsync.domain.actions import Action
from contactsync.domain.contact import Side
from contactsync.domain.link import PairState
from tests.stories.common import person, record
from tests.support.story import StoryWorld

PARTNERS: Final = {"comparator": "equal", "field": {"api_name": "Lead_Source"}, "value": "Partner"}
"""The view."""


@dataclass(slots=True)
class Somebody:
    """Whose pair it is; ids are empty where there is no contact."""

    number: int
    record_id: str = ""
    name: str = ""


Event = Callable[[StoryWorld, Somebody], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a person does, by the words that the table uses."""

    words: str
    do: Event

    def and_then(self, other: Happening) -> Happening:
        """Both, one after the other, before the next run."""

        async def both(world: StoryWorld, one: Somebody) -> None:
            await self.do(world, one)
            await other.do(world, one)

        return Happening(f"{self.words} and {other.words}", both)


# --- what happens -----------------------------------------------------------------------------------------------------


async def _made_in_the_crm(world: StoryWorld, one: Somebody) -> None:
    [one.record_id] = await world.vendors.crm.add([record(one.number, Lead_Source="Partner")])


async def _made_on_google(world: StoryWorld, one: Somebody) -> None:
    [one.name] = await world.vendors.google.add([person(one.number)])


async def _made_without_an_address(world: StoryWorld, one: Somebody) -> None:
    [one.record_id] = await world.vendors.crm.add([record(one.number, Lead_Source="Partner", Email=None)])


async def _made_on_google_without_an_address(world: StoryWorld, one: Somebody) -> None:
    [one.name] = await world.vendors.google.add([person(one.number, emailAddresses=[])])


async def _given_an_address(world: StoryWorld, one: Somebody) -> None:
    if one.record_id:
        await world.vendors.crm.edit(one.record_id, Email=record(one.number)["Email"])
    else:
        await world.vendors.google.edit(one.name, emailAddresses=person(one.number)["emailAddresses"])


async def _leaves_the_view(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.crm.edit(one.record_id, Lead_Source="Cold Call")


async def _comes_back_to_the_view(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.crm.edit(one.record_id, Lead_Source="Partner")


async def _leaves_the_group(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.google.move(one.name, remove=[world.vendors.google.group])


async def _comes_back_to_the_group(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.google.move(one.name, add=[world.vendors.google.group])


async def _deleted_in_the_crm(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.crm.delete(one.record_id)


async def _deleted_on_google(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.google.delete(one.name)


async def _restored_in_the_crm(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.crm.restore(one.record_id)


async def _restored_on_google(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.google.restore(one.name)


async def _brought_back(world: StoryWorld, one: Somebody) -> None:
    await world.answer(one.record_id or one.name, Action.BRING_BACK)


async def _edited_in_the_crm(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.crm.edit(one.record_id, Title="Countess")


async def _edited_on_google(world: StoryWorld, one: Somebody) -> None:
    await world.vendors.google.edit(one.name, organizations=[{"title": "Countess", "type": "work"}])


MADE = {
    Side.CRM: Happening("made in the CRM", _made_in_the_crm),
    Side.GOOGLE: Happening("made on Google", _made_on_google),
}
BARE = {
    Side.CRM: Happening("made in the CRM without an address", _made_without_an_address),
    Side.GOOGLE: Happening("made on Google without an address", _made_on_google_without_an_address),
}
ADDRESS = Happening("given an address", _given_an_address)
LEAVES = {
    Side.CRM: Happening("leaves the view", _leaves_the_view),
    Side.GOOGLE: Happening("leaves the group", _leaves_the_group),
}
RETURNS = {
    Side.CRM: Happening("comes back to the view", _comes_back_to_the_view),
    Side.GOOGLE: Happening("comes back to the group", _comes_back_to_the_group),
}
DELETED = {
    Side.CRM: Happening("deleted in the CRM", _deleted_in_the_crm),
    Side.GOOGLE: Happening("deleted on Google", _deleted_on_google),
}
RESTORED = {
    Side.CRM: Happening("restored in the CRM", _restored_in_the_crm),
    Side.GOOGLE: Happening("restored on Google", _restored_on_google),
}
EDITED = {
    Side.CRM: Happening("edited in the CRM", _edited_in_the_crm),
    Side.GOOGLE: Happening("edited on Google", _edited_on_google),
}
BRING_BACK = Happening("brought back", _brought_back)


# --- the table --------------------------------------------------------------------------------------------------------

Life = tuple[tuple[Happening, PairState], ...]

_S, _L, _D, _R, _G = PairState.SINGLE, PairState.LINKED, PairState.DORMANT, PairState.RELEASED, PairState.GONE


def _lives(side: Side) -> tuple[Life, ...]:
    """Everything that can become of a pair through what happens on this side."""
    other = side.other
    born = (MADE[Side.CRM], _L)
    away, gone = (LEAVES[side], _D), (DELETED[side], _R)
    both = DELETED[side].and_then(DELETED[other])
    return (
        ((MADE[side], _L), (EDITED[side], _L)),
        ((MADE[side].and_then(MADE[other]), _L), (EDITED[other], _L)),
        ((BARE[side], _S), (ADDRESS, _L)),
        ((BARE[side], _S), (DELETED[side], _G)),
        (born, away, (EDITED[other], _D), (RETURNS[side], _L)),
        (born, away, (LEAVES[other], _D), (RETURNS[side], _D), (RETURNS[other], _L)),
        (born, away, (DELETED[other], _R), (RESTORED[other].and_then(RETURNS[side]), _L)),
        (born, away, (both, _G)),
        (born, gone, (EDITED[other], _R), (RESTORED[side], _L)),
        (born, gone, (MADE[side], _L)),
        (born, gone, (BRING_BACK, _L)),
        (born, gone, (DELETED[other], _G)),
        (born, (both, _G)),
    )


LIVES: Final[tuple[Life, ...]] = tuple(dict.fromkeys(life for side in Side for life in _lives(side)))


def markdown() -> str:
    """The table as the document prints it."""
    rows = [" → ".join(f"{what.words}: **{state.value}**" for what, state in life) for life in LIVES]
    return "\n".join(["| a pair's life |", "| --- |", *(f"| {row} |" for row in rows)])
