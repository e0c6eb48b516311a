"""Rates, headers, and pages of other sites."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import httpx2
import pytest
from fastapi import Request

from config_api.resources import Resources
from config_api.settings import ConfigApiSettings
from config_api.web.headers import page_headers
from config_api.web.problems import ProblemError
from config_api.web.rates import RequestRates
from tests.contract.state.worlds import KEYS
from tests.integration.config_api.conftest import served
from tests.support.clock import ManualClock
from tests.support.postgres import Database

pytestmark = pytest.mark.postgres

PAGE = "https://crm.example.com"


@pytest.fixture
def settings(database: Database) -> ConfigApiSettings:
    return ConfigApiSettings.model_validate(
        {
            "database_url": database.url,
            "keys": KEYS,
            "public_url": "https://sync.example.com",
            "cors_origins": PAGE,
            "frame_ancestors": f"{PAGE} https://crm.example.fr",
            "requests_per_user": 5,
        }
    )


async def test_who_calls_too_often_is_told_when_to_come_back(api: httpx2.AsyncClient, clock: ManualClock) -> None:
    for _ in range(5):
        assert (await api.get("/v1/audit-events")).status_code == 200
    refused = await api.get("/v1/audit-events")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    clock.advance(timedelta(seconds=int(refused.headers["retry-after"])))
    assert (await api.get("/v1/audit-events")).status_code == 200
    assert (await api.get("/v1/audit-events")).status_code == 429


def test_an_organisation_has_a_rate_and_each_of_its_users() -> None:
    rates = RequestRates(per_user=2, per_organisation=3, clock=ManualClock())
    for user in ("ada", "ada", "bob"):
        rates.admit("one", user)
    for user in ("ada", "bob"):
        with pytest.raises(ProblemError):
            rates.admit("one", user)
    rates.admit("two", "ada")


async def test_pages_of_the_set_origins_alone_may_call(api: httpx2.AsyncClient) -> None:
    headers = "authorization,if-match,last-event-id"
    asking = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": headers}
    allowed = await api.options("/v1/sync-configs", headers={"Origin": PAGE, **asking})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "access-control-allow-credentials" not in allowed.headers
    refused = await api.options("/v1/sync-configs", headers={"Origin": "https://evil.example.com", **asking})
    assert "access-control-allow-origin" not in refused.headers


class _Broken:
    """Fails as nobody foresaw."""

    async def caller(self, _: Request) -> None:
        raise RuntimeError("nobody foresaw this")


async def test_a_page_of_another_site_may_read_why_its_call_failed(resources: Resources) -> None:
    async with served(replace(resources, authenticator=_Broken())) as api:
        failed = await api.get("/v1/audit-events", headers={"Origin": PAGE})
    assert failed.status_code == 500
    assert failed.json()["code"] == "internal_error"
    assert failed.json()["request_id"] == failed.headers["x-request-id"]
    assert failed.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in failed.headers["access-control-expose-headers"].lower()


class _Away:
    """A database that does not answer."""

    async def answers(self, within_s: float) -> bool:
        return within_s > 60


async def test_without_its_database_it_says_when_to_come_back(resources: Resources) -> None:
    foundation = replace(resources.foundation, database=cast("Any", _Away()))
    async with served(replace(resources, authenticator=_Broken(), foundation=foundation)) as api:
        answer = await api.get("/v1/audit-events", headers={"Accept-Language": "fr"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["title"].startswith("Contact Sync ne répond pas")
    assert answer.headers["retry-after"] == "5"


async def test_an_address_with_a_slash_too_many_leads_nowhere(api: httpx2.AsyncClient) -> None:
    """A redirect would name the host of the request, whoever said it, and without TLS."""
    answer = await api.get("/v1/audit-events/", headers={"Host": "evil.example.com"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "location" not in answer.headers


async def test_every_answer_carries_the_headers_that_browsers_need(api: httpx2.AsyncClient) -> None:
    for address in ("/v1/audit-events", "/v1/openapi.json", "/v1/nothing", "/v1/sync-configs/x"):
        headers = (await api.get(address)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["strict-transport-security"].startswith("max-age=31536000")
        assert "server" not in headers


def test_a_page_is_framed_by_the_set_sites_alone(settings: ConfigApiSettings) -> None:
    policy = page_headers(settings)["Content-Security-Policy"]
    assert f"frame-ancestors {PAGE} https://crm.example.fr" in policy
    alone = settings.model_copy(update={"frame_ancestors": ()})
    assert "frame-ancestors 'none'" in page_headers(alone)["Content-Security-Policy"]
