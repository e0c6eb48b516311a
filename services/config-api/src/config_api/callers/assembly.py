"""Trust in issuers, built from settings."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2

from config_api.callers.authenticator import IssuerAuthenticator, KnownCallers
from config_api.callers.identities import ClaimNames
from config_api.callers.keys import EdgeFor, IssuerKeys
from config_api.callers.sessions import Sessions
from config_api.callers.tokens import TokenVerifier, TrustedIssuer
from config_api.settings import ConfigApiSettings
from config_api.signin.service import SignIn, SignInClient
from contactsync.adapters.http import HostGuard, HttpEdge, HttpSettings
from contactsync.ports.callers import CallerDirectory, Tickets
from contactsync.ports.clock import Clock

_SMALL_ANSWERS = HttpSettings(max_answer_bytes=512 * 1024)
"""Key sets and metadata are a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Callers with tokens, and the page's way to a session; no way without a client at the issuer."""

    callers: IssuerAuthenticator
    sign_in: SignIn | None


def edges(client: httpx2.AsyncClient, clock: Clock) -> EdgeFor:
    """An edge for each address that an issuer names: it reaches that host and no other."""

    def edge_for(url: str) -> HttpEdge:
        return HttpEdge(client, HostGuard((), (url,)), clock, _SMALL_ANSWERS)

    return edge_for


def trust_from(
    settings: ConfigApiSettings,
    edge_for: EdgeFor,
    directory: CallerDirectory,
    tickets: Tickets,
    sessions: Sessions,
    clock: Clock,
) -> Trust | None:
    """What the settings trust; None for one local user."""
    if settings.is_local:
        return None
    keys = {
        name: IssuerKeys(name, jwks_url or None, edge_for, clock)
        for name, jwks_url in (
            (settings.oidc_issuer, settings.oidc_jwks_url),
            (settings.crm_issuer, settings.crm_jwks_url),
        )
        if name
    }
    algorithms = frozenset(settings.oidc_algorithms)
    issuers = [TrustedIssuer(name, settings.oidc_audience, algorithms, held) for name, held in keys.items()]
    verifier = TokenVerifier(issuers, clock)
    names = ClaimNames(settings.oidc_organisation_claim, settings.oidc_role_claim, frozenset(settings.oidc_admin_roles))
    callers = IssuerAuthenticator(verifier, names, KnownCallers(directory, clock), sessions)
    if not settings.signs_in_with_issuer:
        return Trust(callers, None)
    client = SignInClient(
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
        f"{settings.public_address}/auth/callback",
        settings.oidc_scopes,
    )
    return Trust(callers, SignIn(client, keys[settings.oidc_issuer], verifier, tickets, edge_for))
