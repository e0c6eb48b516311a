"""What each side's listing of a run is: full or changes only, and why; at a tick, Google alone is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contactsync.domain.contact import Side
from contactsync.domain.ticks import Tick, asks_google_alone
from contactsync.errors import PageTokenExpiredError, ScopeGoneError
from contactsync.ports.requests import BY_CLOCK
from contactsync.ports.state import Listing, RunMode, Transaction
from sync_worker.engine.answers import take_answers
from sync_worker.engine.ownership import take_over
from sync_worker.engine.session import Session


async def open_listings(session: Session) -> None:
    """Say once for the run what it reads of each side; with it come the answers that people gave meanwhile."""
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
    seek_again(session)


def seek_again(session: Session) -> None:
    """Let the run seek people in the CRM once more: listings brought some who stand among those that were sought."""
    if (listing := session.listing(Side.GOOGLE)) is not None:
        session.set_listing(Side.GOOGLE, replace(listing, sought_to=None))
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


async def restart(session: Session, side: Side) -> None:
    """The place in a listing is lost: begin that reading again, under a new number when it is a full one."""
    if session.run.listings[side].page is None:
        raise PageTokenExpiredError(f"the {side} listing cannot be begun")
    await begin_again(session, side, session.run.listings[side].step)


async def begin_again(session: Session, side: Side, step: str) -> None:
    """Forget what a listing has shown so far and read from `step` on; a full one goes under a new number."""
    async with session.transaction():
        listing = replace(session.run.listings[side], step=step, page=None, seen=0, people=0, left=0, stated=0)
        number, made = listing.number + listing.full, session.run.sync.google_made
        session.set_listing(side, replace(listing, number=number, made=made))


async def require_scope(session: Session, side: Side) -> None:
    """Many pairs left at once: make sure that it is not the view or the group itself that went."""
    settings = session.run.settings
    if side is Side.CRM and not await session.ports.crm.view_exists(settings.view_id):
        raise ScopeGoneError(reason="view_gone", details={"view": settings.view_id})
    if side is Side.GOOGLE and not await session.ports.google.group_exists(settings.group_id):
        raise ScopeGoneError(reason="group_gone", details={"group": settings.group_id})
