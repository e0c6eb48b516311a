"""Contact groups and their members."""

import pytest

from tests.unit.simulators.google.api import Api, Json, groups_of

STARRED = "/v1/contactGroups/starred/members:modify"


async def new_group(api: Api, name: str = "Customers") -> Json:
    return await api.ok("POST", "/v1/contactGroups", {"contactGroup": {"name": name}})


async def test_system_groups_are_listed_without_etag_and_time(api: Api) -> None:
    answer = await api.ok("GET", "/v1/contactGroups", pageSize=1000)
    names = {group["resourceName"].removeprefix("contactGroups/") for group in answer["contactGroups"]}
    assert names == {"myContacts", "starred", "friends", "family", "coworkers", "chatBuddies", "all", "blocked"}
    assert not any("etag" in group or "metadata" in group for group in answer["contactGroups"])


async def test_member_count_is_left_out_when_it_is_zero(api: Api) -> None:
    group = await new_group(api)
    assert "memberCount" not in group
    person = await api.create()
    body = {"resourceNamesToAdd": [person["resourceName"]]}
    await api.ok("POST", f"/v1/{group['resourceName']}/members:modify", body)
    read = await api.ok("GET", f"/v1/{group['resourceName']}", maxMembers=5)
    assert (read["memberCount"], read["memberResourceNames"]) == (1, [person["resourceName"]])


async def test_groups_come_in_pages_and_the_sync_token_always(api: Api) -> None:
    first = await api.ok("GET", "/v1/contactGroups", pageSize=5)
    second = await api.ok("GET", "/v1/contactGroups", pageSize=5, pageToken=first["nextPageToken"])
    assert len(first["contactGroups"]) + len(second["contactGroups"]) == 8
    assert "nextSyncToken" in second
    assert "nextSyncToken" not in first


async def test_a_delta_of_groups_shows_renames_and_deletions(api: Api) -> None:
    kept, gone = await new_group(api, "Kept"), await new_group(api, "Gone")
    token = (await api.ok("GET", "/v1/contactGroups"))["nextSyncToken"]
    await api.ok("PUT", f"/v1/{kept['resourceName']}", {"contactGroup": {"name": "New name"}})
    await api.ok("DELETE", f"/v1/{gone['resourceName']}")
    answer = await api.ok("GET", "/v1/contactGroups", syncToken=token)
    shown = {group["resourceName"]: group for group in answer["contactGroups"]}
    assert shown[kept["resourceName"]]["name"] == "New name"
    assert shown[gone["resourceName"]]["metadata"] == {"deleted": True}


async def test_a_stale_etag_of_a_group_is_refused(api: Api) -> None:
    group = await new_group(api)
    path = f"/v1/{group['resourceName']}"
    await api.ok("PUT", path, {"contactGroup": {"name": "B", "etag": group["etag"]}})
    found = await api.refused("PUT", path, {"contactGroup": {"name": "C", "etag": group["etag"]}})
    assert found[:2] == (400, "FAILED_PRECONDITION")


async def test_a_name_is_needed_and_is_unique(api: Api) -> None:
    group = await new_group(api)
    assert (await api.refused("POST", "/v1/contactGroups", {"contactGroup": {"name": " "}}))[0] == 400
    other = await new_group(api, "Other")
    found = await api.refused("PUT", f"/v1/{other['resourceName']}", {"contactGroup": {"name": "CUSTOMERS"}})
    assert found == (409, "ALREADY_EXISTS", "Contact group name already exists.")
    await api.ok("PUT", f"/v1/{group['resourceName']}", {"contactGroup": {"name": "customers"}})


async def test_deleting_a_group_leaves_its_members_in_my_contacts(api: Api) -> None:
    group = await new_group(api)
    person = await api.create()
    body = {"resourceNamesToAdd": [person["resourceName"]]}
    await api.ok("POST", f"/v1/{group['resourceName']}/members:modify", body)
    await api.ok(
        "POST", "/v1/contactGroups/myContacts/members:modify", {"resourceNamesToRemove": [person["resourceName"]]}
    )
    await api.ok("DELETE", f"/v1/{group['resourceName']}")
    (listed,) = (await api.listing())["connections"]
    assert groups_of(listed) == ["contactGroups/myContacts"]


async def test_deleting_a_group_with_its_contacts_moves_them_to_the_trash(api: Api) -> None:
    group = await new_group(api)
    person = await api.create()
    body = {"resourceNamesToAdd": [person["resourceName"]]}
    await api.ok("POST", f"/v1/{group['resourceName']}/members:modify", body)
    await api.ok("DELETE", f"/v1/{group['resourceName']}", deleteContacts="true")
    assert "connections" not in await api.listing()
    assert len(api.book.trash) == 1


async def test_a_200_lists_who_was_not_found_and_whose_last_group_it_is(api: Api) -> None:
    person = await api.create()
    body = {"resourceNamesToRemove": [person["resourceName"], "people/c404"]}
    assert await api.ok("POST", "/v1/contactGroups/myContacts/members:modify", body) == {
        "notFoundResourceNames": ["people/c404"],
        "canNotRemoveLastContactGroupResourceNames": [person["resourceName"]],
    }


async def test_adding_twice_changes_once(api: Api) -> None:
    person = await api.create()
    body = {"resourceNamesToAdd": [person["resourceName"]]}
    await api.ok("POST", STARRED, body)
    etag = (await api.listing())["connections"][0]["etag"]
    assert await api.ok("POST", STARRED, body) == {}
    assert (await api.listing())["connections"][0]["etag"] == etag


@pytest.mark.parametrize("group", ["friends", "family", "coworkers", "chatBuddies", "all", "blocked"])
async def test_nobody_joins_a_closed_system_group(api: Api, group: str) -> None:
    person = await api.create()
    body = {"resourceNamesToAdd": [person["resourceName"]]}
    assert (await api.refused("POST", f"/v1/contactGroups/{group}/members:modify", body))[0] == 400


@pytest.mark.parametrize(("method", "body"), [("DELETE", None), ("PUT", {"contactGroup": {"name": "X"}})])
async def test_system_groups_cannot_be_changed(api: Api, method: str, body: Json | None) -> None:
    assert (await api.refused(method, "/v1/contactGroups/starred", body))[0] == 400


async def test_client_data_of_a_group_is_kept_and_shown_on_request(api: Api) -> None:
    data = [{"key": "marker", "value": "1"}]
    body = {"contactGroup": {"name": "A", "clientData": data}, "readGroupFields": "clientData"}
    group = await api.ok("POST", "/v1/contactGroups", body)
    assert group["clientData"] == data
    changed = {"contactGroup": {"clientData": []}, "updateGroupFields": "clientData", "readGroupFields": "clientData"}
    assert "clientData" not in await api.ok("PUT", f"/v1/{group['resourceName']}", changed)
