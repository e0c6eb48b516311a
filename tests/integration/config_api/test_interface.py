"""config-api against its own description: random requests of an authenticated caller, each answer as documented."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from config_api.app import interface
from config_api.resources import Resources
from config_api.settings import ConfigApiSettings
from tests.contract.state.worlds import KEYS
from tests.integration.config_api.conftest import body
from tests.integration.config_api.town import inhabited
from tests.support.accounts import GROUP, MY_CONTACTS, OTHER_GROUP, OTHER_VIEW, VIEW
from tests.support.clock import ManualClock
from tests.support.postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(3600)]

Operation: TypeAlias = "APIOperation[Any, Any, Any, Any]"
Request: TypeAlias = "Case[Operation]"
REQUESTS = int(os.environ.get("CASES", "1500"))
NEVER_DONE = {
    # They need accounts of the vendors, an issuer's client, secrets that are used once or that sign the call.
    "get /v1/me",
    "get /v1/crm/views",
    "get /v1/crm/views/{view_id}",
    "get /v1/crm/fields",
    "get /v1/google/groups",
    "post /v1/google/groups",
    "get /v1/mappings/default",
    "delete /v1/connections/{provider}",
    "get /auth/sign-in",
    "get /auth/callback",
    "get /auth/zoho/sign-in",
    "get /auth/zoho/callback",
    "get /oauth/{provider}/callback",
    "get /oauth/{provider}/start/{secret}",
    "post /oauth/{provider}/start/{secret}",
    "get /embed/{secret}",
    "post /webhooks/zoho/{channel}",
    "post /webhooks/sync-requests/{endpoint}",
    # No run asks for an answer here.
    "post /v1/runs/{run_id}/approve",
    "post /v1/runs/{run_id}/refuse",
    "post /v1/runs/{run_id}/cancel",
    # Deletes are asked with ids of nothing: the others are to find what they look for.
    "delete /v1/sync-configs/{config_id}",
    "delete /v1/webhook-endpoints/{endpoint_id}",
}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture
def settings(database: Database) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate(
        {"database_url": database.url, "keys": KEYS, "frame_ancestors": "https://crm.example.com"}
    )


@dataclass
class Target:
    """The served interface, a caller's token, ids of things that are his, and what was answered."""

    url: str
    token: str
    ids: Mapping[str, str]
    answers: dict[str, Counter[int]]


@pytest.fixture
async def target(resources: Resources, clock: ManualClock) -> AsyncIterator[Target]:
    async with inhabited(resources, clock) as town:
        ids = {name: str(value) for name, value in town.ours.ids.items()}
        run = f"/v1/runs/{ids['run_id']}/cancel"
        assert (await town.api.post(run, headers=town.ours.headers)).status_code == 200  # its events end
        spare = await town.api.post("/v1/sync-configs", json=body(crm_view_id=OTHER_VIEW), headers=town.ours.headers)
        ids["spare_config_id"] = spare.json()["id"]
        yield Target(str(town.api.base_url), town.ours.token, ids, defaultdict(Counter))


def cases(operation: Operation, ids: Mapping[str, str]) -> st.SearchStrategy[Request]:
    """Requests that fit the description and such that do not; where it can be, some about things that exist."""
    if operation.path.endswith("/deactivate"):
        ids = {"config_id": ids["spare_config_id"]}  # the other one is to run
    parts: dict[str, Any] = {}
    names = [parameter.name for parameter in operation.path_parameters]
    if names and ids.keys() >= set(names) and operation.method != "delete":
        parts["path_parameters"] = {name: ids[name] for name in names}
    kinds = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    if parts:
        kinds += [operation.as_strategy(generation_mode=mode, **parts) for mode in GenerationMode]
    body = operation.definition.raw.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in body and len(parts) == bool(names):
        examples = _bodies(body["example"])
        if operation.method == "put":
            parts["headers"] = {"If-Match": "*"}
            examples = [body["example"]]  # the view and the group that it has
        # Often enough that no run of this test goes without any.
        kinds += [operation.as_strategy(body=content, **parts) for content in examples * 3]
    return st.one_of(kinds)


def _bodies(example: dict[str, Any]) -> list[dict[str, Any]]:
    """The example of the description; of settings one for each pair of view and group that the accounts offer."""
    if "crm_view_id" not in example:
        return [example]
    places = itertools.product((VIEW, OTHER_VIEW), (GROUP, OTHER_GROUP, MY_CONTACTS))
    return [{**example, "crm_view_id": view, "google_group": group, "confirm_scope": True} for view, group in places]


def ask(operation: Operation, target: Target, requests: int) -> int:
    """Send about so many requests, fewer where there are no more different ones; how many were sent."""
    answers = target.answers[f"{operation.method} {operation.path}"]
    before = answers.total()
    headers = {"Authorization": f"Bearer {target.token}"}

    @hypothesis.settings(
        max_examples=requests,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(operation, target.ids))
    def holds(case: Request) -> None:
        response = case.call(base_url=target.url, headers=headers, timeout=20, allow_redirects=False)
        answers[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    holds()
    return answers.total() - before


async def test_every_answer_is_a_documented_one(target: Target) -> None:
    schema = schemathesis.openapi.from_dict(interface().openapi())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    each = -(-REQUESTS // len(operations))
    sent = 0
    while sent < REQUESTS:
        for operation in operations:
            sent += await asyncio.to_thread(ask, operation, target, each)
    for asked, answers in target.answers.items():
        sys.stdout.write(f"{asked}: {dict(sorted(answers.items()))}\n")  # shown when it fails, or by pytest -s
    assert not [asked for asked, answers in target.answers.items() if answers[429]]
    refused = {asked for asked, answers in target.answers.items() if min(answers) >= 400}
    assert refused <= NEVER_DONE, "these were never done, so that nothing was learnt about what they do"
