"""Zoho's data centres: which accounts server belongs to which API host.

The pairs are fixed, so that a host that comes in a callback or a token answer is never followed by itself
(RFC 9700, 4.4). Source: Zoho CRM API v8, "Multi DC support", and the data-centre classes of Zoho's Python SDK 8.0;
the API host of the United Kingdom is inferred from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contactsync.adapters.http import HostGuard
from contactsync.domain.reasons import Reason
from contactsync.errors import AuthorizationLostError, ConfigurationError


@dataclass(frozen=True, slots=True)
class DataCentre:
    """One region. `name` is the callback's `location`; `api_urls` are production, sandbox and developer."""

    name: str
    accounts_url: str
    api_urls: tuple[str, ...]


def _data_centre(name: str, accounts_host: str, api_domain: str) -> DataCentre:
    hosts = (f"www.{api_domain}", f"sandbox.{api_domain}", f"developer.{api_domain}")
    return DataCentre(name, f"https://{accounts_host}", tuple(f"https://{host}" for host in hosts))


DATA_CENTRES: Final = (
    _data_centre("us", "accounts.zoho.com", "zohoapis.com"),
    _data_centre("eu", "accounts.zoho.eu", "zohoapis.eu"),
    _data_centre("in", "accounts.zoho.in", "zohoapis.in"),
    _data_centre("au", "accounts.zoho.com.au", "zohoapis.com.au"),
    _data_centre("cn", "accounts.zoho.com.cn", "zohoapis.com.cn"),
    _data_centre("jp", "accounts.zoho.jp", "zohoapis.jp"),
    _data_centre("ca", "accounts.zohocloud.ca", "zohoapis.ca"),
    _data_centre("sa", "accounts.zoho.sa", "zohoapis.sa"),
    _data_centre("uk", "accounts.zoho.uk", "zohoapis.uk"),
)
HOME: Final = "us"
"""Where consent begins for every data centre but China, which has an application of its own."""


class DataCentres:
    """The regions that may be spoken to: Zoho's, or one local server that stands for all of them."""

    def __init__(self, known: Sequence[DataCentre] = DATA_CENTRES) -> None:
        self._by_name = {one.name: one for one in known}
        self._by_accounts_url = {one.accounts_url: one for one in known}

    @classmethod
    def from_settings(cls, accounts_url: str | None = None, api_url: str | None = None) -> DataCentres:
        """Zoho's own, or the local server of `ZOHO_ACCOUNTS_URL` and `ZOHO_API_URL`, which go together.

        Raises ConfigurationError when one of the two is missing.
        """
        if accounts_url is None and api_url is None:
            return cls()
        if accounts_url is None or api_url is None:
            raise ConfigurationError("ZOHO_ACCOUNTS_URL and ZOHO_API_URL must be set together")
        return cls((DataCentre(HOME, accounts_url.rstrip("/"), (api_url.rstrip("/"),)),))

    def named(self, name: str) -> DataCentre:
        """The region of that name. Raises ConfigurationError for a name that is not known."""
        if name not in self._by_name:
            raise ConfigurationError(f"no data centre {name!r}; known are {', '.join(sorted(self._by_name))}")
        return self._by_name[name]

    def of_accounts_server(self, url: str) -> DataCentre:
        """The region of the `accounts-server` that a callback names. Raises AuthorizationLostError for any other."""
        found = self._by_accounts_url.get(url.rstrip("/"))
        if found is None:
            raise AuthorizationLostError("an accounts server that is not on the list", reason=Reason.HOST_NOT_ALLOWED)
        return found

    @property
    def guard(self) -> HostGuard:
        """The addresses that requests may go to."""
        urls = [url for one in self._by_name.values() for url in (one.accounts_url, *one.api_urls)]
        return HostGuard((), urls)
