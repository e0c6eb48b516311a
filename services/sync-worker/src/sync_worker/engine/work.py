"""A pair on its way through a run: decided, partly written, finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind, Intent
from contactsync.domain.link import Link
from contactsync.domain.mapping import crm_field_of
from contactsync.domain.outcome import Outcome
from contactsync.domain.planning import Decision
from contactsync.ports.state import RunContact

Operation = tuple[Side, EffectKind]

BATCH_SIZES: dict[Operation, int] = {
    (Side.GOOGLE, EffectKind.CREATE): 200,
    (Side.GOOGLE, EffectKind.UPDATE): 200,
    (Side.GOOGLE, EffectKind.JOIN_GROUP): 1000,
    (Side.GOOGLE, EffectKind.DELETE): 500,
    (Side.CRM, EffectKind.CREATE): 100,
    (Side.CRM, EffectKind.UPDATE): 100,
    (Side.CRM, EffectKind.DELETE): 100,
}
"""Contacts in one call (People API, batch methods; Zoho CRM API v8, insert, update and delete records)."""


STAGES: tuple[Operation, ...] = (
    (Side.GOOGLE, EffectKind.CREATE),
    (Side.GOOGLE, EffectKind.UPDATE),
    (Side.CRM, EffectKind.CREATE),
    (Side.CRM, EffectKind.UPDATE),
    (Side.GOOGLE, EffectKind.JOIN_GROUP),
)
"""The order in which one pair is written. Joining the group moves the etag, so it comes last."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that a provider refused."""

    intent: Intent
    reason: str
    message: str


@dataclass(slots=True, eq=False)
class PairWork:
    """One decided pair. `link` is the pair as the confirmed writes left it; `todo` what is still to be written."""

    link: Link
    decision: Decision
    todo: dict[Operation, Intent] = field(default_factory=dict)
    done: list[Side] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    """CRM names of the fields that were written."""
    tries: int = 0
    read_at: datetime | None = None
    """When its record was read by id: such a reading does not lag behind, as a list may."""
    left_out: dict[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None
    """What one side refused: it is written no more in this run, the other side is."""

    @classmethod
    def of(cls, decision: Decision) -> PairWork:
        """The work that a decision asks for."""
        work = cls(decision.link, decision)
        work.decide(decision)
        return work

    def decide(self, decision: Decision) -> None:
        """Go on from this decision; what a side refused in this run is not asked of it again."""
        refused = None if self.refusal is None else self.refusal.intent.side
        self.link, self.decision = decision.link, decision
        self.todo = {(one.side, one.kind): one for one in decision.intents if one.side is not refused}
        self.left_out.update({str(key): reason for key, reason in decision.left_out.items()})

    def refuse(self, operation: Operation, reason: str, message: str) -> None:
        """One side refused a write: what else was to be written there is not tried."""
        self.refusal = Refusal(self.todo[operation], reason, message)
        self.todo = {one: intent for one, intent in self.todo.items() if one[0] is not operation[0]}

    @property
    def stage(self) -> Operation | None:
        """What is to be done next with this pair."""
        return next((operation for operation in STAGES if operation in self.todo), None)

    def note_written(self, intent: Intent, left_out: Mapping[str, str]) -> None:
        """The provider confirmed a write, but for what it could not hold."""
        self.done.append(intent.side)
        if intent.kind is EffectKind.UPDATE:
            self.written |= {crm_field_of(key) for key in intent.changes if key not in left_out}

    @property
    def outcome(self) -> Outcome:
        """What became of the pair: what was written counts, and not what was meant to be."""
        match self.decision.outcome:
            case Outcome.UPDATED | Outcome.UNCHANGED if not self.done:
                return Outcome.SKIPPED if self.left_out else Outcome.UNCHANGED
            case Outcome.LINKED | Outcome.UNCHANGED if self.done:
                return Outcome.UPDATED
            case decided:
                return decided

    def _reason(self, outcome: Outcome) -> str:
        if outcome is Outcome.SKIPPED and not self.decision.reason:
            return next(iter(self.left_out.values()), "")
        return self.decision.reason

    def rows(self) -> list[RunContact]:
        """The report's row for this pair; none for one of which nothing is to be told."""
        return [] if self.outcome is Outcome.UNCHANGED else [self.row()]

    def row(self, *, outcome: Outcome | None = None, reason: str | None = None, message: str = "") -> RunContact:
        """The report's row for this pair."""
        link, outcome = self.link, outcome or self.outcome
        return RunContact(
            link_id=link.link_id,
            outcome=outcome,
            reason=self._reason(outcome) if reason is None else reason,
            crm_id=link.crm.remote_id,
            google_id=link.google.remote_id,
            name=link.crm.name or link.google.name,
            fields=sorted(self.written),
            sides=tuple(dict.fromkeys(self.done)),
            left_out=self.left_out,
            provider_message=message,
        )
