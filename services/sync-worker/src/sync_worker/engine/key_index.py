"""Where the keys of a chunk's contacts occur: among the links and among the outsiders, on either side.

Built with as few calls as matching needs: of candidates that no run has kept the names are read, and people outside the
group who share a key are read whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from contactsync.domain.absorb import absorb
from contactsync.domain.contact import Observation, Side
from contactsync.domain.ids import PersonId, RecordId
from contactsync.domain.link import KeyKind, Link, LinkSide, MatchKey, PairState, Presence
from contactsync.domain.policy import NoEmailRule
from contactsync.ports.state import Outsider
from sync_worker.engine.people import context_for
from sync_worker.engine.session import Session

_GONE = frozenset({Presence.DELETED, Presence.ABSENT})


@dataclass(slots=True)
class KeyIndex:
    """Where the keys of one chunk occur."""

    links: dict[Side, dict[bytes, list[Link]]]
    outsiders: dict[Side, dict[bytes, list[tuple[MatchKey, Outsider]]]]
    people: Mapping[str, Observation]
    names: Mapping[str, str]
    """Names of the contacts that stayed where their counterpart was deleted, by remote id."""


async def index_of(
    session: Session, chunk: Sequence[Link], alone: Sequence[Link], bereaved: Sequence[Link]
) -> KeyIndex:
    """Where the keys of these contacts occur: those that stand alone, and those whose counterpart was deleted."""
    keys = [key for link in alone for key in link.side(standing_side(link)).keys]
    keys += [key for link in bereaved for key in link.side(missing_side(link)).keys]
    found: dict[Side, Sequence[Link]] = {}
    outsiders: dict[Side, dict[bytes, list[tuple[MatchKey, Outsider]]]] = {}
    async with session.transaction() as tx:
        for side in Side:
            here = _with_key(chunk, side, keys)
            others = await tx.links.by_keys(side, keys, besides=[link.link_id for link in here])
            found[side] = sorted([*here, *others], key=lambda link: link.link_id)
            outsiders[side] = _outsiders_by_digest(await tx.outsiders.by_keys(side, keys))
    links = {side: _by_digest(await _named(session, found[side], side, alone), side) for side in Side}
    strangers = _strangers(alone, bereaved, outsiders[Side.GOOGLE])
    people = await session.ports.google.read(sorted(strangers)) if strangers else ()
    known = {person.observation.remote_id: person.observation for person in people}
    return KeyIndex(links, outsiders, known, await _names(session, links, outsiders, bereaved))


def _with_key(chunk: Sequence[Link], side: Side, keys: Sequence[MatchKey]) -> list[Link]:
    """Those of the chunk that have one of these keys on this side: they need not be read again."""
    digests = {key.digest for key in keys}
    return [
        link
        for link in chunk
        if link.state is not PairState.GONE and any(key.digest in digests for key in link.side(side).keys)
    ]


async def _names(
    session: Session,
    links: Mapping[Side, Mapping[bytes, Sequence[Link]]],
    outsiders: Mapping[Side, Mapping[bytes, Sequence[object]]],
    bereaved: Sequence[Link],
) -> dict[str, str]:
    """Names of contacts whose deleted counterpart may live on in another: asked for only where there is another."""
    wanted: dict[Side, set[str]] = {side: set() for side in Side}
    for side in Side:
        lost = (one for some in links[side].values() for one in some if lost_a_side(one))
        for link in (
            *(one for one in lost if missing_side(one) is side),
            *(b for b in bereaved if missing_side(b) is side),
        ):
            stays = link.side(side.other)
            if stays.name or str(stays.remote_id) in session.names:
                continue
            digests = {key.digest for key in link.side(side).keys}
            others = any(_share_primary(link, p, side, session) for d in digests for p in links[side].get(d, ()))
            if others or any(outsiders[side].get(d) for d in digests):
                wanted[side.other].add(str(stays.remote_id))
    read = [one for side in Side if wanted[side] for one in await _read(session, side, sorted(wanted[side]))]
    session.names.update({name: one.identity.name for one in read for name in (one.remote_id, *one.previous_ids)})
    return session.names


def _share_primary(one: Link, other: Link, side: Side, session: Session) -> bool:
    """Whether two pairs have contacts on this side that may be one: a primary key of either is a key of the other."""
    if one.link_id == other.link_id:
        return False
    rule = session.policy.no_email
    keys = {key.digest for key in one.side(side).keys}, {key.digest for key in other.side(side).keys}
    primary = {k.digest for link in (one, other) for k in primary_keys(link.side(side), rule)}
    return bool(primary & keys[0] & keys[1])


async def _named(session: Session, found: Sequence[Link], side: Side, alone: Sequence[Link]) -> list[Link]:
    """The same pairs; candidates for a contact of the other side have their names, read anew where no run kept them."""
    sought = {key.digest for link in alone if standing_side(link) is side.other for key in link.side(side.other).keys}
    nameless = {
        str(link.side(side).remote_id): link
        for link in found
        if is_free(link, side) and link.side(side).values is None and sought & {k.digest for k in link.side(side).keys}
    }
    read = await _read(session, side, sorted(nameless)) if nameless else []
    context = context_for(session, side, began=session.now())
    named = {}
    for observation in read:
        for name in (observation.remote_id, *observation.previous_ids):
            if (link := nameless.get(name)) is not None:
                # Only what is pending keeps its values; nothing of this is stored unless the two are linked.
                looked_at = replace(link, pending_since=link.pending_since or session.now())
                named[link.link_id] = absorb(looked_at, observation, side, context) or link
    missing = {link.link_id for link in nameless.values()} - named.keys()
    return [named.get(link.link_id, link) for link in found if link.link_id not in missing]


async def _read(session: Session, side: Side, ids: Sequence[str]) -> list[Observation]:
    if side is Side.CRM:
        return list(await session.ports.crm.read([RecordId(i) for i in ids]))
    return [person.observation for person in await session.ports.google.read([PersonId(i) for i in ids])]


def _by_digest(links: Iterable[Link], side: Side) -> dict[bytes, list[Link]]:
    index: dict[bytes, list[Link]] = defaultdict(list)
    for link in links:
        for digest in {key.digest for key in link.side(side).keys}:
            index[digest].append(link)
    return index


def _outsiders_by_digest(outsiders: Iterable[Outsider]) -> dict[bytes, list[tuple[MatchKey, Outsider]]]:
    index: dict[bytes, list[tuple[MatchKey, Outsider]]] = defaultdict(list)
    for outsider in outsiders:
        for key in outsider.keys:
            index[key.digest].append((key, outsider))
    return index


def _strangers(
    alone: Sequence[Link], bereaved: Sequence[Link], outsiders: Mapping[bytes, list[tuple[MatchKey, Outsider]]]
) -> set[PersonId]:
    """People outside the group who share a key with a record, or with a person who was deleted: read whole first."""
    keys = [key for link in alone if standing_side(link) is Side.CRM for key in link.crm.keys]
    keys += [key for link in bereaved if missing_side(link) is Side.GOOGLE for key in link.google.keys]
    digests = {key.digest for key in keys}
    return {PersonId(outsider.remote_id) for digest in digests for _, outsider in outsiders.get(digest, ())}


def lost_a_side(link: Link) -> bool:
    """Whether one side of a pair was deleted and the other is still there."""
    if link.state not in {PairState.LINKED, PairState.DORMANT, PairState.RELEASED}:
        return False
    if link.restoring is not None:
        return False
    presences = {link.crm.presence, link.google.presence}
    return Presence.PRESENT in presences and bool(presences & _GONE)


def is_remembered(link: Link, side: Side) -> bool:
    """Whether nothing is left of somebody whom a person excluded: made again on this side he is excluded still."""
    nobody = Presence.PRESENT not in {link.crm.presence, link.google.presence}
    return link.excluded and nobody and link.side(side).presence in _GONE


def missing_side(link: Link) -> Side:
    """The side of a bereaved pair that was deleted."""
    return Side.GOOGLE if link.crm.presence is Presence.PRESENT else Side.CRM


def standing_side(link: Link) -> Side:
    """The side on which the contact stands."""
    return Side.CRM if link.crm.presence is Presence.PRESENT else Side.GOOGLE


def primary_keys(side: LinkSide, rule: NoEmailRule) -> tuple[MatchKey, ...]:
    """The keys by which a contact is one with another: its first kind of e-mail; without e-mail name and phone."""
    for kind in (KeyKind.STRONG_EMAIL, KeyKind.WEAK_EMAIL):
        keys = tuple(key for key in side.keys if key.kind is kind)
        if keys:
            return keys
    return tuple(key for key in side.keys if rule is NoEmailRule.MATCH)


def is_free(link: Link, side: Side) -> bool:
    """Whether the contact on `side` has no living counterpart yet."""
    return (
        link.state is PairState.SINGLE
        and link.side(side).presence is Presence.PRESENT
        and link.side(side.other).presence is Presence.UNKNOWN
    )
