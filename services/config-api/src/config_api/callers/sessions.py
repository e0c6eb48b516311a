"""Sessions of browsers: a cookie that holds a secret and nothing else, and what the secret stands for, sealed.

A cookie is sent by whatever makes the browser ask, so that a request which changes something must say that it comes
from our own page (`Sec-Fetch-Site`, else `Origin`): the check of both headers needs no token in forms
(OWASP, "Cross-Site Request Forgery Prevention", fetch metadata).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from fastapi import Request, Response

from config_api.web.callers import Caller
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.ports.audit import Action, AuditEntry, AuditTrail
from contactsync.ports.callers import Role, Tickets
from contactsync.ports.clock import Clock

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Place(StrEnum):
    """Where the page stands: by itself, or in a frame of another site. Each has its cookie."""

    PAGE = "__Host-contactsync"
    FRAME = "__Host-contactsync-frame"


class Sessions:
    """Opens, finds and closes sessions; the trail says who came in and went out."""

    def __init__(
        self, tickets: Tickets, trail: AuditTrail, clock: Clock, public_url: str, lifetimes: Mapping[Place, timedelta]
    ) -> None:
        self._tickets = tickets
        self._trail = trail
        self._clock = clock
        self._public_url = public_url
        self._lifetimes = lifetimes

    async def open(self, response: Response, caller: Caller, place: Place) -> None:
        """Give the browser a new session; the secret of an older one is never taken up (fixation)."""
        lifetime = self._lifetimes[place]
        secret = await self._tickets.issue(place.value, content_of(caller), lifetime, caller.user_id)
        await self._record(Action.SESSION_OPENED, caller, place)
        response.headers.append("Set-Cookie", self._cookie(place, secret, lifetime))

    async def caller(self, request: Request) -> Caller | None:
        """Whose session the request belongs to; None without one, and for a change that another site asks for.

        Raises TicketEndedError for one that ended since its user is not active in the CRM any more.
        """
        for place in Place:
            secret = request.cookies.get(place.value)
            content = None if secret is None else await self._tickets.read(place.value, secret)
            if content is not None:
                return caller_of(content) if self._is_ours(request) else None
        return None

    async def close(self, request: Request, response: Response) -> None:
        """End the sessions of this browser."""
        for place in Place:
            secret = request.cookies.get(place.value)
            if secret is not None:
                content = await self._tickets.take(place.value, secret)
                if content is not None:
                    await self._record(Action.SESSION_ENDED, caller_of(content), place)
                response.headers.append("Set-Cookie", self._cookie(place, "", timedelta()))

    async def _record(self, action: Action, caller: Caller, place: Place) -> None:
        entry = AuditEntry(action, "user", str(caller.user_id), caller.user_id, {"place": place.name.lower()})
        await self._trail.add(caller.organisation_id, self._clock.now(), entry)

    def _is_ours(self, request: Request) -> bool:
        return request.method in _SAFE_METHODS or is_from_our_page(request, self._public_url)

    @staticmethod
    def _cookie(place: Place, secret: str, lifetime: timedelta) -> str:
        # In a frame of another site the cookie is kept apart for each embedding site (CHIPS).
        reach = "SameSite=Lax" if place is Place.PAGE else "SameSite=None; Partitioned"
        return f"{place.value}={secret}; Path=/; Secure; HttpOnly; Max-Age={lifetime.total_seconds():.0f}; {reach}"


def is_from_our_page(request: Request, public_url: str) -> bool:
    """Whether a browser says that a page of ours sent this request."""
    site = request.headers.get("sec-fetch-site")
    return site == "same-origin" if site is not None else request.headers.get("origin") == origin_of(public_url)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as browsers write them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def content_of(caller: Caller) -> bytes:
    """A caller, to be sealed."""
    return orjson.dumps([str(caller.organisation_id), str(caller.user_id), caller.role.value])


def caller_of(content: bytes) -> Caller:
    """The caller that was sealed."""
    organisation, user, role = orjson.loads(content)
    return Caller(OrganisationId(UUID(organisation)), UserId(UUID(user)), Role(role))
