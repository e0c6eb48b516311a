"""config-api's user obeys it when it asks for patience."""

from __future__ import annotations

import httpx2
import pytest

from standalone.customer import Customer, RefusedError

RUN = {"id": "r1", "state": "running"}


async def asked(*answers: httpx2.Response) -> tuple[dict[str, object], int]:
    """The run that was got, and how many answers were left."""
    left = list(answers)
    transport = httpx2.MockTransport(lambda _: left.pop(0))
    async with httpx2.AsyncClient(transport=transport) as client:
        return await Customer(client, "http://127.0.0.1").run("r1"), len(left)


async def test_too_many_requests_are_asked_again_when_it_says_so() -> None:
    wait = httpx2.Response(429, headers={"Retry-After": "0"}, json={"code": "rate_limited"})
    assert await asked(wait, wait, httpx2.Response(200, json=RUN)) == (RUN, 0)


@pytest.mark.parametrize("answer", [httpx2.Response(429, json={}), httpx2.Response(409, headers={"Retry-After": "0"})])
async def test_any_other_refusal_is_told(answer: httpx2.Response) -> None:
    with pytest.raises(RefusedError):
        await asked(answer, httpx2.Response(200, json=RUN))
