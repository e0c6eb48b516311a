"""Writes that got no clear answer: found out about before anything is sent again.

Updates, deletes and joining a group may be repeated: they are decided again from a fresh reading. A create is looked
up: on Google by the marker that it carried (`clientData`), in the CRM by e-mail, else by name and equal values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from contactsync.domain.contact import Observation, Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import LinkId, RecordId, RowKey
from contactsync.domain.link import Hold, Link
from contactsync.domain.outcome import Outcome
from contactsync.ports.state import Effect, EffectState, Phase, RunContact, Transaction
from sync_worker.engine.listings import seek_again
from sync_worker.engine.marked import created
from sync_worker.engine.people import absorb_people
from sync_worker.engine.session import Session, known


async def recover(session: Session) -> None:
    """Learn from the ledger what an earlier slice sent without writing down the answer."""
    async with session.transaction() as tx:
        session.counted = set(await tx.effects.begun(session.run.run_id))
        session.count_people(await tx.runs.people_made(0))
        session.under_way = await tx.effects.under_way(session.now() - session.settings.visibility_wait)
        effects = await tx.effects.unsettled()
        creates = [effect for effect in effects if effect.kind is EffectKind.CREATE]
        others = [effect for effect in effects if effect.kind is not EffectKind.CREATE]
        sending = [effect for effect in creates if effect.state is EffectState.SENDING]
        await settle_as(tx, others, EffectState.REJECTED, "outcome_unknown")
        await settle_as(tx, sending, EffectState.UNKNOWN, "outcome_unknown")
    session.unknown = {effect.link_id: effect for effect in creates}


async def settle_as(tx: Transaction, effects: Sequence[Effect], state: EffectState, reason: str) -> None:
    """Store one state and reason for these effects."""
    if effects:
        await tx.effects.settle([replace(effect, state=state, reason=reason) for effect in effects])


# --- looking up -----------------------------------------------------------------------------------------------------


async def look_up(session: Session) -> datetime | None:
    """Seek what creates without an answer may have made; the time for the next look, None when all is known."""
    if any(effect.side is Side.GOOGLE for effect in session.unknown.values()):
        await _list_again(session)
    if any(effect.side is Side.CRM for effect in session.unknown.values()):
        await _seek_records(session)
    await _give_up(session)
    return min((_next_look(session, effect) for effect in session.unknown.values()), default=None)


async def _list_again(session: Session) -> None:
    """Read Google's changes since this run's listing: a person that was made shows with its marker."""
    page_token: str | None = None
    while True:
        listing = session.run.listings[Side.GOOGLE]
        page = await session.ports.google.list_page(listing.next_token, page_token)
        async with session.transaction() as tx:
            await absorb_people(session, tx, page.people)
            if page.people:
                # Among them may be somebody new, who is sought in the CRM before anything else is written.
                seek_again(session)
                session.update(phase=Phase.SEARCH)
            if page.next_page is None and page.next_sync_token is not None:
                listing = session.run.listings[Side.GOOGLE]
                session.set_listing(Side.GOOGLE, replace(listing, next_token=page.next_sync_token))
                session.update(sync=replace(session.run.sync, google_sync_token=page.next_sync_token))
        page_token = page.next_page
        if page_token is None:
            return


async def _seek_records(session: Session) -> None:
    effects = [effect for effect in session.unknown.values() if effect.side is Side.CRM]
    found = await _found_by_email(session, effects)
    found.update(
        await _found_by_name(session, [effect for effect in effects if _value(session, effect, "Email") == ""])
    )
    for effect in effects:
        records = found.get(effect.link_id, [])
        async with session.transaction() as tx:
            taken = await tx.links.by_remote(Side.CRM, [record.remote_id for record in records])
            free = [record for record in records if record.remote_id not in taken]
            link = (await tx.links.by_ids([effect.link_id])).get(effect.link_id)
            if link is None or not free:
                continue
            del session.unknown[effect.link_id]
            if len(free) == 1:
                await created(session, tx, link, effect, free[0])
            else:
                await _hold_several(session, tx, link, effect)


async def _found_by_email(session: Session, effects: Sequence[Effect]) -> dict[LinkId, list[Observation]]:
    wanted = {effect.link_id: email for effect in effects if (email := _value(session, effect, "Email"))}
    if not wanted:
        return {}
    addresses = await session.ports.crm.find_addresses(sorted(set(wanted.values())))
    records = {record.remote_id: record for record in await session.ports.crm.read([a.record_id for a in addresses])}
    ids_by_email: dict[str, list[RecordId]] = {}
    for address in addresses:
        ids_by_email.setdefault(address.email.casefold(), []).append(address.record_id)
    return {
        link_id: [records[i] for i in ids_by_email.get(email.casefold(), []) if i in records]
        for link_id, email in wanted.items()
    }


async def _found_by_name(session: Session, effects: Sequence[Effect]) -> dict[LinkId, list[Observation]]:
    """Records of the same name made since whose mapped values equal what was sent."""
    names = {effect.link_id: name for effect in effects if (name := _value(session, effect, "Last_Name"))}
    if not names:
        return {}
    records = await session.ports.crm.find_last_names(sorted(set(names.values())))
    digest = session.ports.digester.digest_set
    found: dict[LinkId, list[Observation]] = {}
    for effect in effects:
        sent = {key: value for key, value in effect.changes.items() if value}
        wanted = digest(session.mapping, sent)
        found[effect.link_id] = [record for record in records if digest(session.mapping, record.values) == wanted]
    return found


def _value(session: Session, effect: Effect, crm_field: str) -> str:
    row = session.mapping.by_crm(crm_field)
    key: RowKey | None = row.key if row is not None else None
    return (effect.changes.get(key) or "") if key is not None else ""


async def _hold_several(session: Session, tx: Transaction, link: Link, effect: Effect) -> None:
    hold = Hold(reason="possible_duplicate", since=session.now())
    await tx.effects.settle([replace(effect, state=EffectState.REJECTED, reason="possible_duplicate")])
    await tx.links.save([replace(link, hold=hold, taken_by=session.run.run_id)])
    row = RunContact(link_id=link.link_id, outcome=Outcome.HELD, reason=hold.reason, name=link.google.name)
    await session.report(tx, [row])


async def _give_up(session: Session) -> None:
    """Creates that no look has found after their waiting time did not happen: they may be decided again."""
    now = session.now()
    lost = [effect for effect in session.unknown.values() if _waited(session, effect, now)]
    if not lost:
        return
    async with session.transaction() as tx:
        await settle_as(tx, lost, EffectState.REJECTED, "not_applied")
    for effect in lost:
        del session.unknown[effect.link_id]


def _waited(session: Session, effect: Effect, now: datetime) -> bool:
    wait = session.settings.visibility_wait if effect.side is Side.GOOGLE else session.settings.crm_unknown_wait
    return effect.sent_at is None or now - effect.sent_at >= wait


def _next_look(session: Session, effect: Effect) -> datetime:
    sent_at = known(effect.sent_at, "an effect without a time of sending was given up")
    settings, now = session.settings, session.now()
    wait = settings.visibility_wait if effect.side is Side.GOOGLE else settings.crm_unknown_wait
    looks = [sent_at + delay for delay in settings.unknown_lookups]
    upcoming = next((look for look in looks if look > now), now + settings.unknown_lookups[-1])
    return min(upcoming, sent_at + wait)
