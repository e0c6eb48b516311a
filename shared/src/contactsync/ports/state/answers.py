"""What people asked of single pairs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from contactsync.domain.actions import Answer
from contactsync.domain.ids import (
    LinkId,
)


class AnswerStore(Protocol):
    """What people asked, for the runs that carry it out."""

    async def given(self) -> Sequence[Answer]:
        """What people asked, through whichever configuration, of pairs that this one knows; kept until `done`.

        Also of those of its account that no active configuration knows (any more).
        """
        ...

    async def hand_on(self, link_ids: Sequence[LinkId], now: datetime) -> frozenset[LinkId]:
        """Leave what was asked of these pairs to their keepers, whose next runs are due now, whatever their frequency.

        Which of the pairs have a keeper that is active: of the others nobody else will do what was asked.
        """
        ...

    async def done(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers, as read in this transaction, are carried out."""
        ...
