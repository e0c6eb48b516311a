"""Dependencies that the route asks by itself reach the endpoint as FastAPI's would, and before all else."""

from __future__ import annotations

from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request

from config_api.web.direct import DirectRoute

CALLS: list[str] = []


async def name_of(request: Request) -> str:
    """The name that the request says."""
    CALLS.append("name")
    if "x-name" not in request.headers:
        raise HTTPException(401)
    return request.headers["x-name"]


async def doubled(request: Request, number: int) -> int:
    """Takes a part of the request that FastAPI must read and check."""
    CALLS.append(request.method)
    return 2 * number


Name = Annotated[str, Depends(name_of)]
Doubled = Annotated[int, Depends(doubled)]
router = APIRouter(route_class=DirectRoute)


@router.get("/plain/{place}")
async def plain(place: int, name: Name) -> dict[str, object]:
    return {"place": place, "name": name}


@router.get("/own/{place}")
async def own(place: int, asked: Request, name: Name, twice: Doubled) -> dict[str, object]:
    return {"place": place, "name": name, "path": asked.url.path, "twice": twice}


@router.get("/open")
async def nobody() -> dict[str, object]:
    return {}


APP = FastAPI()
APP.router.routes.extend(router.routes)


async def ask(path: str, **headers: str) -> httpx2.Response:
    CALLS.clear()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=APP), base_url="http://test") as client:
        return await client.get(path, headers={"X-Name": "ada", **headers} if headers.get("x-name") != "" else {})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/plain/3", {"place": 3, "name": "ada"}),
        ("/own/3?number=4", {"place": 3, "name": "ada", "path": "/own/3", "twice": 8}),
        ("/open", {}),
    ],
)
async def test_an_endpoint_is_given_what_it_declares(path: str, answer: dict[str, object]) -> None:
    answered = await ask(path)
    assert (answered.status_code, answered.json()) == (200, answer)


async def test_who_may_not_call_is_not_told_what_is_wrong_with_the_call() -> None:
    assert (await ask("/own/three")).status_code == 422
    assert (await ask("/own/three", **{"x-name": ""})).status_code == 401
    assert CALLS == ["name"]


@pytest.mark.parametrize("path", ["/plain", "/plain/", "/plain/3/4", "/plan/3", "/opens", "/ope"])
async def test_other_addresses_are_none_of_its_own(path: str) -> None:
    assert (await ask(path)).status_code == 404


async def test_an_application_that_stands_below_an_address_is_found_there() -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=APP, root_path="/below"), base_url="http://test"
    ) as client:
        assert (await client.get("/below/plain/3", headers={"X-Name": "ada"})).status_code == 200


def test_the_description_names_what_fastapi_reads_and_nothing_else() -> None:
    parameters = APP.openapi()["paths"]["/own/{place}"]["get"]["parameters"]
    assert [one["name"] for one in parameters] == ["place", "number"]
    assert "parameters" not in APP.openapi()["paths"]["/open"]["get"]
