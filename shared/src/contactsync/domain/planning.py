"""What to do about one pair: a pure function of the pair and the settings.

`decide` answers for a whole pair what is to be written and which state it is in afterwards. The tables are printed in
`docs/decisions.md` and checked against this module cell by cell. Nothing is decided about a contact that exists on one
side alone before it was sought on the other: that is the engine's duty. `domain.settling` and `domain.holds` write down
what a provider answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from contactsync.domain.actions import Overwritten, is_restorable
from contactsync.domain.changed import edited_since_base, is_known_by_digests
from contactsync.domain.contact import Side
from contactsync.domain.digests import Digester
from contactsync.domain.effect import EffectKind, Intent
from contactsync.domain.fit import fit
from contactsync.domain.holds import hold, is_due
from contactsync.domain.ids import RowKey
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import crm_only_key
from contactsync.domain.merge import FieldMerge, merge, value_of, written_over
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, NoEmailRule, Policy
from contactsync.domain.reasons import Reason
from contactsync.domain.standin import stand_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about a pair; `link` is the pair with all that needs no write carried out."""

    link: Link
    intents: tuple[Intent, ...] = ()
    outcome: Outcome
    reason: str = ""
    takes: bool = False
    """Whether the pair counts against the run's limit: it is linked, or something is written for it."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Row keys of fields that the other side cannot hold, with the reason code."""


class ValuesNotReadError(ValueError):
    """A pair was to be decided without values that the decision rests on."""


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
            gone = link.settled(PairState.GONE, reason="")
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
    skipped = _skips(link.crm, policy)
    if not both or not new_here or link.excluded or skipped or not policy.direction.writes(Side.GOOGLE):
        rule = Reason.NO_EMAIL_SKIPPED if new_here and skipped else Reason.OWNED_BY_ANOTHER
        reason = Reason.EXCLUDED if link.excluded else rule
        return Decision(link=replace(link.put_down(), hold=None), outcome=Outcome.SKIPPED, reason=reason)
    join = Intent(side=Side.GOOGLE, kind=EffectKind.JOIN_GROUP, after_base=link.crm.seen.pack())
    return Decision(link=link, intents=(join,), outcome=Outcome.UPDATED, reason=Reason.ADOPTED, takes=True)


def _is_new_here(link: Link) -> bool:
    """Whether another configuration made the pair, and this one has never had the person in its group."""
    return link.taken_by is None and not link.google.seen_in_scope


def _dormant(link: Link, reason: Reason) -> Decision:
    return Decision(link=link.settled(PairState.DORMANT, reason=reason), outcome=Outcome.SKIPPED, reason=reason)


def _merged(link: Link, policy: Policy, digester: Digester, *, linking: bool, adopting: bool = False) -> Decision:
    """A pair in sync: merged field by field, a person outside the group put into it last."""
    _require_values(link, policy.mapping)
    found = merge(link, policy, digester, adopting=adopting)
    blocked = _take_read_only(found, link)
    for key in link.not_kept & policy.mapping.by_key.keys() - found.changes[Side.CRM].keys():
        found.left_out.setdefault(key, Reason.NOT_KEPT_BY_CRM)
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
        by_hand=frozenset(found.by_hand),
        not_kept=frozenset(),
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
        left_out=found.left_out,
    )


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
    if _skips(link.side(side), policy):
        return _skipped(link, Reason.NO_EMAIL_SKIPPED)
    return _create(link, side, policy, Reason.NONE)


def _skips(side: LinkSide, policy: Policy) -> bool:
    """Whether the configuration leaves this contact out because it has no address."""
    return policy.no_email is NoEmailRule.SKIP and not side.has_email


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
        raise ValuesNotReadError("a contact is made from values that were read")
    values: dict[RowKey, str] = {}
    left_out: dict[str, str] = {}
    for row in policy.mapping.rows:
        text = value_of(source, row)
        if not text or not row.flows_to(target, policy.direction):
            continue
        fitted = fit(row, text, target)
        if fitted.text:
            values[row.key] = fitted.text
        elif fitted.reason is not None and text.strip():
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
    if edited_since_base(stays, policy.mapping) or link.by_hand & policy.mapping.by_key.keys():
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


def _released(link: Link) -> Decision:
    reason = Reason.MERGED if link.reason == Reason.MERGED else Reason.KEPT_AFTER_DELETION
    return Decision(link=link.settled(PairState.RELEASED, reason=reason), outcome=Outcome.SKIPPED, reason=reason)


def _skipped(link: Link, reason: Reason) -> Decision:
    return Decision(link=link.settled(link.state, reason=reason), outcome=Outcome.SKIPPED, reason=reason)


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
    )
