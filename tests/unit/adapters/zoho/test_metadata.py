"""What an organisation says about itself."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from contactsync.adapters.zoho.metadata import CrmOrganisation, crm_field
from contactsync.domain.catalogue import CrmField, ValueKind
from contactsync.domain.ids import ViewId
from contactsync.errors import PermissionMissingError, ProviderContractError
from tests.unit.adapters.zoho.fakes import Crm, Reply, problem, reply

WRITABLE = {"operation_type": {"api_create": True, "api_update": True}, "visible": True}


async def test_the_current_user_is_known_by_a_stable_id_and_has_a_profile() -> None:
    user = {
        "id": "11",
        "zuid": "700",
        "full_name": "Ada Lovelace",
        "email": "ada@x.org",
        "profile": {"name": "Standard", "id": "3"},
        "time_zone": "Europe/London",
        "status": "active",
    }
    crm = Crm(reply({"users": [user], "info": {}}))
    found = await crm.metadata.current_user()
    assert (found.zuid, found.profile_id, found.email, found.active) == ("700", "3", "ada@x.org", True)
    assert (crm.requests[0].url.path, crm.query()) == ("/crm/v8/users", {"type": "CurrentUser"})
    assert crm.gate.calls[0].control


@pytest.mark.parametrize("answer", [reply(status=204), reply({"users": []}), reply({"users": [{"id": "1"}]})])
async def test_a_user_without_identity_is_an_answer_not_understood(answer: Reply) -> None:
    with pytest.raises(ProviderContractError):
        await Crm(answer).metadata.current_user()


async def test_the_organisation_has_a_stable_id_and_an_edition() -> None:
    licence = {"paid": True, "paid_type": "Enterprise", "trial_type": None, "trial_expiry": None}
    row = {"id": "1", "zgid": 800, "company_name": "Engines", "type": "sandbox", "license_details": licence}
    found = await Crm(reply({"org": [row]})).metadata.organisation()
    assert (found.zgid, found.name, found.kind, found.edition(date(2026, 3, 1))) == (
        "800",
        "Engines",
        "sandbox",
        "enterprise",
    )


@pytest.mark.parametrize(
    ("paid", "trial", "ends", "edition"),
    [
        (None, None, None, "free"),
        (None, "professional", None, "professional"),
        (None, "professional", date(2026, 3, 1), "professional"),
        (None, "professional", date(2026, 2, 28), "free"),
        ("standard", "ultimate", date(2027, 1, 1), "standard"),
    ],
)
def test_a_running_trial_counts_as_its_edition(
    paid: str | None, trial: str | None, ends: date | None, edition: str
) -> None:
    organisation = CrmOrganisation("1", "2", "x", "production", paid, trial, ends)
    assert organisation.edition(date(2026, 3, 1)) == edition


def profile(*names: str, label: str = "") -> Reply:
    rights = [{"name": name, "display_label": label or name, "enabled": True} for name in names]
    rights.append({"name": "Crm_Implied_Delete_Contacts", "display_label": "x", "enabled": False})
    return reply({"profiles": [{"id": "3", "permissions_details": rights}]})


async def test_the_rights_of_a_profile_are_read_by_name() -> None:
    names = ("Crm_Implied_Gcontact_Sync", "Crm_Implied_View_Contacts", "Crm_Implied_Create_Contacts")
    found = await Crm(profile(*names)).metadata.rights("3")
    assert found is not None
    assert (found.google_sync, found.view, found.create, found.edit, found.delete) == (True, True, True, False, False)
    assert found.missing() == ("Crm_Implied_Edit_Contacts", "Crm_Implied_Delete_Contacts")


async def test_the_google_right_is_known_by_its_label_too() -> None:
    found = await Crm(profile("Crm_Implied_Renamed", label="Sync with Google Contact")).metadata.rights("3")
    assert found is not None
    assert found.google_sync


async def test_a_profile_that_may_not_be_read_tells_nothing() -> None:
    assert await Crm(problem("NO_PERMISSION", 403)).metadata.rights("3") is None


@pytest.mark.parametrize(
    ("row", "kind", "writable"),
    [
        ({"data_type": "text", "length": 40}, ValueKind.TEXT, True),
        ({"data_type": "textarea"}, ValueKind.MULTILINE, True),
        ({"data_type": "textarea", "textarea": {"type": "large"}}, ValueKind.MULTILINE, True),
        ({"data_type": "email"}, ValueKind.EMAIL, True),
        ({"data_type": "phone"}, ValueKind.PHONE, True),
        ({"data_type": "date"}, ValueKind.DATE, True),
        ({"data_type": "datetime"}, ValueKind.DATETIME, True),
        ({"data_type": "boolean"}, ValueKind.BOOLEAN, True),
        ({"data_type": "currency"}, ValueKind.NUMBER, True),
        ({"data_type": "website"}, ValueKind.URL, True),
        ({"data_type": "multiselectpicklist"}, ValueKind.MULTI_PICKLIST, True),
        ({"data_type": "lookup", "lookup": {"module": {"api_name": "Accounts"}}}, ValueKind.COMPANY, True),
        ({"data_type": "lookup", "lookup": {"module": {"api_name": "Vendors"}}}, ValueKind.TEXT, False),
        ({"data_type": "ownerlookup"}, ValueKind.TEXT, False),
        ({"data_type": "formula"}, ValueKind.TEXT, False),
        ({"data_type": "text", "field_read_only": True}, ValueKind.TEXT, False),
        ({"data_type": "text", "read_only": True}, ValueKind.TEXT, False),
        ({"data_type": "text", "virtual_field": True}, ValueKind.TEXT, False),
        ({"data_type": "text", "operation_type": {"api_update": False}}, ValueKind.TEXT, False),
    ],
)
def test_a_field_is_described_by_kind_and_whether_it_can_be_written(
    row: dict[str, Any], kind: ValueKind, *, writable: bool
) -> None:
    found = crm_field({"api_name": "F", "display_label": "Label", **WRITABLE, **row})
    assert found is not None
    assert (found.kind, found.writable, found.label) == (kind, writable, "Label")


@pytest.mark.parametrize(
    "row",
    [
        {"data_type": "profileimage"},
        {"data_type": "subform"},
        {"data_type": "text", "visible": False},
        {"data_type": "textarea", "textarea": {"type": "rich_text"}},
        {},
    ],
)
def test_a_field_that_is_hidden_or_not_shown_whole_by_a_list_cannot_be_mapped(row: dict[str, Any]) -> None:
    assert crm_field({"api_name": "F", **WRITABLE, **row}) is None


async def test_the_fields_of_contacts_come_with_lengths_choices_and_flags() -> None:
    choices = [
        {"actual_value": "-None-", "type": "used"},
        {"actual_value": "Partner", "type": "used"},
        {"actual_value": "Old", "type": "unused"},
    ]
    rows: list[dict[str, Any]] = [
        {"api_name": "Last_Name", "field_label": "Nom", "data_type": "text", "length": 80, "system_mandatory": True},
        {"api_name": "Lead_Source", "data_type": "picklist", "pick_list_values": choices, "custom_field": True},
        {"api_name": "Record_Image", "data_type": "profileimage"},
    ]
    crm = Crm(reply({"fields": [row | WRITABLE for row in rows]}))
    assert await crm.metadata.fields() == [
        CrmField(api_name="Last_Name", label="Nom", max_length=80, mandatory=True),
        CrmField(
            api_name="Lead_Source", label="Lead_Source", kind=ValueKind.PICKLIST, custom=True, picklist=("Partner",)
        ),
    ]
    assert crm.query() == {"module": "Contacts"}


def criteria(field: str, value: object = "x") -> dict[str, Any]:
    return {"comparator": "equal", "field": {"api_name": field, "id": "1"}, "value": value}


@pytest.mark.parametrize(
    ("row", "by_the_hour"),
    [
        ({"system_name": "ALLVIEWS"}, False),
        ({"system_name": "RECENTLYCREATED"}, True),
        ({"system_name": "RECENTLYMODIFIED"}, True),
        ({"criteria": criteria("Mailing_City")}, False),
        ({"criteria": criteria("Modified_Time")}, True),
        ({"criteria": {"group_operator": "AND", "group": [criteria("Email"), criteria("Created_Time")]}}, True),
        ({"criteria": criteria("Birthday", "${TODAY}")}, True),
        ({"criteria": criteria("Date_of_Birth", ["${NOW}-7"])}, True),
        ({"criteria": criteria("Owner", "${CURRENTUSER}")}, False),
    ],
)
async def test_a_view_that_changes_with_time_alone_is_marked(row: dict[str, Any], *, by_the_hour: bool) -> None:
    view = {"id": "7", "display_value": "Mine", "category": "created_by_me", "default": True, **row}
    crm = Crm(reply({"custom_views": [view]}))
    found = await crm.metadata.view(ViewId("7"))
    assert found is not None
    assert (found.id, found.name, found.category, found.default) == ("7", "Mine", "created_by_me", True)
    assert found.by_the_hour is by_the_hour
    assert crm.requests[0].url.path == "/crm/v8/settings/custom_views/7"


async def test_all_pages_of_views_are_listed() -> None:
    views = [{"custom_views": [{"id": str(n), "name": f"V{n}"}], "info": {"more_records": n == 0}} for n in range(2)]
    crm = Crm(*map(reply, views))
    assert [one.name for one in await crm.metadata.views()] == ["V0", "V1"]
    assert crm.query() == {"module": "Contacts", "page": "2", "per_page": "200"}


@pytest.mark.parametrize("answer", [reply(status=204), problem("INVALID_DATA"), reply({"custom_views": []})])
async def test_a_view_that_is_gone_is_none(answer: Reply) -> None:
    assert await Crm(answer).metadata.view(ViewId("7")) is None


async def test_metadata_that_may_not_be_read_names_the_right() -> None:
    with pytest.raises(PermissionMissingError):
        await Crm(problem("NO_PERMISSION", 403, permissions=["Crm_Implied_Api_Access"])).metadata.fields()
