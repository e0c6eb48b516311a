"""Fields, views, users, profiles, roles, modules, layouts, organisation; and search with its slow index."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulators.zoho.crm import Crm, leaf


async def fields(crm: Crm, module: str = "Contacts") -> dict[str, dict[str, Any]]:
    listed = (await crm.get("/settings/fields", module=module)).json()["fields"]
    return {one["api_name"]: one for one in listed}


async def test_fields_carry_type_length_flags_and_choices(crm: Crm) -> None:
    found = await fields(crm)
    last_name, salutation = found["Last_Name"], found["Salutation"]
    assert (last_name["data_type"], last_name["length"], last_name["system_mandatory"]) == ("text", 80, True)
    assert "Dr." in [one["actual_value"] for one in salutation["pick_list_values"]]
    assert found["Account_Name"]["lookup"]["module"]["api_name"] == "Accounts"
    assert found["Full_Name"]["operation_type"]["api_update"] is False
    assert found["Email"]["unique"] == {}
    await crm.of_org("PATCH", "/fields/Contacts/Email", {"unique": True})
    assert (await fields(crm))["Email"]["unique"] == {"casesensitive": "false"}


async def test_custom_fields_come_with_the_name_made_from_their_label(crm: Crm) -> None:
    await crm.of_org("POST", "/fields", {"label": "Shoe size", "data_type": "integer"})
    shoe = (await fields(crm))["Shoe_size"]
    assert (shoe["custom_field"], shoe["json_type"], shoe["field_label"]) == (True, "integer", "Shoe size")
    await crm.of_org("DELETE", "/fields/Contacts/Shoe_size")
    assert "Shoe_size" not in await fields(crm)


@pytest.mark.parametrize("path", ["/settings/fields", "/settings/custom_views", "/settings/layouts"])
async def test_metadata_of_a_module_needs_its_name(crm: Crm, path: str) -> None:
    assert await crm.refused("GET", path) == (400, "REQUIRED_PARAM_MISSING", {"param_name": "module"})


async def test_views_are_listed_and_one_view_tells_its_criteria(crm: Crm) -> None:
    criteria = {"group_operator": "or", "group": [leaf("Email", "equal", "a"), leaf("Phone", "equal", "b")]}
    view = await crm.view(criteria, sort_by="Last_Name", sort_order="asc")
    listed = (await crm.get("/settings/custom_views", module="Contacts")).json()
    assert [one["system_name"] for one in listed["custom_views"]] == ["ALLVIEWS", "MYVIEWS", None]
    assert listed["info"]["default"] == crm.org["views"]["Contacts"]["All Contacts"]
    assert "criteria" not in listed["custom_views"][0]
    (single,) = (await crm.get(f"/settings/custom_views/{view}", module="Contacts")).json()["custom_views"]
    assert single["criteria"]["group_operator"] == "OR"
    assert single["criteria"]["group"][0]["field"]["api_name"] == "Email"
    assert single["sort_by"]["api_name"] == "Last_Name"
    await crm.of_org("DELETE", f"/views/{view}")
    assert (await crm.get(f"/settings/custom_views/{view}", module="Contacts")).status_code == 204


async def test_a_view_whose_criteria_make_no_sense_is_refused_by_the_control_interface(crm: Crm) -> None:
    path = f"/control/organisations/{crm.org['zgid']}/views"
    for criteria in (leaf("Nickname", "equal", "a"), leaf("Email", "sounds_like", "a"), {"nonsense": 1}):
        answer = await crm.http.post(path, json={"name": "x", "criteria": criteria})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "criteria")


async def test_the_current_user_tells_profile_role_and_zone(crm: Crm) -> None:
    await crm.of_org("PATCH", f"/users/{crm.owner}", {"time_zone": "Asia/Kolkata"})
    (user,) = (await crm.get("/users", type="CurrentUser")).json()["users"]
    assert (user["id"], user["email"], user["offset"]) == (crm.owner, "owner@example.com", 19_800_000)
    assert user["profile"]["name"] == "Administrator"


async def test_users_are_listed_by_kind(crm: Crm) -> None:
    other = await crm.of_org("POST", "/users", {"email": "b@example.com", "profile": "Standard"})
    await crm.of_org("PATCH", f"/users/{other['id']}", {"active": False})

    async def emails(kind: str) -> list[str]:
        return [one["email"] for one in (await crm.get("/users", type=kind)).json()["users"]]

    assert await emails("AllUsers") == ["owner@example.com", "b@example.com"]
    assert await emails("ActiveUsers") == ["owner@example.com"]
    assert await emails("DeactiveUsers") == ["b@example.com"]
    assert await emails("AdminUsers") == ["owner@example.com"]


async def test_one_profile_tells_every_right(crm: Crm) -> None:
    profile = crm.org["profiles"]["Administrator"]
    await crm.rights("Administrator", disable=("Crm_Implied_Gcontact_Sync",))
    (shown,) = (await crm.get(f"/settings/profiles/{profile}")).json()["profiles"]
    rights = {one["name"]: one["enabled"] for one in shown["permissions_details"]}
    assert (rights["Crm_Implied_Gcontact_Sync"], rights["Crm_Implied_View_Contacts"]) == (False, True)
    listed = (await crm.get("/settings/profiles")).json()["profiles"]
    assert "permissions_details" not in listed[0]


async def test_a_standard_user_may_not_read_profiles(crm: Crm) -> None:
    other = await crm.of_org("POST", "/users", {"email": "b@example.com", "profile": "Standard"})
    crm.headers = await crm.sign_in(other["id"])
    profile = crm.org["profiles"]["Standard"]
    assert (await crm.refused("GET", f"/settings/profiles/{profile}"))[:2] == (403, "NO_PERMISSION")


@pytest.mark.parametrize(
    ("change", "paid_type", "trial"),
    [
        ({}, "enterprise", None),
        ({"edition": "free"}, None, None),
        ({"edition": "free", "trial": "professional"}, None, "professional"),
    ],
)
async def test_the_organisation_tells_its_licence(
    crm: Crm, change: dict[str, object], paid_type: str | None, trial: str | None
) -> None:
    await crm.of_org("PATCH", "", change)
    (org,) = (await crm.get("/org")).json()["org"]
    held = org["license_details"]
    assert (held["paid"], held["paid_type"], held["trial_type"]) == (paid_type is not None, paid_type, trial)
    assert org["zgid"] == crm.org["zgid"]


async def test_roles_modules_and_layouts_answer(crm: Crm) -> None:
    assert (await crm.get("/settings/roles")).json()["roles"][0]["name"] == "CEO"
    modules = (await crm.get("/settings/modules")).json()["modules"]
    assert [one["api_name"] for one in modules] == ["Contacts", "Accounts"]
    (layout,) = (await crm.get("/settings/layouts", module="Contacts")).json()["layouts"]
    required = [one["api_name"] for one in layout["sections"][0]["fields"] if one["required"]]
    assert required == ["Last_Name"]


async def test_a_hidden_field_is_null_in_records(crm: Crm) -> None:
    (record_id,) = await crm.records({"Last_Name": "A", "Phone": "112"})
    await crm.of_org("PATCH", "/fields/Contacts/Phone", {"visible": False})
    assert (await crm.record(record_id))["Phone"] is None
    assert (await fields(crm))["Phone"]["visible"] is False


async def test_search_misses_what_was_just_written(crm: Crm) -> None:
    await crm.insert({"Last_Name": "Ada", "Email": "ada@example.com"})
    assert (await crm.get("/Contacts/search", email="ada@example.com")).status_code == 204
    crm.wait(60)
    found = (await crm.get("/Contacts/search", email="ada@example.com", fields="id,Email")).json()
    assert [one["Email"] for one in found["data"]] == ["ada@example.com"]


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ("(Last_Name:equals:ada)", ["Ada", "Adamson"]),
        ("(Last_Name:starts_with:adam)", ["Adamson"]),
        ("((Last_Name:equals:ada)and(Email:equals:two))", ["Adamson"]),
        ("((Last_Name:equals:zed)or(Email:equals:one))", ["Ada"]),
        ("(Date_of_Birth:between:1990-01-01,1990-12-31)", ["Ada"]),
        ("(Last_Name:in:ada,zed)", ["Ada"]),
        (r"(Department:equals:R\(D\))", ["Adamson"]),
    ],
)
async def test_search_by_criteria_takes_equals_for_contains(crm: Crm, criteria: str, names: list[str]) -> None:
    await crm.settings(index_delay_s=0)
    await crm.records(
        {"Last_Name": "Ada", "Email": "one@example.com", "Date_of_Birth": "1990-05-05"},
        {"Last_Name": "Adamson", "Email": "two@example.com", "Department": "R(D)"},
    )
    found = (await crm.get("/Contacts/search", criteria=criteria, fields="id,Last_Name")).json()["data"]
    assert sorted(one["Last_Name"] for one in found) == names


@pytest.mark.parametrize("criteria", ["", "(Nickname:equals:a)", "(Last_Name:resembles:a)", "nonsense"])
async def test_senseless_searches_are_refused(crm: Crm, criteria: str) -> None:
    assert (await crm.refused("GET", "/Contacts/search", criteria=criteria))[0] == 400
