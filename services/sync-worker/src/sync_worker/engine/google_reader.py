"""Reading Google: all people of the account at first and once a day, else what changed since the sync token."""

from __future__ import annotations

from dataclasses import replace

from contactsync.domain.brake import is_believed
from contactsync.domain.contact import Side
from contactsync.errors import ListingCutShortError, PageTokenExpiredError, SyncTokenExpiredError
from contactsync.ports.state import Listing
from sync_worker.engine.absences import absences_left, is_listing_believed, members_left, outsiders_left
from sync_worker.engine.listings import begin_again, read_crm_too, require_scope, restart, seek_again
from sync_worker.engine.people import absorb_people
from sync_worker.engine.session import Session


async def observe_google(session: Session) -> None:
    """Read on where the run stopped, until Google's listing is complete or the slice is over."""
    while not (listing := session.run.listings[Side.GOOGLE]).done:
        if session.over:
            return
        if listing.step == "listed":
            await _google_listed(session, listing)
            continue
        if listing.step == "absent":
            await _google_absent(session)
            continue
        try:
            await _google_page(session, listing)
        except SyncTokenExpiredError:
            await read_google_in_full(session)
        except PageTokenExpiredError:
            await restart(session, Side.GOOGLE)


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
        listing = replace(listing, stated=listing.stated if page.total is None else page.total)
        if page.next_page is None:
            if page.next_sync_token is None:
                # The provider ended the chain without a token: nothing of it proves anything later.
                raise SyncTokenExpiredError("a complete listing came without a sync token")
            listing = replace(listing, next_token=page.next_sync_token, step="listed", done=not listing.full)
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
    if listing.full and listing.page is None and not listing.done:
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
        seek_again(session)
        if session.listing(Side.CRM) is None:
            read_crm_too(session)


async def _google_listed(session: Session, listing: Listing) -> None:
    """See that everybody was shown, as far as the listing itself tells, and at first the group."""
    if not is_believed(listing.people, listing.stated, None, session.settings.shrink_percent):
        await begin_again(session, Side.GOOGLE, "list")
        raise ListingCutShortError(
            "a listing ended before it had shown all that it says it has",
            details={"stated": listing.stated, "shown": listing.people},
        )
    if listing.expected is not None or not await members_left(session):
        async with session.transaction():
            session.set_listing(Side.GOOGLE, replace(session.run.listings[Side.GOOGLE], step="absent", page=None))


async def _google_absent(session: Session) -> None:
    listing, sync = session.run.listings[Side.GOOGLE], session.run.sync
    believed = await is_listing_believed(session, Side.GOOGLE)
    if believed and (await absences_left(session, Side.GOOGLE) or await outsiders_left(session)):
        return
    if not believed:
        await require_scope(session, Side.GOOGLE)
    # Whom others made while it was read, it may show or not.
    people = listing.people + sync.google_made - listing.made
    async with session.transaction():
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
