"""What the stories of the inside have in common: runs, reports and pairs are those of the engine."""

from __future__ import annotations

from collections import Counter

from contactsync.domain.outcome import Outcome
from contactsync.ports.state import Run
from tests.stories.common import DAYS_AGO, address, book_sizes, crm, google, job, person, record, titles
from tests.support.sync_world import SyncWorld

__all__ = ["DAYS_AGO", "address", "book_sizes", "crm", "google", "job", "person", "record", "titles"]


def writes(run: Run) -> dict[str, int]:
    """What the run wrote, by side and kind."""
    return {name.removeprefix("writes."): n for name, n in run.counts.items() if name.startswith("writes.") and n}


def outcomes(run: Run) -> dict[str, int]:
    """Contacts of the run by outcome."""
    return {outcome.value: n for outcome in Outcome if (n := run.counts[outcome.value])}


async def reasons(world: SyncWorld, run: Run) -> Counter[str]:
    """Rows of the run's report by reason; those without one left out."""
    return Counter(row.reason for row in await world.report(run) if row.reason)


async def settled(world: SyncWorld, count: int, **values: object) -> tuple[list[str], list[str]]:
    """So many pairs in sync, made in the CRM, echoes read: record ids and person names by number."""
    record_ids = await world.vendors.crm.add([record(n, **values) for n in range(count)], at=DAYS_AGO)
    people = await world.vendors.google.add([person(n) for n in range(count)])
    await quiet(world)
    linked = {link.crm.remote_id: link.google.remote_id for link in await world.links()}
    assert linked == dict(zip(record_ids, people, strict=True))
    return record_ids, people


async def quiet(world: SyncWorld) -> None:
    """Sync until every echo was read and no listing lags any more."""
    await world.sync()
    await world.pass_time(minutes=20)
    await world.sync()
    assert not writes(await world.sync())
    await world.pass_time(minutes=20)
