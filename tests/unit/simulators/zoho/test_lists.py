"""`GET /Contacts`: fields, pages, tokens, views, changes, ids."""

from __future__ import annotations

import pytest

from tests.unit.simulators.zoho.crm import FIELDS, NOBODY, START, Crm, instant, leaf


def crowd(count: int) -> list[dict[str, object]]:
    return [{"Last_Name": f"N{number:04d}", "Email": f"n{number}@example.com"} for number in range(count)]


async def test_fields_are_mandatory_and_at_most_fifty(crm: Crm) -> None:
    assert await crm.refused("GET", "/Contacts") == (400, "REQUIRED_PARAM_MISSING", {"param_name": "fields"})
    many = ",".join(f"f{number}" for number in range(51))
    assert await crm.refused("GET", "/Contacts", fields=many) == (
        400,
        "LIMIT_EXCEEDED",
        {"limit": 50, "param_name": "fields"},
    )


async def test_only_asked_fields_and_the_id_come_back_and_empty_ones_are_null(crm: Crm) -> None:
    await crm.records({"Last_Name": "Ada"})
    row = (await crm.listing(fields="Last_Name,Email"))["data"][0]
    assert set(row) == {"id", "Last_Name", "Email"}
    assert row["Email"] is None


async def test_nothing_to_list_is_204_without_a_body(crm: Crm) -> None:
    response = await crm.get("/Contacts", fields=FIELDS)
    assert (response.status_code, response.content) == (204, b"")


async def test_a_token_chain_serves_every_record_once_highest_id_first(crm: Crm) -> None:
    made = await crm.records(*crowd(450))
    assert await crm.every_id() == sorted(made, reverse=True)


async def test_pages_by_number_end_at_two_thousand_records(crm: Crm) -> None:
    await crm.records(*crowd(2001))
    assert (await crm.listing(page=10))["info"]["more_records"] is True
    status, code, details = await crm.refused("GET", "/Contacts", fields=FIELDS, page=11)
    assert (status, code, details) == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"limit": 2000})
    assert len(await crm.every_id()) == 2001


async def test_five_hundred_contacts_of_one_second_are_each_listed_once(crm: Crm) -> None:
    """Whole-second times: a page boundary falls within one second."""
    made = await crm.records(*crowd(500))
    assert sorted(await crm.every_id(sort_by="Modified_Time", sort_order="asc")) == sorted(made)


@pytest.mark.parametrize(("paging", "lost"), [("keyset", 0), ("offset", 1)])
async def test_a_record_deleted_between_pages_shifts_the_rest_only_by_offset(crm: Crm, paging: str, lost: int) -> None:
    made = await crm.records(*crowd(300))
    await crm.settings(paging=paging)
    first = await crm.listing()
    await crm.of_org("POST", "/records/Contacts/delete", {"ids": [made[-1]]})
    second = await crm.listing(page_token=first["info"]["next_page_token"])
    seen = {one["id"] for page in (first, second) for one in page["data"]}
    assert len(set(made) - seen) == lost


async def test_keyset_paging_survives_the_last_served_record_being_deleted(crm: Crm) -> None:
    made = await crm.records(*crowd(300))
    first = await crm.listing()
    gone = [one["id"] for one in first["data"][-3:]]
    await crm.of_org("POST", "/records/Contacts/delete", {"ids": gone})
    second = await crm.listing(page_token=first["info"]["next_page_token"])
    assert {one["id"] for page in (first, second) for one in page["data"]} == set(made)


async def test_a_page_token_is_bound_to_parameters_user_and_a_day(crm: Crm) -> None:
    await crm.records(*crowd(300))
    token = (await crm.listing())["info"]["next_page_token"]
    assert len(token) <= 96
    assert await crm.refused("GET", "/Contacts", fields="id,Last_Name", page_token=token) == (
        400,
        "TOKEN_BOUND_DATA_MISMATCH",
        {"param_name": "fields"},
    )
    assert (await crm.refused("GET", "/Contacts", fields=FIELDS, page_token="x"))[1] == "INVALID_DATA"
    other = await crm.of_org("POST", "/users", {"email": "b@example.com"})
    stranger = await crm.get("/Contacts", await crm.sign_in(other["id"]), fields=FIELDS, page_token=token)
    assert stranger.json()["details"] == {"param_name": "page_token"}
    crm.wait(86_401)
    crm.headers = await crm.sign_in(crm.owner)
    assert (await crm.refused("GET", "/Contacts", fields=FIELDS, page_token=token))[1] == "EXPIRED_VALUE"


@pytest.mark.parametrize("pair", [{"page": 1, "page_token": "x"}, {"cvid": NOBODY, "sort_by": "id"}])
async def test_parameters_that_exclude_one_another_are_ambiguous(crm: Crm, pair: dict[str, object]) -> None:
    status, code, details = await crm.refused("GET", "/Contacts", fields=FIELDS, **pair)
    assert (status, code) == (400, "AMBIGUITY_DURING_PROCESSING")
    assert details["ambiguity_due_to"] == [{"param_name": name} for name in pair]


async def test_a_view_selects_by_its_criteria_and_follows_edits(crm: Crm) -> None:
    ada, bob = await crm.records({"Last_Name": "Ada", "Mailing_City": "Köln"}, {"Last_Name": "Bob"})
    group = {
        "group_operator": "and",
        "group": [leaf("Mailing_City", "equal", "köln"), leaf("Email", "equal", "${EMPTY}")],
    }
    view = await crm.view(group)
    assert await crm.every_id(cvid=view) == [ada]
    await crm.of_org("PATCH", f"/records/Contacts/{bob}", {"values": {"Mailing_City": "KÖLN"}})
    await crm.of_org("PATCH", f"/records/Contacts/{ada}", {"values": {"Email": "ada@example.com"}})
    assert await crm.every_id(cvid=view) == [bob]


@pytest.mark.parametrize(
    ("criterion", "hits"),
    [
        (leaf("Last_Name", "starts_with", "a"), ["Ada"]),
        (leaf("Last_Name", "not_contains", "d"), ["Bob"]),
        (leaf("Date_of_Birth", "between", ["1990-01-01", "1999-12-31"]), ["Bob"]),
        (leaf("Email_Opt_Out", "equal", "true"), ["Ada"]),
        (leaf("Owner", "equal", "${CURRENTUSER}"), ["Ada", "Bob"]),
        (leaf("Modified_Time", "greater_equal", "2026-03-01T10:00:00+00:00"), ["Ada", "Bob"]),
        (leaf("Last_Name", "equal", ["ada", "bob"]), ["Ada", "Bob"]),
        (leaf("Last_Name", "not_equal", ["ada", "bob"]), []),
        (leaf("Account_Name", "not_equal", "${EMPTY}"), ["Ada"]),
    ],
)
async def test_criteria_compare_by_type(crm: Crm, criterion: dict[str, object], hits: list[str]) -> None:
    await crm.records(
        {"Last_Name": "Ada", "Email_Opt_Out": True, "Account_Name": "Acme"},
        {"Last_Name": "Bob", "Date_of_Birth": "1995-02-28"},
    )
    view = await crm.view(criterion)
    response = await crm.get("/Contacts", fields=FIELDS, cvid=view)
    rows = response.json()["data"] if hits else []
    assert sorted(one["Last_Name"] for one in rows) == hits


async def test_a_view_sorts_and_a_vanished_one_is_invalid(crm: Crm) -> None:
    await crm.records({"Last_Name": "Bob"}, {"Last_Name": "ada"}, {"Last_Name": "Cid"})
    view = await crm.view(None, sort_by="Last_Name", sort_order="asc")
    page = await crm.listing(cvid=view)
    assert [one["Last_Name"] for one in page["data"]] == ["ada", "Bob", "Cid"]
    await crm.of_org("DELETE", f"/views/{view}")
    assert await crm.refused("GET", "/Contacts", fields=FIELDS, cvid=view) == (
        400,
        "INVALID_DATA",
        {"param_name": "cvid"},
    )


async def test_a_private_view_is_no_view_for_others(crm: Crm) -> None:
    view = await crm.view(None, access_type="only_to_me")
    other = await crm.of_org("POST", "/users", {"email": "b@example.com"})
    headers = await crm.sign_in(other["id"])
    assert (await crm.get("/Contacts", headers, fields=FIELDS, cvid=view)).status_code == 400


@pytest.mark.parametrize(("setting", "hits"), [("after", 1), ("at_or_after", 2)])
async def test_if_modified_since_counts_whole_seconds_by_the_setting(crm: Crm, setting: str, hits: int) -> None:
    await crm.settings(modified_since=setting)
    await crm.records({"Last_Name": "At"})
    crm.wait(1)
    await crm.records({"Last_Name": "After"})
    page = await crm.listing({"If-Modified-Since": instant()})
    assert len(page["data"]) == hits


async def test_nothing_modified_is_304_without_a_body(crm: Crm) -> None:
    await crm.records({"Last_Name": "Ada"})
    response = await crm.get("/Contacts", {"If-Modified-Since": instant(60)}, fields=FIELDS)
    assert (response.status_code, response.content) == (304, b"")


async def test_if_modified_since_with_milliseconds_is_refused(crm: Crm) -> None:
    headers = {"If-Modified-Since": "2026-03-01T10:00:00.000+00:00"}
    assert (await crm.get("/Contacts", headers, fields=FIELDS)).json()["code"] == "INVALID_DATA"


async def test_records_set_back_in_time_are_found_by_their_time(crm: Crm) -> None:
    """The index by time must not rely on the order of writing."""
    await crm.records({"Last_Name": "New", "Modified_Time": instant(-10)})
    await crm.records({"Last_Name": "Old", "Modified_Time": instant(-1000)})
    page = await crm.listing({"If-Modified-Since": instant(-60)})
    assert [one["Last_Name"] for one in page["data"]] == ["New"]


async def test_ids_give_the_known_ones_alone(crm: Crm) -> None:
    ada, bob = await crm.records({"Last_Name": "Ada"}, {"Last_Name": "Bob"})
    page = await crm.listing(ids=f"{ada},{NOBODY},{bob}")
    assert [one["id"] for one in page["data"]] == [bob, ada]
    assert (await crm.refused("GET", "/Contacts", fields=FIELDS, ids=",".join([ada] * 101)))[1] == "LIMIT_EXCEEDED"


async def test_times_come_in_the_zone_of_the_user_without_milliseconds(crm: Crm) -> None:
    await crm.records({"Last_Name": "Ada"})
    await crm.of_org("PATCH", f"/users/{crm.owner}", {"time_zone": "Asia/Kolkata"})
    assert (await crm.listing())["data"][0]["Modified_Time"] == "2026-03-01T15:30:00+05:30"
    assert START.isoformat() == "2026-03-01T10:00:00+00:00"


async def test_sorting_goes_by_three_fields_alone(crm: Crm) -> None:
    assert (await crm.refused("GET", "/Contacts", fields=FIELDS, sort_by="Email"))[2]["param_name"] == "sort_by"


async def test_one_record_is_204_when_absent_and_400_when_malformed(crm: Crm) -> None:
    assert (await crm.get(f"/Contacts/{NOBODY}")).status_code == 204
    assert (await crm.get("/Contacts/abc")).status_code == 400


async def test_an_unknown_module_is_named_invalid(crm: Crm) -> None:
    assert (await crm.refused("GET", "/Vendors", fields="id,Name"))[1] == "INVALID_MODULE"


async def test_listings_lag_behind_writes_when_told_to(crm: Crm) -> None:
    (ada,) = await crm.records({"Last_Name": "Ada"})
    await crm.settings(visibility_delay_s=300)
    await crm.update({"id": ada, "Last_Name": "Countess"})
    (bob,) = await crm.insert({"Last_Name": "Bob"})
    assert [one["Last_Name"] for one in (await crm.listing())["data"]] == ["Ada"]
    assert (await crm.record(bob))["Last_Name"] == "Bob"
    crm.wait(300)
    assert [one["Last_Name"] for one in (await crm.listing())["data"]] == ["Bob", "Countess"]


async def test_a_deleted_record_stays_listed_for_the_lag(crm: Crm) -> None:
    (ada,) = await crm.records({"Last_Name": "Ada"})
    await crm.settings(visibility_delay_s=300)
    await crm.call("DELETE", "/Contacts", ids=ada)
    assert await crm.every_id() == [ada]
    assert (await crm.get("/Contacts/deleted")).status_code == 204
    crm.wait(300)
    assert (await crm.get("/Contacts", fields=FIELDS)).status_code == 204
    assert (await crm.get("/Contacts/deleted")).json()["data"][0]["id"] == ada


async def test_a_short_listing_stays_short_through_its_chain(crm: Crm) -> None:
    await crm.records(*crowd(600))
    await crm.control("POST", "/faults", {"action": "short_listing", "keep": 0.5, "times": 1})
    assert len(await crm.every_id()) == 300
    assert len(await crm.every_id()) == 600


async def test_a_list_shows_the_beginning_of_a_rich_text_and_one_record_the_whole(crm: Crm) -> None:
    await crm.of_org("POST", "/fields", {"label": "Story", "data_type": "textarea", "length": 50_000})
    (story,) = [
        one
        for one in (await crm.get("/settings/fields", module="Contacts")).json()["fields"]
        if one["api_name"] == "Story"
    ]
    assert story["textarea"] == {"type": "rich_text"}
    (told, silent) = await crm.insert({"Last_Name": "Told", "Story": "x" * 501}, {"Last_Name": "Silent"})
    shown = {one["id"]: one["Story"] for one in (await crm.listing(fields="id,Last_Name,Story"))["data"]}
    assert shown == {told: "x" * 500, silent: None}
    assert (await crm.record(told))["Story"] == "x" * 501
