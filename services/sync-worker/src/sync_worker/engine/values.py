"""Values of contacts that waited: what waits keeps digests alone, and exactly these contacts are read again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from contactsync.domain.absorb import absorb, absorb_deletion
from contactsync.domain.changed import is_known_by_digests
from contactsync.domain.contact import Observation, Side
from contactsync.domain.holds import RETRY_AFTER, hold
from contactsync.domain.ids import LinkId, PersonId, RecordId
from contactsync.domain.link import Link, PairState, Presence
from contactsync.domain.mapping import Mapping
from contactsync.domain.reasons import Reason
from sync_worker.engine.people import context_for
from sync_worker.engine.session import Session


def wants_values(link: Link, side: Side, mapping: Mapping) -> bool:
    """Whether a decision needs this side's values and the run has not read them.

    A side that stands as it was agreed is not needed: what it holds is known by its digests. But what it was left to
    hold beside another value, and loses now, is kept in the journal.
    """
    here = link.side(side)
    if here.presence is not Presence.PRESENT or here.remote_id is None or here.values is not None:
        return False
    if link.restoring is not None or is_unmet(link, side) or _may_lose(link, side, mapping):
        return True
    return not is_known_by_digests(here, mapping)


def _may_lose(link: Link, side: Side, mapping: Mapping) -> bool:
    """Whether a field that was left different on purpose was edited on the other side."""
    other = link.side(side.other)
    rows = (row for key in link.diverged if (row := mapping.by_key.get(key)) is not None)
    return any(other.seen.index.get(row.hash) != other.base.index.get(row.hash) for row in rows)


def is_unmet(link: Link, side: Side) -> bool:
    """Whether an earlier configuration left the pair, and this one's listings have never shown this side of it."""
    here = link.side(side)
    inherited = link.state is PairState.LINKED and link.taken_by is None and bool(here.base)
    return inherited and not here.in_scope and not here.seen_in_scope


def gone_before(session: Session, link: Link, side: Side) -> Link:
    """The pair without a contact that was deleted before this configuration had it: nothing is deleted for that."""
    context = context_for(session, side, began=session.now())
    return absorb_deletion(replace(link, state=PairState.DORMANT), side, session.now(), context)


def is_unread(link: Link, mapping: Mapping) -> bool:
    """Whether a contact of the pair, of which a decision needs the values, is not there although no listing said so.

    It was deleted since it was listed, or a doubted listing lacked it: the pair waits until a listing tells.
    """
    return any(wants_values(link, side, mapping) for side in Side)


async def with_values(
    session: Session, links: Sequence[Link], *, unsaved: Collection[LinkId] = frozenset()
) -> list[Link]:
    """The same pairs, those that lack values read again (CRM by ids, Google by batchGet) and saved.

    `unsaved` names pairs that were joined just now: they are stored when the links that they absorbed are removed.
    """
    wanting = {side: [link for link in links if wants_values(link, side, session.mapping)] for side in Side}
    if not any(wanting.values()):
        return list(links)
    records = await session.ports.crm.read([RecordId(str(link.crm.remote_id)) for link in wanting[Side.CRM]])
    people = await session.ports.google.read([PersonId(str(link.google.remote_id)) for link in wanting[Side.GOOGLE]])
    fresh: dict[Side, dict[str, Observation]] = {
        Side.CRM: {record.remote_id: record for record in records},
        Side.GOOGLE: {
            name: p.observation for p in people for name in (p.observation.remote_id, *p.observation.previous_ids)
        },
    }
    current = {link.link_id: link for link in links}
    for side, some in wanting.items():
        for link in some:
            observation = fresh[side].get(str(link.side(side).remote_id))
            if observation is not None:
                current[link.link_id] = seen_again(session, current[link.link_id], side, observation)
            elif is_unmet(link, side):
                current[link.link_id] = gone_before(session, current[link.link_id], side)
            elif side is Side.CRM and session.has_read(side):
                current[link.link_id] = not_shown(session, current[link.link_id])
    changed = [
        current[link.link_id] for link in links if current[link.link_id] is not link and link.link_id not in unsaved
    ]
    if changed:
        async with session.transaction() as tx:
            await tx.links.save(changed)
    return [current[link.link_id] for link in links]


def not_shown(session: Session, link: Link) -> Link:
    """The pair whose record the CRM does not show by its id: it is kept back until a list tells more, or for a day.

    Whether the record is deleted only the list of the deleted says: one that somebody no longer shares with this user
    looks the same, and must be neither deleted on Google nor made again.
    """
    return hold(link, Reason.NOT_SHOWN_BY_CRM, session.policy, session.now(), retry_after=RETRY_AFTER)


def held_fields(session: Session, links: Iterable[Link]) -> frozenset[str]:
    """CRM fields that one of the records is known to have held, or of which nothing is known."""
    empty, rows = session.ports.digester.empty, session.mapping.rows
    indexes = [link.crm.base.index for link in links]
    return frozenset(row.crm_field for row in rows if any(index.get(row.hash) != empty for index in indexes))


def seen_again(session: Session, link: Link, side: Side, observation: Observation) -> Link:
    """The pair after one of its contacts was read by id just now.

    A person who was renamed is found by the former name too. The new one is taken over from a listing alone: another
    pair may have it by now, and the listing's reader knows.
    """
    observation = replace(observation, remote_id=str(link.side(side).remote_id))
    return absorb(link, observation, side, context_for(session, side, began=session.now())) or link
