"""Reading both sides, page by page, into the links; at a tick, where the CRM tells of its changes, Google alone.

A page's contacts and the place to go on from become durable together. A sync token or watermark becomes the
configuration's only with the last of the changes that it covers: before that a crash reads again.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sync_worker.engine.crm_reader import observe_crm
from sync_worker.engine.google_reader import observe_google
from sync_worker.engine.listings import open_listings, require_scope
from sync_worker.engine.ownership import take_over
from sync_worker.engine.session import Session, raise_met


async def observe(session: Session) -> bool:
    """Read both sides at the same time; True when all listings of the run are complete.

    A side that fails does not interrupt a page of the other: its error is raised when both have stopped.
    """
    await open_listings(session)
    results = await asyncio.gather(observe_crm(session), observe_google(session), return_exceptions=True)
    raise_met(results)
    # Google's reading may have found that the CRM has to be read as well.
    if not session.observed:
        return False
    await _check_scopes(session)
    await take_over(session)
    await _take_stock(session)
    return True


async def _take_stock(session: Session) -> None:
    """Count what there is before anything is written: beside what a run makes itself, no loss would look large.

    It may have to read once more, when something was written already: the lower figures stay.
    """
    if not session.may_delete:
        return
    async with session.transaction() as tx:
        counts = await tx.links.counts(session.now())
        session.update(pairs=_lower(session.run.pairs, counts.in_scope))
        for side, listing in session.run.listings.items():
            session.set_listing(side, replace(listing, shown=_lower(listing.shown, counts.shown[side])))


def _lower(before: int | None, now: int) -> int:
    return now if before is None else min(before, now)


async def _check_scopes(session: Session) -> None:
    """Where many contacts left at once, or all of them: make sure that it is not the view or the group that went."""
    for side, listing in session.run.listings.items():
        if not listing.left:
            continue
        async with session.transaction() as tx:
            shown = (await tx.links.counts(session.now())).shown[side]
        if listing.left > session.settings.scope_check_above or not shown:
            await require_scope(session, side)
