"""Endpoints of an organisation, and requests of a CRM for runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from pydantic import ValidationError

from config_api.web.bodies import parsed
from config_api.web.callers import Caller
from config_api.web.fields import FieldError, field_errors
from config_api.web.problems import ProblemError
from config_api.webhooks.intake import RunAsker
from config_api.webhooks.schemas import SyncRequest, WebhookEndpointBody
from config_api.webhooks.signing import is_secret, is_signed, new_secret
from contactsync.domain.ids import ConfigId
from contactsync.ports.clock import Clock
from contactsync.ports.state import RunMode
from contactsync.ports.webhooks import Direction, Endpoint, Endpoints

SECRET_HEADER = "x-contact-sync-secret"  # noqa: S105  the name of a header
MOST_ENDPOINTS = 20


class WebhookEndpoints:
    """What administrators do with endpoints."""

    def __init__(self, endpoints: Endpoints, clock: Clock, allowed_hosts: Sequence[str]) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._allowed_hosts = frozenset(allowed_hosts)

    async def page(self, caller: Caller) -> Sequence[Endpoint]:
        """All of the caller's organisation."""
        return await self._endpoints.page(caller.organisation_id)

    async def add(self, caller: Caller, body: WebhookEndpointBody) -> tuple[Endpoint, str]:
        """A new endpoint and its secret."""
        errors = self._errors(body)
        if errors:
            raise ProblemError("invalid_request", errors=errors)
        if len(await self.page(caller)) >= MOST_ENDPOINTS:
            raise ProblemError("too_many")
        events = tuple(event.value for event in body.events)
        endpoint = Endpoint(uuid4(), body.direction, body.name, body.url, events, self._clock.now())
        secret = new_secret()
        await self._endpoints.add(caller.organisation_id, caller.user_id, endpoint, secret)
        return endpoint, secret

    async def rotate(self, caller: Caller, endpoint_id: UUID) -> tuple[Endpoint, str]:
        """The endpoint and its new secret."""
        secret, now = new_secret(), self._clock.now()
        endpoint = await self._endpoints.rotate(caller.organisation_id, caller.user_id, endpoint_id, secret, now)
        return endpoint, secret

    async def remove(self, caller: Caller, endpoint_id: UUID) -> None:
        """Delete it."""
        await self._endpoints.remove(caller.organisation_id, caller.user_id, endpoint_id, self._clock.now())

    def _errors(self, body: WebhookEndpointBody) -> list[FieldError]:
        if body.direction is Direction.INCOMING:
            return [
                FieldError(name, "not_for_incoming")
                for name, value in (("url", body.url), ("events", body.events))
                if value
            ]
        parts = _parts(body.url or "")
        if parts is None:
            return [FieldError("url", "not_an_address")]
        scheme, host = parts
        # Where the name leads is checked at every call, since it may change between two of them.
        if scheme != "https" and host not in self._allowed_hosts:
            return [FieldError("url", "not_https")]
        return []


def _parts(url: str) -> tuple[str, str] | None:
    """Scheme and host; None for what is no plain web address, or has a host that no name service could be asked for."""
    if any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # UnicodeError is one: a part of the name is empty or too long
        return None
    usable = parts.scheme in {"http", "https"} and host and port != 0 and parts.username is None
    return (parts.scheme, host) if usable else None


class SyncRequests:
    """A CRM asks for runs by an endpoint."""

    def __init__(self, endpoints: Endpoints, asker: RunAsker, clock: Clock) -> None:
        self._endpoints = endpoints
        self._asker = asker
        self._clock = clock

    async def take(self, endpoint_id: UUID, headers: Mapping[str, str], body: bytes) -> int:
        """How many configurations a run was asked for. An unknown endpoint and a wrong secret are one 404 problem.

        A message that comes twice asks twice, which is harmless: the second joins the open run.
        """
        target = await self._endpoints.find_incoming(endpoint_id)
        now = self._clock.now()
        keys = () if target is None else target.secrets.valid(now)
        believed = is_signed(keys, headers, body, now) or is_secret(keys, headers.get(SECRET_HEADER, ""))
        if target is None or not believed:
            raise ProblemError("not_found")
        request = _request(body)
        if request.configuration_id is not None:
            chosen: Sequence[ConfigId] = [ConfigId(request.configuration_id)]
        else:
            chosen = await self._endpoints.active_configurations(target.organisation_id)
        return await self._asker.ask(target.organisation_id, chosen, RunMode(request.mode))


def _request(body: bytes) -> SyncRequest:
    """The body, read after its signature was checked; nothing asks for everything."""
    try:
        return SyncRequest.model_validate(parsed(body)) if body.strip() else SyncRequest()
    except ValidationError as error:
        raise ProblemError("invalid_request", errors=field_errors(error.errors())) from None
