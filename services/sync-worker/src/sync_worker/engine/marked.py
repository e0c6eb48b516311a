"""People who carry our marker: the answer to a create that never came."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from contactsync.domain.contact import Observation, Side
from contactsync.domain.effect import Intent
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.outcome import Outcome
from contactsync.domain.settling import Confirmation, confirm
from contactsync.ports.state import Effect, EffectState, RunContact, Transaction
from sync_worker.engine.session import Session


async def adopt_marked(
    session: Session, tx: Transaction, people: Sequence[Observation], *, besides: Collection[LinkId]
) -> Mapping[str, Link]:
    """Links by person id for listed people who carry the marker of a pair that has no person yet.

    `besides`: pairs that have theirs, as the same page shows.
    """
    marks = ((_marker(person), person) for person in people if not person.deleted)
    marked = {link_id: person for link_id, person in marks if link_id is not None and link_id not in besides}
    if not marked:
        return {}
    links = await tx.links.by_ids(list(marked))
    found: dict[str, Link] = {}
    for link_id, link in links.items():
        if link.google.presence is not Presence.PRESENT:  # a person who was deleted is made again under a new name
            person = marked[link_id]
            found[person.remote_id] = await _adopt(session, tx, link, person)
    return found


def _marker(person: Observation) -> LinkId | None:
    try:
        return LinkId(UUID(person.marker)) if person.marker else None
    except ValueError:
        # `clientData` is shared by all applications: somebody else's value under our key is not a marker.
        return None


async def _adopt(session: Session, tx: Transaction, link: Link, person: Observation) -> Link:
    effect = session.unknown.pop(link.link_id, None)
    if effect is None or effect.side is not Side.GOOGLE:
        if effect is not None:
            session.unknown[link.link_id] = effect
        # No ledger row speaks of it: a database restored from an older copy, or a merge that handed our marker on.
        # Nothing is known of the person yet: whoever absorbs it finds news, and the pair is decided, in scope or not.
        return replace(link, google=LinkSide(remote_id=person.remote_id), state=PairState.LINKED)
    return await created(session, tx, link, effect, person)


async def created(session: Session, tx: Transaction, link: Link, effect: Effect, seen: Observation) -> Link:
    """The create did happen: write down what its answer would have said."""
    after = confirm(
        link,
        Intent(side=effect.side, kind=effect.kind, changes=effect.changes, before={}),
        Confirmation(remote_id=seen.remote_id, revision=seen.revision, modified_at=seen.modified_at, observation=seen),
        digester=session.ports.digester,
        mapping=session.mapping,
        now=session.now(),
    )
    after = replace(after.put_down(), taken_by=session.run.run_id)
    settled = replace(effect, state=EffectState.CONFIRMED, remote_id=seen.remote_id, revision=seen.revision)
    await tx.effects.settle([settled])
    await tx.links.save([after])
    if effect.side is Side.GOOGLE:
        session.count_people(await tx.runs.people_made(1))
    await session.report(tx, [created_row(after, effect.side, seen.identity.name)])
    return after


def created_row(link: Link, side: Side, name: str) -> RunContact:
    """The report's row for a contact that the run made."""
    return RunContact(
        link_id=link.link_id,
        outcome=Outcome.CREATED,
        crm_id=link.crm.remote_id,
        google_id=link.google.remote_id,
        name=name,
        sides=(side,),
    )
