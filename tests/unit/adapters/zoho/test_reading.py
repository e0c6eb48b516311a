"""Listings, reads by id and the deleted list: what is asked, and what the answers become."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from contactsync.domain.ids import RecordId, RowKey, ViewId
from contactsync.domain.mapping import GooglePath, Mapping, MappingRow, default_mapping
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    LeaseLostError,
    PageTokenExpiredError,
    PermissionMissingError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
    ScopeGoneError,
)
from tests.unit.adapters.zoho.fakes import (
    REVISION,
    Crm,
    Reply,
    breaks,
    instant,
    page,
    problem,
    record,
    reply,
)

VIEW = ViewId("4000000000000000007")
SINCE = instant("2026-03-01T10:00:00.700+01:00")
LAST = {"more_records": False}


def wide_mapping() -> Mapping:
    rows = [MappingRow("Email", GooglePath.parse("email_addresses[work]"))]
    rows += [MappingRow(f"Custom_{n}", GooglePath.parse(f"user_defined[{n}]")) for n in range(44)]
    return Mapping(rows)


class TestAsking:
    async def test_a_view_is_listed_by_200_for_three_credits(self) -> None:
        crm = Crm(page([record()]))
        await crm.contacts.view_page(VIEW, None)
        query = crm.query()
        assert (query["cvid"], query["per_page"]) == (VIEW, "200")
        assert "page_token" not in query
        assert crm.requests[0].url.path == "/crm/v8/Contacts"
        assert crm.requests[0].headers["Authorization"] == "Zoho-oauthtoken token-1"
        assert (crm.gate.credits, crm.gate.calls[0].mutates, crm.gate.calls[0].control) == (3, False, False)

    async def test_the_next_page_is_asked_with_the_token_of_the_last(self) -> None:
        crm = Crm(page([record()], "t1"), page([record("2")]))
        first = await crm.contacts.view_page(VIEW, None)
        second = await crm.contacts.view_page(VIEW, first.next_page)
        assert (first.next_page, second.next_page) == ("t1", None)
        assert crm.query()["page_token"] == "t1"

    async def test_45_mapped_fields_and_what_a_listing_needs_are_50(self) -> None:
        crm = Crm(page([record()]), mapping=wide_mapping())
        await crm.contacts.view_page(VIEW, None)
        names = crm.query()["fields"].split(",")
        assert len(names) == len(set(names)) == 50
        assert {"Modified_Time", "First_Name", "Last_Name", "Secondary_Email", "Locked__s", "Custom_43"} <= set(names)

    async def test_changes_are_asked_one_second_earlier_so_that_the_instant_itself_counts(self) -> None:
        crm = Crm(page([record()], "t1"), page([record()]))
        await crm.contacts.changed_page(SINCE, None)
        await crm.contacts.changed_page(SINCE, "t1")
        assert [one.headers["If-Modified-Since"] for one in crm.requests] == ["2026-03-01T08:59:59+00:00"] * 2
        assert "cvid" not in crm.query()
        assert crm.gate.credits == 2

    async def test_deleted_records_are_asked_for_by_page_number(self) -> None:
        rows = [{"id": "9", "deleted_time": "2026-03-01T11:00:00+01:00", "type": "permanent", "deleted_by": None}]
        crm = Crm(reply({"data": rows, "info": {"more_records": True}}), reply(status=304))
        first = await crm.contacts.deleted_page(SINCE, None)
        last = await crm.contacts.deleted_page(SINCE, first.next_page)
        assert [(one.record_id, one.deleted_at) for one in first.deletions] == [
            ("9", instant("2026-03-01T10:00:00+00:00"))
        ]
        assert (first.next_page, list(last.deletions), last.next_page) == ("2", [], None)
        assert crm.query() == {"type": "all", "page": "2", "per_page": "200"}
        assert crm.requests[0].headers["If-Modified-Since"] == "2026-03-01T08:59:59+00:00"
        assert crm.gate.credits == 4

    async def test_reads_by_id_go_by_100(self) -> None:
        ids = [RecordId(str(n)) for n in range(250)]
        crm = Crm(page([record("1"), record("2")]), reply(status=204), page([record("201")]))
        found = await crm.contacts.read([*ids, ids[0]])
        assert [one.remote_id for one in found] == ["1", "2", "201"]
        assert [len(crm.query(n)["ids"].split(",")) for n in range(3)] == [100, 100, 50]

    async def test_reading_nothing_asks_nothing(self) -> None:
        crm = Crm()
        assert await crm.contacts.read([]) == []
        assert crm.gate.calls == []


class TestObservations:
    async def test_a_record_becomes_its_mapped_values_and_its_identity(self) -> None:
        shown = record(
            First_Name="Ada",
            Email="Ada@Example.org",
            Secondary_Email="ada@home.example",
            Mobile="+44 20 7946 0000",
            Asst_Phone="+44 20 7946 0001",
            Fax="+44 20 7946 0002",
            Account_Name={"name": "Engines Ltd", "id": "55"},
            Salutation="-None-",
            Unmapped="kept out",
        )
        crm = Crm(page([shown]))
        found = (await crm.contacts.view_page(VIEW, None)).records[0]
        assert (found.remote_id, found.revision, found.modified_at) == (shown["id"], REVISION, instant(REVISION))
        assert found.values == {
            RowKey("First_Name=names.given_name"): "Ada",
            RowKey("Last_Name=names.family_name"): "Lovelace",
            RowKey("Email=email_addresses[work]"): "Ada@Example.org",
            RowKey("Secondary_Email=email_addresses[home]"): "ada@home.example",
            RowKey("Mobile=phone_numbers[mobile]"): "+44 20 7946 0000",
            RowKey("Fax=phone_numbers[workFax]"): "+44 20 7946 0002",
            RowKey("Account_Name=organizations.name"): "Engines Ltd",
        }
        assert found.identity.name == "Ada Lovelace"
        assert found.identity.strong_emails == ("Ada@Example.org",)
        assert found.identity.weak_emails == ("ada@home.example",)
        assert found.identity.phones == ("+44 20 7946 0000",)
        assert (found.in_scope, found.deleted, found.read_only) == (True, False, None)

    async def test_the_same_instant_is_the_same_revision_whatever_the_users_zone(self) -> None:
        zones = ("2026-03-01T14:30:00+05:30", "2026-03-01T04:00:00-05:00", "2026-03-01T09:00:00Z")
        crm = Crm(page([record(str(n), Modified_Time=text) for n, text in enumerate(zones)]))
        found = (await crm.contacts.changed_page(SINCE, None)).records
        assert {one.revision for one in found} == {REVISION}
        assert {one.in_scope for one in found} == {None}

    async def test_a_locked_record_says_so(self) -> None:
        crm = Crm(page([record(Locked__s=True), record("2", Locked__s=False)]))
        found = (await crm.contacts.view_page(VIEW, None)).records
        assert [one.read_only for one in found] == ["locked", None]

    async def test_the_crms_own_clock_comes_with_the_page(self) -> None:
        crm = Crm(page([record()]))
        assert (await crm.contacts.view_page(VIEW, None)).server_time == instant(REVISION)

    @pytest.mark.parametrize("status", [204, 304])
    async def test_an_empty_body_is_an_empty_page(self, status: int) -> None:
        crm = Crm(reply(status=status))
        found = await crm.contacts.changed_page(SINCE, None)
        assert (list(found.records), found.next_page) == ([], None)


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "details", "error", "reason"),
        [
            ("INVALID_DATA", {"param_name": "cvid"}, ScopeGoneError, "view_gone"),
            ("INVALID_DATA", {"param_name": "page_token"}, PageTokenExpiredError, "page_token_expired"),
            ("EXPIRED_VALUE", {"api_name": "page_token"}, PageTokenExpiredError, "page_token_expired"),
            ("TOKEN_BOUND_DATA_MISMATCH", {"param_name": "fields"}, PageTokenExpiredError, "page_token_expired"),
            ("PAGINATION_LIMIT_EXCEEDED", {"param_name": "page_token"}, ProviderContractError, "view_too_large"),
            ("AMBIGUITY_DURING_PROCESSING", {}, ProviderContractError, "provider_contract"),
            ("LIMIT_EXCEEDED", {"limit": 50}, ProviderContractError, "provider_contract"),
            ("REQUIRED_PARAM_MISSING", {"param_name": "fields"}, ProviderContractError, "provider_contract"),
            ("INVALID_HOST", {}, AuthorizationLostError, "wrong_data_centre"),
            ("INVALID_MODULE", {}, PermissionMissingError, "no_permission"),
        ],
    )
    async def test_a_refused_page_is_the_error_that_the_caller_can_act_on(
        self, code: str, details: dict[str, Any], error: type[ContactSyncError], reason: str
    ) -> None:
        crm = Crm(problem(code, **details))
        with pytest.raises(error) as caught:
            await crm.contacts.view_page(VIEW, "t1")
        assert type(caught.value) is error
        assert caught.value.reason == reason

    async def test_a_missing_right_is_named(self) -> None:
        crm = Crm(problem("NO_PERMISSION", 403, permissions=["Crm_Implied_View_Contacts"]))
        with pytest.raises(PermissionMissingError) as caught:
            await crm.contacts.view_page(VIEW, None)
        assert caught.value.details["permissions"] == ["Crm_Implied_View_Contacts"]

    @pytest.mark.parametrize(
        ("message", "headers", "reason", "wait"),
        [
            ("You have exceeded the API credits available for the 24-hour window.", {}, "crm_credits", 3600.0),
            ("You have reached the maximum number of concurrent API calls.", {}, "crm_concurrency", 1.0),
            ("Too many", {"X_API_CREDITS_REMAINING": "0"}, "crm_credits", 3600.0),
            ("Too many", {"Retry_After": "30"}, "crm_concurrency", 30.0),
        ],
    )
    async def test_429_is_told_apart_by_its_cause(
        self, message: str, headers: dict[str, str], reason: str, wait: float
    ) -> None:
        body = {"code": "TOO_MANY_REQUESTS", "details": {}, "message": message, "status": "error"}
        crm = Crm(reply(body, 429, **headers))
        with pytest.raises(RateLimitedError) as caught:
            await crm.contacts.view_page(VIEW, None)
        assert (caught.value.reason, caught.value.retry_after_s) == (reason, wait)

    @pytest.mark.parametrize("answer", [breaks(httpx2.ReadError), breaks(httpx2.ReadTimeout), problem("X", 503)])
    async def test_a_read_without_an_answer_may_be_repeated(self, answer: Reply) -> None:
        crm = Crm(answer)
        with pytest.raises(ProviderUnavailableError):
            await crm.contacts.view_page(VIEW, None)

    @pytest.mark.parametrize(
        "body",
        [
            b"<!DOCTYPE html><html></html>",
            [],
            {},
            {"data": "x"},
            {"data": [1]},
            {"data": [{"Last_Name": "no id", "Modified_Time": "2026-03-01T09:00:00Z"}], "info": LAST},
            {"data": [{"id": "1"}], "info": LAST},
            {"data": [{"id": "1", "Modified_Time": "2026-03-01T09:00:00"}], "info": LAST},
            {"data": [{"id": "1", "Modified_Time": "yesterday"}], "info": LAST},
            {"data": [], "info": {"more_records": True, "next_page_token": None}},
            {"data": [record()]},
            {"data": [record()], "info": {}},
            {"data": [record()], "info": {"more_records": None}},
            {"data": [record()], "info": "no more"},
            {"data": [record()], "info": {"more_records": True, "next_page_token": 2}},
        ],
    )
    async def test_an_answer_that_is_not_understood_is_never_an_empty_page(self, body: object) -> None:
        crm = Crm(reply(body))
        with pytest.raises(ProviderContractError):
            await crm.contacts.view_page(VIEW, None)

    @pytest.mark.parametrize("info", [{}, {"info": {}}, {"info": {"more_records": None}}])
    async def test_a_page_of_the_deleted_list_that_may_not_be_the_last_is_not_taken_for_it(self, info: Any) -> None:  # noqa: ANN401  JSON
        crm = Crm(reply({"data": [{"id": "9", "deleted_time": "2026-03-01T11:00:00+01:00"}], **info}))
        with pytest.raises(ProviderContractError):
            await crm.contacts.deleted_page(SINCE, None)

    async def test_without_the_crms_clock_there_is_no_watermark(self) -> None:
        crm = Crm(reply({"data": [record()], "info": LAST}, Date=""))
        with pytest.raises(ProviderContractError):
            await crm.contacts.changed_page(SINCE, None)


class TestTokens:
    @pytest.mark.parametrize("code", ["INVALID_TOKEN", "AUTHENTICATION_FAILURE", "SOMETHING_NEW"])
    async def test_a_refused_token_is_renewed_once_and_each_attempt_is_admitted(self, code: str) -> None:
        crm = Crm(problem(code, 401), page([record()]))
        assert len((await crm.contacts.view_page(VIEW, None)).records) == 1
        assert crm.tokens.stale == ["token-1"]
        assert crm.requests[1].headers["Authorization"] == "Zoho-oauthtoken token-2"
        assert len(crm.gate.calls) == 2

    async def test_a_second_refusal_means_that_the_grant_is_lost(self) -> None:
        crm = Crm(problem("INVALID_TOKEN", 401), problem("INVALID_TOKEN", 401))
        with pytest.raises(AuthorizationLostError) as caught:
            await crm.contacts.view_page(VIEW, None)
        assert caught.value.reason == "needs_reconnect"

    async def test_a_missing_scope_is_not_cured_by_a_new_token(self) -> None:
        crm = Crm(problem("OAUTH_SCOPE_MISMATCH", 401))
        with pytest.raises(AuthorizationLostError) as caught:
            await crm.contacts.view_page(VIEW, None)
        assert caught.value.reason == "missing_scope"
        assert crm.tokens.stale == []

    async def test_a_call_that_is_not_admitted_is_not_made(self) -> None:
        crm = Crm()
        crm.gate.refusals = [LeaseLostError()]
        with pytest.raises(LeaseLostError):
            await crm.contacts.view_page(VIEW, None)
        assert crm.requests == []

    async def test_an_api_host_off_the_list_is_never_contacted(self) -> None:
        crm = Crm()
        crm.tokens.api_url = "https://www.zohoapis.com.evil.example"
        with pytest.raises(ProviderContractError) as caught:
            await crm.contacts.view_page(VIEW, None)
        assert caught.value.reason == "host_not_allowed"
        assert crm.requests == []

    async def test_the_credits_left_are_remembered_once_they_are_told(self) -> None:
        crm = Crm(page([record()]), reply({"data": [record()], "info": LAST}, X_API_CREDITS_REMAINING="2400"))
        await crm.contacts.view_page(VIEW, None)
        assert crm.contacts.credits_remaining is None
        await crm.contacts.view_page(VIEW, None)
        assert crm.contacts.credits_remaining == 2400


async def test_the_default_mapping_leaves_room_for_the_phones_by_which_people_are_known() -> None:
    rows = [row for row in default_mapping() if row.crm_field not in {"Home_Phone", "Other_Phone"}]
    crm = Crm(page([record(Home_Phone="1", Other_Phone="2", Phone="3")]), mapping=Mapping(rows))
    found = (await crm.contacts.view_page(VIEW, None)).records[0]
    assert sorted(found.identity.phones) == ["1", "2", "3"]
