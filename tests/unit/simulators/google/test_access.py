"""Who may call what, in which form, and how often."""

from datetime import timedelta

import pytest

from simulators.google.methods import METHODS, READONLY, Method
from tests.unit.simulators.google.api import Api, Json, named

ME = "/v1/people/me/connections"


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer nonsense"])
async def test_a_call_without_a_live_token_is_unauthenticated(api: Api, header: str | None) -> None:
    del api.http.headers["Authorization"]
    headers = {} if header is None else {"Authorization": header}
    response = await api.http.get(ME, params={"personFields": "names"}, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["status"] == "UNAUTHENTICATED"
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="https://accounts.google.com/"')


async def test_an_access_token_dies_on_time(api: Api) -> None:
    api.sim.bench.clock.advance(timedelta(seconds=3598))
    await api.listing()
    api.sim.bench.clock.advance(timedelta(seconds=1))
    assert (await api.refused("GET", ME, personFields="names"))[:2] == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("method", [each for each in METHODS if each.mutation], ids=lambda each: each.operation)
async def test_a_read_only_token_is_refused_by_every_write(api: Api, method: Method) -> None:
    api.http.headers["Authorization"] = f"Bearer {api.token('1001', READONLY)}"
    path = method.pattern.pattern.replace("(?P<id>[^/:]+)", "x")
    status, name, message = await api.refused(method.http, path, {} if method.has_body else None)
    assert (status, name) == (403, "PERMISSION_DENIED")
    assert message == "Request had insufficient authentication scopes."


async def test_the_people_api_can_be_switched_off(api: Api) -> None:
    await api.control("POST", "/settings", {"people_api_enabled": False})
    response = await api.call("GET", ME, personFields="names")
    assert response.status_code == 403
    assert response.json()["error"]["details"][0]["reason"] == "SERVICE_DISABLED"


async def test_the_older_error_block_comes_by_setting(api: Api) -> None:
    assert "errors" not in (await api.call("GET", ME)).json()["error"]
    await api.control("POST", "/settings", {"error_block": True})
    (block,) = (await api.call("GET", ME)).json()["error"]["errors"]
    assert block["reason"] == "badRequest"


@pytest.mark.parametrize("path", ["/v1/people", "/v2/people/me", "/m8/feeds/contacts", "/v1/people/me:explode"])
async def test_an_unknown_address_is_an_html_page(api: Api, path: str) -> None:
    response = await api.call("GET", path)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


async def test_methods_that_are_not_offered_say_so(api: Api) -> None:
    for path in ("/v1/otherContacts", "/v1/people:listDirectoryPeople"):
        assert (await api.refused("GET", path))[:2] == (501, "UNIMPLEMENTED")


async def test_a_get_may_come_as_a_form_post_with_an_override_header(api: Api) -> None:
    person = await api.create()
    form = f"resourceNames={person['resourceName']}&personFields=names%2Cmetadata&alt=json"
    headers = {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
    response = await api.http.post("/v1/people:batchGet", content=form, headers=headers)
    assert response.json()["responses"][0]["person"]["names"]


async def test_a_body_must_be_json_and_say_so(api: Api) -> None:
    path = "/v1/people:createContact"
    text = await api.http.post(path, content="{}", headers={"Content-Type": "text/plain"})
    broken = await api.http.post(path, content="{", headers={"Content-Type": "application/json"})
    assert (text.status_code, broken.status_code) == (400, 400)


async def test_answers_are_json_in_utf_8(api: Api) -> None:
    response = await api.call("GET", ME, personFields="names", alt="json", prettyPrint="false")
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"


UNITS: dict[str, Json] = {
    "people.connections.list": {"critical_read_requests": 1},
    "people.createContact": {"critical_read_requests": 1, "critical_write_requests": 1, "daily_contact_writes": 1},
    "people.batchCreateContacts": {
        "critical_read_requests": 6,
        "critical_write_requests": 6,
        "daily_contact_writes": 200,
    },
    "people.batchUpdateContacts": {
        "critical_read_requests": 6,
        "critical_write_requests": 6,
        "daily_contact_writes": 200,
    },
    "people.deleteContact": {"write_requests": 1},
    "people.batchDeleteContacts": {"write_requests": 10},
    "contactGroups.list": {"read_requests": 1},
    "contactGroups.members.modify": {"write_requests": 1},
}


@pytest.mark.parametrize("operation", UNITS)
def test_calls_cost_what_the_guide_says(operation: str) -> None:
    (method,) = [each for each in METHODS if each.operation == operation]
    assert method.units == UNITS[operation]


async def test_fifteen_batches_fit_into_a_minute(api: Api) -> None:
    body = {"contacts": [{"contactPerson": named("A")}]}
    for _ in range(15):
        await api.ok("POST", "/v1/people:batchCreateContacts", body)
    status, name, message = await api.refused("POST", "/v1/people:batchCreateContacts", body)
    assert (status, name) == (429, "RESOURCE_EXHAUSTED")
    assert message == (
        "Quota exceeded for quota metric 'Critical read requests (Contact and Profile Reads)' and limit 'Critical read"
        " requests (Contact and Profile Reads) per minute per user' of service 'people.googleapis.com' for consumer"
        " 'project_number:100000000001'."
    )
    assert len(api.book.contacts) == 15
    api.sim.bench.clock.advance(timedelta(minutes=1))
    await api.ok("POST", "/v1/people:batchCreateContacts", body)


async def test_the_day_has_a_limit_of_its_own(api: Api) -> None:
    await api.control("POST", "/settings", {"quota_per_day": {"daily_contact_writes": 399}})
    body = {"contacts": [{"contactPerson": named("A")}]}
    await api.ok("POST", "/v1/people:batchCreateContacts", body)
    api.sim.bench.clock.advance(timedelta(minutes=1))
    assert "per day" in (await api.refused("POST", "/v1/people:batchCreateContacts", body))[2]


async def test_quotas_are_each_accounts_own_and_can_be_lifted(api: Api) -> None:
    await api.control("POST", "/settings", {"quota_per_minute": {"read_requests": 1}})
    await api.ok("GET", "/v1/contactGroups")
    assert (await api.refused("GET", "/v1/contactGroups"))[0] == 429
    api.add_account("2002")
    other = {"Authorization": f"Bearer {api.token('2002')}"}
    assert (await api.http.get("/v1/contactGroups", headers=other)).status_code == 200
    await api.control("POST", "/settings", {"quotas_enabled": False})
    await api.ok("GET", "/v1/contactGroups")


async def test_accounts_do_not_see_one_another(api: Api) -> None:
    person = await api.create()
    api.add_account("2002")
    api.http.headers["Authorization"] = f"Bearer {api.token('2002')}"
    assert "connections" not in await api.listing()
    assert (await api.refused("GET", f"/v1/{person['resourceName']}", personFields="names"))[0] == 404


async def test_the_own_profile_is_people_me(api: Api) -> None:
    me = await api.ok("GET", "/v1/people/me", personFields="names,emailAddresses,metadata")
    assert me["resourceName"] == "people/1001"
    assert me["emailAddresses"][0]["value"] == "user1001@example.com"
    assert me["metadata"]["sources"][0]["type"] == "PROFILE"
