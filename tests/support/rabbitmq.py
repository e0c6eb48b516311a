"""Fresh virtual hosts on the RabbitMQ server of this run."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest

from tests.support.addresses import AMQP_MANAGEMENT_URL, AMQP_URL, address

_WITHIN_S = 20


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """One virtual host: `url` for AMQP; `management_url` of the broker, to inspect `name` over HTTP."""

    name: str
    url: str
    management_url: str


@pytest.fixture
async def virtual_host() -> AsyncIterator[VirtualHost]:
    """A virtual host of this test alone, without queues; deleted with all that is in it."""
    name = f"contactsync_test_{secrets.token_hex(6)}"
    amqp, management_url = urlsplit(address(AMQP_URL)), address(AMQP_MANAGEMENT_URL)
    user = amqp.username
    async with httpx2.AsyncClient(base_url=f"{management_url}/api", timeout=_WITHIN_S) as client:
        (await client.put(f"vhosts/{name}")).raise_for_status()
        try:
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            (await client.put(f"permissions/{name}/{user}", json=everything)).raise_for_status()
            yield VirtualHost(name, urlunsplit(amqp._replace(path=f"/{name}")), management_url)
        finally:
            (await client.delete(f"vhosts/{name}")).raise_for_status()


@pytest.fixture
def amqp_url(virtual_host: VirtualHost) -> str:
    """AMQP address of this test's virtual host."""
    return virtual_host.url
