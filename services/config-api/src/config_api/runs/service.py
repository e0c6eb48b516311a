"""What is done with runs: asked for, watched, stopped, answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from config_api.web.callers import Caller, Role, owner_of
from config_api.web.problems import ProblemError
from contactsync.domain.ids import ConfigId, OrganisationId, RunId, UserId
from contactsync.ports.callers import Tickets
from contactsync.ports.clock import Clock
from contactsync.ports.configurations import Configurations
from contactsync.ports.reports import RunPlace, RunReport, RunReports
from contactsync.ports.requests import Requested, RunRequests
from contactsync.ports.state import RunMode

TICKET_LIFETIME: Final = timedelta(minutes=1)
_PURPOSE: Final = "run events"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunService:
    """Runs of the configurations that a caller may see."""

    configurations: Configurations
    requests: RunRequests
    reports: RunReports
    tickets: Tickets
    clock: Clock

    async def ask(self, caller: Caller, config_id: UUID, mode: RunMode) -> tuple[Requested, RunReport]:
        """The run that answers the request, and what became of the request.

        Raises UnknownRowError, NotActiveError.
        """
        config = await self.configurations.one(caller.organisation_id, owner_of(caller), ConfigId(config_id))
        asked = await self.requests.request(caller.organisation_id, config.config_id, mode, "user", self.clock.now())
        return asked, await self.one(caller, asked.run_id)

    async def one(self, caller: Caller, run_id: UUID) -> RunReport:
        """The run. Raises UnknownRowError, as every method below."""
        return await self.reports.one(caller.organisation_id, owner_of(caller), RunId(run_id))

    async def page(self, caller: Caller, config_id: UUID, after: RunPlace | None, limit: int) -> list[RunReport]:
        """Runs of a configuration after that place, newest first."""
        config = await self.configurations.one(caller.organisation_id, owner_of(caller), ConfigId(config_id))
        return list(await self.reports.page(caller.organisation_id, config.config_id, after, limit))

    async def cancel(self, caller: Caller, run_id: UUID) -> RunReport:
        """Ask the run to stop before its next write. Raises a `run_not_open` problem when it has ended."""
        run = await self.one(caller, run_id)
        if not await self.requests.cancel(caller.organisation_id, run.run_id, self.clock.now()):
            raise ProblemError("run_not_open")
        return await self.one(caller, run_id)

    async def answer_deletes(self, caller: Caller, run_id: UUID, *, approved: bool) -> RunReport:
        """The run that carries the answer out. Raises a `nothing_to_approve` problem when nothing awaits one."""
        run = await self.one(caller, run_id)
        answering = await self.reports.answer_deletes(
            caller.organisation_id, run, approved=approved, now=self.clock.now()
        )
        if answering is None:
            raise ProblemError("nothing_to_approve")
        return await self.one(caller, answering)

    async def ticket(self, caller: Caller, run_id: UUID) -> str:
        """A ticket with which this caller may watch this run, once."""
        run = await self.one(caller, run_id)
        content = [str(caller.organisation_id), str(caller.user_id), caller.role.value, str(run.run_id)]
        return await self.tickets.issue(_PURPOSE, orjson.dumps(content), TICKET_LIFETIME, caller.user_id)

    async def caller_of(self, ticket: str, run_id: UUID) -> Caller | None:
        """Who was given the ticket for this run."""
        content = await self.tickets.take(_PURPOSE, ticket)
        if content is None:
            return None
        organisation_id, user_id, role, named = orjson.loads(content)
        if named != str(run_id):
            return None
        return Caller(OrganisationId(UUID(organisation_id)), UserId(UUID(user_id)), Role(role))
