"""config-api against its own description: random requests of an authenticated caller, each answer as documented."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from config_api.app import create_app, interface
from config_api.callers.authenticator import IssuerAuthenticator, KnownCallers
from config_api.callers.identities import ClaimNames
from config_api.resources import Resources
from config_api.web.callers import Caller, Role
from contactsync.adapters.sql.callers import SqlCallerDirectory
from contactsync.assembly.admin import serving
from tests.integration.config_api.conftest import body
from tests.support.accounts import OTHER_GROUP, OfferedAccounts
from tests.support.clock import ManualClock
from tests.support.issuers import Issuer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(3600)]

Operation: TypeAlias = "APIOperation[Any, Any, Any, Any]"
Request: TypeAlias = "Case[Operation]"
REQUESTS = int(os.environ.get("CASES", "1500"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@dataclass
class Target:
    """The served interface, a caller's token, and ids of things that are his."""

    url: str
    token: str
    ids: Mapping[str, str]


@pytest.fixture
async def target(resources: Resources, clock: ManualClock) -> AsyncIterator[Target]:
    foundation = resources.foundation
    issuer = Issuer(clock)
    directory = SqlCallerDirectory(foundation.database, foundation.vault, clock)
    callers = IssuerAuthenticator(
        issuer.verifier(),
        ClaimNames("organisation", "role", frozenset({"admin"})),
        KnownCallers(directory, clock),
        resources.sessions,
    )
    accounts = OfferedAccounts(foundation.database, clock)
    offered = replace(
        resources, authenticator=callers, configurations=replace(resources.configurations, surroundings=accounts)
    )
    token = issuer.token(role="admin")
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(offered), "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            assert (await client.get("/v1/sync-configs")).status_code == 200  # makes the caller known
            async with foundation.database.scheduler() as connection:
                organisation = await connection.fetchval(
                    "SELECT organisation_id FROM organisations WHERE claim_key IS NOT NULL"
                )
            async with foundation.database.tenant(organisation) as connection:
                user = await connection.fetchval("SELECT user_id FROM users")
            await accounts.connect(Caller(organisation, user, Role.ADMIN))
            saved = (await client.post("/v1/sync-configs", json=body())).json()
            await client.post("/v1/sync-configs", json=body(google_group=OTHER_GROUP))
            await client.post(f"/v1/runs/{saved['run_id']}/cancel")  # its events end
        yield Target(url, token, {"config_id": saved["id"], "run_id": saved["run_id"]})


def cases(operation: Operation, ids: Mapping[str, str]) -> st.SearchStrategy[Request]:
    """Requests that fit the description and such that do not; where it can be, some about things that exist."""
    known = {parameter.name: ids[parameter.name] for parameter in operation.path_parameters if parameter.name in ids}
    kinds = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    if known and operation.method != "delete" and len(known) == len(list(operation.path_parameters)):
        kinds += [operation.as_strategy(generation_mode=mode, path_parameters=known) for mode in GenerationMode]
    return st.one_of(kinds)


def ask(operation: Operation, target: Target, requests: int) -> int:
    """Send about so many requests, fewer where there are no more different ones; how many were sent."""
    sent = 0
    headers = {"Authorization": f"Bearer {target.token}"}

    @settings(
        max_examples=requests,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(operation, target.ids))
    def holds(case: Request) -> None:
        nonlocal sent
        sent += 1
        response = case.call(base_url=target.url, headers=headers, timeout=20, allow_redirects=False)
        case.validate_response(response, checks=CHECKS)

    holds()
    return sent


async def test_every_answer_is_a_documented_one(target: Target) -> None:
    schema = schemathesis.openapi.from_dict(interface().openapi())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    each = -(-REQUESTS // len(operations))
    sent = 0
    while sent < REQUESTS:
        for operation in operations:
            sent += await asyncio.to_thread(ask, operation, target, each)
