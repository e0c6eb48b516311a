"""Looking before creating and before deleting: whether a contact exists already, or lives on in another one.

Contacts of one side that share a key: the first in order goes on, the others are held. Candidates are sought among the
links and among the outsiders; how one is chosen, or doubted, is `domain.matching`.

A deleted contact whose key lives on in another contact of its side was merged or made anew: its pair goes on with
that one if it is free. Else the pair is released and reported: nothing is deleted, and nothing made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contactsync.domain.absorb import absorb, relink, taken_over
from contactsync.domain.contact import Side
from contactsync.domain.holds import RETRY_AFTER, hold
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Hold, KeyKind, Link, LinkSide, MatchKey, PairState, Presence
from contactsync.domain.matching import (
    Candidate,
    Doubt,
    Same,
    choose,
    first_in_order,
    names_conflict,
    peer_reason,
)
from contactsync.domain.policy import NoEmailRule
from contactsync.domain.reasons import Reason
from sync_worker.engine.key_index import (
    KeyIndex,
    index_of,
    is_free,
    is_remembered,
    lost_a_side,
    missing_side,
    primary_keys,
    standing_side,
)
from sync_worker.engine.people import context_for
from sync_worker.engine.session import Session


@dataclass(slots=True)
class Matched:
    """A chunk after matching: pairs to decide, and links that were absorbed by another."""

    links: list[Link]
    absorbed: set[LinkId] = field(default_factory=set)
    joined: set[LinkId] = field(default_factory=set)
    """Pairs that were linked just now; they must be stored together with the removal of what they absorbed."""
    found: dict[Side, list[str]] = field(default_factory=dict)
    """Outsiders that are linked now."""
    later: set[LinkId] = field(default_factory=set)
    """Pairs that the next run decides; this one leaves them alone."""


async def match(session: Session, chunk: Sequence[Link]) -> Matched:
    """Link what belongs together; hold what is doubtful; leave the rest as it is."""
    alone = [link for link in chunk if _stands_alone(link)]
    bereaved = [link for link in chunk if is_bereaved(link)]
    if not alone and not bereaved:
        return Matched(list(chunk))
    matcher = _Matcher(session, await index_of(session, chunk, alone, bereaved))
    resolved = {link.link_id: link for link in map(matcher.resolve, chunk) if link is not None}
    resolved |= matcher.continued
    return Matched(
        # One that was set aside may have been taken by another that came after it.
        [link for link in resolved.values() if link.link_id not in matcher.absorbed],
        matcher.absorbed,
        matcher.joined,
        matcher.found,
        matcher.later,
    )


def _stands_alone(link: Link) -> bool:
    """Whether it is to be looked for. A hold whose time has come says nothing any more: the world may have changed."""
    return link.state is PairState.SINGLE and not link.excluded and link.restoring is None


def is_bereaved(link: Link) -> bool:
    """Whether one side of a pair was deleted and the other is still there, and it is for this run to decide."""
    return lost_a_side(link) and not link.foreign and not link.excluded


class _Matcher:
    """Resolves the pairs of a chunk in their order."""

    def __init__(self, session: Session, index: KeyIndex) -> None:
        self._session = session
        self._index = index
        self._rule = session.policy.no_email
        self.absorbed: set[LinkId] = set()
        self.joined: set[LinkId] = set()
        self.found: dict[Side, list[str]] = {side: [] for side in Side}
        self.continued: dict[LinkId, Link] = {}
        """Pairs that go on with another contact in place of the deleted one."""
        self.later: set[LinkId] = set()
        self._taken: set[tuple[Side, str]] = set()

    def resolve(self, link: Link) -> Link | None:
        """The pair after matching; None when another pair took it."""
        if link.link_id in self.absorbed or link.link_id in self.continued:
            return None
        if is_bereaved(link):
            return self._living_on(link)
        if not _stands_alone(link):
            return link
        if (orphan := self._orphan_of(link)) is not None:
            if is_remembered(orphan, standing_side(link)):
                return self._excluded(orphan, link)
            # Whoever keeps the pair may not see its successor. Where he does, he takes the pair back when he runs.
            self._continue(replace(orphan, foreign=False), link)
            return None
        resolved = self._resolved(link if link.hold is None or link.hold.failed else replace(link, hold=None))
        if resolved.hold is None and resolved.state is PairState.SINGLE:
            if self._is_unsought(link):
                return self._later(resolved)
            # It will be made on the other side: nobody may join it meanwhile.
            self._session.engaged.add(link.link_id)
        return resolved

    def _is_unsought(self, link: Link) -> bool:
        """Whether a person was not sought in the CRM, as a record stood there to be linked that somebody else got."""
        session = self._session
        if standing_side(link) is Side.CRM or link.keep_apart or not session.policy.direction.writes(Side.CRM):
            return False
        digests = {key.digest for key in link.google.keys if key.kind is not KeyKind.NAME_PHONE}
        holders = [holder for digest in digests for holder in self._index.links[Side.CRM].get(digest, ())]
        return any(
            (is_free(holder, Side.CRM) and not holder.keep_apart)
            or holder.pending_since is not None
            or holder.taken_by == session.run.run_id
            for holder in holders
            if holder.link_id != link.link_id
        )

    # --- contacts that live on ---

    def _orphan_of(self, link: Link) -> Link | None:
        """The bereaved pair whose deleted contact this one was, by its key and without a contradiction of names."""
        side = standing_side(link)
        for key in primary_keys(link.side(side), self._rule):
            for pair in self._index.links[side].get(key.digest, ()):
                if pair.link_id in self.continued or pair.link_id in self.absorbed:
                    continue
                if not (lost_a_side(pair) and missing_side(pair) is side) and not is_remembered(pair, side):
                    continue
                if not self._contradicts(pair, side, link.side(side).name):
                    return pair
        return None

    def _contradicts(self, pair: Link, missing: Side, name: str) -> bool:
        stays = pair.side(missing.other)
        return names_conflict(stays.name or self._index.names.get(str(stays.remote_id), ""), name)

    def _excluded(self, pair: Link, successor: Link) -> Link:
        """The contact in the place of a pair of which nothing is left but that it was excluded."""
        self.absorbed.add(pair.link_id)
        self.joined.add(successor.link_id)
        return replace(successor, excluded=True, hold=None)

    def _continue(self, pair: Link, successor: Link) -> Link:
        """The pair with its successor's contact; the base stays, so what that shows differently is an edit."""
        side = missing_side(pair)
        pair = taken_over(pair, side, successor.side(side).seen, self._session.ports.digester.empty)
        base = pair.side(side).base.restricted(self._session.mapping)
        contact = replace(successor.side(side), base=base, confirmed=True)
        after = replace(
            replace(pair.with_side(side, contact), state=PairState.LINKED),
            reason="",
            hold=None,
            pending_since=pair.pending_since or successor.pending_since or self._session.now(),
            pending_order=pair.pending_order or successor.pending_order,
        )
        self.absorbed.add(successor.link_id)
        self.joined.add(after.link_id)
        self.continued[after.link_id] = after
        return after

    def _living_on(self, pair: Link) -> Link:
        """The pair with the contact in which its deleted one lives on; released where that is not free."""
        side = missing_side(pair)
        digests = {key.digest for key in primary_keys(pair.side(side), self._rule)}
        peers = {
            peer.link_id: peer
            for digest in sorted(digests)
            for peer in self._index.links[side].get(digest, ())
            if peer.link_id not in self.absorbed
            and peer.link_id != pair.link_id
            and peer.side(side).presence is Presence.PRESENT
        }
        for peer in peers.values():
            if is_free(peer, side) and not self._contradicts(pair, side, peer.side(side).name):
                return self._continue(pair, peer)
        outside = {one.remote_id for digest in digests for _, one in self._index.outsiders[side].get(digest, ())}
        for remote_id in sorted(outside):
            name = self._candidate(side, remote_id, None).name
            if not self._contradicts(pair, side, name):
                return self._continue_outside(pair, side, remote_id)
        if peers or outside:
            return replace(pair, state=PairState.RELEASED, reason=Reason.MERGED, hold=None)
        return pair

    def _continue_outside(self, pair: Link, side: Side, remote_id: str) -> Link:
        """The contact lives on outside the view or the group: the pair is dormant with it."""
        self.found[side].append(remote_id)
        self.joined.add(pair.link_id)
        person = self._index.people.get(remote_id) if side is Side.GOOGLE else None
        if person is not None:
            context = context_for(self._session, side, began=self._session.now())
            return replace(relink(pair, person, side, context), state=PairState.LINKED)
        contact = LinkSide(remote_id=remote_id, presence=Presence.PRESENT, base=pair.side(side).base)
        return replace(pair.with_side(side, contact), state=PairState.DORMANT)

    # --- contacts that stand alone ---

    def _resolved(self, link: Link) -> Link:
        side = standing_side(link)
        first = self._first_of_its_side(link, side)
        if first is not link and first.link_id != link.link_id:
            rival = str(first.side(side).remote_id)
            same = link.same_as == rival
            reason = Reason.AMBIGUOUS_MATCH if same else peer_reason(link.side(side).name, first.side(side).name)
            return self._held(link, reason, (rival,))
        return self._joined(link, side)

    def _first_of_its_side(self, link: Link, side: Side) -> Link:
        keys = {key.digest for key in primary_keys(link.side(side), self._rule)}
        peers = {
            peer.link_id: peer
            for digest in keys
            for peer in self._index.links[side].get(digest, ())
            if peer.link_id not in self.absorbed
            and peer.side(side).presence is Presence.PRESENT
            and not link.keep_apart & {str(peer.side(side).remote_id)}
            and keys & {key.digest for key in primary_keys(peer.side(side), self._rule)}
        }
        peers[link.link_id] = link
        return first_in_order(list(peers.values()), side, keys)

    def _joined(self, link: Link, side: Side) -> Link:
        other = side.other
        free: dict[str, Link | None] = {}
        for link_or_none, remote_id in self._candidates(link, side):
            apart = link_or_none is not None and str(link.side(side).remote_id) in link_or_none.keep_apart
            if (other, remote_id) not in self._taken and not apart:
                free.setdefault(remote_id, link_or_none)
        chosen = choose(
            link.side(side).name,
            [self._candidate(other, remote_id, found) for remote_id, found in free.items()],
            other,
            link.keep_apart,
        )
        if link.same_as in free:
            chosen = Same(str(link.same_as))
        match chosen:
            case Same(remote_id=remote_id):
                found = free[remote_id]
                if found is not None and found.link_id in self._session.engaged:
                    return self._later(link)
                self._taken |= {(other, remote_id), (side, str(link.side(side).remote_id))}
                self.joined.add(link.link_id)
                return self._linked(link, other, remote_id, found)
            case Doubt(remote_id=remote_id, others=others):
                return self._held(link, Reason.POSSIBLE_DUPLICATE, (remote_id, *others))
            case _:
                return link

    def _candidates(self, link: Link, side: Side) -> list[tuple[Link | None, str]]:
        """Free contacts of the other side, by the strongest pair of keys that finds any."""
        for mine, theirs in _KEY_ORDER[side]:
            digests = [key.digest for key in link.side(side).keys if key.kind is mine]
            if mine is KeyKind.NAME_PHONE and (
                self._rule is not NoEmailRule.MATCH or len(digests) != len(link.side(side).keys)
            ):
                continue
            found = [item for digest in digests for item in self._holders(side.other, digest, theirs)]
            if mine is KeyKind.NAME_PHONE and len({remote_id for _, remote_id in found}) > 1:
                return []
            if found:
                return found
        return []

    def _holders(self, side: Side, digest: bytes, kind: KeyKind) -> list[tuple[Link | None, str]]:
        links = [
            (link, str(link.side(side).remote_id))
            for link in self._index.links[side].get(digest, ())
            if link.link_id not in self.absorbed
            and is_free(link, side)
            and MatchKey(kind, digest) in link.side(side).keys
        ]
        outsiders = [
            (None, outsider.remote_id)
            for key, outsider in self._index.outsiders[side].get(digest, ())
            if key.kind is kind
        ]
        return [*links, *outsiders]

    def _candidate(self, side: Side, remote_id: str, link: Link | None) -> Candidate:
        if link is not None:
            return Candidate(remote_id, link.side(side).name, link.side(side).in_scope)
        if side is Side.GOOGLE and remote_id in self._index.people:
            return Candidate(remote_id, self._index.people[remote_id].identity.name)
        return Candidate(remote_id, self._session.record_names.get(remote_id, ""))

    def _linked(self, link: Link, other: Side, remote_id: str, found: Link | None) -> Link:
        if found is not None:
            self.absorbed.add(found.link_id)
            pair = link.with_side(other, found.side(other))
            return replace(pair, state=PairState.LINKED, excluded=found.excluded)
        self.found[other].append(remote_id)
        if other is Side.CRM:
            record = LinkSide(remote_id=remote_id, presence=Presence.PRESENT)
            return replace(link.with_side(other, record), state=PairState.DORMANT, reason=Reason.IN_CRM_OUTSIDE_VIEW)
        stranger = LinkSide(remote_id=remote_id, presence=Presence.PRESENT)
        pair = replace(link.with_side(other, stranger), state=PairState.LINKED)
        person = self._index.people.get(remote_id)
        if person is None:
            return link
        context = context_for(self._session, Side.GOOGLE, began=self._session.now())
        return absorb(pair, person, Side.GOOGLE, context) or pair

    def _later(self, link: Link) -> Link:
        """What it belongs to is being written in this run: the next run knows more."""
        now = self._session.now()
        self.later.add(link.link_id)
        return replace(link, hold=Hold(reason=Reason.BEING_CREATED, since=now, retry_at=now))

    def _held(self, link: Link, reason: str, rivals: tuple[str, ...]) -> Link:
        """Asked about; looked at again when the contact changes, and each day, since its rivals may change too."""
        session = self._session
        held = hold(link, reason, session.policy, session.now(), retry_after=RETRY_AFTER)
        return replace(held, hold=replace(held.hold, rivals=rivals)) if held.hold is not None else held


_KEY_ORDER = {
    Side.CRM: (
        (KeyKind.STRONG_EMAIL, KeyKind.STRONG_EMAIL),
        (KeyKind.STRONG_EMAIL, KeyKind.WEAK_EMAIL),
        (KeyKind.WEAK_EMAIL, KeyKind.STRONG_EMAIL),
        (KeyKind.WEAK_EMAIL, KeyKind.WEAK_EMAIL),
        (KeyKind.NAME_PHONE, KeyKind.NAME_PHONE),
    ),
    Side.GOOGLE: (
        (KeyKind.STRONG_EMAIL, KeyKind.STRONG_EMAIL),
        (KeyKind.WEAK_EMAIL, KeyKind.STRONG_EMAIL),
        (KeyKind.STRONG_EMAIL, KeyKind.WEAK_EMAIL),
        (KeyKind.WEAK_EMAIL, KeyKind.WEAK_EMAIL),
        (KeyKind.NAME_PHONE, KeyKind.NAME_PHONE),
    ),
}
"""Which keys of a contact are compared with which of the other side's, strongest first. Either side finds the other."""
