"""Lists of both vendors, asked through the caller's own connections and kept for some minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from config_api.configurations.schemas import MappingRowBody
from config_api.forms.cache import FreshCache, Read
from config_api.forms.schemas import (
    CrmFieldItem,
    CrmFieldList,
    DefaultMapping,
    GoogleFieldItem,
    GoogleFieldList,
    GroupItem,
    GroupList,
    View,
    ViewAnswer,
    ViewList,
)
from config_api.web.callers import Caller
from config_api.web.fields import FieldError
from config_api.web.problems import ProblemError
from contactsync.adapters.google.metadata import ContactGroup, GoogleAccount
from contactsync.adapters.http import AuthorizedHttp, OpenGate
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.zoho.metadata import CrmView, ZohoMetadata
from contactsync.assembly.foundation import Foundation
from contactsync.domain.catalogue import GOOGLE_FIELDS, CrmField
from contactsync.domain.ids import ViewId
from contactsync.domain.mapping import MappingRow, default_mapping, mappable
from contactsync.errors import RecordRejectedError
from contactsync.ports.connections import ConnectionState, Owner, Provider, StoredConnection
from contactsync.ports.vault import TokenSource

T = TypeVar("T")

_KEPT_FOR: Final = timedelta(minutes=5)
_MOST_VIEWS_ASKED: Final = 50
"""The CRM tells the criteria of one view at a time, a credit each."""
_ASKED_AT_ONCE: Final = 5


@dataclass(frozen=True, slots=True)
class FormService:
    """What a form shows. `fresh` asks the provider whatever is kept."""

    foundation: Foundation
    connections: SqlConnections
    tokens: TokenSource
    cache: FreshCache

    async def views(self, caller: Caller, *, fresh: bool) -> ViewList:
        """The list views that the caller may use, the default one first."""
        crm = await self._connection(caller, Provider.ZOHO)
        found = await self._read(crm, "views", self._asked_views(crm), fresh=fresh)
        return ViewList(items=found.value, read_at=found.read_at)

    async def view(self, caller: Caller, view_id: str, *, fresh: bool) -> ViewAnswer:
        """One list view, asked for by itself. Raises a 404 problem for one that the caller may not use."""
        crm = await self._connection(caller, Provider.ZOHO)
        metadata = self._metadata(crm)
        found = await self._read(crm, f"view {view_id}", lambda: metadata.view(ViewId(view_id)), fresh=fresh)
        if found.value is None:
            raise ProblemError("not_found")
        shown = _view(found.value, found.value.by_the_hour)
        return ViewAnswer(**shown.model_dump(), read_at=found.read_at)

    async def crm_fields(self, caller: Caller, *, fresh: bool) -> CrmFieldList:
        """The fields of the CRM's contacts."""
        found = await self._fields(caller, fresh=fresh)
        return CrmFieldList(items=[_crm_field(one) for one in found.value], read_at=found.read_at)

    async def groups(self, caller: Caller, *, fresh: bool) -> GroupList:
        """The groups of the Google account."""
        google = await self._connection(caller, Provider.GOOGLE)
        found = await self._read(google, "groups", self._account(google).groups, fresh=fresh)
        return GroupList(items=[_group(one) for one in found.value], read_at=found.read_at)

    async def create_group(self, caller: Caller, name: str) -> GroupItem:
        """A new, empty group. Raises an `invalid_request` problem when the account has one of that name."""
        google = await self._connection(caller, Provider.GOOGLE)
        try:
            made = await self._account(google).create_group(name)
        except RecordRejectedError as error:
            taken = FieldError("name", error.reason)
            raise ProblemError("invalid_request", errors=[taken]) from error
        finally:
            self.cache.forget(_key(google, "groups"))
        return _group(made)

    async def default_mapping(self, caller: Caller, *, fresh: bool) -> DefaultMapping:
        """The mapping to begin with, as far as this CRM has the fields."""
        found = await self._fields(caller, fresh=fresh)
        fields: Mapping[str, CrmField] = {one.api_name: one for one in found.value}
        return DefaultMapping(
            mapping=_rows(default_mapping(fields)), more=_rows(mappable(fields)), read_at=found.read_at
        )

    @staticmethod
    def google_fields() -> GoogleFieldList:
        """Every field of a Google contact that can be mapped."""
        return GoogleFieldList(
            items=[
                GoogleFieldItem(
                    path=one.pattern,
                    label=one.label,
                    type=one.kind,
                    types=None if one.types is None else list(one.types),
                    max_length=one.max_length,
                )
                for one in GOOGLE_FIELDS
            ]
        )

    async def _fields(self, caller: Caller, *, fresh: bool) -> Read[Sequence[CrmField]]:
        crm = await self._connection(caller, Provider.ZOHO)
        return await self._read(crm, "fields", self._metadata(crm).fields, fresh=fresh)

    async def _read(
        self, connection: StoredConnection, what: str, ask: Callable[[], Awaitable[T]], *, fresh: bool
    ) -> Read[T]:
        within = timedelta() if fresh else _KEPT_FOR
        return await self.cache.read(_key(connection, what), within, ask)

    def _asked_views(self, crm: StoredConnection) -> Callable[[], Awaitable[list[View]]]:
        metadata = self._metadata(crm)

        async def ask() -> list[View]:
            listed = sorted(await metadata.views(), key=lambda view: (not view.default, view.name.casefold()))
            own = [view for view in listed if view.system_name is None][:_MOST_VIEWS_ASKED]
            turns = asyncio.Semaphore(_ASKED_AT_ONCE)

            async def whole(view: CrmView) -> CrmView:
                async with turns:
                    return await metadata.view(view.id) or view

            try:
                async with asyncio.TaskGroup() as tasks:
                    asked = [tasks.create_task(whole(view), name="view") for view in own]
            except ExceptionGroup as group:
                raise group.exceptions[0] from group
            known = {view.id: view.by_the_hour for view in (task.result() for task in asked)}
            known |= {view.id: view.by_the_hour for view in listed if view.system_name is not None}
            return [_view(view, known.get(view.id)) for view in listed]

        return ask

    async def _connection(self, caller: Caller, provider: Provider) -> StoredConnection:
        stored = await self.connections.of_user(Owner(caller.organisation_id, caller.user_id))
        found = next((one for one in stored if one.provider is provider), None)
        if found is None:
            raise ProblemError("not_connected")
        if found.state is not ConnectionState.ACTIVE:
            raise ProblemError("needs_reconnect")
        return found

    def _metadata(self, crm: StoredConnection) -> ZohoMetadata:
        return ZohoMetadata(self.foundation.zoho, self.tokens, crm.connection_id, OpenGate())

    def _account(self, google: StoredConnection) -> GoogleAccount:
        http = AuthorizedHttp(self.foundation.google, self.tokens, google.connection_id, OpenGate())
        return GoogleAccount(http, self.foundation.google_endpoints)


def _key(connection: StoredConnection, what: str) -> tuple[object, ...]:
    """A reconnected account is asked anew."""
    return (connection.connection_id, connection.connected_at, what)


def _view(view: CrmView, by_the_hour: bool | None) -> View:  # noqa: FBT001  a fact, not a switch
    return View(
        id=view.id, name=view.name, category=view.category, default=view.default, changes_by_the_hour=by_the_hour
    )


def _crm_field(field: CrmField) -> CrmFieldItem:
    return CrmFieldItem(
        api_name=field.api_name,
        label=field.label,
        type=field.kind,
        max_length=field.max_length,
        writable=field.writable,
        mandatory=field.mandatory,
        custom=field.custom,
        choices=list(field.picklist),
    )


def _group(group: ContactGroup) -> GroupItem:
    return GroupItem(id=group.group_id, name=group.label, system=group.system, contacts=group.members)


def _rows(rows: Iterable[MappingRow]) -> list[MappingRowBody]:
    return [
        MappingRowBody(crm_field=row.crm_field, google_field=str(row.google_field), direction=row.direction)
        for row in rows
    ]
