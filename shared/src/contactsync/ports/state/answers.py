"""What people asked of single pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from contactsync.domain.actions import Answer
from contactsync.domain.ids import (
    LinkId,
)


class AnswerStore(Protocol):
    """What people asked through one configuration, for the runs that carry it out."""

    async def given(self) -> Sequence[Answer]:
        """What people asked of this configuration's pairs and no run has carried out; they keep until `done`."""
        ...

    async def hand_on(self, link_ids: Sequence[LinkId]) -> None:
        """What was asked of these pairs through this configuration becomes an answer to their keepers."""
        ...

    async def done(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers, as read in this transaction, are carried out."""
        ...
