"""Requests to addresses that a customer chose: to public places alone (OWASP, "SSRF Prevention").

The name is resolved once, every address that it has must be public, and the connection goes to the address that was
looked at: a name that changes its mind in between leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import httpx2

IpAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_DEADLINE_S: Final = 15.0
_PREFIXES_OF_IPV4: Final = 96
_NAT64: Final = int(IPv6Address("64:ff9b::"))
_LONGEST_ANSWER: Final = 64 * 1024


class ForbiddenAddressError(Exception):
    """The address leads to a place that is not public, or is no web address."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. The body is of no interest."""

    status: int
    retry_after: str


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name. Raises OSError when it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class Egress:
    """Posts to addresses from outside. `allowed_hosts` may be private, and without TLS."""

    def __init__(
        self, client: httpx2.AsyncClient, allowed_hosts: Collection[str] = (), resolve_name: Resolve = resolve
    ) -> None:
        self._client = client
        self._allowed_hosts = frozenset(allowed_hosts)
        self._resolve = resolve_name

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answered:
        """The status of the answer; redirects are not followed.

        Raises ForbiddenAddressError; OSError, TimeoutError and httpx2.RequestError when no answer came.
        """
        target = _target(url)
        async with asyncio.timeout(_DEADLINE_S):
            if target.host in self._allowed_hosts:
                request = self._client.build_request("POST", target, headers=headers, content=body)
            else:
                request = await self._pinned(target, headers, body)
            response = await self._client.send(request, stream=True)
            try:
                await _drain(response)
            finally:
                await response.aclose()
        return Answered(response.status_code, response.headers.get("retry-after", ""))

    async def _pinned(self, target: httpx2.URL, headers: dict[str, str], body: bytes) -> httpx2.Request:
        """A request to the very address that was looked at, under the name for which its certificate must be."""
        if target.scheme != "https":
            raise ForbiddenAddressError("not https")
        try:
            found = await self._resolve(target.host, target.port or 443)
        except UnicodeError as error:  # an empty part, or one of more than 63 letters
            raise ForbiddenAddressError("no host name") from error
        addresses = [ip_address(one.partition("%")[0]) for one in found]
        if not addresses or not all(is_public(address) for address in addresses):
            raise ForbiddenAddressError("not public")
        chosen = addresses[0]
        return self._client.build_request(
            "POST",
            target.copy_with(host=str(chosen)),
            # The pool knows connections by their address, and the certificate was asked for one name: a connection is
            # not kept for another customer's name that leads to the same address.
            headers={**headers, "Host": target.netloc.decode(), "Connection": "close"},
            content=body,
            extensions={"sni_hostname": target.host},
        )


def is_public(address: IpAddress) -> bool:
    """Whether it is on the open Internet; an address that wraps another one is judged by what it wraps."""
    if isinstance(address, IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if wrapped is None and int(address) >> (128 - _PREFIXES_OF_IPV4) == _NAT64 >> (128 - _PREFIXES_OF_IPV4):
            wrapped = IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
        if address.is_site_local:  # fec0::/10, private before fc00::/7 was (RFC 3879)
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _target(url: str) -> httpx2.URL:
    try:
        target = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise ForbiddenAddressError("no web address") from error
    if target.scheme not in {"http", "https"} or not target.host or target.userinfo:
        raise ForbiddenAddressError("no web address")
    return target


async def _drain(response: httpx2.Response) -> None:
    """Read a little, so that the connection can be used again; a flood is cut off."""
    taken = 0
    async for chunk in response.aiter_bytes():
        taken += len(chunk)
        if taken > _LONGEST_ANSWER:
            return
