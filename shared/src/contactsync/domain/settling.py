"""A pair after a provider confirmed what was written: whose base is now what, and whether anything is left to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from contactsync.domain.changed import is_edited
from contactsync.domain.contact import Identity, Observation, Values
from contactsync.domain.digests import Digester, DigestSet
from contactsync.domain.effect import EffectKind, Intent
from contactsync.domain.ids import RowKey
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import Mapping, crm_field_of
from contactsync.domain.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a provider answered to one intent that it carried out."""

    remote_id: str
    revision: str
    modified_at: datetime
    observation: Observation | None = None
    """The contact as it is now; None where the answer does not show it (Zoho's holds id and times alone)."""
    left_out: Collection[RowKey] = ()
    """Fields of the intent that the connector did not send."""


def confirm(
    link: Link, intent: Intent, answer: Confirmation, *, digester: Digester, mapping: Mapping, now: datetime
) -> Link:
    """The pair after the provider confirmed one intent.

    The written side's base is what the answer shows, or what was sent, unconfirmed. The other side's base, for the same
    fields, is what it showed when this was decided: an edit made since stays an edit. The pair stays pending while
    anything else is to be done.
    """
    written = link.side(intent.side)
    if link.foreign:
        return link.with_side(intent.side, _joined(written, now)).put_down()
    match intent.kind:
        case EffectKind.CREATE:
            link = replace(link, by_hand=frozenset())
            written = _created(intent, answer, digester, mapping, source=link.side(intent.side.other))
            written = _as_answered(written, answer, now)
        case EffectKind.UPDATE:
            written = _as_answered(_updated(written, intent, answer, digester, mapping), answer, now)
        case EffectKind.JOIN_GROUP:
            written = _joined(written, now)
        case EffectKind.DELETE:
            written = replace(written, presence=Presence.DELETED, in_scope=False, written_at=now, values=None)
        case never:
            assert_never(never)
    if link.restoring is not None:
        return _after_restoring(link, intent, written)
    after = link.with_side(intent.side, written)
    return _after_write(_with_source_base(after, intent, mapping), intent, mapping)


def _as_answered(side: LinkSide, answer: Confirmation, now: datetime) -> LinkSide:
    return replace(
        side,
        remote_id=answer.remote_id,
        revision=answer.revision,
        written_revision=answer.revision,
        written_at=now,
        modified_at=answer.modified_at,
        observed_at=answer.modified_at,
        values=None if answer.observation is None else answer.observation.values,
    )


def _joined(side: LinkSide, now: datetime) -> LinkSide:
    return replace(side, in_scope=True, seen_in_scope=False, written_at=now)


def _after_restoring(link: Link, intent: Intent, written: LinkSide) -> Link:
    """A contact that was made again stands beside a deleted one; restored values are an edit of their side."""
    if intent.kind is not EffectKind.CREATE:
        written = replace(written, base=link.side(intent.side).base)
        return replace(link.with_side(intent.side, written), restoring=None)
    after = replace(link.with_side(intent.side, written), restoring=None)
    if link.side(intent.side.other).presence is Presence.PRESENT:
        return replace(after, state=PairState.LINKED, hold=None, reason="")
    return after.settled(PairState.RELEASED, reason=Reason.KEPT_AFTER_DELETION)


def _created(
    intent: Intent, answer: Confirmation, digester: Digester, mapping: Mapping, *, source: LinkSide
) -> LinkSide:
    """The side that a create made. It is in scope although no listing has shown it yet."""
    sent = {key: text for key, text in intent.changes.items() if text and key not in answer.left_out}
    observation = answer.observation
    identity = _identity_of_record(sent, mapping) if observation is None else observation.identity
    like = None if source.values is None else (source.values, source.seen)
    shown = digester.digest_set(mapping, sent if observation is None else observation.values, like=like)
    return LinkSide(
        presence=Presence.PRESENT,
        in_scope=True,
        base=shown,
        seen=shown,
        confirmed=observation is not None,
        keys=digester.match_keys(identity),
        name=identity.name,
    )


def _identity_of_record(sent: Values, mapping: Mapping) -> Identity:
    """By what a record with these values will be recognised."""
    by_field = {crm_field_of(key): text for key, text in sent.items()}
    phones = (row.key for row in mapping.rows if row.crm_field in {"Phone", "Mobile", "Home_Phone", "Other_Phone"})
    return Identity(
        name=" ".join(text for name in ("First_Name", "Last_Name") if (text := by_field.get(name))),
        strong_emails=tuple(text for name in ("Email",) if (text := by_field.get(name))),
        weak_emails=tuple(text for name in ("Secondary_Email",) if (text := by_field.get(name))),
        phones=tuple(sent[key] for key in phones if key in sent),
    )


def _updated(side: LinkSide, intent: Intent, answer: Confirmation, digester: Digester, mapping: Mapping) -> LinkSide:
    rows = [row for key in intent.changes if (row := mapping.by_key.get(key)) is not None]
    observation = answer.observation
    if observation is None:
        sent = {
            row.hash: digester.field(row, intent.changes[row.key]) for row in rows if row.key not in answer.left_out
        }
        seen, confirmed = DigestSet({**side.seen.index, **sent}), False
        # Of a create that still waits for its echo everything was sent.
        all_sent = not side.confirmed and not side.sent
        side = replace(side, sent=frozenset() if all_sent else side.sent | sent.keys())
    else:
        seen, confirmed = digester.digest_set(mapping, observation.values), True
        side = replace(
            side, sent=frozenset(), keys=digester.match_keys(observation.identity), name=observation.identity.name
        )
    base = side.base.updated(seen, [row.hash for row in rows])
    return replace(side, base=base, seen=seen, confirmed=confirmed)


def _with_source_base(link: Link, intent: Intent, mapping: Mapping) -> Link:
    """Note what the source showed when the write was decided: that is what both sides now agree on."""
    source_side = intent.side.other
    source = link.side(source_side)
    decided = DigestSet.unpack(intent.after_base) if intent.after_base else source.seen
    match intent.kind:
        case EffectKind.CREATE:
            base = decided.restricted(mapping)
        case EffectKind.UPDATE:
            rows = [row.hash for key in intent.changes if (row := mapping.by_key.get(key)) is not None]
            base = source.base.updated(decided, rows)
        case EffectKind.JOIN_GROUP | EffectKind.DELETE:
            return link
        case never:
            assert_never(never)
    return link.with_side(source_side, replace(source, base=base))


def _after_write(link: Link, intent: Intent, mapping: Mapping) -> Link:
    if intent.kind is EffectKind.DELETE:
        other_left = link.side(intent.side.other).presence is Presence.PRESENT
        state = PairState.RELEASED if other_left else PairState.GONE
        return link.settled(state, reason=Reason.KEPT_AFTER_DELETION if other_left else "")
    joining = link.reason == Reason.ADOPTED and not link.google.in_scope
    link = replace(link, state=PairState.LINKED, hold=None, reason=link.reason if joining else "")
    if joining or is_edited(link.crm, mapping) or is_edited(link.google, mapping):
        return link
    return link.put_down()
