"""Lost answers, pages of HTML, limits and dead tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from contactsync.domain.ids import RowKey
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    OutcomeUnknownError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
)
from contactsync.ports.directory import CreateRequest, RecordUpdate
from tests.integration.zoho.harness import Customer, Vendor
from tests.unit.adapters.zoho.fakes import link

LAST = RowKey("Last_Name=names.family_name")
MOBILE = RowKey("Mobile=phone_numbers[mobile]")
READ_SCOPE = ("ZohoCRM.modules.contacts.READ",)


class TestLostAnswers:
    @pytest.mark.parametrize("action", ["cut_after", "truncate"])
    async def test_a_create_that_was_carried_out_without_an_answer_is_an_unknown(
        self, zoho: Vendor, crm: Customer, action: str
    ) -> None:
        await zoho.fault(match="contacts.insert", action=action, times=1)
        with pytest.raises(OutcomeUnknownError):
            await crm.contacts.create([CreateRequest(link(), {LAST: "A"})], companies={})
        assert [one["Last_Name"] for one in await crm.records()] == ["A"]
        assert sum(call.mutates for call in crm.gate.calls) == 1

    @pytest.mark.parametrize(
        "fault", [{"action": "html200"}, {"action": "status", "status": 500}, {"action": "cut_before"}]
    )
    async def test_a_write_with_any_other_unclear_answer_is_an_unknown_too(
        self, zoho: Vendor, crm: Customer, fault: dict[str, object]
    ) -> None:
        (record_id,) = await crm.add({"Last_Name": "A"})
        await zoho.fault(match="re:contacts\\.(insert|update|delete)", **fault)
        changes = [RecordUpdate(link(), record_id, {LAST: "B"})]
        with pytest.raises(OutcomeUnknownError):
            await crm.contacts.create([CreateRequest(link(), {LAST: "A"})], companies={})
        with pytest.raises(OutcomeUnknownError):
            await crm.contacts.update(changes, unmodified_since=datetime.now(UTC), companies={})
        with pytest.raises(OutcomeUnknownError):
            await crm.contacts.delete([(link(), record_id)])

    async def test_an_unknown_second_create_is_told_although_the_first_call_was_clear(
        self, zoho: Vendor, crm: Customer
    ) -> None:
        await zoho.fault(match="contacts.insert", action="cut_after", after=1, times=1)
        with pytest.raises(OutcomeUnknownError):
            await crm.contacts.create([CreateRequest(link(), {LAST: "A", MOBILE: "ask the porter"})], companies={})
        assert len(await crm.records()) == 1

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"action": "cut_after"}, ProviderUnavailableError),
            ({"action": "truncate"}, ProviderUnavailableError),
            ({"action": "status", "status": 503}, ProviderUnavailableError),
            ({"action": "html200"}, ProviderContractError),
            ({"action": "status", "status": 200, "body": {"data": "?"}}, ProviderContractError),
            ({"action": "status", "status": 200, "body": ["x"]}, ProviderContractError),
            ({"action": "status", "status": 418, "body": "teapot"}, ProviderContractError),
        ],
    )
    async def test_a_read_is_never_an_empty_page_instead(
        self, zoho: Vendor, crm: Customer, fault: dict[str, object], error: type[ContactSyncError]
    ) -> None:
        _, deleted = await crm.add({"Last_Name": "A", "Email": "a@x.org"}, {"Last_Name": "B"})
        await crm.hand("records/Contacts/delete", ids=[deleted])
        await crm.contacts.view_page(crm.all_contacts, None)
        await zoho.fault(match="*", **fault)
        since = datetime(2020, 1, 1, tzinfo=UTC)
        questions: list[Callable[[], Awaitable[object]]] = [
            lambda: crm.contacts.view_page(crm.all_contacts, None),
            lambda: crm.contacts.changed_page(since, None),
            lambda: crm.contacts.deleted_page(since, None),
            lambda: crm.contacts.members_since(crm.all_contacts, since),
            lambda: crm.contacts.find_addresses(["a@x.org"]),
            lambda: crm.contacts.addresses_page(None),
            lambda: crm.contacts.view_exists(crm.all_contacts),
        ]
        for question in questions:
            with pytest.raises(error) as caught:
                await question()
            assert type(caught.value) is error


class TestLimits:
    @pytest.mark.parametrize(
        ("variant", "reason", "wait"),
        [
            ("credits", "crm_credits", 3600.0),
            ("concurrency", "crm_concurrency", 1.0),
            ("sub_concurrency", "crm_concurrency", 1.0),
        ],
    )
    async def test_the_cause_of_a_429_is_named(
        self, zoho: Vendor, crm: Customer, variant: str, reason: str, wait: float
    ) -> None:
        await crm.contacts.view_page(crm.all_contacts, None)
        await zoho.fault(match="contacts.*", action="rate_limit", variant=variant)
        for call in (
            crm.contacts.view_page(crm.all_contacts, None),
            crm.contacts.create([CreateRequest(link(), {LAST: "A"})], companies={}),
        ):
            with pytest.raises(RateLimitedError) as caught:
                await call
            assert (caught.value.reason, caught.value.retry_after_s) == (reason, wait)
        assert await crm.records() == []

    async def test_the_credits_left_are_told_once_half_are_used_and_then_run_out(
        self, zoho: Vendor, crm: Customer
    ) -> None:
        await zoho.settings(credits=7)
        contacts = crm.contacts
        told = []
        for _ in range(2):
            await contacts.view_page(crm.all_contacts, None)
            told.append(contacts.credits_remaining)
        assert told == [None, 1]
        with pytest.raises(RateLimitedError) as caught:
            await contacts.view_page(crm.all_contacts, None)
        assert caught.value.reason == "crm_credits"

    async def test_what_the_gate_counts_is_what_the_vendor_charges(self, crm: Customer) -> None:
        ids = await crm.populate(230)
        since = datetime(2020, 1, 1, tzinfo=UTC)
        contacts = crm.contacts
        await contacts.view_page(crm.all_contacts, None)
        await contacts.changed_page(since, None)
        await contacts.deleted_page(since, None)
        await contacts.members_since(crm.all_contacts, since)
        await contacts.read(ids)
        await contacts.find_addresses([f"n{n}@x.org" for n in range(60)])
        await contacts.addresses_page(None)
        await contacts.find_last_names(["A"])
        await contacts.companies(["A"])
        await contacts.create_companies([f"C{n}" for n in range(25)])
        await contacts.create([CreateRequest(link(), {LAST: f"N{n}"}) for n in range(25)], companies={})
        changes = [RecordUpdate(link(), one, {LAST: "B"}) for one in ids[:11]]
        await contacts.update(changes, unmodified_since=datetime.now(UTC) + timedelta(seconds=5), companies={})
        await contacts.delete([(link(), one) for one in ids[:30]])
        await contacts.view_exists(crm.all_contacts)
        assert (await crm.state())["credits_spent"] == crm.gate.credits


class TestTokens:
    @pytest.mark.parametrize("code", ["INVALID_TOKEN", "AUTHENTICATION_FAILURE"])
    async def test_an_expired_token_is_refreshed_once(self, zoho: Vendor, crm: Customer, code: str) -> None:
        await zoho.settings(expired_token_code=code)
        await crm.contacts.view_page(crm.all_contacts, None)
        await zoho.move_clock(timedelta(minutes=61))
        await crm.contacts.view_page(crm.all_contacts, None)
        assert crm.tokens.refreshes == 2

    async def test_a_revoked_grant_is_lost(self, zoho: Vendor, crm: Customer) -> None:
        await crm.contacts.view_page(crm.all_contacts, None)
        await zoho.control("POST", "tokens/revoke", user_id=crm.user_id)
        with pytest.raises(AuthorizationLostError) as caught:
            await crm.contacts.view_page(crm.all_contacts, None)
        assert caught.value.reason == "needs_reconnect"

    async def test_a_missing_scope_is_not_a_dead_token(self, zoho: Vendor) -> None:
        crm = await zoho.customer(scopes=READ_SCOPE)
        await crm.contacts.view_page(crm.all_contacts, None)
        with pytest.raises(AuthorizationLostError) as caught:
            await crm.contacts.create([CreateRequest(link(), {LAST: "A"})], companies={})
        assert caught.value.reason == "missing_scope"
        assert crm.tokens.refreshes == 1

    async def test_the_eleventh_refresh_in_ten_minutes_is_throttled(self, zoho: Vendor, crm: Customer) -> None:
        for _ in range(10):
            await zoho.oauth.refresh(crm.refresh_token, "us", crm.gate)
        with pytest.raises(RateLimitedError) as caught:
            await zoho.oauth.refresh(crm.refresh_token, "us", crm.gate)
        assert (caught.value.reason, caught.value.retry_after_s) == ("token_throttle", 600.0)
