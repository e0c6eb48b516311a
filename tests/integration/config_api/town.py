"""Two organisations behind one application, whose callers show tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import httpx2

from config_api.callers.authenticator import IssuerAuthenticator, KnownCallers
from config_api.callers.identities import ClaimNames
from config_api.resources import Resources
from config_api.web.rates import RequestRates
from contactsync.adapters.sql.callers import SqlCallerDirectory
from contactsync.domain.ids import OrganisationId
from tests.integration.config_api.conftest import body, served
from tests.support.accounts import OfferedAccounts
from tests.support.clock import ManualClock
from tests.support.issuers import Issuer
from tests.support.pairs import put_pair


@dataclass
class Tenant:
    """One organisation, its administrator's token, and the ids of what it has."""

    organisation_id: OrganisationId
    token: str
    ids: dict[str, UUID] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Town:
    """Two organisations behind one application."""

    api: httpx2.AsyncClient
    resources: Resources
    ours: Tenant
    theirs: Tenant

    async def fingerprint(self, tenant: Tenant | None = None) -> dict[str, str]:
        """Every row of an organisation: the other one, unless said otherwise."""
        found: dict[str, str] = {}
        organisation_id = (tenant or self.theirs).organisation_id
        async with self.resources.foundation.database.tenant(organisation_id) as connection:
            tables = await connection.fetch(
                "SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r' ORDER BY relname"
            )
            for table in (row["relname"] for row in tables):
                statement = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"  # noqa: S608
                found[table] = str(await connection.fetchval(statement))
        return found


@asynccontextmanager
async def inhabited(resources: Resources, clock: ManualClock, rates: RequestRates | None = None) -> AsyncIterator[Town]:
    """Two organisations, each with one of everything; without rates, nobody calls too often."""
    issuer = Issuer(clock)
    foundation = resources.foundation
    directory = SqlCallerDirectory(foundation.database, foundation.vault, clock)
    known = KnownCallers(directory, clock)
    authenticator = IssuerAuthenticator(issuer.verifier(), ClaimNames(), known, resources.sessions)
    accounts = OfferedAccounts(foundation.database, clock)
    town_resources = replace(
        resources,
        authenticator=authenticator,
        rates=rates or RequestRates(10**9, 10**9, clock),
        configurations=replace(resources.configurations, surroundings=accounts),
    )
    async with served(town_resources) as api:
        tenants = []
        for name in ("60001", "70001"):
            # The clock stands still: a token never expires here.
            token = issuer.token(organisation=name, role="admin")
            caller = await authenticator.of_claims(issuer.claims(organisation=name, role="admin"))
            assert caller is not None
            await accounts.connect(caller)
            tenants.append(Tenant(caller.organisation_id, token))
        town = Town(api, town_resources, *tenants)
        for tenant in tenants:
            await _furnish(town, tenant)
        yield town


async def _furnish(town: Town, tenant: Tenant) -> None:
    """A configuration with its first run, a pair, an endpoint, a channel's and a ticket's like."""
    saved = await town.api.post("/v1/sync-configs", json=body(), headers=tenant.headers)
    assert saved.status_code == 201, saved.text
    made = await town.api.post(
        "/v1/webhook-endpoints", json={"direction": "incoming", "name": "CRM"}, headers=tenant.headers
    )
    assert made.status_code == 201, made.text
    config = UUID(saved.json()["id"])
    link = await put_pair(town.resources.foundation.database, tenant.organisation_id, config)
    delivery = uuid4()
    async with town.resources.foundation.database.tenant(tenant.organisation_id) as connection:
        await connection.execute(
            "INSERT INTO deliveries (organisation_id, delivery_id, endpoint_id, event, facts, state, occurred_at, "
            "created_at, not_before) VALUES ($1, $2, $3, 'run.finished', '{}', 'dead', now(), now(), now())",
            tenant.organisation_id,
            delivery,
            UUID(made.json()["id"]),
        )
    tenant.ids = {
        "delivery_id": delivery,
        "config_id": config,
        "run_id": UUID(saved.json()["run_id"]),
        "link_id": link,
        "endpoint_id": UUID(made.json()["id"]),
    }
