"""Where a consent begins in a browser, and where providers send it back to.

A consent is bound to the browser that begins it (RFC 9700, 4.7). Who asked for it may sit in front of another one: a
program asks with a token, an address can be sent to somebody. So the address is one of ours. A browser that is signed
in as the user who asked goes on at once; any other shows first who asked, and goes on when its owner agrees.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse

from config_api.callers.sessions import Place, is_from_our_page
from config_api.oauth.pages import confirming_page, connected_text, ending_page
from config_api.oauth.returned import Redirected
from config_api.oauth.service import Consents, Ended
from config_api.resources import Given, Resources, resources_of
from config_api.web.language import language_of
from config_api.web.problems import PROBLEMS, ProblemError, responses
from contactsync.errors import TicketEndedError
from contactsync.ports.connections import Owner, Provider

router = APIRouter(prefix="/oauth", tags=["connections"], responses=responses("rate_limited", "internal_error"))

_COOKIE: Final = "contactsync-consent"
Secret = Annotated[str, Path(max_length=100)]


def consents(given: Given) -> Consents:
    """The dependency of routes that begin or end consents."""
    return given.consents


Service = Annotated[Consents, Depends(consents)]


@router.get(
    "/{provider}/start/{secret}",
    status_code=303,
    response_class=Response,
    summary="Begin a consent in this browser",
    responses=responses("state_invalid", "invalid_request")
    | {200: {"description": "A page that says who asked", "content": {"text/html": {}}}},
)
async def start(provider: Provider, secret: Secret, request: Request, given: Given, service: Service) -> Response:
    """Go on to the provider, or ask first. Protected by a secret that is used once, and by what the page says."""
    wanted = await service.wanted(provider, secret)
    if await _is_signed_in_as(wanted.owner, request, given):
        return await _onward(given, service, provider, secret)
    return confirming_page(language_of(request), provider, await service.asker(wanted))


@router.post(
    "/{provider}/start/{secret}",
    status_code=303,
    response_class=RedirectResponse,
    summary="Agree to begin a consent",
    responses=responses("state_invalid", "invalid_request", "not_allowed"),
)
async def agree(provider: Provider, secret: Secret, request: Request, given: Given, service: Service) -> Response:
    """Go on to the provider. What the page above sends, and no other site can."""
    if not is_from_our_page(request, given.settings.public_address):
        raise ProblemError("not_allowed")
    return await _onward(given, service, provider, secret)


@router.get(
    "/{provider}/callback",
    status_code=303,
    response_class=Response,
    summary="The end of a consent",
    responses=responses("state_invalid", "invalid_request")
    | {200: {"description": "A page that says how it ended", "content": {"text/html": {}}}},
)
async def callback(provider: Provider, request: Request, service: Service, returned: Redirected) -> Response:
    """Store the grant for whom the consent was begun, and send the browser on. Each state is good once."""
    ended = await service.end(provider, returned, request.cookies.get(_cookie_name(resources_of(request), provider)))
    return _answer(request, provider, ended, service.public_url)


async def _is_signed_in_as(owner: Owner, request: Request, given: Resources) -> bool:
    """Whether this browser signed in as that user by itself.

    A session of frames does not say so: it is opened by an address, which may have been sent like the consent's own.
    """
    if Place.FRAME.value in request.cookies:
        return False
    try:
        caller = await given.authenticator.caller(request)
    except TicketEndedError:  # signed in no more: whoever it is sees who asked
        return False
    return caller is not None and Owner(caller.organisation_id, caller.user_id) == owner


async def _onward(given: Resources, service: Consents, provider: Provider, secret: str) -> Response:
    """To the provider, with a secret that this browser keeps, so that nobody else's browser can end the consent."""
    browser = secrets.token_urlsafe(32)
    answer = RedirectResponse(await service.onward(provider, secret, browser), 303)
    answer.set_cookie(
        _cookie_name(given, provider),
        browser,
        max_age=int(given.settings.consent_lifetime.total_seconds()),
        secure=_is_https(given),
        httponly=True,
        samesite="lax",  # it must come along when the provider sends the browser back
    )
    return answer


def _cookie_name(given: Resources, provider: Provider) -> str:
    """One for each provider: both may be connected at the same time."""
    return f"{'__Host-' if _is_https(given) else ''}{_COOKIE}-{provider.value}"


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
