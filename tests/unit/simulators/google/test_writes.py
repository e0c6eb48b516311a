"""Create, update, delete and their batches: etags, masks, limits, all or nothing."""

from datetime import timedelta

import pytest

from tests.unit.simulators.google.api import Api, Json, email, groups_of, member_of, named

UNKNOWN = "people/c999"


async def test_a_new_contact_without_memberships_is_in_my_contacts(api: Api) -> None:
    assert groups_of(await api.create()) == ["contactGroups/myContacts"]


async def test_a_new_contact_with_memberships_is_in_those_groups_alone(api: Api) -> None:
    group = await api.control("POST", "/accounts/1001/groups", {"name": "Customers"})
    person = await api.create(named("A", memberships=member_of(group["resourceName"])))
    assert groups_of(person) == [group["resourceName"]]


async def test_a_membership_of_an_unknown_group_is_not_found(api: Api) -> None:
    body = named("A", memberships=member_of("contactGroups/none"))
    assert (await api.refused("POST", "/v1/people:createContact", body))[:2] == (404, "NOT_FOUND")


async def test_a_closed_system_group_takes_no_new_members(api: Api) -> None:
    body = named("A", memberships=member_of("contactGroups/family"))
    assert (await api.refused("POST", "/v1/people:createContact", body))[0] == 400


async def test_a_new_group_can_be_named_after_its_delay(api: Api) -> None:
    await api.control("POST", "/settings", {"group_visibility_delay_s": 2})
    group = await api.ok("POST", "/v1/contactGroups", {"contactGroup": {"name": "New"}})
    body = named("A", memberships=member_of(group["resourceName"]))
    assert (await api.refused("POST", "/v1/people:createContact", body))[0] == 404
    api.sim.bench.clock.advance(timedelta(seconds=2))
    await api.create(body)


@pytest.mark.parametrize("field", ["names", "biographies", "birthdays", "genders"])
async def test_a_singleton_takes_one_entry(api: Api, field: str) -> None:
    entries: dict[str, list[Json]] = {
        "names": [{"givenName": "A"}, {"givenName": "B"}],
        "biographies": [{"value": "A"}, {"value": "B"}],
        "birthdays": [{"date": {"year": 1990}}, {"date": {"year": 1991}}],
        "genders": [{"value": "male"}, {"value": "female"}],
    }
    found = await api.refused("POST", "/v1/people:createContact", {field: entries[field]})
    assert found == (400, "INVALID_ARGUMENT", f"Cannot have more than one person.{field} per source.")


async def test_an_old_contact_can_hold_two_names_which_cannot_be_written_back(api: Api) -> None:
    two = {"names": [{"givenName": "A"}, {"givenName": "B"}]}
    (added,) = (await api.control("POST", "/accounts/1001/people", {"people": [two]}))["people"]
    person = await api.ok("GET", f"/v1/{added['resourceName']}", personFields="names")
    assert len(person["names"]) == 2
    assert (await api.update(person, "names", names=person["names"])).status_code == 400
    assert (await api.update(person, "emailAddresses", emailAddresses=email("a@example.org"))).status_code == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"nonsense": []}, 'Unknown name "nonsense"'),
        ({"names": [{"firstName": "A"}]}, "Unknown name \"firstName\" at 'names[0]'"),
        ({"names": {"givenName": "A"}}, "'names'"),
        ({"names": [{"givenName": 5}]}, "'names[0].givenName' (TYPE_STRING), 5"),
        ({"nicknames": [{"value": "A", "type": "PET"}]}, "(TYPE_ENUM)"),
        ({"birthdays": [{"date": {"year": 1990, "month": 13, "day": 1}}]}, "Invalid date"),
        ({"birthdays": [{"date": {"day": 3}}]}, "Invalid date"),
    ],
)
async def test_a_body_that_does_not_fit_the_message_is_refused_by_name(api: Api, body: Json, text: str) -> None:
    status, name, message = await api.refused("POST", "/v1/people:createContact", body)
    assert (status, name) == (400, "INVALID_ARGUMENT")
    assert text in message


async def test_output_only_and_empty_values_are_left_out(api: Api) -> None:
    body = named("A", emailAddresses=[{"value": ""}], nicknames=[], photos=[{"url": "https://example.org/x.png"}])
    body["names"][0] |= {"displayName": "Somebody else", "familyName": ""}
    person = await api.create(body, "names,emailAddresses,nicknames")
    assert set(person) == {"resourceName", "etag", "names"}
    assert person["names"][0]["displayName"] == "A"
    assert "familyName" not in person["names"][0]


async def test_a_masked_field_is_replaced_whole_and_an_unmasked_one_stays(api: Api) -> None:
    body = named("A", organizations=[{"name": "Acme", "department": "Sales"}], emailAddresses=email("a@example.org"))
    person = await api.create(body)
    await api.update(person, "organizations", organizations=[{"name": "Acme"}])
    read = await api.ok("GET", f"/v1/{person['resourceName']}", personFields="organizations,emailAddresses")
    assert "department" not in read["organizations"][0]
    assert read["emailAddresses"][0]["value"] == "a@example.org"


async def test_a_masked_field_that_is_absent_is_cleared(api: Api) -> None:
    person = await api.create(named("A", emailAddresses=email("a@example.org")))
    assert "emailAddresses" not in (await api.update(person, "emailAddresses")).json()


async def test_an_update_without_etag_says_so(api: Api) -> None:
    person = await api.create()
    path = f"/v1/{person['resourceName']}:updateContact"
    status, name, message = await api.refused("PATCH", path, named("B"), updatePersonFields="names")
    assert (status, name) == (400, "INVALID_ARGUMENT")
    assert message.startswith("Request must set person.etag or person.metadata.sources.etag")


async def test_the_etag_differs_by_mask_and_each_is_accepted_until_the_contact_changes(api: Api) -> None:
    person = await api.create()
    path = f"/v1/{person['resourceName']}"
    first = await api.ok("GET", path, personFields="names")
    second = await api.ok("GET", path, personFields="names,metadata")
    assert first["etag"] != second["etag"]
    (source,) = second["metadata"]["sources"]
    assert (await api.update(first, "nicknames", nicknames=[{"value": "x"}])).status_code == 200
    for stale in ({"etag": first["etag"]}, {"etag": second["etag"]}, {"metadata": {"sources": [source]}}):
        found = await api.refused("PATCH", path + ":updateContact", named("B") | stale, updatePersonFields="names")
        assert found[:2] == (400, "FAILED_PRECONDITION")


async def test_the_etag_of_the_source_is_accepted_and_named_when_stale(api: Api) -> None:
    person = await api.create()
    path = f"/v1/{person['resourceName']}:updateContact"
    body = named("B", metadata={"sources": person["metadata"]["sources"]})
    await api.ok("PATCH", path, body, updatePersonFields="names")
    found = await api.refused("PATCH", path, body, updatePersonFields="names")
    which = "person.metadata.sources.etag"
    assert found[2].startswith(f"Request {which} is different than the current {which}.")


async def test_joining_a_group_moves_the_etag(api: Api) -> None:
    person = await api.create()
    body = {"resourceNamesToAdd": [person["resourceName"]]}
    await api.ok("POST", "/v1/contactGroups/starred/members:modify", body)
    assert (await api.update(person, "names", **named("B"))).status_code == 400


async def test_memberships_in_the_mask_replace_all_groups_and_must_not_be_empty(api: Api) -> None:
    person = await api.create()
    assert (await api.update(person, "memberships")).status_code == 400
    changed = (await api.update(person, "memberships", memberships=member_of("contactGroups/starred"))).json()
    assert groups_of(changed) == ["contactGroups/starred"]


@pytest.mark.parametrize("field", ["metadata", "photos", "skills", "ageRanges", "coverPhotos"])
async def test_a_field_that_cannot_be_written_is_refused_in_an_update_mask(api: Api, field: str) -> None:
    person = await api.create()
    found = await api.update(person, field)
    assert found.status_code == 400
    assert "Invalid updatePersonFields mask path" in found.json()["error"]["message"]


async def test_an_unknown_contact_is_not_found_by_any_single_call(api: Api) -> None:
    query = {"updatePersonFields": "names"}
    assert (await api.refused("PATCH", f"/v1/{UNKNOWN}:updateContact", {"etag": "%x"}, **query))[0] == 404
    assert (await api.refused("DELETE", f"/v1/{UNKNOWN}:deleteContact"))[0] == 404
    assert (await api.refused("GET", f"/v1/{UNKNOWN}", personFields="names"))[0] == 404


async def test_a_contact_that_was_deleted_is_gone_at_once(api: Api) -> None:
    person = await api.create()
    path = f"/v1/{person['resourceName']}"
    assert await api.ok("DELETE", path + ":deleteContact") == {}
    assert (await api.refused("DELETE", path + ":deleteContact"))[0] == 404
    assert (await api.refused("GET", path, personFields="names"))[2] == "Requested entity was not found."


async def test_a_batch_without_read_mask_answers_with_an_empty_object(api: Api) -> None:
    assert await api.ok("POST", "/v1/people:batchCreateContacts", {"contacts": [{"contactPerson": named("A")}]}) == {}
    (person,) = (await api.listing())["connections"]
    contacts = {person["resourceName"]: {"etag": person["etag"]} | named("B")}
    assert await api.ok("POST", "/v1/people:batchUpdateContacts", {"contacts": contacts, "updateMask": "names"}) == {}
    assert (await api.listing())["connections"][0]["names"][0]["givenName"] == "B"


async def test_a_batch_update_with_an_unknown_contact_changes_nobody(api: Api) -> None:
    person = await api.create()
    contacts = {person["resourceName"]: {"etag": person["etag"]} | named("B"), UNKNOWN: {"etag": "%x"} | named("C")}
    body = {"contacts": contacts, "updateMask": "names", "readMask": "names"}
    response = await api.call("POST", "/v1/people:batchUpdateContacts", body)
    assert response.status_code == 404
    assert response.json()["error"]["details"][0]["contactErrors"] == {
        UNKNOWN: {"code": 5, "message": "Requested entity was not found."}
    }
    assert (await api.listing())["connections"][0]["names"][0]["givenName"] == "Ada"


async def test_a_batch_can_be_told_to_fail_item_by_item_inside_a_200(api: Api) -> None:
    await api.control("POST", "/settings", {"batch_failures": "per_item"})
    person = await api.create()
    contacts = {person["resourceName"]: {"etag": person["etag"]} | named("B"), UNKNOWN: {"etag": "%x"} | named("C")}
    body = {"contacts": contacts, "updateMask": "names", "readMask": "names"}
    results = (await api.ok("POST", "/v1/people:batchUpdateContacts", body))["updateResult"]
    assert results[person["resourceName"]]["person"]["names"][0]["givenName"] == "B"
    assert results[UNKNOWN]["status"]["code"] == 5


async def test_error_keys_can_be_contact_ids(api: Api) -> None:
    await api.control("POST", "/settings", {"contact_error_keys": "contact_id"})
    body = {"contacts": {UNKNOWN: {"etag": "%x"}}, "updateMask": "names"}
    response = await api.call("POST", "/v1/people:batchUpdateContacts", body)
    assert list(response.json()["error"]["details"][0]["contactErrors"]) == ["c999"]


@pytest.mark.parametrize(("setting", "status", "left"), [("refuse", 404, 1), ("ignore", 200, 0)])
async def test_a_batch_delete_with_an_unknown_contact_follows_the_setting(
    api: Api, setting: str, status: int, left: int
) -> None:
    await api.control("POST", "/settings", {"batch_delete_unknown": setting})
    person = await api.create()
    body = {"resourceNames": [person["resourceName"], UNKNOWN]}
    assert (await api.call("POST", "/v1/people:batchDeleteContacts", body)).status_code == status
    assert len((await api.listing()).get("connections", [])) == left


async def test_answers_of_a_batch_come_in_another_order_by_setting(api: Api) -> None:
    await api.control("POST", "/settings", {"shuffle_results": True})
    body = {"contacts": [{"contactPerson": named(f"P{n}")} for n in range(50)], "readMask": "names"}
    people = (await api.ok("POST", "/v1/people:batchCreateContacts", body))["createdPeople"]
    order = [item["person"]["names"][0]["givenName"] for item in people]
    assert sorted(order) == sorted(f"P{n}" for n in range(50)) != order


async def test_entries_of_a_field_come_in_another_order_by_setting(api: Api) -> None:
    await api.control("POST", "/settings", {"shuffle_items": True})
    addresses = [{"value": f"a{number}@example.org"} for number in range(50)]
    person = await api.create(named("A", emailAddresses=addresses))
    order = [each["value"] for each in person["emailAddresses"]]
    assert sorted(order) == sorted(each["value"] for each in addresses) != order


async def test_an_account_is_full_at_its_limit_and_its_trash_counts_for_thirty_days(api: Api) -> None:
    await api.control("POST", "/settings", {"max_contacts": 2})
    person = await api.create()
    await api.create()
    await api.ok("DELETE", f"/v1/{person['resourceName']}:deleteContact")
    body = {"contacts": [{"contactPerson": named("A")}], "readMask": "names"}
    found = await api.refused("POST", "/v1/people:batchCreateContacts", body)
    assert found[:2] == (429, "RESOURCE_EXHAUSTED")
    assert "MY_CONTACTS_OVERFLOW_COUNT" in found[2]
    api.sim.bench.clock.advance(timedelta(days=30))
    api.http.headers["Authorization"] = f"Bearer {api.token('1001')}"
    await api.ok("POST", "/v1/people:batchCreateContacts", body)


@pytest.mark.parametrize(
    ("person", "status"),
    [
        ({"emailAddresses": [{"value": f"a{n}@example.org"} for n in range(500)]}, 200),
        ({"emailAddresses": [{"value": f"a{n}@example.org"} for n in range(501)]}, 400),
        ({"nicknames": [{"value": "x" * 1024}]}, 200),
        ({"nicknames": [{"value": "x" * 1025}]}, 400),
        ({"biographies": [{"value": "x" * 5000}]}, 200),
        ({"biographies": [{"value": "é" * 65_000}]}, 200),
        ({"biographies": [{"value": "é" * 66_000}]}, 400),
    ],
)
async def test_a_contact_keeps_the_published_limits(api: Api, person: Json, status: int) -> None:
    assert (await api.call("POST", "/v1/people:createContact", person)).status_code == status


async def test_the_same_contact_can_be_created_any_number_of_times(api: Api) -> None:
    body = {"contacts": [{"contactPerson": named("A", emailAddresses=email("a@example.org"))}] * 3, "readMask": "names"}
    await api.ok("POST", "/v1/people:batchCreateContacts", body)
    await api.ok("POST", "/v1/people:batchCreateContacts", body)
    assert (await api.listing())["totalItems"] == 6
