"""The control interface: what an owner does in the web page, and what a test needs."""

from datetime import timedelta

from tests.unit.simulators.google.api import Api, email, groups_of, named

PEOPLE = "/accounts/1001/people"


async def test_an_edit_changes_the_named_fields_and_moves_the_etag(api: Api) -> None:
    person = await api.create(named("A", emailAddresses=email("a@example.org"), nicknames=[{"value": "x"}]))
    token = (await api.listing())["nextSyncToken"]
    fields = {"emailAddresses": email("b@example.org"), "nicknames": None}
    await api.control("PATCH", f"/accounts/1001/{person['resourceName']}", {"fields": fields})
    (changed,) = await api.delta(token)
    assert changed["names"][0]["givenName"] == "A"
    assert changed["emailAddresses"][0]["value"] == "b@example.org"
    assert (await api.update(person, "names", **named("B"))).status_code == 400


async def test_many_edits_go_in_one_request_or_not_at_all(api: Api) -> None:
    people = [await api.create() for _ in range(3)]
    edits = [{"resource_name": each["resourceName"], "fields": {"names": [{"givenName": "E"}]}} for each in people]
    wrong = [*edits, {"resource_name": "people/c404", "fields": {}}]
    assert (await api.http.post(f"/control{PEOPLE}/edits", json=wrong)).status_code == 404
    assert {each["names"][0]["givenName"] for each in (await api.listing())["connections"]} == {"Ada"}
    await api.control("POST", f"{PEOPLE}/edits", edits)
    assert {each["names"][0]["givenName"] for each in (await api.listing())["connections"]} == {"E"}


async def test_a_touch_moves_etag_and_time_without_any_change(api: Api) -> None:
    person = await api.create()
    token = (await api.listing())["nextSyncToken"]
    api.sim.bench.clock.advance(timedelta(seconds=1))
    await api.control("POST", f"/accounts/1001/{person['resourceName']}/touch")
    (changed,) = await api.delta(token)
    assert changed["names"] == person["names"]
    assert changed["metadata"]["sources"][0]["updateTime"] > person["metadata"]["sources"][0]["updateTime"]


async def test_people_can_be_added_with_groups_of_their_own_and_an_old_date(api: Api) -> None:
    group = (await api.control("POST", "/accounts/1001/groups", {"name": "Customers"}))["resourceName"]
    starred = [{"contactGroupMembership": {"contactGroupResourceName": "contactGroups/starred"}}]
    body = {
        "people": [named("A"), named("B", memberships=starred)],
        "groups": [group, "contactGroups/myContacts"],
        "update_time": "2020-01-31T09:00:00Z",
    }
    await api.control("POST", PEOPLE, body)
    people = {each["names"][0]["givenName"]: each for each in (await api.listing())["connections"]}
    assert groups_of(people["A"]) == [group, "contactGroups/myContacts"]
    assert groups_of(people["B"]) == ["contactGroups/starred"]
    assert people["A"]["metadata"]["sources"][0]["updateTime"] == "2020-01-31T09:00:00.000000Z"


async def test_a_contact_moves_between_groups_and_is_never_without_one(api: Api) -> None:
    person = await api.create()
    path = f"/accounts/1001/{person['resourceName']}/groups"
    await api.control("POST", path, {"add": ["contactGroups/starred"], "remove": ["contactGroups/myContacts"]})
    assert groups_of((await api.listing())["connections"][0]) == ["contactGroups/starred"]
    await api.control("POST", path, {"remove": ["contactGroups/starred"]})
    assert groups_of((await api.listing())["connections"][0]) == ["contactGroups/myContacts"]


async def test_groups_are_made_renamed_and_deleted(api: Api) -> None:
    group = (await api.control("POST", "/accounts/1001/groups", {"name": "A"}))["resourceName"]
    await api.control("PATCH", f"/accounts/1001/groups/{group.removeprefix('contactGroups/')}", {"name": "B"})
    assert (await api.ok("GET", f"/v1/{group}"))["name"] == "B"
    await api.control("DELETE", f"/accounts/1001/groups/{group.removeprefix('contactGroups/')}")
    assert (await api.refused("GET", f"/v1/{group}"))[0] == 404


async def test_what_cannot_be_followed_is_refused_with_field_and_reason(api: Api) -> None:
    for method, path, body, field in (
        ("POST", "/settings", {"visibility_dealy_s": 1}, "visibility_dealy_s"),
        ("POST", "/settings", {"visibility_delay_s": -1}, "visibility_delay_s"),
        ("POST", "/faults", {"action": "explode"}, "action"),
        ("POST", "/faults", {"action": "rate_limit", "variant": "weekly"}, "variant"),
        ("POST", "/clock", {"advance": 1}, "advance"),
        ("POST", "/clock", {"now": "2026-01-31T09:00:00"}, "now"),
        ("POST", PEOPLE, {"people": [{"nmaes": []}]}, "people.0."),
        ("POST", "/accounts", {"email": "x@example.com", "sub": "1001"}, "sub"),
        ("POST", "/tokens", {"account": "nobody"}, "account"),
    ):
        response = await api.http.request(method, "/control" + path, json=body)
        assert response.status_code >= 400, path
        assert response.json()["error"]["field"] == field
        assert response.json()["error"]["reason"]
    assert api.sim.settings.visibility_delay_s == 0


async def test_a_partial_mapping_in_the_settings_keeps_the_other_keys(api: Api) -> None:
    answer = await api.control("POST", "/settings", {"quota_per_minute": {"read_requests": 5}})
    assert answer["quota_per_minute"]["read_requests"] == 5
    assert answer["quota_per_minute"]["critical_read_requests"] == 90


async def test_the_log_tells_operation_account_cost_and_answer(api: Api) -> None:
    await api.create()
    await api.listing()
    entries = (await api.control("GET", "/log?account=1001"))["entries"]
    assert [(each["operation"], each["status"], each["mutation"]) for each in entries] == [
        ("people.createContact", 200, True),
        ("people.connections.list", 200, False),
    ]
    counters = await api.control("GET", "/counters")
    assert counters["operations"]["people.createContact"]["units"]["critical_write_requests"] == 1
    await api.control("DELETE", "/log")
    assert (await api.control("GET", "/counters"))["calls"] == 0


async def test_the_state_is_the_true_one_and_reset_empties_it(api: Api) -> None:
    await api.control("POST", "/settings", {"visibility_delay_s": 60})
    person = await api.create(named("A"))
    account = (await api.control("GET", "/state"))["accounts"]["1001"]
    assert [each["resourceName"] for each in account["people"]] == [person["resourceName"]]
    assert account["waiting_to_be_visible"] == 1
    await api.control("POST", "/reset")
    assert (await api.control("GET", "/state"))["accounts"] == {}
    assert (await api.refused("GET", "/v1/people/me", personFields="names"))[0] == 401


async def test_the_trash_can_be_emptied_for_good(api: Api) -> None:
    person = await api.create()
    await api.control("DELETE", f"/accounts/1001/{person['resourceName']}")
    assert (await api.control("DELETE", "/accounts/1001/trash")) == {"deleted": 1}
    response = await api.http.post(f"/control/accounts/1001/{person['resourceName']}/restore")
    assert response.status_code == 404
