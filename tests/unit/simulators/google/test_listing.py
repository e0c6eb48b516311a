"""Full listings, deltas, sync tokens, late visibility."""

from datetime import timedelta

import pytest

from tests.unit.simulators.google.api import Api, email, named


async def test_a_page_holds_a_hundred_people_unless_asked_otherwise(api: Api) -> None:
    await api.control("POST", "/accounts/1001/people", {"people": [named(f"P{n}") for n in range(101)]})
    assert len((await api.listing())["connections"]) == 100
    assert len((await api.listing(pageSize=1000))["connections"]) == 101


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_size_out_of_range_is_refused_or_cut_by_setting(api: Api, size: int) -> None:
    query = {"personFields": "names", "pageSize": size}
    assert (await api.refused("GET", "/v1/people/me/connections", **query))[:2] == (400, "INVALID_ARGUMENT")
    await api.control("POST", "/settings", {"page_size_over_limit": "clamp"})
    assert (await api.call("GET", "/v1/people/me/connections", **query)).status_code == (200 if size > 0 else 400)


async def test_person_fields_are_required_and_checked(api: Api) -> None:
    path = "/v1/people/me/connections"
    assert "personFields mask is required" in (await api.refused("GET", path))[2]
    for wrong in ("etag", "fileAses", "names,nonsense"):
        assert "Invalid personFields mask path" in (await api.refused("GET", path, personFields=wrong))[2]


async def test_a_parameter_that_the_method_does_not_have_is_refused(api: Api) -> None:
    found = await api.refused("GET", "/v1/people/me/connections", personFields="names", maxResults=5)
    assert found[0] == 400
    assert 'Unknown name "maxResults"' in found[2]


async def test_pages_show_the_book_as_it_was_when_paging_began(api: Api) -> None:
    for name in "ABC":
        await api.create(named(name))
    first = await api.listing(pageSize=2)
    await api.create(named("D"))
    second = await api.listing(pageSize=2, pageToken=first["nextPageToken"])
    assert [person["names"][0]["givenName"] for person in second["connections"]] == ["C"]
    delta = await api.listing(pageSize=2, syncToken=second["nextSyncToken"])
    assert [person["names"][0]["givenName"] for person in delta["connections"]] == ["D"]


async def test_what_changed_while_paging_comes_with_the_next_delta(api: Api) -> None:
    people = [await api.create(named(name)) for name in "ABC"]
    first = await api.listing(pageSize=2)
    await api.update(people[0], "names", **named("A2"))
    second = await api.listing(pageSize=2, pageToken=first["nextPageToken"])
    changed = (await api.listing(pageSize=2, syncToken=second["nextSyncToken"]))["connections"]
    assert [person["names"][0]["givenName"] for person in changed] == ["A2"]


@pytest.mark.parametrize("other", [{"pageSize": 3}, {"personFields": "names"}, {"sources": "READ_SOURCE_TYPE_PROFILE"}])
async def test_tokens_are_refused_when_a_parameter_changes(api: Api, other: dict[str, object]) -> None:
    for name in "ABC":
        await api.create(named(name))
    same = {"personFields": "names,metadata", "requestSyncToken": "true", "pageSize": 2}
    page = (await api.ok("GET", "/v1/people/me/connections", **same))["nextPageToken"]
    found = await api.refused("GET", "/v1/people/me/connections", **(same | other | {"pageToken": page}))
    assert found == (400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
    last = await api.ok("GET", "/v1/people/me/connections", **(same | {"pageToken": page}))
    sync = {"syncToken": last["nextSyncToken"]}
    assert (await api.refused("GET", "/v1/people/me/connections", **(same | other | sync)))[0] == 400
    assert (await api.call("GET", "/v1/people/me/connections", **(same | sync))).status_code == 200


async def test_the_order_of_the_mask_does_not_matter_to_a_token(api: Api) -> None:
    token = (await api.listing(personFields="names,metadata"))["nextSyncToken"]
    assert await api.listing(personFields="metadata,names", syncToken=token)


@pytest.mark.parametrize("text", ["nonsense", "%%%", "aGVsbG8"])
async def test_a_malformed_token_is_an_invalid_argument(api: Api, text: str) -> None:
    expected = (400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
    for name in ("syncToken", "pageToken"):
        found = await api.refused("GET", "/v1/people/me/connections", personFields="names", **{name: text})
        assert found == expected


async def test_a_token_of_another_account_is_foreign(api: Api) -> None:
    token = (await api.listing())["nextSyncToken"]
    api.add_account("2002")
    api.http.headers["Authorization"] = f"Bearer {api.token('2002')}"
    query = {"personFields": "names,emailAddresses,memberships,metadata", "syncToken": token}
    found = await api.refused("GET", "/v1/people/me/connections", **query, sources="READ_SOURCE_TYPE_CONTACT")
    assert found[:2] == (400, "INVALID_ARGUMENT")


async def test_a_delta_holds_what_was_made_changed_and_deleted_and_nothing_else(api: Api) -> None:
    kept, changed, deleted = [await api.create(named(name)) for name in "KCD"]
    token = (await api.listing())["nextSyncToken"]
    await api.update(changed, "names", **named("C2"))
    await api.ok("DELETE", f"/v1/{deleted['resourceName']}:deleteContact")
    made = await api.create(named("N"))
    delta = await api.delta(token)
    assert [person["resourceName"] for person in delta] == [
        changed["resourceName"],
        deleted["resourceName"],
        made["resourceName"],
    ]
    assert kept["resourceName"] not in {person["resourceName"] for person in delta}


async def test_a_tombstone_carries_ids_and_no_contact_data(api: Api) -> None:
    person = await api.create(named("D", emailAddresses=email("d@example.org")))
    token = (await api.listing())["nextSyncToken"]
    await api.ok("DELETE", f"/v1/{person['resourceName']}:deleteContact")
    (tombstone,) = await api.delta(token)
    assert set(tombstone) == {"resourceName", "etag", "metadata"}
    assert tombstone["metadata"]["deleted"] is True
    assert tombstone["metadata"]["sources"][0]["updateTime"] == "1970-01-01T00:00:00Z"
    assert (await api.listing()).get("connections") is None


@pytest.mark.parametrize(("setting", "shown"), [("tombstone", 1), ("hide", 0)])
async def test_a_contact_made_and_deleted_between_two_tokens_is_shown_by_setting(
    api: Api, setting: str, shown: int
) -> None:
    await api.control("POST", "/settings", {"created_then_deleted": setting})
    token = (await api.listing())["nextSyncToken"]
    person = await api.create()
    await api.ok("DELETE", f"/v1/{person['resourceName']}:deleteContact")
    assert len(await api.delta(token)) == shown


@pytest.mark.parametrize(("sliding", "status"), [(False, 400), (True, 200)])
async def test_a_sync_token_lives_seven_days_from_the_full_read_or_from_the_last_delta(
    api: Api, *, sliding: bool, status: int
) -> None:
    await api.control("POST", "/settings", {"sync_token_sliding": sliding})
    token = (await api.listing())["nextSyncToken"]
    api.sim.bench.clock.advance(timedelta(days=6))
    api.http.headers["Authorization"] = f"Bearer {api.token('1001')}"
    token = (await api.listing(syncToken=token))["nextSyncToken"]
    api.sim.bench.clock.advance(timedelta(days=1))
    api.http.headers["Authorization"] = f"Bearer {api.token('1001')}"
    query = {"personFields": "names,emailAddresses,memberships,metadata", "requestSyncToken": "true"}
    response = await api.call(
        "GET", "/v1/people/me/connections", **query, sources="READ_SOURCE_TYPE_CONTACT", syncToken=token
    )
    assert response.status_code == status


async def test_writes_reach_listings_late_and_every_one_exactly_once(api: Api) -> None:
    await api.control("POST", "/settings", {"visibility_delay_s": 300})
    token = (await api.listing())["nextSyncToken"]
    person = await api.create(named("Late"))
    assert await api.delta(token) == []
    assert (await api.ok("GET", f"/v1/{person['resourceName']}", personFields="names"))["names"]
    api.sim.bench.clock.advance(timedelta(seconds=299))
    token = (await api.listing(syncToken=token))["nextSyncToken"]
    api.sim.bench.clock.advance(timedelta(seconds=1))
    answer = await api.listing(syncToken=token)
    assert [each["resourceName"] for each in answer["connections"]] == [person["resourceName"]]
    assert await api.delta(answer["nextSyncToken"]) == []


async def test_a_write_is_checked_against_the_true_state_while_listings_lag(api: Api) -> None:
    old = await api.create(named("Old"))
    await api.control("POST", "/settings", {"visibility_delay_s": 300})
    new = (await api.update(old, "names", **named("New"))).json()
    (listed,) = (await api.listing())["connections"]
    assert listed["names"][0]["givenName"] == "Old"
    assert (await api.update(listed, "names", **named("Other"))).status_code == 400
    assert (await api.update(new, "names", **named("Other"))).status_code == 200


async def test_a_later_change_that_is_seen_first_is_not_undone_by_an_earlier_one(api: Api) -> None:
    person = await api.create(named("First"))
    await api.control("POST", "/settings", {"visibility_delay_s": 300})
    person = (await api.update(person, "names", **named("Second"))).json()
    await api.control("POST", "/settings", {"visibility_delay_s": 10})
    await api.update(person, "names", **named("Third"))
    for seconds in (10, 300):
        api.sim.bench.clock.advance(timedelta(seconds=seconds))
        (listed,) = (await api.listing())["connections"]
        assert listed["names"][0]["givenName"] == "Third"


async def test_stale_reads_show_what_listings_show(api: Api) -> None:
    person = await api.create(named("Old"))
    await api.control("POST", "/settings", {"visibility_delay_s": 300, "stale_reads": True})
    await api.update(person, "names", **named("New"))
    read = await api.ok("GET", f"/v1/{person['resourceName']}", personFields="names")
    assert read["names"][0]["givenName"] == "Old"


async def test_the_first_page_of_a_full_listing_has_a_quota_of_its_own(api: Api) -> None:
    await api.control("POST", "/settings", {"full_syncs_per_minute": 2})
    token = [await api.listing() for _ in range(2)][-1]["nextSyncToken"]
    found = await api.refused("GET", "/v1/people/me/connections", personFields="names")
    assert found[:2] == (429, "RESOURCE_EXHAUSTED")
    assert await api.delta(token) == []


async def test_a_short_listing_is_well_formed_and_lacks_its_end(api: Api) -> None:
    for name in "ABCD":
        await api.create(named(name))
    await api.control("POST", "/faults", {"action": "short_listing", "keep": 0.5, "times": 1, "match": "*.list"})
    short = await api.listing()
    assert (len(short["connections"]), short["totalItems"]) == (2, 2)
    await api.control("POST", "/faults", {"action": "cut_listing", "keep": 0.5, "times": 1, "match": "*.list"})
    cut = await api.listing()
    assert (len(cut["connections"]), cut["totalItems"]) == (2, 4)
    assert len((await api.listing())["connections"]) == 4


async def test_a_person_of_a_listing_has_a_hundred_addresses_at_most_and_all_when_read_alone(api: Api) -> None:
    addresses = [{"value": f"a{number}@example.org"} for number in range(101)]
    person = await api.create(named("Many", emailAddresses=addresses))
    assert len((await api.listing())["connections"][0]["emailAddresses"]) == 100
    read = await api.ok("GET", f"/v1/{person['resourceName']}", personFields="emailAddresses")
    assert len(read["emailAddresses"]) == 101


async def test_a_renamed_contact_names_its_former_names_in_deltas_and_is_found_by_them(api: Api) -> None:
    person = await api.create()
    token = (await api.listing())["nextSyncToken"]
    renamed = await api.control("POST", f"/accounts/1001/{person['resourceName']}/rename")
    (changed,) = await api.delta(token)
    assert changed["resourceName"] == renamed["resourceName"] != person["resourceName"]
    assert changed["metadata"]["previousResourceNames"] == [person["resourceName"]]
    found = await api.ok("GET", "/v1/people:batchGet", resourceNames=person["resourceName"], personFields="names")
    assert found["responses"][0]["requestedResourceName"] == person["resourceName"]
    assert found["responses"][0]["person"]["resourceName"] == renamed["resourceName"]
    assert await api.ok("GET", f"/v1/{renamed['resourceName']}", personFields="names")


async def test_a_merge_is_one_change_and_one_deletion(api: Api) -> None:
    kept = await api.create(named("Kept", emailAddresses=email("a@example.org")))
    gone = await api.create(named("Gone", emailAddresses=email("b@example.org")))
    token = (await api.listing())["nextSyncToken"]
    body = {"kept": kept["resourceName"], "gone": gone["resourceName"]}
    await api.control("POST", "/accounts/1001/people/merge", body)
    deleted, changed = await api.delta(token)
    assert (deleted["resourceName"], deleted["metadata"]["deleted"]) == (gone["resourceName"], True)
    assert [each["value"] for each in changed["emailAddresses"]] == ["a@example.org", "b@example.org"]
    assert changed["names"][0]["givenName"] == "Kept"


async def test_a_contact_restored_from_the_trash_is_in_the_next_delta_under_its_old_name(api: Api) -> None:
    person = await api.create()
    await api.ok("DELETE", f"/v1/{person['resourceName']}:deleteContact")
    token = (await api.listing())["nextSyncToken"]
    await api.control("POST", f"/accounts/1001/{person['resourceName']}/restore")
    (restored,) = await api.delta(token)
    assert restored["resourceName"] == person["resourceName"]
    assert "deleted" not in restored["metadata"]


async def test_search_finds_word_prefixes_of_the_last_snapshot(api: Api) -> None:
    await api.create(named("Grace Hopper"))
    path = "/v1/people:searchContacts"
    assert await api.ok("GET", path, query="grace", readMask="names") == {}
    await api.ok("GET", path, query="", readMask="names")
    assert len((await api.ok("GET", path, query="hop", readMask="names"))["results"]) == 1
    assert await api.ok("GET", path, query="opper", readMask="names") == {}
