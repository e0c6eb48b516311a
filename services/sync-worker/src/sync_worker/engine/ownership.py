"""Pairs that another configuration of the same account kept so far and that this one keeps from now on."""

from __future__ import annotations

from contactsync.domain.ids import LinkId
from contactsync.domain.sharing import keeper, present_sides, taken_over
from sync_worker.engine.session import Session


async def take_over(session: Session) -> None:
    """Make this run's configuration the keeper wherever it is now: they are pending, to be read and merged."""
    config = session.run.settings.config_id
    begun = session.run.started_at or session.now()
    after: LinkId | None = None
    while True:
        async with session.transaction() as tx:
            contested = await tx.links.contested(after, session.settings.chunk)
            mine = [c for c in contested if keeper(c.contenders, present_sides(c.link), c.before) == config]
            if mine:
                await tx.links.save([taken_over(one.link, begun) for one in mine])
                # What the one before was refused, or asked about, nobody waits for any more.
                await tx.links.look_again_elsewhere([one.link.link_id for one in mine])
        if not contested:
            return
        after = contested[-1].link.link_id
