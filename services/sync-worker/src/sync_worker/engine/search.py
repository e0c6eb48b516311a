"""Before a record is made in the CRM, the person is sought in the whole module that the user may see.

Up to a thousand addresses are asked for by name, 50 a call; more are found by one pass over id and e-mail, 2,000 a
call. What is found is kept as outsiders of the CRM for this run. Company names of people to be created are asked for
here too, so that their questions fill whole calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace

from contactsync.domain.contact import Identity, Side
from contactsync.domain.ids import RecordId
from contactsync.domain.link import Link, PairState
from contactsync.domain.policy import CompanyRule, NoEmailRule
from contactsync.ports.directory import RecordAddress
from contactsync.ports.state import Outsider
from sync_worker.engine.listings import read_crm_too
from sync_worker.engine.session import Session
from sync_worker.engine.values import with_values

_DONE = "done"
_NAMES_AT_ONCE = 50
"""As many as a call asks for: of common names there are thousands of records."""


async def search(session: Session) -> bool:
    """Know who of the people to be created exists in the CRM already; True when done.

    A run that left the CRM unread and finds anybody there reads it after all, and seeks again: whether they are in the
    view, no listing of it has said.
    """
    if session.run.search_page is None:
        await _begin(session)
    while session.observed and (place := session.run.search_page) != _DONE:
        if session.over:
            return False
        found, after = await session.ports.crm.addresses_page(RecordId(place) if place else None)
        await _save_found(session, found, place=after or _DONE)
    return True


async def _begin(session: Session) -> None:
    """Ask by name where that is cheaper; else leave the place at the start of a pass over the module."""
    async with session.transaction() as tx:
        await tx.outsiders.drop(Side.CRM, session.search_number)
    if not session.policy.direction.writes(Side.CRM):
        await _store_place(session, _DONE)
        return
    by_name = session.settings.search_pass_above
    addresses: set[str] = set()
    last_names: set[str] = set()
    companies: set[str] = set()
    async for link in people_to_seek(session):
        for row in session.mapping.companies:
            companies.update(_value(session, link, row.crm_field))
        if len(addresses) <= by_name:
            addresses.update(link.google.emails)
        if not link.google.emails and session.policy.no_email is NoEmailRule.MATCH:
            last_names.update(_value(session, link, "Last_Name"))
    await ask_companies(session, companies)
    await _save_same_names(session, sorted(last_names))
    if len(addresses) <= by_name:
        found = await session.ports.crm.find_addresses(sorted(addresses)) if addresses else ()
        await _save_found(session, found, place=_DONE)
    else:
        session.sought_to = None  # a pass over the module finds everybody
        await _store_place(session, "")


async def _store_place(session: Session, place: str) -> None:
    async with session.transaction():
        _note_place(session, place)


def _note_place(session: Session, place: str) -> None:
    session.update(search_page=place)
    if place == _DONE and (listing := session.listing(Side.GOOGLE)) is not None:
        session.set_listing(Side.GOOGLE, replace(listing, sought_to=session.sought_to))


async def people_to_seek(session: Session) -> AsyncIterator[Link]:
    """Pending people who would become records, in order, as far as the run's limit reaches, with their values.

    Among them are those whose record was deleted: who was edited since is made again, but not beside another record.
    Those who share an address with a record that has no person yet are not among them: the two will be linked.
    Where those before took less room than was thought, this goes on behind the last place that was sought.
    """
    listing = session.listing(Side.GOOGLE)
    after = session.sought_to = None if listing is None else listing.sought_to
    left = session.run.limit - session.run.taken
    while left > 0:
        amount = min(left, session.settings.chunk)
        async with session.transaction() as tx:
            people, after = await tx.links.to_seek(Side.CRM, session.run.run_id, after, amount)
        session.sought_to = after
        if after is None:
            return
        left -= amount
        for link in await with_values(session, people):
            yield link


def _value(session: Session, link: Link, crm_field: str) -> Iterable[str]:
    """What the person holds for this CRM field: one value or none."""
    row = session.mapping.by_crm(crm_field)
    value = (link.google.values or {}).get(row.key) if row is not None else None
    return [value] if value else []


async def ask_companies(session: Session, names: Iterable[str]) -> None:
    """Know the accounts of these company names; names that the CRM lacks are made when the policy says so."""
    fresh = sorted(set(names) - session.companies.keys())
    if not fresh:
        return
    known = await session.ports.crm.companies(fresh)
    missing = [name for name in fresh if name not in known]
    made = {}
    if missing and session.policy.companies is CompanyRule.CREATE:
        made = dict(await session.ports.crm.create_companies(missing))
    session.companies.update({name: known.get(name, made.get(name)) for name in fresh})


async def _save_same_names(session: Session, last_names: Sequence[str]) -> None:
    """Records with the same last name, so that people without e-mail can be matched by name and phone."""
    keys = session.ports.digester.match_keys
    for start in range(0, len(last_names), _NAMES_AT_ONCE):
        records = await session.ports.crm.find_last_names(last_names[start : start + _NAMES_AT_ONCE])
        found = [Outsider(record.remote_id, keys(record.identity)) for record in records]
        session.record_names.update({record.remote_id: record.identity.name for record in records})
        await _save_outsiders(session, found)


async def _save_found(session: Session, found: Sequence[RecordAddress], *, place: str) -> None:
    keys = session.ports.digester.match_keys
    if place == _DONE and len(found) <= session.settings.search_pass_above:
        session.record_names.update({record.record_id: record.name for record in found})
    await _save_outsiders(
        session,
        [
            Outsider(
                record.record_id,
                keys(Identity(record.name, _present(record.email), _present(record.secondary_email))),
            )
            for record in found
        ],
        place=place,
    )


def _present(address: str) -> tuple[str, ...]:
    return (address,) if address else ()


async def _save_outsiders(session: Session, found: Sequence[Outsider], *, place: str | None = None) -> None:
    """Keep those that have no link of their own: linked records are found by their links."""
    async with session.transaction() as tx:
        known = await tx.links.by_remote(Side.CRM, [record.remote_id for record in found]) if found else {}
        linked = {record_id for record_id, link in known.items() if link.state is not PairState.GONE}
        fresh = [record for record in found if record.remote_id not in linked and record.keys]
        if fresh and session.listing(Side.CRM) is None:
            read_crm_too(session)
        if not session.observed:
            return
        if fresh:
            await tx.outsiders.save(Side.CRM, session.search_number, fresh)
        if place is not None:
            _note_place(session, place)
