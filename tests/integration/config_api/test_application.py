"""What holds for every address of the interface."""

from __future__ import annotations

from uuid import uuid4

import httpx2
import pytest

from config_api.settings import ConfigApiSettings
from contactsync.errors import ConfigurationError
from contactsync.telemetry import metrics

pytestmark = pytest.mark.postgres


async def test_an_unknown_address_is_a_problem_in_the_callers_language(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/nothing", headers={"Accept-Language": "fr-CA,fr;q=0.9"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert answer.json()["title"] == "Cet élément n’existe pas ici."
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("FR", "Cet élément n’existe pas ici."),
        ("fr-ca", "Cet élément n’existe pas ici."),
        ("FR-CA;q=0.8, de", "Cet élément n’existe pas ici."),
        ("EN-us", "There is no such thing here."),
        ("fr;q=0.1, EN", "There is no such thing here."),
        ("fr;q=0", "There is no such thing here."),
        ("*", "There is no such thing here."),
        (";;q=x,-,fr_FR", "There is no such thing here."),
    ],
)
async def test_languages_are_named_in_capitals_or_not(api: httpx2.AsyncClient, asked: str, title: str) -> None:
    """RFC 5646, 2.1.1: the case of a language tag means nothing."""
    answer = await api.get("/v1/nothing", headers={"Accept-Language": asked})
    assert (answer.status_code, answer.json()["title"]) == (404, title)


async def test_requests_are_counted_by_the_template_of_their_address(api: httpx2.AsyncClient) -> None:
    labels = {"route": "/v1/runs/{run_id}", "method": "GET", "code": "404"}
    before = metrics.REGISTRY.get_sample_value("contactsync_http_requests_total", labels) or 0
    await api.get(f"/v1/runs/{uuid4()}")
    assert metrics.REGISTRY.get_sample_value("contactsync_http_requests_total", labels) == before + 1


async def test_a_wrong_method_names_the_right_ones(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/openapi.json")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


async def test_a_large_body_is_refused_by_its_announced_length(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/nothing", content=b"x" * (256 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_without_a_provider_of_callers_it_stays_on_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACTSYNC_DATABASE_URL", "postgresql://app@127.0.0.1/contactsync")
    monkeypatch.setenv("CONTACTSYNC_KEYS", "v1:")
    monkeypatch.setenv("CONTACTSYNC_API_HOST", "0.0.0.0")  # noqa: S104  what must be refused
    with pytest.raises(ConfigurationError, match="loopback"):
        ConfigApiSettings.read()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},
        {"Host": "127.0.0.1.evil.example.com"},
        {"Host": "evil.example.com/127.0.0.1"},
        {"Host": "127.0.0.1@evil.example.com"},
        {"Host": "evil.example.com:99999999"},
        {"Host": "["},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
    ],
)
async def test_the_local_user_is_not_who_asks_under_another_name(
    api: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    """A page of another site, also one whose name has come to lead to the loopback (DNS rebinding)."""
    answer = await api.get("/v1/audit-events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
