"""A browser as far as consents need one, in front of config-api and the simulated vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from config_api.app import create_app
from config_api.resources import Resources, open_resources
from config_api.settings import ConfigApiSettings
from contactsync.adapters.clock import SystemClock
from contactsync.assembly.admin import serving
from simulators.google.settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from tests.contract.state.worlds import KEYS
from tests.support.connected import vendor_settings
from tests.support.postgres import Database
from tests.support.vendors import Vendors

PUBLIC = "http://127.0.0.1:8080"
"""What config-api is told of its address; the browser goes to where it really is."""
FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}


class CookieBrowser:
    """Keeps cookies itself, also those that are for https alone."""

    def __init__(self, api: httpx2.AsyncClient) -> None:
        self.api = api
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    async def send(self, method: str, path: str, *, json: object = None, **headers: str) -> httpx2.Response:
        """The answer; the cookies that it sets are kept."""
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.api.request(method, path, json=json, headers={"Cookie": jar, **headers})
        self.set_cookies = answer.headers.get_list("set-cookie")
        for cookie in self.set_cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer


@dataclass
class Site:
    """config-api, served, and one user in front of it."""

    both: Vendors
    resources: Resources
    client: httpx2.AsyncClient

    async def begin(self, provider: str, *, headers: Mapping[str, str] = {}, **body: object) -> str:
        """The vendor's address at which the consent goes on; this browser keeps the cookie that binds it.

        `headers` are those of the program that asks. Where another user than the browser's asks, its owner agrees.
        """
        address = await self.address(provider, headers=headers, **body)
        answer = await self.client.get(address)
        if answer.status_code == 200:
            answer = await self.client.post(address, headers=FROM_OUR_PAGE)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    async def address(self, provider: str, *, headers: Mapping[str, str] = {}, **body: object) -> str:
        """The path of ours at which a browser begins the consent."""
        answer = await self.client.post(f"/v1/connections/{provider}/authorize", json=body, headers=dict(headers))
        assert answer.status_code == 200, answer.text
        address = str(answer.json()["authorization_url"])
        assert address.startswith(f"{PUBLIC}/oauth/{provider}/start/")
        return address.removeprefix(PUBLIC)

    async def agree(self, authorization_url: str, **simulate: str) -> dict[str, str]:
        """What the vendor's redirect carries after the user has agreed (or what `simulate` makes of it)."""
        async with httpx2.AsyncClient(trust_env=False) as vendor:
            query = dict(parse_qsl(urlsplit(authorization_url).query)) | simulate
            answer = await vendor.get(urlsplit(authorization_url)._replace(query=urlencode(query)).geturl())
        assert answer.status_code in {302, 303}, answer.text
        location = urlsplit(answer.headers["location"])
        assert f"{location.scheme}://{location.netloc}" == PUBLIC
        return dict(parse_qsl(location.query))

    async def come_back(self, provider: str, returned: Mapping[str, str], **headers: str) -> httpx2.Response:
        """The answer of our callback."""
        return await self.client.get(f"/oauth/{provider}/callback", params=dict(returned), headers=headers)

    async def connect(self, provider: str, *, return_url: str | None = None, display: str = "page") -> httpx2.Response:
        """From the first address to the last."""
        begun = await self.begin(provider, return_url=return_url, display=display)
        return await self.come_back(provider, await self.agree(begun))

    async def items(self) -> dict[str, dict[str, Any]]:
        """The caller's connections by provider."""
        answer = await self.client.get("/v1/connections")
        return {item["provider"]: item for item in answer.json()["items"]}


@asynccontextmanager
async def site(both: Vendors, database: Database, **settings: object) -> AsyncIterator[Site]:
    """config-api over this database and these vendors, whose users agree to everything at once."""
    callback = f"{PUBLIC}/oauth/google/callback"
    client = {DEMO_CLIENT_ID: {"secret": DEMO_CLIENT_SECRET, "redirect_uris": [callback]}}
    await both.google.control.settings(consent="approve", clients=client)
    await both.crm.control.settings(consent="approve")
    chosen = ConfigApiSettings.model_validate(
        {
            "database_url": database.url,
            "keys": KEYS,
            "api_port": 0,
            "public_url": PUBLIC,
            **vendor_settings(both),
            **settings,
        }
    )
    async with open_resources(chosen, SystemClock()) as resources, served(both, resources) as opened:
        yield opened


@asynccontextmanager
async def served(both: Vendors, resources: Resources) -> AsyncIterator[Site]:
    """config-api on these resources."""
    async with (
        serving(create_app(resources), "127.0.0.1", 0) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield Site(both, resources, client)
