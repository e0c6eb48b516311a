"""Signing in and out of the page. These routes have no caller yet: each says what protects it instead."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from config_api.callers.sessions import Place
from config_api.callers.tokens import TokenRefusedError
from config_api.oauth.returned import Redirected
from config_api.resources import Given, Resources
from config_api.signin.service import LIFETIME, Begun, Finished, SignIn
from config_api.signin.zoho import ZohoSignIn
from config_api.web.callers import AnyCaller, Caller
from config_api.web.paths import own_path
from config_api.web.problems import ProblemError, responses

router = APIRouter(tags=["sign-in"], responses=responses("rate_limited", "internal_error"))

_COOKIE: Final = "__Host-contactsync-sign-in"
_ZOHO_COOKIE: Final = "__Host-contactsync-sign-in-zoho"

DataCentreName = Annotated[
    str | None, Query(pattern="^[a-z]{2}$", description="Needed for `cn`, which stands alone; others find their own")
]
ReturnPath = Annotated[str, Query(max_length=500, description="A path of the page to come back to")]


@router.get(
    "/auth/sign-in",
    status_code=303,
    response_class=RedirectResponse,
    summary="Sign in with the issuer",
    responses=responses("invalid_request", "not_found", "provider_unavailable"),
)
async def sign_in(given: Given, return_path: ReturnPath = "/") -> Response:
    """Send the browser to the issuer. Protected by nothing: it does no more than begin."""
    begun = await _service(given).begin(own_path(return_path))
    answer = RedirectResponse(begun.authorization_url, 303)
    answer.headers["Set-Cookie"] = _state_cookie(_COOKIE, begun.state, LIFETIME)
    return answer


@router.get(
    "/auth/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="The issuer's answer",
    responses=responses(
        "state_invalid", "consent_refused", "invalid_request", "not_allowed", "not_found", "provider_unavailable"
    ),
)
async def callback(
    request: Request,
    given: Given,
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str | None, Query(max_length=4000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    iss: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Open a session. Protected by a secret that is used once and that this browser alone keeps."""
    service = _service(given)
    if code is None or error is not None:
        await service.abandon(state)
        raise ProblemError("consent_refused")
    finished = await service.finish(state=state, browser_state=request.cookies.get(_COOKIE), code=code, issuer=iss)
    caller = await _caller(given, finished)
    if caller is None:  # the issuer knows him, but names no organisation that may be used here
        raise ProblemError("not_allowed")
    answer = RedirectResponse(finished.return_path, 303)
    answer.headers.append("Set-Cookie", _state_cookie(_COOKIE, "", timedelta()))
    await given.sessions.open(answer, caller, Place.PAGE)
    return answer


@router.get(
    "/auth/zoho/sign-in",
    status_code=303,
    response_class=RedirectResponse,
    summary="Sign in with Zoho CRM",
    responses=responses("invalid_request", "not_found"),
)
async def sign_in_with_zoho(
    given: Given, return_path: ReturnPath = "/", data_centre: DataCentreName = None
) -> Response:
    """Send the browser to Zoho. Protected by nothing: it does no more than begin."""
    return _to_zoho(await _zoho(given).begin(own_path(return_path), data_centre))


@router.get(
    "/auth/zoho/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="Zoho's answer",
    responses=responses(
        "state_invalid",
        "consent_refused",
        "consent_failed",
        "missing_scope",
        "crm_user_refused",
        "permission_missing",
        "edition_free",
        "organisation_not_allowed",
        "organisation_elsewhere",
        "not_allowed",
        "not_found",
        "invalid_request",
        "provider_unavailable",
    ),
)
async def zoho_callback(request: Request, given: Given, returned: Redirected) -> Response:
    """Keep the connection and open a session. Protected by a secret that is used once and that this browser keeps."""
    ended = await _zoho(given).finish(returned, request.cookies.get(_ZOHO_COOKIE))
    if isinstance(ended, Begun):  # he consented before, but nothing of it is kept: once more, with a question
        return _to_zoho(ended)
    answer = RedirectResponse(ended.return_path, 303)
    answer.headers.append("Set-Cookie", _state_cookie(_ZOHO_COOKIE, "", timedelta()))
    await given.sessions.open(answer, ended.caller, Place.PAGE)
    return answer


@router.post("/auth/sign-out", status_code=204, summary="End the session", responses=responses("not_authenticated"))
async def sign_out(request: Request, given: Given, _: AnyCaller) -> Response:
    """End the sessions of this browser."""
    answer = Response(status_code=204)
    await given.sessions.close(request, answer)
    return answer


def _state_cookie(name: str, state: str, lifetime: timedelta) -> str:
    # Lax: it must come along when the browser is sent back.
    age = int(lifetime.total_seconds())
    return f"{name}={state}; Path=/; Secure; HttpOnly; Max-Age={age}; SameSite=Lax"


def _to_zoho(begun: Begun) -> Response:
    answer = RedirectResponse(begun.authorization_url, 303)
    answer.headers["Set-Cookie"] = _state_cookie(_ZOHO_COOKIE, begun.state, LIFETIME)
    return answer


def _zoho(given: Resources) -> ZohoSignIn:
    """The way in for users of the CRM. Raises a 404 problem where it is not open."""
    if given.zoho_sign_in is None:
        raise ProblemError("not_found")
    return given.zoho_sign_in


def _service(given: Resources) -> SignIn:
    """The way to sign in. Raises a 404 problem where there is none: one local user, or no client at the issuer."""
    if given.trust is None or given.trust.sign_in is None:
        raise ProblemError("not_found")
    return given.trust.sign_in


async def _caller(given: Resources, finished: Finished) -> Caller | None:
    try:
        return None if given.trust is None else await given.trust.callers.of_claims(finished.claims)
    except TokenRefusedError:
        return None
