"""What a run did and met, by name: without it nobody knows whether a machine that passes has looked at anything."""

from __future__ import annotations

from collections import Counter

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.link import PairState
from contactsync.ports.state import EffectState, RunMode, RunState
from tests.integration.rules.machine.laws import Passage

USUAL = frozenset(
    {
        *(f"{side} {kind}" for side in Side for kind in ("create", "update")),
        "deletes on either side",
        *("pairs linked", "pairs re-linked", "pairs held", "pairs released", "pairs fell asleep", "contacts waited"),
        *(f"read in full: {why}" for why in ("first", "settings", "daily", "asked", "token_expired")),
    }
)
"""What even a short session of the machine must bring about."""
RARE = frozenset(
    {
        "google join_group",
        "google delete",
        "crm delete",
        "pairs woke",
        "read in full: doubted",
        "writes without an answer",
        "asked before deleting",
        "deletes approved",
    }
)
"""What a long one must bring about as well."""


def what_happened(passage: Passage) -> Counter[str]:
    """Writes that were confirmed, pairs that changed their state, reasons for reading in full, and mishaps."""
    run, happened = passage.run, Counter[str]()
    for effect in passage.effects:
        if effect.state is EffectState.CONFIRMED:
            happened[f"{effect.side} {effect.kind}"] += 1
            happened["deletes on either side"] += effect.kind is EffectKind.DELETE
        happened["writes without an answer"] += effect.reason == "outcome_unknown"
    happened.update(f"read in full: {listing.why}" for listing in run.listings.values() if listing.why)
    happened["asked before deleting"] += run.state is RunState.NEEDS_APPROVAL
    happened["deletes approved"] += run.mode is RunMode.APPROVED_DELETES and bool(list(passage.removed()))
    happened["contacts waited"] += run.counts.get("waiting", 0)
    return +(happened + _moves(passage))


def _moves(passage: Passage) -> Counter[str]:
    moves = Counter[str]()
    for link_id, after in passage.after.links.items():
        before = passage.before.links.get(link_id)
        if before is None:
            moves["pairs linked"] += after.state is PairState.LINKED
            moves["pairs held"] += after.hold is not None
            continue
        moves["pairs held"] += before.hold is None and after.hold is not None
        match (before.state, after.state):
            case (PairState.SINGLE, PairState.LINKED):
                moves["pairs linked"] += 1
            case (PairState.LINKED, PairState.DORMANT):
                moves["pairs fell asleep"] += 1
            case (PairState.DORMANT, PairState.LINKED):
                moves["pairs woke"] += 1
            case (PairState.LINKED | PairState.DORMANT, PairState.RELEASED):
                moves["pairs released"] += 1
        ids = [(before.side(side).remote_id, after.side(side).remote_id) for side in Side]
        moves["pairs re-linked"] += any(old is not None and old != new for old, new in ids)
    return moves
