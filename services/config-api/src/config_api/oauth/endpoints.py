"""Where providers send browsers back to. No caller is known here: the state says for whom the consent was begun."""

from __future__ import annotations

import secrets
from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from config_api.oauth.pages import connected_text, ending_page
from config_api.oauth.service import Consents, Ended, Returned
from config_api.resources import Given, Resources, resources_of
from config_api.web.language import language_of
from config_api.web.problems import PROBLEMS, responses
from contactsync.ports.connections import Provider

router = APIRouter(prefix="/oauth", tags=["connections"], responses=responses("rate_limited", "internal_error"))

_COOKIE: Final = "contactsync-consent"


def consents(given: Given) -> Consents:
    """The dependency of routes that begin or end consents."""
    return given.consents


@router.get(
    "/{provider}/callback",
    status_code=303,
    response_class=Response,
    summary="The end of a consent",
    responses=responses("state_invalid", "invalid_request")
    | {200: {"description": "A page that says how it ended", "content": {"text/html": {}}}},
)
async def callback(  # noqa: PLR0913, PLR0917  what providers send
    provider: Provider,
    request: Request,
    service: Annotated[Consents, Depends(consents)],
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str | None, Query(max_length=4000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    accounts_server: Annotated[str | None, Query(alias="accounts-server", max_length=200)] = None,
    location: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    """Store the grant for whom the consent was begun, and send the browser on. Each state is good once."""
    returned = Returned(state=state, code=code, error=error, accounts_server=accounts_server, location=location)
    ended = await service.end(provider, returned, request.cookies.get(_cookie_name(resources_of(request))))
    return _answer(request, provider, ended, service.public_url)


def bind(request: Request, response: Response) -> str | None:
    """The secret that this browser keeps until its consent ends, so that nobody else's browser can end it.

    Browsers of our own pages keep one (RFC 9700, 4.7). A program that asks with a token of its own, or from the
    command line of a local installation, has no browser to bind: its state alone stands for it.
    """
    given = resources_of(request)
    from_page = request.headers.get("sec-fetch-site") == "same-origin"
    if "authorization" in request.headers or (given.settings.is_local and not from_page):
        return None
    secret = secrets.token_urlsafe(32)
    response.set_cookie(
        _cookie_name(given),
        secret,
        max_age=int(given.settings.consent_lifetime.total_seconds()),
        secure=_is_https(given),
        httponly=True,
        samesite="lax",  # it must come along when the provider sends the browser back
    )
    return secret


def _cookie_name(given: Resources) -> str:
    return f"__Host-{_COOKIE}" if _is_https(given) else _COOKIE


def _is_https(given: Resources) -> bool:
    return given.settings.public_url.scheme == "https"


def _answer(request: Request, provider: Provider, ended: Ended, public_url: str) -> Response:
    consent, language = ended.consent, language_of(request)
    told = {"provider": provider.value, "status": "failed" if ended.problem else "connected"}
    told |= {"code": ended.problem} if ended.problem else {}
    back = None if consent.return_url is None else _with_query(consent.return_url, told)
    if back is not None and consent.display == "page" and ended.other is None:
        return RedirectResponse(back, 303)
    problem = PROBLEMS.get(ended.problem)
    text = connected_text(language) if problem is None else problem.texts[language]
    if consent.display == "page":
        return ending_page(language, text, status=_status(ended), other=ended.other, back=back)
    target = urlsplit(consent.return_url or public_url)
    message = ({"source": "contact-sync", **told}, f"{target.scheme}://{target.netloc}")
    return ending_page(language, text, status=_status(ended), other=ended.other, told=message)


def _status(ended: Ended) -> int:
    return PROBLEMS[ended.problem].status if ended.problem else 200


def _with_query(url: str, values: dict[str, str]) -> str:
    """The address with these values added to its query."""
    parts = urlsplit(url)
    query = f"{parts.query}&{urlencode(values)}" if parts.query else urlencode(values)
    return parts._replace(query=query).geturl()
