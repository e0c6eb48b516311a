"""Where outgoing webhooks may go."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import httpx2
import pytest

from config_api.notices.egress import Egress, ForbiddenAddressError, is_public

PRIVATE = (
    "127.0.0.1", "127.9.9.9", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1",
    "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "2002:7f00:1::", "2002:a00:1::", "fec0::1", "::127.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_a_public_address(address: str) -> None:
    assert is_public(ip_address(address))


class Names:
    """A name service that says what a test says."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0)


class Wire:
    """Requests as they would leave."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(302, headers={"Location": "http://169.254.169.254/"})


def egress(wire: Wire, names: Names, allowed: Sequence[str] = ()) -> Egress:
    return Egress(httpx2.AsyncClient(transport=httpx2.MockTransport(wire)), allowed, names)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://internal.example.com/", ["10.0.0.1"]),
        ("https://mixed.example.com/", ["93.184.216.34", "127.0.0.1"]),
        ("https://127.0.0.1/", ["127.0.0.1"]),
        ("https://2130706433/", ["127.0.0.1"]),
        ("https://0x7f.1/", ["127.0.0.1"]),
        ("https://[::1]/", ["::1"]),
        ("https://[::ffff:10.0.0.1]/", ["::ffff:10.0.0.1"]),
        ("https://scoped.example.com/", ["fe80::1%eth0"]),
        ("https://xn--lcalhost-54a.example.com/", ["127.0.0.1"]),
        ("https://nowhere.example.com/", []),
        ("http://public.example.com/", ["93.184.216.34"]),
        ("https://public.example.com@10.0.0.1/", ["10.0.0.1"]),
        ("https://user:password@public.example.com/", ["93.184.216.34"]),
        ("file:///etc/passwd", ["93.184.216.34"]),
        ("gopher://public.example.com/", ["93.184.216.34"]),
        ("https://", ["93.184.216.34"]),
        ("nonsense", ["93.184.216.34"]),
    ],
)
async def test_nothing_leaves_for_a_place_that_is_not_public(url: str, addresses: list[str]) -> None:
    wire = Wire()
    with pytest.raises(ForbiddenAddressError):
        await egress(wire, Names(addresses)).post(url, {}, b"{}")
    assert wire.requests == []


async def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """A name that changes its mind (DNS rebinding) is asked once; TLS is for the name all the same."""
    wire, names = Wire(), Names(["93.184.216.34"], ["127.0.0.1"])
    answer = await egress(wire, names).post("https://hook.example.com:8443/in", {"X": "y"}, b"{}")
    (request,) = wire.requests
    assert str(request.url) == "https://93.184.216.34:8443/in"
    assert (request.headers["host"], request.headers["x"]) == ("hook.example.com:8443", "y")
    assert request.headers["connection"] == "close", "else it would serve another name at this address"
    assert request.extensions["sni_hostname"] == "hook.example.com"
    assert names.asked == ["hook.example.com"]
    assert answer.status == 302, "a redirect is an answer, and is not followed"


async def test_a_host_that_is_allowed_by_name_may_be_private() -> None:
    wire, names = Wire(), Names()
    await egress(wire, names, ["hook.internal"]).post("http://hook.internal:8080/in", {}, b"{}")
    assert str(wire.requests[0].url) == "http://hook.internal:8080/in"
    assert names.asked == []


@pytest.mark.parametrize("url", ["https://a..b.example/", f"https://{'a' * 64}.example/"])
async def test_a_name_that_cannot_be_one_is_no_place(url: str) -> None:
    """Names are really looked up here: the system's resolver refuses these before it asks anybody."""
    wire = Wire()
    with pytest.raises(ForbiddenAddressError):
        await Egress(httpx2.AsyncClient(transport=httpx2.MockTransport(wire))).post(url, {}, b"{}")
    assert wire.requests == []
