"""What is done with sync configurations: checked against the connected accounts, then stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from config_api.configurations.backlog import backlog_of
from config_api.configurations.schemas import (
    CatchUp,
    Configuration,
    ConfigurationBody,
    Limits,
    MappingRowBody,
    Status,
    Switch,
)
from config_api.configurations.surroundings import Surroundings
from config_api.configurations.validation import Offered, chosen_from
from config_api.web.callers import Caller, owner_of
from config_api.web.problems import ProblemError
from contactsync.domain.contact import Side
from contactsync.domain.ids import ConfigId, GroupId, ViewId
from contactsync.domain.mapping import Mapping
from contactsync.ports.clock import Clock
from contactsync.ports.configurations import (
    Chosen,
    ConfigStatus,
    Configurations,
    Place,
    SameScopeError,
    Saved,
    StaleVersionError,
    StoredConfiguration,
)
from contactsync.ports.requests import RunLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationService:
    """Configurations of callers. An administrator sees those of his whole organisation."""

    store: Configurations
    surroundings: Surroundings
    clock: Clock
    limits: RunLimits
    catch_up_pause: timedelta

    async def add(self, caller: Caller, body: ConfigurationBody) -> Configuration:
        """A new configuration, active, with its first run asked for."""
        accounts = await self.surroundings.accounts(caller)
        chosen = chosen_from(body, await self._offered(caller, body), scope_is_confirmed=False)
        try:
            saved = await self.store.add(caller.organisation_id, caller.user_id, chosen, accounts, self.clock.now())
        except SameScopeError as error:
            raise ProblemError("same_scope_exists") from error
        return self._shown(saved)

    async def page(self, caller: Caller, after: Place | None, limit: int) -> list[Configuration]:
        """Configurations after that place, newest first."""
        rows = await self.store.page(caller.organisation_id, owner_of(caller), after, limit)
        return [self.shown(row) for row in rows]

    async def one(self, caller: Caller, config_id: UUID) -> Configuration:
        """The configuration. Raises UnknownRowError, as every method below."""
        return self.shown(await self.store.one(caller.organisation_id, owner_of(caller), ConfigId(config_id)))

    async def replace(
        self, caller: Caller, config_id: UUID, body: ConfigurationBody, etag: int | None
    ) -> Configuration:
        """Put other settings in place; `etag` is the one that the caller read, None for any.

        Its owner alone may: it is his accounts that are read and written.
        """
        current = await self.store.one(caller.organisation_id, caller.user_id, ConfigId(config_id))
        if etag is not None and etag != current.etag:
            raise ProblemError("stale_version")
        accounts = await self.surroundings.accounts(caller)
        confirmed = _confirmed(current.chosen, body)
        chosen = chosen_from(body, await self._offered(caller, body), scope_is_confirmed=confirmed)
        try:
            saved = await self.store.replace(caller.organisation_id, current, chosen, accounts, self.clock.now())
        except SameScopeError as error:
            raise ProblemError("same_scope_exists") from error
        except StaleVersionError as error:
            raise ProblemError("stale_version") from error
        return self._shown(saved)

    async def activate(self, caller: Caller, config_id: UUID) -> Configuration:
        """Let it run again; the rights are checked anew."""
        current = await self.store.one(caller.organisation_id, caller.user_id, ConfigId(config_id))
        await self.surroundings.accounts(caller)
        if current.chosen.policy.direction not in await self.surroundings.directions(caller):
            raise ProblemError("permission_missing")
        saved = await self.store.activate(caller.organisation_id, caller.user_id, ConfigId(config_id), self.clock.now())
        return self._shown(saved)

    async def deactivate(self, caller: Caller, config_id: UUID) -> Configuration:
        """Let it run no more; both sides stay as they are."""
        place = (caller.organisation_id, owner_of(caller), ConfigId(config_id))
        return self.shown(await self.store.deactivate(*place, self.clock.now()))

    async def delete(self, caller: Caller, config_id: UUID) -> None:
        """Delete it; both sides stay as they are."""
        await self.store.delete(caller.organisation_id, owner_of(caller), ConfigId(config_id), self.clock.now())

    async def _offered(self, caller: Caller, body: ConfigurationBody) -> Offered:
        around = self.surroundings
        return Offered(
            directions=await around.directions(caller),
            fields=await around.fields(caller),
            view_is_known=await around.has_view(caller, ViewId(body.crm_view_id)),
            group=await around.group(caller, GroupId(body.google_group)),
        )

    def _shown(self, saved: Saved) -> Configuration:
        return self.shown(saved.configuration, saved.run_id)

    def shown(self, stored: StoredConfiguration, run_id: UUID | None = None) -> Configuration:
        """A stored configuration as the API tells it."""
        chosen, policy = stored.chosen, stored.chosen.policy
        return Configuration(
            id=stored.config_id,
            version=stored.etag,
            status=Status(stored.status),
            paused_reason=stored.paused_reason,
            name=chosen.name,
            crm_view_id=chosen.view_id,
            google_group=chosen.group_id,
            direction=policy.direction,
            conflict_winner=policy.conflict_winner,
            frequency=chosen.frequency,
            mapping=_rows(policy.mapping),
            deletions=policy.deletions,
            no_email=policy.no_email,
            crm_values=dict(policy.crm_values),
            companies=policy.companies,
            crm_automation=Switch.ON if policy.crm_automation else Switch.OFF,
            catch_up=CatchUp.NOW if chosen.catch_up else CatchUp.SCHEDULE,
            last_sync_at=stored.last_sync_at,
            last_attempt_at=stored.last_attempt_at,
            last_attempt_reason=stored.last_reason,
            next_sync_at=stored.next_due if stored.status is ConfigStatus.ACTIVE else None,
            backlog=backlog_of(stored, self.limits, self.catch_up_pause, self.clock.now()),
            limits=Limits(first_run=self.limits.initial, later_runs=self.limits.incremental),
            created_at=stored.created_at,
            run_id=run_id,
        )


@lru_cache(maxsize=1024)
def _rows(mapping: Mapping) -> list[MappingRowBody]:
    """The mapping as it travels; the same one is told again and again, and nobody changes what was made."""
    return [
        MappingRowBody(crm_field=row.crm_field, google_field=str(row.google_field), direction=row.direction)
        for row in mapping
    ]


def _confirmed(current: Chosen, body: ConfigurationBody) -> bool:
    """Whether everybody of this group may be in the CRM already, by what was confirmed before."""
    return current.group_id == body.google_group and current.policy.direction.writes(Side.CRM)
