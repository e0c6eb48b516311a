"""What people asked of single pairs, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from contactsync.adapters.memory.tables import (
    Journal,
    Tables,
)
from contactsync.domain.actions import Answer
from contactsync.domain.ids import LinkId
from contactsync.ports.state import RunSettings


class MemoryAnswerStore:
    """`AnswerStore` over dictionaries."""

    def __init__(self, tables: Tables, journal: Journal, settings: RunSettings) -> None:
        self._tables = tables
        self._journal = journal
        self._config = settings.config_id

    async def given(self) -> Sequence[Answer]:
        """What people asked of pairs that this configuration knows."""
        known = self._tables.scopes.get(self._config, {})
        return [answer for link_id, answer in self._tables.answers.items() if link_id in known]

    async def hand_on(self, link_ids: Sequence[LinkId], now: datetime) -> frozenset[LinkId]:
        """Let the keepers of these pairs run now; the pairs whose keeper is active, and will."""
        left = set()
        for link_id in link_ids:
            keeper = self._tables.links[link_id].kept_by
            row = None if keeper is None else self._tables.configs.get(keeper)
            if keeper is not None and row is not None and row.active:
                due = now if row.next_due is None else min(row.next_due, now)
                self._journal.put(self._tables.configs, keeper, replace(row, next_due=due))
                left.add(link_id)
        return frozenset(left)

    async def done(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers are carried out."""
        for link_id in link_ids:
            self._journal.drop(self._tables.answers, link_id)
