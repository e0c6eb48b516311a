"""What people asked of single pairs since the last run, carried out before anything is read."""

from __future__ import annotations

from collections.abc import Sequence

from contactsync.domain.actions import Action, Answer, carry_out
from contactsync.domain.contact import Side
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Link
from contactsync.ports.state import Transaction
from sync_worker.engine.session import Session


async def take_answers(session: Session) -> None:
    """Apply all answers to their pairs; those with something to do are pending afterwards.

    What was asked of a pair that another configuration keeps is for that one's next run.
    """
    async with session.transaction() as tx:
        answers = await tx.answers.given()
        if answers:
            links = await tx.links.by_ids([answer.link_id for answer in answers])
            await tx.answers.hand_on([link.link_id for link in links.values() if link.foreign])
            mine = [one for one in answers if one.link_id not in links or not links[one.link_id].foreign]
            await tx.links.save(await _carried_out(session, tx, mine))
            await tx.answers.done([answer.link_id for answer in mine])


async def _carried_out(session: Session, tx: Transaction, answers: Sequence[Answer]) -> list[Link]:
    links = dict(await tx.links.by_ids([answer.link_id for answer in answers]))
    restored = [answer.link_id for answer in answers if answer.action is Action.RESTORE]
    journal = await tx.effects.last_of(restored)
    links |= await _rivals(tx, links)
    changed: dict[LinkId, Link] = {}
    for answer in answers:
        link = links.get(answer.link_id)
        if link is None:
            continue  # absorbed by another pair meanwhile
        named = set(link.hold.rivals) if link.hold is not None else set()
        rivals = [one for one in links.values() if named & {one.crm.remote_id, one.google.remote_id}]
        effect = journal.get(answer.link_id)
        last = None if effect is None else effect.overwritten()
        for after in carry_out(link, answer.action, rivals=rivals, last=last, now=session.now()):
            links[after.link_id] = changed[after.link_id] = after
    return list(changed.values())


async def _rivals(tx: Transaction, links: dict[LinkId, Link]) -> dict[LinkId, Link]:
    """The pairs of the contacts that these links are in doubt about."""
    named = sorted({name for link in links.values() if link.hold is not None for name in link.hold.rivals})
    found = [link for side in Side for link in (await tx.links.by_remote(side, named)).values()] if named else []
    return {link.link_id: link for link in found if link.link_id not in links}
