"""One contact's state and why; what a person asks of it is carried out by the next run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from config_api.web.callers import Caller, owner_of
from config_api.web.problems import ProblemError
from contactsync.domain.actions import Action, Answer, possible
from contactsync.domain.ids import ConfigId, LinkId, RunId
from contactsync.errors import NotActiveError, UnknownRowError
from contactsync.ports.clock import Clock
from contactsync.ports.configurations import ConfigStatus, Configurations, Draft, StoredConfiguration
from contactsync.ports.pairs import OutsideContact, Pair, PairQuery, Pairs
from contactsync.ports.requests import PairAnswers, RunRequests
from contactsync.ports.state import RunMode


@dataclass(frozen=True, slots=True)
class Explained:
    """A pair, and what may be asked of it now."""

    pair: Pair
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairService:
    """Contacts of the configurations that a caller may see."""

    configurations: Configurations
    pairs: Pairs
    answers: PairAnswers
    requests: RunRequests
    clock: Clock

    async def find(
        self, caller: Caller, config_id: UUID, query: PairQuery, after: LinkId | None, limit: int
    ) -> tuple[list[Explained], Sequence[OutsideContact]]:
        """Pairs, and where an address was asked for, contacts with it that are out of scope."""
        config = await self._config(caller, config_id)
        if isinstance(config, Draft):
            return [], ()
        found = await self.pairs.find(caller.organisation_id, config, query, after, limit)
        outside: Sequence[OutsideContact] = ()
        if query.email is not None:
            outside = await self.pairs.outside(caller.organisation_id, config, query.email)
        return [await self._explained(config, caller, pair) for pair in found], outside

    async def ask(self, caller: Caller, config_id: UUID, link_id: UUID, action: Action) -> tuple[Explained, RunId]:
        """Store the action for the next run, and ask for that run.

        Raises UnknownRowError, NotActiveError, and an `action_not_possible` problem.
        """
        config = await self._config(caller, config_id)
        if isinstance(config, Draft):
            raise UnknownRowError(details={"link": str(link_id)})
        before = await self._one(caller, config, link_id)
        if action not in before.actions:
            raise ProblemError("action_not_possible", extra={"possible": sorted(before.actions)})
        if config.status is not ConfigStatus.ACTIVE:
            raise NotActiveError(details={"configuration": str(config_id)})
        place = (caller.organisation_id, config.config_id)
        now = self.clock.now()
        # In this order: a worker may begin the run at once, and takes the answers before all else.
        link = before.pair.link
        answer = Answer(link.link_id, action, link.hold.rivals if link.hold else ())
        await self.answers.ask(*place, [answer], now)
        asked = await self.requests.request(*place, RunMode.SYNC, "user", now)
        return await self._one(caller, config, link_id), asked.run_id

    async def _one(self, caller: Caller, config: StoredConfiguration, link_id: UUID) -> Explained:
        query = PairQuery(link_id=LinkId(link_id))
        found = await self.pairs.find(caller.organisation_id, config, query, None, 1)
        if not found:
            raise UnknownRowError(details={"link": str(link_id)})
        return await self._explained(config, caller, found[0])

    async def _explained(self, config: StoredConfiguration, caller: Caller, pair: Pair) -> Explained:
        last = await self.answers.last_overwritten(caller.organisation_id, pair.link.link_id)
        return Explained(pair, possible(pair.link, config.chosen.policy, last, self.clock.now()))

    async def _config(self, caller: Caller, config_id: UUID) -> StoredConfiguration | Draft:
        return await self.configurations.one(caller.organisation_id, owner_of(caller), ConfigId(config_id))
