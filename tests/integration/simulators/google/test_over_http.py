"""The simulator over real connections: faults as a client meets them, and the pace of large accounts."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
import pytest

from simulators.google import GoogleSettings, GoogleSimulator, create_app
from simulators.google.addressbook import Owner
from simulators.google.methods import CONTACTS
from simulators.server import running

CREATE = "/v1/people:batchCreateContacts"
BODY = {"contacts": [{"contactPerson": {"names": [{"givenName": "Ada"}]}}], "readMask": "names"}


class Server:
    """A running simulator with one account, and a client."""

    def __init__(self, simulator: GoogleSimulator, http: httpx2.AsyncClient) -> None:
        self.simulator = simulator
        self.http = http
        self.book = simulator.add_account(Owner("1001", "ada@example.com", "FR"))
        issued = simulator.authorization.issue("client", "1001", frozenset({CONTACTS}), offline=False)
        self.http.headers["Authorization"] = f"Bearer {issued.access.token}"

    async def fault(self, **fault: object) -> None:
        (await self.http.post("/control/faults", json=fault)).raise_for_status()

    async def status(self) -> int:
        """The status of the last call in the log."""
        return int((await self.http.get("/control/log")).json()["entries"][-1]["status"])


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = create_app(GoogleSettings(quotas_enabled=False))
    async with running(app) as url, httpx2.AsyncClient(base_url=url, timeout=10) as http:
        yield Server(app.state.simulator, http)


@pytest.mark.parametrize(("action", "created"), [("cut_before", 0), ("cut_after", 1)])
async def test_a_connection_is_cut_before_or_after_the_write(server: Server, action: str, created: int) -> None:
    await server.fault(action=action, match="people.batchCreateContacts", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        await server.http.post(CREATE, json=BODY)
    assert len(server.book.contacts) == created
    assert await server.status() == -1
    assert (await server.http.post(CREATE, json=BODY)).status_code == 200


async def test_a_truncated_answer_breaks_off_in_the_body(server: Server) -> None:
    await server.fault(action="truncate", times=1)
    with pytest.raises(httpx2.RemoteProtocolError, match=r"without sending complete|incomplete"):
        await server.http.post(CREATE, json=BODY)
    assert len(server.book.contacts) == 1


async def test_a_page_of_html_comes_with_status_200_or_502(server: Server) -> None:
    await server.fault(action="html200", times=1)
    await server.fault(action="status", status=502, times=1)
    for status in (200, 502):
        response = await server.http.post(CREATE, json=BODY)
        assert response.status_code == status
        assert response.headers["Content-Type"].startswith("text/html")
    assert not server.book.contacts


@pytest.mark.parametrize(
    ("variant", "status", "text"),
    [
        (None, 429, "critical_write_requests"),
        ("full_sync", 429, "full_sync_requests"),
        ("account", 429, "FBS quota limit exceeded"),
        ("overflow", 429, "MY_CONTACTS_OVERFLOW_COUNT"),
        ("legacy", 403, "rateLimitExceeded"),
    ],
)
async def test_each_kind_of_quota_answer_can_be_asked_for(
    server: Server, variant: str | None, status: int, text: str
) -> None:
    await server.fault(action="rate_limit", variant=variant, times=1)
    response = await server.http.post(CREATE, json=BODY)
    assert response.status_code == status
    assert text in response.text


async def test_a_slow_answer_outlasts_an_impatient_client_and_the_write_is_done(server: Server) -> None:
    await server.fault(action="slow", delay_s=0.2, times=1)
    with pytest.raises(httpx2.ReadTimeout):
        await server.http.post(CREATE, json=BODY, timeout=0.05)
    async with asyncio.timeout(5):
        while not server.book.contacts:  # noqa: ASYNC110  the write belongs to the server's task
            await asyncio.sleep(0.01)


async def test_parallel_writes_are_counted_and_can_be_refused(server: Server) -> None:
    await server.http.post("/control/settings", json={"latency_scale": 1, "latency_s": {"*": 0.05, CREATE: 0}})
    await server.http.post("/control/settings", json={"latency_s": {"people.batchCreateContacts": 0.05}})
    calls = [server.http.post(CREATE, json=BODY) for _ in range(2)]
    assert {response.status_code for response in await asyncio.gather(*calls)} == {200}
    assert server.simulator.bench.log.parallel_mutations == 1
    await server.http.post("/control/settings", json={"parallel_writes": "refuse"})
    calls = [server.http.post(CREATE, json=BODY) for _ in range(2)]
    assert sorted(response.status_code for response in await asyncio.gather(*calls)) == [200, 503]


async def test_a_full_account_is_listed_page_by_page_in_a_blink(server: Server) -> None:
    """25,000 contacts; the bounds are far above what it takes, so that they fail for a reason alone."""
    people = [
        {"names": [{"givenName": f"P{n}"}], "emailAddresses": [{"value": f"p{n}@example.org"}]} for n in range(25_000)
    ]
    added = await server.http.post("/control/accounts/1001/people", json={"people": people}, timeout=60)
    assert added.status_code == 201
    query = {"personFields": "names,emailAddresses,memberships,metadata", "pageSize": "1000"}
    pages, seen, began = 0, 0, time.perf_counter()
    while True:
        answer = (await server.http.get("/v1/people/me/connections", params=query)).json()
        pages, seen = pages + 1, seen + len(answer["connections"])
        if "nextPageToken" not in answer:
            break
        query["pageToken"] = answer["nextPageToken"]
    assert (pages, seen) == (25, 25_000)
    assert time.perf_counter() - began < 15
