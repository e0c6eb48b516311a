"""The way of every API call: who asks, may he, can the organisation afford it, then the endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from simulators.control import json_response
from simulators.requestlog import Call
from simulators.zoho import limits, times
from simulators.zoho.accounts import AccessToken, Consent
from simulators.zoho.api import Answer, ApiCall, Endpoint, granted, module_named
from simulators.zoho.endpoints import operation_of
from simulators.zoho.errors import ZohoError, bad_body, no_permission, unauthorised
from simulators.zoho.jsonvalue import Json
from simulators.zoho.organisation import API_ACCESS, Organisation, User
from simulators.zoho.world import World

_PREFIX: Final = "Zoho-oauthtoken "
_RESET_HEADER: Final = "X-ACCESSTOKEN-RESET"


class VendorAnswers:
    """How the CRM words what a fault asks for."""

    def error(self, operation: str, status: int) -> Response:
        """The vendor's usual body for that status."""
        if operation.startswith("oauth."):
            return json_response({"error": "general_error"}, status)
        codes = {
            401: ("INVALID_TOKEN", "invalid oauth token"),
            403: ("NO_PERMISSION", "permission denied"),
            404: ("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"),
            429: ("TOO_MANY_REQUESTS", limits.CONCURRENCY),
        }
        code, message = codes.get(status, ("INTERNAL_ERROR", "Internal Server Error"))
        return _refusal(ZohoError(status, code, message))

    def rate_limited(self, operation: str, variant: str | None) -> Response:
        """429 for `concurrency` (the usual one), `sub_concurrency` or `credits`; for tokens `Access Denied`."""
        texts = {
            None: limits.CONCURRENCY,
            "concurrency": limits.CONCURRENCY,
            "sub_concurrency": limits.SUB_CONCURRENCY,
            "credits": limits.CREDITS,
        }
        if variant not in texts:
            raise ValueError(f"{variant}: one of concurrency, sub_concurrency, credits is needed")
        if operation.startswith("oauth."):
            text = "You have made too many requests continuously. Please try again after some time."
            return json_response({"error_description": text, "error": "Access Denied", "status": "failure"})
        return _refusal(ZohoError(429, "TOO_MANY_REQUESTS", texts[variant]))


class Gate:
    """Turns requests into calls of endpoints, with log, faults, rights and limits on the way."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def pass_through(self, endpoint: Endpoint, request: Request, data_centre: str, base_url: str) -> Response:
        """The answer to a request that an endpoint's path matches."""
        raw = await request.body()
        body, readable = _parsed(raw)
        params = dict(request.query_params)
        token = self._token(request)
        module = request.path_params.get("module", "")
        name = operation_of(endpoint, module, params, request.headers)
        credits_ = endpoint.credits(params, body)
        rows = body.get("data") if isinstance(body, dict) else None
        items = len(rows) if isinstance(rows, list) else None
        account = token.consent.zgid if token is not None else None
        call = Call(name, account, endpoint.mutation, {"credits": credits_}, items)

        async def act() -> Response:
            try:
                if refusal is not None:
                    raise refusal
                if not readable:
                    raise bad_body()
                org, user, consent = self._admit(token, endpoint, request, data_centre)
                api_call = ApiCall(
                    self.world,
                    org,
                    user,
                    consent,
                    params,
                    request.headers,
                    request.path_params,
                    body,
                    self.world.now,
                    base_url,
                    name,
                    lambda rows: list(self._shorten(name, rows, account)),
                )  # fmt: skip  one call in three lines
                return self._carry_out(endpoint, api_call, credits_, token)
            except ZohoError as error:
                return _refusal(error)

        with self._place(token, endpoint, params, body) as refusal:
            return await self.world.bench.perform(request, call, act)

    @contextmanager
    def _place(
        self, token: AccessToken | None, endpoint: Endpoint, params: Mapping[str, str], body: Json
    ) -> Iterator[ZohoError | None]:
        """Hold a place among the calls at once for as long as the answer takes; yields the 429 when none is free."""
        org = None if token is None else self.world.organisations.get(token.consent.zgid)
        if token is None or org is None or not self.world.settings.quotas_enabled:
            yield None
            return
        heavy = endpoint.heavy(params, body)
        refusal = limits.enter(org, token.consent.client_id, weight=endpoint.weight, heavy=heavy)
        try:
            yield refusal
        finally:
            if refusal is None:
                limits.leave(org, token.consent.client_id, weight=endpoint.weight, heavy=heavy)

    def _shorten(self, name: str, rows: list[Any], account: str | None) -> Json:
        return self.world.bench.faults.shorten(name, rows, account)[0]

    def _carry_out(self, endpoint: Endpoint, call: ApiCall, credits_: int, token: AccessToken | None) -> Response:
        headers: dict[str, str] = {}
        if token is not None:
            headers[_RESET_HEADER] = times.show(int(token.expires), call.user.time_zone)
        settings = call.settings
        if settings.quotas_enabled:
            left = limits.spend(call.org, credits_, call.now, settings.credits)
            if left * 2 <= limits.daily_credits(call.org.license, settings.credits):
                headers["X-API-CREDITS-REMAINING"] = str(left)
        answer = endpoint.handler(call)
        self.world.channels.send(
            drop=settings.drop_notifications,
            duplicate=settings.duplicate_notifications,
            reorder=settings.reorder_notifications,
        )
        return _response(answer, headers)

    def _token(self, request: Request) -> AccessToken | None:
        """The living access token of the request, if it sent one in the vendor's own scheme."""
        given = request.headers.get("authorization", "")
        if not given.startswith(_PREFIX):
            return None
        return self.world.accounts.check(given.removeprefix(_PREFIX), self.world.bench.clock.now().timestamp())

    def _admit(
        self, token: AccessToken | None, endpoint: Endpoint, request: Request, data_centre: str
    ) -> tuple[Organisation, User, Consent]:
        """The caller; ZohoError for a bad token, wrong host, missing scope or a profile without API access."""
        if "authorization" not in request.headers:
            raise unauthorised("AUTHENTICATION_FAILURE")
        found = None if token is None else self.world.find_user(token.consent.user_id)
        if token is None or found is None or not found[1].active:
            raise unauthorised(self.world.settings.expired_token_code)
        org, user = found
        if org.data_centre != data_centre:
            raise ZohoError(400, "INVALID_HOST", "the host given is not the one of the organisation")
        module = request.path_params.get("module")
        names = [scope.replace("{module}", module_named(module) if module else "") for scope in endpoint.scopes]
        if not all(granted(token.consent.scopes, name) for name in names):
            raise unauthorised("OAUTH_SCOPE_MISMATCH")
        if API_ACCESS not in org.profile_of(user).enabled:
            raise no_permission(API_ACCESS)
        return org, user, token.consent


def _parsed(raw: bytes) -> tuple[Any, bool]:
    """The JSON of the body and whether it could be read; no body reads as an empty object."""
    if not raw:
        return {}, True
    try:
        return orjson.loads(raw), True
    except orjson.JSONDecodeError:
        return None, False


def _response(answer: Answer, headers: Mapping[str, str]) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers={**headers, **answer.headers})
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, {**headers, **answer.headers})
    content = orjson.dumps(answer.body)
    return Response(content, answer.status, {**headers, **answer.headers}, "application/json;charset=UTF-8")


def _refusal(error: ZohoError) -> Response:
    return _response(Answer(error.status, error.body()), {})
