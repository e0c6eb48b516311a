"""Where Google is. The real hosts are the default; settings may name others, a local server in their place say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx2

from contactsync.adapters.http import HostGuard

GOOGLE_HOSTS: Final = frozenset(
    {"people.googleapis.com", "accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com"}
)
"""Every host of Google that this product talks to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleEndpoints:
    """Addresses of the People API and of Google's OAuth 2 and OpenID Connect endpoints.

    Source: Google, "Using OAuth 2.0 for Web Server Applications" and the OpenID discovery document.
    """

    people_url: str = "https://people.googleapis.com"
    auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105  an address, no password
    revoke_url: str = "https://oauth2.googleapis.com/revoke"
    jwks_url: str = "https://www.googleapis.com/oauth2/v3/certs"

    @property
    def issuers(self) -> tuple[str, ...]:
        """Who may sign identity tokens: Google under either spelling, or the server that stands for it.

        Source: Google, "OpenID Connect", "Validate an ID token".
        """
        url = httpx2.URL(self.auth_url)
        if url.host == "accounts.google.com":
            return ("https://accounts.google.com", "accounts.google.com")
        return (f"{url.scheme}://{url.netloc.decode()}",)

    def guard(self) -> HostGuard:
        """The hosts that requests to Google may go to: its own, and those named here."""
        return HostGuard(GOOGLE_HOSTS, (self.people_url, self.token_url, self.revoke_url, self.jwks_url))
