"""What to do about one pair: a pure function of the pair and the settings, and what its outcome leaves behind.

`decide` answers for a whole pair what is to be written and which state it is in afterwards; `confirm` and `refuse`
write down what a provider answered. The tables are printed in `docs/decisions.md` and checked against this module
cell by cell. Nothing is decided about a contact that exists on one side alone before it was sought on the other:
that is the engine's duty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, assert_never

from contactsync.domain.actions import Overwritten, is_restorable
from contactsync.domain.contact import Changes, Identity, Observation, Side, Values
from contactsync.domain.digests import Digester, DigestSet
from contactsync.domain.effect import EffectKind
from contactsync.domain.fit import fit
from contactsync.domain.ids import RowKey
from contactsync.domain.keys import KeyKind
from contactsync.domain.link import Hold, Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import crm_field_of, crm_only_key
from contactsync.domain.merge import FieldMerge, merge, value_of, written_over
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, NoEmailRule, Policy
from contactsync.domain.reasons import Reason
from contactsync.domain.standin import stand_in

MAX_TRIES: Final = 7
"""A refused write is tried again once a day, this often."""
RETRY_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One write to one side of a pair."""

    side: Side
    kind: EffectKind
    changes: Changes = field(default_factory=dict)
    before: Values = field(default_factory=dict)
    """Values that it replaces or deletes, as far as they were read."""
    after_base: bytes = b""
    """What the other side showed at the decision (packed digests): its base for these fields once this is confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about a pair; `link` is the pair with all that needs no write carried out."""

    link: Link
    intents: tuple[Intent, ...] = ()
    outcome: Outcome
    reason: str = ""
    takes: bool = False
    """Whether the pair counts against the run's limit: it is linked, or something is written for it."""
    fields: tuple[str, ...] = ()
    """CRM names of the fields that are written."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Row keys of fields that the other side cannot hold, with the reason code."""


class ValuesNotReadError(ValueError):
    """A pair was to be decided without the values of a side that shows something else than was agreed."""


def decide(
    link: Link,
    policy: Policy,
    digester: Digester,
    *,
    now: datetime,
    first: bool,
    journal: Overwritten | None = None,
) -> Decision:
    """What to do about a pair now. A side that shows something else than was agreed must have its values.

    Raises ValuesNotReadError when it has not.

    `first`: the configuration has not completed a run yet, so nothing is deleted. `journal`: what the pair is
    `restoring`.
    """
    if link.foreign:
        return _as_guest(link, policy)
    if link.restoring is not None:
        if journal is not None and (wanted := _restored(link, journal, policy, digester, now)) is not None:
            return wanted
        link = replace(link, restoring=None)
    if link.state is PairState.GONE:
        return Decision(link=link, outcome=Outcome.UNCHANGED)
    if link.excluded:
        return _skipped(link, Reason.EXCLUDED)
    if link.hold is not None and not is_due(link.hold, now):
        outcome = Outcome.FAILED if link.hold.failed else Outcome.HELD
        return Decision(link=link, outcome=outcome, reason=link.hold.reason)
    return _standing(link, policy, digester, now=now, first=first)


def _standing(link: Link, policy: Policy, digester: Digester, *, now: datetime, first: bool) -> Decision:
    """What to do about a pair that nothing keeps back, by what of it exists."""
    present = [side for side in Side if link.side(side).presence is Presence.PRESENT]
    match present:
        case [_, _]:
            return _both(link, policy, digester)
        case [side]:
            if link.side(side.other).presence is Presence.UNKNOWN:
                return _single(link, side, policy)
            return _bereaved(link, side, policy, may_delete=policy.deletes_allowed and not first, now=now)
        case _:
            gone = _settled(link, state=PairState.GONE, reason="")
            return Decision(link=gone, outcome=Outcome.DELETED, reason=Reason.GONE)


# --- both sides exist -----------------------------------------------------------------------------------------------


def _both(link: Link, policy: Policy, digester: Digester) -> Decision:
    never_agreed = not link.crm.base and not link.google.base
    match (link.crm.in_scope, link.google.in_scope):
        case (True, True):
            return _merged(link, policy, digester, linking=never_agreed)
        case (True, False) if never_agreed or link.reason == Reason.ADOPTED or _is_new_here(link):
            if policy.direction.writes(Side.GOOGLE):
                return _merged(link, policy, digester, linking=True, adopting=True)
            return _dormant(link, Reason.IN_GOOGLE_OUTSIDE_GROUP)
        case (False, True) if never_agreed:
            return _dormant(link, Reason.IN_CRM_OUTSIDE_VIEW)
        case (False, True):
            return _dormant(link, Reason.LEFT_VIEW)
        case (True, False):
            return _dormant(link, Reason.LEFT_GROUP)
        case _:
            return _dormant(link, Reason.OUT_OF_SCOPE)


def _as_guest(link: Link, policy: Policy) -> Decision:
    """A pair that another configuration keeps: this one puts the person into its own group, and writes nothing else."""
    both = link.crm.presence is link.google.presence is Presence.PRESENT
    new_here = link.crm.in_scope and not link.google.in_scope and not link.google.seen_in_scope
    if not both or not new_here or link.excluded or not policy.direction.writes(Side.GOOGLE):
        reason = Reason.EXCLUDED if link.excluded else Reason.OWNED_BY_ANOTHER
        return Decision(link=_put_down(link), outcome=Outcome.SKIPPED, reason=reason)
    join = Intent(side=Side.GOOGLE, kind=EffectKind.JOIN_GROUP, after_base=link.crm.seen.pack())
    return Decision(link=link, intents=(join,), outcome=Outcome.UPDATED, reason=Reason.ADOPTED, takes=True)


def _put_down(link: Link) -> Link:
    return replace(link, pending_since=None, pending_order=None)


def _is_new_here(link: Link) -> bool:
    """Whether another configuration made the pair, and this one has never had the person in its group."""
    return link.taken_by is None and not link.google.seen_in_scope


def _dormant(link: Link, reason: Reason) -> Decision:
    return Decision(link=_settled(link, state=PairState.DORMANT, reason=reason), outcome=Outcome.SKIPPED, reason=reason)


def _merged(link: Link, policy: Policy, digester: Digester, *, linking: bool, adopting: bool = False) -> Decision:
    """A pair in sync: merged field by field, a person outside the group put into it last."""
    _require_values(link, policy.mapping)
    found = merge(link, policy, digester, adopting=adopting)
    blocked = _take_read_only(found, link)
    intents = tuple(_updates(found, link, policy.mapping, digester.empty))
    if adopting:
        intents += (Intent(side=Side.GOOGLE, kind=EffectKind.JOIN_GROUP, after_base=link.crm.seen.pack()),)
    reason = Reason.ADOPTED if adopting else ""
    after = replace(
        link,
        state=PairState.LINKED,
        crm=replace(link.crm, base=found.bases[Side.CRM]),
        google=replace(link.google, base=found.bases[Side.GOOGLE]),
        diverged=frozenset(found.diverged),
        hold=link.hold if intents else None,
        reason=reason,
        pending_since=link.pending_since if intents else None,
        pending_order=link.pending_order if intents else None,
    )
    if blocked and not intents:
        return Decision(link=after, outcome=Outcome.SKIPPED, reason=blocked, left_out=found.left_out, takes=linking)
    outcome = Outcome.UPDATED if intents else Outcome.LINKED if linking else Outcome.UNCHANGED
    return Decision(
        link=after,
        intents=intents,
        outcome=outcome,
        reason=reason,
        takes=linking or bool(intents),
        fields=found.fields,
        left_out=found.left_out,
    )


def is_known_by_digests(side: LinkSide, mapping: FieldMapping) -> bool:
    """Whether a side stands as it was agreed, in every field of this mapping: then its values are not needed."""
    if not side.base or side.seen != side.base:
        return False
    seen = side.seen.index
    return all(row.hash in seen for row in mapping.rows)


def _require_values(link: Link, mapping: FieldMapping) -> None:
    """Of a side that does not stand as it was agreed the values are needed."""
    for side in Side:
        shown = link.side(side)
        if shown.values is None and not is_known_by_digests(shown, mapping):
            raise ValuesNotReadError(f"the {side} values of {link.link_id} were not read")


def _take_read_only(found: FieldMerge, link: Link) -> str:
    """Move changes of a contact that this user may not write to what is left out; the reason, if there were any."""
    reason = ""
    for side, changes in found.changes.items():
        why = link.side(side).read_only
        if why and changes:
            reason = why
            found.left_out.update(dict.fromkeys(changes, why))
            changes.clear()
    return reason


def _updates(found: FieldMerge, link: Link, mapping: FieldMapping, empty: bytes) -> list[Intent]:
    return [
        Intent(
            side=side,
            kind=EffectKind.UPDATE,
            changes=changes,
            before=written_over(link.side(side), changes, mapping, empty),
            after_base=link.side(side.other).seen.pack(),
        )
        for side, changes in found.changes.items()
        if changes
    ]


# --- one side exists ------------------------------------------------------------------------------------------------


def _single(link: Link, side: Side, policy: Policy) -> Decision:
    """A contact that was sought on the other side and not found there."""
    if not link.side(side).in_scope:
        return _skipped(link, Reason.OUT_OF_SCOPE)
    if not policy.direction.writes(side.other):
        return _skipped(link, Reason.ONE_WAY)
    if policy.no_email is NoEmailRule.SKIP and not has_email(link.side(side)):
        return _skipped(link, Reason.NO_EMAIL_SKIPPED)
    return _create(link, side, policy, Reason.NONE)


def has_email(side: LinkSide) -> bool:
    """Whether a contact has an address by which it can be found."""
    return any(key.kind is not KeyKind.NAME_PHONE for key in side.keys)


def _create(link: Link, source: Side, policy: Policy, reason: Reason) -> Decision:
    values, left_out = values_for_new(link.side(source), source.other, policy)
    if not values:
        return _skipped(link, Reason.NOTHING_IDENTIFIES)
    intent = Intent(
        side=source.other,
        kind=EffectKind.CREATE,
        changes=values,
        after_base=link.side(source).seen.pack(),
    )
    return Decision(link=link, intents=(intent,), outcome=Outcome.CREATED, reason=reason, takes=True, left_out=left_out)


def values_for_new(source: LinkSide, target: Side, policy: Policy) -> tuple[dict[RowKey, str], dict[str, str]]:
    """The values of a contact to be made from `source`, and what is left out with the reason; no values: no contact."""
    if source.values is None:
        raise ValueError("a contact is made from values that were read")
    values: dict[RowKey, str] = {}
    left_out: dict[str, str] = {}
    for row in policy.mapping.rows:
        text = value_of(source, row)
        if not text or not row.flows_to(target, policy.direction):
            continue
        fitted = fit(row, text, target)
        if fitted.text:
            values[row.key] = fitted.text
        elif fitted.reason is not None and not row.crm_mandatory:
            left_out[row.key] = fitted.reason
    return (values, left_out) if target is Side.GOOGLE else _completed(source, policy, values, left_out)


def _completed(
    source: LinkSide, policy: Policy, values: dict[RowKey, str], left_out: dict[str, str]
) -> tuple[dict[RowKey, str], dict[str, str]]:
    """A new record's values with a last name and the configuration's own values for new records."""
    mapping = policy.mapping
    last = mapping.by_crm("Last_Name")
    if last is None or last.key not in values:
        substitute = stand_in(source, mapping)
        if substitute is None:
            return {}, {}
        if substitute.instead_of is not None:
            values.pop(substitute.instead_of, None)
        values[substitute.key] = substitute.text
    for api_name, text in policy.crm_values.items():
        row = mapping.by_crm(api_name)
        values.setdefault(row.key if row is not None else crm_only_key(api_name), text)
    return values, left_out


def _bereaved(link: Link, staying: Side, policy: Policy, *, may_delete: bool, now: datetime) -> Decision:
    """One side was deleted."""
    stays = link.side(staying)
    agreed_before = link.state is PairState.LINKED and stays.in_scope and bool(stays.base)
    if not agreed_before or not carries_deletes(policy, staying.other):
        return _released(link)
    if not may_delete:
        return Decision(link=link, outcome=Outcome.WAITING, reason=Reason.DELETES_DEFERRED)
    if edited_since_base(stays, policy.mapping):
        if not policy.direction.writes(staying.other):
            return _released(link)
        return _create(link, staying, policy, Reason.MADE_AGAIN)
    if stays.read_only:
        held = hold(link, stays.read_only, policy, now)
        return Decision(link=held, outcome=Outcome.HELD, reason=stays.read_only)
    intent = Intent(side=staying, kind=EffectKind.DELETE, before=dict(stays.values or {}))
    return Decision(link=link, intents=(intent,), outcome=Outcome.DELETED, takes=True)


def carries_deletes(policy: Policy, deleted: Side) -> bool:
    """Whether a delete on one side is carried to the other. Deletes in the target of a one-way sync never are."""
    if not policy.direction.writes(deleted.other):
        return False
    match policy.deletions:
        case DeletePolicy.KEEP:
            return False
        case DeletePolicy.FROM_CRM:
            return deleted is Side.CRM
        case DeletePolicy.PROPAGATE:
            return True
        case never:
            assert_never(never)


def edited_since_base(side: LinkSide, mapping: FieldMapping) -> bool:
    """Whether a mapped field of which a base is known shows something else now."""
    base, seen = side.base.index, side.seen.index
    return any(row.hash in base and seen.get(row.hash) != base[row.hash] for row in mapping.rows)


def _released(link: Link) -> Decision:
    reason = Reason.MERGED if link.reason == Reason.MERGED else Reason.KEPT_AFTER_DELETION
    return Decision(
        link=_settled(link, state=PairState.RELEASED, reason=reason), outcome=Outcome.SKIPPED, reason=reason
    )


def _skipped(link: Link, reason: Reason) -> Decision:
    return Decision(link=_settled(link, state=link.state, reason=reason), outcome=Outcome.SKIPPED, reason=reason)


def _settled(link: Link, *, state: PairState, reason: str) -> Link:
    return replace(link, state=state, reason=reason, hold=None, pending_since=None, pending_order=None)


# --- what a person wants back ---------------------------------------------------------------------------------------


def _restored(link: Link, last: Overwritten, policy: Policy, digester: Digester, now: datetime) -> Decision | None:
    """Write back what one write replaced; None when that is done already or cannot be done any more.

    A deleted contact is made again on its side alone. Values that were overwritten count as typed there by hand.
    """
    here = link.side(last.side)
    if not is_restorable(last, policy, now):
        return None
    known = policy.mapping.by_key
    if last.kind is EffectKind.DELETE:
        values = {key: text for key, text in last.before.items() if key in known}
        if here.presence is Presence.PRESENT or not values:
            return None
        made = Intent(side=last.side, kind=EffectKind.CREATE, changes=values)
        return Decision(link=link, intents=(made,), outcome=Outcome.CREATED, reason=Reason.RESTORED, takes=True)
    changes = {key: last.before[key] or None for key in last.changes if key in known and key in last.before}
    if here.presence is not Presence.PRESENT or not changes:
        return None
    before = written_over(here, changes, policy.mapping, digester.empty)
    intent = Intent(side=last.side, kind=EffectKind.UPDATE, changes=changes, before=before)
    return Decision(
        link=link,
        intents=(intent,),
        outcome=Outcome.UPDATED,
        reason=Reason.RESTORED,
        takes=True,
        fields=tuple(sorted({key.partition("=")[0] for key in changes})),
    )


# --- what a provider answered ---------------------------------------------------------------------------------------


def confirm(  # noqa: PLR0913  one provider answer, field by field
    link: Link,
    intent: Intent,
    *,
    remote_id: str,
    revision: str,
    modified_at: datetime,
    observation: Observation | None,
    digester: Digester,
    mapping: FieldMapping,
    now: datetime,
    left_out: Collection[RowKey] = (),
) -> Link:
    """The pair after the provider confirmed one intent.

    The written side's base is what the answer shows (Google), or what was sent, unconfirmed (Zoho answers with id and
    times alone). The other side's base, for the same fields, is what it showed when this was decided: an edit made
    since stays an edit. `left_out` names fields of the intent that the connector did not send.
    The pair stays pending while anything else is to be done.
    """
    written = link.side(intent.side)
    if link.foreign:
        return _put_down(_with_side(link, intent.side, _joined(written, now)))
    match intent.kind:
        case EffectKind.CREATE:
            written = _created(intent, observation, digester, mapping, left_out, source=link.side(intent.side.other))
        case EffectKind.UPDATE:
            written = _updated(written, intent, observation, digester, mapping, left_out)
        case EffectKind.JOIN_GROUP:
            written = _joined(written, now)
        case EffectKind.DELETE:
            written = replace(written, presence=Presence.DELETED, in_scope=False, written_at=now, values=None)
        case never:
            assert_never(never)
    if intent.kind in {EffectKind.CREATE, EffectKind.UPDATE}:
        written = replace(
            written,
            remote_id=remote_id,
            revision=revision,
            written_revision=revision,
            written_at=now,
            modified_at=modified_at,
            observed_at=modified_at,
            values=None if observation is None else observation.values,
        )
    if link.restoring is not None:
        return _after_restoring(link, intent, written)
    after = _with_side(link, intent.side, written)
    return _after_write(_with_source_base(after, intent, mapping), intent, mapping)


def _joined(side: LinkSide, now: datetime) -> LinkSide:
    return replace(side, in_scope=True, seen_in_scope=False, written_at=now)


def _after_restoring(link: Link, intent: Intent, written: LinkSide) -> Link:
    """A contact that was made again stands beside a deleted one; restored values are an edit of their side."""
    if intent.kind is not EffectKind.CREATE:
        written = replace(written, base=link.side(intent.side).base)
        return replace(_with_side(link, intent.side, written), restoring=None)
    after = replace(_with_side(link, intent.side, written), restoring=None)
    if link.side(intent.side.other).presence is Presence.PRESENT:
        return replace(after, state=PairState.LINKED, hold=None, reason="")
    return _settled(after, state=PairState.RELEASED, reason=Reason.KEPT_AFTER_DELETION)


def _created(
    intent: Intent,
    observation: Observation | None,
    digester: Digester,
    mapping: FieldMapping,
    left_out: Collection[RowKey],
    *,
    source: LinkSide,
) -> LinkSide:
    """The side that a create made. It is in scope although no listing has shown it yet."""
    sent = {key: text for key, text in intent.changes.items() if text and key not in left_out}
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


def _identity_of_record(sent: Values, mapping: FieldMapping) -> Identity:
    """By what a record with these values will be recognised."""
    by_field = {crm_field_of(key): text for key, text in sent.items()}
    phones = (row.key for row in mapping.rows if row.crm_field in {"Phone", "Mobile", "Home_Phone", "Other_Phone"})
    return Identity(
        name=" ".join(text for name in ("First_Name", "Last_Name") if (text := by_field.get(name))),
        strong_emails=tuple(text for name in ("Email",) if (text := by_field.get(name))),
        weak_emails=tuple(text for name in ("Secondary_Email",) if (text := by_field.get(name))),
        phones=tuple(sent[key] for key in phones if key in sent),
    )


def _updated(
    side: LinkSide,
    intent: Intent,
    observation: Observation | None,
    digester: Digester,
    mapping: FieldMapping,
    left_out: Collection[RowKey],
) -> LinkSide:
    rows = [row for key in intent.changes if (row := mapping.by_key.get(key)) is not None]
    if observation is None:
        sent = {row.hash: digester.field(row, intent.changes[row.key]) for row in rows if row.key not in left_out}
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


def _with_source_base(link: Link, intent: Intent, mapping: FieldMapping) -> Link:
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
    return _with_side(link, source_side, replace(source, base=base))


def _after_write(link: Link, intent: Intent, mapping: FieldMapping) -> Link:
    if intent.kind is EffectKind.DELETE:
        other_left = link.side(intent.side.other).presence is Presence.PRESENT
        state = PairState.RELEASED if other_left else PairState.GONE
        return _settled(link, state=state, reason=Reason.KEPT_AFTER_DELETION if other_left else "")
    joining = link.reason == Reason.ADOPTED and not link.google.in_scope
    link = replace(link, state=PairState.LINKED, hold=None, reason=link.reason if joining else "")
    if joining or is_edited(link.crm, mapping) or is_edited(link.google, mapping):
        return link
    return replace(link, pending_since=None, pending_order=None)


def is_edited(side: LinkSide, mapping: FieldMapping) -> bool:
    """Whether a mapped field shows something that was not agreed on."""
    if side.seen == side.base:
        return False
    base, seen = side.base.index, side.seen.index
    return any(seen.get(row.hash) != base.get(row.hash) for row in mapping.rows)


def _with_side(link: Link, side: Side, value: LinkSide) -> Link:
    return replace(link, crm=value) if side is Side.CRM else replace(link, google=value)


# --- holds ----------------------------------------------------------------------------------------------------------


def refuse(link: Link, intent: Intent, reason: str, message: str, policy: Policy, now: datetime) -> Link:
    """The pair after a provider refused one intent: kept back until what was refused changes, or a day has passed.

    After seven days of trying, only a change or an answer brings it back. Pending fields stay pending.
    """
    before = link.hold
    again = before is not None and before.failed and before.signature == signature(link, policy.version)
    tries = (before.tries if before is not None and again else 0) + 1
    return replace(
        link,
        hold=Hold(
            reason=reason,
            since=before.since if before is not None and again else now,
            signature=signature(link, policy.version),
            tries=tries,
            retry_at=now + RETRY_AFTER if tries <= MAX_TRIES else None,
            provider_message=message,
            failed=True,
        ),
        pending_since=link.pending_since or now,
        pending_order=link.pending_order or link.side(intent.side.other).modified_at or now,
    )


def hold(link: Link, reason: str, policy: Policy, now: datetime, *, retry_after: timedelta | None = None) -> Link:
    """The pair kept back by a rule or a question until an answer, a change, or (where given) some time."""
    same = link.hold is not None and link.hold.reason == reason
    return replace(
        link,
        hold=Hold(
            reason=reason,
            since=link.hold.since if link.hold is not None and same else now,
            signature=signature(link, policy.version),
            retry_at=None if retry_after is None else now + retry_after,
        ),
    )


def awaits_approval(link: Link | None) -> bool:
    """Whether the pair is held until a person says whether its contact may be deleted."""
    return link is not None and link.hold is not None and link.hold.reason == Reason.AWAITING_APPROVAL


def is_due(held: Hold, now: datetime) -> bool:
    """Whether a hold's time to try again has come."""
    return held.retry_at is not None and held.retry_at <= now


_VERSION_BYTES: Final = 4


def signature(link: Link, version: int) -> bytes:
    """What a hold was about: the configuration's version, and what both sides show and let be done with them."""
    facts = blake2b(digest_size=8)
    for side in Side:
        shown = link.side(side)
        parts = (shown.presence.value.encode(), (shown.read_only or "").encode(), shown.seen.pack())
        facts.update(b"\0".join(parts) + b"\n")
    return version.to_bytes(_VERSION_BYTES, "big") + facts.digest()


def is_about(held: Hold, link: Link, version: int | None) -> bool:
    """Whether the hold still speaks of what the pair shows; `version` None: of whatever configuration."""
    if not held.signature:
        return True
    skip = _VERSION_BYTES if version is None else 0
    return held.signature[skip:] == signature(link, version or 0)[skip:]
