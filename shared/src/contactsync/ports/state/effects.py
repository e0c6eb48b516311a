"""The ledger: what is about to be written, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contactsync.domain.actions import Overwritten
from contactsync.domain.contact import Changes, Side, Values
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import (
    EffectId,
    LinkId,
    RunId,
)


class EffectState(StrEnum):
    """Life of an effect."""

    PLANNED = "planned"
    """A delete that awaits approval."""
    SENDING = "sending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One intended change to one remote contact: ledger, history and journal. Values are stored encrypted, 30 days."""

    effect_id: EffectId
    run_id: RunId
    link_id: LinkId
    side: Side
    kind: EffectKind
    batch: UUID
    state: EffectState = EffectState.SENDING
    remote_id: str | None = None
    changes: Changes = field(default_factory=dict)
    before: Values = field(default_factory=dict)
    """Values that this effect overwrites or deletes, for restoring."""
    after_base: bytes = b""
    """The other side's digests at the decision, which become its base when the effect is confirmed."""
    sent_at: datetime | None = None
    attempt: int = 1
    reason: str = ""
    revision: str = ""

    def overwritten(self) -> Overwritten | None:
        """What it replaced, if it was sent."""
        if self.sent_at is None:
            return None
        return Overwritten(
            effect_id=self.effect_id,
            side=self.side,
            kind=self.kind,
            at=self.sent_at,
            changes=self.changes,
            before=self.before,
        )


class EffectStore(Protocol):
    """The ledger, inside a fenced transaction."""

    async def add(self, effects: Sequence[Effect]) -> None:
        """Insert effects (a batch is one transition with one batch id)."""
        ...

    async def settle(self, effects: Sequence[Effect]) -> None:
        """Store the state, remote id, revision, attempt and reason of effects that were added before."""
        ...

    async def unsettled(self) -> Sequence[Effect]:
        """Effects of this configuration that are `sending` or `unknown`, oldest first, with their values."""
        ...

    async def under_way(self, since: datetime) -> frozenset[LinkId]:
        """Links of which other configurations sent creates since then that are `sending` or `unknown`."""
        ...

    async def begun(self, run_id: RunId) -> frozenset[LinkId]:
        """Links with effects of this run that the run has not settled (`taken_by` is not this run): already counted."""
        ...

    async def planned(self, run_id: RunId) -> Sequence[Effect]:
        """The deletes of a run that await approval."""
        ...

    async def awaiting(self) -> Sequence[Effect]:
        """The deletes of this configuration that await approval, whichever run asked about them, oldest first."""
        ...

    async def by_ids(self, effect_ids: Sequence[EffectId]) -> Mapping[EffectId, Effect]:
        """Effects by id, of any configuration of the organisation, with the values that are still kept."""
        ...

    async def last_of(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Effect]:
        """The newest confirmed update or delete of each pair: what can be restored.

        One without an answer counts too. If it was not carried out, it is sent again, and the newer one counts; or what
        it was to replace stands where it stood.
        """
        ...

    async def updates_since(self, link_ids: Sequence[LinkId], since: datetime) -> Mapping[LinkId, Sequence[Effect]]:
        """Confirmed updates of these pairs that were sent since then, oldest first; pairs without any left out."""
        ...
