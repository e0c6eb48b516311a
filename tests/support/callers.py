"""Callers of config-api with tokens of a CRM that signs them itself, and what they are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from contactsync.ports.clock import Clock
from simulators.server import running
from tests.support.vendors import Json

ISSUER: Final = "https://crm.example.com"
AUDIENCE: Final = "contact-sync"
_KEY_ID: Final = "one"
_LIFETIME_S: Final = 300
_WITHIN_S: Final = 30.0


class RefusedError(Exception):
    """config-api refused a call: `status`, the problem's stable `code`, the whole `problem`."""

    def __init__(self, call: str, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{call}: {status} {dict(problem)}")
        self.status = status
        self.code = str(problem.get("code", ""))
        self.problem = problem


class CrmIssuer:
    """Signs a token for each call, by the clock of the installation."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = ECKey.generate_key("P-256", {"kid": _KEY_ID})

    def token(self, organisation: str, user: str, role: str) -> str:
        """A token that says who calls."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "organisation": organisation,
            "role": role,
            "email": f"{user}@example.com",
            "email_verified": True,
            "iat": now,
            "exp": now + _LIFETIME_S,
        }
        return jwt.encode({"alg": "ES256", "kid": _KEY_ID}, claims, self._key, algorithms=["ES256"])

    @asynccontextmanager
    async def published(self) -> AsyncIterator[str]:
        """Serve the key set on the loopback; yields its address."""

        async def keys(_: Request) -> JSONResponse:
            return JSONResponse({"keys": [self._key.as_dict(private=False)]})

        async with running(Starlette(routes=[Route("/keys", keys)])) as url:
            yield f"{url}/keys"


class _Signed(httpx2.Auth):
    def __init__(self, issuer: CrmIssuer, organisation: str, user: str, role: str) -> None:
        self._issuer = issuer
        self._who = (organisation, user, role)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """A fresh token on each call."""
        request.headers["Authorization"] = f"Bearer {self._issuer.token(*self._who)}"
        yield request


class Caller:
    """One user of a CRM frontend that calls config-api."""

    def __init__(
        self, client: httpx2.AsyncClient, address: str, issuer: CrmIssuer, *, organisation: str, user: str, role: str
    ) -> None:
        self._client = client
        self._address = address
        self._signed = _Signed(issuer, organisation, user, role)

    async def get(self, path: str, **query: str) -> Json:
        """The JSON answer. Raises RefusedError, as every method."""
        found: Json = (await self.send("GET", path, query=query)).json()
        return found

    async def post(self, path: str, body: Json | None = None) -> Json:
        """The JSON answer to a POST."""
        found: Json = (await self.send("POST", path, body or {})).json()
        return found

    async def replace(self, path: str, body: Json) -> Json:
        """Put other contents in place of those that stand there now, by their ETag."""
        current = await self.send("GET", path)
        found: Json = (await self.send("PUT", path, body, {"If-Match": current.headers["etag"]})).json()
        return found

    async def all(self, path: str, **query: str) -> list[Json]:
        """The items of every page."""
        items: list[Json] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(path, limit="100", **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
        return items

    async def send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: Mapping[str, str] = {},
        query: Mapping[str, str] = {},
    ) -> httpx2.Response:
        """The answer, which is a success."""
        answer = await self._client.request(
            method,
            f"{self._address}{path}",
            json=body,
            headers=dict(headers),
            params=dict(query),
            auth=self._signed,
            timeout=_WITHIN_S,
        )
        if not answer.is_success:
            is_problem = "json" in answer.headers.get("content-type", "")
            raise RefusedError(f"{method} {path}", answer.status_code, answer.json() if is_problem else {})
        return answer
