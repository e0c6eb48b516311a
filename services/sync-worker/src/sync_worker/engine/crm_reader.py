"""Reading the CRM: the deleted list, then the whole view or the module's changes, then what it told of by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from contactsync.domain.absorb import absorb, absorb_deletion
from contactsync.domain.contact import Observation, Side
from contactsync.domain.ids import RecordId
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.policy import DeletePolicy
from contactsync.errors import PageTokenExpiredError
from contactsync.ports.state import Listing, Outsider, SyncState, Transaction
from sync_worker.engine.absences import absences_left, is_listing_believed
from sync_worker.engine.listings import require_scope, restart
from sync_worker.engine.people import context_for, has_left
from sync_worker.engine.session import Session, known
from sync_worker.engine.values import held_fields

_NEVER = datetime.min.replace(tzinfo=UTC)


async def observe_crm(session: Session) -> None:
    """Read on where the run stopped, until the CRM's listing is complete or the slice is over."""
    reader = _CrmReader(session)
    while (listing := session.listing(Side.CRM)) is not None and not listing.done and not session.over:
        try:
            await reader.step(listing)
        except PageTokenExpiredError:
            await restart(session, Side.CRM)


class _CrmReader:
    """The steps of reading the CRM: deleted list, then the whole view or the module's changes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._members: frozenset[RecordId] | None = None
        self._asked = False
        self._listed: dict[str, datetime] = {}
        """When the records that the lists showed in this slice were modified, as they showed it."""

    async def step(self, listing: Listing) -> None:
        match listing.step:
            case "deleted":
                await self._deleted(listing)
            case "changes":
                await self._changes(listing)
            case "view":
                await self._view(listing)
            case "told":
                await self._told(listing)
            case _:
                await self._absent(listing)

    def _since(self) -> datetime:
        watermark = known(self._session.run.sync.crm_watermark, "changes are asked for after a first reading")
        return watermark - self._session.settings.crm_overlap

    def _note_clock(self, server_time: datetime) -> None:
        offset = (server_time - self._session.now()).total_seconds()
        self._session.update(sync=replace(self._session.run.sync, crm_clock_offset_s=offset))

    def _advance(self, listing: Listing, *, page: str | None, then: str, seen: int, server_time: datetime) -> Listing:
        """The listing after a page; its first answer's clock becomes the next watermark."""
        self._note_clock(server_time)
        watermark = listing.next_token or server_time.isoformat()
        step = listing.step if page is not None else then
        return replace(listing, page=page, step=step, seen=listing.seen + seen, next_token=watermark)

    async def _deleted(self, listing: Listing) -> None:
        session = self._session
        page = await session.ports.crm.deleted_page(self._since(), listing.page)
        async with session.transaction() as tx:
            at = {deletion.record_id: deletion.deleted_at for deletion in page.deletions}
            links = await tx.links.by_remote(Side.CRM, list(at))
            context = context_for(session, Side.CRM, began=listing.started_at)
            changed = [
                after
                for record_id, link in links.items()
                if (after := absorb_deletion(link, Side.CRM, at[RecordId(record_id)], context)) != link
            ]
            if changed:
                await tx.links.save(changed)
            then = "view" if listing.full else "changes"
            step = listing.step if page.next_page is not None else then
            session.set_listing(Side.CRM, replace(listing, page=page.next_page, step=step))

    async def _view(self, listing: Listing) -> None:
        session = self._session
        page = await session.ports.crm.view_page(session.run.settings.view_id, listing.page)
        async with session.transaction() as tx:
            listing = self._advance(
                listing, page=page.next_page, then="absent", seen=len(page.records), server_time=page.server_time
            )
            session.set_listing(Side.CRM, listing)
            await self._absorb(tx, page.records)

    async def _changes(self, listing: Listing) -> None:
        """A page of changed records. Whether they are in the view is asked once, and only if one of them is news."""
        session = self._session
        page = await session.ports.crm.changed_page(self._since(), listing.page)
        async with session.transaction() as tx:
            links = await tx.links.by_remote(Side.CRM, [record.remote_id for record in page.records])
        news = {record.remote_id for record in page.records if _is_news(links.get(record.remote_id), record)}
        if news and not self._asked and session.run.sync.view_question is not False:
            self._members = await session.ports.crm.members_since(session.run.settings.view_id, self._since())
            self._asked = True
        async with session.transaction() as tx:
            session.update(sync=self._answered(session.run.sync))
            listing = self._advance(
                listing, page=page.next_page, then="done", seen=len(page.records), server_time=page.server_time
            )
            await self._absorb(
                tx, [self._placed(record) if record.remote_id in news else record for record in page.records]
            )
            left = session.run.listings[Side.CRM].left
            session.set_listing(Side.CRM, replace(listing, news=listing.news or bool(news), left=left))
            if page.next_page is None:
                await self._end_of_lists(tx)

    def _answered(self, sync: SyncState) -> SyncState:
        return replace(sync, view_question=self._members is not None) if self._asked else sync

    def _placed(self, record: Observation) -> Observation:
        """The record with the view's answer; unknown stays unknown, linked records then keep their place."""
        if self._members is None:
            return record
        return replace(record, in_scope=RecordId(record.remote_id) in self._members)

    async def _absorb(self, tx: Transaction, records: Sequence[Observation]) -> None:
        session = self._session
        self._listed.update({record.remote_id: record.modified_at for record in records})
        links = await tx.links.by_remote(Side.CRM, [record.remote_id for record in records])
        context = context_for(session, Side.CRM, began=session.run.listings[Side.CRM].started_at)
        changed = []
        left = 0
        for record in records:
            before = links.get(record.remote_id)
            link = absorb(before, record, Side.CRM, context)
            left += has_left(before, link, Side.CRM)
            if link is not None and link != before:
                changed.append(link)
        if changed:
            await tx.links.save(changed)
        if left:
            listing = session.run.listings[Side.CRM]
            session.set_listing(Side.CRM, replace(listing, left=listing.left + left))
        if session.policy.deletions is not DeletePolicy.KEEP:
            # A record that was deleted may live on in one outside the view, into which it was merged.
            keys = session.ports.digester.match_keys
            living = {remote_id for remote_id, link in links.items() if link.state is not PairState.GONE}
            outside = [r for r in records if r.in_scope is False and r.remote_id not in living]
            await tx.outsiders.save(
                Side.CRM, session.search_number, [Outsider(r.remote_id, keys(r.identity)) for r in outside]
            )
            session.record_names.update({r.remote_id: r.identity.name for r in outside})

    async def _absent(self, listing: Listing) -> None:
        session = self._session
        believed = await is_listing_believed(session, Side.CRM)
        if believed and await absences_left(session, Side.CRM):
            return
        if not believed:
            await require_scope(session, Side.CRM)
        async with session.transaction() as tx:
            await self._end_of_lists(tx)
            session.update(
                sync=replace(
                    session.run.sync,
                    crm_full_at=listing.started_at,
                    crm_listing=listing.number,
                    crm_count=listing.seen if believed else session.run.sync.crm_count,
                    crm_doubted=None if believed else listing.seen,
                )
            )

    async def _end_of_lists(self, tx: Transaction) -> None:
        """The lists are read. What the CRM said had changed, and they do not show yet, is read by id."""
        listing, told = self._session.run.listings[Side.CRM], await tx.runs.told()
        shown = [one for one in told if one.second <= self._listed.get(one.record_id, _NEVER)]
        if shown:
            await tx.runs.heard(shown)
        if len(shown) == len(told):
            self._complete(listing)
        else:
            self._session.set_listing(Side.CRM, replace(listing, step="told", page=None))

    async def _told(self, listing: Listing) -> None:
        """Records by id, which does not lag. Those of which still nothing is known are left to a run that follows."""
        session = self._session
        async with session.transaction() as tx:
            told = await tx.runs.told()
            links = await tx.links.by_remote(Side.CRM, [one.record_id for one in told])
        ids = [one.record_id for one in told]
        records = {r.remote_id: r for r in await session.ports.crm.read(ids, held=held_fields(session, links.values()))}
        behind = {i for i, r in records.items() if i not in links and self._listed.get(i) != r.modified_at}
        # Deleted, it seems: the list of the deleted will say so.
        behind |= {i for i, link in links.items() if i not in records and link.crm.presence is Presence.PRESENT}
        patience = session.now() - session.settings.told_wait
        async with session.transaction() as tx:
            await self._absorb(tx, list(records.values()))
            await tx.runs.heard([one for one in told if one.record_id not in behind or one.told_at < patience])
            self._complete(listing)

    def _complete(self, listing: Listing) -> None:
        session = self._session
        watermark = datetime.fromisoformat(known(listing.next_token, "a complete listing had an answer"))
        session.set_listing(Side.CRM, replace(listing, done=True, page=None))
        session.update(sync=replace(session.run.sync, crm_watermark=watermark, crm_read_at=listing.started_at))


def _is_news(link: Link | None, record: Observation) -> bool:
    """Whether this configuration does not know this state yet.

    Another one's reading may have brought it: that one knows whether the record is in its own view, not in this one's.
    """
    if link is None or link.state is PairState.GONE or link.crm.revision != record.revision:
        return True
    if _was_seen_too_soon(link.crm, record):
        return True
    # One that was taken over a moment ago is to be read anew.
    return link.foreign or link.state is PairState.SINGLE or not link.crm.seen


def _was_seen_too_soon(known: LinkSide, record: Observation) -> bool:
    """Whether a record was read in the very second of its last change: another one in that second moves no time.

    Of our own writes, which all are, that is not asked: it would cost a question after each.
    """
    ours = known.revision == known.written_revision
    return not ours and known.observed_at is not None and known.observed_at < record.modified_at + timedelta(seconds=1)
