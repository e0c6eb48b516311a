"""What the connector reads of a CRM that others edit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contactsync.adapters.zoho.instants import parse_instant, revision_of
from contactsync.domain.contact import Observation
from contactsync.domain.ids import RecordId, RowKey, ViewId
from contactsync.errors import PageTokenExpiredError, PermissionMissingError, ScopeGoneError
from contactsync.ports.directory import RecordPage
from tests.integration.zoho.harness import Customer, Vendor

EMAIL = RowKey("Email=email_addresses[work]")
LAST = RowKey("Last_Name=names.family_name")
COMPANY = RowKey("Account_Name=organizations.name")


async def view(crm: Customer, view_id: ViewId | None = None) -> list[Observation]:
    return [one for page in await view_pages(crm, view_id) for one in page.records]


async def view_pages(crm: Customer, view_id: ViewId | None = None) -> list[RecordPage]:
    pages = [await crm.contacts.view_page(view_id or crm.all_contacts, None)]
    while pages[-1].next_page is not None:
        pages.append(await crm.contacts.view_page(view_id or crm.all_contacts, pages[-1].next_page))
    return pages


class TestViews:
    async def test_a_view_beyond_2000_records_is_read_whole_by_pages_of_200(self, crm: Customer) -> None:
        ids = await crm.populate(2150)
        pages = await view_pages(crm)
        assert [len(page.records) for page in pages] == [200] * 10 + [150]
        assert {one.remote_id for page in pages for one in page.records} == set(ids)
        assert all(one.in_scope for page in pages for one in page.records)
        assert crm.gate.credits == 33
        assert (await crm.state())["credits_spent"] == 33

    async def test_values_come_as_typed_and_times_as_instants(self, crm: Customer) -> None:
        (record_id,) = await crm.add({"Last_Name": "Ångström ", "Email": "A@X.org", "Account_Name": "Engines Ltd"})
        (found,) = await view(crm)
        held = await crm.record(record_id)
        assert found.values[EMAIL] == "A@X.org"
        assert found.values[COMPANY] == "Engines Ltd"
        assert found.values[LAST] == held["Last_Name"]
        assert found.revision == revision_of(parse_instant(held["Modified_Time"]))

    async def test_the_page_bears_the_vendors_clock(self, zoho: Vendor, crm: Customer) -> None:
        await zoho.move_clock(timedelta(days=-200))
        page = await crm.contacts.view_page(crm.all_contacts, None)
        assert abs(page.server_time - (datetime.now(UTC) - timedelta(days=200))) < timedelta(minutes=1)

    async def test_only_records_that_meet_the_criteria_are_in_the_view(self, crm: Customer) -> None:
        _, paris = await crm.add(
            {"Last_Name": "A", "Mailing_City": "London"}, {"Last_Name": "B", "Mailing_City": "Paris"}
        )
        criteria = {"comparator": "equal", "field": {"api_name": "Mailing_City"}, "value": "Paris"}
        made = await crm.hand("views", name="Paris", criteria=criteria)
        assert [one.remote_id for one in await view(crm, ViewId(made["id"]))] == [paris]

    async def test_an_empty_view_is_no_error(self, crm: Customer) -> None:
        assert await view(crm) == []

    async def test_a_deleted_view_is_gone_and_not_empty(self, zoho: Vendor, crm: Customer) -> None:
        made = await crm.hand("views", name="Short-lived")
        mine = ViewId(made["id"])
        assert await crm.contacts.view_exists(mine)
        await zoho.control("DELETE", f"organisations/{crm.zgid}/views/{mine}")
        assert not await crm.contacts.view_exists(mine)
        with pytest.raises(ScopeGoneError) as caught:
            await crm.contacts.view_page(mine, None)
        assert caught.value.reason == "view_gone"

    async def test_a_place_in_a_listing_is_forgotten_after_a_day(self, zoho: Vendor, crm: Customer) -> None:
        await crm.populate(250)
        first = await crm.contacts.view_page(crm.all_contacts, None)
        await zoho.move_clock(timedelta(hours=25))
        with pytest.raises(PageTokenExpiredError):
            await crm.contacts.view_page(crm.all_contacts, first.next_page)

    async def test_a_place_in_another_listing_is_no_place_in_this_one(self, crm: Customer) -> None:
        await crm.populate(250)
        changed = await crm.contacts.changed_page(datetime(2020, 1, 1, tzinfo=UTC), None)
        for token in (changed.next_page, "garbage"):
            with pytest.raises(PageTokenExpiredError):
                await crm.contacts.view_page(crm.all_contacts, token)

    async def test_without_the_right_to_view_the_right_is_named(self, crm: Customer) -> None:
        await crm.change("profiles/Administrator", disable=["Crm_Implied_View_Contacts"])
        with pytest.raises(PermissionMissingError) as caught:
            await crm.contacts.view_page(crm.all_contacts, None)
        assert caught.value.details["permissions"] == ["Crm_Implied_View_Contacts"]


class TestChanges:
    @pytest.mark.parametrize("rule", ["after", "at_or_after"])
    async def test_a_change_at_the_asked_instant_is_always_included(
        self, zoho: Vendor, crm: Customer, rule: str
    ) -> None:
        await zoho.settings(modified_since=rule)
        (record_id,) = await crm.add({"Last_Name": "A", "Modified_Time": "2026-03-01T09:00:00+00:00"})
        at = datetime(2026, 3, 1, 9, 0, 0, 400_000, tzinfo=UTC)
        assert [one.remote_id for one in (await crm.contacts.changed_page(at, None)).records] == [record_id]
        later = await crm.contacts.changed_page(at + timedelta(seconds=2), None)
        assert list(later.records) == []

    async def test_changes_of_the_whole_module_come_by_pages(self, crm: Customer) -> None:
        await crm.populate(450)
        page, seen = None, 0
        while True:
            found = await crm.contacts.changed_page(datetime(2020, 1, 1, tzinfo=UTC), page)
            seen += len(found.records)
            assert {one.in_scope for one in found.records} == {None}
            if (page := found.next_page) is None:
                break
        assert seen == 450

    async def test_deletions_of_both_kinds_are_told_with_their_time(self, crm: Customer) -> None:
        binned, purged, stays = await crm.add({"Last_Name": "A"}, {"Last_Name": "B"}, {"Last_Name": "C"})
        before = datetime.now(UTC)
        await crm.hand("records/Contacts/delete", ids=[binned])
        await crm.hand("records/Contacts/delete", ids=[purged], kind="permanent")
        found = await crm.contacts.deleted_page(before, None)
        assert {one.record_id for one in found.deletions} == {binned, purged}
        assert all(abs(one.deleted_at - before) < timedelta(seconds=5) for one in found.deletions)
        assert list((await crm.contacts.deleted_page(before + timedelta(minutes=1), None)).deletions) == []
        assert [one.remote_id for one in await crm.contacts.read([binned, purged, stays])] == [stays]

    async def test_many_deletions_come_by_pages(self, crm: Customer) -> None:
        ids = await crm.populate(230)
        await crm.hand("records/Contacts/delete", ids=ids)
        first = await crm.contacts.deleted_page(datetime(2020, 1, 1, tzinfo=UTC), None)
        second = await crm.contacts.deleted_page(datetime(2020, 1, 1, tzinfo=UTC), first.next_page)
        assert {one.record_id for page in (first, second) for one in page.deletions} == set(ids)
        assert second.next_page is None


class TestMembership:
    async def test_members_of_a_view_are_told_by_one_question(self, crm: Customer) -> None:
        old, new = await crm.add(
            {"Last_Name": "A", "Modified_Time": "2026-01-01T09:00:00+00:00"},
            {"Last_Name": "B", "Modified_Time": "2026-03-01T09:00:00+00:00"},
        )
        since = datetime(2026, 3, 1, 9, tzinfo=UTC)
        assert await crm.contacts.members_since(crm.all_contacts, since) == frozenset([new])
        both = await crm.contacts.members_since(crm.all_contacts, datetime(2020, 1, 1, tzinfo=UTC))
        assert both == frozenset([old, new])

    async def test_more_than_2000_members_take_a_second_question(self, crm: Customer) -> None:
        ids = await crm.populate(2100)
        found = await crm.contacts.members_since(crm.all_contacts, datetime(2020, 1, 1, tzinfo=UTC))
        assert found == frozenset(ids)
        assert crm.gate.credits == 6

    async def test_a_crm_that_knows_no_views_in_queries_says_nothing(self, zoho: Vendor, crm: Customer) -> None:
        await zoho.settings(coql_views=False)
        assert await crm.contacts.members_since(crm.all_contacts, datetime(2020, 1, 1, tzinfo=UTC)) is None


class TestLookingUp:
    async def test_an_address_is_found_in_either_field_whatever_its_case(self, crm: Customer) -> None:
        first, second, _ = await crm.add(
            {"Last_Name": "A", "Email": "One@X.org"},
            {"Last_Name": "B", "First_Name": "Bea", "Email": "b@x.org", "Secondary_Email": "two@x.org"},
            {"Last_Name": "C", "Email": "three@x.org"},
        )
        found = {
            one.record_id: one for one in await crm.contacts.find_addresses(["one@x.org", "TWO@x.org", "no@x.org"])
        }
        assert set(found) == {first, second}
        assert (found[second].name, found[second].email, found[second].secondary_email) == (
            "Bea B",
            "b@x.org",
            "two@x.org",
        )

    @pytest.mark.parametrize(
        "text",
        [
            "o'brien@x.org",
            "x' or id is not null or Email = '",
            "x') or (id is not null",
            "\\",
            "\\' or id is not null or Email = '",
            "') or id is not null; --",
            "a%",
        ],
    )
    async def test_no_value_is_taken_for_a_part_of_the_query(self, crm: Customer, text: str) -> None:
        """Each of these asks for itself and finds nobody; nobody else is found and nothing is refused."""
        await crm.populate(20)
        assert await crm.contacts.find_addresses([text]) == []
        assert await crm.contacts.find_last_names([text]) == []
        assert await crm.contacts.companies([text]) == {}

    async def test_names_with_quotes_and_backslashes_are_found(self, crm: Customer) -> None:
        names = ["O'Brien", "D''Arc", "Back\\slash", 'Ann "Nan" Lee', "李"]
        ids = await crm.add(*[{"Last_Name": name} for name in names])
        found = await crm.contacts.find_last_names(names)
        assert {one.remote_id: one.values[LAST] for one in found} == dict(zip(ids, names, strict=True))

    async def test_the_whole_module_is_read_for_its_addresses(self, crm: Customer) -> None:
        ids = await crm.populate(2100)
        page, after = await crm.contacts.addresses_page(None)
        rest, end = await crm.contacts.addresses_page(after)
        assert [one.record_id for one in [*page, *rest]] == sorted(ids)
        assert (len(page), end) == (2000, None)

    async def test_an_organisation_without_secondary_addresses_is_asked_for_the_others(
        self, zoho: Vendor, crm: Customer
    ) -> None:
        ids = await crm.add({"Last_Name": "A", "Email": "a@x.org"}, {"Last_Name": "B", "Email": "b@x.org"})
        await zoho.control("DELETE", f"organisations/{crm.zgid}/fields/Contacts/Secondary_Email")
        contacts = crm.contacts
        assert [one.record_id for one in await contacts.find_addresses(["a@x.org"])] == ids[:1]
        asked = len(crm.gate.calls)
        page, _ = await contacts.addresses_page(None)
        assert [one.email for one in page] == ["a@x.org", "b@x.org"]
        assert len(crm.gate.calls) == asked + 1
        assert len((await contacts.view_page(crm.all_contacts, None)).records) == 2

    async def test_reads_by_id_leave_out_what_is_not_there(self, crm: Customer) -> None:
        ids = await crm.populate(150)
        found = await crm.contacts.read([*ids, RecordId("9999999999999999999")])
        assert {one.remote_id for one in found} == set(ids)

    async def test_companies_are_found_by_exact_name_and_made_once(self, crm: Customer) -> None:
        await crm.add({"Account_Name": "ACME"}, {"Account_Name": "Acme Holdings"}, module="Accounts")
        known = await crm.contacts.companies(["Acme", "O'Hara & Sons"])
        made = await crm.contacts.create_companies(["O'Hara & Sons", "o'hara  & sons"])
        assert set(known) == {"Acme"}
        assert made["O'Hara & Sons"] == made["o'hara  & sons"]
        assert await crm.contacts.companies(["O'HARA & Sons"]) == {"O'HARA & Sons": made["O'Hara & Sons"]}
        names = [one["Account_Name"] for one in await crm.records("Accounts")]
        assert sorted(names) == ["ACME", "Acme Holdings", "O'Hara & Sons"]

    async def test_a_user_who_may_not_see_accounts_gets_no_companies(self, crm: Customer) -> None:
        rights = ["Crm_Implied_View_Accounts", "Crm_Implied_Create_Accounts"]
        await crm.change("profiles/Administrator", disable=rights)
        assert await crm.contacts.companies(["Acme"]) == {}
        assert await crm.contacts.create_companies(["Acme"]) == {}
