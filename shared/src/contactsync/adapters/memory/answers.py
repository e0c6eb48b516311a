"""What people asked of single pairs, in memory."""

from __future__ import annotations

from collections.abc import Sequence

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
        """What people asked of this configuration's pairs and no run has carried out."""
        asked = self._tables.answers.items()
        return [Answer(link, action) for (config, link), action in asked if config == self._config]

    async def hand_on(self, link_ids: Sequence[LinkId]) -> None:
        """What was asked of these pairs through this configuration becomes an answer to their keepers."""
        for link_id in link_ids:
            asked, keeper = self._tables.answers.get((self._config, link_id)), self._tables.links[link_id].kept_by
            if asked is not None and keeper is not None:
                self._journal.drop(self._tables.answers, (self._config, link_id))
                self._journal.put(self._tables.answers, (keeper, link_id), asked)

    async def done(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers are carried out."""
        for link_id in link_ids:
            self._journal.drop(self._tables.answers, (self._config, link_id))
