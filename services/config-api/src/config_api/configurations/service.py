"""What is done with sync configurations: checked against the connected accounts, then stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from config_api.configurations.backlog import backlog_of
from config_api.configurations.schemas import (
    Backlog,
    CatchUp,
    Configuration,
    ConfigurationBody,
    Limits,
    MappingRowBody,
    Status,
    Switch,
)
from config_api.configurations.surroundings import Surroundings
from config_api.configurations.validation import Offered, check, chosen_from, errors_in, missing_in
from config_api.web.callers import Caller, Role, owner_of
from config_api.web.fields import FieldError
from config_api.web.language import Language
from config_api.web.problems import FieldErrorBody, ProblemError
from contactsync.domain.contact import Side
from contactsync.domain.ids import ConfigId, GroupId, ViewId
from contactsync.domain.mapping import Mapping
from contactsync.errors import ContactSyncError
from contactsync.ports.clock import Clock
from contactsync.ports.configurations import (
    Chosen,
    ConfigStatus,
    Configurations,
    Draft,
    Place,
    SameScopeError,
    Saved,
    StaleVersionError,
    StoredConfiguration,
    TooManyDraftsError,
)
from contactsync.ports.connections import Provider
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
        """A new configuration: active, with its first run asked for, or a draft while something is missing."""
        place, now = (caller.organisation_id, caller.user_id), self.clock.now()
        if missing := await self._missing(caller, body):
            check(body, await self._offered(caller, body))
            with _conflicts_told():
                draft = await self.store.add_draft(*place, body.name, _kept(body), now)
            return self._draft(draft, missing)
        accounts = await self.surroundings.accounts(caller)
        chosen = chosen_from(body, await self._offered(caller, body))
        with _conflicts_told():
            return self._shown(await self.store.add(*place, chosen, accounts, now))

    async def wrong_values(self, caller: Caller, body: ConfigurationBody) -> list[FieldError]:
        """What the accounts do not offer of the settings; nothing while they cannot be asked."""
        try:
            return errors_in(body, await self._offered(caller, body))
        except (ProblemError, ContactSyncError):
            return []

    async def page(self, caller: Caller, after: Place | None, limit: int) -> list[Configuration]:
        """Configurations after that place, newest first."""
        rows = await self.store.page(caller.organisation_id, owner_of(caller), after, limit)
        return [await self._seen(caller, row) for row in rows]

    async def one(self, caller: Caller, config_id: UUID) -> Configuration:
        """The configuration. Raises UnknownRowError, as every method below."""
        found = await self.store.one(caller.organisation_id, owner_of(caller), ConfigId(config_id))
        return await self._seen(caller, found)

    async def replace(
        self, caller: Caller, config_id: UUID, body: ConfigurationBody, etag: int | None
    ) -> Configuration:
        """Put other settings in place; `etag` is the one that the caller read, None for any.

        Its owner alone may: it is his accounts that are read and written.
        """
        current = await self.store.one(caller.organisation_id, caller.user_id, ConfigId(config_id))
        if etag is not None and etag != current.etag:
            raise ProblemError("stale_version")
        if isinstance(current, Draft):
            return await self._replace_draft(caller, current, body)
        accounts = await self.surroundings.accounts(caller)
        confirmed = _confirmed(current.chosen, body)
        chosen = chosen_from(body, await self._offered(caller, body), scope_is_confirmed=confirmed)
        with _conflicts_told():
            return self._shown(
                await self.store.replace(caller.organisation_id, current, chosen, accounts, self.clock.now())
            )

    async def _replace_draft(self, caller: Caller, current: Draft, body: ConfigurationBody) -> Configuration:
        missing = await self._missing(caller, body)
        if not missing:
            return await self._complete(caller, current, body)
        check(body, await self._offered(caller, body))
        place = (caller.organisation_id, current)
        with _conflicts_told():
            draft = await self.store.replace_draft(*place, body.name, _kept(body), self.clock.now())
        return self._draft(draft, missing)

    async def activate(self, caller: Caller, config_id: UUID) -> Configuration:
        """Let it run again; the rights are checked anew. A draft must have become complete."""
        current = await self.store.one(caller.organisation_id, caller.user_id, ConfigId(config_id))
        if isinstance(current, Draft):
            body = ConfigurationBody.model_validate(current.settings)
            if missing := await self._missing(caller, body):
                raise ProblemError("invalid_request", errors=missing)
            return await self._complete(caller, current, body)
        await self.surroundings.accounts(caller)
        if current.chosen.policy.direction not in await self.surroundings.directions(caller):
            raise ProblemError("permission_missing")
        saved = await self.store.activate(caller.organisation_id, caller.user_id, ConfigId(config_id), self.clock.now())
        return self._shown(saved)

    async def _complete(self, caller: Caller, current: Draft, body: ConfigurationBody) -> Configuration:
        accounts = await self.surroundings.accounts(caller)
        chosen = chosen_from(body, await self._offered(caller, body))
        with _conflicts_told():
            return self._shown(
                await self.store.complete(caller.organisation_id, current, chosen, accounts, self.clock.now())
            )

    async def deactivate(self, caller: Caller, config_id: UUID) -> Configuration:
        """Let it run no more; both sides stay as they are. A draft does not run: it stays one."""
        place = (caller.organisation_id, owner_of(caller), ConfigId(config_id))
        current = await self.store.one(*place)
        if isinstance(current, Draft):
            return await self._seen(caller, current)
        return self.shown(await self.store.deactivate(*place, self.clock.now()))

    async def delete(self, caller: Caller, config_id: UUID) -> None:
        """Delete it; both sides stay as they are."""
        await self.store.delete(caller.organisation_id, owner_of(caller), ConfigId(config_id), self.clock.now())

    async def _missing(self, caller: Caller, body: ConfigurationBody) -> list[FieldError]:
        """What keeps the settings from being complete: values to choose, accounts to connect."""
        unconnected = await self.surroundings.unconnected(caller)
        return missing_in(body) + [
            FieldError(f"connections.{provider.value}", why) for provider, why in unconnected.items()
        ]

    async def _offered(self, caller: Caller, body: ConfigurationBody) -> Offered:
        """What the accounts that are connected offer for the values that were chosen."""
        around, unconnected = self.surroundings, await self.surroundings.unconnected(caller)
        offered = Offered()
        if Provider.ZOHO not in unconnected:
            view = body.crm_view_id
            offered = replace(
                offered,
                directions=await around.directions(caller),
                fields=await around.fields(caller),
                view_is_known=view is None or await around.has_view(caller, ViewId(view)),
            )
        if Provider.GOOGLE not in unconnected and body.google_group is not None:
            group = await around.group(caller, GroupId(body.google_group))
            offered = replace(offered, group=group, group_is_known=group is not None)
        return offered

    async def _seen(self, caller: Caller, found: StoredConfiguration | Draft) -> Configuration:
        if isinstance(found, StoredConfiguration):
            return self.shown(found)
        owner = Caller(caller.organisation_id, found.owner_id, Role.USER)
        return self._draft(found, await self._missing(owner, ConfigurationBody.model_validate(found.settings)))

    def _draft(self, draft: Draft, missing: Sequence[FieldError]) -> Configuration:
        body = ConfigurationBody.model_validate(draft.settings)
        given = {
            name: getattr(body, name) for name in ConfigurationBody.model_fields if name in Configuration.model_fields
        }
        return Configuration(
            **given | {"mapping": body.mapping or []},
            id=draft.config_id,
            version=draft.etag,
            status=Status.DRAFT,
            missing=[FieldErrorBody.of(one, Language.ENGLISH) for one in missing],
            backlog=Backlog(contacts=0, runs=0, seconds=0),
            limits=self._limits(),
            created_at=draft.created_at,
        )

    def _limits(self) -> Limits:
        return Limits(first_run=self.limits.initial, later_runs=self.limits.incremental)

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
            limits=self._limits(),
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


def _kept(body: ConfigurationBody) -> dict[str, Any]:
    """What a draft keeps: what was given, and no default."""
    return body.model_dump(mode="json", exclude_unset=True)


@contextmanager
def _conflicts_told() -> Iterator[None]:
    """What the store refuses, as problems."""
    try:
        yield
    except SameScopeError as error:
        raise ProblemError("same_scope_exists") from error
    except TooManyDraftsError as error:
        raise ProblemError("too_many") from error
    except StaleVersionError as error:
        raise ProblemError("stale_version") from error


def _confirmed(current: Chosen, body: ConfigurationBody) -> bool:
    """Whether everybody of this group may be in the CRM already, by what was confirmed before."""
    return current.group_id == body.google_group and current.policy.direction.writes(Side.CRM)
