"""Callers by their token, or by the session that a sign-in left in the browser."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import Request

from config_api.callers.identities import ClaimNames, identity_from
from config_api.callers.sessions import Sessions
from config_api.callers.tokens import TokenRefusedError, TokenVerifier
from config_api.web.callers import Caller
from contactsync.ports.callers import CallerDirectory, Identity
from contactsync.ports.clock import Clock
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_KEPT_FOR: Final = timedelta(seconds=60)
_MOST_KEPT: Final = 10_000


class KnownCallers:
    """Who somebody is here, remembered for a minute, so that a request need not write."""

    def __init__(self, directory: CallerDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._kept: OrderedDict[Identity, tuple[Caller, datetime]] = OrderedDict()

    async def caller(self, identity: Identity) -> Caller | None:
        """The caller; None when his organisation was erased."""
        caller, until = self._kept.get(identity, (None, self._clock.now()))
        if caller is not None and until > self._clock.now():
            return caller
        known = await self._directory.known(identity)
        if known is None:
            self._kept.pop(identity, None)
            return None
        caller = Caller(known.organisation_id, known.user_id, identity.role)
        self._kept[identity] = (caller, self._clock.now() + _KEPT_FOR)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return caller


class IssuerAuthenticator:
    """`Authenticator` where there are issuers."""

    def __init__(self, verifier: TokenVerifier, names: ClaimNames, callers: KnownCallers, sessions: Sessions) -> None:
        self._verifier = verifier
        self._names = names
        self._callers = callers
        self._sessions = sessions

    async def caller(self, request: Request) -> Caller | None:
        """The caller. A token that is shown decides alone: a bad one is not forgiven for the sake of a cookie."""
        header = request.headers.get("authorization")
        if header is None:
            return await self._sessions.caller(request)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return await self.of_claims(await self._verifier.claims(token.strip()))
        except TokenRefusedError as error:
            log.info("api.token.refused", reason=str(error))
            return None

    async def of_claims(self, claims: Mapping[str, Any]) -> Caller | None:
        """The caller whom believed claims name. Raises TokenRefusedError when they name no organisation."""
        return await self._callers.caller(identity_from(claims, self._names))
