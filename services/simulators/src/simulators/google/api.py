"""The entrance of the People API: address, authority, quota, then the method."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from simulators.google import errors
from simulators.google.addressbook import AddressBook
from simulators.google.authorization import AccessToken
from simulators.google.errors import JSON_TYPE, ApiError, Code
from simulators.google.methods import NOT_OFFERED, Method, find_method
from simulators.google.request import ApiRequest, check_query, effective_method, read_body, read_query
from simulators.google.schema import Json
from simulators.google.simulator import GoogleSimulator
from simulators.requestlog import Call

_NOT_FOUND_PAGE = (
    "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>"
    "<p>The requested URL was not found on this server.</p></html>"
)


_GROUP_WRITES = frozenset({"contactGroups.create", "contactGroups.update", "contactGroups.delete"})


class PeopleApi:
    """Answers everything below `/v1/`."""

    def __init__(self, simulator: GoogleSimulator) -> None:
        self._sim = simulator

    async def answer(self, request: Request) -> Response:
        """One call, through log, latency and faults."""
        found = find_method(effective_method(request), request.url.path)
        if found is None:
            return self._unknown(request)
        method, path = found
        token = self._sim.authorization.access_token(_bearer(request) or "")
        body = _peek(await request.body()) if method.mutation else {}
        call = Call(
            method.operation, token.sub if token else None, method.mutation, method.units, items=_items(method, body)
        )

        async def act() -> Response:
            try:
                return _answer(await self._carry_out(request, method, path, token))
            except ApiError as error:
                return error.response(error_block=self._sim.settings.error_block)

        return await self._sim.bench.perform(request, call, act)

    async def _carry_out(
        self, request: Request, method: Method, path: dict[str, str], token: AccessToken | None
    ) -> Json:
        book = self._authorized(request, method, token)
        self._sim.quotas.charge(book.owner.sub, method.units, self._sim.bench.clock.now(), self._sim.settings)
        busy = self._sim.bench.log.mutations_in_flight(book.owner.sub) > 1
        if method.mutation and busy and self._sim.settings.parallel_writes == "refuse":
            raise errors.unavailable()
        query = await read_query(request)
        check_query(query, method.query)
        body = await read_body(request, method.operation) if method.has_body else {}
        return method.handler(self._sim, book, ApiRequest(method.operation, path, query, body))

    def _authorized(self, request: Request, method: Method, token: AccessToken | None) -> AddressBook:
        if token is None:
            raise errors.unauthenticated(missing=_bearer(request) is None)
        book = self._sim.books.get(token.sub)
        if book is None:
            raise errors.unauthenticated(missing=False)
        if not self._sim.settings.people_api_enabled:
            raise errors.service_disabled(self._sim.settings.project_number)
        if not token.scopes & method.scopes:
            raise errors.scope_missing()
        return book

    @staticmethod
    def _unknown(request: Request) -> Response:
        if NOT_OFFERED.fullmatch(request.url.path):
            text = "This method exists at Google; the simulator does not offer it."
            return ApiError(Code.UNIMPLEMENTED, text).response()
        return HTMLResponse(_NOT_FOUND_PAGE, 404)


def _answer(value: Json) -> Response:
    return Response(orjson.dumps(value), media_type=JSON_TYPE)


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.casefold() == "bearer" and token else None


def _peek(raw: bytes) -> Json:
    """The body for the log alone; its check comes later and answers the client."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _items(method: Method, body: Json) -> int | None:
    """How many contacts a write names."""
    if not method.mutation or method.operation in _GROUP_WRITES:
        return None
    lists = [body.get(name) for name in ("contacts", "resourceNames", "resourceNamesToAdd", "resourceNamesToRemove")]
    return sum(len(value) for value in lists if isinstance(value, (list, dict))) or 1
