"""Reading both sides, page by page, into the links; at a tick, where the CRM tells of its changes, Google alone.

A page's contacts and the place to go on from become durable together. A sync token or watermark becomes the
configuration's only with the last of the changes that it covers: before that a crash reads again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import structlog

from contactsync.domain.absorb import absorb, absorb_absence, absorb_deletion
from contactsync.domain.brake import is_believed
from contactsync.domain.contact import Observation, Side
from contactsync.domain.ids import LinkId, PersonId, RecordId
from contactsync.domain.link import Link, PairState, Presence
from contactsync.domain.policy import DeletePolicy
from contactsync.domain.ticks import Tick, asks_google_alone
from contactsync.errors import PageTokenExpiredError, ScopeGoneError, SyncTokenExpiredError
from contactsync.ports.requests import BY_CLOCK
from contactsync.ports.state import Listing, Outsider, RunMode, SyncState, Transaction
from sync_worker.engine.answers import take_answers
from sync_worker.engine.ownership import take_over
from sync_worker.engine.people import absorb_people, context_for, has_left
from sync_worker.engine.session import Session, known, raise_met
from sync_worker.engine.values import held_fields

log = structlog.get_logger(__name__)

_ABSENT_CHUNK = 1000
_NEVER = datetime.min.replace(tzinfo=UTC)
_OF_A_PAIR = frozenset({PairState.LINKED, PairState.DORMANT, PairState.RELEASED})


async def observe(session: Session) -> bool:
    """Read both sides at the same time; True when all listings of the run are complete.

    A side that fails does not interrupt a page of the other: its error is raised when both have stopped.
    """
    await _open_listings(session)
    results = await asyncio.gather(_observe_crm(session), _observe_google(session), return_exceptions=True)
    raise_met(results)
    # Google's reading may have found that the CRM has to be read as well.
    if not session.observed:
        return False
    await _check_scopes(session)
    await take_over(session)
    return True


async def _check_scopes(session: Session) -> None:
    """Where many contacts left at once, or all of them: make sure that it is not the view or the group that went."""
    for side, listing in session.run.listings.items():
        if not listing.left:
            continue
        async with session.transaction() as tx:
            shown = (await tx.links.counts(session.now())).shown[side]
        if listing.left > session.settings.scope_check_above or not shown:
            await _require_scope(session, side)


# --- beginning ------------------------------------------------------------------------------------------------------


async def _open_listings(session: Session) -> None:
    if session.run.listings:
        return
    await take_over(session)
    await take_answers(session)
    now = session.now()
    async with session.transaction() as tx:
        google, crm = _google_listing(session, now), _crm_listing(session, now)
        session.set_listing(Side.GOOGLE, google)
        if not asks_google_alone(await _tick(session, tx, now, full=google.full or crm.full)):
            session.set_listing(Side.CRM, crm)


async def _tick(session: Session, tx: Transaction, now: datetime, *, full: bool) -> Tick:
    run, read_at = session.run, session.run.sync.crm_read_at
    watch = await tx.runs.watch(read_at or run.created_at)
    return Tick(
        now=now,
        by_clock=run.trigger == BY_CLOCK and run.mode is RunMode.SYNC,
        interval=watch.interval,
        told_until=watch.told_until,
        asked=watch.asked,
        crm_read_at=read_at,
        full=full or run.first,
        waiting=bool(session.unknown or await tx.runs.told() or await tx.links.pending(run.run_id, None, 1)),
    )


def read_crm_too(session: Session) -> None:
    """Let the run, which left the CRM unread so far, read it before it goes on; the open transaction stores it.

    Whoever is to be made in the CRM is sought there again then.
    """
    session.set_listing(Side.CRM, _crm_listing(session, session.now()))
    session.update(search_page=None)


def _why_full(session: Session, side: Side, last_full: datetime | None, now: datetime) -> str:
    sync, run = session.run.sync, session.run
    if last_full is None:
        return "first"
    if sync.read_version != session.policy.version:
        return "settings"
    if run.mode is RunMode.FULL:
        return "asked"
    if sync.doubted(side) is not None:
        return "doubted"
    return "daily" if now - last_full >= session.settings.full_every else ""


def _google_listing(session: Session, now: datetime) -> Listing:
    sync = session.run.sync
    why = _why_full(session, Side.GOOGLE, sync.google_full_at if sync.google_sync_token else None, now)
    return Listing(
        full=bool(why),
        why=why,
        number=sync.google_listing + bool(why),
        started_at=now,
        step="list",
        made=sync.google_made,
        expected=sync.google_count if why and sync.google_full_at else None,
    )


def _crm_listing(session: Session, now: datetime) -> Listing:
    sync = session.run.sync
    why = _why_full(session, Side.CRM, sync.crm_full_at if sync.crm_watermark else None, now)
    if not why and sync.view_question is False and sync.crm_full_at is not None:
        why = "view_refused" if now - sync.crm_full_at >= session.settings.view_full_every else ""
    return Listing(
        full=bool(why),
        why=why,
        number=sync.crm_listing + bool(why),
        started_at=now,
        step="deleted" if sync.crm_watermark else "view",
        expected=sync.crm_count if why and sync.crm_full_at else None,
    )


# --- Google ---------------------------------------------------------------------------------------------------------


async def _observe_google(session: Session) -> None:
    while not (listing := session.run.listings[Side.GOOGLE]).done:
        if session.over:
            return
        if listing.step == "absent":
            await _google_absent(session)
            continue
        try:
            await _google_page(session, listing)
        except SyncTokenExpiredError:
            await read_google_in_full(session)
        except PageTokenExpiredError:
            await _restart(session, Side.GOOGLE)


async def _google_page(session: Session, listing: Listing) -> None:
    sync = session.run.sync
    token = None if listing.full else (listing.next_token or sync.google_sync_token)
    page = await session.ports.google.list_page(token, listing.page)
    async with session.transaction() as tx:
        left = await absorb_people(session, tx, page.people)
        members = sum(1 for person in page.people if person.in_scope and not person.deleted)
        alive = sum(1 for person in page.people if not person.deleted)
        listing = replace(session.run.listings[Side.GOOGLE], page=page.next_page, seen=listing.seen + members)
        listing = replace(listing, people=listing.people + alive, left=listing.left + left)
        if page.next_page is None:
            if page.next_sync_token is None:
                # The provider ended the chain without a token: nothing of it proves anything later.
                raise SyncTokenExpiredError("a complete listing came without a sync token")
            listing = replace(listing, next_token=page.next_sync_token, step="absent", done=not listing.full)
        session.set_listing(Side.GOOGLE, listing)
        if not listing.full:
            # Whoever was deleted makes room once the Trash is emptied, which nothing shows.
            people = max(0, session.run.sync.google_people - sum(person.deleted for person in page.people))
            session.update(sync=replace(session.run.sync, google_people=people))
        if listing.done:
            session.update(sync=replace(session.run.sync, google_sync_token=listing.next_token))


async def read_google_in_full(session: Session) -> None:
    """The sync token is no longer answered: read everything, in this run, and delete nothing on its word."""
    listing = session.run.listings[Side.GOOGLE]
    if listing.full and listing.page is None:
        raise PageTokenExpiredError("the provider refuses to begin a full listing")
    number = session.run.sync.google_listing + 1
    async with session.transaction():
        session.set_listing(
            Side.GOOGLE,
            Listing(
                full=True,
                why="token_expired",
                number=number,
                started_at=session.now(),
                step="list",
                made=session.run.sync.google_made,
                expected=session.run.sync.google_count if session.run.sync.google_full_at else None,
            ),
        )
        if session.listing(Side.CRM) is None:
            read_crm_too(session)


async def _google_absent(session: Session) -> None:
    listing, sync = session.run.listings[Side.GOOGLE], session.run.sync
    believed = await _is_believed(session, Side.GOOGLE)
    if believed and await _absences_left(session, Side.GOOGLE):
        return
    if not believed:
        await _require_scope(session, Side.GOOGLE)
    # Whom others made while it was read, it may show or not.
    people = listing.people + sync.google_made - listing.made
    async with session.transaction() as tx:
        if believed:
            await tx.links.drop_outsiders(Side.GOOGLE, listing.number)
        session.set_listing(Side.GOOGLE, replace(listing, done=True, page=None))
        session.update(
            sync=replace(
                session.run.sync,
                google_sync_token=listing.next_token,
                google_full_at=listing.started_at,
                google_listing=listing.number,
                google_count=listing.seen if believed else sync.google_count,
                google_doubted=None if believed else listing.seen,
                google_people=people if believed else max(people, sync.google_people),
            )
        )


# --- CRM ------------------------------------------------------------------------------------------------------------


async def _observe_crm(session: Session) -> None:
    reader = _CrmReader(session)
    while (listing := session.listing(Side.CRM)) is not None and not listing.done and not session.over:
        try:
            await reader.step(listing)
        except PageTokenExpiredError:
            await _restart(session, Side.CRM)


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
            await tx.links.save_outsiders(
                Side.CRM, session.search_number, [Outsider(r.remote_id, keys(r.identity)) for r in outside]
            )
            session.record_names.update({r.remote_id: r.identity.name for r in outside})

    async def _absent(self, listing: Listing) -> None:
        session = self._session
        believed = await _is_believed(session, Side.CRM)
        if believed and await _absences_left(session, Side.CRM):
            return
        if not believed:
            await _require_scope(session, Side.CRM)
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
    """Whether this configuration does not know this state yet; another one's reading may have brought it."""
    if link is None or link.state is PairState.GONE or link.crm.revision != record.revision:
        return True
    return not link.crm.in_scope and (link.foreign or link.state is PairState.SINGLE)


# --- both -----------------------------------------------------------------------------------------------------------


async def _is_believed(session: Session, side: Side) -> bool:
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


async def _absences_left(session: Session, side: Side) -> bool:
    """Take one chunk of pairs that a complete full listing did not show; False when none is left."""
    listing = session.run.listings[side]
    after = LinkId(UUID(listing.page)) if listing.page else None
    async with session.transaction() as tx:
        missing = await tx.links.unseen(side, listing.number, after, _ABSENT_CHUNK)
    if not missing:
        return False
    if after is None and len(missing) > session.settings.scope_check_above:
        await _require_scope(session, side)
    shown = await _still_shown(session, missing) if side is Side.GOOGLE else {}
    context = context_for(session, side, began=listing.started_at)
    async with session.transaction() as tx:
        there = await _still_there(session, tx, missing, shown) if shown else {}
        after_by_id = {link.link_id: there.get(link.link_id) or absorb_absence(link, side, context) for link in missing}
        changed = [after_by_id[link.link_id] for link in missing if after_by_id[link.link_id] != link]
        if changed:
            await tx.links.save(changed)
        left = listing.left + sum(has_left(link, after_by_id[link.link_id], side) for link in missing)
        session.set_listing(side, replace(listing, page=str(missing[-1].link_id), left=left))
    return True


async def _still_shown(session: Session, missing: Sequence[Link]) -> dict[LinkId, Observation]:
    """People whom Google shows when they are asked for by name: the listing lacked them, and they are not gone."""
    people = await session.ports.google.read([PersonId(str(link.google.remote_id)) for link in missing])
    shown = {name: p.observation for p in people for name in (p.observation.remote_id, *p.observation.previous_ids)}
    return {link.link_id: shown[name] for link in missing if (name := str(link.google.remote_id)) in shown}


async def _still_there(
    session: Session, tx: Transaction, missing: Sequence[Link], shown: Mapping[LinkId, Observation]
) -> dict[LinkId, Link]:
    """Their pairs. A full listing tells no former names: it showed whoever was renamed as somebody new.

    That contact stands alone and gives way to the pair; where it is of another pair by now, this one has lost it.
    """
    listed = await tx.links.by_remote(Side.GOOGLE, [seen.remote_id for seen in shown.values()])
    there: dict[LinkId, Link] = {}
    for link in missing:
        seen = shown.get(link.link_id)
        twin = None if seen is None else listed.get(seen.remote_id)
        if seen is None or (twin is not None and twin.link_id != link.link_id and twin.state in _OF_A_PAIR):
            continue
        if seen.remote_id != link.google.remote_id:
            if twin is not None and twin.state is PairState.SINGLE:
                await tx.links.remove([twin.link_id])
            await tx.links.remove_outsiders(Side.GOOGLE, [seen.remote_id])
        context = context_for(session, Side.GOOGLE, began=session.now())
        there[link.link_id] = absorb(link, seen, Side.GOOGLE, context) or link
    if there:
        log.warning("sync.listing.lacked", side=str(Side.GOOGLE), people=len(there))
    return there


async def _require_scope(session: Session, side: Side) -> None:
    """Many pairs left at once: make sure that it is not the view or the group itself that went."""
    settings = session.run.settings
    if side is Side.CRM and not await session.ports.crm.view_exists(settings.view_id):
        raise ScopeGoneError(reason="view_gone", details={"view": settings.view_id})
    if side is Side.GOOGLE and not await session.ports.google.group_exists(settings.group_id):
        raise ScopeGoneError(reason="group_gone", details={"group": settings.group_id})


async def _restart(session: Session, side: Side) -> None:
    """The place in a listing is lost: begin that reading again, under a new number when it is a full one."""
    listing = session.run.listings[side]
    if listing.page is None:
        raise PageTokenExpiredError(f"the {side} listing cannot be begun")
    async with session.transaction():
        number, made = listing.number + listing.full, session.run.sync.google_made
        session.set_listing(side, replace(listing, page=None, seen=0, people=0, left=0, number=number, made=made))
