"""What requests are answered with: built once at the start of the process, handed to `create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from config_api.callers.assembly import Trust, edges, trust_from
from config_api.callers.sessions import Place, Sessions
from config_api.configurations.service import ConfigurationService
from config_api.connections.surroundings import ConnectedAccounts
from config_api.forms.cache import FreshCache
from config_api.forms.service import FormService
from config_api.me.service import MeService
from config_api.oauth.service import Consents, allowed_origins
from config_api.oauth.zoho import ZohoConsents
from config_api.pairs.service import PairService
from config_api.runs.service import RunService
from config_api.settings import ConfigApiSettings
from config_api.signin.zoho import ZohoSignIn
from config_api.web.callers import Authenticator, Caller, LocalUser, Role
from config_api.web.rates import AtOnce, RequestRates
from config_api.webhooks.assembly import Webhooks, webhooks_on
from contactsync.adapters.sql.answers import SqlPairAnswers
from contactsync.adapters.sql.audit import SqlAuditTrail
from contactsync.adapters.sql.callers import SqlCallerDirectory, SqlTickets
from contactsync.adapters.sql.configurations import SqlConfigurations
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.adapters.sql.idempotency import SqlIdempotency
from contactsync.adapters.sql.members import Member, SqlMembers
from contactsync.adapters.sql.pairs import SqlPairs
from contactsync.adapters.sql.requests import SqlRunRequests
from contactsync.adapters.sql.run_reports import SqlRunReports
from contactsync.assembly.foundation import Foundation, open_foundation, run_limits
from contactsync.assembly.grants import google_oauth, grant_keepers, token_source, zoho_oauth
from contactsync.assembly.rights import rights_check
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.ports.clock import Clock
from contactsync.ports.connections import GrantKeeper, Provider
from contactsync.ports.vault import TokenSource

MOST_WATCHED = 20
"""Runs that a user may watch at once in one process."""
LOCAL_USER = Caller(
    OrganisationId(UUID("00000000-0000-4000-8000-000000000001")),
    UserId(UUID("00000000-0000-4000-8000-000000000002")),
    Role.ADMIN,
)
"""The one user of an installation without any way to sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Typed and frozen; a field for each thing that endpoints and services ask for."""

    settings: ConfigApiSettings
    foundation: Foundation
    authenticator: Authenticator
    rates: RequestRates
    watching: AtOnce
    members: SqlMembers
    requests: SqlRunRequests
    tickets: SqlTickets
    sessions: Sessions
    trust: Trust | None
    """Whom tokens and sessions are believed from; None for one local user."""
    zoho_sign_in: ZohoSignIn | None
    """The way to a session for users of the CRM, where it is open."""
    audit: SqlAuditTrail
    idempotency: SqlIdempotency
    connections: SqlConnections
    keepers: Mapping[Provider, GrantKeeper]
    consents: Consents
    me: MeService
    forms: FormService
    tokens: TokenSource
    configurations: ConfigurationService
    runs: RunService
    webhooks: Webhooks
    pairs: PairService


@asynccontextmanager
async def open_resources(settings: ConfigApiSettings, clock: Clock) -> AsyncIterator[Resources]:
    """Build them from settings; everything is closed at the end."""
    async with open_foundation(settings, clock) as foundation:
        yield await resources_on(foundation, settings)


async def resources_on(foundation: Foundation, settings: ConfigApiSettings) -> Resources:
    """The resources on a foundation that somebody else closes."""
    database, vault, clock = foundation.database, foundation.vault, foundation.clock
    members = SqlMembers(database, vault, clock)
    audit = SqlAuditTrail(database)
    tickets = SqlTickets(database, vault, clock)
    lifetimes = {Place.PAGE: settings.session_lifetime, Place.FRAME: settings.embed_session_lifetime}
    sessions = Sessions(tickets, audit, clock, settings.public_address, lifetimes)
    directory = SqlCallerDirectory(database, vault, clock)
    trust = trust_from(settings, edges(foundation.client, clock), directory, tickets, sessions, clock)
    requests = SqlRunRequests(database, clock, limits=run_limits(settings))
    connections = SqlConnections(database, vault, clock)
    tokens = token_source(foundation, settings)
    me = MeService(connections, rights_check(foundation, settings, tokens), clock)
    stored = SqlConfigurations(database, requests)
    return Resources(
        settings=settings,
        foundation=foundation,
        authenticator=await _local_user(members) if trust is None else trust.callers,
        rates=RequestRates(settings.requests_per_user, settings.requests_per_organisation, clock),
        watching=AtOnce(MOST_WATCHED),
        tickets=tickets,
        sessions=sessions,
        trust=trust,
        zoho_sign_in=_zoho_sign_in(foundation, settings, connections, directory, tickets),
        audit=audit,
        members=members,
        requests=requests,
        idempotency=SqlIdempotency(database, vault, clock),
        connections=connections,
        keepers=grant_keepers(foundation, settings),
        me=me,
        forms=FormService(foundation, connections, tokens, FreshCache(clock)),
        consents=_consents(foundation, settings, connections, directory, tickets),
        tokens=tokens,
        configurations=_configurations(settings, stored, ConnectedAccounts(foundation, connections, tokens, me), clock),
        runs=_runs(foundation, stored, requests, tickets),
        webhooks=await webhooks_on(foundation, settings, requests, tokens),
        pairs=_pairs(foundation, stored, requests),
    )


def _configurations(
    settings: ConfigApiSettings, store: SqlConfigurations, surroundings: ConnectedAccounts, clock: Clock
) -> ConfigurationService:
    return ConfigurationService(
        store=store,
        surroundings=surroundings,
        clock=clock,
        limits=run_limits(settings),
        catch_up_pause=settings.catch_up_pause,
    )


def _runs(
    foundation: Foundation, configurations: SqlConfigurations, requests: SqlRunRequests, tickets: SqlTickets
) -> RunService:
    return RunService(
        configurations=configurations,
        requests=requests,
        reports=SqlRunReports(foundation.database, foundation.vault, requests),
        tickets=tickets,
        clock=foundation.clock,
    )


def _pairs(foundation: Foundation, configurations: SqlConfigurations, requests: SqlRunRequests) -> PairService:
    return PairService(
        configurations=configurations,
        pairs=SqlPairs(foundation.database, foundation.vault),
        answers=SqlPairAnswers(foundation.database, foundation.vault),
        requests=requests,
        clock=foundation.clock,
    )


def _consents(
    foundation: Foundation,
    settings: ConfigApiSettings,
    store: SqlConnections,
    callers: SqlCallerDirectory,
    tickets: SqlTickets,
) -> Consents:
    public_url = settings.public_address
    return Consents(
        google=google_oauth(foundation, settings),
        zoho=_zoho_consents(foundation, settings, f"/oauth/{Provider.ZOHO.value}/callback"),
        store=store,
        callers=callers,
        tickets=tickets,
        public_url=public_url,
        return_origins=allowed_origins(public_url, settings.return_origins),
        lifetime=settings.consent_lifetime,
    )


def _zoho_consents(foundation: Foundation, settings: ConfigApiSettings, callback: str) -> ZohoConsents:
    oauth = zoho_oauth(foundation, settings, f"{settings.public_address}{callback}")
    return ZohoConsents(oauth, foundation.zoho, foundation.data_centres)


def _zoho_sign_in(
    foundation: Foundation,
    settings: ConfigApiSettings,
    store: SqlConnections,
    directory: SqlCallerDirectory,
    tickets: SqlTickets,
) -> ZohoSignIn | None:
    if not settings.signs_in_with_zoho:
        return None
    return ZohoSignIn(
        consents=_zoho_consents(foundation, settings, "/auth/zoho/callback"),
        directory=directory,
        store=store,
        tickets=tickets,
        clock=foundation.clock,
        organisations=frozenset(settings.zoho_organisations),
        admin_profiles=frozenset(settings.zoho_admin_profiles),
    )


async def _local_user(members: SqlMembers) -> Authenticator:
    local = LOCAL_USER
    await members.ensure(
        Member(
            organisation_id=local.organisation_id,
            user_id=local.user_id,
            subject_key=local.user_id.bytes,
            role=local.role.value,
        )
    )
    return LocalUser(local)


def resources_of(request: Request) -> Resources:
    """The resources of the application that answers this request."""
    resources: Resources = request.app.state.resources
    return resources


async def _given(request: Request) -> Resources:
    return resources_of(request)  # async, since FastAPI sends any other dependency to a thread, at every request


Given = Annotated[Resources, Depends(_given)]
"""The dependency by which endpoints ask for them."""
