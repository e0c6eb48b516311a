"""Google people of a listing, written into the links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from contactsync.domain.absorb import AbsorbContext, absorb
from contactsync.domain.contact import Observation, Side
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Link, PairState, Presence
from contactsync.ports.state import Outsider, Transaction
from sync_worker.engine.marked import adopt_marked
from sync_worker.engine.session import Session


def context_for(session: Session, side: Side, *, began: datetime) -> AbsorbContext:
    """What absorbing an observation of one side has to know of this run."""
    listing = session.listing(side)
    return AbsorbContext(
        digester=session.ports.digester,
        mapping=session.mapping,
        run_started=session.run.started_at or session.now(),
        listing_started=began,
        observed_at=session.crm_now() if side is Side.CRM else session.now(),
        listing_number=listing.number if listing is not None else 0,
        full=listing is not None and listing.full,
        visibility_wait=session.settings.visibility_wait,
        new_link_id=session.ports.new_id,
        version=session.policy.version,
    )


def has_left(before: Link | None, after: Link | None, side: Side) -> bool:
    """Whether a contact is still there and out of scope now."""
    if before is None or after is None or not before.side(side).in_scope:
        return False
    return not after.side(side).in_scope and after.side(side).presence is Presence.PRESENT


async def absorb_people(session: Session, tx: Transaction, people: Sequence[Observation]) -> int:
    """Write people of a listing into the links; of those outside the group keep id and match keys alone.

    How many of them have left the group.
    """
    names = [name for person in people for name in (person.remote_id, *person.previous_ids)]
    links = dict(await tx.links.by_remote(Side.GOOGLE, names))
    strangers = [person for person in people if person.remote_id not in links]
    links.update(await adopt_marked(session, tx, strangers, besides=_shown_alive(people, links)))
    alive = _shown_alive(people, links)
    context = context_for(session, Side.GOOGLE, began=session.run.listings[Side.GOOGLE].started_at)
    changed: list[Link] = []
    outsiders: list[Outsider] = []
    forgotten: list[str] = []
    left = 0
    for person in people:
        known = _known(person, links)
        if known is not None and person.deleted and known.link_id in alive:
            continue  # he lives on under another name, which the same page shows
        link = absorb(known, person, Side.GOOGLE, context)
        left += has_left(known, link, Side.GOOGLE)
        if link is not None and link != known:
            changed.append(link)
        if link is None and not person.deleted:
            outsiders.append(Outsider(person.remote_id, session.ports.digester.match_keys(person.identity)))
        elif known is None or known.state is PairState.GONE:
            forgotten.append(person.remote_id)
    if changed:
        await tx.links.save(changed)
    if outsiders:
        await tx.outsiders.save(Side.GOOGLE, context.listing_number, outsiders)
    if forgotten and session.run.sync.google_full_at is not None:
        await tx.outsiders.remove(Side.GOOGLE, forgotten)
    return left


def _known(person: Observation, links: Mapping[str, Link]) -> Link | None:
    return next((links[name] for name in (person.remote_id, *person.previous_ids) if name in links), None)


def _shown_alive(people: Sequence[Observation], links: Mapping[str, Link]) -> set[LinkId]:
    """Pairs whose person the page shows, and not as deleted."""
    return {link.link_id for person in people if not person.deleted and (link := _known(person, links)) is not None}
