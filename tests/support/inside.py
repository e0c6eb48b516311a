"""The world of a story in memory: a `SyncWorld`, shown as `StoryWorld` says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from contactsync.domain.actions import Action, possible
from contactsync.domain.ids import ConfigId, GroupId
from contactsync.domain.link import Link
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import crm_field_of
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction, Policy
from contactsync.domain.reasons import Reason
from contactsync.ports.requests import APPROVAL, RunLimits
from contactsync.ports.state import Run, RunContact, RunMode, RunSettings
from tests.support.clock import ManualClock
from tests.support.story import PairView, RowView, RunView
from tests.support.sync_states import MemoryBooks
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.vendors import GoogleBook, Json, Vendors

_READING = {"direction", "mapping"}
"""Settings whose change asks for a run."""


class InsideWorld:
    """One configuration of a `SyncWorld`, which several may share."""

    def __init__(self, world: SyncWorld, settings: RunSettings) -> None:
        self._shared = world
        self._settings = settings
        self._has_run = False

    @property
    def _world(self) -> SyncWorld:
        """The shared world, at work for this configuration."""
        self._shared.settings = self._settings
        return self._shared

    @property
    def vendors(self) -> Vendors:
        """Both address books."""
        return self._shared.vendors

    @property
    def clock(self) -> ManualClock:
        """Our clock."""
        return self._shared.clock

    @property
    def policy(self) -> Policy:
        """The configuration's settings."""
        return self._settings.policy

    @property
    def mapping(self) -> FieldMapping:
        """The configuration's mapping."""
        return self._settings.policy.mapping

    async def sync(self, *, mode: RunMode = RunMode.SYNC) -> RunView:
        """A run, worked until it ended."""
        self._has_run = True
        return _run(await self._world.sync(mode=mode))

    async def report(self, run: RunView) -> list[RowView]:
        """The rows of the run's report."""
        world = self._world
        runs = await world.books.runs(self._settings)
        [found] = [one for one in runs if str(one.run_id) == run.run_id]
        return [_row(row) for row in await world.report(found)]

    async def pair(self, remote_id: str) -> PairView:
        """The pair that has this record or person."""
        return self._pair(await self._world.pair(remote_id))

    async def pairs(self) -> list[PairView]:
        """All pairs of the configuration."""
        return [self._pair(link) for link in await self._world.links()]

    async def answer(self, remote_id: str, action: Action) -> RunView:
        """Ask for something to be done with a pair; the run that did it."""
        await self._world.answer(remote_id, action)
        return await self.sync()

    async def approve(self, run: RunView) -> RunView:
        """Approve the deletes that the run listed; the run that answered."""
        trigger = f"{APPROVAL}{run.run_id}"
        return _run(await self._world.sync(mode=RunMode.APPROVED_DELETES, trigger=trigger))

    async def refuse(self, run: RunView) -> RunView:
        """Refuse the deletes that the run listed; the run that answered."""
        for row in await self.report(run):
            if row.reason == Reason.AWAITING_APPROVAL:
                await self._world.answer(row.crm_id or row.google_id, Action.RELEASE)
        return await self.sync()

    async def configure(self, **settings: Any) -> None:  # noqa: ANN401  a value for any setting
        """Change settings; another mapping or direction is followed by a run."""
        world = self._world
        await world.configure(**settings)
        self._settings = world.settings
        if self._has_run and _READING & settings.keys():
            await self.sync()

    async def pass_time(self, **by: float) -> None:
        """Let time go by on every clock."""
        await self._shared.pass_time(**by)

    async def carry_on(self, *, until: datetime) -> list[RunView]:
        """The runs that began by themselves until then."""
        return [_run(run) for run in await self._world.carry_on(until=until)]

    async def beside(self, *, group: str | None = None, colleague: GoogleBook | None = None) -> InsideWorld:
        """Another configuration of the same view."""
        world = self._world
        if colleague is not None:
            await world.pass_time(seconds=2)
            settings = await world.add_colleague(colleague, group)
        else:
            await world.pass_time(seconds=2)  # the older one is the owner of what they share
            settings = replace(self._settings, config_id=ConfigId(uuid4()), group_id=GroupId(str(group)))
            await world.books.put(settings)
        return InsideWorld(self._shared, settings)

    async def switch_off(self) -> None:
        """Deactivate the configuration."""
        await self._shared.books.put(self._settings, active=False)

    async def switch_on(self) -> RunView:
        """Activate it again; the run that follows."""
        await self._shared.books.put(self._settings)
        return await self.sync()

    async def made_again(self) -> InsideWorld:
        """The configuration deleted, and one with the same settings in its place."""
        await self.switch_off()
        settings = replace(self._settings, config_id=ConfigId(uuid4()))
        await self._shared.pass_time(seconds=2)
        await self._shared.books.put(settings)
        return InsideWorld(self._shared, settings)

    async def lose_database(self) -> None:
        """Nothing of what was stored is known any more."""
        world = self._world
        await world.forget_everything()
        self._settings = world.settings

    async def back_up(self) -> Callable[[], Awaitable[None]]:
        """Copy the tables; what is returned puts them back."""
        books = self._shared.books
        assert isinstance(books, MemoryBooks)
        tables = books.state.tables
        backup = {one.name: _copy_of(getattr(tables, one.name)) for one in fields(tables)}

        async def restore() -> None:
            for name, table in backup.items():
                now = getattr(tables, name)
                now.clear()
                now.update(table)

        return restore

    def _pair(self, link: Link) -> PairView:
        return PairView(
            link_id=str(link.link_id),
            state=link.state,
            reason=Reason.OWNED_BY_ANOTHER if link.foreign else link.reason,
            crm_id=link.crm.remote_id or "",
            google_id=link.google.remote_id or "",
            held=link.hold.reason if link.hold else "",
            waits=link.pending_since is not None and link.hold is None and not link.excluded,
            excluded=link.excluded,
            diverged=tuple(sorted(crm_field_of(key) for key in link.diverged)),
            actions=possible(link, self._settings.policy, None, self.clock.now()),
        )


@asynccontextmanager
async def inside_world(
    *,
    direction: Direction = Direction.TWO_WAY,
    limits: RunLimits | None = None,
    view_criteria: Json | None = None,
    **settings: Any,  # noqa: ANN401  a value for any setting
) -> AsyncIterator[InsideWorld]:
    """Both vendors with empty books, and a configuration, in memory; nothing of it begins by itself."""
    settings.pop("frequency", None)
    async with sync_world(direction=direction, limits=limits, view_criteria=view_criteria, **settings) as world:
        yield InsideWorld(world, world.settings)


def _copy_of(table: dict[Any, Any]) -> dict[Any, Any]:
    """The same rows, which nobody changes in place, in tables of their own."""
    return {key: _copy_of(row) if isinstance(row, dict) else row for key, row in table.items()}


def _run(run: Run) -> RunView:
    return RunView(
        run_id=str(run.run_id),
        state=run.state,
        reason=run.reason,
        trigger=run.trigger,
        counts={name: run.counts.get(name, 0) for name in ("selected", *(outcome.value for outcome in Outcome))},
        writes=_under(run.counts, "writes."),
        calls={name: n for name, n in _under(run.counts, "calls.").items() if not name.startswith("control.")},
    )


def _under(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix) and n}


def _row(row: RunContact) -> RowView:
    return RowView(
        link_id=str(row.link_id),
        outcome=row.outcome,
        reason=row.reason,
        crm_id=row.crm_id or "",
        google_id=row.google_id or "",
        fields=tuple(row.fields),
        left_out={crm_field_of(key): reason for key, reason in row.left_out.items()},  # type: ignore[arg-type]  # stored as text
        provider_message=row.provider_message,
    )
