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
        self._realm = (settings.organisation_id, settings.account)

    async def given(self) -> Sequence[Answer]:
        """What people asked of pairs that this configuration knows, or no active one."""
        known = self._tables.scopes.get(self._config, {})
        asked = [answer for link_id, answer in self._tables.answers.items() if link_id in self._tables.links]
        return [answer for answer in asked if answer.link_id in known or self._is_nobodys(answer.link_id)]

    def _is_nobodys(self, link_id: LinkId) -> bool:
        """Whether no active configuration of the account knows the pair."""
        active = {config_id for config_id, row in self._tables.configs.items() if row.active}
        knows = any(link_id in scopes for config_id, scopes in self._tables.scopes.items() if config_id in active)
        return self._tables.links[link_id].realm == self._realm and not knows

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
