"""The pages and endpoints of the accounts server: consent, token, revoke, server information.

Source: Zoho CRM API v8, "Authorization request", "Generate access token", "Refresh", "Revoke", "Multi DC".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from simulators.control import json_response
from simulators.zoho.accounts import Consent, OAuthError
from simulators.zoho.organisation import Organisation, User
from simulators.zoho.watch import is_loopback
from simulators.zoho.world import DATA_CENTRES, World

_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Zoho Accounts (simulated)</title></head><body><main>
<h1>{client} would like to access your CRM</h1><ul>{scopes}</ul>
<form method="post" action="{action}">{hidden}
<label>Signed in as <select name="user_id">{users}</select></label>
<button name="decision" value="accept">Accept</button> <button name="decision" value="reject">Reject</button>
</form></main></body></html>"""
_ASKED: Final = (
    "response_type",
    "client_id",
    "scope",
    "redirect_uri",
    "access_type",
    "prompt",
    "state",
)


class Pages:
    """The accounts server as HTTP; `url_of` gives the base URL of a data centre for a request."""

    def __init__(self, world: Callable[[], World], url_of: Callable[[Request, str], str]) -> None:
        self._world = world
        self._url_of = url_of

    async def authorise(self, request: Request) -> Response:
        """`GET /oauth/v2/auth`: the consent page, or its answer at once when the settings say so."""
        asked = {name: request.query_params.get(name, "") for name in _ASKED}
        problem = self._problem(asked)
        if problem is not None:
            return HTMLResponse(f"<!DOCTYPE html><title>Error</title><h1>{escape(problem)}</h1>", status_code=400)
        settings = self._world().settings
        if settings.consent == "refuse":
            return self._refused(asked)
        if settings.consent == "approve":
            return self._approved(request, asked, settings.consent_user)
        return HTMLResponse(self._page(asked))

    async def decide(self, request: Request) -> Response:
        """`POST /oauth/v2/auth`: what the user pressed on the consent page."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        asked = {name: form.get(name, "") for name in _ASKED}
        problem = self._problem(asked)
        if problem is not None:
            return HTMLResponse(f"<!DOCTYPE html><title>Error</title><h1>{escape(problem)}</h1>", status_code=400)
        if form.get("decision") != "accept":
            return self._refused(asked)
        return self._approved(request, asked, form.get("user_id"))

    async def token(self, request: Request, data_centre: str) -> Response:
        """`POST /oauth/v2/token`: errors come with status 200; only `access_token` means success."""
        form = await _form(request)
        world = self._world()
        now = world.bench.clock.now().timestamp()
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    answer = world.accounts.exchange(form, data_centre, now)
                case "refresh_token":
                    throttled = world.settings.quotas_enabled
                    answer = world.accounts.refresh(form, data_centre, now, throttled=throttled)
                case _:
                    answer = {"error": "invalid_request"}
        except OAuthError as error:
            return json_response(error.answer)
        if "access_token" in answer:
            answer["api_domain"] = self._url_of(request, data_centre)
        return json_response(answer)

    async def revoke(self, request: Request) -> Response:
        """`POST /oauth/v2/token/revoke`: 400 for a token that does not exist."""
        form = await _form(request)
        if self._world().accounts.revoke(form.get("token", "")):
            return json_response({"status": "success"})
        return json_response({"error": "invalid_token"}, 400)

    async def server_info(self, request: Request) -> Response:
        """`GET /oauth/serverinfo`: the accounts servers of all data centres."""
        locations = {name: self._url_of(request, name) for name in DATA_CENTRES}
        return json_response({"result": "success", "locations": locations})

    def _problem(self, asked: Mapping[str, str]) -> str | None:
        client = self._world().accounts.clients.get(asked["client_id"])
        if client is None:
            return "Invalid Client ID"
        redirect = asked["redirect_uri"]
        if redirect not in client.redirect_uris and (client.redirect_uris or not is_loopback(redirect)):
            return "Invalid Redirect Uri"
        if asked["response_type"] != "code":
            return "Invalid Response Type"
        return None if asked["scope"] else "Invalid OAuth Scope"

    def _page(self, asked: Mapping[str, str]) -> str:
        users = "".join(
            f'<option value="{user.id}">{escape(user.full_name)} ({escape(user.email)}), {escape(org.name)}</option>'
            for org, user in self._active_users()
        )
        hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in asked.items())
        scopes = "".join(f"<li>{escape(scope)}</li>" for scope in _scopes(asked))
        return _PAGE.format(client=escape(asked["client_id"]), scopes=scopes, action="auth", hidden=hidden, users=users)

    def _active_users(self) -> list[tuple[Organisation, User]]:
        world = self._world()
        return [(org, user) for org in world.organisations.values() for user in org.users.values() if user.active]

    def _refused(self, asked: Mapping[str, str]) -> Response:
        return _redirect(asked, {"error": "access_denied"})

    def _approved(self, request: Request, asked: Mapping[str, str], user_id: str | None) -> Response:
        world = self._world()
        people = self._active_users()
        chosen = next(((org, user) for org, user in people if user.id == user_id or not user_id), None)
        if chosen is None:
            return HTMLResponse("<!DOCTYPE html><title>Error</title><h1>No such user</h1>", status_code=400)
        org, user = chosen
        offline = asked["access_type"] == "offline"
        consent = Consent(asked["client_id"], user.id, org.zgid, org.data_centre, frozenset(_scopes(asked)), offline)
        now = world.bench.clock.now().timestamp()
        prompted = asked["prompt"].lower() == "consent"
        throttled = world.settings.quotas_enabled
        code = world.accounts.issue_code(consent, asked["redirect_uri"], now, prompted=prompted, throttled=throttled)
        if code is None:
            return self._refused(asked)
        server = self._url_of(request, org.data_centre)
        return _redirect(asked, {"code": code, "location": org.data_centre, "accounts-server": server})


def _scopes(asked: Mapping[str, str]) -> list[str]:
    return [one for one in asked["scope"].replace(" ", ",").split(",") if one]


def _redirect(asked: Mapping[str, str], answer: dict[str, str]) -> Response:
    given = answer | ({"state": asked["state"]} if asked["state"] else {})
    joint = "&" if "?" in asked["redirect_uri"] else "?"
    return RedirectResponse(f"{asked['redirect_uri']}{joint}{urlencode(given)}", status_code=302)


async def _form(request: Request) -> dict[str, str]:
    """Parameters of the query and of the form body together, as the vendor takes both."""
    given: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/")):
        given |= dict((await request.form()).items())
    return {name: str(value) for name, value in given.items()}
