"""What people asked of single pairs since the last run, carried out before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from contactsync.domain.actions import Action, Answer, carry_out
from contactsync.domain.contact import Side
from contactsync.domain.ids import LinkId
from contactsync.domain.link import Hold, Link, PairState
from contactsync.domain.reasons import Reason
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
            theirs = await tx.answers.hand_on([i for i, link in links.items() if link.foreign], session.now())
            mine = [answer for answer in answers if answer.link_id not in theirs]
            changed = await _carried_out(session, tx, [one for one in mine if one.link_id in links], links)
            await tx.links.save([*changed, *_tried_again(session, answers, [links[link_id] for link_id in theirs])])
            # Each configuration is in doubt about whoever stands alone, and sees to its own group.
            again = {answer.link_id for answer in mine if answer.action is Action.RETRY}
            alone = {link.link_id for link in changed if link.state is PairState.SINGLE}
            await tx.links.look_again_elsewhere(sorted(again | alone))
            await tx.answers.done([answer.link_id for answer in mine])


def _tried_again(session: Session, answers: Sequence[Answer], theirs: Sequence[Link]) -> list[Link]:
    """Pairs that another configuration keeps, and whose group this one was refused to put the person into."""
    asked = {answer.link_id for answer in answers if answer.action is Action.RETRY}
    return [
        replace(link, hold=None, pending_since=link.pending_since or session.now())
        for link in theirs
        if link.link_id in asked and link.hold is not None
    ]


async def _carried_out(
    session: Session, tx: Transaction, answers: Sequence[Answer], known: Mapping[LinkId, Link]
) -> list[Link]:
    """The pairs as the answers leave them. One whose keeper does not run any more is this configuration's from now."""
    links = {answer.link_id: _asked_about(known[answer.link_id], answer, session.now()) for answer in answers}
    restored = [answer.link_id for answer in answers if answer.action is Action.RESTORE]
    journal = await tx.effects.last_of(restored)
    links |= await _rivals(tx, links)
    changed: dict[LinkId, Link] = {}
    for answer in answers:
        link = links[answer.link_id]
        named = set(link.hold.rivals) if link.hold is not None else set()
        rivals = [one for one in links.values() if named & {one.crm.remote_id, one.google.remote_id}]
        effect = journal.get(answer.link_id)
        last = None if effect is None else effect.overwritten()
        for after in carry_out(link, answer.action, rivals=rivals, last=last, now=session.now()):
            links[after.link_id] = changed[after.link_id] = after
    return list(changed.values())


def _asked_about(link: Link, answer: Answer, now: datetime) -> Link:
    """The pair as it stood where the person was asked: another configuration may not be in doubt about it."""
    if answer.rivals:
        doubt = link.hold or Hold(reason=Reason.POSSIBLE_DUPLICATE, since=now)
        link = replace(link, hold=replace(doubt, rivals=answer.rivals))
    return replace(link, foreign=False)


async def _rivals(tx: Transaction, links: dict[LinkId, Link]) -> dict[LinkId, Link]:
    """The pairs of the contacts that these links are in doubt about."""
    named = sorted({name for link in links.values() if link.hold is not None for name in link.hold.rivals})
    found = [link for side in Side for link in (await tx.links.by_remote(side, named)).values()] if named else []
    return {link.link_id: link for link in found if link.link_id not in links}
