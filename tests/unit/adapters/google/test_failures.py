"""Every refusal that Google is known to word, and what it means to us."""

import pytest

from contactsync.errors import (
    AccountFullError,
    AuthorizationLostError,
    ContactSyncError,
    PageTokenExpiredError,
    ProviderContractError,
    RateLimitedError,
    SyncTokenExpiredError,
)
from tests.unit.adapters.google.people import EMAIL, Google, Reply, error, new

EXPIRED_TEXT = "Sync token is expired. Clear local cache and retry call without the sync token."
EXPIRED_INFO = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "EXPIRED_SYNC_TOKEN",
    "domain": "people.googleapis.com",
}
RATE_INFO = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "RATE_LIMIT_EXCEEDED",
    "metadata": {"quota_limit": "CriticalReadsPerMinutePerProjectPerUser"},
}
DAY_INFO = {**RATE_INFO, "metadata": {"quota_limit": "DailyContactWritesPerDayPerProjectPerUser"}}
FBS = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"subject": "QUOTA_EXCEEDED", "description": "FBS quota limit exceeded"}],
}
SCOPE_INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
DISABLED_INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}
SCOPE_TEXT = "Request had insufficient authentication scopes."
DISABLED_TEXT = "People API has not been used in project 1 before or it is disabled."
OVERFLOW = "Quota: MY_CONTACTS_OVERFLOW_COUNT"


async def listing_error(reply: Reply, sync_token: str | None = None, page: str | None = None) -> ContactSyncError:
    with pytest.raises(ContactSyncError) as caught:
        await Google([reply, reply]).people().list_page(sync_token, page)
    return caught.value


class TestTokensOfListings:
    @pytest.mark.parametrize(
        "reply",
        [
            error(400, "FAILED_PRECONDITION", EXPIRED_TEXT, details=[EXPIRED_INFO]),
            error(400, "INVALID_ARGUMENT", EXPIRED_TEXT, details=[EXPIRED_INFO]),
            error(400, "FAILED_PRECONDITION", EXPIRED_TEXT),
            error(400, "FAILED_PRECONDITION", "reworded", details=[EXPIRED_INFO]),
            error(410, "", "Sync token is no longer valid."),
            (410, "<html>Gone</html>"),
        ],
    )
    async def test_an_expired_sync_token_in_every_form(self, reply: Reply) -> None:
        assert isinstance(await listing_error(reply, "token"), SyncTokenExpiredError)

    async def test_the_place_in_the_listing_is_given_up_before_its_token(self) -> None:
        reply = error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        assert isinstance(await listing_error(reply, "token", "page"), PageTokenExpiredError)
        assert isinstance(await listing_error(reply, None, "page"), PageTokenExpiredError)
        assert isinstance(await listing_error(reply, "token"), SyncTokenExpiredError)
        assert isinstance(await listing_error(reply), ProviderContractError)

    async def test_a_mask_that_google_does_not_know_is_no_expired_token(self) -> None:
        reply = error(400, "INVALID_ARGUMENT", 'Invalid personFields mask path: "fileAses".')
        assert isinstance(await listing_error(reply, "token", "page"), ProviderContractError)


class TestQuotas:
    @pytest.mark.parametrize(
        ("reply", "reason", "seconds"),
        [
            (error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", details=[RATE_INFO]), "google_quota", 60),
            (error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", details=[DAY_INFO]), "google_quota", 3600),
            (error(403, "PERMISSION_DENIED", "", reasons=["rateLimitExceeded"]), "google_quota", 60),
            (error(403, "PERMISSION_DENIED", "", reasons=["userRateLimitExceeded"]), "google_quota", 60),
            (error(403, "PERMISSION_DENIED", "", reasons=["dailyLimitExceeded"]), "google_quota", 3600),
            (error(429, "RESOURCE_EXHAUSTED", "x", details=[FBS]), "google_account_quota", 300),
            (
                error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
                "google_account_quota",
                300,
            ),
            ((429, "<html>Too many</html>"), "google_quota", 60),
        ],
    )
    async def test_a_used_up_quota_is_named_and_dated(self, reply: Reply, reason: str, seconds: float) -> None:
        found = await listing_error(reply)
        assert isinstance(found, RateLimitedError)
        assert (found.reason, found.retry_after_s) == (reason, seconds)

    @pytest.mark.parametrize(
        "reply",
        [
            error(429, "RESOURCE_EXHAUSTED", OVERFLOW),
            error(
                429,
                "RESOURCE_EXHAUSTED",
                "Resource has been exhausted (e.g. check quota).",
                details=[{"violations": [{"subject": "MY_CONTACTS_OVERFLOW_COUNT"}]}],
            ),
            error(400, "FAILED_PRECONDITION", OVERFLOW),
            error(400, "INVALID_ARGUMENT", "", details=[{"contactErrors": {"0": {"code": 8, "message": OVERFLOW}}}]),
        ],
    )
    async def test_a_full_account_is_no_quota_that_waiting_helps(self, reply: Reply) -> None:
        with pytest.raises(AccountFullError):
            await Google([reply]).people().create([new({EMAIL: "ada@example.com"})])


class TestRights:
    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), "needs_reconnect"),
            (error(403, "PERMISSION_DENIED", SCOPE_TEXT), "missing_scope"),
            (error(403, "PERMISSION_DENIED", "x", details=[SCOPE_INFO]), "missing_scope"),
            (error(403, "PERMISSION_DENIED", "x", reasons=["insufficientPermissions"]), "missing_scope"),
            (error(403, "PERMISSION_DENIED", DISABLED_TEXT, details=[DISABLED_INFO]), "service_disabled"),
            (error(403, "PERMISSION_DENIED", DISABLED_TEXT, reasons=["accessNotConfigured"]), "service_disabled"),
            (error(403, "PERMISSION_DENIED", "The caller does not have permission"), "needs_reconnect"),
        ],
    )
    async def test_what_only_a_person_can_mend_is_named(self, reply: Reply, reason: str) -> None:
        found = await listing_error(reply)
        assert isinstance(found, AuthorizationLostError)
        assert found.reason == reason

    async def test_a_gateway_that_forbids_says_nothing_of_the_grant(self) -> None:
        assert isinstance(await listing_error((403, "<html>Forbidden</html>")), ProviderContractError)


async def test_an_unknown_refusal_keeps_its_text_to_itself() -> None:
    found = await listing_error(error(418, "UNKNOWN", "no place for ada@example.com"))
    assert isinstance(found, ProviderContractError)
    assert "ada" not in f"{found} {found.details}"
