"""config-api as its user calls it: over HTTP alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias

import httpx2

Json: TypeAlias = dict[str, Any]

_CALL_WITHIN_S: Final = 60.0
_PAGE: Final = 100


class RefusedError(RuntimeError):
    """config-api refused a call; the message is its problem's title and detail."""


class Customer:
    """One user of config-api."""

    def __init__(self, client: httpx2.AsyncClient, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    async def authorization_url(self, provider: str) -> str:
        """Where a browser goes to connect an account of this provider."""
        answer = await self._call("POST", f"/v1/connections/{provider}/authorize", {})
        return str(answer["authorization_url"])

    async def connections(self) -> Mapping[str, Json]:
        """The connections by provider."""
        answer = await self._call("GET", "/v1/connections")
        return {item["provider"]: item for item in answer["items"]}

    async def views(self) -> list[Json]:
        """The list views of the CRM."""
        return list((await self._call("GET", "/v1/crm/views"))["items"])

    async def groups(self) -> list[Json]:
        """The contact groups of the Google account."""
        return list((await self._call("GET", "/v1/google/groups"))["items"])

    async def make_group(self, name: str) -> Json:
        """A new contact group."""
        return await self._call("POST", "/v1/google/groups", {"name": name})

    async def save(self, settings: Json) -> Json:
        """The configuration with these settings, active; `run_id` is its first run."""
        return await self._call("POST", "/v1/sync-configs", settings)

    async def configuration(self, config_id: str) -> Json:
        """One configuration."""
        return await self._call("GET", f"/v1/sync-configs/{config_id}")

    async def configurations(self) -> list[Json]:
        """The configurations, newest first."""
        return list((await self._call("GET", "/v1/sync-configs"))["items"])

    async def ask_for_run(self, config_id: str) -> Json:
        """The run that answers a press of the button."""
        answer = await self._call("POST", f"/v1/sync-configs/{config_id}/runs", {})
        run: Json = answer["run"]
        return run

    async def run(self, run_id: str) -> Json:
        """A run as it stands."""
        return await self._call("GET", f"/v1/runs/{run_id}")

    async def rows(self, run_id: str, outcome: str) -> AsyncIterator[Json]:
        """The rows of a run's report with one outcome."""
        cursor: str | None = None
        while True:
            query = {"outcome": outcome, "limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
            page = await self._call("GET", f"/v1/runs/{run_id}/contacts", query=query)
            for row in page["items"]:
                yield row
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def _call(self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] = {}) -> Json:
        answer = await self._ask(method, path, body, query)
        while answer.status_code == httpx2.codes.TOO_MANY_REQUESTS and "retry-after" in answer.headers:
            await asyncio.sleep(float(answer.headers["retry-after"]))  # nothing was done: the same may be asked again
            answer = await self._ask(method, path, body, query)
        if not answer.is_success:
            raise RefusedError(f"{method} {path}: {_problem(answer)}")
        found: Json = answer.json()
        return found

    async def _ask(self, method: str, path: str, body: Json | None, query: Mapping[str, str]) -> httpx2.Response:
        return await self._client.request(
            method, f"{self._base_url}{path}", json=body, params=dict(query), timeout=_CALL_WITHIN_S
        )


def _problem(answer: httpx2.Response) -> str:
    if "json" not in answer.headers.get("content-type", ""):
        return f"{answer.status_code}"
    body = answer.json()
    return " - ".join(str(body[part]) for part in ("status", "code", "title", "detail") if body.get(part))
