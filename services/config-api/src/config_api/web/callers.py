"""Who calls. The type of the dependency says who may: every route declares one, so that nothing is open by mistake."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from fastapi import Depends, Request

from config_api.web.problems import ProblemError
from config_api.web.rates import RequestRates
from contactsync.domain.ids import OrganisationId, UserId
from contactsync.ports.audit import acting_user
from contactsync.ports.callers import Role

__all__ = [
    "AdminCaller",
    "AnyCaller",
    "Authenticator",
    "Caller",
    "LocalUser",
    "Role",
    "current_admin",
    "current_caller",
]


_LOOPBACK: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """One user of one organisation."""

    organisation_id: OrganisationId
    user_id: UserId
    role: Role


def owner_of(caller: Caller) -> UserId | None:
    """Whose configurations the caller may see; None: an administrator sees those of his whole organisation."""
    return None if caller.role is Role.ADMIN else caller.user_id


class Authenticator(Protocol):
    """Tells who sent a request."""

    async def caller(self, request: Request) -> Caller | None:
        """The caller, or None when the request says nothing that can be believed."""
        ...


class LocalUser:
    """The one user of an installation without an OpenID provider, which listens on the loopback alone."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, request: Request) -> Caller | None:
        """Always the same user; requests that a page of another site sent by the browser are not his."""
        # The header itself: the framework puts the server's own address in place of one that it cannot read.
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        foreign = origin is not None and origin != f"{request.url.scheme}://{host}"
        return self._caller if _LOOPBACK.fullmatch(host) and not foreign else None


async def current_caller(request: Request) -> Caller:
    """The caller of a route. Raises a 401 problem when there is none, a 429 problem when he calls too often."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:  # asked before, by the route class: nobody is counted twice
        return known
    authenticator: Authenticator = request.app.state.resources.authenticator
    caller = await authenticator.caller(request)
    if caller is None:
        raise ProblemError("not_authenticated")
    rates: RequestRates = request.app.state.resources.rates
    rates.admit(caller.organisation_id, caller.user_id)
    acting_user.set(caller.user_id)  # for this request's task alone
    request.state.caller = caller
    return caller


async def current_admin(request: Request) -> Caller:
    """The caller, who must be an administrator of his organisation."""
    caller = await current_caller(request)
    if caller.role is not Role.ADMIN:
        raise ProblemError("not_allowed")
    return caller


AnyCaller = Annotated[Caller, Depends(current_caller)]
AdminCaller = Annotated[Caller, Depends(current_admin)]
