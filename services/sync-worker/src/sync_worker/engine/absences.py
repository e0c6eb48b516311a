"""Whom a complete full listing did not show: whether it is believed, and who is there all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from contactsync.domain.absorb import AbsorbContext, absorb, absorb_absence
from contactsync.domain.brake import is_believed
from contactsync.domain.contact import Observation, Side
from contactsync.domain.ids import GroupId, LinkId, PersonId, RecordId
from contactsync.domain.link import Link, PairState, Presence
from contactsync.ports.state import Transaction
from sync_worker.engine.listings import require_scope
from sync_worker.engine.people import absorb_people, context_for, has_left
from sync_worker.engine.session import Session
from sync_worker.engine.values import gone_before, held_fields, is_unmet

log = structlog.get_logger(__name__)

_CHUNK = 1000
_OF_A_PAIR = frozenset({PairState.LINKED, PairState.DORMANT, PairState.RELEASED})


async def is_listing_believed(session: Session, side: Side) -> bool:
    """Whether the complete full listing says anything of the contacts that it lacks; of the others it is believed.

    It is compared with the last one, but for those who were told to be gone since.
    """
    listing, percent = session.run.listings[side], session.settings.shrink_percent
    expected, doubted = listing.expected, session.run.sync.doubted(side)
    if expected is None or is_believed(listing.seen, expected, doubted, percent):
        return True
    async with session.transaction() as tx:
        left = (await tx.links.counts(session.now())).shown[side]
    believed = is_believed(listing.seen, min(expected, left), doubted, percent)
    if not believed:
        log.warning("sync.listing.doubted", side=str(side), seen=listing.seen, expected=expected)
    return believed


async def absences_left(session: Session, side: Side) -> bool:
    """Take one chunk of pairs that a complete full listing did not show; False when none is left."""
    listing = session.run.listings[side]
    after = LinkId(UUID(listing.page)) if listing.page else None
    async with session.transaction() as tx:
        missing = await tx.links.unseen(side, listing.number, after, _CHUNK)
    if not missing:
        return False
    if after is None and len(missing) > session.settings.scope_check_above:
        await require_scope(session, side)
    google, last = side is Side.GOOGLE, missing[-1].link_id
    shown = await (_still_shown(session, missing) if google else _unlisted(session, missing))
    context = context_for(session, side, began=listing.started_at)
    async with session.transaction() as tx:
        missing = await _still_missing(tx, missing, side, listing.number)
        there = await _still_there(session, tx, missing, shown) if google else _read_by_id(session, missing, shown)
        steps = [
            (link, there.get(link.link_id) or _without(session, link, side, context))
            for link in missing
            if there.get(link.link_id, link) is not None
        ]
        if changed := [new for old, new in steps if new != old]:
            await tx.links.save(changed)
        left = listing.left + sum(has_left(old, new, side) for old, new in steps)
        session.set_listing(side, replace(listing, page=str(last), left=left))
    return True


def _without(session: Session, link: Link, side: Side, context: AbsorbContext) -> Link:
    """The pair whose contact is not there; on Google, where he was asked for by name, perhaps since before our time."""
    if side is Side.GOOGLE and is_unmet(link, side) and not link.foreign:
        return gone_before(session, link, side)
    return absorb_absence(link, side, context, asked_for=side is Side.GOOGLE)


async def _still_missing(tx: Transaction, asked: Sequence[Link], side: Side, number: int) -> Sequence[Link]:
    """The pairs as they are by now: while somebody was asked for by name, the other side's listing went on."""
    now = await tx.links.by_ids([link.link_id for link in asked])
    links = [(link, now[link.link_id]) for link in asked if link.link_id in now]
    return [
        link
        for before, link in links
        if link.state is not PairState.GONE
        and link.side(side).presence is Presence.PRESENT
        and link.side(side).remote_id == before.side(side).remote_id
        and link.side(side).listing != number
    ]


async def outsiders_left(session: Session) -> bool:
    """Take one chunk of people outside the group whom a complete full listing did not show; False when none is left.

    Google leaves out people who are there: forgotten are only those who are not found by their names either.
    """
    async with session.transaction() as tx:
        missing = await tx.outsiders.unseen(Side.GOOGLE, session.run.listings[Side.GOOGLE].number, _CHUNK)
    if not missing:
        return False
    people = await _read_by_name(session, missing)
    async with session.transaction() as tx:
        await tx.outsiders.remove(Side.GOOGLE, missing)
        await absorb_people(session, tx, people)
    return True


async def members_left(session: Session) -> bool:
    """Take one chunk of members of the group whom a first full listing did not show; False when none is left.

    A first listing has no other to be compared with, and whoever it leaves out would be made a second time.
    """
    listing = session.run.listings[Side.GOOGLE]
    names = await session.ports.google.members(GroupId(session.run.settings.group_id), above=listing.seen)
    names = sorted(name for name in names if name > (listing.page or ""))
    async with session.transaction() as tx:
        shown = await tx.links.by_remote(Side.GOOGLE, names) if names else {}
    hidden = [name for name in names if name not in shown][:_CHUNK]
    if not hidden:
        return False
    people = await _read_by_name(session, hidden)
    log.warning("sync.listing.lacked", side=str(Side.GOOGLE), people=len(people))
    async with session.transaction() as tx:
        await absorb_people(session, tx, people)
        listing = replace(session.run.listings[Side.GOOGLE], page=hidden[-1], people=listing.people + len(people))
        seen = listing.seen + sum(bool(person.in_scope) for person in people)
        session.set_listing(Side.GOOGLE, replace(listing, seen=seen))
    return True


async def _read_by_name(session: Session, names: Sequence[str]) -> Sequence[Observation]:
    """People by their names, each once: several of the names may be former ones of somebody who was merged."""
    people = await session.ports.google.read([PersonId(name) for name in names])
    return list({person.observation.remote_id: person.observation for person in people}.values())


async def _unlisted(session: Session, missing: Sequence[Link]) -> dict[LinkId, Observation]:
    """Records that the sync made and the view has never shown: in scope all the same, and read by their ids."""
    unseen = [link for link in missing if not link.crm.seen_in_scope and not link.foreign]
    if not unseen:
        return {}
    ids = [RecordId(str(link.crm.remote_id)) for link in unseen]
    records = await session.ports.crm.read(ids, held=held_fields(session, unseen))
    shown = {record.remote_id: record for record in records}
    return {link.link_id: shown[name] for link in unseen if (name := str(link.crm.remote_id)) in shown}


def _read_by_id(
    session: Session, missing: Sequence[Link], shown: Mapping[LinkId, Observation]
) -> Mapping[LinkId, Link | None]:
    now = context_for(session, Side.CRM, began=session.now())
    seen = ((link, shown[link.link_id]) for link in missing if link.link_id in shown)
    return {link.link_id: absorb(link, record, Side.CRM, now) or link for link, record in seen}


async def _still_shown(session: Session, missing: Sequence[Link]) -> dict[LinkId, Observation]:
    """People whom Google shows when they are asked for by name: the listing lacked them, and they are not gone."""
    people = await session.ports.google.read([PersonId(str(link.google.remote_id)) for link in missing])
    shown = {name: p.observation for p in people for name in (p.observation.remote_id, *p.observation.previous_ids)}
    return {link.link_id: shown[name] for link in missing if (name := str(link.google.remote_id)) in shown}


async def _still_there(
    session: Session, tx: Transaction, missing: Sequence[Link], shown: Mapping[LinkId, Observation]
) -> Mapping[LinkId, Link | None]:
    """Their pairs; None for one that gave way. A full listing tells no former names: it showed them as somebody new.

    That contact stands alone and gives way to the pair; where it is of another pair by now, this one has lost it. Who
    was renamed more than once may be missing under several names: the pair has him, else the first.
    """
    listed = await tx.links.by_remote(Side.GOOGLE, [seen.remote_id for seen in shown.values()]) if shown else {}
    there: dict[LinkId, Link | None] = {}
    found: set[str] = set()
    for link in sorted(missing, key=lambda one: one.state not in _OF_A_PAIR):
        seen = shown.get(link.link_id)
        twin = None if seen is None else listed.get(seen.remote_id)
        if (
            seen is None
            or seen.remote_id in found
            or (twin is not None and twin.link_id != link.link_id and twin.state in _OF_A_PAIR)
        ):
            continue
        found.add(seen.remote_id)
        if seen.remote_id != link.google.remote_id:
            if twin is not None and twin.state is PairState.SINGLE:
                await tx.links.remove([twin.link_id])
                there[twin.link_id] = None
            await tx.outsiders.remove(Side.GOOGLE, [seen.remote_id])
        context = context_for(session, Side.GOOGLE, began=session.now())
        there[link.link_id] = absorb(link, seen, Side.GOOGLE, context) or link
    if found:
        log.warning("sync.listing.lacked", side=str(Side.GOOGLE), people=len(found))
    return there
