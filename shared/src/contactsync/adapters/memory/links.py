"""Links and claims in memory, as one configuration sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from contactsync.adapters.memory.tables import (
    Claim,
    ConfigRow,
    Journal,
    LinkRow,
    Realm,
    ScopeRow,
    SideMarks,
    Tables,
)
from contactsync.domain.contact import Side
from contactsync.domain.ids import ConfigId, LinkId, RunId
from contactsync.domain.link import KeyKind, Link, LinkSide, MatchKey, PairState, Presence
from contactsync.domain.outcome import Outcome
from contactsync.domain.sharing import Contender
from contactsync.errors import StateInvariantError
from contactsync.ports.clock import Clock
from contactsync.ports.state import Contested, PairCounts, PendingPosition, Run


class MemoryLinks:
    """`LinkStore` over dictionaries."""

    def __init__(self, tables: Tables, journal: Journal, run: Run, clock: Clock) -> None:
        self._tables = tables
        self._journal = journal
        self._run = run
        self._clock = clock
        self._organisation = run.settings.organisation_id
        self._realm: Realm = (self._organisation, run.settings.account)
        self._config = run.settings.config_id
        self._scopes = tables.scopes.setdefault(self._config, {})

    # --- reading ---

    async def by_remote(self, side: Side, remote_ids: Sequence[str]) -> Mapping[str, Link]:
        """Links by the id of one side (also under names that a person had before)."""
        found: dict[str, Link] = {}
        for remote_id in remote_ids:
            link_id = self._owner(side, remote_id)
            if link_id is not None:
                found[remote_id] = self._load(link_id)
        return found

    def _owner(self, side: Side, remote_id: str) -> LinkId | None:
        key = (self._realm, side, remote_id)
        owner = self._tables.remotes.get(key)
        if owner is None and side is Side.GOOGLE:
            owner = self._tables.aliases.get((self._realm, remote_id))
        return owner if owner is not None else self._tables.buried.get(key)

    async def by_ids(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Link]:
        """Links by id."""
        rows = self._tables.links
        return {i: self._load(i) for i in link_ids if i in rows and rows[i].realm == self._realm}

    async def by_keys(
        self, side: Side, keys: Sequence[MatchKey], *, besides: Collection[LinkId] = ()
    ) -> Sequence[Link]:
        """Links whose given side has one of these keys, of any state but `gone`, by id; but these."""
        hits: set[LinkId] = set()
        for key in keys:
            hits |= self._tables.keys.get((self._realm, side, key.digest), frozenset())
        links = (self._load(link_id) for link_id in sorted(hits.difference(besides)))
        return [link for link in links if link.state is not PairState.GONE]

    async def pending(self, run_id: RunId, after: PendingPosition | None, limit: int) -> Sequence[Link]:
        """Pairs with something to do that this run has not taken, in order, holds that are not due left out."""
        now = self._clock.now()
        due = [
            link
            for link in self._pairs()
            if link.pending_since is not None and link.taken_by != run_id and not _is_held(link, now)
        ]
        due.sort(key=_position)
        if after is not None:
            start = (after.pending_since, after.pending_order, after.link_id)
            due = [link for link in due if _position(link) > start]
        return due[:limit]

    async def let_go(self, reason: str, limit: int) -> int:
        """Take this reason's hold from so many pending pairs, the first in order."""
        held = (link for link in self._pairs() if link.hold is not None and link.hold.reason == reason)
        due = sorted((link for link in held if link.pending_since is not None), key=_position)[:limit]
        await self.save([replace(link, hold=None) for link in due])
        return len(due)

    async def unseen(self, side: Side, listing: int, after: LinkId | None, limit: int) -> Sequence[Link]:
        """Pairs that the full listing with this number should have shown on that side and did not, by id."""
        missing = [
            link
            for link in self._pairs()
            if _is_there(link, side)
            and (side is Side.GOOGLE or link.crm.in_scope)
            and link.side(side).listing != listing
            and (after is None or link.link_id > after)
        ]
        return sorted(missing, key=lambda link: link.link_id)[:limit]

    async def counts(self, now: datetime) -> PairCounts:
        """How many pairs stand where."""
        pairs = list(self._pairs())
        held = sum(_is_held(link, now) for link in pairs)
        pending = sum(link.pending_since is not None and not _is_held(link, now) for link in pairs)
        in_scope = sum(link.state is PairState.LINKED and (link.crm.in_scope or link.google.in_scope) for link in pairs)
        by_state = Counter(link.state.value for link in pairs)
        shown = {side: sum(_is_in_scope(link, side) for link in pairs) for side in Side}
        return PairCounts(by_state=dict(by_state), pending=pending, held=held, in_scope=in_scope, shown=shown)

    async def standing(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Pairs of the configuration without a row in this run's report, by what they count as."""
        reported = self._tables.run_contacts.get(run_id, {})
        pairs = (link for link in self._pairs() if link.link_id not in reported and link.state is not PairState.GONE)
        return dict(Counter(_stands_as(link) for link in pairs))

    async def any_alone(self, reason: str) -> bool:
        """Whether a contact in scope stands alone for this reason, and nothing is to be done about it."""
        return any(
            link.state is PairState.SINGLE and link.reason == reason and _is_at_rest(link) for link in self._pairs()
        )

    async def to_seek(
        self, side: Side, run_id: RunId, after: PendingPosition | None, limit: int
    ) -> tuple[Sequence[Link], PendingPosition | None]:
        """Of the next `limit` pending pairs those that are to be sought on this side, and the place of the last one."""
        chunk = await self.pending(run_id, after, limit)
        if not chunk:
            return [], None
        sought = [link for link in chunk if _is_bereaved(link, side) or self._is_sought(link, side)]
        return sought, PendingPosition(*_position(chunk[-1]))

    def _is_sought(self, link: Link, side: Side) -> bool:
        alone = _stands_alone(link, side.other)
        return alone and (bool(link.keep_apart) or not self._has_free_namesake(link, side))

    def _has_free_namesake(self, link: Link, side: Side) -> bool:
        digests = (key.digest for key in link.side(side.other).keys if key.kind is not KeyKind.NAME_PHONE)
        found = (i for d in digests for i in self._tables.keys.get((self._realm, side, d), frozenset()))
        peers = (self._load(link_id) for link_id in found)
        return any(_stands_alone(peer, side) and not peer.keep_apart for peer in peers)

    def _pairs(self) -> Iterator[Link]:
        links = self._tables.links
        return (self._load(link_id) for link_id in self._scopes if links[link_id].realm == self._realm)

    def _load(self, link_id: LinkId) -> Link:
        row = self._tables.links[link_id]
        link = row.link if row.values_run in {None, self._run.run_id} else _bare(row.link)
        return replace(_joined(link, self._scopes.get(link_id, ScopeRow())), foreign=self._is_foreign(row))

    def _is_foreign(self, row: LinkRow) -> bool:
        kept = row.link.state in _KEPT and row.kept_by not in {None, self._config}
        return kept and any(config_id != self._config for config_id in self._active())

    def _active(self) -> dict[ConfigId, ConfigRow]:
        """The active configurations of this Google account."""
        rows = self._tables.configs.items()
        here = {i: row for i, row in rows if (row.settings.organisation_id, row.settings.account) == self._realm}
        return {config_id: row for config_id, row in here.items() if row.active}

    async def contested(self, after: LinkId | None, limit: int) -> Sequence[Contested]:
        """Pairs, by id, that this configuration has in scope on a side that exists and another one keeps so far."""
        found = []
        for link in sorted(self._pairs(), key=lambda link: link.link_id):
            before = self._tables.links[link.link_id].kept_by
            kept = link.state is not PairState.GONE and link.state is not PairState.SINGLE
            here = kept and any(_is_in_scope(link, side) for side in Side)
            if here and before is not None and before != self._config and (after is None or link.link_id > after):
                found.append(Contested(link, before, self._contenders(link.link_id)))
        return found[:limit]

    def _contenders(self, link_id: LinkId) -> list[Contender]:
        return [
            Contender(config_id=config_id, since=row.created_at, scope=_scope_of(scope))
            for config_id, row in self._active().items()
            if (scope := self._tables.scopes.get(config_id, {}).get(link_id)) is not None
        ]

    # --- writing ---

    async def save(self, links: Sequence[Link]) -> None:
        """Insert or replace these links with their scope in this configuration; of foreign ones the scope alone."""
        own = [link for link in links if not link.foreign]
        for link in own:
            self._unindex(link.link_id)
        for link in own:
            self._save(link)
        for link in links:
            self._save_scope(link)
            if link.foreign:
                self._note(link)

    def _note(self, link: Link) -> None:
        """Of a pair that another one keeps: when the person was written, and by what the contacts are found."""
        row = self._tables.links[link.link_id]
        crm = replace(row.link.crm, keys=link.crm.keys)
        google = replace(row.link.google, keys=link.google.keys, written_at=link.google.written_at)
        noted = replace(row, link=replace(row.link, crm=crm, google=google))
        self._unindex(link.link_id)
        self._index(noted)
        self._journal.put(self._tables.links, link.link_id, noted)

    def _save(self, link: Link) -> None:
        dormant = link.state is PairState.DORMANT
        kept = replace(
            link,
            state=PairState.LINKED if dormant else link.state,
            crm=_unmarked(link.crm),
            google=_unmarked(link.google),
            pending_since=None,
            pending_order=None,
            taken_by=None,
            hold=None,
        )
        has_values = any(part.values is not None or part.name for part in (link.crm, link.google))
        keeper = None if link.state is PairState.SINGLE else self._config
        row = LinkRow(self._realm, kept, self._run.run_id if has_values else None, keeper)
        self._index(row)
        self._remember_former_name(kept)
        self._journal.put(self._tables.links, link.link_id, row)

    def _save_scope(self, link: Link) -> None:
        scope = ScopeRow(
            crm=_marks(link.crm),
            google=_marks(link.google),
            dormant=link.state is PairState.DORMANT,
            pending_since=link.pending_since,
            pending_order=link.pending_order or link.pending_since,
            taken_by=link.taken_by,
            hold=link.hold,
        )
        self._journal.put(self._scopes, link.link_id, scope)

    def _remember_former_name(self, link: Link) -> None:
        """A person who is present under another id was renamed; one who was deleted in between was made anew."""
        old = self._tables.links.get(link.link_id)
        if old is None or old.link.google.remote_id in {None, link.google.remote_id}:
            return
        present = Presence.PRESENT
        if old.link.google.remote_id and old.link.google.presence is present and link.google.presence is present:
            self._journal.put(self._tables.aliases, (self._realm, old.link.google.remote_id), link.link_id)

    def _index(self, row: LinkRow) -> None:
        for side in Side:
            part = row.link.side(side)
            if part.remote_id is not None:
                self._index_remote(row, side, part.remote_id)
            for key in part.keys:
                place = (self._realm, side, key.digest)
                holders = self._tables.keys.get(place, frozenset())
                self._journal.put(self._tables.keys, place, holders | {row.link.link_id})

    def _index_remote(self, row: LinkRow, side: Side, remote_id: str) -> None:
        place = (self._realm, side, remote_id)
        if row.link.state is PairState.GONE:
            self._journal.put(self._tables.buried, place, row.link.link_id)
            return
        if place in self._tables.remotes:
            raise StateInvariantError(
                "two pairs with one contact",
                details={"side": side.value, "links": [str(self._tables.remotes[place]), str(row.link.link_id)]},
            )
        self._journal.put(self._tables.remotes, place, row.link.link_id)

    def _unindex(self, link_id: LinkId) -> None:
        row = self._tables.links.get(link_id)
        if row is None:
            return
        if row.realm != self._realm:
            raise StateInvariantError("the link belongs to somebody else", details={"link": str(link_id)})
        for side in Side:
            part = row.link.side(side)
            if part.remote_id is not None:
                gone = row.link.state is PairState.GONE
                table = self._tables.buried if gone else self._tables.remotes
                self._journal.drop(table, (self._realm, side, part.remote_id))
            for key in part.keys:
                place = (self._realm, side, key.digest)
                self._journal.put(self._tables.keys, place, self._tables.keys.get(place, frozenset()) - {link_id})

    async def remove(self, link_ids: Sequence[LinkId]) -> None:
        """Delete links that were absorbed by another or have nothing left on either side."""
        for link_id in link_ids:
            row = self._tables.links.get(link_id)
            if row is not None and row.realm == self._realm:
                self._unindex(link_id)
                self._journal.drop(self._tables.links, link_id)
                for scopes in self._tables.scopes.values():
                    self._journal.drop(scopes, link_id)
                for place in [p for p, owner in self._tables.aliases.items() if owner == link_id]:
                    self._journal.drop(self._tables.aliases, place)

    async def drop_values(self, run_id: RunId) -> None:
        """Erase the values that this run stored."""
        for link_id, row in list(self._tables.links.items()):
            if row.values_run == run_id:
                bare = replace(row, link=_bare(row.link), values_run=None)
                self._journal.put(self._tables.links, link_id, bare)

    # --- claims ---

    async def claim(self, digests: Mapping[LinkId, bytes], until: datetime) -> frozenset[LinkId]:
        """Links whose e-mail digest is now claimed for a create in this organisation; the others must wait."""
        now = self._clock.now()
        claimed: set[LinkId] = set()
        for link_id, digest in digests.items():
            place = (self._organisation, digest)
            held = self._tables.claims.get(place)
            if held is None or held.link_id == link_id or held.until <= now:
                self._journal.put(self._tables.claims, place, Claim(link_id, until))
                claimed.add(link_id)
        return frozenset(claimed)

    async def look_again_elsewhere(self, link_ids: Sequence[LinkId]) -> None:
        """Other configurations of the account look at these pairs again, whatever they held them for."""
        now = self._clock.now()
        for config_id, scopes in self._tables.scopes.items():
            for link_id in link_ids if config_id != self._config else ():
                if (scope := scopes.get(link_id)) is not None:
                    since, order = scope.pending_since or now, scope.pending_order or now
                    looked_at = replace(scope, hold=None, pending_since=since, pending_order=order)
                    self._journal.put(scopes, link_id, looked_at)


def pairs_of(tables: Tables, config_id: ConfigId) -> list[Link]:
    """The pairs of a configuration as they stand."""
    scopes = tables.scopes.get(config_id, {})
    rows = ((tables.links[link_id], scope) for link_id, scope in scopes.items())
    others = {i for i, config in tables.configs.items() if config.active and i != config_id}
    return [replace(_joined(row.link, scope), foreign=row.kept_by in others) for row, scope in rows]


def _joined(link: Link, scope: ScopeRow) -> Link:
    dormant = scope.dormant and link.state is PairState.LINKED
    return replace(
        link,
        state=PairState.DORMANT if dormant else link.state,
        crm=_marked(link.crm, scope.crm),
        google=_marked(link.google, scope.google),
        pending_since=scope.pending_since,
        pending_order=scope.pending_order,
        taken_by=scope.taken_by,
        hold=scope.hold,
    )


_KEPT = frozenset({PairState.LINKED, PairState.RELEASED})
"""Stored states of pairs that somebody keeps."""


def _bare(link: Link) -> Link:
    """The link without the values of any run."""
    crm = replace(link.crm, values=None, name="", emails=())
    return replace(link, crm=crm, google=replace(link.google, values=None, name="", emails=()))


def _scope_of(scope: ScopeRow) -> frozenset[Side]:
    return frozenset(side for side in Side if (scope.crm if side is Side.CRM else scope.google).in_scope)


def _marks(side: LinkSide) -> SideMarks:
    return SideMarks(in_scope=side.in_scope, seen_in_scope=side.seen_in_scope, listing=side.listing)


def _marked(side: LinkSide, marks: SideMarks) -> LinkSide:
    return replace(side, in_scope=marks.in_scope, seen_in_scope=marks.seen_in_scope, listing=marks.listing)


def _unmarked(side: LinkSide) -> LinkSide:
    return _marked(side, SideMarks())


def _stands_alone(link: Link, side: Side) -> bool:
    here, there = link.side(side), link.side(side.other)
    return link.state is PairState.SINGLE and here.presence is Presence.PRESENT and there.presence is Presence.UNKNOWN


def _is_bereaved(link: Link, side: Side) -> bool:
    gone = link.side(side).presence in {Presence.DELETED, Presence.ABSENT}
    return link.state is PairState.LINKED and gone and link.side(side.other).presence is Presence.PRESENT


def _is_held(link: Link, now: datetime) -> bool:
    return link.hold is not None and (link.hold.retry_at is None or link.hold.retry_at > now)


def _is_there(link: Link, side: Side) -> bool:
    return link.state is not PairState.GONE and link.side(side).presence is Presence.PRESENT


def _is_in_scope(link: Link, side: Side) -> bool:
    return _is_there(link, side) and link.side(side).in_scope


def _position(link: Link) -> tuple[datetime, datetime, LinkId]:
    if link.pending_since is None or link.pending_order is None:
        raise StateInvariantError("not pending", details={"link": str(link.link_id)})
    return (link.pending_since, link.pending_order, link.link_id)


def _is_at_rest(link: Link) -> bool:
    in_scope = link.crm.in_scope or link.google.in_scope
    return in_scope and not link.excluded and link.hold is None and link.pending_since is None


def _stands_as(link: Link) -> Outcome:
    """What a pair counts as that the run did not touch."""
    if link.excluded:
        return Outcome.SKIPPED
    if link.hold is not None:
        return Outcome.FAILED if link.hold.failed else Outcome.HELD
    if link.state is PairState.DORMANT:
        return Outcome.SKIPPED
    if link.pending_since is not None:
        return Outcome.WAITING
    return Outcome.UNCHANGED if link.state is PairState.LINKED else Outcome.SKIPPED
