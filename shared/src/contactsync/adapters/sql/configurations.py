"""Sync configurations in PostgreSQL, as their owners see and change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

import asyncpg
import orjson

from contactsync.adapters.sql.audit import record_act_in
from contactsync.adapters.sql.codec import dump, policy_from_json, policy_to_json
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.outbox import NewId
from contactsync.adapters.sql.requests import SqlRunRequests
from contactsync.adapters.sql.runs import start_anew
from contactsync.domain.frequency import Frequency, next_tick
from contactsync.domain.ids import ConfigId, GroupId, OrganisationId, RunId, UserId, ViewId
from contactsync.domain.policy import Policy
from contactsync.errors import UnknownRowError
from contactsync.ports.audit import Action
from contactsync.ports.configurations import (
    MOST_DRAFTS,
    Accounts,
    Chosen,
    ConfigStatus,
    Draft,
    Place,
    SameScopeError,
    Saved,
    StaleVersionError,
    StoredConfiguration,
    TooManyDraftsError,
)
from contactsync.ports.requests import Wish
from contactsync.ports.state import RunMode

_SELECT: Final = """
SELECT c.*, CASE WHEN c.backlog > 0 THEN (
    SELECT avg(extract(epoch FROM took))::float FROM (
        SELECT r.finished_at - r.created_at AS took FROM runs r
        WHERE r.organisation_id = c.organisation_id AND r.config_id = c.config_id AND r.finished_at IS NOT NULL
          AND r.taken > 0 AND NOT r.first ORDER BY r.created_at DESC LIMIT 3
    ) AS lately
) END AS later_run_s, CASE WHEN c.backlog > 0 THEN (
    SELECT coalesce(r.wait_until, r.created_at) FROM runs r
    WHERE r.organisation_id = c.organisation_id AND r.config_id = c.config_id
      AND r.state IN ('queued', 'running', 'waiting')
) END AS open_run_from
FROM sync_configs c
WHERE c.organisation_id = $1 AND c.status <> 'deleted' AND ($2::uuid IS NULL OR c.owner_id = $2)
"""
_ONE: Final = f"{_SELECT} AND c.config_id = $3"
_LOCK: Final = f"{_ONE} FOR NO KEY UPDATE OF c"
_PAGE: Final = f"""{_SELECT} AND ($3::timestamptz IS NULL OR (c.created_at, c.config_id) < ($3, $4::uuid))
ORDER BY c.created_at DESC, c.config_id DESC LIMIT $5
"""
_ADD: Final = """
INSERT INTO sync_configs (organisation_id, config_id, owner_id, crm_connection_id, google_connection_id, account_key,
    name, view_id, group_id, settings, frequency, status, next_due, created_at, updated_at, activated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, 'active', $12, $13, $13, $13)
"""
_ADD_DRAFT: Final = """
INSERT INTO sync_configs (organisation_id, config_id, owner_id, name, draft, status, view_id, group_id, settings,
    created_at, updated_at)
VALUES ($1, $2, $3, $4, $5::jsonb, 'draft', '', '', '{}', $6, $6)
"""
_DRAFTS: Final = """
SELECT count(*) FROM sync_configs WHERE organisation_id = $1 AND owner_id = $2 AND status = 'draft'
"""
_REPLACE_DRAFT: Final = """
UPDATE sync_configs SET name = $3, draft = $4::jsonb, etag = etag + 1, updated_at = $5
WHERE organisation_id = $1 AND config_id = $2
"""
_REPLACE: Final = """
UPDATE sync_configs SET draft = NULL,
    crm_connection_id = $3, google_connection_id = $4, account_key = $5, name = $6, view_id = $7,
    group_id = $8, settings = $9::jsonb, frequency = $10, next_due = $11, status = $12, paused_reason = $13,
    version = version + $14::integer, etag = etag + 1, activated_at = $15, updated_at = $16
WHERE organisation_id = $1 AND config_id = $2
"""
_ACTIVATE: Final = """
UPDATE sync_configs SET status = 'active', paused_reason = '', activated_at = $3, next_due = $4, etag = etag + 1,
    updated_at = $3 WHERE organisation_id = $1 AND config_id = $2
"""
_STOP: Final = """
UPDATE sync_configs SET status = $3, paused_reason = '', next_due = NULL, etag = etag + 1, updated_at = $4,
    deleted_at = CASE WHEN $3 = 'deleted' THEN $4::timestamptz END, draft = NULL
WHERE organisation_id = $1 AND config_id = $2
"""
_OPEN_RUN: Final = """
SELECT run_id FROM runs WHERE organisation_id = $1 AND config_id = $2 AND state IN ('queued', 'running', 'waiting')
FOR UPDATE
"""
_FORGET_TOLD: Final = "DELETE FROM crm_told WHERE organisation_id = $1 AND config_id = $2"
_FORGET_ASKED: Final = """
DELETE FROM link_answers a USING link_scopes s
WHERE a.organisation_id = $1 AND s.organisation_id = $1 AND s.config_id = $2 AND s.link_id = a.link_id
AND a.action <> 'exclude' AND NOT EXISTS (
    SELECT FROM sync_configs c JOIN link_scopes o
      ON o.organisation_id = $1 AND o.config_id = c.config_id AND o.link_id = a.link_id
    WHERE c.organisation_id = $1 AND c.config_id <> $2 AND c.status <> 'deleted'
)
"""
_DROP_WISHES: Final = "UPDATE runs SET wishes = '[]' WHERE organisation_id = $1 AND run_id = $2"


class SqlConfigurations:
    """`Configurations`. The open run is locked before its configuration, as everywhere."""

    def __init__(self, database: Database, requests: SqlRunRequests, *, new_id: NewId = uuid4) -> None:
        self._database = database
        self._requests = requests
        self._new_id = new_id

    async def add(
        self, organisation_id: OrganisationId, owner: UserId, chosen: Chosen, accounts: Accounts, now: datetime
    ) -> Saved:
        """A new configuration, active, with its first run asked for."""
        config_id = ConfigId(self._new_id())
        async with self._database.tenant(organisation_id) as connection:
            try:
                await connection.execute(
                    _ADD,
                    organisation_id,
                    config_id,
                    owner,
                    *_columns(chosen, accounts),
                    next_tick(chosen.frequency, config_id, now, now),
                    now,
                )
            except asyncpg.UniqueViolationError as error:
                raise SameScopeError from error
            await _record(connection, organisation_id, now, Action.CONFIGURATION_CREATED, config_id)
            return await self._with_run(connection, organisation_id, config_id, now)

    async def page(
        self, organisation_id: OrganisationId, owner: UserId | None, after: Place | None, limit: int
    ) -> Sequence[StoredConfiguration | Draft]:
        """At most `limit` configurations after that place, newest first."""
        place = (after.created_at, after.config_id) if after else (None, None)
        async with self._database.tenant(organisation_id) as connection:
            rows = await connection.fetch(_PAGE, organisation_id, owner, *place, limit)
        return [_stored(row) for row in rows]

    async def one(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId
    ) -> StoredConfiguration | Draft:
        """The configuration."""
        async with self._database.tenant(organisation_id) as connection:
            return await _found(connection, _ONE, organisation_id, owner, config_id)

    async def add_draft(
        self, organisation_id: OrganisationId, owner: UserId, name: str, settings: Mapping[str, Any], now: datetime
    ) -> Draft:
        """A new draft. Raises TooManyDraftsError."""
        config_id = ConfigId(self._new_id())
        async with self._database.tenant(organisation_id) as connection:
            if await connection.fetchval(_DRAFTS, organisation_id, owner) >= MOST_DRAFTS:
                raise TooManyDraftsError
            await connection.execute(_ADD_DRAFT, organisation_id, config_id, owner, name, dump(settings), now)
            await _record(connection, organisation_id, now, Action.CONFIGURATION_CREATED, config_id)
        return Draft(config_id=config_id, owner_id=owner, settings=settings, etag=1, created_at=now)

    async def replace_draft(
        self, organisation_id: OrganisationId, current: Draft, name: str, settings: Mapping[str, Any], now: datetime
    ) -> Draft:
        """Put these settings in the place of those that were read as `current`."""
        async with self._database.tenant(organisation_id) as connection:
            await _locked_draft(connection, organisation_id, current)
            await connection.execute(_REPLACE_DRAFT, organisation_id, current.config_id, name, dump(settings), now)
            await _record(connection, organisation_id, now, Action.CONFIGURATION_CHANGED, current.config_id)
        return replace(current, settings=settings, etag=current.etag + 1)

    async def complete(
        self, organisation_id: OrganisationId, current: Draft, chosen: Chosen, accounts: Accounts, now: datetime
    ) -> Saved:
        """Make a draft an active configuration, and ask for its first run."""
        config_id = current.config_id
        async with self._database.tenant(organisation_id) as connection:
            await _locked_draft(connection, organisation_id, current)
            tick = next_tick(chosen.frequency, config_id, now, now)
            state = (tick, ConfigStatus.ACTIVE.value, "", 0, now, now)
            try:
                await connection.execute(_REPLACE, organisation_id, config_id, *_columns(chosen, accounts), *state)
            except asyncpg.UniqueViolationError as error:
                raise SameScopeError from error
            await _record(connection, organisation_id, now, Action.CONFIGURATION_ACTIVATED, config_id)
            return await self._with_run(connection, organisation_id, config_id, now)

    async def replace(
        self,
        organisation_id: OrganisationId,
        current: StoredConfiguration,
        chosen: Chosen,
        accounts: Accounts,
        now: datetime,
    ) -> Saved:
        """Put these settings in the place of those that were read as `current`."""
        config_id = current.config_id
        async with self._database.tenant(organisation_id) as connection:
            open_run = await _open_run(connection, organisation_id, config_id)
            if (await _found(connection, _LOCK, organisation_id, None, config_id)).etag != current.etag:
                raise StaleVersionError(details={"configuration": str(config_id)})
            anew = _scope(chosen, accounts) != _scope(current.chosen, current.accounts)
            reread = anew or _reading(chosen) != _reading(current.chosen)
            await self._write(connection, organisation_id, current, chosen, accounts, reread=reread, now=now)
            changed = chosen.changed_from(current.chosen)
            await _record(connection, organisation_id, now, Action.CONFIGURATION_CHANGED, config_id, changed=changed)
            if anew:
                await start_anew(connection, organisation_id, config_id)
                if open_run is not None:
                    await self._requests.cancel_in(connection, organisation_id, open_run, now)
            if current.status is ConfigStatus.PAUSED or (reread and current.status is ConfigStatus.ACTIVE):
                return await self._with_run(connection, organisation_id, config_id, now)
            return Saved(await _complete(connection, _ONE, organisation_id, None, config_id), None)

    async def _write(  # noqa: PLR0913  one statement
        self,
        connection: Connection,
        organisation_id: OrganisationId,
        current: StoredConfiguration,
        chosen: Chosen,
        accounts: Accounts,
        *,
        reread: bool,
        now: datetime,
    ) -> None:
        resumed = current.status is ConfigStatus.PAUSED
        status = ConfigStatus.ACTIVE if resumed else current.status
        same_ticks = not resumed and chosen.frequency is current.chosen.frequency
        since = current.activated_at if not resumed and current.activated_at else now
        tick = next_tick(chosen.frequency, current.config_id, since, now) if status is ConfigStatus.ACTIVE else None
        try:
            await connection.execute(
                _REPLACE,
                organisation_id,
                current.config_id,
                *_columns(chosen, accounts),
                current.next_due if same_ticks else tick,
                status.value,
                "",
                int(reread),
                since,
                now,
            )
        except asyncpg.UniqueViolationError as error:
            raise SameScopeError from error

    async def activate(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId, now: datetime
    ) -> Saved:
        """Let it run, from now on, and ask for a run; one that is active stays as it is."""
        async with self._database.tenant(organisation_id) as connection:
            await _open_run(connection, organisation_id, config_id)
            current = await _complete(connection, _LOCK, organisation_id, owner, config_id)
            if current.status is ConfigStatus.ACTIVE:
                return Saved(current, None)
            tick = next_tick(current.chosen.frequency, config_id, now, now)
            await connection.execute(_ACTIVATE, organisation_id, config_id, now, tick)
            await _record(connection, organisation_id, now, Action.CONFIGURATION_ACTIVATED, config_id)
            return await self._with_run(connection, organisation_id, config_id, now)

    async def deactivate(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId, now: datetime
    ) -> StoredConfiguration:
        """Let it run no more; a run under way stops before its next write."""
        async with self._database.tenant(organisation_id) as connection:
            await _complete(connection, _ONE, organisation_id, owner, config_id)
            await self._stop(connection, organisation_id, owner, config_id, "deactivated", now)
            return await _complete(connection, _ONE, organisation_id, owner, config_id)

    async def delete(
        self, organisation_id: OrganisationId, owner: UserId | None, config_id: ConfigId, now: datetime
    ) -> None:
        """Deactivate it and let nobody find it."""
        async with self._database.tenant(organisation_id) as connection:
            await self._stop(connection, organisation_id, owner, config_id, "deleted", now)

    async def _stop(
        self,
        connection: Connection,
        organisation_id: OrganisationId,
        owner: UserId | None,
        config_id: ConfigId,
        status: str,
        now: datetime,
    ) -> None:
        open_run = await _open_run(connection, organisation_id, config_id)
        current = await _found(connection, _LOCK, organisation_id, owner, config_id)
        if isinstance(current, StoredConfiguration) and current.status.value == status:
            return
        await connection.execute(_STOP, organisation_id, config_id, status, now)
        await connection.execute(_FORGET_TOLD, organisation_id, config_id)
        if status == "deleted":
            # What nobody is left to do is not done months later by one that is made again; but not to write is.
            await connection.execute(_FORGET_ASKED, organisation_id, config_id)
        action = Action.CONFIGURATION_DELETED if status == "deleted" else Action.CONFIGURATION_DEACTIVATED
        await _record(connection, organisation_id, now, action, config_id)
        if open_run is not None:
            await connection.execute(_DROP_WISHES, organisation_id, open_run)
            await self._requests.cancel_in(connection, organisation_id, open_run, now)

    async def _with_run(
        self, connection: Connection, organisation_id: OrganisationId, config_id: ConfigId, now: datetime
    ) -> Saved:
        """The configuration as it now is, and the run that does what was changed."""
        wish = Wish(RunMode.SYNC, "user")
        asked = await self._requests.request_in(connection, organisation_id, config_id, wish, now)
        return Saved(await _complete(connection, _ONE, organisation_id, None, config_id), asked.run_id)


async def _record(
    connection: Connection,
    organisation_id: OrganisationId,
    now: datetime,
    action: Action,
    config_id: ConfigId,
    **details: object,
) -> None:
    await record_act_in(connection, organisation_id, now, action, "configuration", config_id, **details)


async def _open_run(connection: Connection, organisation_id: OrganisationId, config_id: ConfigId) -> RunId | None:
    run_id: RunId | None = await connection.fetchval(_OPEN_RUN, organisation_id, config_id)
    return run_id


async def _found(
    connection: Connection,
    statement: str,
    organisation_id: OrganisationId,
    owner: UserId | None,
    config_id: ConfigId,
) -> StoredConfiguration | Draft:
    row = await connection.fetchrow(statement, organisation_id, owner, config_id)
    if row is None:
        raise UnknownRowError(details={"configuration": str(config_id)})
    return _stored(row)


async def _complete(
    connection: Connection,
    statement: str,
    organisation_id: OrganisationId,
    owner: UserId | None,
    config_id: ConfigId,
) -> StoredConfiguration:
    """The same for one that is no draft."""
    found = await _found(connection, statement, organisation_id, owner, config_id)
    if isinstance(found, Draft):
        raise UnknownRowError(details={"configuration": str(config_id)})
    return found


async def _locked_draft(connection: Connection, organisation_id: OrganisationId, current: Draft) -> None:
    """Lock the draft as it was read. Raises StaleVersionError when it was changed or completed since."""
    found = await _found(connection, _LOCK, organisation_id, None, current.config_id)
    if not isinstance(found, Draft) or found.etag != current.etag:
        raise StaleVersionError(details={"configuration": str(current.config_id)})


def _scope(chosen: Chosen, accounts: Accounts) -> tuple[object, ...]:
    """What a configuration is about: another one starts anew."""
    return chosen.view_id, chosen.group_id, accounts.account


def _reading(chosen: Chosen) -> tuple[object, ...]:
    """What decides how pairs are read: with another one both sides are read in full."""
    return chosen.policy.direction, {row.key: row.direction for row in chosen.policy.mapping}


def _columns(chosen: Chosen, accounts: Accounts) -> tuple[object, ...]:
    return (
        accounts.crm_connection_id,
        accounts.google_connection_id,
        accounts.account,
        chosen.name,
        chosen.view_id,
        chosen.group_id,
        dump({"policy": policy_to_json(chosen.policy), "catch_up": chosen.catch_up}),
        chosen.frequency.value,
    )


@lru_cache(maxsize=1024)
def _settings(stored: str) -> tuple[Policy, bool]:
    """The policy, and whether a backlog is worked off at once. Both never change, and are asked for again and again."""
    settings: dict[str, Any] = orjson.loads(stored)
    return policy_from_json(settings["policy"]), settings["catch_up"]


def _stored(row: asyncpg.Record) -> StoredConfiguration | Draft:
    if row["draft"] is not None:
        return Draft(
            config_id=row["config_id"],
            owner_id=row["owner_id"],
            settings=orjson.loads(row["draft"]),
            etag=row["etag"],
            created_at=row["created_at"],
        )
    policy, catch_up = _settings(row["settings"])
    chosen = Chosen(
        name=row["name"],
        view_id=ViewId(row["view_id"]),
        group_id=GroupId(row["group_id"]),
        policy=policy,
        frequency=Frequency(row["frequency"]),
        catch_up=catch_up,
    )
    return StoredConfiguration(
        config_id=row["config_id"],
        owner_id=row["owner_id"],
        chosen=chosen,
        accounts=Accounts(row["crm_connection_id"], row["google_connection_id"], row["account_key"]),
        version=row["version"],
        etag=row["etag"],
        status=ConfigStatus(row["status"]),
        paused_reason=row["paused_reason"],
        backlog=row["backlog"],
        last_sync_at=row["last_sync_at"],
        last_attempt_at=row["last_attempt_at"],
        last_reason=row["last_reason"],
        later_run_s=row["later_run_s"],
        open_run_from=row["open_run_from"],
        next_due=row["next_due"],
        created_at=row["created_at"],
        activated_at=row["activated_at"],
    )
